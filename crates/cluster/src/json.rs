//! Small readers for objects held as JSON.

use serde_json::{Map, Value};

use crate::stores::ObjectId;

/// The text at a pointer, empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Namespace and name.
pub(crate) fn id(value: &Value) -> Option<ObjectId> {
    let name = value.pointer("/metadata/name")?.as_str()?;
    Some(ObjectId::new(text(value, "/metadata/namespace"), name))
}

/// `metadata.resourceVersion` as a number.
pub(crate) fn version(value: &Value) -> u64 {
    text(value, "/metadata/resourceVersion").parse().unwrap_or(0)
}

/// An annotation.
pub(crate) fn annotation<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.pointer("/metadata/annotations")?.get(key)?.as_str()
}

/// A merge patch that turns `old` into `new`: what is gone becomes null.
pub(crate) fn merge_patch(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let mut patch = Map::new();
    for (key, value) in new {
        match old.get(key) {
            Some(before) if before == value => {}
            Some(before) => {
                patch.insert(key.clone(), merge_patch(before, value));
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_says_only_what_differs() {
        let old = json!({"a": 1, "b": {"c": 2, "d": [1]}, "e": "x"});
        let new = json!({"a": 1, "b": {"c": 3, "d": [1, 2]}, "f": true});
        let patch = merge_patch(&old, &new);
        assert_eq!(patch, json!({"b": {"c": 3, "d": [1, 2]}, "e": null, "f": true}));
        let mut merged = old;
        json_patch::merge(&mut merged, &patch);
        assert_eq!(merged, new);
    }
}

//! Reading JSON objects as the API server stores them.

use serde_json::{Map, Value};

/// The text at a JSON pointer.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// The list at a JSON pointer; empty where there is none.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A label. Keys have slashes in them, so they can't stand in a pointer.
pub(super) fn label<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.pointer("/metadata/labels")?.get(key)?.as_str()
}

/// An annotation.
pub(super) fn annotation<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    annotations(value)?.get(key)?.as_str()
}

/// All annotations.
pub(super) fn annotations(value: &Value) -> Option<&Map<String, Value>> {
    value.pointer("/metadata/annotations")?.as_object()
}

/// Whether the object is on its way out.
pub(super) fn is_deleting(value: &Value) -> bool {
    value.pointer("/metadata/deletionTimestamp").is_some()
}

/// An instant in milliseconds.
pub(super) fn millis(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// Where two values differ first, as a path; nothing where they are equal.
pub(super) fn difference(before: &Value, after: &Value) -> Option<String> {
    if before == after {
        return None;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let keys = before.keys().chain(after.keys());
            let differs = |key: &&String| before.get(*key) != after.get(*key);
            let key = keys.into_iter().find(differs)?;
            let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
            Some(join(key, &difference(&of(before), &of(after)).unwrap_or_default()))
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            let index = before.iter().zip(after).position(|(before, after)| before != after)?;
            Some(join(&index.to_string(), &difference(before.get(index)?, after.get(index)?)?))
        }
        _ => Some(String::new()),
    }
}

fn join(first: &str, rest: &str) -> String {
    if rest.is_empty() { first.to_owned() } else { format!("{first}.{rest}") }
}

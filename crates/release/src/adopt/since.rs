//! Telling what an owner changed from what a newer API server adds.
//!
//! An object that is read from the cluster has all defaults filled in. A newer API server knows more fields, and says their defaults
//! for objects that were stored long before. Were those part of what a release is, an upgrade of the cluster would start a rollout of
//! everything that was adopted. But nobody owns such a field, whoever applied the object.

use serde_json::{Map, Value};

/// An object without the fields that nobody wrote and that it didn't have before: `now` as it is read, with its `managedFields`,
/// and `before` as it was kept.
pub fn without_new_defaults(now: &Value, before: &Value) -> Value {
    let mut object = now.clone();
    let entries = now.pointer("/metadata/managedFields").and_then(Value::as_array);
    let owned: Vec<&Value> =
        entries.into_iter().flatten().filter_map(|entry| entry.get("fieldsV1")).collect();
    // Of an object that says of nothing whose it is nothing can be told.
    if !owned.is_empty()
        && let (Some(spec), Some(before)) = (object.get_mut("spec"), before.get("spec"))
    {
        let below: Vec<&Value> = owned.iter().filter_map(|fields| fields.get("f:spec")).collect();
        prune(spec, before, &below);
    }
    object
}

fn prune(now: &mut Value, before: &Value, owned: &[&Value]) {
    // All that is below is owned.
    if owned.iter().any(|fields| is_leaf(fields)) {
        return;
    }
    match (now, before) {
        (Value::Object(now), Value::Object(before)) => prune_map(now, before, owned),
        (Value::Array(now), Value::Array(before)) => {
            for (i, item) in now.iter_mut().enumerate() {
                let Some(before) = counterpart(item, i, before) else { continue };
                let below: Vec<&Value> = owned.iter().flat_map(|fields| of_item(fields, item)).collect();
                prune(item, before, &below);
            }
        }
        _ => {}
    }
}

fn prune_map(now: &mut Map<String, Value>, before: &Map<String, Value>, owned: &[&Value]) {
    now.retain(|name, _| {
        before.contains_key(name) || owned.iter().any(|fields| fields.get(format!("f:{name}")).is_some())
    });
    for (name, value) in now.iter_mut() {
        let Some(before) = before.get(name) else { continue };
        let below: Vec<&Value> = owned.iter().filter_map(|fields| fields.get(format!("f:{name}"))).collect();
        prune(value, before, &below);
    }
}

fn is_leaf(fields: &Value) -> bool {
    fields.as_object().is_some_and(Map::is_empty)
}

/// The item that it was before: of its name where items have names, else of its place.
fn counterpart<'b>(item: &Value, place: usize, before: &'b [Value]) -> Option<&'b Value> {
    match item.get("name") {
        Some(name) => before.iter().find(|other| other.get("name") == Some(name)),
        None => before.get(place),
    }
}

/// What is owned of an item: the entries whose keys mean it.
fn of_item<'f>(fields: &'f Value, item: &Value) -> impl Iterator<Item = &'f Value> {
    let entries = fields.as_object().into_iter().flatten();
    let means = move |key: &String| {
        let names = key.strip_prefix("k:").and_then(|text| serde_json::from_str::<Value>(text).ok());
        let names = names.as_ref().and_then(Value::as_object).cloned();
        names.is_some_and(|names| names.iter().all(|(name, value)| item.get(name) == Some(value)))
    };
    entries.filter(|(key, _)| means(key)).map(|(_, below)| below).collect::<Vec<_>>().into_iter()
}

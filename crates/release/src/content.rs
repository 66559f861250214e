//! The content of a release and its hash.

use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};
use teal_plan::ContentHash;

use crate::chart::with_nulls_told;
use crate::fate::is_in_place;
use crate::object::Object;

/// The version of the recipe below. Another recipe gets another number: hashes of unlike versions are never compared.
const HASH_VERSION: u8 = 1;

/// Hash of `spec.release` as the server returns it.
///
/// Object keys are sorted, null entries dropped, manifests sorted by kind and name, and what reaches live in place
/// (replicas of workloads; autoscalers and disruption budgets as a whole) left out. Schema defaults and typed structs
/// take no part, so an upgrade of the operator never changes a hash.
pub fn hash(release: &Value) -> ContentHash {
    // In the values of a chart a null means something, and it is left out below.
    let mut release = if release.get("chart").is_some() { with_nulls_told(release) } else { release.clone() };
    if let Some(manifests) = release.get_mut("manifests").and_then(Value::as_array_mut) {
        *manifests = hashed_part(manifests);
    }
    ContentHash { version: HASH_VERSION, digest: Sha256::digest(canonical(&release)).into() }
}

/// The first 16 hex digits of the digest of an object, for [`crate::names::annotation::CONTENT`]: of the object without its
/// size, which has writers of its own, unless it is held at 0.
pub fn fingerprint(object: &Object) -> String {
    let mut object = object.clone();
    let asleep = object.get("/spec/replicas").and_then(Value::as_u64) == Some(0);
    if object.template().is_some() && !asleep {
        object.remove(&["spec"], "replicas");
    }
    let mut digest = format!("{:x}", Sha256::digest(canonical(&Value::Object(object.0))));
    digest.truncate(16);
    digest
}

fn hashed_part(manifests: &[Value]) -> Vec<Value> {
    let mut kept: Vec<Object> = manifests
        .iter()
        .filter_map(Object::from_value)
        .filter(|manifest| !is_in_place(&manifest.key()))
        .map(without_replicas)
        .collect();
    kept.sort_by_cached_key(|manifest| {
        let key = manifest.key();
        (key.kind, key.name, manifest.text("/apiVersion").to_owned())
    });
    kept.into_iter().map(|manifest| Value::Object(manifest.0)).collect()
}

fn without_replicas(mut manifest: Object) -> Object {
    if manifest.template().is_some() {
        manifest.remove(&["spec"], "replicas");
    }
    manifest
}

/// JSON with sorted keys, no blanks, no null entries, and one spelling per number.
///
/// Written here and not by `serde_json` because its map order and number type depend on features that any crate of
/// the build may switch on; and not by RFC 8785, which would round integers to doubles.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    text
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&spelled(number)),
        Value::String(string) => text.push_str(&Value::from(string.as_str()).to_string()),
        Value::Array(items) => write_list(items, text),
        Value::Object(map) => write_map(map, text),
    }
}

fn write_list(items: &[Value], text: &mut String) {
    text.push('[');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        write_value(item, text);
    }
    text.push(']');
}

fn write_map(map: &Map<String, Value>, text: &mut String) {
    let mut entries: Vec<_> = map.iter().filter(|(_, value)| !value.is_null()).collect();
    entries.sort_by_key(|(name, _)| *name);
    text.push('{');
    for (position, (name, value)) in entries.into_iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        text.push_str(&Value::from(name.as_str()).to_string());
        text.push(':');
        write_value(value, text);
    }
    text.push('}');
}

fn spelled(number: &Number) -> String {
    if let Some(whole) = number.as_i64() {
        return whole.to_string();
    }
    if let Some(whole) = number.as_u64() {
        return whole.to_string();
    }
    number.as_f64().map_or_else(|| number.to_string(), |real| real.to_string())
}

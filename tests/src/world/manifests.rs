//! The manifests in `examples/shop`, as they are or moved to a namespace of their own.

use serde::Deserialize;
use serde_json::{Value, json};

use super::checkout;
use crate::error::{Error, Result};

/// The namespace and host that stand in the files.
const NAMESPACE: &str = "shop";
const HOST: &str = "shop.example";

/// Reads a file of `examples/shop`.
pub fn example(name: &str) -> Result<Vec<Value>> {
    let path = checkout().join("examples/shop").join(name);
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|error| Error::File { path: path.clone(), why: error.to_string() })?;
    let documents = serde_yaml::Deserializer::from_str(&text).map(Value::deserialize);
    documents
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::File { path, why: error.to_string() })
}

/// The host under which the application of a namespace is reached.
pub fn host(namespace: &str) -> String {
    if namespace == NAMESPACE { HOST.to_owned() } else { format!("{namespace}.example") }
}

/// Moves an object of the examples to another namespace and host.
pub fn moved(mut object: Value, namespace: &str) -> Value {
    if object["kind"] == "Namespace" {
        object["metadata"]["name"] = json!(namespace);
        return object;
    }
    object["metadata"]["namespace"] = json!(namespace);
    rename_hosts(&mut object, &host(namespace));
    object
}

/// Only whole strings that are the host: a name that merely contains it is not meant.
fn rename_hosts(value: &mut Value, host: &str) {
    match value {
        Value::String(text) if text == HOST => host.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| rename_hosts(item, host)),
        Value::Object(fields) => fields.values_mut().for_each(|field| rename_hosts(field, host)),
        _ => {}
    }
}

/// The Rollout of a version: `v1`, `v2` or `v3` as in the files, any other made from `v1`.
pub fn rollout(version: &str, namespace: &str) -> Result<Value> {
    let in_file = matches!(version, "v1" | "v2" | "v3");
    let mut objects = example(&format!("{}.yaml", if in_file { version } else { "v1" }))?;
    let mut object = moved(objects.pop().unwrap_or_default(), namespace);
    if !in_file {
        set_environment(&mut object, "VERSION", version);
    }
    Ok(object)
}

/// Sets a variable of the application in a Rollout.
pub fn set_environment(rollout: &mut Value, name: &str, value: &str) {
    let pointer = "/spec/release/manifests/0/spec/template/spec/containers/0/env";
    let Some(environment) = rollout.pointer_mut(pointer).and_then(Value::as_array_mut) else { return };
    environment.retain(|variable| variable["name"] != name);
    environment.push(json!({"name": name, "value": value}));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_differ_only_in_what_they_are_for() {
        let version = |name: &str| rollout(name, "shop").unwrap();
        let mut second = version("v1");
        set_environment(&mut second, "VERSION", "v2");
        assert_eq!(sorted(second), sorted(version("v2")));
        let mut third = version("v1");
        set_environment(&mut third, "VERSION", "v3");
        set_environment(&mut third, "ERRORS", "0.2");
        assert_eq!(sorted(third), sorted(version("v3")));
    }

    fn sorted(mut rollout: Value) -> Value {
        let pointer = "/spec/release/manifests/0/spec/template/spec/containers/0/env";
        let environment = rollout.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
        environment.sort_by_key(|variable| variable["name"].as_str().unwrap().to_owned());
        rollout
    }

    #[test]
    fn every_example_is_moved_whole() {
        for file in ["namespace.yaml", "traffic.yaml", "tcp.yaml", "v1.yaml"] {
            for object in example(file).unwrap() {
                let text = moved(object, "other").to_string();
                assert!(!text.contains(HOST) && !text.contains(r#""namespace":"shop""#), "{text}");
            }
        }
    }

    #[test]
    fn examples_are_read_by_the_api() {
        for version in ["v1", "v2", "v3"] {
            let read: teal_api::Rollout = serde_json::from_value(rollout(version, "shop").unwrap()).unwrap();
            let problems = teal_api::defaults::filled(&read.spec);
            assert!(problems.is_ok(), "{version}: {problems:?}");
        }
    }
}

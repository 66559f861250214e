//! What a workload names by name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::object::{ObjectKey, template_pointer};

/// Something that a workload names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// What it is.
    pub key: ObjectKey,
    /// Where it is named first.
    pub field: String,
    /// Whether pods also start without it, wherever it is named.
    pub optional: bool,
}

/// What the cluster puts into every namespace.
const OF_THE_CLUSTER: [&str; 2] = ["kube-root-ca.crt", "istio-ca-root-cert"];

/// The ConfigMaps, Secrets, claims and the account that the pods of a workload name, each once.
pub fn named_by(workload: &Value) -> Vec<Named> {
    let kind = workload["kind"].as_str().unwrap_or_default();
    let Some(template) = template_pointer(kind) else { return Vec::new() };
    let pointer = format!("{template}/spec");
    let mut found = Found::default();
    if let Some(spec) = workload.pointer(&pointer) {
        let at = pointer.trim_start_matches('/').replace('/', ".");
        found.walk(spec, &at);
        for field in ["serviceAccountName", "serviceAccount"] {
            found.add("ServiceAccount", spec.get(field), (&format!("{at}.{field}"), false));
        }
    }
    found.0.into_values().collect()
}

#[derive(Default)]
struct Found(BTreeMap<ObjectKey, Named>);

impl Found {
    fn add(&mut self, kind: &str, name: Option<&Value>, (field, optional): (&str, bool)) {
        let Some(name) = name.and_then(Value::as_str).filter(|name| !name.is_empty()) else { return };
        if kind == "ConfigMap" && OF_THE_CLUSTER.contains(&name) {
            return;
        }
        let key = ObjectKey::new("", kind, name);
        let there = self.0.entry(key.clone());
        let named = there.or_insert_with(|| Named { key, field: field.to_owned(), optional });
        named.optional &= optional;
    }

    fn walk(&mut self, value: &Value, at: &str) {
        match value {
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.walk(item, &format!("{at}[{i}]"));
                }
            }
            Value::Object(map) => {
                for (name, below) in map {
                    let at = format!("{at}.{name}");
                    self.reference(name, below, &at);
                    self.walk(below, &at);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// What the Kubernetes API calls a reference is called so everywhere in a pod's spec.
    fn reference(&mut self, name: &str, value: &Value, at: &str) {
        let optional = value["optional"] == true;
        match name {
            "configMap" | "configMapRef" | "configMapKeyRef" => {
                self.add("ConfigMap", value.get("name"), (&format!("{at}.name"), optional));
            }
            "secret" => {
                let field = if value.get("secretName").is_some() { "secretName" } else { "name" };
                self.add("Secret", value.get(field), (&format!("{at}.{field}"), optional));
            }
            "persistentVolumeClaim" => {
                let field = format!("{at}.claimName");
                self.add("PersistentVolumeClaim", value.get("claimName"), (&field, false));
            }
            "imagePullSecrets" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.add("Secret", item.get("name"), (&format!("{at}[{i}].name"), true));
                }
            }
            _ if name.ends_with("ecretRef") || name == "secretKeyRef" => {
                self.add("Secret", value.get("name"), (&format!("{at}.name"), optional));
            }
            _ => {}
        }
    }
}

//! Who would write a field again, and what has to change where that one reads it.
//!
//! A tool that applies an object says all of its fields again each time. So before a Service is turned away from the originals, or these are
//! put to rest, nobody may say the opposite any more. It can be seen on the object itself as long as nobody else has changed the value:
//! `kubectl apply` leaves behind what it applied, and who applies server-side owns what it says.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::names::annotation;
use crate::object::{Object, list};

/// How Teal's own managers of fields begin.
const OURS: &str = "teal/";
/// Managers that say everything again without applying server-side or leaving an annotation behind.
const AGAIN: [&str; 5] = ["helm", "Helm", "Terraform", "HashiCorp", "pulumi-kubernetes"];
/// Where Helm writes of which release an object is.
const OF_HELM: &str = "meta.helm.sh/release-name";

/// A field that has to change where an object is applied from, before adoption goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The object, as `Service web`.
    pub object: String,
    /// The field.
    pub field: &'static str,
    /// Who says it.
    pub by: Vec<String>,
    /// What to write instead.
    pub remedy: String,
}

/// Who would say a field again if it were changed, by name. The path is that of the field, without a slash.
pub fn said_by(object: &Object, path: &[&str]) -> Vec<String> {
    let mut found = BTreeSet::new();
    let applied = object.annotation(annotation::LAST_APPLIED);
    let applied = applied.and_then(|text| serde_json::from_str::<Value>(text).ok());
    if applied.is_some_and(|applied| has(&applied, path)) {
        found.insert("kubectl apply".to_owned());
    }
    let metadata = object.get("/metadata").unwrap_or(&Value::Null);
    for entry in list(metadata, "/managedFields") {
        let manager = entry["manager"].as_str().unwrap_or_default();
        let again = entry["operation"] == "Apply" || AGAIN.contains(&manager);
        let is_whole = entry["subresource"].as_str().unwrap_or_default().is_empty();
        if again && is_whole && !manager.starts_with(OURS) && owns(&entry["fieldsV1"], path) {
            found.insert(named(manager, object));
        }
    }
    found.into_iter().collect()
}

fn named(manager: &str, object: &Object) -> String {
    match object.annotation(OF_HELM) {
        Some(release) if manager.eq_ignore_ascii_case("helm") => format!("Helm release {release}"),
        Some(_) | None => manager.to_owned(),
    }
}

fn has(value: &Value, path: &[&str]) -> bool {
    let found = path.iter().try_fold(value, |value, name| value.get(name));
    found.is_some_and(|value| !value.is_null())
}

/// Whether a set of fields in the API server's notation has the field, or something below it.
fn owns(fields: &Value, path: &[&str]) -> bool {
    let mut fields = fields;
    for name in path {
        match fields.get(format!("f:{name}")) {
            Some(below) => fields = below,
            // What is owned as a whole is owned with all that is below it.
            None => return fields.as_object().is_some_and(Map::is_empty),
        }
    }
    true
}

/// What has to change before a traffic Service is turned to copies, and before an original is put to rest. Empty where nobody would
/// write it back.
pub fn changes(object: &Object) -> Vec<Change> {
    let key = object.key();
    let (field, path, remedy): (_, &[&str], _) = match key.kind.as_str() {
        "Service" => (
            "spec.selector",
            &["spec", "selector"],
            "take spec.selector out, and leave the rest: applied again it would lead callers to pods that rest".to_owned(),
        ),
        "Deployment" | "StatefulSet" => ("spec.replicas", &["spec", "replicas"], at_rest(object)),
        _ => return Vec::new(),
    };
    let by = said_by(object, path);
    if by.is_empty() || is_at_rest(object) {
        return Vec::new();
    }
    vec![Change { object: key.to_string(), field, by, remedy }]
}

/// Whoever says the size puts it to rest: then it is the same however often it is applied.
fn at_rest(object: &Object) -> String {
    let size = object.get("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    let noted = object.annotation(annotation::REPLICAS).map_or_else(|| size.to_string(), str::to_owned);
    format!(
        "write spec.replicas: 0, and the annotation {}: \"{noted}\" for the size of the copies where no autoscaler sizes them",
        annotation::REPLICAS
    )
}

/// A workload that is said to have no pods.
fn is_at_rest(object: &Object) -> bool {
    object.template().is_some() && object.get("/spec/replicas").and_then(Value::as_u64) == Some(0)
}

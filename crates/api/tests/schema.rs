//! What must hold for every field of both definitions, read from the very files that are installed.
#![allow(clippy::expect_used, reason = "helpers of tests fail by panicking")]

use serde_json::Value;
use teal_api::crd;

/// Plain `kubectl apply` stores the whole object in an annotation, which has a limit; this stays well below it.
const LARGEST_FILE: usize = 150 * 1024;

/// The schema of each kind by name.
fn schemas() -> Vec<(&'static str, Value)> {
    let definitions = [("Rollout", crd::rollout()), ("Decision", crd::decision())];
    definitions
        .into_iter()
        .map(|(kind, definition)| {
            let value = serde_json::to_value(definition.expect("made")).expect("JSON");
            (kind, value["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone())
        })
        .collect()
}

/// Calls with the path of every schema inside this one, itself first.
fn visit<'a>(path: &str, schema: &'a Value, see: &mut dyn FnMut(&str, &'a Value)) {
    see(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        visit(&format!("{path}.{name}"), property, see);
    }
    if schema.get("items").is_some() {
        visit(&format!("{path}[]"), &schema["items"], see);
    }
}

/// Paths of both kinds for which something does not hold.
fn offenders(holds: impl Fn(&str, &Value) -> bool) -> Vec<String> {
    let schemas = schemas();
    let mut found = Vec::new();
    let mut seen = 0;
    for (kind, schema) in &schemas {
        visit(kind, schema, &mut |path, schema| {
            seen += 1;
            if !holds(path, schema) {
                found.push(path.to_owned());
            }
        });
    }
    assert!(seen > 100, "only {seen} schemas were visited");
    found
}

fn none(found: &[String]) {
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_server_fills_nothing_in() {
    none(&offenders(|_, schema| schema.get("default").is_none()));
}

#[test]
fn a_bare_key_is_no_gate() {
    none(&offenders(|_, schema| schema.get("nullable").is_none()));
}

#[test]
fn every_field_is_described() {
    none(&offenders(|path, schema| {
        let is_field = !path.ends_with("[]");
        !is_field
            || schema["description"]
                .as_str()
                .is_some_and(|text| text.len() > 10 && text.ends_with(['.', ')']))
    }));
}

#[test]
fn optional_fields_of_a_rollout_name_their_default() {
    let no_default =
        ["guards", "checks", "keep", "min", "max", "query", "threshold", "virtualServices", "release"];
    none(&offenders(|path, schema| {
        let Some(required) = path.starts_with("Rollout.spec").then(|| schema["required"].as_array()) else {
            return true;
        };
        schema["properties"].as_object().into_iter().flatten().all(|(name, property)| {
            let is_required = required.into_iter().flatten().any(|entry| entry == name);
            let described = property["description"].as_str().is_some_and(|text| text.contains("Default: "));
            // Of what may stand in a line of routes exactly one does.
            let exempt = no_default.contains(&name.as_str()) || path.ends_with(".routes[]");
            is_required || described || exempt || path.contains(".release")
        })
    }));
}

#[test]
fn schemas_are_structural() {
    none(&offenders(|_, schema| {
        let words = ["$ref", "oneOf", "anyOf", "allOf", "not", "uniqueItems", "patternProperties", "title"];
        let typed = schema["type"].is_string() != (schema["x-kubernetes-int-or-string"] == Value::Bool(true));
        typed && words.iter().all(|word| schema.get(word).is_none())
    }));
    none(&offenders(|_, schema| {
        schema["format"].as_str().is_none_or(|format| ["int32", "int64", "date-time"].contains(&format))
    }));
}

#[test]
fn lists_say_how_writers_share_them() {
    none(&offenders(|_, schema| {
        let keys_required =
            schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().all(|key| {
                schema["items"]["required"].as_array().into_iter().flatten().any(|required| required == key)
            });
        match schema["x-kubernetes-list-type"].as_str() {
            Some("map") => keys_required && schema["x-kubernetes-list-map-keys"].is_array(),
            Some("set" | "atomic") => true,
            _ => schema["type"] != "array",
        }
    }));
}

/// The cost of rules is estimated from the largest input, so what a rule can read must have a largest size.
#[test]
fn all_that_rules_read_is_bounded() {
    none(&offenders(|path, schema| {
        let in_spec = path.contains(".spec.");
        match schema["type"].as_str() {
            Some("string") => !in_spec || schema["maxLength"].is_u64() || schema["enum"].is_array(),
            Some("array") => !in_spec || schema["maxItems"].is_u64(),
            _ => true,
        }
    }));
    none(&offenders(|path, schema| {
        schema.get("x-kubernetes-validations").is_none() || !path.contains(".status")
    }));
}

#[test]
fn no_message_shows_a_regular_expression() {
    none(&offenders(|_, schema| schema.get("pattern").is_none()));
    none(&offenders(|_, schema| {
        let rules = schema["x-kubernetes-validations"].as_array();
        rules.into_iter().flatten().all(|rule| {
            let message = rule["message"].as_str().unwrap_or_default();
            message.len() > 10 && !message.contains("matches") && !message.contains("[a-z")
        })
    }));
}

/// `namespace` is a reserved word of the expression language.
#[test]
fn rules_escape_reserved_words() {
    none(&offenders(|_, schema| {
        let rules = schema["x-kubernetes-validations"].as_array();
        rules
            .into_iter()
            .flatten()
            .all(|rule| !rule["rule"].as_str().unwrap_or_default().contains(".namespace"))
    }));
}

#[test]
fn files_are_the_committed_ones_and_small() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds");
    for file in crd::generate().expect("made") {
        let committed = std::fs::read_to_string(format!("{folder}/{}", file.name)).expect(file.name);
        assert!(committed == file.text, "crds/{} is stale: run cargo xtask generate", file.name);
        assert!(file.text.len() < LARGEST_FILE, "{} has {} bytes", file.name, file.text.len());
    }
}

#[test]
fn names_and_columns_are_as_documented() {
    let rollout = serde_json::to_value(crd::rollout().expect("made")).expect("JSON");
    assert_eq!(rollout["metadata"]["name"], "rollouts.teal.dev");
    assert_eq!(rollout["spec"]["names"]["shortNames"], serde_json::json!(["tro"]));
    assert_eq!(rollout["spec"]["names"]["categories"], serde_json::json!(["teal"]));
    assert_eq!(columns(&rollout), "Phase Step Weight Waiting-for Live Candidate Age | Color Message");
    let decision = serde_json::to_value(crd::decision().expect("made")).expect("JSON");
    assert_eq!(decision["metadata"]["name"], "decisions.teal.dev");
    assert_eq!(decision["spec"]["names"]["shortNames"], serde_json::json!(["tdec"]));
    assert_eq!(columns(&decision), "Rollout Action Revision Step By Outcome Age | Via Reason");
}

/// Columns that are always shown, then those of `-o wide`.
fn columns(definition: &Value) -> String {
    let columns = definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array().expect("columns");
    let names = |wide: bool| {
        let shown =
            columns.iter().filter(|column| column["priority"].as_i64().unwrap_or(0) == i64::from(wide));
        shown.filter_map(|column| column["name"].as_str()).collect::<Vec<_>>().join(" ")
    };
    format!("{} | {}", names(false), names(true))
}

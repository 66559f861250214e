//! The examples against our own types and, without a server, against the rules of the definitions. The server's word
//! is heard in `server/examples.rs`.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kube::core::cel;
use serde_json::Value;
use support::Example;
use teal_api::{Decision, Rollout, crd, defaults};

fn schema(kind: &str) -> Value {
    let definition = if kind == "Rollout" { crd::rollout() } else { crd::decision() };
    let value = serde_json::to_value(definition.expect("made")).expect("JSON");
    value["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Messages of the rules that a document breaks, as a change from another one if there is one.
fn broken_rules(document: &Value, old: Option<&Value>) -> Vec<String> {
    let kind = document["kind"].as_str().expect("a kind");
    match cel::Validator::new().validate(&schema(kind), document, old) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_vec().into_iter().map(|error| error.message).collect(),
    }
}

fn all_messages() -> BTreeSet<String> {
    fn collect(value: &Value, messages: &mut BTreeSet<String>) {
        let rules = value["x-kubernetes-validations"].as_array().into_iter().flatten();
        messages.extend(rules.filter_map(|rule| rule["message"].as_str()).map(str::to_owned));
        for child in value["properties"].as_object().into_iter().flatten().map(|(_, child)| child) {
            collect(child, messages);
        }
        if value["items"].is_object() {
            collect(&value["items"], messages);
        }
    }
    let mut messages = BTreeSet::new();
    collect(&schema("Rollout"), &mut messages);
    collect(&schema("Decision"), &mut messages);
    messages
}

#[test]
fn valid_examples_keep_the_rules_and_are_understood() {
    for example in support::valid() {
        assert_eq!(example.refused, None, "{}", example.name());
        for document in &example.documents {
            assert_eq!(broken_rules(document, None), Vec::<String>::new(), "{}", example.name());
            understood(&example, document);
        }
    }
}

#[test]
fn an_operator_of_default_settings_takes_every_example_but_the_one_about_that() {
    for example in support::valid().iter().filter(|example| example.name() != "of-a-second-operator.yaml") {
        for document in &example.documents {
            let label = document["metadata"]["labels"].get(teal_api::names::label::INSTANCE);
            assert_eq!(label, None, "{}", example.name());
        }
    }
}

fn checks(document: &Value) -> impl Iterator<Item = &Value> {
    document["spec"]["checks"].as_array().into_iter().flatten()
}

/// A ratio is empty without requests. As 0 that would be a good sample, and a release that nobody called would be promoted.
#[test]
fn no_example_takes_a_ratio_without_requests_for_zero() {
    let mut seen = 0;
    for example in support::valid() {
        for check in example.documents.iter().flat_map(checks) {
            let divides = check["query"].as_str().expect("a query").contains('/');
            assert!(!divides || check["noData"] != "Zero", "{}: {check}", example.name());
            seen += usize::from(divides);
        }
    }
    assert!(seen > 0, "no example has a ratio");
}

/// Every page and example that a query may be copied from, with its text; also the definitions, which `kubectl explain` shows.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut open: Vec<PathBuf> = ["docs", "examples", "crds"].iter().map(|name| root.join(name)).collect();
    let mut found = vec![root.join("README.md")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "md" || end == "yaml") {
                found.push(path);
            }
        }
    }
    let text = |path: PathBuf| (path.display().to_string(), fs::read_to_string(&path).expect("readable"));
    found.into_iter().map(text).collect()
}

/// Prometheus makes `teal_dev_revision` of the pods' label. A query by another one answers nothing.
#[test]
fn examples_and_pages_ask_for_the_revision_by_one_label() {
    const ASKED: &str = "=\"$(revision)\"";
    let mut seen = 0;
    for (name, text) in pages() {
        for (at, _) in text.match_indices(ASKED) {
            let before = text.get(..at).expect("a boundary");
            let label = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
            assert_eq!(label, Some("teal_dev_revision"), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 10, "only {seen} places");
}

/// Reads a document into our types and back: nothing may be lost on the way.
fn understood(example: &Example, document: &Value) {
    let back = if document["kind"] == "Rollout" {
        let rollout: Rollout = serde_json::from_value(document.clone()).expect("a Rollout");
        let filled = defaults::filled(&rollout.spec).expect("usable");
        assert_eq!(filled.steps.last().map(|step| step.weight), Some(100));
        match rollout.spec.release.chart() {
            Some(chart) => assert!(!chart.expect("complete").version.is_empty()),
            None => assert!(!rollout.spec.release.manifests().expect("complete").is_empty()),
        }
        serde_json::to_value(&rollout)
    } else {
        let decision: Decision = serde_json::from_value(document.clone()).expect("a Decision");
        serde_json::to_value(&decision)
    };
    assert_eq!(back.expect("JSON")["spec"], document["spec"], "{}", example.name());
}

/// How the server words what it refuses for its shape. An example that names neither this nor a rule was left behind by
/// a rule that changed.
const SHAPE: [&str; 8] = [
    "Required value",
    "Duplicate value",
    "must be of type",
    "supported values",
    "unknown field",
    "should be",
    "Too long",
    "must have at most",
];

#[test]
fn refused_examples_break_the_rule_they_name() {
    let messages = all_messages();
    let mut by_rule = 0;
    for example in support::invalid() {
        let fragment =
            example.refused.clone().unwrap_or_else(|| panic!("{} names no message", example.name()));
        let Some((last, before)) = example.documents.split_last() else {
            panic!("{} is empty", example.name());
        };
        // A bare key is refused for its type, before any rule is asked.
        if !example.server_side && messages.iter().any(|message| message.contains(&fragment)) {
            let broken = broken_rules(last, before.last());
            assert!(
                broken.iter().any(|message| message.contains(&fragment)),
                "{}: {broken:?} lacks {fragment:?}",
                example.name()
            );
            by_rule += 1;
        } else {
            let known = SHAPE.iter().any(|words| fragment.contains(words));
            assert!(known, "{}: no rule says {fragment:?}", example.name());
        }
    }
    assert!(by_rule > 30, "only {by_rule} examples break a rule");
}

#[test]
fn every_rule_has_an_example_that_breaks_it() {
    let examples = support::invalid();
    let refused: Vec<&str> = examples.iter().filter_map(|example| example.refused.as_deref()).collect();
    let without: Vec<String> = all_messages()
        .into_iter()
        .filter(|message| !refused.iter().any(|part| message.contains(part)))
        .collect();
    assert!(without.is_empty(), "no file in examples/invalid is refused by {without:#?}");
}

//! Plain `kubectl apply`, as people and many pipelines use it: it keeps what it applied in an annotation and sends
//! differences from it.

use std::collections::BTreeSet;

use serde_json::json;

use crate::cluster::Server;
use crate::support;

const APPLY: [&str; 1] = ["apply"];

#[test]
#[ignore = "needs an API server"]
fn both_kinds_work_with_plain_apply() {
    let server = Server::connect("apply");
    let mut kinds = BTreeSet::new();
    for example in support::valid() {
        // kubectl applies only what has a name.
        for document in example.documents.iter().filter(|document| document["metadata"]["name"].is_string()) {
            kinds.extend(document["kind"].as_str().map(str::to_owned));
            let created = server.send(&APPLY, document).expect("applied");
            assert!(created.trim_end().ends_with(" created"), "{}: {created}", example.name());
            // What the server adds by itself must not look like a difference.
            let again = server.send(&APPLY, document).expect("applied again");
            assert!(again.trim_end().ends_with(" unchanged"), "{}: {again}", example.name());
        }
    }
    assert!(kinds.contains("Rollout") && kinds.contains("Decision"), "{kinds:?}");
}

#[test]
#[ignore = "needs an API server"]
fn an_applied_rollout_can_be_changed_and_fields_be_taken_out_again() {
    let server = Server::connect("apply-change");
    let mut rollout = support::valid().remove(0).documents.remove(0);
    let name = rollout["metadata"]["name"].as_str().expect("a name").to_owned();
    let plain = rollout["spec"].clone();
    server.send(&APPLY, &rollout).expect("applied");
    rollout["spec"]["keep"] = json!({"previous": "2h"});
    rollout["spec"]["mode"] = json!("Paused");
    rollout["spec"]["release"]["manifests"][0]["metadata"]["labels"] = json!({"team": "shop"});
    let changed = server.send(&APPLY, &rollout).expect("applied");
    assert!(changed.trim_end().ends_with(" configured"), "{changed}");
    assert_eq!(server.spec(&name), rollout["spec"]);
    rollout["spec"] = plain;
    server.send(&APPLY, &rollout).expect("applied");
    assert_eq!(server.spec(&name), rollout["spec"], "what is no longer applied is gone");
}

#[test]
#[ignore = "needs an API server"]
fn an_applied_decision_stays_as_it_is() {
    let server = Server::connect("apply-decision");
    let decision = |step: &str| {
        json!({"apiVersion": "teal.dev/v1alpha1", "kind": "Decision", "metadata": {"name": "web-skip"}, "spec": {
            "rollout": {"name": "web"}, "action": "Skip", "revision": "r7-3f9c2a1b", "step": step,
            "reason": "seen by hand", "decidedBy": {"user": "ann"},
        }})
    };
    server.send(&APPLY, &decision("canary")).expect("applied");
    let refused = server.send(&APPLY, &decision("full")).expect_err("a change");
    assert!(refused.contains("a decision can't be changed"), "{refused}");
}

//! The examples of this repository, and what the API makes of them.

use serde_json::{Value, json};
use teal_api::verbs::{self, Person};
use teal_api::{Action, Rollout, RolloutStatus};

use crate::cluster::Server;
use crate::support;

#[test]
#[ignore = "needs an API server"]
fn examples_meet_the_server() {
    let server = Server::connect("examples");
    let (valid, invalid) = (support::valid(), support::invalid());
    let troubles: Vec<String> = valid
        .iter()
        .map(|example| server.accepted(example))
        .chain(invalid.iter().map(|example| server.refused(example)))
        .filter_map(Result::err)
        .collect();
    assert!(
        troubles.is_empty(),
        "{} of {}:\n{}",
        troubles.len(),
        valid.len() + invalid.len(),
        troubles.join("\n")
    );
    println!("{} valid examples accepted, {} invalid ones refused as they say", valid.len(), invalid.len());
    stored_release_is_what_was_written(&server);
    let rollout = status_is_stored_whole(&server);
    verbs_make_what_is_accepted(&server, &rollout);
}

/// The hash is taken over what the server returns, so it must keep every field of a manifest.
fn stored_release_is_what_was_written(server: &Server) {
    for example in support::valid() {
        for document in example.documents.iter().filter(|document| document["kind"] == "Rollout") {
            let name = document["metadata"]["name"].as_str().expect("a name");
            assert_eq!(server.spec(name), document["spec"], "{}", example.name());
        }
    }
}

/// A status in which every field has a value.
fn full_status() -> Value {
    let time = "2026-01-02T03:04:05.678Z";
    json!({
        "observedGeneration": 1, "phase": "Waiting", "message": "10 % of requests reach r7-3f9c2a1b",
        "waitingFor": "approval (0/1)",
        "live": {"color": "blue", "revision": "r6-5b1d9e02", "hash": "v1:5b", "since": time, "summary": "image web 1"},
        "candidate": {"color": "green", "revision": "r7-3f9c2a1b", "hash": "v1:3f", "attempt": 1, "since": time,
            "deadline": time, "summary": "image web 2"},
        "previous": {"color": "green", "revision": "r5-77aa01ff", "keptUntil": time},
        "step": {"name": "canary", "index": 1, "count": 2, "weight": 10, "reachedAt": time},
        "traffic": {"candidateWeight": 10, "observedAt": time, "routes": [{"kind": "VirtualService",
            "namespace": "shop", "name": "web", "route": "primary", "candidateWeight": 10}]},
        "gate": {"step": "canary", "nonce": "9f3c5d2e7a8b41c09f3c5d2e7a8b41c0", "openedAt": time,
            "needs": [{"count": 1, "have": 0}],
            "votes": [{"decision": "web-approve", "user": "ann", "via": "cli", "at": time}]},
        "checks": [{"name": "errors", "verdict": "Pass", "value": "0.0012", "limit": "max 1%", "samples": 8,
            "since": time, "message": "eight of eight"}],
        "rejected": ["r5-77aa01ff"],
        "history": [{"revision": "r6-5b1d9e02", "attempt": 1, "outcome": "Promoted", "reason": "all gates held",
            "startedAt": time, "finishedAt": time, "decisions": ["web-approve"]}],
        "commit": {"epoch": 41, "intent": {"any": ["form", 1, null]}},
        "conditions": [{"type": "Ready", "status": "True", "reason": "AwaitingDecision", "message": "a person is asked",
            "observedGeneration": 1, "lastTransitionTime": "2026-01-02T03:04:05Z"}],
    })
}

/// No field of our status types is unknown to the definition, nor the other way round.
fn status_is_stored_whole(server: &Server) -> Rollout {
    let status = full_status();
    let typed: RolloutStatus = serde_json::from_value(status.clone()).expect("a status");
    assert_eq!(serde_json::to_value(&typed).expect("JSON"), status);
    let patch = json!({"status": status}).to_string();
    let resource = ["rollouts.teal.dev", "simple-status", "-n", &server.namespace];
    let mut rollout = support::valid().remove(0).documents.remove(0);
    rollout["metadata"]["name"] = json!("simple-status");
    server.send(&["create"], &rollout).expect("accepted");
    server
        .must(&[&["patch"], &resource[..], &["--subresource=status", "--type=merge", "-p", &patch]].concat());
    let stored = server.must(&[&["get"], &resource[..], &["-o", "json"]].concat());
    let stored: Rollout = serde_json::from_str(&stored).expect("a Rollout");
    assert_eq!(stored.status, Some(typed));
    let row = server.must(&[&["get"], &resource[..], &["--no-headers"]].concat());
    for column in ["Waiting", "canary", "10", "approval (0/1)", "r6-5b1d9e02", "r7-3f9c2a1b"] {
        assert!(row.contains(column), "{row} lacks {column}");
    }
    stored
}

/// What the verbs make of that status is accepted, and the same vote twice is a conflict.
fn verbs_make_what_is_accepted(server: &Server, rollout: &Rollout) {
    let person = Person { user: "ann".to_owned(), reason: Some("seen".to_owned()), ..Person::default() };
    for action in Action::ALL {
        let decision = verbs::decision(action, rollout, &person).expect("possible");
        let decision = serde_json::to_value(decision).expect("JSON");
        server.send(&["create"], &decision).unwrap_or_else(|error| panic!("{action}: {error}"));
        if action == Action::Approve {
            let error = server.send(&["create"], &decision).expect_err("the same vote");
            assert!(error.contains("already exists"), "{error}");
        }
    }
}

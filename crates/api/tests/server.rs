//! The examples on a real API server: the definitions are applied, every valid example is accepted, every invalid one
//! is refused with the message that its first line names, fields are explained, status is stored whole.
//!
//! `cargo xtask server` runs it: it needs `TEAL_TEST_KUBECONFIG`, a kubeconfig whose user may do everything, and `kubectl`
//! (or what `TEAL_TEST_KUBECTL` names). It leaves the definitions and removes the namespace it made.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::Example;
use teal_api::verbs::{self, Person};
use teal_api::{Action, Rollout, RolloutStatus};

/// A server, and a namespace of our own on it.
struct Server {
    kubeconfig: String,
    kubectl: String,
    namespace: String,
}

impl Server {
    /// The server that the environment names, with our definitions and a fresh namespace.
    fn connect() -> Self {
        let kubeconfig = env::var("TEAL_TEST_KUBECONFIG")
            .expect("an API server in TEAL_TEST_KUBECONFIG, as `cargo xtask server` gives one");
        let kubectl = env::var("TEAL_TEST_KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
        let namespace = format!("teal-examples-{}", std::process::id());
        let server = Self { kubeconfig, kubectl, namespace };
        let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
        server.must(&["apply", "-f", &crds.to_string_lossy()]);
        server.must(&[
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "crd/rollouts.teal.dev",
            "crd/decisions.teal.dev",
        ]);
        server.must(&["create", "namespace", &server.namespace]);
        server.wait_until_kinds_are_served();
        server
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(&self.kubectl)
            .args(["--kubeconfig", &self.kubeconfig])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} can't be run: {error}", self.kubectl));
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
        child.wait_with_output().expect("ended")
    }

    fn must(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        assert!(
            output.status.success(),
            "kubectl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A definition is served a moment after it is established.
    fn wait_until_kinds_are_served(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        let get = ["get", "rollouts.teal.dev,decisions.teal.dev", "--all-namespaces"];
        while !self.run(&get, "").status.success() {
            assert!(Instant::now() < end, "the kinds are not served after 30 s");
            std::thread::yield_now();
        }
    }

    /// What the server says to a document.
    fn send(&self, verb: &[&str], document: &Value) -> Result<String, String> {
        let json = serde_json::to_string(document).expect("JSON");
        let arguments = [verb, &["-n", &self.namespace, "--validate=strict", "-f", "-"]].concat();
        let output = self.run(&arguments, &json);
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn accepted(&self, example: &Example) -> Result<(), String> {
        for document in &example.documents {
            self.send(&["create"], document).map_err(|error| format!("{}: {error}", example.name()))?;
        }
        Ok(())
    }

    /// Documents before the last one are accepted; the last is a change of them, or stands alone.
    fn refused(&self, example: &Example) -> Result<(), String> {
        let Some((last, before)) = example.documents.split_last() else {
            return Err(format!("{} is empty", example.name()));
        };
        for document in before {
            self.send(&["create"], document).map_err(|error| format!("{}: {error}", example.name()))?;
        }
        let verb: &[&str] = match (before.is_empty(), example.server_side) {
            (true, true) => &["apply", "--server-side"],
            (true, false) => &["create"],
            (false, _) => &["replace"],
        };
        let wanted = example.refused.clone().unwrap_or_default();
        match self.send(verb, last) {
            Ok(_) => Err(format!("{} was accepted", example.name())),
            Err(message) if message.contains(&wanted) => Ok(()),
            Err(message) => Err(format!("{}: wanted {wanted:?}, got {message}", example.name())),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run(&["delete", "namespace", &self.namespace, "--wait=false"], "");
    }
}

#[test]
#[ignore = "needs an API server"]
fn examples_meet_the_server() {
    let server = Server::connect();
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
    fields_are_explained(&server);
    let rollout = status_is_stored_whole(&server);
    verbs_make_what_is_accepted(&server, &rollout);
}

/// The hash is taken over what the server returns, so it must keep every field of a manifest.
fn stored_release_is_what_was_written(server: &Server) {
    for example in support::valid() {
        for document in example.documents.iter().filter(|document| document["kind"] == "Rollout") {
            let name = document["metadata"]["name"].as_str().expect("a name");
            let stored =
                server.must(&["get", "rollouts.teal.dev", name, "-n", &server.namespace, "-o", "json"]);
            let stored: Value = serde_json::from_str(&stored).expect("JSON");
            assert_eq!(stored["spec"], document["spec"], "{}", example.name());
        }
    }
}

fn fields_are_explained(server: &Server) {
    let rows = [
        ("rollouts.teal.dev.spec.checks.noData", "Default: Wait"),
        ("rollouts.teal.dev.spec.release.manifests.metadata.name", "Name without color"),
        ("rollouts.teal.dev.status.previous.keptUntil", "Until when it stays"),
        ("decisions.teal.dev.spec.nonce", "status.gate.nonce"),
        ("decisions.teal.dev.status.conditions", "Applied"),
    ];
    for (field, part) in rows {
        let text = server.must(&["explain", field]);
        assert!(text.contains(part), "{field} is explained without {part:?}:\n{text}");
        assert!(!text.contains("<no description>"), "{text}");
    }
    for resource in ["rollouts.teal.dev", "decisions.teal.dev"] {
        assert!(server.must(&["explain", resource, "--recursive"]).contains("conditions"));
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
            "evidence": "sha256:5d", "needs": [{"count": 1, "have": 0}],
            "votes": [{"decision": "web-approve", "user": "ann", "group": "qa", "via": "cli", "at": time}]},
        "checks": [{"name": "errors", "verdict": "Pass", "value": "0.0012", "limit": "max 1%", "samples": 8,
            "since": time, "message": "eight of eight"}],
        "rejected": ["r5-77aa01ff"],
        "history": [{"revision": "r6-5b1d9e02", "attempt": 1, "outcome": "Promoted", "reason": "all gates held",
            "startedAt": time, "finishedAt": time, "machineSeconds": 1260, "humanSeconds": 540,
            "decisions": ["web-approve"]}],
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

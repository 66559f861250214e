//! The examples on a real API server: the definitions are applied, every valid example is accepted, every invalid one
//! is refused with the message that its first line names, every field is explained.
//!
//! Runs where `TEAL_TEST_KUBECONFIG` names a kubeconfig whose user may do everything, and `kubectl` (or what
//! `TEAL_TEST_KUBECTL` names) is there. It leaves the definitions and removes the namespace it made.

mod support;

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::Example;

/// A server, and a namespace of our own on it.
struct Server {
    kubeconfig: String,
    kubectl: String,
    namespace: String,
}

impl Server {
    /// The server that the environment names, with our definitions and a fresh namespace.
    fn connect() -> Option<Self> {
        let Ok(kubeconfig) = env::var("TEAL_TEST_KUBECONFIG") else {
            eprintln!("SKIPPED: TEAL_TEST_KUBECONFIG names no API server, so no example met a real one");
            return None;
        };
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
        Some(server)
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

    /// What the server says to a document that is sent as it is: `kubectl apply` would drop a bare key.
    fn send(&self, verb: &str, document: &Value) -> Result<String, String> {
        let json = serde_json::to_string(document).expect("JSON");
        let output = self.run(&[verb, "-n", &self.namespace, "--validate=strict", "-f", "-"], &json);
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn accepted(&self, example: &Example) -> Result<(), String> {
        for document in &example.documents {
            self.send("create", document).map_err(|error| format!("{}: {error}", example.name()))?;
        }
        Ok(())
    }

    /// Documents before the last one are accepted; the last is a change of them, or stands alone.
    fn refused(&self, example: &Example) -> Result<(), String> {
        let Some((last, before)) = example.documents.split_last() else {
            return Err(format!("{} is empty", example.name()));
        };
        for document in before {
            self.send("create", document).map_err(|error| format!("{}: {error}", example.name()))?;
        }
        let verb = if before.is_empty() { "create" } else { "replace" };
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
fn examples_meet_the_server() {
    let Some(server) = Server::connect() else { return };
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
    every_field_is_explained(&server);
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

fn every_field_is_explained(server: &Server) {
    for (resource, fields) in
        [("rollouts.teal.dev", ["noData", "keptUntil"]), ("decisions.teal.dev", ["nonce", "decidedBy"])]
    {
        let text = server.must(&["explain", resource, "--recursive"]);
        for field in fields {
            assert!(text.contains(field), "{resource} does not explain {field}:\n{text}");
        }
        assert!(!text.contains("<no description>"), "{text}");
    }
}

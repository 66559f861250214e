//! A server, and a namespace of our own on it.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::Example;

/// A server, and a namespace of our own on it.
pub(crate) struct Server {
    kubeconfig: String,
    kubectl: String,
    pub(crate) namespace: String,
}

impl Server {
    /// The server that the environment names, with our definitions and a fresh namespace.
    pub(crate) fn connect(purpose: &str) -> Self {
        static DEFINITIONS: Once = Once::new();
        let kubeconfig = env::var("TEAL_TEST_KUBECONFIG")
            .expect("an API server in TEAL_TEST_KUBECONFIG, as `cargo xtask server` gives one");
        let kubectl = env::var("TEAL_TEST_KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
        let namespace = format!("teal-{purpose}-{}", std::process::id());
        let server = Self { kubeconfig, kubectl, namespace };
        DEFINITIONS.call_once(|| server.define());
        server.must(&["create", "namespace", &server.namespace]);
        server
    }

    /// Applies the definitions; whoever tests at the same time waits for it.
    fn define(&self) {
        let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
        self.must(&["apply", "-f", &crds.to_string_lossy()]);
        self.wait_until_kinds_are_served();
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

    pub(crate) fn must(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        assert!(
            output.status.success(),
            "kubectl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A kind is served, and explained, a moment after its definition was made.
    fn wait_until_kinds_are_served(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        let get = ["get", "rollouts.teal.dev,decisions.teal.dev", "--all-namespaces"];
        let explain = ["rollouts.teal.dev", "decisions.teal.dev"].map(|kind| ["explain", kind]);
        let served = || {
            let explained = explain.iter().all(|arguments| self.run(arguments, "").status.success());
            explained && self.run(&get, "").status.success()
        };
        while !served() {
            assert!(Instant::now() < end, "the kinds are not served after 30 s");
            std::thread::yield_now();
        }
    }

    /// What the server says to a document.
    pub(crate) fn send(&self, verb: &[&str], document: &Value) -> Result<String, String> {
        let json = serde_json::to_string(document).expect("JSON");
        let arguments = [verb, &["-n", &self.namespace, "--validate=strict", "-f", "-"]].concat();
        let output = self.run(&arguments, &json);
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// The spec of a Rollout as it is stored.
    pub(crate) fn spec(&self, name: &str) -> Value {
        let stored = self.must(&["get", "rollouts.teal.dev", name, "-n", &self.namespace, "-o", "json"]);
        let stored: Value = serde_json::from_str(&stored).expect("JSON");
        stored["spec"].clone()
    }

    pub(crate) fn accepted(&self, example: &Example) -> Result<(), String> {
        for document in &example.documents {
            self.send(&["create"], document).map_err(|error| format!("{}: {error}", example.name()))?;
        }
        Ok(())
    }

    /// Documents before the last one are accepted; the last is a change of them, or stands alone.
    pub(crate) fn refused(&self, example: &Example) -> Result<(), String> {
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

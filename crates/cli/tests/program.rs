//! The program itself: what it does with command lines and without a cluster.
#![allow(clippy::expect_used, reason = "helpers of tests fail by panicking")]

use std::process::{Command, Output};

fn teal(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubectl-teal"))
        .args(words)
        .env_clear()
        .env("HOME", "/nonexistent")
        .output()
        .expect("the program")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn help_ends_well_and_speaks_of_kubectl_teal() {
    let output = teal(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("Usage: kubectl teal [OPTIONS] <COMMAND>") && text.contains("Exit codes:"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colors in a pipe");
}

#[test]
fn command_lines_that_make_no_sense_end_with_2() {
    for words in [
        &["reject", "web"][..],
        &["skip", "web"],
        &["reject", "web", "--reason", " "],
        &["approve"],
        &["approve", "deploy/web"],
        &["pause", "web", "--nonce", "00"],
        &["status", "web", "--wait=forever"],
        &["status", "web", "--timeout", "10"],
        &["get", "web", "-l", "a=b"],
        &["get", "web", "-A"],
        &["status", "web", "api"],
        &["rollback", "web", "api"],
        &["fly"],
    ] {
        let output = teal(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", stderr(&output));
    }
}

#[test]
fn without_a_cluster_it_says_how_to_name_one() {
    let output = teal(&["get"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("give --kubeconfig or --context"), "{}", stderr(&output));
}

#[test]
fn a_kubeconfig_that_is_missing_is_named() {
    let output = teal(&["get", "--kubeconfig", "/nonexistent/config"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("/nonexistent/config"), "{}", stderr(&output));
}

#[test]
fn a_server_that_is_not_there_is_said_so() {
    // Nothing listens where a listener has just been closed.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let file = std::env::temp_dir().join(format!("kubectl-teal-{}.yaml", std::process::id()));
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
         users: [{{name: u, user: {{}}}}], clusters: [{{name: c, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}]}}"
    );
    std::fs::write(&file, text).expect("a file");
    let output = teal(&["status", "web", "--kubeconfig", &file.to_string_lossy()]);
    std::fs::remove_file(&file).expect("removed");
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(
        error.starts_with("error: reading Rollout default/web: the API server can't be reached: "),
        "{error}"
    );
}

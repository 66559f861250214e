//! What every command ends with where it can't be done: without the kinds, the right or the namespace; and among several
//! Rollouts.
#![allow(clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

use serde_json::json;
use support::run::{run, serving};
use support::server::Server;
use support::{checking, kept, object, waiting};
use teal_cli::exit::Exit;

/// Every command about one Rollout, and the list.
const COMMANDS: [&str; 13] = [
    "get",
    "get web",
    "status web",
    "status web --wait",
    "explain web",
    "approve web --yes",
    "reject web --reason bad",
    "rollback web",
    "retry web",
    "pause web",
    "resume web",
    "skip web --yes --reason late",
    "retire web --yes",
];

#[tokio::test]
async fn a_cluster_without_teal_is_named_as_such() {
    for line in COMMANDS.into_iter().chain(["get -A"]) {
        let ran = run(&Server::without_kinds(), line).await;
        assert_eq!(ran.exit(), Exit::Failed, "{line}");
        let error = ran.error();
        assert!(error.contains("has no rollouts.teal.dev: install Teal's chart"), "{line}: {error}");
    }
}

#[tokio::test]
async fn who_may_not_look_is_told_what_was_tried_and_what_to_ask_for() {
    for line in COMMANDS.into_iter().chain(["get -A"]) {
        let server = serving(&waiting()).hides_rollouts(true);
        let ran = run(&server, line).await;
        assert_eq!(ran.exit(), Exit::Failed, "{line}");
        let error = ran.error();
        assert!(error.contains("not allowed: rollouts.teal.dev is forbidden"), "{line}: {error}");
        assert!(error.contains("ing Rollout") && error.contains("ask for a role"), "{line}: {error}");
        assert!(server.decisions().is_empty(), "{line}");
    }
}

#[tokio::test]
async fn who_may_look_once_but_not_watch_is_not_kept_waiting() {
    let ran = run(&serving(&checking()).hides_rollouts(false), "status web --wait").await;
    assert_eq!(ran.exit(), Exit::Failed);
    assert!(ran.error().starts_with("waiting for Rollout web: not allowed"), "{}", ran.error());
}

#[tokio::test]
async fn a_missing_rollout_is_answered_with_the_names_that_are_near() {
    for line in COMMANDS.into_iter().filter(|line| *line != "get") {
        let line = line.replacen("web", "wbe", 1);
        let ran = run(&serving(&waiting()), &line).await;
        assert_eq!(ran.exit(), Exit::Failed, "{line}");
        assert_eq!(ran.error(), "there is no Rollout wbe in namespace shop; did you mean web?");
    }
}

#[tokio::test]
async fn an_unknown_namespace_is_named_with_the_one_that_has_such_a_rollout() {
    for line in COMMANDS.into_iter().filter(|line| *line != "get") {
        let ran = run(&serving(&waiting()), &format!("{line} -n shpo")).await;
        assert_eq!(ran.exit(), Exit::Failed, "{line}");
        let said = "there is no Rollout web in namespace shpo; namespace shop has one: add -n shop";
        assert_eq!(ran.error(), said, "{line}");
    }
    // As kubectl: the API server doesn't tell a namespace that isn't there from an empty one.
    let ran = run(&serving(&waiting()), "get -n shpo").await;
    assert_eq!((ran.exit(), ran.err.as_str()), (Exit::Done, "No Rollouts found in namespace shpo.\n"));
}

#[tokio::test]
async fn among_several_rollouts_each_command_takes_the_one_it_names() {
    let api = || {
        let mut api = object(&kept());
        api["metadata"]["name"] = json!("api");
        api
    };
    let server = || serving(&waiting()).beside(api());
    let list = run(&server(), "get").await;
    assert_eq!(list.exit(), Exit::Done);
    assert!(list.out.find("\napi ").expect("api") < list.out.find("\nweb ").expect("web"), "{}", list.out);
    let named = run(&server(), "get web api").await;
    assert!(named.out.find("\nweb ").expect("web") < named.out.find("\napi ").expect("api"), "{}", named.out);
    assert_eq!(run(&server(), "get api wbe").await.exit(), Exit::Failed);
    assert_eq!(run(&server(), "status web").await.exit(), Exit::Asked);
    assert_eq!(run(&server(), "status api").await.exit(), Exit::Done);
    assert_eq!(run(&server(), "status api --wait").await.exit(), Exit::Done);
    let server = server().ruling("True", "Done", "");
    assert_eq!(run(&server, "rollback api").await.exit(), Exit::Done);
    assert_eq!(server.decisions()[0]["spec"]["rollout"]["name"], "api");
}

/// The schema takes times that no calendar has.
#[tokio::test]
async fn a_status_that_can_not_be_read_is_said_so_and_hides_no_other() {
    let mut status = kept();
    status["previous"]["keptUntil"] = json!("9999-12-31T23:59:59Z");
    let mut other = object(&checking());
    other["metadata"]["name"] = json!("api");
    let listed = run(&serving(&status).beside(other), "get -o wide").await;
    assert_eq!(listed.exit(), Exit::Done);
    let [_, api, web] = listed.out.lines().collect::<Vec<_>>()[..] else { panic!("{}", listed.out) };
    assert!(api.contains("Checking"), "{api}");
    assert!(web.contains("Unreadable") && web.contains("status.previous can't be read"), "{web}");
    let told = run(&serving(&status), "status web").await;
    assert_eq!(told.exit(), Exit::UnderWay);
    assert!(
        told.out.contains("status.previous can't be read") && told.out.contains("makes it anew"),
        "{}",
        told.out
    );
    let waited =
        run(&serving(&status).later(vec![object(&status), object(&kept())]), "status web --wait").await;
    assert_eq!(waited.exit(), Exit::Done, "{}", waited.out);
}

/// Such as one of a later version: it is no reason not to show the others.
#[tokio::test]
async fn a_spec_that_can_not_be_read_is_named_beside_the_others() {
    let mut web = object(&checking());
    web["spec"]["traffic"] = json!("all");
    let mut other = object(&checking());
    other["metadata"]["name"] = json!("api");
    let server = Server::with(web).beside(other);
    let listed = run(&server, "get").await;
    assert!(listed.out.contains("api") && !listed.out.contains("web "), "{}", listed.out);
    assert!(listed.err.contains("Rollout shop/web can't be read"), "{}", listed.err);
    let told = run(&server, "status web").await;
    assert_eq!(told.exit(), Exit::Failed);
    assert!(told.error().contains("Rollout shop/web can't be read"), "{}", told.error());
}

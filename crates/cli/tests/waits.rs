//! What is shown and waited for, and the exit codes of it.
#![allow(clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

use serde_json::{Value, json};
use support::run::{run, serving};
use support::server::Server;
use support::{
    blocked, blocked_and_kept, checking, complete, kept, kept_by_check, object, paused, paused_at_rest,
    paused_before_the_start, rolled_back, starting, waiting,
};
use teal_cli::exit::Exit;

#[tokio::test]
async fn the_wait_for_promotion_ends_when_the_outcome_is_known() {
    let later = |status: &Value| {
        let mut web = object(status);
        web["metadata"]["resourceVersion"] = json!("101");
        web
    };
    let stalled = blocked(true);
    let gone = json!({"deleted": true, "apiVersion": "teal.dev/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "101"},
        "spec": object(&Value::Null)["spec"]});
    for (line, first, then, exit) in [
        ("--wait", checking(), vec![later(&waiting()), later(&kept())], Exit::Done),
        ("--wait=promoted", checking(), vec![later(&rolled_back())], Exit::Back),
        ("--wait=promoted", checking(), vec![later(&stalled)], Exit::Back),
        ("--wait=decision", checking(), vec![later(&waiting())], Exit::Asked),
        ("--wait=decision", checking(), vec![later(&complete())], Exit::Done),
        ("--wait=done", kept(), vec![later(&complete())], Exit::Done),
        ("--wait=done --timeout 80ms", kept(), vec![], Exit::TimedOut),
        ("--wait --timeout 80ms", checking(), vec![later(&waiting())], Exit::TimedOut),
        ("--wait", checking(), vec![gone], Exit::Failed),
        ("--wait", kept(), vec![], Exit::Done),
        ("--wait", kept_by_check(), vec![], Exit::Done),
        ("--wait=decision", kept_by_check(), vec![], Exit::Asked),
        ("--wait=done --timeout 80ms", kept_by_check(), vec![], Exit::TimedOut),
        ("--wait=done", kept_by_check(), vec![later(&complete())], Exit::Done),
        ("--wait=promoted", paused_at_rest(), vec![], Exit::Done),
        ("--wait=decision", paused_at_rest(), vec![], Exit::Asked),
        ("--wait=done", paused_at_rest(), vec![], Exit::Done),
        ("--wait=decision", paused_before_the_start(), vec![], Exit::Asked),
        ("--wait --timeout 80ms", paused_before_the_start(), vec![], Exit::TimedOut),
        ("--wait", starting(), vec![later(&complete())], Exit::Done),
    ] {
        let server = serving(&first).later(then);
        let ran = run(&server, &format!("status web {line}")).await;
        assert_eq!(ran.exit(), exit, "{line}: {:?} {}", ran.ended, ran.out);
    }
}

#[tokio::test]
async fn a_wait_tells_each_change_once() {
    let server = serving(&checking()).later(vec![object(&checking()), object(&waiting()), object(&kept())]);
    let ran = run(&server, "status web --wait").await;
    let told: Vec<&str> = ran.out.lines().filter(|line| line.starts_with("12:00:00 ")).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(ran.out.contains("\nshop/web  Complete\n"), "{}", ran.out);
}

#[tokio::test]
async fn status_says_where_it_stands_by_its_exit_code() {
    let mut unseen = complete();
    unseen["observedGeneration"] = json!(2);
    for (status, exit) in [
        (complete(), Exit::Done),
        (kept(), Exit::Done),
        (checking(), Exit::UnderWay),
        (unseen, Exit::UnderWay),
        (Value::Null, Exit::UnderWay),
        (blocked(false), Exit::UnderWay),
        (waiting(), Exit::Asked),
        (starting(), Exit::UnderWay),
        (blocked_and_kept(), Exit::Back),
        (paused(), Exit::Asked),
        (paused_at_rest(), Exit::Asked),
        (paused_before_the_start(), Exit::Asked),
        (kept_by_check(), Exit::Asked),
        (support::held(), Exit::Asked),
        (support::held_while_promoting(), Exit::Asked),
        (rolled_back(), Exit::Back),
        (blocked(true), Exit::Back),
    ] {
        assert_eq!(run(&serving(&status), "status web").await.exit(), exit, "{status}");
    }
}

#[tokio::test]
async fn lists_say_when_there_is_nothing() {
    let ran = run(&Server::default(), "get").await;
    assert_eq!((ran.exit(), ran.err.as_str()), (Exit::Done, "No Rollouts found in namespace shop.\n"));
    let ran = run(&serving(&waiting()), "get -A -l team=shop").await;
    assert!(ran.out.starts_with("NAMESPACE   NAME"), "{}", ran.out);
}

#[tokio::test]
async fn selectors_and_namespaces_reach_the_server() {
    let server = serving(&waiting());
    run(&server, "get -A -l team=shop").await;
    assert_eq!(server.requests(), ["GET /apis/teal.dev/v1alpha1/rollouts?&labelSelector=team%3Dshop"]);
}

//! Copies of requests reach the candidate during the steps that ask for them, and go with these.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::history::History;
use crate::bench::{Bench, objects};

/// Warmed by copies at weight 0, quiet, and at 10 % with copies again.
fn rollout(version: &str) -> Value {
    let mut rollout = objects::rollout(version);
    let asked = json!({"count": 1});
    rollout["spec"]["steps"] = json!([
        {"name": "warm", "weight": 0, "approval": asked, "mirror": {"percent": 20}},
        {"name": "quiet", "weight": 0, "approval": asked},
        {"name": "canary", "weight": 10, "approval": asked, "mirror": {"percent": 50}},
        {"name": "full", "weight": 100},
    ]);
    rollout
}

/// The routes of an object while the candidate has this much, and copies of that.
fn spec(candidate: u8, mirror: Option<u8>) -> Value {
    let mut spec = objects::virtual_service()["spec"].clone();
    let to = |host: &str, weight: u8| json!({"destination": {"host": host, "port": {"number": 80}}, "weight": weight});
    spec["http"] =
        json!([{"name": "primary", "route": [to("web", 100 - candidate), to("web-candidate", candidate)]}]);
    if let Some(percent) = mirror {
        let destination = json!({"host": "web-candidate", "port": {"number": 80}});
        spec["http"][0]["mirrors"] = json!([{"destination": destination, "percentage": {"value": percent}}]);
    }
    spec
}

async fn asked(bench: &Bench, step: &str) {
    bench.until("a question", async || bench.status("/step/name").await == step).await;
    bench.phase("Waiting").await;
}

/// Installed, and version 2 gets copies at weight 0.
async fn warmed(name: &str) -> (Bench, History) {
    let bench = Bench::start(name).await;
    bench.apply_route().await;
    let history = History::begin(bench.api("virtualservices")).await;
    bench.apply(&rollout("1")).await;
    bench.phase("Complete").await;
    bench.apply(&rollout("2")).await;
    asked(&bench, "warm").await;
    assert_eq!(bench.route_spec().await, spec(0, Some(20)));
    let message = bench.status("/message").await;
    assert!(message.contains("and copies of 20 % are sent there"), "{message}");
    (bench, history)
}

/// The owner's routes are back, and no version of them had copies without the candidate beside live.
async fn came_home(bench: &Bench, history: &History) {
    let owners = objects::virtual_service()["spec"].clone();
    bench.until("the owner's routes", async || bench.route_spec().await == owners).await;
    let mut copied = 0;
    for version in history.all().await {
        let route = version.spec().map(|spec| spec["http"][0].clone()).unwrap_or_default();
        if route.get("mirrors").is_none() {
            continue;
        }
        copied += 1;
        assert_eq!(route["route"][1]["destination"]["host"], "web-candidate", "{version:?}");
    }
    assert!(copied > 0, "nothing was copied");
    let stays = async || bench.route_spec().await == objects::virtual_service()["spec"];
    bench.stays_for(Duration::from_secs(1), stays).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn copies_are_there_in_the_steps_that_ask_for_them_and_in_no_other() {
    let (bench, history) = warmed("mirrored").await;
    bench.decide("Approve").await;
    asked(&bench, "quiet").await;
    assert_eq!(bench.route_spec().await, spec(0, None));
    bench.decide("Approve").await;
    asked(&bench, "canary").await;
    assert_eq!(bench.route_spec().await, spec(10, Some(50)));
    bench.decide("Approve").await;
    bench.phase("Complete").await;
    came_home(&bench, &history).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn copies_go_with_the_way_back_and_with_the_rollout() {
    for (name, deleted) in [("mirback", false), ("mirdelete", true)] {
        let (bench, history) = warmed(name).await;
        if deleted {
            bench.delete("rollouts", "web").await;
        } else {
            bench.decide("Rollback").await;
            bench.phase("RolledBack").await;
        }
        came_home(&bench, &history).await;
        bench.end().await;
    }
}

/// What another hand changes is made good; what it adds stays to the end. What its owner applies is without copies, and gets them again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_hand_in_the_copies_is_corrected_and_its_own_stay() {
    let (bench, history) = warmed("mirhand").await;
    bench.apply_route().await;
    bench.until("again", async || bench.route_spec().await == spec(0, Some(20))).await;
    bench.phase("Waiting").await;
    let audit = json!({"destination": {"host": "audit"}});
    let mut http = spec(0, Some(90))["http"].clone();
    if let Some(all) = http[0]["mirrors"].as_array_mut() {
        all.insert(0, audit.clone());
    }
    bench.merge_as("kubectl-edit", "virtualservices", "web", json!({"spec": {"http": http}})).await;
    let mut wanted = spec(0, Some(20));
    if let Some(all) = wanted["http"][0]["mirrors"].as_array_mut() {
        all.insert(0, audit.clone());
    }
    bench.until("corrected", async || bench.route_spec().await == wanted).await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    let mut home = objects::virtual_service()["spec"].clone();
    home["http"][0]["mirrors"] = json!([audit]);
    bench.until("the owner's routes and the other's", async || bench.route_spec().await == home).await;
    drop(history);
    bench.end().await;
}

/// The percentage counts as it is in the spec now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_edit_of_the_copies_is_written() {
    let (bench, history) = warmed("miredit").await;
    let mut edited = rollout("2");
    edited["spec"]["steps"][0]["mirror"]["percent"] = json!(70);
    bench.apply(&edited).await;
    bench.until("more copies", async || bench.route_spec().await == spec(0, Some(70))).await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    came_home(&bench, &history).await;
    bench.end().await;
}

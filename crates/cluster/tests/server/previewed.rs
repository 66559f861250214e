//! People who ask for the candidate reach it at weight 0, and never what isn't under test.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::history::History;
use crate::bench::{Bench, objects};

fn rollout(version: &str) -> Value {
    let mut rollout = objects::rollout(version);
    rollout["spec"]["traffic"]["preview"] = json!({"headers": [{"name": "x-teal-preview", "value": "true"}]});
    let look = json!({"name": "look", "weight": 0, "approval": {"count": 1}});
    if let Some(steps) = rollout["spec"]["steps"].as_array_mut() {
        steps.insert(0, look);
    }
    rollout
}

/// The routes of an object while the candidate has this much.
fn spec(candidate: u8) -> Value {
    let mut spec = objects::virtual_service()["spec"].clone();
    let to = |host: &str| json!({"destination": {"host": host, "port": {"number": 80}}});
    let with = |host: &str, weight: u8| {
        let mut entry = to(host);
        entry["weight"] = json!(weight);
        entry
    };
    spec["http"] = json!([
        {
            "name": "preview.teal.dev/web/primary",
            "match": [{"headers": {"x-teal-preview": {"exact": "true"}}}],
            "route": [to("web-candidate")],
        },
        {"name": "primary", "route": [with("web", 100 - candidate), with("web-candidate", candidate)]},
    ]);
    spec
}

/// Installed, and version 2 at weight 0.
async fn looked_at(name: &str) -> (Bench, History) {
    let bench = Bench::start(name).await;
    bench.apply_route().await;
    let history = History::begin(bench.api("virtualservices")).await;
    bench.apply(&rollout("1")).await;
    bench.phase("Complete").await;
    bench.apply(&rollout("2")).await;
    bench.until("a question at weight 0", async || bench.status("/step/name").await == "look").await;
    bench.phase("Waiting").await;
    assert_eq!(bench.route_spec().await, spec(0), "whoever is asked can look");
    (bench, history)
}

/// The owner's routes are back, and no version of them had a preview without the candidate beside live: proxies would have lost it.
async fn came_home(bench: &Bench, history: &History) {
    let owners = objects::virtual_service()["spec"].clone();
    bench.until("the owner's routes", async || bench.route_spec().await == owners).await;
    let mut previews = 0;
    for version in history.all().await {
        let list = version.spec().and_then(|spec| spec["http"].as_array()).cloned().unwrap_or_default();
        if !list.iter().any(|route| route["name"] == "preview.teal.dev/web/primary") {
            continue;
        }
        previews += 1;
        let beside = list.iter().any(|route| {
            route["name"] == "primary" && route["route"][1]["destination"]["host"] == "web-candidate"
        });
        assert!(beside, "{version:?}");
    }
    assert!(previews > 0, "nobody could ask for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_preview_is_there_from_weight_0_to_the_promotion() {
    let (bench, history) = looked_at("previewed").await;
    bench.decide("Approve").await;
    bench.until("10 %", async || bench.route_spec().await == spec(10)).await;
    bench.until("a question at 10 %", async || bench.status("/step/name").await == "canary").await;
    bench.phase("Waiting").await;
    bench.decide("Approve").await;
    bench.phase("Complete").await;
    came_home(&bench, &history).await;
    let stays = async || bench.route_spec().await == objects::virtual_service()["spec"];
    bench.stays_for(Duration::from_secs(1), stays).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_preview_goes_with_the_way_back() {
    let (bench, history) = looked_at("preback").await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    came_home(&bench, &history).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_preview_goes_with_the_rollout() {
    let (bench, history) = looked_at("predelete").await;
    bench.delete("rollouts", "web").await;
    came_home(&bench, &history).await;
    bench.end().await;
}

/// Of what another hand makes of it, and of what it puts beside it, the first is made good and the second stays to the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_hand_in_a_preview_is_corrected_and_its_own_routes_stay() {
    let (bench, _history) = looked_at("prehand").await;
    let mut owned = spec(0)["http"].clone();
    let own = json!({"name": "mine", "match": [{"headers": {"x-teal-preview": {"exact": "true"}}}],
        "route": [{"destination": {"host": "docs"}}]});
    if let Some(list) = owned.as_array_mut() {
        list[0]["timeout"] = json!("1s");
        list.insert(1, own.clone());
    }
    bench.merge_as("kubectl-edit", "virtualservices", "web", json!({"spec": {"http": owned}})).await;
    let mut wanted = spec(0);
    if let Some(list) = wanted["http"].as_array_mut() {
        list.insert(0, own.clone());
    }
    bench.until("corrected", async || bench.route_spec().await == wanted).await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    let mut home = objects::virtual_service()["spec"].clone();
    if let Some(list) = home["http"].as_array_mut() {
        list.insert(0, own);
    }
    bench.until("the owner's routes and the other's", async || bench.route_spec().await == home).await;
    bench.end().await;
}

/// What its owner applies is without it, and it comes back with the weights.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn routes_that_are_applied_again_get_their_preview_again() {
    let (bench, history) = looked_at("preapply").await;
    bench.decide("Approve").await;
    bench.until("10 %", async || bench.route_spec().await == spec(10)).await;
    bench.apply_route().await;
    bench.until("again", async || bench.route_spec().await == spec(10)).await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    came_home(&bench, &history).await;
    bench.end().await;
}

//! The switch that stops all Rollouts, windows and startAt: nothing moves forward under them, and going back does.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::{Bench, objects};

/// More time than Teal may need to follow the switch.
const FOLLOWED: Duration = Duration::from_secs(1);
/// Some steps' time.
const A_WHILE: Duration = Duration::from_secs(4);

/// Nine steps of a second each before the last.
fn climbing(version: &str) -> Value {
    let mut rollout = objects::rollout(version);
    let step = |weight: u32| json!({"name": format!("at-{weight}"), "weight": weight, "hold": "1s"});
    rollout["spec"]["steps"] = (1..=9).map(|tens| step(tens * 10)).chain([step(100)]).collect();
    rollout
}

async fn candidates_weight(bench: &Bench) -> i64 {
    let weights = bench.weights().await;
    weights.iter().find(|(host, _)| host == "web-candidate").map_or(0, |(_, weight)| *weight)
}

async fn stop(bench: &Bench) {
    let switch = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "teal-stop"},
        "data": {"reason": "incident 4711"}});
    bench.create("configmaps", "ana", switch).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn the_switch_stops_a_rollout_within_a_second_and_lets_it_go_on() {
    let bench = Bench::installed("stopped").await;
    bench.apply(&climbing("2")).await;
    bench.until("20 %", async || candidates_weight(&bench).await >= 20).await;
    stop(&bench).await;
    tokio::time::sleep(FOLLOWED).await;
    let weight = candidates_weight(&bench).await;
    assert!(weight < 90, "it was stopped too late to be seen");
    bench.phase("Paused").await;
    assert_eq!(bench.status("/waitingFor").await, "stop switch");
    let message = bench.status("/message").await;
    let switch = format!("ConfigMap {}/teal-stop (incident 4711)", bench.namespace());
    assert!(message.contains(&switch), "{message}");
    bench.stays_for(A_WHILE, async || candidates_weight(&bench).await == weight).await;
    bench.delete("configmaps", "teal-stop").await;
    bench.until("version 2 at live", async || bench.status("/phase").await == "Complete").await;
    assert_eq!(bench.image("web-green").await, "shop/web:2");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn going_back_passes_the_switch_and_nothing_new_starts() {
    let bench = Bench::at_ten("stopback").await;
    stop(&bench).await;
    bench.phase("Paused").await;
    bench.decide("Rollback").await;
    bench.until("all at live", async || candidates_weight(&bench).await == 0).await;
    bench.phase("RolledBack").await;
    bench.apply(&objects::rollout("3")).await;
    bench.phase("Paused").await;
    bench.stays_for(A_WHILE, async || bench.status("/phase").await == "Paused").await;
    bench.delete("configmaps", "teal-stop").await;
    bench.phase("Waiting").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_window_holds_a_rollout_until_it_is_taken_out() {
    let bench = Bench::installed("window").await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["windows"] = json!([{"effect": "Deny", "schedule": "* * * * *", "duration": "1h"}]);
    bench.apply(&rollout).await;
    bench.phase("Paused").await;
    let message = bench.status("/message").await;
    assert!(message.contains("as spec.windows says (* * * * * (UTC) for 1h)"), "{message}");
    let (ready, reason, _) = bench.condition("Ready").await;
    assert_eq!(
        (ready.as_str(), reason.as_str()),
        ("True", "Paused"),
        "nobody who waits for Ready waits for a window"
    );
    bench.stays_for(A_WHILE, async || bench.status("/candidate/revision").await.is_empty()).await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_rollout_starts_by_itself_when_its_time_has_come() {
    let bench = Bench::installed("startat").await;
    let at = jiff::Timestamp::now() + Duration::from_secs(8);
    let mut rollout = objects::rollout("2");
    rollout["spec"]["startAt"] = json!(at.to_string());
    bench.apply(&rollout).await;
    bench.phase("Paused").await;
    assert_eq!(bench.status("/waitingFor").await, "startAt");
    bench.phase("Waiting").await;
    let since: jiff::Timestamp = bench.status("/candidate/since").await.parse().expect("a time");
    assert!(since.as_second() >= at.as_second(), "{since} before {at}");
    bench.end().await;
}

//! Gates of a step besides time, checks and people: the age of pods.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::{Bench, objects};

/// Another version, of whose first step this is the only gate.
fn gated(version: &str, gate: &str, value: &Value) -> Value {
    let mut rollout = objects::rollout(version);
    rollout["spec"]["steps"][0] = json!({"name": "canary", "weight": 10, gate: value});
    rollout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_step_waits_for_the_age_of_its_pods_and_a_pod_that_comes_later_starts_anew() {
    let bench = Bench::installed("ages").await;
    bench.apply(&gated("2", "minPodAge", &json!("20s"))).await;
    bench.until("waited for", async || bench.status("/waitingFor").await == "pod age").await;
    let message = bench.status("/message").await;
    assert!(message.contains("has been ready for 20 s (minPodAge): web-green-"), "{message}");
    bench.stays_for(Duration::from_secs(3), async || bench.status("/step/name").await == "canary").await;
    bench.lose_a_pod("green").await;
    bench.until("told", async || bench.status("/message").await.contains("starts anew")).await;
    bench.stays_for(Duration::from_secs(15), async || bench.status("/step/name").await == "canary").await;
    bench.phase("Complete").await;
    assert!(bench.status("/live/revision").await.starts_with("r2-"));
    bench.end().await;
}

//! Bad input: nothing is touched, what is wrong is said with object, field and remedy, few requests are made, and it
//! goes on by itself when mended.

use crate::bench::{Bench, objects};
use serde_json::json;

async fn installed(name: &str) -> Bench {
    let bench = Bench::start(name).await;
    bench.apply_route().await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    bench
}

/// Mends and waits for the rollout to come to its question.
async fn goes_on(bench: &Bench) {
    bench.phase("Waiting").await;
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_quota_without_room() {
    let bench = installed("quota").await;
    let quota = |pods: &str| {
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"},
            "spec": {"hard": {"pods": pods}}})
    };
    bench.create("resourcequotas", "admin", quota("4")).await;
    bench
        .until("counted", async || {
            bench.value("resourcequotas", "team").await.pointer("/status/used/pods") == Some(&json!("3"))
        })
        .await;
    bench.apply(&objects::rollout("2")).await;
    bench.refused("NoRoom", &["ResourceQuota team", "pods", "raise the quota"]).await;
    bench.calm().await;
    assert_eq!(bench.exists("deployments", "web-green").await, Some(false));
    bench.merge_as("admin", "resourcequotas", "team", json!({"spec": {"hard": {"pods": "10"}}})).await;
    goes_on(&bench).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_image_that_never_gets_ready_is_sent_back_at_the_deadline() {
    let bench = installed("broken").await;
    let owner = bench.route_spec().await;
    let mut rollout = objects::rollout("broken");
    rollout["spec"]["progressDeadline"] = json!("4s");
    bench.apply(&rollout).await;
    bench.phase("RolledBack").await;
    assert_eq!(bench.condition("Stalled").await.1, "DeadlineExceeded");
    assert_eq!(bench.route_spec().await, owner);
    bench.apply(&objects::rollout("2")).await;
    goes_on(&bench).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_rollout_that_is_edited_every_second() {
    let bench = installed("busy").await;
    for round in 2..8 {
        bench.apply(&objects::rollout(&round.to_string())).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    bench.phase("Waiting").await;
    assert_eq!(bench.image("web-green").await, "shop/web:7");
    bench.end().await;
}

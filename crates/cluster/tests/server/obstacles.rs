//! Bad input: nothing is touched, what is wrong is said with object, field and remedy, few requests are made, and it
//! goes on by itself when mended.

use crate::bench::{Bench, objects};
use serde_json::{Value, json};

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
async fn a_missing_virtual_service() {
    let bench = installed("novs").await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["traffic"]["virtualServices"] = json!([{"name": "front"}]);
    bench.apply(&rollout).await;
    bench.refused("VirtualServiceNotFound", &["front", "spec.traffic.virtualServices", "create it"]).await;
    bench.calm().await;
    assert_eq!(bench.exists("deployments", "web-green").await, Some(false));
    let mut route = objects::virtual_service();
    route["metadata"]["name"] = json!("front");
    bench.create("virtualservices", "owner", route).await;
    bench.phase("Waiting").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_missing_route() {
    let bench = installed("noroute").await;
    let owner = bench.route_spec().await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["traffic"]["virtualServices"] = json!([{"name": "web", "routes": [{"name": "front"}]}]);
    bench.apply(&rollout).await;
    bench.refused("RouteNotFound", &["web", "front", "primary"]).await;
    assert_eq!(bench.route_spec().await, owner);
    rollout["spec"]["traffic"]["virtualServices"] = json!([{"name": "web", "routes": [{"name": "primary"}]}]);
    bench.apply(&rollout).await;
    goes_on(&bench).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn two_rollouts_on_one_service() {
    let bench = installed("rivals").await;
    let mut rival = objects::rollout("9");
    rival["metadata"]["name"] = json!("other");
    bench.apply(&rival).await;
    let reason = async || {
        let rollout = bench.value("rollouts", "other").await;
        let all =
            rollout.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        all.into_iter().find(|c| c["type"] == "Accepted").map(|c| c["reason"].clone()).unwrap_or_default()
    };
    bench.until("the younger is refused", async || reason().await == "ClaimedByOther").await;
    bench.calm().await;
    assert_eq!(bench.image("web-blue").await, "shop/web:1");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_wanted_name_that_is_taken() {
    let bench = installed("taken").await;
    let other = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web-green"}, "spec": {
        "replicas": 0, "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}},
    }});
    bench.create("deployments", "somebody", other).await;
    bench.apply(&objects::rollout("2")).await;
    bench.refused("NameTaken", &["web-green", "somebody"]).await;
    assert_eq!(bench.image("web-green").await, "x");
    bench.delete("deployments", "web-green").await;
    goes_on(&bench).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_that_selects_nothing() {
    let bench = installed("nothing").await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["release"]["manifests"][1]["spec"]["selector"] = json!({"app": "wbe"});
    bench.apply(&rollout).await;
    bench.refused("ServiceNotFound", &["Service web", "spec.selector", "wbe"]).await;
    bench.calm().await;
    bench.apply(&objects::rollout("2")).await;
    goes_on(&bench).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_port_that_is_renumbered() {
    let bench = installed("port").await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["release"]["manifests"][1]["spec"]["ports"] = json!([{"port": 81, "targetPort": 8080}]);
    bench.apply(&rollout).await;
    bench.refused("PortChanged", &["web", "80"]).await;
    assert_eq!(bench.exists("deployments", "web-green").await, Some(false));
    rollout["spec"]["release"]["manifests"][1]["spec"]["ports"] =
        json!([{"name": "http", "port": 80, "targetPort": 8080}]);
    bench.apply(&objects::rollout("2")).await;
    goes_on(&bench).await;
    bench.end().await;
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
async fn another_service_that_selects_the_candidates_pods() {
    let bench = installed("overlap").await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "metrics"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    bench.create("services", "somebody", service).await;
    bench.apply(&objects::rollout("2")).await;
    bench.refused("SelectorOverlap", &["metrics", "spec.selector"]).await;
    let (status, ..) = bench.condition("SelectorOverlap").await;
    assert_eq!(status, "True");
    assert!(!bench.weights().await.contains(&("web-candidate".into(), 10)));
    bench.delete("services", "metrics").await;
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
async fn a_live_service_of_somebody_else() {
    let bench = Bench::start("unowned").await;
    bench.apply_route().await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "old"}, "ports": [{"port": 80, "targetPort": 8080}]}});
    bench.create("services", "helm", service).await;
    bench.apply(&objects::rollout("1")).await;
    bench.refused("NameTaken", &["Service", "web", "helm", "teal.dev/rollout"]).await;
    bench.calm().await;
    assert_eq!(bench.exists("deployments", "web-blue").await, Some(false));
    bench
        .merge_as("helm", "services", "web", json!({"metadata": {"labels": {"teal.dev/rollout": "web"}}}))
        .await;
    bench.phase("Complete").await;
    assert_eq!(bench.selected("web").await, bench.status("/live/revision").await);
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

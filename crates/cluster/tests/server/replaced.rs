//! What another hand replaces as a whole (`kubectl replace`, Argo CD's `Replace=true`, Helm's `--force`), or deletes and makes
//! anew: nothing that Teal had noted on it is left.

use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::bench::history::History;
use crate::bench::{Bench, object, objects};

/// The Service as it lies in Git.
fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}})
}

/// A PUT on what is there, again if that changed meanwhile.
async fn replace(bench: &Bench, plural: &str, hand: &str, value: &Value) {
    let api: Api<DynamicObject> = bench.api(plural);
    let params = PostParams { field_manager: Some(hand.to_owned()), ..PostParams::default() };
    loop {
        let there = api.get("web").await.expect("it is there");
        let mut new = object(value.clone());
        new.metadata.resource_version = there.metadata.resource_version;
        match api.replace("web", &params, &new).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn turned_to(bench: &Bench, revision: &str) {
    bench.until("turned back", async || bench.selected("web").await == revision).await;
    // Slices inherit their labels, by which they are found.
    bench
        .until("labelled slices", async || {
            let slices = bench.api("endpointslices").list(&kube::api::ListParams::default()).await;
            let slices = slices.expect("a list").items.into_iter().map(|slice| slice.metadata);
            let labels = slices.map(|metadata| metadata.labels.unwrap_or_default());
            let mut of_web = labels
                .filter(|labels| labels.get("kubernetes.io/service-name").is_some_and(|name| name == "web"));
            of_web.all(|labels| labels.get("teal.dev/rollout").is_some_and(|rollout| rollout == "web"))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_12_a_live_service_that_is_replaced_at_ten_percent_is_turned_back_and_the_rollout_goes_on() {
    let bench = Bench::at_ten("put-ten").await;
    let (blue, green) = (bench.status("/live/revision").await, bench.status("/candidate/revision").await);
    replace(&bench, "services", "kubectl-replace", &service()).await;
    turned_to(&bench, &blue).await;
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
    bench.decide("Approve").await;
    bench.until("promoted", async || bench.status("/live/revision").await == green).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_candidates_service_that_is_deleted_at_ten_percent_is_made_anew_and_told() {
    let bench = Bench::at_ten("gone-ten").await;
    let green = bench.status("/candidate/revision").await;
    let services: Api<DynamicObject> = bench.api("services");
    services.delete("web-candidate", &DeleteParams::default()).await.expect("deleted");
    let told = async || {
        bench.condition("LiveRepaired").await.2.contains("/web-candidate was deleted by another hand")
    };
    bench.until("told", told).await;
    bench.until("made anew", async || bench.selected("web-candidate").await == green).await;
    bench.end().await;
}

/// And whoever begins anew knows it all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_12_a_live_service_that_is_replaced_while_teal_is_down_is_turned_back_on_the_way_back() {
    let mut bench = Bench::at_ten("put-back").await;
    let blue = bench.status("/live/revision").await;
    bench.pause_teal().await;
    replace(&bench, "services", "kubectl-replace", &service()).await;
    bench.decide("Rollback").await;
    bench.resume_teal();
    bench.phase("RolledBack").await;
    assert_eq!((bench.selected("web").await, bench.selected("web-candidate").await), (blue.clone(), blue));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_12_a_live_service_that_is_replaced_while_the_old_release_is_kept_is_turned_back() {
    let bench = Bench::installed("put-keep").await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["keep"]["previous"] = json!("1h");
    bench.apply(&rollout).await;
    bench.phase("Waiting").await;
    let green = bench.status("/candidate/revision").await;
    bench.decide("Approve").await;
    bench.until("promoted", async || bench.status("/live/revision").await == green).await;
    bench.quiet().await;
    replace(&bench, "services", "argocd-controller", &service()).await;
    turned_to(&bench, &green).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_12_a_live_service_that_is_replaced_or_made_anew_at_rest_keeps_no_revision_from_starting() {
    for anew in [false, true] {
        let bench = Bench::installed(if anew { "anew-rest" } else { "put-rest" }).await;
        let blue = bench.status("/live/revision").await;
        if anew {
            bench.delete("services", "web").await;
            // Teal makes it again, too, and may be faster.
            let params =
                PostParams { field_manager: Some("argocd-controller".into()), ..PostParams::default() };
            drop(bench.api("services").create(&params, &object(service())).await);
        } else {
            replace(&bench, "services", "argocd-controller", &service()).await;
        }
        turned_to(&bench, &blue).await;
        bench.apply(&objects::rollout("2")).await;
        bench.phase("Waiting").await;
        assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
        bench.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_person_who_replaces_the_routes_pauses_and_nothing_is_raised() {
    let bench = Bench::at_ten("put-route").await;
    replace(&bench, "virtualservices", "kubectl-replace", &objects::virtual_service()).await;
    let routes = History::begin(bench.api("virtualservices")).await;
    bench.phase("Paused").await;
    bench.quiet().await;
    let weights: Vec<i64> =
        routes.all().await.iter().map(crate::bench::history::Version::candidates_weight).collect();
    assert!(weights.iter().all(|weight| *weight == 0), "{weights:?}");
    let message = bench.status("/message").await;
    assert!(message.contains("kubectl-replace"), "{message}");
    bench.decide("Resume").await;
    bench
        .until("raised again", async || {
            bench.weights().await == [("web".into(), 90), ("web-candidate".into(), 10)]
        })
        .await;
    bench.end().await;
}

/// Write against write would go on for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_tool_that_replaces_the_routes_again_and_again_sends_traffic_to_live() {
    let bench = Bench::at_ten("put-loop").await;
    let mut rounds = 0;
    bench
        .until("given up", async || {
            let back = bench.status("/phase").await == "RolledBack";
            let entered = bench.weights().await.len() == 2;
            if !back && entered {
                replace(&bench, "virtualservices", "owner", &objects::virtual_service()).await;
                rounds += 1;
            }
            back
        })
        .await;
    assert!((5..=12).contains(&rounds), "{rounds}");
    bench.phase("RolledBack").await;
    let (_, _, message) = bench.condition("Promoted").await;
    assert!(message.contains("owner"), "{message}");
    bench.end().await;
}

/// A timeout, say, or an annotation by `kubectl edit`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_person_who_changes_something_else_in_the_routes_pauses_nothing() {
    let bench = Bench::at_ten("else").await;
    let spec = json!({"spec": {"http": [{"name": "primary", "timeout": "3s", "route": [
        {"destination": {"host": "web", "port": {"number": 80}}, "weight": 90},
        {"destination": {"host": "web-candidate", "port": {"number": 80}}, "weight": 10},
    ]}]}});
    bench.merge_as("kubectl-edit", "virtualservices", "web", spec).await;
    bench.quiet().await;
    let green = bench.status("/candidate/revision").await;
    bench.decide("Approve").await;
    bench.until("promoted", async || bench.status("/live/revision").await == green).await;
    bench.end().await;
}

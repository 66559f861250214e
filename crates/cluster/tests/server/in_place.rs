//! What reaches live in place: sizes, autoscalers and disruption budgets are no part of a revision (api.md D3 and §6), so a
//! change of them starts no rollout and loses no place.

use std::time::{Duration, Instant};

use kube::api::ListParams;
use serde_json::{Value, json};

use crate::bench::history::History;
use crate::bench::{Bench, objects};

/// How long a change may take to reach the cluster, and new pods to serve.
const SOON: Duration = Duration::from_secs(20);

/// The in-place parts of a release: an autoscaler sizes one workload, its owner the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Sizes {
    replicas: u32,
    least: u32,
    most: u32,
    available: u32,
}

const FIRST: Sizes = Sizes { replicas: 3, least: 1, most: 9, available: 1 };
const MORE: Sizes = Sizes { replicas: 5, least: 2, most: 12, available: 4 };
const LESS: Sizes = Sizes { replicas: 4, least: 1, most: 6, available: 2 };

fn release(version: &str, sizes: Sizes) -> Value {
    let Sizes { replicas, least, most, available } = sizes;
    let labels = json!({"app": "scaled"});
    let scaled = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "scaled"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "scaled", "image": format!("shop/scaled:{version}")}]}}}});
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "scaled"}, "spec": {"minReplicas": least, "maxReplicas": most,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 50}}}]}});
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"minAvailable": available, "selector": {"matchLabels": {"app": "web"}}}});
    let mut rollout = objects::with(version, &[scaled, scaler, budget]);
    rollout["spec"]["release"]["manifests"][0]["spec"]["replicas"] = json!(replicas);
    rollout
}

/// What the cluster has for a color.
async fn sizes(bench: &Bench, color: &str) -> Value {
    let workload = bench.value("deployments", &format!("web-{color}")).await;
    let scaler = bench.value("horizontalpodautoscalers", &format!("scaled-{color}")).await;
    let budget = bench.value("poddisruptionbudgets", &format!("web-{color}")).await;
    json!({
        "replicas": workload["spec"]["replicas"],
        "serving": workload["status"]["availableReplicas"],
        "least": scaler["spec"]["minReplicas"],
        "most": scaler["spec"]["maxReplicas"],
        "available": budget["spec"]["minAvailable"],
    })
}

async fn becomes(bench: &Bench, color: &str, wanted: Sizes) {
    let Sizes { replicas, least, most, available } = wanted;
    let wanted = json!({"replicas": replicas, "serving": replicas, "least": least, "most": most,
        "available": available});
    let begun = Instant::now();
    loop {
        let found = sizes(bench, color).await;
        if found == wanted {
            return;
        }
        assert!(begun.elapsed() < SOON, "{color} has {found} and not {wanted}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// All that a rollout would have changed.
async fn place(bench: &Bench) -> Value {
    let rollout = bench.value("rollouts", "web").await;
    let status = &rollout["status"];
    let revisions = bench.api("controllerrevisions").list(&ListParams::default()).await;
    let mut revisions: Vec<_> =
        revisions.expect("a list").items.into_iter().filter_map(|revision| revision.metadata.name).collect();
    revisions.retain(|name| name.starts_with("web-r"));
    revisions.sort();
    json!({
        "phase": status["phase"], "live": status["live"], "candidate": status["candidate"],
        "step": status["step"], "nonce": status["gate"]["nonce"], "rejected": status["rejected"],
        "history": status["history"], "kept": revisions,
        "selected": [bench.selected("web").await, bench.selected("web-candidate").await],
        "weights": bench.weights().await,
    })
}

/// How often a Deployment's template was changed.
async fn template(bench: &Bench, color: &str) -> Value {
    let workload = bench.value("deployments", &format!("web-{color}")).await;
    workload["metadata"]["annotations"]["deployment.kubernetes.io/revision"].clone()
}

/// Applies it and waits until nothing is asked any more.
async fn change(bench: &Bench, rollout: &Value) {
    bench.apply(rollout).await;
    bench
        .until("seen", async || {
            let found = bench.value("rollouts", "web").await;
            found["status"]["observedGeneration"] == found["metadata"]["generation"]
        })
        .await;
    bench.quiet().await;
}

async fn installed(name: &str) -> Bench {
    let bench = Bench::start(name).await;
    bench.apply_route().await;
    bench.apply(&release("1", FIRST)).await;
    bench.phase("Complete").await;
    becomes(&bench, "blue", FIRST).await;
    bench.quiet().await;
    bench
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn sizes_reach_live_at_once_and_start_no_rollout_at_rest() {
    let bench = installed("restsize").await;
    let history = History::begin(bench.api("virtualservices")).await;
    let before = place(&bench).await;
    for wanted in [MORE, LESS] {
        change(&bench, &release("1", wanted)).await;
        becomes(&bench, "blue", wanted).await;
        assert_eq!(place(&bench).await, before);
    }
    // Taken out, they go as they came.
    let mut bare = release("1", LESS);
    bare["spec"]["release"]["manifests"]
        .as_array_mut()
        .expect("a list")
        .retain(|manifest| manifest["kind"] == "Deployment" || manifest["kind"] == "Service");
    change(&bench, &bare).await;
    for (plural, name) in [("horizontalpodautoscalers", "scaled-blue"), ("poddisruptionbudgets", "web-blue")]
    {
        bench.until("gone", async || bench.exists(plural, name).await == Some(false)).await;
    }
    assert_eq!(place(&bench).await, before);
    assert_eq!(bench.exists("deployments", "web-green").await, Some(false));
    assert_eq!(template(&bench, "blue").await, "1", "no pod was made anew");
    assert_eq!(history.all().await.len(), 1, "no route was written");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn sizes_reach_live_and_the_candidate_at_ten_percent_and_lose_no_place() {
    let bench = installed("tensize").await;
    bench.apply(&release("2", FIRST)).await;
    bench.phase("Waiting").await;
    bench.quiet().await;
    let history = History::begin(bench.api("virtualservices")).await;
    let before = place(&bench).await;
    for wanted in [MORE, LESS] {
        change(&bench, &release("2", wanted)).await;
        becomes(&bench, "blue", wanted).await;
        becomes(&bench, "green", wanted).await;
        assert_eq!(place(&bench).await, before);
    }
    assert_eq!((template(&bench, "blue").await, template(&bench, "green").await), (json!("1"), json!("1")));
    for version in history.all().await {
        assert_eq!(version.candidates_weight(), 10, "{version:#?}");
    }
    bench.completes("web").await;
    becomes(&bench, "green", LESS).await;
    bench.end().await;
}

/// How many pods a Service leads to.
async fn serving(bench: &Bench, service: &str) -> usize {
    let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    let slices = bench.api("endpointslices").list(&of_service).await.expect("a list").items;
    let endpoints = slices.iter().filter_map(|slice| slice.data["endpoints"].as_array()).flatten();
    endpoints.filter(|endpoint| endpoint.pointer("/conditions/serving") == Some(&json!(true))).count()
}

/// One change brings another image and another size, more and fewer: both colors come to have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_size_that_comes_with_another_image() {
    let bench = installed("withimage").await;
    for (version, wanted, color) in [("2", MORE, "green"), ("3", LESS, "blue")] {
        bench.apply(&release(version, wanted)).await;
        bench.phase("Waiting").await;
        becomes(&bench, "blue", wanted).await;
        becomes(&bench, "green", wanted).await;
        bench.completes("web").await;
        becomes(&bench, color, wanted).await;
    }
    bench.end().await;
}

/// Fewer than live had at the start: where their owner asks for no more, all requests go to so many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn fewer_pods_than_live_had_at_the_start_keep_their_place_and_are_enough() {
    let bench = Bench::installed("fewer").await;
    // What live has at the start is counted by its endpoints, which follow its pods a moment later.
    bench.until("all endpoints of live", async || serving(&bench, "web").await == 3).await;
    let of_size = |replicas: u32| {
        let mut rollout = objects::rollout("2");
        rollout["spec"]["release"]["manifests"][0]["spec"]["replicas"] = json!(replicas);
        rollout["spec"]["steps"][1]["approval"] = json!({"count": 1});
        rollout
    };
    bench.apply(&of_size(3)).await;
    bench.phase("Waiting").await;
    bench.quiet().await;
    let before = place(&bench).await;
    change(&bench, &of_size(2)).await;
    for color in ["blue", "green"] {
        let name = format!("web-{color}");
        let has_two = async || bench.value("deployments", &name).await["status"]["availableReplicas"] == 2;
        bench.until(&name, has_two).await;
    }
    bench.quiet().await;
    assert_eq!(place(&bench).await, before);
    bench.decide("Approve").await;
    bench
        .until("all requests", async || {
            bench.weights().await.last().is_some_and(|(_, weight)| *weight == 100)
        })
        .await;
    bench.phase("Waiting").await;
    // Longer than too few endpoints are borne.
    let stays = async || bench.status("/phase").await == "Waiting";
    bench.stays_for(Duration::from_secs(14), stays).await;
    bench.completes("web").await;
    bench.end().await;
}

/// A person who makes the candidate smaller is not its owner, who asks for as many as before: rule 6 asks for them before a raise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn fewer_pods_than_the_owner_asks_for_hold_the_raise_back() {
    let bench = Bench::installed("shrunk").await;
    bench.until("all endpoints of live", async || serving(&bench, "web").await == 3).await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    bench.quiet().await;
    let scaled = |replicas: u32| json!({"spec": {"replicas": replicas}});
    bench.merge_as("somebody", "deployments", "web-green", scaled(2)).await;
    let has_two = async || serving(&bench, "web-candidate").await == 2;
    bench.until("two endpoints of the candidate", has_two).await;
    bench.decide("Approve").await;
    let waits = async || {
        let phase = bench.status("/phase").await;
        bench.weights().await.last().is_some_and(|(_, weight)| *weight == 10) && phase != "RollingBack"
    };
    bench.stays_for(Duration::from_secs(14), waits).await;
    bench.merge_as("somebody", "deployments", "web-green", scaled(3)).await;
    bench.completes("web").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn sizes_reach_live_where_the_spec_was_rejected_and_try_nothing_again() {
    let bench = installed("rejectsize").await;
    bench.apply(&release("2", FIRST)).await;
    bench.phase("Waiting").await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    bench.until("cleared", async || bench.exists("deployments", "web-green").await == Some(false)).await;
    bench.quiet().await;
    let history = History::begin(bench.api("virtualservices")).await;
    let before = place(&bench).await;
    for wanted in [MORE, LESS] {
        change(&bench, &release("2", wanted)).await;
        becomes(&bench, "blue", wanted).await;
        assert_eq!(place(&bench).await, before);
    }
    assert_eq!(bench.image("web-blue").await, "shop/web:1");
    assert_eq!(template(&bench, "blue").await, "1", "no pod was made anew");
    assert_eq!(bench.exists("deployments", "web-green").await, Some(false), "it is not tried again");
    assert_eq!(history.all().await.len(), 1, "no route was written");
    bench.end().await;
}

//! What runs already, taken over by a Rollout that is made of it, while whoever applies it goes on doing so.

use crate::bench::history::{History, Version};
use crate::bench::{Bench, objects};
use serde_json::{Value, json};
use teal_release::adopt::{Originals, adopted, changes};
use teal_release::{Object, ObjectKey};

/// Who applies the originals, by a forced server-side apply.
const FLUX: &str = "kustomize-controller";

/// As they stand in Git, which says no size: an autoscaler has it.
fn originals() -> [(&'static str, Value); 4] {
    let labels = json!({"app": "web"});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
    "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": [
        {"name": "web", "image": "shop/web:1", "ports": [{"containerPort": 8080}],
            "envFrom": [{"configMapRef": {"name": "settings"}}]},
    ]}}}});
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}});
    let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}});
    [
        ("configmaps", settings),
        ("deployments", deployment),
        ("poddisruptionbudgets", budget),
        ("services", service),
    ]
}

/// All of it once more, untouched: by who applies it server-side, and as `kubectl apply` would, which leaves keys of others in maps.
async fn applied_again(bench: &Bench) {
    for (plural, object) in originals() {
        bench.apply_as(FLUX, plural, &object).await;
        let patch = json!({"spec": object["spec"], "data": object["data"]});
        if plural != "configmaps" {
            bench
                .merge_as(
                    "kubectl-client-side-apply",
                    plural,
                    object["metadata"]["name"].as_str().expect("a name"),
                    patch,
                )
                .await;
        }
    }
}

/// The Rollout that is made of what runs, as it is read.
async fn rollout(bench: &Bench) -> Value {
    let mut objects = Vec::new();
    for (plural, object) in originals() {
        objects.push(bench.value(plural, object["metadata"]["name"].as_str().expect("a name")).await);
    }
    let (workloads, services) = ([ObjectKey::deployment("web")], ["web".to_owned()]);
    let seen = Originals {
        workloads: &workloads,
        services: &services,
        namespace: bench.namespace(),
        objects: &objects,
    };
    let adopted = adopted(&seen).expect("nothing in the way");
    let mut rollout = objects::rollout("1");
    rollout["spec"]["release"]["manifests"] = json!(adopted.manifests);
    rollout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn no_request_reaches_a_candidate_however_the_originals_are_applied_again() {
    let bench = Bench::start("adopted").await;
    bench.apply_route().await;
    for (plural, object) in originals() {
        bench.apply_as(FLUX, plural, &object).await;
    }
    bench.merge_as("autoscaler", "deployments", "web", json!({"spec": {"replicas": 2}})).await;
    bench
        .until("the originals", async || {
            bench.value("deployments", "web").await["status"]["availableReplicas"] == 2
        })
        .await;
    for (plural, by) in [("services", &[FLUX][..]), ("deployments", &[])] {
        let read = Object::from_value(&bench.value(plural, "web").await).expect("an object");
        let named: Vec<String> = changes(&read).into_iter().flat_map(|change| change.by).collect();
        assert_eq!(named, by, "who would turn back what is turned in {plural}");
    }
    let slices = History::begin(bench.api("endpointslices")).await;
    let mut rollout = rollout(&bench).await;
    bench.apply(&rollout).await;
    bench.until("a word", async || bench.condition("Accepted").await.1 == "NameTaken").await;
    applied_again(&bench).await;

    bench
        .merge_as("person", "services", "web", json!({"metadata": {"labels": {"teal.dev/rollout": "web"}}}))
        .await;
    bench.phase("Complete").await;
    let blue = bench.status("/live/revision").await;
    applied_again(&bench).await;
    bench.until("back at live", async || bench.selected("web").await == blue).await;
    // At rest: who applies the original says no size.
    bench.merge_as("person", "deployments", "web", json!({"spec": {"replicas": 0}})).await;
    for manifest in rollout["spec"]["release"]["manifests"].as_array_mut().expect("a list") {
        if manifest["kind"] == "Deployment" {
            manifest["spec"]["template"]["spec"]["containers"][0]["image"] = json!("shop/web:2");
        }
    }
    bench.apply(&rollout).await;
    bench.phase("Waiting").await;
    applied_again(&bench).await;
    bench.until("back at live", async || bench.selected("web").await == blue).await;
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
    let under_test = slices.all().await;
    assert_eq!(
        bench.value("deployments", "web").await["spec"]["replicas"],
        0,
        "it rests, however it is applied"
    );

    bench.decide("Approve").await;
    bench.phase("Complete").await;
    let green = bench.status("/live/revision").await;
    assert_ne!(green, blue);
    applied_again(&bench).await;
    bench.until("back at live", async || bench.selected("web").await == green).await;
    assert!(pods_behind(&under_test, "web").any(|pod| pod.starts_with("web-blue-")), "the copies served");
    let candidates: Vec<String> =
        pods_behind(&under_test, "web").filter(|pod| pod.starts_with("web-green-")).collect();
    assert_eq!(candidates, Vec::<String>::new(), "Service web led to the candidate");
    bench.end().await;
}

/// Pods that were ever behind a Service.
fn pods_behind(slices: &[Version], service: &str) -> impl Iterator<Item = String> {
    let of_service = slices.iter().filter_map(|version| version.object.as_ref()).filter(move |slice| {
        slice.pointer("/metadata/labels/kubernetes.io~1service-name") == Some(&json!(service))
    });
    let endpoints = of_service.flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
    endpoints.filter_map(|endpoint| endpoint.pointer("/targetRef/name")?.as_str().map(str::to_owned))
}

//! What `spec.release.manifests` holds and the definition lets through.

use serde_json::{Value, json};

use crate::bench::bad::Case;
use crate::bench::{Bench, objects};

/// Version 2 and one manifest more that is refused; mended by taking it out.
async fn refused(name: &str, case: Case, manifest: Value) {
    let bench = Bench::installed(name).await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["release"]["manifests"].as_array_mut().expect("a list").push(manifest);
    bench
        .bad(
            case,
            async || bench.apply(&rollout).await,
            async || {
                assert_eq!(bench.exists("deployments", "web-green").await, Some(false));
                bench.apply(&objects::rollout("2")).await;
            },
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_manifest_that_is_cluster_scoped() {
    let case = Case::refused("UnsupportedKind", "ClusterRole web", "kind", "apply it beside the Rollout");
    let manifest = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "web"}, "rules": []});
    refused("scoped", case, manifest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_manifest_of_a_kind_that_can_not_be_colored() {
    let case = Case::refused("UnsupportedKind", "DaemonSet agent", "kind", "write a Deployment");
    let manifest = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": {
        "selector": {"matchLabels": {"app": "agent"}}, "template": {"metadata": {"labels": {"app": "agent"}},
            "spec": {"containers": [{"name": "agent", "image": "agent"}]}}}});
    refused("uncolored", case, manifest).await;
}

/// The definition compares whole `apiVersion`s; the API server has one object for both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_manifest_twice_in_two_versions() {
    let bench = Bench::installed("twice").await;
    let scaler = |version: &str| {
        json!({"apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"}, "spec": {"maxReplicas": 5, "scaleTargetRef": {
                "apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}})
    };
    let with = |versions: &[&str]| {
        let mut rollout = objects::rollout("2");
        let manifests = rollout["spec"]["release"]["manifests"].as_array_mut().expect("a list");
        manifests.extend(versions.iter().map(|version| scaler(version)));
        rollout
    };
    bench
        .bad(
            Case::refused("ReleaseInvalid", "HorizontalPodAutoscaler web", "metadata.name", "take one out"),
            async || bench.apply(&with(&["v1", "v2"])).await,
            async || bench.apply(&with(&["v2"])).await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn names_that_get_too_long() {
    let name = "n".repeat(47);
    let object = format!("StatefulSet {name}");
    let case = Case::refused(
        "ReleaseInvalid",
        &object,
        "metadata.name has 47 characters",
        "shorten it to at most 46",
    );
    let manifest = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": {
        "selector": {"matchLabels": {"app": "n"}}, "serviceName": "n", "template": {
            "metadata": {"labels": {"app": "n"}}, "spec": {"containers": [{"name": "n", "image": "n"}]}}}});
    refused("long", case, manifest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_fate_that_there_is_not() {
    let case = Case::refused(
        "ReleaseInvalid",
        "ConfigMap web",
        "metadata.annotations[teal.dev/fate]",
        "write Own or Shared",
    );
    let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "web", "annotations": {"teal.dev/fate": "Sometimes"}}});
    refused("fate", case, manifest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_mark_of_teal_in_a_manifest() {
    let case =
        Case::refused("ReleaseInvalid", "ConfigMap web", "metadata.labels[teal.dev/color]", "leave it out");
    let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "web", "labels": {"teal.dev/color": "blue"}}});
    refused("mark", case, manifest).await;
}

/// What only the API server finds out, when the object is applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_manifest_that_the_api_server_refuses() {
    let bench = Bench::installed("invalid").await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["release"]["manifests"][0]["spec"]["template"]["spec"]["containers"][0]["ports"] =
        json!([{"containerPort": 80_800}]);
    let object = format!("Deployment {}/web-green", bench.namespace());
    bench
        .bad(
            Case::refused(
                "ReleaseInvalid",
                &object,
                "containers[0].ports[0].containerPort",
                "correct spec.release",
            )
            .once_made()
            .tried_again(),
            async || bench.apply(&rollout).await,
            async || bench.apply(&objects::rollout("2")).await,
        )
        .await;
    bench.end().await;
}

/// The commonest mistakes, which the API server answers as though it were at fault itself: a number where a text belongs, and a word
/// that is no field.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_manifest_that_does_not_fit_its_schema() {
    let bench = Bench::installed("misfit").await;
    let container = "/spec/release/manifests/0/spec/template/spec/containers/0";
    for (version, field, value, names) in [
        ("2", "env", json!([{"name": "PORT", "value": 8080}]), ".env[name=\"PORT\"].value"),
        ("3", "imagePullpolicy", json!("Always"), ".imagePullpolicy"),
    ] {
        let mut rollout = objects::rollout(version);
        rollout.pointer_mut(container).expect("a container")[field] = value;
        let object = format!("Deployment {}/web-", bench.namespace());
        bench
            .bad(
                Case::refused("ReleaseInvalid", &object, names, "correct spec.release")
                    .once_made()
                    .tried_again(),
                async || bench.apply(&rollout).await,
                async || bench.apply(&objects::rollout(version)).await,
            )
            .await;
    }
    bench.end().await;
}

/// A disruption budget at this version; one that was there until Kubernetes 1.25.
fn budget(version: &str) -> Value {
    json!({"apiVersion": format!("policy/{version}"), "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}})
}

fn unserved(object: &str) -> Case {
    let field = "apiVersion policy/v1beta1 isn't served by this cluster";
    Case::refused("UnsupportedKind", object, field, "install what serves it").tried_again()
}

/// No API server answers that with a status: what only a real one says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_manifest_of_a_version_that_the_cluster_does_not_serve() {
    let bench = Bench::installed("unserved").await;
    // In place it reaches live as well, and whichever is tried first is told.
    let object = format!("PodDisruptionBudget {}/web-", bench.namespace());
    bench
        .bad(
            unserved(&object).once_made(),
            async || bench.apply(&objects::with("2", &[budget("v1beta1")])).await,
            async || {
                assert_eq!(bench.exists("deployments", "web-green").await, Some(false));
                bench.apply(&objects::with("2", &[budget("v1")])).await;
            },
        )
        .await;
    bench.end().await;
}

/// It is no part of a revision, so it starts no rollout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_manifest_of_such_a_version_beside_what_is_live() {
    let bench = Bench::installed("unserved-live").await;
    let object = format!("PodDisruptionBudget {}/web-blue", bench.namespace());
    bench
        .bad(
            unserved(&object),
            async || bench.apply(&objects::with("1", &[budget("v1beta1")])).await,
            async || bench.apply(&objects::rollout("1")).await,
        )
        .await;
    bench.end().await;
}

//! What stands around the routes and would give the candidate requests too early, too late, or none.

use serde_json::{Value, json};

use crate::bench::bad::Case;
use crate::bench::{Bench, objects};

/// An object beside the Rollout that is in the way of version 2; mended by changing or deleting it.
async fn in_the_way(bench: &Bench, case: Case, plural: &str, object: Value, mend: impl AsyncFnOnce()) {
    bench
        .bad(
            case,
            async || {
                bench.create(plural, "somebody", object).await;
                bench.apply(&objects::rollout("2")).await;
            },
            mend,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_sidecar_that_does_not_export_the_host() {
    let bench = Bench::installed("sidecar").await;
    let namespace = bench.namespace().to_owned();
    let hosts = |names: &[&str]| {
        let hosts: Vec<String> =
            names.iter().map(|name| format!("./{name}.{namespace}.svc.cluster.local")).collect();
        json!({"egress": [{"hosts": hosts}]})
    };
    let sidecar = json!({"apiVersion": "networking.istio.io/v1", "kind": "Sidecar",
        "metadata": {"name": "default"}, "spec": hosts(&["web"])});
    let case = Case::refused(
        "HostNotExported",
        &format!("Sidecar {namespace}/default"),
        "spec.egress[0].hosts",
        &format!("web-candidate.{namespace}.svc.cluster.local: add it"),
    );
    in_the_way(&bench, case, "sidecars", sidecar, async || {
        let both = json!({"spec": hosts(&["web", "web-candidate"])});
        bench.merge_as("somebody", "sidecars", "default", both).await;
    })
    .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn another_service_that_selects_the_candidates_pods() {
    let bench = Bench::installed("overlap").await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "metrics"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    let object = format!("Service {}/metrics", bench.namespace());
    // It is found by the candidate's pods, so routes may name the candidate by then, at weight 0.
    let case = Case::refused("SelectorOverlap", &object, "spec.selector", "or remove it").all_at_live();
    in_the_way(&bench, case, "services", service, async || {
        assert_eq!(bench.condition("SelectorOverlap").await.0, "True");
        bench.delete("services", "metrics").await;
    })
    .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_entry_that_selects_the_candidates_pods() {
    let bench = Bench::installed("entry").await;
    let entry = json!({"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "old"},
        "spec": {"hosts": ["old.example"], "location": "MESH_INTERNAL", "resolution": "STATIC",
            "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
            "workloadSelector": {"labels": {"app": "web"}}}});
    let object = format!("ServiceEntry {}/old", bench.namespace());
    let case =
        Case::refused("SelectorOverlap", &object, "spec.workloadSelector", "or remove it").all_at_live();
    in_the_way(&bench, case, "serviceentries", entry, async || {
        bench.delete("serviceentries", "old").await;
    })
    .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_policy_that_does_not_hold_for_the_candidate() {
    let bench = Bench::installed("policy").await;
    let policy = |names: &[&str]| {
        let targets: Vec<Value> =
            names.iter().map(|name| json!({"group": "", "kind": "Service", "name": name})).collect();
        json!({"targetRefs": targets, "rules": [{}]})
    };
    let object = json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": "callers"}, "spec": policy(&["web"])});
    let case = Case::refused(
        "PolicyGap",
        &format!("AuthorizationPolicy {}/callers", bench.namespace()),
        "spec.targetRefs",
        "add web-candidate there too",
    );
    in_the_way(&bench, case, "authorizationpolicies", object, async || {
        let both = json!({"spec": policy(&["web", "web-candidate"])});
        bench.merge_as("somebody", "authorizationpolicies", "callers", both).await;
    })
    .await;
    bench.end().await;
}

/// A warning: its callers jump at promotion. It stops nothing, and nothing of it is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_route_that_is_not_managed() {
    let bench = Bench::installed("unmanaged").await;
    let mut route = objects::virtual_service();
    route["metadata"]["name"] = json!("partner");
    let object = format!("VirtualService {}/partner", bench.namespace());
    let case = Case::warned("UnmanagedRoutes", &object, "spec.http[0] (primary)", "list this VirtualService");
    bench
        .bad(
            case,
            async || bench.create("virtualservices", "partner", route).await,
            async || {
                let mut rollout = objects::rollout("2");
                rollout["spec"]["traffic"]["virtualServices"] = json!([{"name": "web"}, {"name": "partner"}]);
                bench.apply(&rollout).await;
            },
        )
        .await;
    assert_eq!(bench.condition("UnmanagedRoutes").await.0, "");
    bench.end().await;
}

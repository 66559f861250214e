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

/// Both revisions share one object of its name, which would be the next one's at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_shared_policy_that_lives_pods_would_lose() {
    let bench = Bench::start("sharedpolicy").await;
    bench.apply_route().await;
    let release = |version: &str, app: &str, policy: &str| {
        let mut rollout = objects::with(
            version,
            &[
                json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": policy},
                "spec": {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": ["Ingress"], "ingress": [{}]}}),
            ],
        );
        let manifests = &mut rollout["spec"]["release"]["manifests"];
        for labels in ["/0/spec/selector/matchLabels", "/0/spec/template/metadata/labels", "/1/spec/selector"]
        {
            manifests.pointer_mut(labels).expect("labels")["app"] = json!(app);
        }
        rollout
    };
    let selected = async |policy: &str| {
        let found = bench.value("networkpolicies", policy).await;
        found["spec"]["podSelector"]["matchLabels"]["app"].clone()
    };
    bench.apply(&release("1", "web", "guard")).await;
    bench.phase("Complete").await;
    bench.quiet().await;
    let case = Case::refused(
        "PolicyGap",
        "NetworkPolicy guard",
        "spec.podSelector",
        "give it another metadata.name",
    );
    bench
        .bad(
            case,
            async || bench.apply(&release("2", "shop", "guard")).await,
            async || {
                assert_eq!(selected("guard").await, "web", "nobody wrote it");
                bench.apply(&release("2", "shop", "guard-of-shop")).await;
                bench.phase("Waiting").await;
                assert_eq!(
                    (selected("guard").await, selected("guard-of-shop").await),
                    ("web".into(), "shop".into())
                );
            },
        )
        .await;
    assert_eq!(selected("guard").await, "web", "the first revision has it and is kept");
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

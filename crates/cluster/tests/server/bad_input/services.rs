//! What `spec.traffic.services` names, and names that are taken.

use std::time::Duration;

use serde_json::{Value, json};

use super::pods::{broken, never_ready};
use crate::bench::bad::Case;
use crate::bench::history::{History, Version};
use crate::bench::{Bench, objects};

/// Version 2 with another spec of the Service.
fn serving(change: impl FnOnce(&mut Value)) -> Value {
    let mut rollout = objects::rollout("2");
    change(&mut rollout["spec"]["release"]["manifests"][1]["spec"]);
    rollout
}

/// A change of the Service's spec in the release that is refused, and mended by taking it back.
async fn refused(name: &str, case: Case, change: impl FnOnce(&mut Value)) {
    refused_in(Bench::installed(name).await, case, change).await;
}

async fn refused_in(bench: Bench, case: Case, change: impl FnOnce(&mut Value)) {
    let bad = serving(change);
    bench
        .bad(
            case,
            async || bench.apply(&bad).await,
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
async fn a_service_that_is_missing_from_the_release() {
    let bench = Bench::installed("nosvc").await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["release"]["manifests"].as_array_mut().expect("a list").remove(1);
    bench
        .bad(
            Case::refused("ServiceNotFound", "Service web", "spec.traffic.services", "add its manifest"),
            async || bench.apply(&rollout).await,
            async || bench.apply(&objects::rollout("2")).await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_without_a_port() {
    let case = Case::refused("ServiceUnsupported", "Service web", "spec.ports", "list the port");
    refused("noport", case, |spec| drop(spec.as_object_mut().expect("a map").remove("ports"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_of_type_external_name() {
    let case = Case::refused("ServiceUnsupported", "Service web", "spec.type", "use ClusterIP");
    refused("external", case, |spec| {
        *spec = json!({"type": "ExternalName", "externalName": "web.example", "selector": {"app": "web"},
            "ports": [{"port": 80}]});
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_that_is_headless() {
    let case = Case::refused("ServiceUnsupported", "Service web", "spec.clusterIP", "leave it out");
    refused("headless", case, |spec| spec["clusterIP"] = json!("None")).await;
}

/// Callers from outside learn late of other pods, so one port must do for those of both revisions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_target_port_that_changes_behind_a_load_balancer() {
    let bench = Bench::installed("balancer").await;
    let outside =
        json!({"metadata": {"annotations": {"teal.dev/overlap": "1s"}}, "spec": {"type": "LoadBalancer"}});
    bench.merge_as("somebody", "services", "web", outside).await;
    let object = format!("Service {}/web", bench.namespace());
    let bad = serving(|spec| spec["ports"][0]["targetPort"] = json!(9090));
    bench
        .bad(
            Case::refused("ServiceUnsupported", &object, "spec.ports: port", "keep it"),
            async || bench.apply(&bad).await,
            async || bench.apply(&objects::rollout("2")).await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_overlap_that_is_no_duration() {
    let bench = Bench::installed("nolap").await;
    let object = format!("Service {}/web", bench.namespace());
    let note = async |text: &str| {
        let patch =
            json!({"metadata": {"annotations": {"teal.dev/overlap": text}}, "spec": {"type": "NodePort"}});
        bench.merge_as("somebody", "services", "web", patch).await;
    };
    bench
        .bad(
            Case::refused("ObjectMalformed", &object, "metadata.annotations[teal.dev/overlap]", "like 90s"),
            async || {
                note("soon").await;
                bench.apply(&objects::rollout("2")).await;
            },
            async || note("1s").await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_that_selects_nothing() {
    let case = Case::refused("ServiceNotFound", "Service web", "spec.selector", "select labels");
    refused("nothing", case, |spec| spec["selector"] = json!({"app": "wbe"})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_port_that_is_renumbered() {
    let bench = Bench::installed("renumber").await;
    let object = format!("Service {}/web", bench.namespace());
    let case = Case::refused("PortChanged", &object, "spec.ports: port 80", "Keep the port");
    refused_in(bench, case, |spec| spec["ports"][0]["port"] = json!(81)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_port_that_is_removed() {
    let bench = Bench::start("portgone").await;
    bench.apply_route().await;
    let two = |version: &str| {
        let mut rollout = objects::rollout(version);
        rollout["spec"]["release"]["manifests"][1]["spec"]["ports"] = json!([
            {"name": "http", "port": 80, "targetPort": 8080}, {"name": "admin", "port": 81, "targetPort": 8081},
        ]);
        rollout
    };
    bench.apply(&two("1")).await;
    bench.phase("Complete").await;
    let mut one = two("2");
    one["spec"]["release"]["manifests"][1]["spec"]["ports"].as_array_mut().expect("a list").remove(1);
    let object = format!("Service {}/web", bench.namespace());
    bench
        .bad(
            Case::refused("PortChanged", &object, "spec.ports: port admin is removed", "Keep the port"),
            async || bench.apply(&one).await,
            async || bench.apply(&two("2")).await,
        )
        .await;
    bench.end().await;
}

/// The remedy of a port that is renumbered. With two ports Istio takes the number of the Gateway's for a destination that names none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_second_port_that_a_route_does_not_name() {
    let bench = Bench::start("secondport").await;
    bench.apply_route().await;
    let serving = |version: &str, more: &[Value]| {
        let mut rollout = objects::rollout(version);
        let ports = [&[json!({"name": "http", "port": 80, "targetPort": 8080})], more].concat();
        rollout["spec"]["release"]["manifests"][1]["spec"]["ports"] = json!(ports);
        rollout
    };
    bench.apply(&serving("1", &[])).await;
    bench.phase("Complete").await;
    bench.quiet().await;
    let object = format!("VirtualService {}/web", bench.namespace());
    let field = "spec.http[0] (primary).route[0].destination.port is missing";
    bench
        .bad(
            Case::refused("RouteUnsupported", &object, field, "write port: {number: 80}"),
            async || {
                let route = json!([{"name": "primary", "route": [{"destination": {"host": "web"}}]}]);
                bench.merge_as("owner", "virtualservices", "web", json!({"spec": {"http": route}})).await;
                bench.apply(&serving("2", &[json!({"name": "admin", "port": 81, "targetPort": 8081})])).await;
            },
            async || {
                assert_eq!(bench.exists("deployments", "web-green").await, Some(false));
                bench.apply_route().await;
            },
        )
        .await;
    bench.end().await;
}

/// A Deployment of somebody else.
fn strange(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": 0, "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}},
    }})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_wanted_name_that_is_taken() {
    let bench = Bench::installed("taken").await;
    bench.create("deployments", "somebody", strange("web-green")).await;
    let object = format!(
        "Deployment {}/web-green exists and is not this Rollout's (written by somebody)",
        bench.namespace()
    );
    bench
        .bad(
            Case::refused(
                "NameTaken",
                &object,
                "metadata.name in spec.release",
                "rename or remove the other",
            )
            .once_made()
            .tried_again(),
            async || bench.apply(&objects::rollout("2")).await,
            async || {
                assert_eq!(bench.image("web-green").await, "x");
                bench.delete("deployments", "web-green").await;
            },
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_wanted_name_that_is_taken_before_the_first_install() {
    let bench = Bench::start("firsttaken").await;
    bench.apply_route().await;
    bench.create("deployments", "somebody", strange("web-blue")).await;
    let object = format!(
        "Deployment {}/web-blue exists and is not this Rollout's (written by somebody)",
        bench.namespace()
    );
    bench
        .bad(
            Case::refused(
                "NameTaken",
                &object,
                "metadata.name in spec.release",
                "rename or remove the other",
            )
            .once_made()
            .tried_again(),
            async || bench.apply(&objects::rollout("1")).await,
            async || bench.delete("deployments", "web-blue").await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn the_name_of_the_candidates_service_is_taken() {
    let bench = Bench::start("candidate").await;
    bench.apply_route().await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web-candidate"},
        "spec": {"selector": {"app": "old"}, "ports": [{"port": 80, "targetPort": 8080}]}});
    bench.create("services", "somebody", service).await;
    let object = format!(
        "Service {}/web-candidate exists and is not this Rollout's (written by somebody)",
        bench.namespace()
    );
    bench
        .bad(
            Case::refused("NameTaken", &object, "spec.traffic.services", "rename or remove the other")
                .once_made()
                .tried_again(),
            async || bench.apply(&objects::rollout("1")).await,
            async || bench.delete("services", "web-candidate").await,
        )
        .await;
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
    let object = format!("Service {}/web exists, is written by helm", bench.namespace());
    bench
        .bad(
            Case::refused("NameTaken", &object, "selector", "consent by the label teal.dev/rollout=web"),
            async || bench.apply(&objects::rollout("1")).await,
            async || {
                assert_eq!(bench.exists("deployments", "web-blue").await, Some(false));
                let consent = json!({"metadata": {"labels": {"teal.dev/rollout": "web"}}});
                bench.merge_as("helm", "services", "web", consent).await;
            },
        )
        .await;
    assert_eq!(bench.selected("web").await, bench.status("/live/revision").await);
    bench.end().await;
}

/// Consent is given while the new release can't serve yet: nobody's requests may meet its pods before they can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_that_was_consented_to_before_the_release_can_serve() {
    let bench = Bench::start("consent").await;
    bench.apply_route().await;
    let labels = json!({"app": "old"});
    let containers = json!([{"name": "old", "image": "shop/old:1", "ports": [{"containerPort": 8080}]}]);
    let old = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "old"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}}});
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "labels": {"teal.dev/rollout": "web"}},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}});
    bench.create("deployments", "helm", old).await;
    bench.create("services", "helm", service).await;
    let available = async || bench.value("deployments", "old").await["status"]["availableReplicas"] == 2;
    bench.until("the old pods", available).await;
    let services = History::begin(bench.api("services")).await;
    let mend = async || {
        for version in services.all().await.iter().filter(|version| version.name == "web") {
            assert_eq!(version.spec().and_then(|spec| spec.get("selector")), Some(&labels));
        }
        bench.apply(&objects::rollout("1")).await;
    };
    bench.bad(never_ready("web-blue").once_made(), async || broken(&bench).await, mend).await;
    assert_eq!(bench.selected("web").await, bench.status("/live/revision").await);
    bench.end().await;
}

/// How long the live role may select both colors after another hand wrote its selector.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A forced apply takes the whole selector: from then on both colors match, until Teal has turned it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_of_git_that_is_applied_again() {
    let bench = Bench::at_ten("git").await;
    let live = bench.selected("web").await;
    let services = History::begin(bench.api("services")).await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}});
    let object = format!("Service {}/web", bench.namespace());
    bench
        .bad(
            Case::warned(
                "LiveRepaired",
                &object,
                "spec.selector was written by git",
                "take the Service out of what git applies",
            ),
            async || bench.apply_as("git", "services", &service).await,
            async || {
                let versions = services.all().await;
                let of_web: Vec<&Version> = versions.iter().filter(|version| version.name == "web").collect();
                let longest = longest_without(&of_web, &live);
                assert!(longest.is_some_and(|longest| longest < AT_ONCE), "{longest:?} of {of_web:#?}");
            },
        )
        .await;
    bench.end().await;
}

/// Git has the Service as it was two versions ago: nobody listens there any more, and nothing else would ever lead callers back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_target_port_of_git_that_is_applied_again() {
    let bench = Bench::installed("gitport").await;
    let live = bench.value("services", "web").await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"ports": [{"port": 80, "targetPort": 7070}]}});
    let object = format!("Service {}/web", bench.namespace());
    let told = "spec.ports was written by git (targetPort of port 80 became 7070 instead of 8080)";
    bench
        .bad(
            Case::warned("LiveRepaired", &object, told, "take the Service out of what git applies"),
            async || bench.apply_as("git", "services", &service).await,
            async || {
                let found = bench.value("services", "web").await;
                for field in ["ports", "selector"] {
                    assert_eq!(found["spec"][field], live["spec"][field], "{field}");
                }
            },
        )
        .await;
    bench.end().await;
}

/// The longest time that a Service selected something else than a revision; nothing where it never did, or still does.
fn longest_without(versions: &[&Version], revision: &str) -> Option<Duration> {
    let selects = |version: &Version| {
        version.spec().and_then(|spec| spec.pointer("/selector/teal.dev~1revision")) == Some(&json!(revision))
    };
    let mut longest = None;
    let mut since = None;
    for version in versions {
        match (selects(version), since) {
            (false, None) => since = Some(version.at),
            (true, Some(begun)) => {
                longest = longest.max(Some(version.at - begun));
                since = None;
            }
            _ => {}
        }
    }
    longest.filter(|_| since.is_none())
}

/// A Service that means its port by name, and a release whose container calls it so.
fn by_name(version: &str, called: &str) -> Value {
    let mut rollout = objects::rollout(version);
    let manifests = &mut rollout["spec"]["release"]["manifests"];
    manifests[0]["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"] = json!(called);
    manifests[1]["spec"]["ports"][0]["targetPort"] = json!("http");
    rollout
}

/// Its pods are ready, and nobody can reach them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_target_port_that_no_pod_opens() {
    let bench = Bench::start("unopened").await;
    bench.apply_route().await;
    bench.apply(&by_name("1", "http")).await;
    bench.phase("Complete").await;
    bench.quiet().await;
    let object = format!("Service {}/web-candidate", bench.namespace());
    let names = [object.as_str(), "spec.ports[].targetPort", "name it in containers[].ports"];
    bench
        .bad(
            Case::told("Reconciling", "True", "CandidateStarting", names).all_at_live(),
            async || {
                bench.apply(&by_name("2", "web")).await;
                // That they start is told before.
                let told = async || bench.status("/message").await.contains("no pod of");
                bench.until("what is wrong with the pods", told).await;
            },
            async || bench.apply(&by_name("3", "http")).await,
        )
        .await;
    bench.end().await;
}

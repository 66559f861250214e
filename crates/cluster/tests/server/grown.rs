//! A release that grows: one change brings a workload, its Service and the route to it, and names both in `spec.traffic`.

use serde_json::{Value, json};

use crate::bench::bad::{Case, condition};
use crate::bench::history::History;
use crate::bench::{Bench, objects};

/// A second workload and the Service before it.
fn api() -> [Value; 2] {
    let pod = json!({"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "api", "image": "shop/api:1"}]}});
    [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "api"}}, "template": pod}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"},
            "spec": {"selector": {"app": "api"}, "ports": [{"port": 80, "targetPort": 8080}]}}),
    ]
}

/// The version with both, the new Service first, and the old release kept for long.
fn grown(version: &str) -> Value {
    let mut rollout = objects::with(version, &api());
    rollout["spec"]["traffic"] = json!({"services": [{"name": "api"}, {"name": "web"}],
        "virtualServices": [{"name": "api"}, {"name": "web"}]});
    rollout["spec"]["keep"]["previous"] = json!("1h");
    rollout
}

fn route_to_api() -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "api"}, "spec": {
        "hosts": ["api.example"],
        "http": [{"route": [{"destination": {"host": "api", "port": {"number": 80}}}]}]}})
}

async fn selected(bench: &Bench) -> [String; 2] {
    let selected = async |service: &str| match bench.exists("services", service).await {
        Some(true) => bench.selected(service).await,
        _ => "nothing".to_owned(),
    };
    [selected("web").await, selected("api").await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_that_comes_with_a_release_is_led_to_it_by_its_promotion_and_hinders_no_way_back() {
    let bench = Bench::installed("grown").await;
    let blue = bench.status("/live/revision").await;
    let route = route_to_api();
    bench.create("virtualservices", "owner", route.clone()).await;
    bench.apply(&grown("2")).await;
    bench.phase("Waiting").await;
    let green = bench.status("/candidate/revision").await;
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
    assert_eq!(selected(&bench).await, [blue.clone(), "nothing".to_owned()]);
    assert_eq!(
        bench.exists("services", "api-green").await,
        Some(true),
        "its pods are reached by their color's"
    );
    let said = bench.status("/message").await;
    assert!(said.contains("Service api of spec.traffic.services is not in what serves now"), "{said}");

    bench.decide("Approve").await;
    bench
        .until("both are led to it", async || selected(&bench).await == [green.clone(), green.clone()])
        .await;
    bench.phase("Complete").await;
    bench
        .until("the companion", async || bench.exists("services", "api-candidate").await == Some(true))
        .await;
    bench.quiet().await;
    assert_eq!(bench.exists("services", "api-blue").await, Some(false), "what is kept is as it was");
    assert_eq!(bench.exists("services", "api-green").await, Some(true), "whoever calls that goes on");
    assert_eq!(bench.value("virtualservices", "api").await["spec"], route["spec"]);
    let rollout = bench.value("rollouts", "web").await;
    assert_eq!(condition(&rollout, "RollbackAvailable")["status"], "True", "{rollout:#}");

    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    assert_eq!((bench.status("/live/revision").await, bench.selected("web").await), (blue.clone(), blue));
    assert_eq!(bench.selected("api").await, green, "the old release has nobody to answer there");
    // The next try finds what is left of this one.
    bench.apply(&grown("3")).await;
    bench.completes("web").await;
    let third = bench.status("/live/revision").await;
    bench
        .until("both are led to it", async || selected(&bench).await == [third.clone(), third.clone()])
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_that_is_exchanged_for_another_in_one_change() {
    let bench = Bench::installed("exchanged").await;
    bench.create("virtualservices", "owner", route_to_api()).await;
    let services = History::begin(bench.api("services")).await;
    let mut bad = objects::rollout("2");
    bad["spec"]["release"]["manifests"][1] = {
        let mut service = api()[1].clone();
        service["spec"]["selector"] = json!({"app": "web"});
        service
    };
    bad["spec"]["traffic"] = json!({"services": [{"name": "api"}], "virtualServices": [{"name": "api"}]});
    let mut both = bad.clone();
    both["spec"]["release"]["manifests"]
        .as_array_mut()
        .expect("a list")
        .push(objects::rollout("2")["spec"]["release"]["manifests"][1].clone());
    both["spec"]["traffic"] = json!({"services": [{"name": "web"}, {"name": "api"}],
        "virtualServices": [{"name": "web"}, {"name": "api"}]});
    bench
        .bad(
            Case::refused("ServiceNotFound", "Service web", "spec.traffic.services", "name web beside api"),
            async || bench.apply(&bad).await,
            async || {
                let written = services.all().await;
                assert!(written.iter().all(|version| version.name.starts_with("web")), "{written:#?}");
                bench.apply(&both).await;
            },
        )
        .await;
    // And now the old one can go, with its manifest.
    let mut left = both.clone();
    left["spec"]["traffic"] = bad["spec"]["traffic"].clone();
    left["spec"]["release"]["manifests"][0]["spec"]["template"]["metadata"]["annotations"] =
        json!({"version": "3"});
    let mut without = left.clone();
    without["spec"]["release"]["manifests"].as_array_mut().expect("a list").pop();
    let object = format!("Service {}/web", bench.namespace());
    bench
        .bad(
            Case::refused("ServiceLeftBehind", &object, "spec.traffic.services", "name it there again"),
            async || bench.apply(&left).await,
            async || bench.apply(&without).await,
        )
        .await;
    let live = bench.status("/live/revision").await;
    bench.until("led to it", async || bench.selected("api").await == live).await;
    assert_eq!(bench.condition("ServiceLeftBehind").await.0, "True", "it is still there, and nobody's");
    bench.delete("services", "web").await;
    bench
        .until("nothing is said of it", async || {
            let rollout = bench.value("rollouts", "web").await;
            condition(&rollout, "ServiceLeftBehind").is_null()
        })
        .await;
    bench.end().await;
}

/// What `InnerCallToRole` says: callers in the former revision go on by the name that they know until that is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_that_was_led_becomes_an_inner_one_of_each_color() {
    let bench = Bench::start("turnedinner").await;
    bench.apply_route().await;
    let release = |version: &str, services: &[&str]| {
        let mut rollout = objects::with(version, &api());
        let services: Vec<Value> = services.iter().map(|name| json!({"name": name})).collect();
        rollout["spec"]["traffic"]["services"] = json!(services);
        rollout
    };
    bench.apply(&release("1", &["web", "api"])).await;
    bench.phase("Complete").await;
    bench.quiet().await;
    let first = bench.status("/live/revision").await;
    assert_eq!(selected(&bench).await, [first.clone(), first]);
    let object = format!("Service {}/api", bench.namespace());
    bench
        .bad(
            Case::refused(
                "ServiceLeftBehind",
                &object,
                "spec.traffic.services",
                "take teal.dev/revision out of its selector",
            ),
            async || bench.apply(&release("2", &["web"])).await,
            async || {
                let free = json!({"spec": {"selector": {"teal.dev/revision": null}}});
                bench.merge_as("somebody", "services", "api", free).await;
                bench.phase("Waiting").await;
                assert_eq!(bench.exists("services", "api-green").await, Some(true));
            },
        )
        .await;
    let left = bench.value("services", "api").await;
    let expected = json!({"app": "api", "teal.dev/rollout": "web", "teal.dev/color": "blue"});
    assert_eq!(left["spec"]["selector"], expected, "nobody turned it");
    bench.end().await;
}

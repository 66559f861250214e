//! What `spec.traffic.virtualServices` names.

use serde_json::{Value, json};

use crate::bench::bad::Case;
use crate::bench::{Bench, objects};

/// Version 2, with these VirtualServices.
fn led_by(virtual_services: Value) -> Value {
    let mut rollout = objects::rollout("2");
    rollout["spec"]["traffic"]["virtualServices"] = virtual_services;
    rollout
}

/// The owner writes the destinations of the route anew.
async fn rewrite(bench: &Bench, route: Value) {
    let spec = json!({"spec": {"http": [{"name": "primary", "route": route}]}});
    bench.merge_as("owner", "virtualservices", "web", spec).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_virtual_service_that_is_missing() {
    let bench = Bench::installed("novs").await;
    let object = format!("VirtualService {}/front", bench.namespace());
    bench
        .bad(
            Case::refused("VirtualServiceNotFound", &object, "spec.traffic.virtualServices", "create it"),
            async || bench.apply(&led_by(json!([{"name": "front"}]))).await,
            async || {
                let mut route = objects::virtual_service();
                route["metadata"]["name"] = json!("front");
                bench.create("virtualservices", "owner", route).await;
            },
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_virtual_service_that_is_deleted_at_ten() {
    let bench = Bench::at_ten("vsgone").await;
    let object = format!("VirtualService {}/web", bench.namespace());
    bench
        .bad(
            Case::refused("VirtualServiceNotFound", &object, "spec.traffic.virtualServices", "create it")
                .back_at_live(),
            async || bench.delete("virtualservices", "web").await,
            async || bench.apply_route().await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_route_that_is_missing() {
    let bench = Bench::installed("noroute").await;
    let routes = |name: &str| led_by(json!([{"name": "web", "routes": [{"name": name}]}]));
    let object = format!("VirtualService {}/web", bench.namespace());
    bench
        .bad(
            Case::refused("RouteNotFound", &object, "route named front in spec.http", "correct the name"),
            async || bench.apply(&routes("front")).await,
            async || bench.apply(&routes("primary")).await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_tcp_route_that_is_missing() {
    let bench = Bench::installed("notcp").await;
    let object = format!("VirtualService {}/web", bench.namespace());
    let wanted = "tcp route that is meant by {tcp: {port: 9000}} in spec.tcp";
    bench
        .bad(
            Case::refused("RouteNotFound", &object, wanted, "correct it in spec.traffic.virtualServices"),
            async || {
                bench.apply(&led_by(json!([{"name": "web", "routes": [{"tcp": {"port": 9000}}]}]))).await;
            },
            async || bench.apply(&led_by(json!([{"name": "web", "routes": [{"name": "primary"}]}]))).await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn no_destination_that_is_one_of_the_services() {
    let bench = Bench::installed("nodest").await;
    let object = format!("VirtualService {}/web", bench.namespace());
    bench
        .bad(
            Case::refused("RouteNotFound", &object, "spec.http", "correct the destination"),
            async || {
                rewrite(&bench, json!([{"destination": {"host": "shop", "port": {"number": 80}}}])).await;
                bench.apply(&objects::rollout("2")).await;
            },
            async || bench.apply_route().await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_route_with_subsets() {
    let bench = Bench::installed("subset").await;
    let object = format!("VirtualService {}/web", bench.namespace());
    bench
        .bad(
            Case::refused("RouteUnsupported", &object, "destination.subset is v1", "take the subset out"),
            async || {
                rewrite(&bench, json!([{"destination": {"host": "web", "subset": "v1"}}])).await;
                bench.apply(&objects::rollout("2")).await;
            },
            async || bench.apply_route().await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_subset_of_one_version() {
    let bench = Bench::installed("subset-of-one").await;
    let rule = json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "web"},
        "spec": {"host": "web", "subsets": [{"name": "v1", "labels": {"app": "web", "version": "1"}}]}});
    bench.create("destinationrules", "owner", rule).await;
    let object = format!("VirtualService {}/web", bench.namespace());
    bench
        .bad(
            Case::refused("RouteUnsupported", &object, "the label version: 1", "take the subset out"),
            async || {
                rewrite(&bench, json!([{"destination": {"host": "web", "subset": "v1"}}])).await;
                bench.apply(&objects::rollout("2")).await;
            },
            async || bench.apply_route().await,
        )
        .await;
    bench.end().await;
}

/// Another hand gives the candidate nearly all, in a form that can't be managed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_route_with_subsets_at_ten() {
    let bench = Bench::at_ten("subset10").await;
    let object = format!("VirtualService {}/web", bench.namespace());
    let most = json!([
        {"destination": {"host": "web", "subset": "v1"}, "weight": 10},
        {"destination": {"host": "web-candidate"}, "weight": 90},
    ]);
    bench
        .bad(
            Case::refused("RouteUnsupported", &object, "destination.subset is v1", "take the subset out")
                .back_at_live(),
            async || rewrite(&bench, most).await,
            async || bench.apply_route().await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn weights_that_do_not_sum_to_100() {
    let bench = Bench::installed("sum").await;
    let object = format!("VirtualService {}/web", bench.namespace());
    let shares = |web: u8, shop: u8| {
        json!([
            {"destination": {"host": "web", "port": {"number": 80}}, "weight": web},
            {"destination": {"host": "shop", "port": {"number": 80}}, "weight": shop},
        ])
    };
    bench
        .bad(
            Case::refused("WeightsInvalid", &object, "spec.http[0] (primary).route", "make them sum to 100"),
            async || {
                rewrite(&bench, shares(60, 30)).await;
                bench.apply(&objects::rollout("2")).await;
            },
            async || rewrite(&bench, shares(70, 30)).await,
        )
        .await;
    bench.end().await;
}

/// Waits until what is made now is younger than the Rollout: times of creation are whole seconds.
async fn younger(bench: &Bench) {
    let made = bench.value("rollouts", "web").await["metadata"]["creationTimestamp"].clone();
    let made: jiff::Timestamp = made.as_str().expect("a time").parse().expect("a time");
    bench.until("a later second", async || jiff::Timestamp::now().as_second() > made.as_second()).await;
}

/// A whole Rollout of another name, with its own Service, over this VirtualService.
fn other(virtual_service: &str) -> Value {
    let text = objects::rollout("9").to_string().replace(r#""web""#, r#""other""#);
    let mut rollout: Value = serde_json::from_str(&text).expect("JSON");
    rollout["spec"]["traffic"]["virtualServices"] = json!([{"name": virtual_service}]);
    rollout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn two_rollouts_on_one_route() {
    let bench = Bench::start("oneroute").await;
    bench.apply_route().await;
    rewrite(
        &bench,
        json!([{"destination": {"host": "web"}, "weight": 60}, {"destination": {"host": "other"}, "weight": 40}]),
    )
    .await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    younger(&bench).await;
    let object =
        format!("VirtualService {}/web: spec.http[0] (primary) belongs to Rollout web", bench.namespace());
    bench
        .bad(
            Case::refused("ClaimedByOther", &object, "spec.traffic.virtualServices", "name other routes")
                .of("other"),
            async || bench.apply(&other("web")).await,
            async || {
                let mut route = objects::virtual_service();
                route["metadata"]["name"] = json!("other");
                route["spec"]["http"][0]["route"][0]["destination"]["host"] = json!("other");
                bench.create("virtualservices", "owner", route).await;
                bench.apply(&other("other")).await;
            },
        )
        .await;
    // The older one keeps the route.
    bench.apply(&objects::rollout("2")).await;
    bench.completes("web").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn two_rollouts_on_one_service() {
    let bench = Bench::installed("oneservice").await;
    younger(&bench).await;
    let mut rival = objects::rollout("9");
    rival["metadata"]["name"] = json!("other");
    let object = format!("Service {}/web", bench.namespace());
    bench
        .bad(
            Case::refused(
                "ClaimedByOther",
                &object,
                "spec.traffic.services",
                "take it out of one of the two",
            )
            .of("other"),
            async || bench.apply(&rival).await,
            async || {
                assert_eq!(bench.image("web-blue").await, "shop/web:1");
                let mut rollout = other("other");
                rollout["spec"]["traffic"].as_object_mut().expect("a map").remove("virtualServices");
                rollout["spec"]["steps"] = json!([{"name": "switch", "weight": 100}]);
                bench.apply(&rollout).await;
            },
        )
        .await;
    // The older one keeps the Service.
    bench.apply(&objects::rollout("2")).await;
    bench.completes("web").await;
    assert_eq!(bench.selected("web").await, bench.status("/live/revision").await);
    assert_eq!(bench.image("web-green").await, "shop/web:2");
    bench.end().await;
}

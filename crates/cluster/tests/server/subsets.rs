//! Routes that name a subset of a DestinationRule.

use serde_json::{Value, json};

use crate::bench::{Bench, objects};

fn rule(subsets: &Value) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "web"},
        "spec": {"host": "web", "subsets": subsets}})
}

async fn lead_to(bench: &Bench, subset: &str) {
    let route = json!([{"destination": {"host": "web", "subset": subset, "port": {"number": 80}}}]);
    let spec = json!({"spec": {"http": [{"name": "primary", "route": route}]}});
    bench.merge_as("owner", "virtualservices", "web", spec).await;
}

/// The copy has the subset before a route does, keeps it as long as it is there, and goes; the owner's bytes come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_9_a_subset_is_the_candidates_too() {
    let bench = Bench::installed("subsets").await;
    let (stable, other) = (
        json!({"name": "stable", "labels": {"app": "web"}}),
        json!({"name": "other", "labels": {"app": "x"}}),
    );
    bench.create("destinationrules", "owner", rule(&json!([other, stable]))).await;
    lead_to(&bench, "stable").await;
    let owners = bench.route_spec().await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    let copy = bench.value("destinationrules", "web-candidate").await;
    assert_eq!(copy["spec"], json!({"host": "web-candidate", "subsets": [stable]}));
    let route = bench.route_spec().await["http"][0]["route"].clone();
    let named = |place: usize| (route[place]["destination"].clone(), route[place]["weight"].clone());
    let to = |host: &str| json!({"host": host, "subset": "stable", "port": {"number": 80}});
    assert_eq!([named(0), named(1)], [(to("web"), json!(90)), (to("web-candidate"), json!(10))]);
    bench.decide("Approve").await;
    bench.phase("Complete").await;
    assert_eq!(bench.route_spec().await, owners);
    bench
        .until("no copy", async || bench.exists("destinationrules", "web-candidate").await == Some(false))
        .await;
    bench.end().await;
}

/// Somebody gives the subset labels that the pods of both versions don't have: the candidate loses its weight, and gets it again
/// once they do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_subset_that_means_others_while_the_candidate_has_weight() {
    let bench = Bench::installed("subset-turned").await;
    let subsets = |labels: Value| json!([{"name": "stable", "labels": labels}]);
    bench.create("destinationrules", "owner", rule(&subsets(json!({"app": "web"})))).await;
    lead_to(&bench, "stable").await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    let turned = json!({"spec": {"subsets": subsets(json!({"app": "web", "release": "1"}))}});
    bench.merge_as("owner", "destinationrules", "web", turned).await;
    bench.refused("RouteUnsupported", &["destination.subset is stable", "the label release: 1"]).await;
    let has_none = async || {
        let weights = bench.weights().await;
        weights.iter().all(|(host, weight)| host == "web" || *weight == 0)
    };
    bench.until("no weight for the candidate", has_none).await;
    let mended = json!({"spec": {"subsets": subsets(json!({"app": "web"}))}});
    bench.merge_as("owner", "destinationrules", "web", mended).await;
    bench
        .until("its weight again", async || bench.weights().await.iter().any(|(_, weight)| *weight == 10))
        .await;
    bench.end().await;
}

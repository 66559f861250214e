//! Routes of connections move with those of requests.

use serde_json::{Value, json};

use crate::bench::{Bench, objects};

fn to(host: &str, weight: Option<u8>) -> Value {
    let mut entry = json!({"destination": {"host": host, "port": {"number": 80}}});
    if let Some(weight) = weight {
        entry["weight"] = json!(weight);
    }
    entry
}

/// The lists of an object whose routes give this much to the candidate, where it is named.
fn spec(candidate: Option<u8>) -> Value {
    let list = match candidate {
        Some(candidate) => json!([to("web", Some(100 - candidate)), to("web-candidate", Some(candidate))]),
        None => json!([to("web", None)]),
    };
    json!({
        "hosts": ["web.example"],
        "http": [{"name": "primary", "route": list}],
        "tcp": [{"match": [{"port": 9000}], "route": list}, {"match": [{"port": 9001}], "route": [to("queue", None)]}],
        "tls": [{"match": [{"port": 443, "sniHosts": ["web.example"]}], "route": list}],
    })
}

fn rollout(version: &str) -> Value {
    let mut rollout = objects::rollout(version);
    rollout["spec"]["traffic"]["virtualServices"] = json!([{"name": "web", "routes": [
        {"name": "primary"}, {"tcp": {"port": 9000}}, {"tls": {"port": 443, "sniHosts": ["web.example"]}},
    ]}]);
    rollout
}

async fn installed(name: &str) -> Bench {
    let bench = Bench::start(name).await;
    let mut owner = objects::virtual_service();
    owner["spec"] = spec(None);
    bench.create("virtualservices", "owner", owner).await;
    bench.apply(&rollout("1")).await;
    bench.phase("Complete").await;
    assert_eq!(bench.route_spec().await, spec(None), "a first install moves nothing");
    bench
}

async fn owners_claim(bench: &Bench) -> bool {
    let object = bench.value("virtualservices", "web").await;
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    ["f:http", "f:tcp", "f:tls"].into_iter().all(|list| {
        let mut own = entries.iter().filter(|entry| entry["fieldsV1"]["f:spec"].get(list).is_some());
        own.next().is_some_and(|entry| entry["manager"] == "owner") && own.next().is_none()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn tcp_and_tls_routes_have_the_weights_of_the_http_route() {
    let bench = installed("connections").await;
    bench.apply(&rollout("2")).await;
    bench.phase("Waiting").await;
    assert_eq!(bench.route_spec().await, spec(Some(10)));
    let status = bench.value("rollouts", "web").await["status"].clone();
    let told: Vec<Value> = status["traffic"]["routes"].as_array().cloned().unwrap_or_default();
    let told: Vec<(Value, Value)> =
        told.iter().map(|route| (route["route"].clone(), route["candidateWeight"].clone())).collect();
    let of = |route: &str| (json!(route), json!(10));
    assert_eq!(
        told,
        [of("primary"), of("tls: {port: 443, sniHosts: [web.example]}"), of("tcp: {port: 9000}")]
    );
    bench.decide("Approve").await;
    bench.phase("Complete").await;
    bench.until("the owner's routes", async || bench.route_spec().await == spec(None)).await;
    bench.until("the owner's claim on all lists", async || owners_claim(&bench).await).await;
    bench.end().await;
}

/// Another hand that writes the tcp list alone is seen and corrected as one that writes http.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_hand_in_the_tcp_route_is_corrected_and_a_rollback_takes_all_lists_home() {
    let bench = installed("tcphand").await;
    bench.apply(&rollout("2")).await;
    bench.phase("Waiting").await;
    let raised = spec(Some(60))["tcp"].clone();
    bench.merge_as("kubectl-edit", "virtualservices", "web", json!({"spec": {"tcp": raised}})).await;
    bench.until("corrected", async || bench.route_spec().await == spec(Some(10))).await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    bench.until("the owner's routes", async || bench.route_spec().await == spec(None)).await;
    bench.end().await;
}

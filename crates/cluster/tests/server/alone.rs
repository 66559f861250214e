//! A hand takes live out of one of several routes.

use serde_json::{Value, json};

use crate::bench::{Bench, objects};

fn to(host: &str, weight: Option<u8>) -> Value {
    let mut entry = json!({"destination": {"host": host, "port": {"number": 80}}});
    if let Some(weight) = weight {
        entry["weight"] = json!(weight);
    }
    entry
}

/// One route of a prefix, and one of the rest.
fn routes(prefix: &[Value], rest: &[Value]) -> Value {
    json!([{"match": [{"uri": {"prefix": "/api"}}], "route": prefix}, {"route": rest}])
}

/// Version 2 at 10 % in both routes of their owner's, with these as he wrote them.
async fn at_ten(name: &str) -> (Bench, Value) {
    let bench = Bench::start(name).await;
    let mut owner = objects::virtual_service();
    let http = routes(&[to("web", None)], &[to("web", None)]);
    owner["spec"]["http"] = http.clone();
    bench.create("virtualservices", "owner", owner).await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    (bench, http)
}

/// The other route is at its weight all the time, and given back at the end: that must not be all that is looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_candidate_that_is_left_alone_in_one_of_two_routes_is_led_home() {
    let (bench, _) = at_ten("alone").await;
    let both = [to("web", Some(90)), to("web-candidate", Some(10))];
    let entered = routes(&both, &both);
    assert_eq!(bench.route_spec().await["http"], entered);
    let alone = routes(&both[1..], &both);
    bench.merge_as("kubectl-edit", "virtualservices", "web", json!({"spec": {"http": alone}})).await;
    bench
        .until("led home", async || {
            let spec = bench.route_spec().await;
            spec.pointer("/http/0/route/0/destination/host") == Some(&json!("web"))
        })
        .await;
    bench.until("entered and raised again", async || bench.route_spec().await["http"] == entered).await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    bench.quiet().await;
    // Of the route that a hand wrote it is known only what the hand left of it.
    let known = routes(&[to("web", Some(100))], &[to("web", None)]);
    assert_eq!(bench.route_spec().await["http"], known);
    let noted = bench.value("virtualservices", "web").await["metadata"]["annotations"].to_string();
    assert!(!noted.contains("saved.teal.dev/"), "{noted}");
    bench.end().await;
}

/// By the runbook for when nobody acts, or by his own, the owner gives the routes back before Teal does. What was noted of them must
/// go all the same: a preview that he makes later is his.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn routes_that_another_hand_gave_back_keep_no_note() {
    let (bench, owner) = at_ten("givenback").await;
    let back = json!({"spec": {"http": owner}});
    bench.merge_as("kubectl-edit", "virtualservices", "web", back).await;
    bench.phase("Paused").await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    let is_noted = async || {
        let route = bench.value("virtualservices", "web").await;
        route["metadata"]["annotations"].to_string().contains("saved.teal.dev/")
    };
    bench.until("no note", async || !is_noted().await).await;
    bench.quiet().await;
    assert_eq!(bench.route_spec().await["http"], owner);
    let preview = routes(&[to("web-candidate", None)], &[to("web", None)]);
    bench.merge_as("owner", "virtualservices", "web", json!({"spec": {"http": preview}})).await;
    bench.quiet().await;
    assert_eq!(bench.route_spec().await["http"], preview);
    assert_eq!(bench.condition("Accepted").await.0, "True");
    bench.end().await;
}

//! The life of a Rollout against a real API server with its controllers. Pods are made ready by hand, so no node is
//! needed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{Bench, objects};

/// Object writes of one update beside the release's own objects (the Deployment) and Events, which have budgets of
/// their own: five commits and the answer to the Decision, the finalizer twice, five of the VirtualService, two of role Services,
/// and the revision that is kept.
const WRITES: u64 = 16;
const READS: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_release_is_installed_tried_approved_promoted_and_the_old_one_retired() {
    let bench = Bench::installed("life").await;
    let blue = bench.status("/live/revision").await;
    assert_eq!(bench.status("/live/color").await, "blue");
    assert_eq!(bench.selected("web").await, blue);
    assert_eq!(
        bench.selected("web-candidate").await,
        blue,
        "the candidate's role is at live where there is none"
    );
    let owner = bench.route_spec().await;

    let before = bench.requests();
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    let green = bench.status("/candidate/revision").await;
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
    assert_eq!(bench.selected("web").await, blue);
    assert_eq!(bench.selected("web-candidate").await, green);
    bench.decide("Approve").await;
    bench.until("promoted", async || bench.status("/live/revision").await == green).await;
    assert_eq!(bench.selected("web").await, green);
    assert_eq!(bench.route_spec().await, owner, "the routes are their owner's again");
    bench.until("retired", async || bench.exists("deployments", "web-blue").await == Some(false)).await;
    bench.quiet().await;
    assert_eq!(bench.finalizers().await, 0, "nothing holds up a deletion at rest");
    let (writes, reads) = bench.since(&before);
    println!("one update took {writes} object writes and {reads} reads");
    assert!(writes <= WRITES, "{writes} writes: {:?}", bench.difference(&before));
    assert!(reads <= READS, "{reads} reads: {:?}", bench.difference(&before));

    let rest = bench.requests();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(bench.difference(&rest), [], "nothing is asked at rest");
    bench.end().await;
}

/// What the server gave to a Service that is reached from outside.
fn given(service: &Value) -> Value {
    let mut spec = service["spec"].clone();
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("selector");
    }
    spec
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_that_is_reached_from_outside_selects_both_revisions_before_it_is_turned() {
    for kind in ["NodePort", "LoadBalancer"] {
        let bench = Bench::start(&format!("lap-{}", kind.to_lowercase())).await;
        bench.apply_route().await;
        bench.apply(&objects::rollout("1")).await;
        bench.phase("Complete").await;
        let spec = json!({"metadata": {"annotations": {"teal.dev/overlap": "6s"}}, "spec": {"type": kind}});
        bench.merge_as("somebody", "services", "web", spec).await;
        let before = given(&bench.value("services", "web").await);
        assert!(before["ports"][0]["nodePort"].is_number(), "{before}");
        bench.apply(&objects::rollout("2")).await;
        bench.phase("Waiting").await;
        let green = bench.status("/candidate/revision").await;
        let candidate = bench.value("services", "web-candidate").await;
        assert_eq!(candidate["spec"]["type"], "ClusterIP");
        assert_eq!(candidate["spec"]["ports"][0].get("nodePort"), None);
        bench.decide("Approve").await;
        let both = async || {
            let selector = bench.value("services", "web").await["spec"]["selector"].clone();
            selector["teal.dev/rollout"] == "web" && selector.get("teal.dev/revision").is_none()
        };
        bench.until("both selected", both).await;
        let begun = Instant::now();
        assert_eq!(bench.weights().await, [("web".into(), 0), ("web-candidate".into(), 100)]);
        bench.until("turned", async || bench.selected("web").await == green).await;
        let lasted = begun.elapsed();
        // Half of it: both moments are seen by looks from outside, each of which may come late.
        assert!(lasted > Duration::from_secs(3), "{kind}: both were selected for {lasted:?}");
        bench.until("promoted", async || bench.status("/live/revision").await == green).await;
        assert_eq!(given(&bench.value("services", "web").await), before, "{kind}");
        bench.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn going_back_leaves_an_overlap_at_once() {
    let bench = Bench::installed("lapback").await;
    let blue = bench.status("/live/revision").await;
    let owner = bench.route_spec().await;
    let spec =
        json!({"metadata": {"annotations": {"teal.dev/overlap": "10m"}}, "spec": {"type": "NodePort"}});
    bench.merge_as("somebody", "services", "web", spec).await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    bench.decide("Approve").await;
    bench.until("both selected", async || bench.selected("web").await.is_empty()).await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    assert_eq!(bench.selected("web").await, blue);
    assert_eq!(bench.selected("web-candidate").await, blue);
    assert_eq!(bench.route_spec().await, owner);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_rollback_at_ten_percent_leads_home() {
    let bench = Bench::installed("rollback").await;
    let owner = bench.route_spec().await;
    let blue = bench.status("/live/revision").await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    assert_eq!(bench.status("/live/revision").await, blue);
    assert_eq!(bench.selected("web").await, blue);
    assert_eq!(bench.selected("web-candidate").await, blue);
    assert_eq!(bench.route_spec().await, owner);
    assert_eq!(bench.exists("deployments", "web-green").await, Some(true), "it is kept to be looked at");
    bench.until("cleared", async || bench.exists("deployments", "web-green").await == Some(false)).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_owner_who_applies_the_routes_again_is_corrected() {
    let bench = Bench::installed("owner").await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    bench.apply_route().await;
    let given =
        bench.weights().await.into_iter().filter(|(host, weight)| host == "web-candidate" && *weight > 0);
    assert_eq!(given.count(), 0, "an owner's reset sends all to live, also while it is corrected");
    bench
        .until("corrected", async || {
            bench.weights().await == [("web".into(), 90), ("web-candidate".into(), 10)]
        })
        .await;
    assert_eq!(bench.status("/phase").await, "Waiting");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_lost_status_is_made_anew_from_what_serves() {
    let bench = Bench::installed("lost").await;
    let owner = bench.route_spec().await;
    let blue = bench.status("/live/revision").await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    bench.lose_status().await;
    bench.until("rebuilt", async || bench.status("/live/revision").await == blue).await;
    // What was being tried is tried again, from the start.
    bench.phase("Waiting").await;
    assert_eq!(bench.selected("web").await, blue);
    bench.decide("Reject").await;
    bench.phase("RolledBack").await;
    assert_eq!(bench.route_spec().await, owner);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_rollout_that_is_deleted_without_its_status_leads_home_before_it_goes() {
    let mut bench = Bench::installed("lostgone").await;
    let owner = bench.route_spec().await;
    let blue = bench.status("/live/revision").await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    bench.pause_teal().await;
    bench.lose_status().await;
    bench.delete("rollouts", "web").await;
    bench.resume_teal();
    bench.until("gone", async || bench.exists("rollouts", "web").await == Some(false)).await;
    assert_eq!(bench.route_spec().await, owner);
    assert_eq!(bench.selected("web").await, blue);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn edited_and_deleted_live_objects_are_repaired() {
    let bench = Bench::installed("repair").await;
    bench.set_image("web-blue", "other/image:9").await;
    bench.until("repaired", async || bench.image("web-blue").await == "shop/web:1").await;
    bench.delete("deployments", "web-blue").await;
    bench.until("made anew", async || bench.image("web-blue").await == "shop/web:1").await;
    bench.delete("services", "web-candidate").await;
    bench.until("made anew", async || bench.exists("services", "web-candidate").await == Some(true)).await;
    bench.end().await;
}

/// It serves all the same, and no watch shows it any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_live_object_that_lost_its_label_is_given_it_again() {
    let bench = Bench::installed("unlabelled").await;
    let before = bench.value("deployments", "web-blue").await;
    let uid = bench.value("rollouts", "web").await["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let scaled = json!({"spec": {"replicas": 5}});
    bench.merge_as("autoscaler", "deployments", "web-blue", scaled).await;
    for gone in [&["teal.dev/rollout"][..], &["teal.dev/rollout", "teal.dev/rollout-uid"]] {
        let labels: Value = gone.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        bench
            .merge_as("kubectl-label", "deployments", "web-blue", json!({"metadata": {"labels": labels}}))
            .await;
        bench
            .until("labelled again", async || {
                let found = bench.value("deployments", "web-blue").await;
                let labels = &found["metadata"]["labels"];
                labels["teal.dev/rollout"] == "web" && labels["teal.dev/rollout-uid"] == uid.as_str()
            })
            .await;
    }
    let after = bench.value("deployments", "web-blue").await;
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(after["spec"]["replicas"], 5, "its size is another hand's");
    assert_eq!(bench.status("/phase").await, "Complete");
    bench.quiet().await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn deleting_a_rollout_under_way_restores_the_routes_and_keeps_live() {
    let bench = Bench::installed("delete").await;
    let owner = bench.route_spec().await;
    let blue = bench.status("/live/revision").await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    bench.delete("rollouts", "web").await;
    bench.until("gone", async || bench.exists("rollouts", "web").await == Some(false)).await;
    assert_eq!(bench.route_spec().await, owner);
    assert_eq!(bench.selected("web").await, blue);
    assert_eq!(bench.exists("deployments", "web-blue").await, Some(true));
    assert_eq!(bench.exists("deployments", "web-green").await, Some(false));
    bench.end().await;
}

/// Whether an object goes with the Rollout.
async fn goes_along(bench: &Bench, plural: &str, name: &str) -> bool {
    let uid = bench.value("rollouts", "web").await["metadata"]["uid"].clone();
    let object = bench.value(plural, name).await;
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().any(|owner| owner["uid"] == uid)
}

/// Whether what was kept of a revision is this very Rollout's and stays without it.
async fn is_claimed(bench: &Bench, kept: &str) -> bool {
    let uid = bench.value("rollouts", "web").await["metadata"]["uid"].clone();
    let metadata = bench.value("controllerrevisions", kept).await["metadata"].clone();
    metadata["labels"]["teal.dev/rollout-uid"] == uid && metadata["ownerReferences"].is_null()
}

/// What was kept of live stays with what serves, and the next one takes it over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_rollout_made_anew_can_go_back_to_what_its_predecessor_left() {
    let bench = Bench::installed("anew").await;
    let first = bench.status("/live/revision").await;
    bench.delete("rollouts", "web").await;
    bench.until("gone", async || bench.exists("rollouts", "web").await == Some(false)).await;
    let kept = format!("web-{first}");
    assert_eq!(bench.exists("controllerrevisions", &kept).await, Some(true));
    bench.apply(&objects::rollout("1")).await;
    bench.until("taken over", async || is_claimed(&bench, &kept).await).await;
    bench.quiet().await;
    let mut second = objects::rollout("2");
    second["spec"]["keep"]["previous"] = serde_json::json!("5m");
    bench.apply(&second).await;
    bench.phase("Waiting").await;
    bench.decide("Approve").await;
    bench.phase("Complete").await;
    assert_eq!(bench.status("/live/color").await, "green");
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    assert_eq!(bench.selected("web").await, first);
    bench.end().await;
}

/// Its spec isn't what serves, as where a backup is older or newer than live: what was kept tells what that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_rollout_made_anew_with_another_spec_knows_live_and_says_where_it_does_not() {
    let bench = Bench::installed("elsewise").await;
    let first = bench.status("/live/revision").await;
    let kept = format!("web-{first}");
    let anew = async || {
        bench.delete("rollouts", "web").await;
        bench.until("gone", async || bench.exists("rollouts", "web").await == Some(false)).await;
    };
    anew().await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["mode"] = json!("Paused");
    bench.apply(&rollout).await;
    bench.until("taken over", async || is_claimed(&bench, &kept).await).await;
    bench.set_image("web-blue", "other/image:9").await;
    bench.until("repaired", async || bench.image("web-blue").await == "shop/web:1").await;
    assert_eq!(bench.condition("ContentLost").await.0, "");
    anew().await;
    bench.delete("controllerrevisions", &kept).await;
    bench.apply(&rollout).await;
    bench.until("told", async || bench.condition("ContentLost").await.0 == "True").await;
    // As the condition says.
    let mut back = objects::rollout("1");
    back["spec"]["mode"] = json!("Paused");
    bench.apply(&back).await;
    bench.until("kept again", async || is_claimed(&bench, &kept).await).await;
    bench.apply(&rollout).await;
    bench.until("told no more", async || bench.condition("ContentLost").await.0.is_empty()).await;
    assert_eq!(bench.status("/live/revision").await, first);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn delete_all_opts_in_to_going_with_the_rollout_and_can_be_taken_back() {
    const SERVING: [(&str, &str); 3] =
        [("deployments", "web-blue"), ("services", "web"), ("services", "web-candidate")];
    let bench = Bench::installed("owned").await;
    let kept = format!("web-{}", bench.status("/live/revision").await);
    let all = async |owned: bool| {
        for (plural, name) in SERVING.into_iter().chain([("controllerrevisions", kept.as_str())]) {
            if goes_along(&bench, plural, name).await != owned {
                return false;
            }
        }
        true
    };
    assert!(all(false).await, "nothing that serves is the Rollout's by default");
    for (choice, owned) in [("DeleteAll", true), ("KeepLive", false)] {
        let mut rollout = objects::rollout("1");
        rollout["spec"]["onDelete"] = serde_json::json!(choice);
        bench.apply(&rollout).await;
        bench.until(choice, async || all(owned).await).await;
    }
    bench.delete("rollouts", "web").await;
    bench.until("gone", async || bench.exists("rollouts", "web").await == Some(false)).await;
    assert_eq!(bench.exists("deployments", "web-blue").await, Some(true));
    bench.end().await;
}

/// A Service of one of the names that is somebody else's stays when the Rollout that may take its own along goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn delete_all_takes_no_service_of_somebody_else() {
    let mut bench = Bench::installed("notours").await;
    bench.pause_teal().await;
    bench.delete("services", "web").await;
    let theirs = serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}});
    bench.create("services", "somebody", theirs).await;
    bench.resume_teal();
    let mut rollout = objects::rollout("1");
    rollout["spec"]["onDelete"] = serde_json::json!("DeleteAll");
    bench.apply(&rollout).await;
    bench.until("its own go along", async || goes_along(&bench, "services", "web-candidate").await).await;
    bench.quiet().await;
    assert!(!goes_along(&bench, "services", "web").await);
    bench.delete("rollouts", "web").await;
    bench.until("gone", async || bench.exists("services", "web-candidate").await == Some(false)).await;
    assert_eq!(bench.exists("services", "web").await, Some(true));
    bench.end().await;
}

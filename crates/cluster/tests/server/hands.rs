//! What other hands do to a rollout, and what becomes of it.

use crate::bench::history::{History, Version};
use crate::bench::{Bench, objects};
use serde_json::json;

/// At rest after the first install.
async fn installed(name: &str) -> Bench {
    let bench = Bench::start(name).await;
    bench.apply_route().await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    bench
}

/// With the second version at 10 %.
async fn at_ten(name: &str) -> Bench {
    let bench = installed(name).await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    bench
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_person_who_moves_traffic_to_live_pauses_and_is_kept() {
    let bench = at_ten("person").await;
    let spec = json!({"spec": {"http": [{"name": "primary", "route": [
        {"destination": {"host": "web", "port": {"number": 80}}, "weight": 100},
        {"destination": {"host": "web-candidate", "port": {"number": 80}}, "weight": 0},
    ]}]}});
    bench.merge_as("kubectl-edit", "virtualservices", "web", spec).await;
    bench.phase("Paused").await;
    assert_eq!(bench.weights().await, [("web".into(), 100), ("web-candidate".into(), 0)]);
    bench.decide("Resume").await;
    bench
        .until("raised again", async || {
            bench.weights().await == [("web".into(), 90), ("web-candidate".into(), 10)]
        })
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn what_another_hand_raised_is_lowered_to_the_weight_of_the_step() {
    let bench = at_ten("raised").await;
    let spec = json!({"spec": {"http": [{"name": "primary", "route": [
        {"destination": {"host": "web", "port": {"number": 80}}, "weight": 50},
        {"destination": {"host": "web-candidate", "port": {"number": 80}}, "weight": 50},
    ]}]}});
    bench.merge_as("somebody", "virtualservices", "web", spec).await;
    bench
        .until("lowered", async || {
            bench.weights().await == [("web".into(), 90), ("web-candidate".into(), 10)]
        })
        .await;
    bench.quiet().await;
    assert_eq!(bench.status("/phase").await, "Waiting");
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
    bench.end().await;
}

/// As a tool does that keeps them as they were in an earlier rollout: in a pause nothing moves forward, whoever moves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn routes_exported_at_the_first_weight_give_a_candidate_nothing_before_teal_does() {
    let bench = installed("exported").await;
    let mut rollout = objects::rollout("2");
    // So that it is paused before its first weight.
    rollout["spec"]["release"]["manifests"][0]["spec"]["template"]["spec"]["schedulingGates"] =
        json!([{"name": "example.com/later"}]);
    bench.apply(&rollout).await;
    let home = [("web".into(), 100), ("web-candidate".into(), 0)];
    bench.until("entered", async || bench.weights().await == home).await;
    rollout["spec"]["mode"] = json!("Paused");
    bench.apply(&rollout).await;
    bench.phase("Paused").await;
    bench.until("pods", async || bench.let_in("green").await == 3).await;
    let green = bench.status("/candidate/revision").await;
    bench.until("turned", async || bench.selected("web-candidate").await == green).await;
    bench.quiet().await;
    let routes = History::begin(bench.api("virtualservices")).await;
    let exported = json!({"spec": {"http": [{"name": "primary", "route": [
        {"destination": {"host": "web", "port": {"number": 80}}, "weight": 90},
        {"destination": {"host": "web-candidate", "port": {"number": 80}}, "weight": 10},
    ]}]}});
    for hand in ["owner", "flux"] {
        bench.merge_as(hand, "virtualservices", "web", exported.clone()).await;
        bench.until("taken back", async || bench.weights().await == home).await;
        bench.quiet().await;
        assert_eq!(bench.weights().await, home);
        assert_eq!(bench.status("/phase").await, "Paused");
    }
    let mut weights: Vec<i64> = routes.all().await.iter().map(Version::candidates_weight).collect();
    weights.dedup();
    assert_eq!(weights, [0, 10, 0, 10, 0]);
    rollout["spec"]["mode"] = json!("Active");
    bench.apply(&rollout).await;
    bench.phase("Waiting").await;
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
    bench.end().await;
}

/// Rule 2: requests still go to a Service that is turned, so none may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_candidates_role_that_another_hand_turned_has_no_weight_while_it_is_turned_back() {
    let bench = at_ten("role").await;
    let green = bench.status("/candidate/revision").await;
    let routes = History::begin(bench.api("virtualservices")).await;
    let services = History::begin(bench.api("services")).await;
    // As one who applies it again from a file. Turned to live it would be the runbook's way of going back.
    let selector = json!({"teal.dev/revision": null, "teal.dev/color": null});
    bench.merge_as("git", "services", "web-candidate", json!({"spec": {"selector": selector}})).await;
    bench.until("turned back", async || bench.selected("web-candidate").await == green).await;
    bench
        .until("raised again", async || {
            bench.weights().await == [("web".into(), 90), ("web-candidate".into(), 10)]
        })
        .await;
    bench.phase("Waiting").await;
    // All versions on a server are of one count.
    let number = |version: &Version| version.revision.parse::<u64>().expect("a number");
    let selected = |version: &Version| {
        let spec = version.spec().cloned().unwrap_or_default();
        spec["selector"]["teal.dev/revision"].as_str().unwrap_or_default().to_owned()
    };
    let services = services.all().await;
    let mut candidate = services.iter().filter(|version| version.name == "web-candidate");
    let turned = candidate.find(|version| selected(version).is_empty()).expect("the other hand's");
    let back = candidate.find(|version| selected(version) == green).expect("Teal's");
    let routes = routes.all().await;
    let before = routes.iter().filter(|version| (number(turned)..number(back)).contains(&number(version)));
    assert_eq!(before.map(Version::candidates_weight).collect::<Vec<_>>(), [0]);
    let last = routes.last().map(Version::candidates_weight);
    assert_eq!(last, Some(10));
    bench.end().await;
}

/// As one keeps it in Git who exported the object during an earlier rollout, without what Teal had noted on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_candidate_in_the_owners_own_words_is_kept_at_rest_and_given_back_after_a_rollout() {
    let bench = installed("own-words").await;
    let spec = json!({"spec": {"http": [{"name": "primary", "route": [
        {"destination": {"host": "web", "port": {"number": 80}}, "weight": 80},
        {"destination": {"host": "web-candidate", "port": {"number": 80}}, "weight": 20},
    ]}]}});
    bench.merge_as("owner", "virtualservices", "web", spec).await;
    let owner = bench.route_spec().await;
    bench.quiet().await;
    assert_eq!(bench.route_spec().await, owner, "nothing is under way");
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
    let green = bench.status("/candidate/revision").await;
    bench.decide("Approve").await;
    bench.until("promoted", async || bench.status("/live/revision").await == green).await;
    bench.quiet().await;
    assert_eq!(bench.route_spec().await, owner);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_newer_revision_takes_the_candidates_place() {
    let bench = at_ten("newer").await;
    let second = bench.status("/candidate/revision").await;
    bench.apply(&objects::rollout("3")).await;
    bench.until("superseded", async || bench.status("/candidate/revision").await.starts_with("r3-")).await;
    bench.phase("Waiting").await;
    assert_ne!(bench.selected("web-candidate").await, second);
    assert_eq!(bench.image("web-green").await, "shop/web:3");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn returning_to_lives_content_cancels() {
    let bench = at_ten("cancel").await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    bench.until("cancelled", async || bench.condition("Promoted").await.1 == "Cancelled").await;
    assert_eq!(bench.weights().await, [("web".into(), 100)]);
    bench.until("cleared", async || bench.exists("deployments", "web-green").await == Some(false)).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_applied_again_with_its_own_selector_is_turned_back() {
    let bench = at_ten("selector").await;
    let blue = bench.status("/live/revision").await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}});
    bench.apply_as("git", "services", &service).await;
    bench
        .merge_as("git", "services", "web", json!({"spec": {"selector": {"teal.dev/revision": null}}}))
        .await;
    bench.until("turned back", async || bench.selected("web").await == blue).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_forged_epoch_locks_nobody_out() {
    let bench = at_ten("epoch").await;
    let rollout = bench.value("rollouts", "web").await;
    let key = format!("epoch.teal.dev/{}", rollout["metadata"]["uid"].as_str().unwrap_or_default());
    let forged = json!({"metadata": {"annotations": {key: "99999999999"}}});
    bench.merge_as("kubectl-annotate", "virtualservices", "web", forged).await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    assert_eq!(bench.weights().await, [("web".into(), 100)]);
    bench.end().await;
}

/// Rule 10: how the live Service is reached may change in the middle of a rollout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_change_of_how_live_is_reached_comes_to_the_candidate() {
    let bench = at_ten("follows").await;
    let export = "networking.istio.io/exportTo";
    let change = json!({"metadata": {"annotations": {export: "*"}}, "spec": {"sessionAffinity": "ClientIP"}});
    let selected = bench.selected("web-candidate").await;
    bench.merge_as("kubectl-annotate", "services", "web", change).await;
    bench
        .until("a candidate that is reached alike", async || {
            let candidate = bench.value("services", "web-candidate").await;
            candidate["metadata"]["annotations"][export] == "*"
                && candidate["spec"]["sessionAffinity"] == "ClientIP"
                && candidate["spec"]["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] == 10_800
        })
        .await;
    assert_eq!(bench.selected("web-candidate").await, selected);
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
    bench.quiet().await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn hands_off_writes_nothing_but_says_so() {
    let bench = installed("off").await;
    bench.quiet().await;
    let routes = History::begin(bench.api("virtualservices")).await;
    let services = History::begin(bench.api("services")).await;
    let before = (routes.all().await.len(), services.all().await.len());
    let mut rollout = objects::rollout("2");
    rollout["spec"]["mode"] = json!("HandsOff");
    bench.apply(&rollout).await;
    bench.phase("HandsOff").await;
    let message = bench.status("/message").await;
    assert!(message.contains("spec.mode is HandsOff: nothing is written"), "{message}");
    bench.quiet().await;
    assert_eq!((routes.all().await.len(), services.all().await.len()), before, "nothing is written");
    assert_eq!(bench.exists("deployments", "web-green").await, Some(false));
    rollout["spec"]["mode"] = json!("Active");
    bench.apply(&rollout).await;
    bench.phase("Waiting").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_restart_in_the_middle_goes_on() {
    let mut bench = at_ten("restart").await;
    let green = bench.status("/candidate/revision").await;
    bench.pause_teal().await;
    bench.decide("Approve").await;
    bench.resume_teal();
    bench.until("promoted", async || bench.status("/live/revision").await == green).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_change_of_traffic_waits_for_the_end() {
    let bench = at_ten("traffic").await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["traffic"] =
        json!({"services": [{"name": "web"}], "virtualServices": [{"name": "other"}]});
    bench.apply(&rollout).await;
    bench.until("said", async || bench.status("/message").await.contains("spec.traffic was changed")).await;
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
    bench.decide("Approve").await;
    bench.until("promoted", async || bench.status("/live/revision").await.starts_with("r2-")).await;
    assert_eq!(bench.weights().await, [("web".into(), 100)]);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_namespace_that_goes_is_not_held_up() {
    let bench = at_ten("gone").await;
    bench.delete_namespace().await;
    bench.gone().await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn without_a_mesh_weight_100_is_the_switch() {
    let bench = Bench::start("plain").await;
    let plain = |version: &str| {
        let mut rollout = objects::rollout(version);
        rollout["spec"]["traffic"] = json!({"services": [{"name": "web"}]});
        rollout["spec"]["steps"] = json!([{"name": "test", "weight": 0, "approval": {"count": 1}},
            {"name": "switch", "weight": 100}]);
        rollout
    };
    bench.apply(&plain("1")).await;
    bench.phase("Complete").await;
    let blue = bench.status("/live/revision").await;
    bench.apply(&plain("2")).await;
    bench.phase("Waiting").await;
    let green = bench.status("/candidate/revision").await;
    assert_eq!((bench.selected("web").await, bench.selected("web-candidate").await), (blue, green.clone()));
    bench.decide("Approve").await;
    bench.until("promoted", async || bench.status("/live/revision").await == green).await;
    assert_eq!(bench.selected("web").await, green);
    bench.end().await;
}

//! Going back to a revision that is kept.
#![allow(clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

use serde_json::{Value, json};
use support::run::{run, run_with};
use support::server::Server;
use support::{complete, object, waiting};
use teal_cli::exit::Exit;

const FIFTH: &str = "r5-77aa01ff";
/// Of the Rollout.
const UID: &str = "u-1";

fn release(version: &str) -> Value {
    json!({"manifests": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"v": version}}]})
}

/// What is kept of a revision, as the operator keeps it.
fn kept(revision: &str, release: &Value) -> Value {
    let digest = revision.split('-').next_back().expect("a hash");
    json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 5,
        "metadata": {"name": format!("web-{revision}"), "namespace": "shop",
            "labels": {"teal.dev/rollout": "web", "teal.dev/rollout-uid": UID, "teal.dev/revision": revision}},
        "data": {"format": 1, "hash": format!("v1:{digest}{}", "0".repeat(56)), "services": ["web"], "release": release},
    })
}

fn server(rollout: Value) -> Server {
    let server = Server::with(rollout).keeps(kept(FIFTH, &release("5")));
    server.keeps(kept("r6-5b1d9e02", &release("6")))
}

#[tokio::test]
async fn the_release_of_a_kept_revision_is_written_over_the_version_that_was_looked_at() {
    for to in [FIFTH, "r5"] {
        let server = server(object(&complete()));
        let ran = run(&server, &format!("undo web --to {to}")).await;
        assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
        let patches = server.patches();
        assert_eq!(patches.len(), 1, "{patches:?}");
        assert_eq!(
            patches[0].1,
            json!([
                {"op": "replace", "path": "/metadata/resourceVersion", "value": "70"},
                {"op": "replace", "path": "/spec/release", "value": release("5")},
            ])
        );
        assert!(patches[0].0.contains("fieldManager=teal%2Fperson"), "{}", patches[0].0);
        assert!(ran.out.contains(&format!("shop/web asks for the content of {FIFTH} again")), "{}", ran.out);
        assert!(ran.out.contains("kubectl teal status web -n shop --wait"), "{}", ran.out);
        assert!(server.decisions().is_empty());
    }
}

/// What is kept has them in its values, and the ConfigMap may hold others by now.
#[tokio::test]
async fn values_that_came_from_elsewhere_are_said_to_be_written_out() {
    let chart = |more: Value| {
        let mut chart = json!({"url": "https://e.com/web.tgz", "version": "1.8.2", "values": {"tag": "1"}});
        chart.as_object_mut().expect("a chart").extend(more.as_object().expect("more").clone());
        json!({"chart": chart})
    };
    for (from, says) in [(json!([{"configMap": {"name": "web"}}]), true), (json!([]), false)] {
        let mut rollout = object(&complete());
        rollout["spec"]["release"] = chart(json!({"valuesFrom": from}));
        let written = chart(json!({"values": {"tag": "1", "shard": "a"}}));
        let server =
            Server::with(rollout).keeps(kept(FIFTH, &written)).keeps(kept("r6-5b1d9e02", &release("6")));
        let ran = run(&server, "undo web --to r5").await;
        assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
        assert_eq!(server.patches()[0].1[1]["value"], written);
        assert_eq!(ran.err.contains("valuesFrom goes: the values that it had then"), says, "{}", ran.err);
    }
}

#[tokio::test]
async fn a_dry_run_prints_what_would_be_written_and_has_the_server_check_it() {
    let server = server(object(&complete()));
    let ran = run(&server, "undo web --to r5 --dry-run").await;
    assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
    let printed: Value = serde_json::from_str(&ran.out).expect("a merge patch");
    assert_eq!(printed, json!({"spec": {"release": release("5")}}));
    assert!(server.patches()[0].0.contains("dryRun=All"), "{:?}", server.patches());
    let refused = server.refuses(422, "Invalid", "spec.release: no");
    let ran = run(&refused, "undo web --to r5 --dry-run").await;
    assert!(ran.error().contains("spec.release: no") && ran.out.is_empty(), "{}", ran.error());
}

#[tokio::test]
async fn content_that_is_not_kept_is_answered_with_what_is() {
    for to in ["r4-00000000", "r4", "web-r5-77aa01ff"] {
        let server = server(object(&complete()));
        let ran = run(&server, &format!("undo web --to {to}")).await;
        assert_eq!(ran.exit(), Exit::Failed);
        let error = ran.error();
        assert!(
            error.contains(&format!("the content of {to} is not kept: kept are r6-5b1d9e02, {FIFTH}")),
            "{error}"
        );
        assert!(error.contains("kubectl get controllerrevisions -l teal.dev/rollout=web"), "{error}");
        assert!(server.patches().is_empty());
    }
    let ran = run(&Server::with(object(&complete())), "undo web --to r4").await;
    assert!(ran.error().contains("nothing is kept of any revision"), "{}", ran.error());
}

#[tokio::test]
async fn content_that_is_not_what_its_name_says_is_not_written() {
    let spoiled = |change: fn(&mut Value)| {
        let mut kept = kept(FIFTH, &release("5"));
        change(&mut kept["data"]);
        Server::with(object(&complete())).keeps(kept)
    };
    for (server, says) in [
        (spoiled(|data| data["format"] = json!(2)), "has format 2, and this program reads format 1"),
        (spoiled(|data| *data = Value::Null), "has no format"),
        (spoiled(|data| data["hash"] = json!("v1:00000000")), "which is not that of r5-77aa01ff"),
        (spoiled(|data| data["release"] = json!([])), "has no release in it"),
    ] {
        let ran = run(&server, "undo web --to r5").await;
        assert_eq!(ran.exit(), Exit::Failed);
        assert!(
            ran.error().contains("ControllerRevision web-r5-77aa01ff") && ran.error().contains(says),
            "{}",
            ran.error()
        );
        assert!(server.patches().is_empty());
    }
}

#[tokio::test]
async fn what_the_spec_asks_for_already_is_not_written_again() {
    let mut web = object(&complete());
    web["spec"]["release"] = release("5");
    let server = server(web);
    let ran = run(&server, "undo web --to r5").await;
    assert_eq!(ran.exit(), Exit::NotTaken);
    assert!(ran.error().contains("kubectl teal retry web -n shop"), "{}", ran.error());
    assert!(server.patches().is_empty());
}

#[tokio::test]
async fn a_person_is_asked_and_may_say_no() {
    for (answer, exit, written) in [("y\n", Exit::Done, 1), ("n\n", Exit::NotTaken, 0)] {
        let server = server(object(&waiting()));
        let ran = run_with(&server, "undo web --to r5", Some(answer)).await;
        assert_eq!((ran.exit(), server.patches().len()), (exit, written), "{:?}", ran.ended);
        assert!(
            ran.err.contains("gives way to it") && ran.err.contains("Start this rollout? [y/N]"),
            "{}",
            ran.err
        );
    }
}

#[tokio::test]
async fn what_a_gitops_tool_would_write_back_is_written_only_where_somebody_says_that_it_is_meant() {
    let mut web = object(&complete());
    web["metadata"]["labels"] = json!({"kustomize.toolkit.fluxcd.io/name": "shop"});
    let server = server(web);
    let ran = run(&server, "undo web --to r5").await;
    assert_eq!(ran.exit(), Exit::NotTaken);
    assert!(ran.error().contains("Flux (Kustomization shop) would write it back"), "{}", ran.error());
    assert!(ran.err.contains("flux suspend kustomization shop"), "{}", ran.err);
    assert!(server.patches().is_empty());
    for line in ["undo web --to r5 --yes", "undo web --to r5 --dry-run"] {
        let ran = run(&server, line).await;
        assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
        assert!(ran.err.contains("flux suspend kustomization shop"), "{}", ran.err);
    }
    let ran = run_with(&server, "undo web --to r5", Some("y\n")).await;
    assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_said() {
    let mut web = object(&complete());
    web["spec"]["mode"] = json!("HandsOff");
    web["spec"]["traffic"]["services"] = json!([{"name": "web"}, {"name": "api"}]);
    let ran = run(&server(web), "undo web --to r5 --yes").await;
    assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
    assert!(ran.err.contains("spec.mode keeps it from starting"), "{}", ran.err);
    assert!(ran.err.contains("It had other traffic Services, web: unless it has api, too"), "{}", ran.err);
}

#[tokio::test]
async fn somebody_elses_later_change_is_not_taken_back() {
    let outdated =
        "the object has been modified; please apply your changes to the latest version and try again";
    let ran = run(&server(object(&complete())).refuses(409, "Conflict", outdated), "undo web --to r5").await;
    assert_eq!(ran.exit(), Exit::NotTaken);
    assert!(ran.error().contains("was changed meanwhile, and nothing was written"), "{}", ran.error());
    let denied = server(object(&complete())).refuses(403, "Forbidden", "rollouts.teal.dev is forbidden");
    let ran = run(&denied, "undo web --to r5").await;
    assert!(ran.error().contains("controllerrevisions.apps and patch rollouts.teal.dev"), "{}", ran.error());
}

/// Live has what reaches it in place at once, and today's traffic needs today's sizes.
#[tokio::test]
async fn sizes_and_autoscalers_stay_as_the_spec_has_them_now() {
    let workload = |image: &str, replicas: u32| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}}}})
    };
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {"minReplicas": 20, "maxReplicas": 40, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
    let now = json!({"manifests": [workload("web:7", 30), scaler]});
    let mut web = object(&complete());
    web["spec"]["release"] = now.clone();
    let before = json!({"manifests": [workload("web:5", 3)]});
    let ran = |web: Value| async {
        let server = Server::with(web).keeps(kept(FIFTH, &before));
        let ran = run(&server, "undo web --to r5").await;
        (server.patches(), ran)
    };
    let (patches, _) = ran(web.clone()).await;
    assert_eq!(patches[0].1[1]["value"], json!({"manifests": [workload("web:5", 30), scaler]}));
    // What differs in its sizes alone is asked for already.
    web["spec"]["release"] = json!({"manifests": [workload("web:5", 30), scaler]});
    let (patches, ran) = ran(web).await;
    assert!(patches.is_empty());
    assert_eq!(ran.exit(), Exit::NotTaken);
}

/// The spec is a chart that was sent back, and live is still what it was.
#[tokio::test]
async fn where_the_spec_is_a_chart_the_sizes_are_those_that_live_was_kept_with() {
    let workload = |image: &str, replicas: u32| {
        json!({"manifests": [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}}}}]})
    };
    let mut web = object(&complete());
    web["spec"]["release"] = json!({"chart": {"oci": "oci://registry.example.com/web", "version": "2.0.0"}});
    let live = web["status"]["live"]["revision"].as_str().expect("a live revision").to_owned();
    let server = Server::with(web)
        .keeps(kept(FIFTH, &workload("web:5", 3)))
        .keeps(kept(&live, &workload("web:6", 30)));
    run(&server, "undo web --to r5").await;
    assert_eq!(server.patches()[0].1[1]["value"], workload("web:5", 30));
}

#[tokio::test]
async fn that_a_revision_was_kept_for_a_former_rollout_is_said() {
    let mut former = kept(FIFTH, &release("5"));
    former["metadata"]["labels"]["teal.dev/rollout-uid"] = json!("former");
    let ran = run(&Server::with(object(&complete())).keeps(former), "undo web --to r5").await;
    assert!(ran.err.contains("r5-77aa01ff was kept for a former Rollout of this name"), "{}", ran.err);
    let ran = run(&server(object(&complete())), "undo web --to r5").await;
    assert!(!ran.err.contains("former"), "{}", ran.err);
}

#[tokio::test]
async fn that_a_revision_was_sent_back_before_is_said() {
    let mut web = object(&complete());
    web["status"]["rejected"] = json!([FIFTH]);
    let ran = run(&server(web), "undo web --to r5").await;
    assert!(ran.err.contains("r5-77aa01ff was sent back before"), "{}", ran.err);
}

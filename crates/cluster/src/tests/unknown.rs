//! Of a release whose content is lost, what works by itself rests and wakes as it stands.

use serde_json::{Value, json};
use teal_api::names::label;
use teal_plan::{Color, Effect, Slot};

use super::served;
use super::server::Server;
use crate::error::Error;
use crate::execute::{Order, execute};
use crate::kinds::{self, Known};
use crate::observe::tests::cluster::Hand;

const WORKER: &str = "/apis/apps/v1/namespaces/shop/deployments/worker-blue";
const SCALER: &str = "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/worker-blue";
const TICK: &str = "/apis/batch/v1/namespaces/shop/cronjobs/tick-blue";
const OWN: &str = "/apis/batch/v1/namespaces/shop/cronjobs/own-blue";

fn object(slot: Slot, kind: Known, name: &str, notes: &Value, spec: &Value) -> Value {
    let labels = json!({label::ROLLOUT: "web", label::ROLLOUT_UID: "former", label::COLOR: slot.color.as_str(),
        label::REVISION: slot.revision.to_string()});
    json!({"apiVersion": kind.api_version(), "kind": kind.kind,
        "metadata": {"name": name, "namespace": "shop", "labels": labels, "annotations": notes}, "spec": spec})
}

/// Applies blue, of which nothing is kept, while these are there of it.
async fn apply(mut hand: Hand, there: &[(&str, Known, Value)]) -> (Server, Result<bool, Error>) {
    hand.lose_content(Color::Blue);
    let (rollout, seen, slot) = (hand.rollout(), hand.look(0), hand.slot(Color::Blue));
    assert!(seen.blue.is_none(), "nobody knows what it is");
    let (server, reconciler) = served(hand);
    reconciler.tools.stores.set_served(scaler(), Some("v1alpha1".into()));
    for (path, kind, object) in there {
        server.put(path, object.clone());
        reconciler.tools.stores.offer(*kind, &server.object(path).unwrap());
    }
    let order = Order::of(&rollout, &seen);
    let active = rollout.status.is_some() && order.record.live.is_some_and(|live| live.slot == slot);
    let done = execute(&reconciler.tools, &order, &[Effect::ApplyRelease { slot, active }]).await.remove(0);
    (server, done.result)
}

fn scaler() -> Known {
    kinds::find("keda.sh", "ScaledObject").expect("a kind")
}

fn installed() -> Hand {
    let mut hand = Hand::new();
    hand.install();
    hand
}

#[tokio::test]
async fn what_works_by_itself_rests_in_a_color_that_is_kept() {
    let mut hand = installed();
    hand.promote_second();
    let slot = hand.slot(Color::Blue);
    let fate = |fate: &str| json!({"teal.dev/fate": fate});
    let of = |kind, name, notes: Value, spec: Value| object(slot, kind, name, &notes, &spec);
    let there = [
        (
            WORKER,
            kinds::DEPLOYMENT,
            of(kinds::DEPLOYMENT, "worker-blue", fate("LiveOnly"), json!({"replicas": 2})),
        ),
        (
            SCALER,
            scaler(),
            of(scaler(), "worker-blue", json!({}), json!({"scaleTargetRef": {"name": "worker-blue"}})),
        ),
        (TICK, kinds::CRON_JOB, of(kinds::CRON_JOB, "tick-blue", json!({}), json!({"suspend": false}))),
        (OWN, kinds::CRON_JOB, of(kinds::CRON_JOB, "own-blue", fate("Own"), json!({"suspend": false}))),
    ];
    let (server, result) = apply(hand, &there).await;
    assert!(result.expect("it is written"));
    let spec = |path: &str, field: &str| server.object(path).unwrap()["spec"][field].clone();
    let note = |path: &str, name: &str| server.object(path).unwrap()["metadata"]["annotations"][name].clone();
    assert_eq!((spec(WORKER, "replicas"), note(WORKER, "teal.dev/owner-replicas")), (json!(0), json!("2")));
    assert_eq!((spec(TICK, "suspend"), note(TICK, "teal.dev/owner-suspend")), (json!(true), json!("false")));
    assert_eq!(note(SCALER, "autoscaling.keda.sh/paused-replicas"), "0", "it would wake the worker");
    assert_eq!(spec(OWN, "suspend"), false, "it works in both colors");
}

#[tokio::test]
async fn what_rested_wakes_in_live() {
    let mut hand = installed();
    hand.spec("/release/manifests/0/spec/template/spec/containers/0/image", json!("web:2"));
    let slot = hand.slot(Color::Blue);
    let of = |kind, name, notes: Value, spec: Value| object(slot, kind, name, &notes, &spec);
    let worker = json!({"teal.dev/fate": "LiveOnly", "teal.dev/owner-replicas": "2"});
    let paused = json!({"autoscaling.keda.sh/paused-replicas": "0"});
    let there = [
        (WORKER, kinds::DEPLOYMENT, of(kinds::DEPLOYMENT, "worker-blue", worker, json!({"replicas": 0}))),
        (
            SCALER,
            scaler(),
            of(scaler(), "worker-blue", paused, json!({"scaleTargetRef": {"name": "worker-blue"}})),
        ),
        (
            TICK,
            kinds::CRON_JOB,
            of(
                kinds::CRON_JOB,
                "tick-blue",
                json!({"teal.dev/owner-suspend": "false"}),
                json!({"suspend": true}),
            ),
        ),
    ];
    let (server, result) = apply(hand, &there).await;
    assert!(result.expect("it is written"));
    let spec = |path: &str, field: &str| server.object(path).unwrap()["spec"][field].clone();
    assert_eq!((spec(WORKER, "replicas"), spec(TICK, "suspend")), (json!(2), json!(false)));
    let notes = |path: &str| server.object(path).unwrap()["metadata"]["annotations"].to_string();
    for path in [WORKER, SCALER, TICK] {
        assert!(!notes(path).contains("owner-") && !notes(path).contains("paused"), "{}", notes(path));
    }
}

/// What is gone can't be made anew.
#[tokio::test]
async fn where_nothing_of_it_is_there_it_is_said_that_nobody_knows_it() {
    let mut hand = installed();
    hand.spec("/release/manifests/0/spec/template/spec/containers/0/image", json!("web:2"));
    hand.lose("web-blue");
    let (_, result) = apply(hand, &[]).await;
    assert!(matches!(result, Err(Error::ContentLost { .. })), "{result:?}");
}

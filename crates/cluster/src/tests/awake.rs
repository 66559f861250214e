//! What works for live alone has as many pods in one color as it had in the other.

use serde_json::{Value, json};
use teal_api::names::annotation;
use teal_plan::{Color, Effect, Slot};

use super::served;
use crate::execute::{Order, execute};
use crate::kinds;
use crate::observe::tests::cluster::Hand;
use crate::stores::ObjectView;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";

/// A hand with a worker of this size in its manifest.
fn hand(replicas: &Value) -> Hand {
    let mut hand = Hand::new();
    hand.manifest(json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "worker", "annotations": {"teal.dev/fate": "LiveOnly"}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "worker"}}, "template": {
            "metadata": {"labels": {"app": "worker"}}, "spec": {"containers": [{"name": "worker"}]}}}}));
    hand.install();
    hand
}

fn alter(hand: &mut Hand, worker: &str, change: impl FnOnce(&mut ObjectView)) {
    hand.alter_any(kinds::DEPLOYMENT, worker, change);
}

fn resize(hand: &mut Hand, worker: &str, replicas: u32) {
    alter(hand, worker, |view| view.state.as_mut().expect("a state").replicas = replicas);
}

/// Applies a slot: the worker's size and note as they are written.
async fn apply(mut hand: Hand, slot: Slot, active: bool) -> (Value, Value) {
    let (rollout, seen) = (hand.rollout(), hand.look(0));
    let (server, reconciler) = served(hand);
    let path = format!("{DEPLOYMENTS}/worker-{}", slot.color);
    let there =
        reconciler.tools.stores.object("apps", "Deployment", "shop", &format!("worker-{}", slot.color));
    let metadata =
        json!({"name": format!("worker-{}", slot.color), "namespace": "shop", "uid": there.unwrap().uid});
    server.put(&path, json!({"metadata": metadata}));
    let order = Order::of(&rollout, &seen);
    let done = Box::pin(execute(&reconciler.tools, &order, &[Effect::ApplyRelease { slot, active }])).await;
    assert!(matches!(done[0].result, Ok(true)), "{:?}", done[0].result);
    let worker = server.object(&path).expect("a worker");
    (
        worker["spec"]["replicas"].clone(),
        worker["metadata"]["annotations"][annotation::AWAKE_REPLICAS].clone(),
    )
}

#[tokio::test]
async fn what_is_laid_to_rest_has_a_note_of_its_size_as_long_as_it_rests() {
    let rest = async |change: &dyn Fn(&mut Hand)| {
        let mut hand = hand(&json!(2));
        hand.start_candidate(10);
        hand.rest_second();
        change(&mut hand);
        hand.lead_back();
        alter(&mut hand, "worker-green", |view| view.content = Some("former.2".into()));
        let slot = hand.slot(Color::Green);
        Box::pin(apply(hand, slot, false)).await
    };
    assert_eq!(rest(&|hand| resize(hand, "worker-green", 20)).await, (json!(0), json!("20")));
    assert_eq!(
        rest(&|hand| resize(hand, "worker-green", 0)).await,
        (json!(0), Value::Null),
        "it never worked"
    );
    let noted = |hand: &mut Hand| alter(hand, "worker-green", |view| view.awake = Some(20));
    assert_eq!(rest(&noted).await, (json!(0), json!("20")), "written again");
    let by_hand = |hand: &mut Hand| {
        noted(hand);
        resize(hand, "worker-green", 1);
    };
    assert_eq!(rest(&by_hand).await, (json!(0), json!("20")), "set to work by another hand");
}

#[tokio::test]
async fn what_wakes_has_the_size_that_the_other_had_unless_its_owner_writes_another_one() {
    let wake = async |written: Value, change: &dyn Fn(&mut Hand)| {
        let mut hand = hand(&written);
        resize(&mut hand, "worker-blue", 0);
        alter(&mut hand, "worker-blue", |view| view.awake = Some(20));
        change(&mut hand);
        hand.promote_second();
        hand.rest_second();
        let slot = hand.slot(Color::Green);
        let size = Box::pin(apply(hand, slot, true)).await;
        assert_eq!(size.1, Value::Null, "who works has no note");
        size.0
    };
    let blue = |change: fn(&mut ObjectView)| move |hand: &mut Hand| alter(hand, "worker-blue", change);
    assert_eq!(wake(json!(2), &|_| {}).await, 20);
    assert_eq!(wake(Value::Null, &|_| {}).await, 20, "an autoscaler's");
    let another = |hand: &mut Hand| hand.spec("/release/manifests/2/spec/replicas", json!(5));
    assert_eq!(wake(json!(2), &another).await, 5);
    assert_eq!(wake(json!(2), &blue(|view| view.awake = None)).await, 2);
    assert_eq!(
        wake(json!(2), &blue(|view| view.rollout_uid = "former".into())).await,
        2,
        "another Rollout's"
    );
}

/// The way forward ended after the one was laid to rest and before the other woke.
#[tokio::test]
async fn what_wakes_again_in_the_same_color_has_the_size_that_it_had() {
    let mut hand = hand(&json!(2));
    resize(&mut hand, "worker-blue", 0);
    alter(&mut hand, "worker-blue", |view| {
        (view.awake, view.content) = (Some(20), Some("at-rest.2".into()));
    });
    let slot = hand.slot(Color::Blue);
    assert_eq!(apply(hand, slot, true).await, (json!(20), Value::Null));
}

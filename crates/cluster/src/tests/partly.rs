//! What is written of a release of which not all is there, or may be written.

use serde_json::{Value, json};
use teal_plan::{Color, Effect, Slot, Time};

use super::served;
use super::server::Server;
use crate::error::Error;
use crate::execute::{Order, execute};
use crate::kinds;
use crate::observe::tests::cluster::Hand;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";

fn worker(fate: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "worker", "annotations": {"teal.dev/fate": fate}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "worker"}}, "template": {
            "metadata": {"labels": {"app": "worker"}}, "spec": {"containers": [{"name": "worker"}]}}}})
}

/// Applies a slot in which this worker is there, also by the server: what was asked, what came of it, and the server.
async fn apply(mut hand: Hand, slot: Slot, active: bool) -> (Vec<String>, Result<bool, Error>, Server) {
    let (rollout, seen) = (hand.rollout(), hand.look(0));
    let (server, reconciler) = served(hand);
    let name = format!("worker-{}", slot.color);
    let there = reconciler.tools.stores.object("apps", "Deployment", "shop", &name).expect("a worker");
    let metadata = json!({"name": name, "namespace": "shop", "uid": there.uid});
    server.put(&format!("{DEPLOYMENTS}/{name}"), json!({"metadata": metadata, "spec": {"replicas": 2}}));
    let order = Order::of(&rollout, &seen);
    let done = execute(&reconciler.tools, &order, &[Effect::ApplyRelease { slot, active }]).await.remove(0);
    (server.requests(), done.result, server)
}

/// A version that nobody wants must not begin to run because it was sent back.
#[tokio::test]
async fn what_was_sent_back_is_brought_to_rest_and_nothing_of_it_is_made() {
    for back in [Hand::lead_back, Hand::keep_failed] {
        let mut hand = Hand::new();
        hand.manifest(worker("LiveOnly"));
        for name in ["settings", "more"] {
            hand.manifest(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}));
        }
        hand.install();
        hand.at_step(10, Time(0));
        hand.lose("web-green");
        let settings = kinds::find("", "ConfigMap").expect("a kind");
        hand.alter_any(settings, "settings-green", |view| view.rollout = "other".into());
        back(&mut hand);
        let slot = hand.slot(Color::Green);
        let (asked, result, server) = apply(hand, slot, false).await;
        let worker = format!("{DEPLOYMENTS}/worker-green");
        assert_eq!(asked, [format!("PATCH {worker}")]);
        assert!(result.expect("a name that another has is none of its own"));
        assert_eq!(server.object(&worker).expect("a worker")["spec"]["replicas"], 0);
    }
}

#[tokio::test]
async fn a_workload_of_lives_whose_name_another_rollout_has_holds_up_no_other() {
    let mut hand = Hand::new();
    hand.manifest(worker("Own"));
    hand.install();
    hand.give_away("web-blue", "other");
    hand.alter_any(kinds::DEPLOYMENT, "worker-blue", |view| view.content = Some("another".into()));
    let slot = hand.slot(Color::Blue);
    let (asked, result, _) = apply(hand, slot, true).await;
    assert_eq!(asked, [format!("PATCH {DEPLOYMENTS}/worker-blue")]);
    assert!(matches!(result, Err(Error::NameTaken { .. })), "and is told: {result:?}");
}

/// Live's form of it may be another one, which the color that rests would undo each time that it is brought to rest.
#[tokio::test]
async fn what_both_colors_share_is_not_written_by_the_one_that_rests() {
    let mut hand = Hand::new();
    hand.manifest(worker("LiveOnly"));
    hand.manifest(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "clerk"}}));
    hand.install();
    hand.at_step(10, Time(0));
    let account = kinds::find("", "ServiceAccount").expect("a kind");
    hand.alter_any(account, "clerk", |view| view.content = Some("another".into()));
    hand.keep_failed();
    let slot = hand.slot(Color::Green);
    let (asked, result, _) = apply(hand, slot, false).await;
    assert_eq!(asked, [format!("PATCH {DEPLOYMENTS}/worker-green")]);
    assert!(result.is_ok(), "{result:?}");
}

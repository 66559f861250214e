//! What is written of a release of which not all is there, or may be written.

use serde_json::{Value, json};
use teal_plan::{Color, Effect, Slot, Time};

use super::server::Server;
use super::{recall, served};
use crate::error::Error;
use crate::execute::{Order, execute};
use crate::kinds;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::Reconciler;
use crate::stores::ObjectId;

const BUDGET: &str = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets/web-blue";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";
const GUARD: &str = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/guard";

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
    let metadata = |name: &str, uid: &str| json!({"name": name, "namespace": "shop", "uid": uid});
    let worker = json!({"metadata": metadata(&name, &there.uid), "spec": {"replicas": 2}});
    server.put(&format!("{DEPLOYMENTS}/{name}"), worker);
    if let Some(there) = reconciler.tools.stores.object("networking.k8s.io", "NetworkPolicy", "shop", "guard")
    {
        server.put(GUARD, json!({"metadata": metadata("guard", &there.uid)}));
    }
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

fn shared(kind: (&str, &str), name: &str, spec: &Value) -> Value {
    json!({"apiVersion": kind.0, "kind": kind.1, "metadata": {"name": name}, "spec": spec})
}

/// Live is to be mended while the spec asks for something else, whose form both shared objects have.
fn live_to_mend(back: impl FnOnce(&mut Hand)) -> Hand {
    let mut hand = Hand::new();
    hand.manifest(worker("Own"));
    hand.manifest(shared(("v1", "ServiceAccount"), "clerk", &json!({})));
    hand.manifest(shared(("networking.k8s.io/v1", "NetworkPolicy"), "guard", &json!({"podSelector": {}})));
    hand.install();
    hand.keep(Color::Blue, &["web"]);
    hand.at_step(10, Time(0));
    hand.alter_any(kinds::DEPLOYMENT, "worker-blue", |view| view.content = Some("another".into()));
    for (kind, name) in [(("", "ServiceAccount"), "clerk"), (("networking.k8s.io", "NetworkPolicy"), "guard")]
    {
        let kind = kinds::find(kind.0, kind.1).expect("a kind");
        hand.alter_any(kind, name, |view| view.content = Some("of what is tried".into()));
    }
    back(&mut hand);
    hand
}

#[tokio::test]
async fn whoever_mends_live_undoes_nothing_that_a_candidate_shares_with_it() {
    let worker = format!("PATCH {DEPLOYMENTS}/worker-blue");
    let policy = format!("PATCH {GUARD}");
    let tried: fn(&mut Hand) = |_| {};
    for (back, expected) in [
        (tried, vec![worker.clone()]),
        (Hand::lead_back, vec![worker.clone()]),
        (Hand::keep_failed, vec![policy, worker]),
    ] {
        let hand = live_to_mend(back);
        let slot = hand.slot(Color::Blue);
        let (asked, result, _) = apply(hand, slot, true).await;
        assert_eq!(asked, expected);
        assert!(result.is_ok(), "{result:?}");
    }
}

/// Whether the budget that live lacks is told as one that another hand took.
async fn is_told(server: &Server, reconciler: &Reconciler) -> bool {
    for _ in 0..10 {
        reconciler.reconcile(&ObjectId::new("shop", "web")).await;
        if server.object(BUDGET).is_some() {
            break;
        }
    }
    assert!(server.object(BUDGET).is_some(), "{:?}", server.requests());
    let told = recall(reconciler, |memory| memory.noted.get("Repaired").cloned());
    told.is_some_and(|(told, _)| told.message.contains("PodDisruptionBudget web-blue"))
}

#[tokio::test]
async fn what_reaches_live_in_place_is_told_as_repaired_only_where_it_was_there() {
    let mut hand = Hand::new();
    hand.install();
    hand.manifest(
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}),
    );
    let (server, reconciler) = served(hand);
    assert!(!is_told(&server, &reconciler).await, "the spec brought it");
    let whole = async || {
        reconciler.reconcile(&ObjectId::new("shop", "web")).await;
        recall(&reconciler, |memory| memory.whole.is_some())
    };
    assert!(whole().await);
    let stores = &reconciler.tools.stores;
    let kind = kinds::find("policy", "PodDisruptionBudget").expect("a kind");
    let there = stores.object("policy", "PodDisruptionBudget", "shop", "web-blue").expect("a budget");
    server.remove(BUDGET);
    stores.forget(kind, &there.id, &there.uid);
    assert!(is_told(&server, &reconciler).await, "another hand took it");
}

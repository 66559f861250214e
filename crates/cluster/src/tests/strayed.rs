//! What stands under a wanted name and has lost the Rollout's label, so that no watch shows it, or has another's.

use std::sync::Arc;

use serde_json::{Value, json};
use teal_api::Rollout;
use teal_api::names::{annotation, label};
use teal_plan::{Color, Effect, Slot};

use super::served;
use super::server::Server;
use crate::error::{Class, Error};
use crate::execute::{Order, execute};
use crate::kinds;
use crate::observe::Seen;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::Reconciler;
use crate::stores::ObjectView;

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web-blue";

struct World {
    server: Server,
    reconciler: Reconciler,
    rollout: Rollout,
    seen: Seen,
    slot: Slot,
    /// As it was seen last.
    view: Arc<ObjectView>,
}

impl World {
    /// Live, with seven replicas by another hand, of whose Deployment the label was taken, and this changed beside it.
    fn without_label(change: impl FnOnce(&mut Value, &str)) -> Self {
        let mut hand = Hand::new();
        hand.install();
        let (rollout, seen, slot) = (hand.rollout(), hand.look(0), hand.slot(Color::Blue));
        let (server, reconciler) = served(hand);
        let uid = seen.names.uid.clone();
        let view = reconciler.tools.stores.object("apps", "Deployment", "shop", "web-blue").expect("live");
        let mut there = json!({"metadata": {"name": "web-blue", "namespace": "shop", "uid": view.uid,
                "labels": {label::ROLLOUT_UID: uid, label::COLOR: "blue", label::REVISION: slot.revision},
                "annotations": {annotation::epoch(&uid): "1", "teal.dev/content": view.content},
                "managedFields": [{"manager": "teal/release", "operation": "Apply", "fieldsV1": {"f:spec": {}}},
                    {"manager": "kubectl-label", "operation": "Update", "fieldsV1": {}}]},
            "spec": {"replicas": 7}});
        change(&mut there, &uid);
        server.put(DEPLOYMENT, there);
        let mut caches = reconciler.tools.stores.objects.iter();
        let (_, cache) = caches.find(|(kind, _)| *kind == kinds::DEPLOYMENT).expect("a cache");
        cache.forget(&view.id);
        Self { server, reconciler, rollout, seen, slot, view }
    }

    async fn apply(&self) -> Result<bool, Error> {
        let order = Order::of(&self.rollout, &self.seen);
        let effect = Effect::ApplyRelease { slot: self.slot, active: true };
        execute(&self.reconciler.tools, &order, &[effect]).await.remove(0).result
    }
}

fn gone(there: &mut Value, kind: &str, name: &str) {
    there["metadata"][kind].as_object_mut().and_then(|all| all.remove(name));
}

#[tokio::test]
async fn live_that_lost_its_label_is_given_it_again_and_keeps_its_size() {
    let by_epoch = |there: &mut Value, _: &str| gone(there, "labels", label::ROLLOUT_UID);
    let changes: [fn(&mut Value, &str); 2] = [|_, _| {}, by_epoch];
    for change in changes {
        let world = World::without_label(change);
        assert!(world.apply().await.expect("it is repaired"));
        let there = world.server.object(DEPLOYMENT).expect("a Deployment");
        let labels = &there["metadata"]["labels"];
        assert_eq!((&labels[label::ROLLOUT], &there["spec"]["replicas"]), (&json!("web"), &json!(7)));
        assert_eq!(labels[label::ROLLOUT_UID], world.seen.names.uid);
        let asked: Vec<String> = ["GET", "PATCH"].map(|verb| format!("{verb} {DEPLOYMENT}")).into();
        assert_eq!(world.server.requests(), asked);
        assert!(!world.apply().await.expect("it is seen again"));
    }
}

/// Whoever is told to remove it, removes what serves.
#[tokio::test]
async fn what_is_not_known_to_be_teals_is_left_alone_and_nobody_is_told_to_remove_it() {
    let unmarked = |there: &mut Value, uid: &str| {
        gone(there, "labels", label::ROLLOUT_UID);
        gone(there, "annotations", &annotation::epoch(uid));
    };
    let of_another =
        |there: &mut Value, _: &str| there["metadata"]["labels"][label::ROLLOUT_UID] = json!("9");
    let copied = |there: &mut Value, _: &str| {
        there["metadata"]["managedFields"] =
            json!([{"manager": "kubectl-client-side-apply", "operation": "Update"}]);
    };
    let of_the_other_color =
        |there: &mut Value, _: &str| there["metadata"]["labels"][label::COLOR] = json!("green");
    let changes: [fn(&mut Value, &str); 4] = [unmarked, of_another, copied, of_the_other_color];
    for (index, change) in changes.into_iter().enumerate() {
        let world = World::without_label(change);
        let before = world.server.object(DEPLOYMENT);
        let error = world.apply().await.expect_err("it is refused");
        assert!(matches!(error, Error::NameTaken { .. }), "{index}: {error}");
        let message = error.to_string();
        assert!(message.contains("consent by the label teal.dev/rollout"), "{index}: {message}");
        assert!(!message.contains("remove"), "{index}: {message}");
        assert_eq!(world.server.object(DEPLOYMENT), before, "{index}");
    }
}

/// One on which what serves stands, as when a hand gave it another Rollout's label.
#[tokio::test]
async fn what_another_rollout_has_of_lives_is_left_alone_and_nobody_is_told_to_remove_it() {
    let world = World::without_label(|_, _| {});
    let mut caches = world.reconciler.tools.stores.objects.iter();
    let (_, cache) = caches.find(|(kind, _)| *kind == kinds::DEPLOYMENT).expect("a cache");
    let version = world.view.version + 1_000;
    cache.offer(ObjectView { rollout: "other".into(), version, ..(*world.view).clone() });
    let error = world.apply().await.expect_err("it is refused");
    assert!(matches!(error, Error::NameTaken { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("consent by the label teal.dev/rollout"), "{message}");
    assert!(!message.contains("remove"), "{message}");
    assert_eq!(world.server.requests(), [""; 0]);
}

/// It can't be told of which try it is, and what it did for that.
#[tokio::test]
async fn a_job_that_lost_its_label_is_not_taken_for_one_that_ran() {
    const JOB: &str = "/apis/batch/v1/namespaces/shop/jobs/migrate-green";
    let mut hand = Hand::new();
    hand.manifest(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "migrate", "image": "m:1"}]}}}}));
    hand.install();
    hand.start_candidate(10);
    let slot = hand.slot(Color::Green);
    let job = json!({"name": "migrate", "state": "Due", "after": 0});
    hand.record("jobs", json!({"revision": slot.revision, "each": [job]}));
    let (rollout, seen) = (hand.rollout(), hand.look(0));
    let (server, reconciler) = served(hand);
    let uid = &seen.names.uid;
    server.put(
        JOB,
        json!({"metadata": {"name": "migrate-green", "namespace": "shop",
        "labels": {label::ROLLOUT_UID: uid, label::COLOR: "green", label::REVISION: slot.revision},
        "annotations": {annotation::epoch(uid): "1"},
        "managedFields": [{"manager": "teal/release", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]}}),
    );
    let before = server.object(JOB);
    let order = Order::of(&rollout, &seen);
    let effect = Effect::ApplyRelease { slot, active: false };
    let error = execute(&reconciler.tools, &order, &[effect]).await.remove(0).result.expect_err("refused");
    assert!(matches!(error, Error::NameTaken { .. }), "{error}");
    assert_eq!(server.object(JOB), before);
}

#[tokio::test]
async fn what_lost_its_label_and_is_being_deleted_goes_first() {
    let world = World::without_label(|there, _| {
        there["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    });
    assert_eq!(world.apply().await.expect_err("it goes").class(), Class::Conflict);
}

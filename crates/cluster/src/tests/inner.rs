//! Services of a release that have no role lie in another cache than the rest of it.

use serde_json::{Value, json};
use teal_api::Rollout;
use teal_plan::snapshot::Objects;
use teal_plan::{Color, Effect, Slot};

use super::server::Server;
use super::{path_of, served};
use crate::execute::{Order, execute};
use crate::kinds;
use crate::observe::Seen;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::Reconciler;
use crate::stores::{ObjectView, View};

const JOB: &str = "/apis/batch/v1/namespaces/shop/jobs/migrate-green";

/// A release with a Service that has no role.
fn hand() -> Hand {
    let mut hand = Hand::new();
    hand.manifest(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}));
    hand
}

struct World {
    server: Server,
    reconciler: Reconciler,
    rollout: Rollout,
    seen: Seen,
    slot: Slot,
}

impl World {
    fn of(mut hand: Hand, color: Color) -> Self {
        let (rollout, seen, slot) = (hand.rollout(), hand.look(0), hand.slot(color));
        let (server, reconciler) = served(hand);
        Self { server, reconciler, rollout, seen, slot }
    }

    /// Applies the slot: what was asked, whether anything changed, and what was told as repaired.
    async fn apply(&self) -> (Vec<String>, bool, Vec<String>) {
        let before = self.server.requests().len();
        let order = Order::of(&self.rollout, &self.seen);
        let effect = Effect::ApplyRelease { slot: self.slot, active: false };
        let done = execute(&self.reconciler.tools, &order, &[effect]).await;
        let changed = *done[0].result.as_ref().expect("nothing fails");
        (self.server.requests().split_off(before), changed, order.repaired.into_inner().unwrap())
    }
}

#[tokio::test]
async fn while_a_job_runs_a_service_without_a_role_is_written_once() {
    let mut hand = hand();
    hand.manifest(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "migrate", "image": "m:1"}]}}}}));
    hand.install();
    hand.start_candidate(10);
    let revision = hand.slot(Color::Green).revision;
    hand.record(
        "jobs",
        json!({"revision": revision, "each": [{"name": "migrate", "state": "Due", "after": 0}]}),
    );
    let world = World::of(hand, Color::Green);
    let api = path_of("api-green");
    let (asked, changed, _) = world.apply().await;
    let all = ["GET", "PATCH"];
    let expected: Vec<String> =
        [&*api, JOB].into_iter().flat_map(|path| all.map(|verb| format!("{verb} {path}"))).collect();
    assert_eq!((asked, changed), (expected, true));
    assert_eq!(world.apply().await, (Vec::new(), false, Vec::new()), "the Job is waited for");
}

fn is_in_sync(seen: &Seen) -> bool {
    matches!(seen.snapshot.world.color(Color::Blue).objects, Objects::Present { in_sync: true, .. })
}

fn turn(service: &mut Value) {
    service["spec"]["ports"][0]["targetPort"] = json!(9);
}

#[tokio::test]
async fn a_port_of_lives_inner_service_that_another_hand_changed_is_repaired_and_told_once() {
    let mut hand = hand();
    hand.install();
    assert!(is_in_sync(&hand.look(0)));
    hand.edit("api-blue", turn);
    assert!(!is_in_sync(&hand.look(0)));
    let world = World::of(hand, Color::Blue);
    let api = path_of("api-blue");
    let (asked, changed, repaired) = world.apply().await;
    assert_eq!((asked, changed), (vec![format!("PATCH {api}")], true));
    assert_eq!(repaired, ["Service api-blue"]);
    assert_eq!(world.server.object(&api).unwrap()["spec"]["ports"][0]["targetPort"], 8080);
    assert_eq!(world.apply().await, (Vec::new(), false, Vec::new()));
}

/// Such as a field that the server never keeps as it was written: it is tried again, but not at once and without end.
#[tokio::test]
async fn a_write_that_changed_nothing_is_no_change() {
    let mut hand = hand();
    hand.manifest(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}));
    hand.install();
    hand.start_candidate(10);
    let world = World::of(hand, Color::Green);
    assert!(world.apply().await.1);
    let kind = kinds::find("", "ConfigMap").expect("a kind");
    let mut caches = world.reconciler.tools.stores.objects.iter();
    let (_, cache) = caches.find(|(known, _)| *known == kind).expect("a cache");
    let view = cache.get("shop", "settings-green").expect("it was applied");
    cache.forget(&view.id());
    cache.offer(ObjectView { owned: None, ..(*view).clone() });
    let (asked, changed, _) = world.apply().await;
    let path = "PATCH /api/v1/namespaces/shop/configmaps/settings-green".to_owned();
    assert_eq!((asked, changed), (vec![path], false));
}

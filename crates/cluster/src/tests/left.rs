//! A record was lost: what works by itself in the color that it knows nothing of rests before live's is set to work.

use serde_json::{Value, json};
use teal_api::names::{annotation, label};
use teal_plan::{Color, Effect, Slot};

use super::server::{Manner, Server};
use super::{patches, served};
use crate::error::Error;
use crate::execute::{Order, execute};
use crate::kinds::{self, Known};
use crate::observe::tests::cluster::Hand;
use crate::reconcile::Reconciler;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";
const BLUE: &str = "/apis/apps/v1/namespaces/shop/deployments/worker-blue";
const GREEN: &str = "/apis/apps/v1/namespaces/shop/deployments/worker-green";
const SCALER: &str = "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/worker-blue";
const OTHERS: &str = "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/worker-green";
const TICK: &str = "/apis/batch/v1/namespaces/shop/cronjobs/tick-blue";
const OWN: &str = "/apis/apps/v1/namespaces/shop/deployments/own-blue";
const PAUSED: &str = "autoscaling.keda.sh/paused-replicas";

fn scaler() -> Known {
    kinds::find("keda.sh", "ScaledObject").expect("a kind")
}

/// Green serves and its worker is still at rest, and nothing is recorded but that it is live.
fn rebuilt() -> Hand {
    let mut hand = Hand::new();
    hand.install();
    hand.manifest(json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "worker", "annotations": {"teal.dev/fate": "LiveOnly"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "worker"}}, "template": {
            "metadata": {"labels": {"app": "worker"}}, "spec": {"containers": [{"name": "worker"}]}}}}));
    hand.manifest(
        json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "worker"},
        "spec": {"scaleTargetRef": {"name": "worker"}, "triggers": []}}),
    );
    hand.promote_second();
    hand.rest_second();
    hand.record("previous", Value::Null);
    hand.record("phase", json!({"name": "Returning", "cause": "Cancelled", "since": 0}));
    hand
}

/// One of blue's, of the former revision.
fn blue(slot: Slot, kind: Known, name: &str, notes: &Value, spec: &Value) -> Value {
    let labels = json!({label::ROLLOUT: "web", label::ROLLOUT_UID: "1234-5678", label::COLOR: "blue",
        label::REVISION: slot.revision.to_string()});
    json!({"apiVersion": kind.api_version(), "kind": kind.kind,
        "metadata": {"name": name, "namespace": "shop", "labels": labels, "annotations": notes}, "spec": spec})
}

/// Blue's worker was scaled to this.
struct Shop {
    server: Server,
    reconciler: Reconciler,
    rollout: teal_api::Rollout,
    seen: crate::observe::Seen,
    green: Slot,
}

impl Shop {
    fn of(mut hand: Hand, replicas: u32) -> Self {
        let (rollout, seen) = (hand.rollout(), hand.look(0));
        let (slot, green) = (Slot { color: Color::Blue, ..hand.slot(Color::Green) }, hand.slot(Color::Green));
        let (server, reconciler) = served(hand);
        reconciler.tools.stores.set_served(scaler(), Some("v1alpha1".into()));
        let of = |kind, name, notes: Value, spec: Value| blue(slot, kind, name, &notes, &spec);
        let worker = json!({"teal.dev/fate": "LiveOnly", "teal.dev/content": "former.2"});
        let target = json!({"scaleTargetRef": {"name": "worker-blue"}});
        let size = json!({"replicas": replicas});
        for (path, kind, object) in [
            (BLUE, kinds::DEPLOYMENT, of(kinds::DEPLOYMENT, "worker-blue", worker, size)),
            (OWN, kinds::DEPLOYMENT, of(kinds::DEPLOYMENT, "own-blue", json!({}), json!({"replicas": 2}))),
            (SCALER, scaler(), of(scaler(), "worker-blue", json!({}), target)),
            (TICK, kinds::CRON_JOB, of(kinds::CRON_JOB, "tick-blue", json!({}), json!({"suspend": false}))),
        ] {
            server.put(path, object);
            reconciler.tools.stores.offer(kind, &server.object(path).unwrap());
        }
        for (path, kind) in [(GREEN, kinds::DEPLOYMENT), (OTHERS, scaler())] {
            let there =
                reconciler.tools.stores.object(kind.group, kind.kind, "shop", "worker-green").unwrap();
            let metadata = json!({"name": "worker-green", "namespace": "shop", "uid": there.uid,
                "labels": {label::ROLLOUT: "web"}, "annotations": {annotation::OWNER_REPLICAS: "2"}});
            server.put(path, json!({"metadata": metadata, "spec": {"replicas": 0}}));
        }
        let web = reconciler.tools.stores.object("apps", "Deployment", "shop", "web-green").unwrap();
        let metadata = json!({"name": "web-green", "namespace": "shop", "uid": web.uid});
        server.put(&format!("{DEPLOYMENTS}/web-green"), json!({"metadata": metadata}));
        Self { server, reconciler, rollout, seen, green }
    }

    /// Applies live: which of what works by itself was written.
    async fn apply(&self) -> (Vec<String>, Result<bool, Error>) {
        let before = patches(&self.server).len();
        let order = Order::of(&self.rollout, &self.seen);
        let effect = Effect::ApplyRelease { slot: self.green, active: true };
        let done = execute(&self.reconciler.tools, &order, &[effect]).await.remove(0);
        (patches(&self.server).split_off(before), done.result)
    }

    fn size(&self, path: &str) -> Value {
        self.server.object(path).unwrap()["spec"]["replicas"].clone()
    }

    fn note(&self, path: &str, name: &str) -> Value {
        self.server.object(path).unwrap()["metadata"]["annotations"][name].clone()
    }
}

fn writes(patches: &[String], path: &str) -> bool {
    patches.contains(&format!("PATCH {path}"))
}

#[tokio::test]
async fn what_is_left_of_it_rests_before_lives_wakes() {
    let shop = Shop::of(rebuilt(), 4);
    let (wrote, result) = shop.apply().await;
    assert!(result.unwrap());
    assert_eq!((shop.size(BLUE), shop.size(GREEN)), (json!(0), json!(0)));
    assert_eq!(shop.note(SCALER, PAUSED), "0", "it would wake the worker");
    assert!(!writes(&wrote, GREEN) && !writes(&wrote, OTHERS), "nor does its autoscaler wake it: {wrote:?}");
    assert_eq!(shop.server.object(TICK).unwrap()["spec"]["suspend"], true);
    assert_eq!(shop.size(OWN), 2, "it works in both colors");
    let (wrote, result) = shop.apply().await;
    assert!(result.unwrap());
    assert!(!writes(&wrote, BLUE) && writes(&wrote, OTHERS), "{wrote:?}");
    assert_eq!((shop.size(BLUE), shop.size(GREEN)), (json!(0), json!(4)), "there is as much to do for it");
}

#[tokio::test]
async fn all_else_of_live_waits_for_none_of_it() {
    let mut hand = rebuilt();
    hand.alter_any(kinds::DEPLOYMENT, "web-green", |view| view.content = Some("another".into()));
    let shop = Shop::of(hand, 4);
    shop.server.answers("PATCH", "worker-blue", Manner::Told(403, "Forbidden"));
    let (wrote, result) = shop.apply().await;
    assert!(result.is_err(), "it is told");
    assert!(writes(&wrote, &format!("{DEPLOYMENTS}/web-green")), "{wrote:?}");
    assert_eq!((shop.size(BLUE), shop.size(GREEN)), (json!(4), json!(0)), "not twice");
}

/// Whoever knows it brings it to rest by its own release.
#[tokio::test]
async fn what_is_recorded_is_left_to_its_own_release() {
    let mut hand = rebuilt();
    let slot = Slot { color: Color::Blue, ..hand.slot(Color::Green) };
    let hash = hand.rollout().status.unwrap().commit.unwrap()["live"]["hash"].clone();
    hand.record(
        "previous",
        json!({"color": "blue", "revision": slot.revision, "hash": hash, "since": 0, "attempt": 1}),
    );
    let shop = Shop::of(hand, 4);
    let (wrote, _) = shop.apply().await;
    assert!(!writes(&wrote, BLUE) && writes(&wrote, GREEN), "{wrote:?}");
    assert_eq!(shop.note(BLUE, annotation::AWAKE_REPLICAS), Value::Null);
}

#[tokio::test]
async fn it_rests_also_where_nobody_knows_what_live_is() {
    let mut hand = rebuilt();
    let live = hand.slot(Color::Green);
    hand.lose_content(Color::Green);
    hand.spec("/release/manifests/0/spec/template/spec/containers/0/image", json!("web:3"));
    let mut shop = Shop::of(hand, 4);
    assert!(shop.seen.green.is_none(), "nobody knows what it is");
    shop.green = live;
    let (wrote, result) = shop.apply().await;
    assert!(result.unwrap() && !writes(&wrote, GREEN), "{wrote:?}");
    assert_eq!((shop.size(BLUE), shop.size(GREEN)), (json!(0), json!(0)));
    let (wrote, result) = shop.apply().await;
    assert!(result.unwrap() && writes(&wrote, GREEN), "{wrote:?}");
    assert_eq!(shop.size(GREEN), 2, "as its owner wrote it");
}

use serde_json::{Value, json};
use teal_api::Rollout;
use teal_api::names::label;
use teal_plan::{Color, Effect};

use super::reconciler;
use super::server::Server;
use crate::config::Config;
use crate::error::{Class, Error};
use crate::execute::{Order, execute};
use crate::kinds::{self, Known};
use crate::observe::Seen;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::Reconciler;

const KEPT: &str = "/apis/apps/v1/namespaces/shop/controllerrevisions/web-r9-00000000";

/// Blue is live, and a revision is kept that has an account which live lacks.
struct World {
    server: Server,
    reconciler: Reconciler,
    rollout: Rollout,
    seen: Seen,
}

impl World {
    fn new(data: Value) -> Self {
        let mut hand = Hand::new();
        hand.install();
        let (rollout, seen) = (hand.rollout(), hand.look(0));
        let server = Server::default();
        let (stores, pokes, _) = hand.into_parts();
        let reconciler = reconciler(&server, stores, pokes, Config::default());
        let world = Self { server, reconciler, rollout, seen };
        world.stand(kinds::CONTROLLER_REVISION, "web-r9-00000000", &json!({label::REVISION: "r9-00000000"}));
        let mut kept = world.server.object(KEPT).expect("what is kept");
        kept["data"] = data;
        world.server.put(KEPT, kept);
        world
    }

    fn stand(&self, kind: Known, name: &str, labels: &Value) {
        let path = match kind.group {
            "" => format!("/api/v1/namespaces/shop/{}/{name}", kind.plural),
            group => format!("/apis/{group}/v1/namespaces/shop/{}/{name}", kind.plural),
        };
        let mut labels = labels.clone();
        labels[label::ROLLOUT] = json!("web");
        labels[label::ROLLOUT_UID] = json!(self.seen.names.uid);
        let metadata = json!({"name": name, "namespace": "shop", "labels": labels});
        self.server.put(&path, json!({"metadata": metadata}));
        self.reconciler.tools.stores.offer(kind, &self.server.object(&path).expect("an object"));
    }

    /// Looks as often as `times` at green, which is to be cleared, and tells what was asked.
    async fn clear(&self, order: &Order<'_>, times: usize) -> Vec<String> {
        let before = self.server.requests().len();
        for _ in 0..times {
            let effect = Effect::Vacate { color: Color::Green, except: None };
            let done = execute(&self.reconciler.tools, order, &[effect]).await;
            assert!(done.iter().all(|done| done.result.is_ok()), "{:?}", done[0].result);
        }
        self.server.requests().split_off(before)
    }
}

fn account() -> Known {
    kinds::find("", "ServiceAccount").expect("a kind")
}

fn green() -> Value {
    json!({label::COLOR: "green", label::REVISION: "r9-00000000"})
}

#[tokio::test]
async fn what_is_kept_is_read_once_however_long_a_color_takes_to_go() {
    let clerk = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "clerk"}});
    let release = json!({"manifests": [clerk]});
    let kept =
        teal_release::Kept { hash: teal_release::hash(&release), services: Vec::new(), release, body: None };
    let world = World::new(teal_release::store(&kept).expect("data"));
    let order = Order::of(&world.rollout, &world.seen);
    for name in ["clerk", "agent"] {
        world.stand(account(), name, &json!({}));
    }
    assert_eq!(world.clear(&order, 3).await, [""; 0], "what is going already may take for ever");
    world.stand(kinds::DEPLOYMENT, "web-green", &green());
    assert_eq!(
        world.clear(&order, 3).await,
        [
            format!("GET {KEPT}"),
            "DELETE /apis/apps/v1/namespaces/shop/deployments/web-green".into(),
            "DELETE /api/v1/namespaces/shop/serviceaccounts/agent".into(),
        ]
    );
    world.stand(kinds::DEPLOYMENT, "web-green", &green());
    assert_eq!(world.clear(&order, 1).await.len(), 1, "it is known already");
}

/// Services lie in a cache of their own.
#[tokio::test]
async fn a_shared_service_that_no_kept_revision_has_goes_too() {
    let inner = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "api", "annotations": {"teal.dev/fate": "Shared"}}, "spec": {}});
    let release = json!({"manifests": [inner]});
    let kept =
        teal_release::Kept { hash: teal_release::hash(&release), services: Vec::new(), release, body: None };
    let world = World::new(teal_release::store(&kept).expect("data"));
    let order = Order::of(&world.rollout, &world.seen);
    for (name, labels) in [
        ("api", json!({})),
        ("former", json!({})),
        ("inner-green", green()),
        ("role", json!({label::ROLE: "live"})),
    ] {
        world.stand(kinds::SERVICE, name, &labels);
    }
    let path = |name: &str| format!("DELETE /api/v1/namespaces/shop/services/{name}");
    assert_eq!(world.clear(&order, 3).await, [format!("GET {KEPT}"), path("inner-green"), path("former")]);
}

/// Another hand has turned it, or it is another object by now.
#[tokio::test]
async fn what_was_touched_since_the_plan_is_not_deleted() {
    const GREEN: &str = "/apis/apps/v1/namespaces/shop/deployments/web-green";
    for field in ["note", "uid"] {
        let world = World::new(json!({"format": 99}));
        let order = Order::of(&world.rollout, &world.seen);
        world.stand(kinds::DEPLOYMENT, "web-green", &green());
        let mut touched = world.server.object(GREEN).expect("an object");
        touched["metadata"][field] = json!("of another");
        world.server.put(GREEN, touched);
        let effect = Effect::Vacate { color: Color::Green, except: None };
        let done = execute(&world.reconciler.tools, &order, &[effect]).await;
        assert_eq!(done[0].result.as_ref().map_err(Error::class), Err(Class::Conflict), "{field}");
        assert!(world.server.object(GREEN).is_some(), "{field}");
    }
}

/// As where something of a former revision still stands in its color.
#[tokio::test]
async fn what_serves_in_the_color_stays_where_all_others_are_taken_out() {
    let world = World::new(json!({"format": 99}));
    let order = Order::of(&world.rollout, &world.seen);
    let live = order.record.live.expect("a live release").slot;
    let blue = |revision: &str| json!({label::COLOR: "blue", label::REVISION: revision});
    world.stand(kinds::DEPLOYMENT, "worker-blue", &blue(&live.revision.to_string()));
    world.stand(kinds::DEPLOYMENT, "former-blue", &blue("r9-00000000"));
    let before = world.server.requests().len();
    let effect = Effect::Vacate { color: Color::Blue, except: Some(live.revision) };
    let done = execute(&world.reconciler.tools, &order, &[effect]).await;
    assert!(done[0].result.is_ok(), "{:?}", done[0].result);
    let deletions =
        world.server.requests().split_off(before).into_iter().filter(|request| request.starts_with("DELETE"));
    let former = "DELETE /apis/apps/v1/namespaces/shop/deployments/former-blue";
    assert_eq!(deletions.collect::<Vec<_>>(), [former]);
}

#[tokio::test]
async fn what_can_not_be_read_keeps_accounts_and_nothing_that_works_by_itself() {
    let world = World::new(json!({"format": 99}));
    let order = Order::of(&world.rollout, &world.seen);
    world.stand(account(), "clerk", &json!({}));
    world.stand(kinds::DEPLOYMENT, "worker", &json!({}));
    world.stand(kinds::DEPLOYMENT, "web-green", &green());
    let mut asked = world.clear(&order, 3).await;
    asked.sort();
    assert_eq!(
        asked,
        [
            "DELETE /apis/apps/v1/namespaces/shop/deployments/web-green".into(),
            "DELETE /apis/apps/v1/namespaces/shop/deployments/worker".into(),
            format!("GET {KEPT}"),
        ]
    );
}

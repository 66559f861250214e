//! Role Services that another hand replaced as a whole, or deleted and made anew: by `kubectl replace`, Argo CD's `Replace=true`
//! or Helm's `--force`. Neither a label nor the selector says then that they are the Rollout's.

use serde_json::{Value, json};
use teal_api::names::label;
use teal_plan::{Color, Time};

use super::reconciler;
use super::server::Server;
use crate::config::Config;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::{Reconciler, now};
use crate::stores::{ObjectId, View};

const SERVICES: &str = "/api/v1/namespaces/shop/services";
const ROUTE: &str = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/web";
const ROLLOUT: &str = "/apis/teal.dev/v1alpha1/namespaces/shop/rollouts/web";

/// A server, and one that leads on caches of it.
struct Shop {
    server: Server,
    reconciler: Reconciler,
}

impl Shop {
    fn of(hand: Hand) -> Self {
        let (stores, pokes, rollout) = hand.into_parts();
        let server = Server::default();
        for service in stores.services.all() {
            server.put(&path(&service.id().name), service.value());
            stores.offer(crate::kinds::SERVICE, &server.object(&path(&service.id().name)).unwrap());
        }
        server.put(ROUTE, stores.virtual_services.get("shop", "web").unwrap().value());
        stores.offer(crate::kinds::VIRTUAL_SERVICE, &server.object(ROUTE).unwrap());
        server.put(ROLLOUT, rollout);
        stores.offer_rollout(server.object(ROLLOUT).unwrap(), "");
        let reconciler = reconciler(&server, stores, pokes, Config::default());
        Self { server, reconciler }
    }

    async fn look(&self) {
        self.reconciler.reconcile(&ObjectId::new("shop", "web")).await;
    }

    fn service(&self, name: &str) -> Value {
        self.server.object(&path(name)).unwrap_or_default()
    }

    /// Another hand writes it as a whole.
    fn put(&self, name: &str, uid: &str, selector: &Value) {
        self.server.put(&path(name), of_git(name, uid, selector));
        let stores = &self.reconciler.tools.stores;
        if let Some(view) = stores.services.get("shop", name) {
            stores.services.forget(&view.id());
        }
        stores.offer(crate::kinds::SERVICE, &self.service(name));
    }

    /// Another hand deletes it.
    fn delete(&self, name: &str) {
        self.server.put(&path(name), Value::Null);
        self.reconciler.tools.stores.services.forget(&ObjectId::new("shop", name));
    }

    fn selects(&self, name: &str) -> Option<String> {
        Some(self.service(name)["spec"]["selector"][label::REVISION].as_str()?.to_owned())
    }
}

fn path(service: &str) -> String {
    format!("{SERVICES}/{service}")
}

fn of_git(name: &str, uid: &str, selector: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "shop", "uid": uid, "managedFields": [
            {"manager": "kubectl-replace", "operation": "Update", "time": "2026-01-01T00:00:00Z",
                "fieldsV1": {"f:spec": {"f:selector": {}}}}]},
        "spec": {"ports": [{"port": 80}], "selector": selector}})
}

/// A phase, how it is come to, and the color that the live role belongs at.
fn phases() -> Vec<(&'static str, Hand, Color)> {
    let installed = || {
        let mut hand = Hand::new();
        hand.install();
        hand
    };
    let mut step = installed();
    step.start_candidate(10);
    step.deadline(Time(now().0 + 3_600_000));
    let mut returning = installed();
    returning.start_candidate(10);
    returning.record("phase", json!({"name": "Returning", "cause": "Cancelled", "since": now().0}));
    let mut kept = installed();
    kept.promote_second();
    kept.record("keptUntil", json!(now().0 + 3_600_000));
    vec![
        ("rest", installed(), Color::Blue),
        ("step", step, Color::Blue),
        ("returning", returning, Color::Blue),
        ("keep", kept, Color::Green),
    ]
}

#[tokio::test]
async fn rule_12_a_live_service_that_was_replaced_is_turned_back_at_once_in_every_phase() {
    for restarted in [true, false] {
        for (phase, hand, color) in phases() {
            let revision = hand.slot(color).revision.to_string();
            let shop = Shop::of(hand);
            if !restarted {
                shop.look().await;
            }
            shop.put("web", "web", &json!({"app": "web"}));
            // What a step has to commit comes first.
            for _ in 0..3 {
                shop.look().await;
            }
            assert_eq!(shop.selects("web"), Some(revision), "{phase}, restarted: {restarted}");
            let labels = &shop.service("web")["metadata"]["labels"];
            assert_eq!(
                (&labels[label::ROLLOUT], &labels[label::ROLE]),
                (&json!("web"), &json!("live")),
                "by these slices are found"
            );
            let told = shop.reconciler.memories.lock().unwrap();
            let (_, memory) = told.get(&ObjectId::new("shop", "web")).unwrap();
            let (told, _) = &memory.try_lock().unwrap().noted["Turned"];
            assert!(told.message.contains("kubectl-replace"), "{phase}: {}", told.message);
        }
    }
}

#[tokio::test]
async fn rule_12_one_that_was_made_anew_is_turned_if_it_is_as_a_release_has_it() {
    let (git, other) = (json!({"app": "web"}), json!({"app": "other"}));
    for (what, known, companion, uid, selector, turned) in [
        ("replaced by another selector", true, true, "web", &other, true),
        ("the same after a restart", false, true, "web", &other, false),
        ("made anew from Git", true, true, "new", &git, true),
        ("the same after a restart", false, true, "new", &git, true),
        ("made anew with its companion gone", true, false, "new", &git, true),
        ("made anew by somebody else", true, true, "new", &other, false),
    ] {
        let mut hand = Hand::new();
        hand.install();
        let shop = Shop::of(hand);
        if known {
            shop.look().await;
        }
        if !companion {
            shop.delete("web-candidate");
        }
        shop.put("web", uid, selector);
        shop.look().await;
        assert_eq!(shop.selects("web").is_some(), turned, "{what}");
    }
}

#[tokio::test]
async fn rule_12_a_candidates_service_that_was_replaced_is_turned_back() {
    let mut hand = Hand::new();
    hand.install();
    let revision = hand.slot(Color::Blue).revision.to_string();
    let shop = Shop::of(hand);
    shop.look().await;
    shop.put("web-candidate", "web-candidate", &json!({"app": "web"}));
    shop.look().await;
    assert_eq!(shop.selects("web-candidate"), Some(revision));
}

#[tokio::test]
async fn rule_7_a_service_that_is_new_in_the_spec_is_asked_for() {
    let mut hand = Hand::new();
    hand.manifest(of_git("api", "", &json!({"app": "web"})));
    hand.spec("/release/manifests/2/metadata", json!({"name": "api"}));
    hand.install();
    hand.spec("/traffic/services", json!([{"name": "web"}, {"name": "api"}]));
    let shop = Shop::of(hand);
    shop.put("api", "api", &json!({"app": "web"}));
    for _ in 0..3 {
        shop.look().await;
        assert_eq!(shop.selects("api"), None);
    }
    assert_eq!(shop.service("api-candidate"), Value::Null, "by it the other would be known as taken");
    let mut consented = shop.service("api");
    consented["metadata"]["labels"] = json!({label::ROLLOUT: "web"});
    shop.server.put(&path("api"), consented);
    shop.reconciler.tools.stores.offer(crate::kinds::SERVICE, &shop.service("api"));
    for _ in 0..2 {
        shop.look().await;
    }
    assert!(shop.selects("api").is_some() && shop.selects("api-candidate").is_some());
}

#[tokio::test]
async fn another_rollouts_service_is_left_to_it() {
    let mut hand = Hand::new();
    hand.install();
    let shop = Shop::of(hand);
    shop.look().await;
    let mut theirs = of_git("web", "web", &json!({"app": "web"}));
    theirs["metadata"]["labels"] = json!({label::ROLLOUT: "other"});
    shop.server.put(&path("web"), theirs);
    shop.reconciler.tools.stores.offer(crate::kinds::SERVICE, &shop.service("web"));
    shop.look().await;
    assert_eq!(shop.selects("web"), None);
}

#[tokio::test]
async fn labels_that_were_taken_off_a_role_service_are_given_back() {
    let mut hand = Hand::new();
    hand.install();
    for name in ["web", "web-candidate"] {
        hand.edit(name, |service| service["metadata"]["labels"] = json!({"team": "shop"}));
    }
    let shop = Shop::of(hand);
    shop.look().await;
    for (name, role) in [("web", "live"), ("web-candidate", "candidate")] {
        let labels = &shop.service(name)["metadata"]["labels"];
        assert_eq!((&labels["team"], &labels[label::ROLE]), (&json!("shop"), &json!(role)), "{name}");
        assert_eq!(labels[label::ROLLOUT], "web");
    }
}

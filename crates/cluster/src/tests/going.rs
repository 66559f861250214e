//! What is being deleted is not there any more and not gone yet.

use serde_json::json;
use teal_api::names::label;
use teal_plan::{Color, Effect};

use super::reconciler;
use super::server::Server;
use crate::config::Config;
use crate::error::Class;
use crate::execute::{Order, execute};
use crate::observe::tests::cluster::Hand;

/// A finalizer may hold it, and the caches may not have heard of it: what is applied over it would go with it.
#[tokio::test]
async fn nothing_is_applied_over_an_object_that_is_being_deleted() {
    const SETTINGS: &str = "/api/v1/namespaces/shop/configmaps/settings-green";
    let mut hand = Hand::new();
    hand.manifest(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}));
    hand.install();
    hand.start_candidate(10);
    let (rollout, seen, slot) = (hand.rollout(), hand.look(0), hand.slot(Color::Green));
    let server = Server::default();
    let (stores, pokes, _) = hand.into_parts();
    let reconciler = reconciler(&server, stores, pokes, Config::default());
    let metadata = json!({"name": "settings-green", "namespace": "shop", "labels": {label::ROLLOUT: "web"},
        "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.com/holds"]});
    server.put(SETTINGS, json!({"metadata": metadata}));
    let order = Order::of(&rollout, &seen);
    let effect = Effect::ApplyRelease { slot, active: false };
    let done = execute(&reconciler.tools, &order, &[effect]).await;
    let error = done[0].result.as_ref().expect_err("nothing can be done yet");
    assert_eq!(
        (error.class(), error.to_string().contains("it is being deleted")),
        (Class::Conflict, true),
        "{error}"
    );
    let asked = server.requests();
    assert!(
        asked.contains(&format!("GET {SETTINGS}")) && !asked.contains(&format!("PATCH {SETTINGS}")),
        "{asked:?}"
    );
}

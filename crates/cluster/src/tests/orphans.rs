use std::time::Duration;

use serde_json::{Value, json};

use super::reconciler;
use super::server::Server;
use crate::config::Config;
use crate::kinds;
use crate::reconcile::{Next, Reconciler, now};
use crate::status::timestamp;
use crate::stores::{ObjectId, Pokes, Stores};
use teal_plan::{Span, Time};

const DECISION: &str = "/apis/teal.dev/v1alpha1/namespaces/shop/decisions/oops";
const ROLLOUT: &str = "/apis/teal.dev/v1alpha1/namespaces/shop/rollouts/wbe";

/// A Decision for a Rollout `wbe`, made so many seconds ago, in a server and in the caches.
fn made(seconds: i64) -> (Server, Reconciler) {
    let created = timestamp(Time(now().0 - seconds * 1_000));
    let server = Server::default();
    server.put(
        DECISION,
        json!({
            "apiVersion": "teal.dev/v1alpha1", "kind": "Decision",
            "metadata": {"namespace": "shop", "name": "oops", "creationTimestamp": created},
            "spec": {"rollout": {"name": "wbe"}, "action": "Pause", "decidedBy": {"user": "ann"}},
        }),
    );
    let stores = Stores::new();
    stores.offer(kinds::DECISION, &server.object(DECISION).unwrap());
    let config = Config { decision_grace: Span::seconds(30), ..Config::default() };
    let reconciler = reconciler(&server, stores, Pokes::new().0, config);
    (server, reconciler)
}

async fn look(reconciler: &Reconciler) -> Next {
    reconciler.reconcile(&ObjectId::new("shop", "wbe")).await
}

fn answer(server: &Server) -> Value {
    server.object(DECISION).unwrap()["status"]["conditions"][0].clone()
}

#[tokio::test]
async fn a_decision_without_a_rollout_is_answered_once() {
    let (server, reconciler) = made(40);
    assert_eq!(look(&reconciler).await, Next::Change);
    let answer = answer(&server);
    assert_eq!((&answer["status"], &answer["reason"]), (&json!("False"), &json!("Refused")));
    assert!(answer["message"].as_str().unwrap().contains("spec.rollout.name is wbe"), "{answer}");
    assert_eq!(look(&reconciler).await, Next::Change);
    assert_eq!(server.requests(), [format!("GET {ROLLOUT}"), format!("PATCH {DECISION}/status")]);
}

#[tokio::test]
async fn one_that_was_just_made_is_waited_for_without_a_request() {
    let (server, reconciler) = made(10);
    let Next::After(wait) = look(&reconciler).await else { panic!("it is not looked at again") };
    assert!((Duration::from_secs(15)..=Duration::from_secs(21)).contains(&wait), "{wait:?}");
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn a_rollout_that_only_another_operator_sees_is_left_to_it() {
    let (server, reconciler) = made(40);
    server.put(ROLLOUT, json!({"metadata": {"name": "wbe", "namespace": "shop"}}));
    assert_eq!(look(&reconciler).await, Next::Change);
    assert_eq!(server.requests(), [format!("GET {ROLLOUT}")]);
    assert_eq!(answer(&server), Value::Null);
}

#[tokio::test]
async fn in_a_namespace_that_goes_nobody_is_answered() {
    let (server, reconciler) = made(40);
    reconciler.tools.stores.namespaces.let_go("shop");
    assert_eq!(look(&reconciler).await, Next::Change);
    assert_eq!(server.requests(), [""; 0]);
    assert_eq!(answer(&server), Value::Null);
}

#[tokio::test]
async fn an_answer_that_another_process_gave_meanwhile_is_not_given_again() {
    let (server, reconciler) = made(40);
    let mut answered = server.object(DECISION).unwrap();
    answered["status"] = json!({"conditions": [{"type": "Applied", "reason": "Refused"}]});
    server.put(DECISION, answered);
    assert!(matches!(look(&reconciler).await, Next::After(_)), "until the cache has it");
    assert_eq!(answer(&server)["message"], Value::Null, "the write was bound to the version that was read");
}

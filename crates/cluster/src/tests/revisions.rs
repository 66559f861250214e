use serde_json::json;
use teal_api::names::label;
use teal_plan::{Color, Effect, Revision};

use super::served;
use super::server::Server;
use crate::execute::{Order, execute};
use crate::kinds;
use crate::observe::tests::cluster::Hand;
use crate::stores::Stores;

fn path(revision: Revision) -> String {
    format!("/apis/apps/v1/namespaces/shop/controllerrevisions/web-{revision}")
}

fn stand(server: &Server, stores: &Stores, revision: Revision, uid: &str) {
    let labels =
        json!({label::ROLLOUT: "web", label::ROLLOUT_UID: uid, label::REVISION: revision.to_string()});
    let metadata = json!({"name": format!("web-{revision}"), "namespace": "shop", "labels": labels});
    server.put(&path(revision), json!({"metadata": metadata}));
    stores.offer(kinds::CONTROLLER_REVISION, &server.object(&path(revision)).unwrap());
}

#[tokio::test]
async fn of_the_kept_revisions_the_oldest_go_but_lives_and_those_of_others() {
    let mut hand = Hand::new();
    hand.install();
    let live = hand.slot(Color::Blue).revision;
    let (rollout, seen) = (hand.rollout(), hand.look(0));
    let hash = teal_release::hash(rollout.spec.release.raw());
    let (server, reconciler) = served(hand);
    let stores = &reconciler.tools.stores;
    stand(&server, stores, live, &seen.names.uid);
    for counter in 2..=13 {
        stand(&server, stores, hash.revision(counter), &seen.names.uid);
    }
    let former = teal_release::hash(&json!({})).revision(1);
    stand(&server, stores, former, "of one that was here before");

    let order = Order::of(&rollout, &seen);
    let done = execute(&reconciler.tools, &order, &[Effect::RecordRevision(hash.revision(14))]).await;
    assert!(matches!(done[0].result, Ok(true)), "{:?}", done[0].result);
    let mut gone = server.requests();
    gone.retain(|asked| asked.starts_with("DELETE"));
    gone.sort();
    assert_eq!(gone, [2, 3, 4].map(|counter| format!("DELETE {}", path(hash.revision(counter)))));
    assert!([live, former].into_iter().all(|revision| server.object(&path(revision)).is_some()));
}

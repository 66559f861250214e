use std::sync::Arc;

use serde_json::{Value, json};
use teal_api::names::{annotation, label};
use teal_plan::{Color, ContentHash, Effect, Revision};
use teal_release::Kept;

use super::server::Server;
use super::{patches, recall, served};
use crate::charts::ChartSeen;
use crate::execute::{Order, execute, keep};
use crate::kinds;
use crate::observe::tests::charts;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::Reconciler;
use crate::stores::{ObjectId, Stores};

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

/// A crash in between would leave objects of which nobody knows what they were made from.
#[tokio::test]
async fn of_a_chart_nothing_is_made_before_it_is_kept() {
    let mut hand = charts::wanted();
    hand.chart = ChartSeen::Ready(Arc::new(charts::body("2")));
    hand.start_candidate(10);
    let (rollout, seen, slot) = (hand.rollout(), hand.look(0), hand.slot(Color::Green));
    let (server, reconciler) = served(hand);
    let order = Order::of(&rollout, &seen);
    let effects = [Effect::RecordRevision(slot.revision), Effect::ApplyRelease { slot, active: false }];
    let done = execute(&reconciler.tools, &order, &effects).await;
    assert_eq!(done.iter().map(|done| done.effect).collect::<Vec<_>>(), ["RecordRevision"]);
    assert!(server.object(&path(slot.revision)).is_some());
    let done = execute(&reconciler.tools, &order, &effects[1..]).await;
    assert_eq!(done.iter().map(|done| done.effect).collect::<Vec<_>>(), ["ApplyRelease"]);
}

/// As one that was here before under the same name kept it of live, if it goes with its Rollout.
fn former(server: &Server, stores: &Stores, hash: ContentHash, goes_along: bool) -> String {
    let revision = hash.revision(1);
    let labels =
        json!({label::ROLLOUT: "web", label::ROLLOUT_UID: "former", label::REVISION: revision.to_string()});
    let mut metadata = json!({"name": format!("web-{revision}"), "namespace": "shop", "labels": labels,
        "annotations": {annotation::HASH: hash.to_string()}});
    if goes_along {
        metadata["ownerReferences"] = json!([crate::rendering::owner_reference("web", "former")]);
    }
    server.put(&path(revision), json!({"metadata": metadata}));
    stores.offer(kinds::CONTROLLER_REVISION, &server.object(&path(revision)).unwrap());
    path(revision)
}

#[tokio::test]
async fn what_a_former_rollout_kept_is_claimed_and_stays_unless_all_is_to_go() {
    for (on_delete, goes_along) in [("KeepLive", false), ("DeleteAll", true)] {
        let mut hand = Hand::new();
        hand.field("onDelete", json!(on_delete));
        hand.install();
        let rollout = hand.rollout();
        let hash = teal_release::hash(rollout.spec.release.raw());
        let (mut kept, mut others) = (String::new(), String::new());
        let there = Server::default();
        hand.with_stores(|stores| {
            kept = former(&there, stores, hash, !goes_along);
            let other = hash.revision(9);
            stand(&there, stores, other, "former");
            others = path(other);
        });
        let seen = hand.look(0);
        assert!(seen.contents_stray, "{on_delete}");
        let (server, reconciler) = served(hand);
        for path in [&kept, &others] {
            server.put(path, there.object(path).unwrap());
            reconciler.tools.stores.offer(kinds::CONTROLLER_REVISION, &server.object(path).unwrap());
        }
        keep::up(&reconciler.tools, &rollout, &seen).await;
        let patched = patches(&server);
        assert!(patched.contains(&format!("PATCH {kept}")), "{on_delete}: {patched:?}");
        let claimed = server.object(&kept).unwrap()["metadata"].clone();
        assert_eq!(claimed["labels"][label::ROLLOUT_UID], json!(seen.names.uid), "{on_delete}");
        let owners = claimed["ownerReferences"].as_array().map_or(0, Vec::len);
        assert_eq!(owners, usize::from(goes_along), "{on_delete}: {claimed}");
        assert!(!patched.contains(&format!("PATCH {others}")), "nothing on it says that Teal kept it");
        keep::up(&reconciler.tools, &rollout, &seen).await;
        assert_eq!(patches(&server).iter().filter(|patch| patch.ends_with(&kept)).count(), 1, "{on_delete}");
    }
}

/// Live is another content than the spec's, and this is what is kept of it.
async fn looked_at(kept: impl FnOnce(&Kept) -> Option<Value>) -> Reconciler {
    let mut hand = Hand::new();
    hand.install();
    let release = hand.rollout().spec.release.raw().clone();
    let own = Kept { hash: teal_release::hash(&release), services: vec!["web".into()], release, body: None };
    hand.spec("/release/manifests/0/spec/template/spec/containers/0/image", json!("web:2"));
    hand.field("mode", json!("Paused"));
    let revision = own.hash.revision(1);
    let (server, reconciler) = served(hand);
    if let Some(data) = kept(&own) {
        server.put(&path(revision), json!({"metadata": {}, "data": data}));
    }
    Box::pin(reconciler.reconcile(&ObjectId::new("shop", "web"))).await;
    reconciler
}

#[tokio::test]
async fn content_that_is_not_kept_or_another_is_lost() {
    let data = |kept: &Kept| Some(teal_release::store(kept).unwrap());
    let edited = |kept: &Kept| {
        let mut edited = kept.clone();
        edited.release["manifests"][0]["spec"]["template"]["spec"]["containers"][0]["image"] =
            json!("evil:1");
        data(&edited)
    };
    for (what, reconciler, lost) in [
        ("kept", looked_at(data).await, false),
        ("not kept", looked_at(|_| None).await, true),
        ("edited", looked_at(edited).await, true),
    ] {
        let (unknown, known) = recall(&reconciler, |memory| (memory.lost.len(), memory.contents.len()));
        assert_eq!((unknown, known), (usize::from(lost), usize::from(!lost)), "{what}");
    }
}

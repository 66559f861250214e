use std::sync::Arc;

use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use teal_api::Rollout;
use teal_plan::Time;
use tokio::time::Instant;

use super::ending::Asked;
use super::server::Server;
use super::{PATH, recall, reconciler, served};
use crate::agenda::Agenda;
use crate::config::Config;
use crate::observe::tests::cluster::Hand;
use crate::queue;
use crate::reconcile::{Next, Reconciler};
use crate::stores::{ObjectId, Poke};

/// The Rollout as a watch brings it, and a look at it.
async fn look_at(server: &Server, reconciler: &Reconciler, rollout: Value) {
    server.put(PATH, rollout);
    reconciler.tools.stores.offer_rollout(server.object(PATH).expect("it was put there"), "");
    reconciler.reconcile(&web()).await;
}

fn web() -> ObjectId {
    ObjectId::new("shop", "web")
}

#[tokio::test]
async fn a_rollout_that_could_not_be_read_is_not_counted_once_it_is_gone() {
    let server = Server::default();
    let (stores, pokes, mut rollout) = Hand::new().into_parts();
    rollout["spec"]["traffic"] = json!("all of it");
    let reconciler = reconciler(&server, stores, pokes, Config::default());
    look_at(&server, &reconciler, rollout).await;
    assert_eq!(reconciler.watching.read().unreadable, 1);

    reconciler.tools.stores.rollouts.forget(&web());
    reconciler.reconcile(&web()).await;
    assert_eq!(reconciler.watching.read().unreadable, 0);
}

#[tokio::test]
async fn a_rollout_that_went_while_its_watch_was_away_is_forgotten() {
    let server = Server::default();
    let (stores, pokes, rollout) = Hand::new().into_parts();
    let uid = rollout["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let asked = Asked::default();
    let mut reconciler = reconciler(&server, stores, pokes, Config::default());
    reconciler.checks = Arc::new(asked.clone());
    look_at(&server, &reconciler, rollout).await;
    assert_eq!(reconciler.watching.read().rollouts.len(), 1);

    server.remove(PATH);
    for event in [Event::<Rollout>::Init, Event::InitDone] {
        reconciler.tools.stores.rollouts.take(event, |_| None);
    }
    let mut agenda = Agenda::new(1);
    queue::take(&mut agenda, &reconciler, Poke::All);
    while let Some(id) = agenda.begin() {
        reconciler.reconcile(&id).await;
        agenda.end(id, Next::Change, Instant::now());
    }
    assert_eq!(reconciler.watching.read().rollouts, []);
    assert!(asked.0.lock().unwrap().1.contains(&uid), "nothing more is asked of metrics for it");
}

/// The watch is still away, and its status is the first that is written.
#[tokio::test]
async fn a_rollout_that_a_write_no_longer_finds_is_read_anew_and_forgotten() {
    let mut hand = Hand::new();
    hand.install();
    let (server, reconciler) = served(hand);
    server.remove(PATH);
    for _ in 0..5 {
        reconciler.reconcile(&web()).await;
    }
    let asked = server.requests();
    let tries = asked.iter().filter(|asked| asked.starts_with("PATCH") && asked.contains(PATH)).count();
    assert_eq!((tries, asked.contains(&format!("GET {PATH}"))), (1, true), "{asked:?}");
    assert_eq!(reconciler.watching.read().rollouts, []);
}

/// It was deleted and made anew between two looks.
#[tokio::test]
async fn for_a_rollout_that_another_of_its_name_replaced_nothing_more_is_asked() {
    let server = Server::default();
    let (stores, pokes, rollout) = Hand::new().into_parts();
    let asked = Asked::default();
    let mut reconciler = reconciler(&server, stores, pokes, Config::default());
    reconciler.checks = Arc::new(asked.clone());
    for uid in ["former", "present"] {
        let mut rollout = rollout.clone();
        rollout["metadata"]["uid"] = json!(uid);
        look_at(&server, &reconciler, rollout).await;
        let known = recall(&reconciler, |memory| memory.failing.insert(("PointLive", None), (2, Time(0))));
        assert_eq!(known, None, "nothing is remembered of the former one");
    }
    let (asks, forgotten) = asked.0.lock().unwrap().clone();
    assert!(asks.contains(&"former".to_owned()) && asks.contains(&"present".to_owned()), "{asks:?}");
    assert!(forgotten.contains(&"former".to_owned()), "{forgotten:?}");
    assert!(!forgotten.contains(&"present".to_owned()), "{forgotten:?}");
}

use serde_json::json;
use teal_plan::Time;

use super::server::Server;
use super::{reconciler, served};
use crate::config::Config;
use crate::execute::keep;
use crate::memory::Memory;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::now;

/// The live Service is reached in another way than the candidate's, and the server refuses to change that one.
#[tokio::test]
async fn what_is_kept_up_has_pauses_but_before_a_step_forward() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    hand.edit("web", |service| service["spec"]["sessionAffinity"] = json!("ClientIP"));
    let (seen, rollout) = (hand.look(0), hand.rollout());
    assert!(seen.unlike_live);
    let (stores, pokes, _) = hand.into_parts();
    let server = Server::default();
    let reconciler = reconciler(&server, stores, pokes, Config::default());
    let mut memory = Memory::default();
    memory.kept = Some((1, Time(now().0 + 3_600_000)));
    reconciler.keep_up(&rollout, &seen, false, &mut memory).await.expect("it waits");
    assert_eq!(server.requests(), [""; 0]);
    assert!(reconciler.keep_up(&rollout, &seen, true, &mut memory).await.is_err(), "nothing may be raised");
    assert_eq!(server.requests().len(), 1);
    assert!(memory.kept.is_some_and(|(failures, _)| failures == 2), "{:?}", memory.kept);
}

#[tokio::test]
async fn where_the_spec_says_to_write_nothing_nothing_is_kept_up() {
    for (mode, writes) in [("HandsOff", 0), ("Active", 1)] {
        let mut hand = Hand::new();
        hand.install();
        hand.start_candidate(10);
        hand.field("mode", json!(mode));
        hand.edit("web", |service| service["spec"]["sessionAffinity"] = json!("ClientIP"));
        let (seen, rollout) = (hand.look(0), hand.rollout());
        assert!(seen.unlike_live);
        let (server, reconciler) = served(hand);
        keep::up(&reconciler.tools, &rollout, &seen).await;
        assert_eq!(server.requests().len(), writes, "{mode}");
    }
}

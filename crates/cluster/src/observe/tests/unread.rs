//! What of a Rollout holds although its release can't be read.

use serde_json::json;
use teal_plan::snapshot::Stops;

use super::cluster::Hand;

#[test]
fn a_release_that_could_not_be_read_is_not_wanted_and_all_else_holds() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    let commit = |hand: &mut Hand| hand.look(0).snapshot.record;
    let before = commit(&mut hand);
    hand.spec("/release", json!({"$unread": "spec.release.manifests[0] is nested 131 levels deep"}));
    let seen = hand.look(0);
    let refused = seen.snapshot.stopped(Stops::Everything).expect("an obstacle");
    assert_eq!((refused.reason.as_str(), refused.message.contains("131 levels")), ("ReleaseInvalid", true));
    assert_eq!((seen.snapshot.settings.wanted, seen.snapshot.record.clone()), (None, before));
    assert_eq!(seen.snapshot.settings.steps.len(), 2, "steps and guards hold");
    assert!(seen.blue.is_none(), "nothing is made of live from what can't be read");
}

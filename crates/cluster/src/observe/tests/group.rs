//! Other members of the group.

use serde_json::{Value, json};
use teal_plan::settings::Mode;
use teal_plan::snapshot::{GroupSeen, Stops};

use super::cluster::Hand;
use super::told;
use crate::stores::{ObjectId, RolloutView, What};

fn grouped(steps: Option<Value>) -> Hand {
    let mut hand = Hand::new();
    hand.install();
    hand.field("group", json!({"name": "checkout", "order": 2}));
    if let Some(steps) = steps {
        hand.field("steps", steps);
    }
    hand
}

/// Another Rollout of the namespace with this group.
fn api(group: &Value) -> Value {
    json!({
        "metadata": {"name": "api", "namespace": "shop", "uid": "api"},
        "spec": {
            "release": {"manifests": []}, "group": group, "mode": "Paused",
            "traffic": {"services": [{"name": "api"}], "virtualServices": [{"name": "api"}]},
        },
        "status": {"waitingFor": "pods", "commit": {"epoch": 9, "counter": 2, "started": 5,
            "phase": {"name": "Step", "step": "canary", "weight": 10, "deadline": 0},
            "group": {"group": "checkout", "ready": true}}},
    })
}

fn seen(hand: &mut Hand) -> Option<GroupSeen> {
    hand.look(0).snapshot.world.group
}

#[test]
fn who_has_no_group_sees_none_whoever_else_has_one() {
    let mut hand = Hand::new();
    hand.install();
    hand.neighbor(api(&json!({"name": "checkout"})));
    assert_eq!(seen(&mut hand), None);
}

#[test]
fn other_members_are_seen_with_what_they_committed() {
    let mut hand = grouped(None);
    hand.neighbor(api(&json!({"name": "checkout", "order": 1})));
    let group = seen(&mut hand).expect("a group");
    assert_eq!((group.name.as_str(), group.order), ("web", 2));
    let [other] = group.siblings.as_slice() else { panic!("{group:?}") };
    assert_eq!((other.name.as_str(), other.uid.as_str(), other.order), ("api", "api", 1));
    assert_eq!((other.record.started, other.mode, other.deleting), (5, Mode::Paused, false));
    assert!(other.record.group.as_ref().is_some_and(|pact| pact.ready));
    assert_eq!(other.waiting_for.as_deref(), Some("pods"));
    let mut hand = grouped(None);
    hand.neighbor(api(&json!({"name": "other"})));
    let group = seen(&mut hand).expect("a group");
    assert_eq!(group.siblings.len(), 1, "it left the group, and what it began with that goes on");
}

#[test]
fn the_group_of_an_attempt_counts_until_its_end_whatever_the_spec_says() {
    let mut hand = Hand::new();
    hand.install();
    hand.record("group", json!({"group": "checkout"}));
    hand.neighbor(api(&json!({"name": "checkout"})));
    assert_eq!(seen(&mut hand).expect("a group").siblings.len(), 1);
    assert_eq!(hand.look(0).snapshot.settings.group, None);
}

#[test]
fn steps_that_differ_are_named_and_stop_what_goes_forward() {
    let steps = json!([{"name": "canary", "weight": 20, "hold": "1s"}, {"name": "full", "weight": 100}]);
    let mut hand = grouped(Some(steps));
    assert_eq!(told(&mut hand, 0, "GroupDiffers"), [] as [&str; 0], "alone it differs from nobody");
    hand.neighbor(api(&json!({"name": "checkout"})));
    let message = "spec.steps are canary 20 %, full 100 % here and canary 10 %, full 100 % in Rollout api of group checkout, and \
                   members of a group go from step to step together: give all of them the same names and weights, or take \
                   spec.group out of one";
    assert_eq!(told(&mut hand, 0, "GroupDiffers"), [message]);
    let obstacles = hand.look(0).snapshot.world.obstacles;
    let found = obstacles.iter().find(|found| found.reason == "GroupDiffers").expect("an obstacle");
    assert_eq!(found.stops, Stops::Rollout, "a first install goes on");
    let mut hand = grouped(None);
    hand.neighbor(api(&json!({"name": "checkout"})));
    assert_eq!(told(&mut hand, 0, "GroupDiffers"), [] as [&str; 0], "both have the default ones");
}

#[test]
fn a_group_of_more_than_can_go_together_is_told() {
    let mut hand = grouped(None);
    let mut joins = |number: u32| {
        let mut other = api(&json!({"name": "checkout"}));
        other["metadata"]["name"] = json!(format!("api-{number}"));
        other["metadata"]["uid"] = json!(format!("uid-api-{number}"));
        hand.neighbor(other);
        told(&mut hand, 0, "GroupTooLarge")
    };
    for number in 1..32 {
        assert_eq!(joins(number), [] as [&str; 0], "{number} beside it");
    }
    let message = "group checkout has 33 Rollouts, and more than 32 can't go together: give spec.group of some another name, or \
                   take it out of them";
    assert_eq!(joins(32), [message]);
}

#[test]
fn a_member_is_found_by_its_group_and_by_the_one_that_it_began_with() {
    let view = RolloutView::of(api(&json!({"name": "other"})), "").expect("a view");
    assert_eq!(view.groups.iter().map(|name| &**name).collect::<Vec<_>>(), ["other", "checkout"]);
    let mut hand = grouped(None);
    hand.neighbor(api(&json!({"name": "other"})));
    let (_, pokes, _) = hand.into_parts();
    let rivals = |group: &str| pokes.rivals(What::Group, &ObjectId::new("shop", group), "web");
    assert_eq!((rivals("checkout"), rivals("other")), (vec!["api".to_owned()], vec!["api".to_owned()]));
}

//! Other hands at what Teal writes: those that take its notes along, and those that change something else.

use serde_json::{Value, json};
use teal_plan::record::Pause;
use teal_plan::snapshot::{Foreign, Form};
use teal_plan::{Decision, Effect, Phase};

use super::cluster::Hand;
use crate::memory::Memory;

fn split(candidate: u8) -> Value {
    json!([{"destination": {"host": "web"}, "weight": 100 - candidate},
        {"destination": {"host": "web-candidate"}, "weight": candidate}])
}

fn owners() -> Value {
    json!([{"destination": {"host": "web"}}])
}

/// With the candidate at 10 %, observed, and the next step at 50 %.
fn at_ten() -> Hand {
    let mut hand = Hand::new();
    hand.field("steps", json!([{"name": "canary", "weight": 10}, {"name": "half", "weight": 50}, {"name": "full", "weight": 100}]));
    hand.install();
    hand.begin_promotion();
    step(&mut hand, "canary", 10);
    hand.reach(0);
    hand.route(&split(10), "teal/traffic");
    assert_eq!(foreign(&mut hand), None);
    hand
}

fn step(hand: &mut Hand, name: &str, weight: u8) {
    let remembered = std::mem::take(&mut hand.memory);
    let terms = hand.look(0).snapshot.settings.step(name).expect("a step").1.terms();
    hand.memory = remembered;
    let phase =
        json!({"name": "Step", "step": name, "weight": weight, "deadline": 9_000_000, "terms": terms});
    hand.record("phase", phase);
}

fn foreign(hand: &mut Hand) -> Option<Foreign> {
    hand.look(0).snapshot.world.routes.foreign
}

fn named(hand: &mut Hand) -> Option<(String, bool)> {
    foreign(hand).map(|foreign| (foreign.manager, foreign.before))
}

fn by(manager: &str, before: bool) -> (String, bool) {
    (manager.to_owned(), before)
}

/// `kubectl replace` of what lies in Git.
#[test]
fn a_hand_that_replaces_the_routes_and_takes_the_record_along_pauses_and_is_kept() {
    let mut hand = at_ten();
    hand.noted_route(&owners(), "kubectl-replace", false);
    assert_eq!(named(&mut hand), Some(by("kubectl-replace", false)));
    let Decision::Commit(commit) = teal_plan::plan(&hand.look(0).snapshot).decision else {
        panic!("it is corrected");
    };
    assert_eq!(commit.record.paused, Some(Pause::ForeignHand { manager: "kubectl-replace".into() }));

    // The record that is made anew has that hand among the writers.
    hand.noted_route(&split(0), "kubectl-replace", false);
    hand.annotate_route("saved", r#"{"routes":[],"writers":["kubectl-replace","owner"]}"#);
    assert_eq!(named(&mut hand), Some(by("kubectl-replace", false)));
}

#[test]
fn a_tool_that_replaces_the_routes_is_named_and_counted_with_every_correction() {
    let mut hand = at_ten();
    for round in 0..5 {
        hand.noted_route(&owners(), "owner", false);
        assert_eq!(
            foreign(&mut hand),
            Some(Foreign {
                manager: "owner".into(),
                before: true,
                raised: false,
                lowered: round == 0,
                recent: round
            })
        );
        hand.corrects(0);
    }
    hand.noted_route(&owners(), "owner", false);
    let Decision::Commit(commit) = teal_plan::plan(&hand.look(0).snapshot).decision else {
        panic!("it is corrected for ever");
    };
    assert!(matches!(commit.record.phase, Phase::Returning { .. }), "{:?}", commit.record.phase);
}

/// Nobody knows then whether it had written before, so that it is corrected.
#[test]
fn after_a_restart_a_hand_that_took_the_record_along_is_told_where_routes_had_been_entered() {
    for (reached, told) in [(true, Some(by("kubectl-replace", true))), (false, None)] {
        let mut hand = at_ten();
        hand.memory = Memory::default();
        step(&mut hand, "canary", 10);
        if reached {
            hand.reach(0);
        }
        hand.noted_route(&owners(), "kubectl-replace", false);
        assert_eq!(named(&mut hand), told, "{reached}");
    }
}

#[test]
fn routes_that_were_given_back_are_no_other_hands_work() {
    let mut hand = at_ten();
    hand.record("phase", json!({"name": "Returning", "cause": "Cancelled", "since": 0}));
    hand.noted_route(&owners(), "owner", false);
    assert_eq!(foreign(&mut hand), None);
    hand.noted_route(&split(10), "owner", false);
    assert_eq!(named(&mut hand), Some(by("owner", true)), "with the candidate they were not");
}

/// Everything is there for the first weight, and Teal was seen to have given none.
fn at_zero() -> Hand {
    let mut hand = at_ten();
    step(&mut hand, "canary", 10);
    hand.route(&split(0), "teal/traffic");
    assert_eq!(foreign(&mut hand), None);
    hand
}

fn effects(hand: &mut Hand) -> Vec<Effect> {
    match teal_plan::plan(&hand.look(0).snapshot).decision {
        Decision::Act(effects) => effects,
        decision => panic!("{decision:?}"),
    }
}

/// As routes that were exported in an earlier rollout are applied again, by their owner or by a new tool.
#[test]
fn a_weight_that_another_hand_gives_before_teal_is_that_hands_and_is_taken_back() {
    for (manager, weight, before) in
        [("owner", 10, true), ("flux", 10, false), ("flux", 5, false), ("flux", 50, false)]
    {
        let mut hand = at_zero();
        hand.route(&split(weight), manager);
        let told = Foreign { manager: manager.into(), before, raised: true, lowered: false, recent: 0 };
        assert_eq!(foreign(&mut hand), Some(told.clone()));
        assert_eq!(foreign(&mut hand), Some(told), "not answered yet");
        assert!(effects(&mut hand).contains(&Effect::LowerWeight(0)), "{manager} {weight}");
    }
    // Between two steps.
    let mut hand = at_ten();
    step(&mut hand, "half", 50);
    hand.route(&split(50), "flux");
    assert!(effects(&mut hand).contains(&Effect::LowerWeight(10)));
}

/// The word of a person to go on says nothing of what a tool did meanwhile.
#[test]
fn a_weight_that_another_hand_gives_before_teal_is_answered_by_no_pause() {
    let mut hand = at_zero();
    hand.record("paused", json!({"Decision": {"user": "ana"}}));
    hand.route(&split(10), "flux");
    assert_eq!(foreign(&mut hand).map(|foreign| foreign.raised), Some(true));
    hand.record("paused", Value::Null);
    assert_eq!(foreign(&mut hand).map(|foreign| foreign.raised), Some(true));
}

#[test]
fn after_a_restart_only_a_hand_that_holds_the_weights_tells_whose_raise_it_is() {
    for (manager, noted, told) in
        [("teal/traffic", true, None), ("flux", true, Some(true)), ("kubectl-replace", false, Some(true))]
    {
        let mut hand = at_zero();
        hand.memory = Memory::default();
        hand.noted_route(&split(10), manager, noted);
        assert_eq!(foreign(&mut hand).map(|foreign| foreign.raised), told, "{manager}");
    }
}

#[test]
fn a_hand_that_changes_something_else_at_a_weight_that_teal_just_gave_takes_nothing() {
    let mut hand = at_zero();
    hand.corrects(0);
    hand.route(&split(10), "teal/traffic");
    assert_eq!(foreign(&mut hand), None);
    hand.route(&split(10), "kubectl-edit");
    assert_eq!(foreign(&mut hand), None);
    // Nor does a pause that comes before the weight is seen.
    hand.record("paused", json!({"Decision": {"user": "ana"}}));
    for look in 0..3 {
        assert!(foreign(&mut hand).is_none_or(|foreign| !foreign.raised), "look {look}");
    }
}

/// Timeouts, headers, an annotation: the whole of the routes is one field to the API server.
#[test]
fn a_hand_that_changes_something_else_at_a_weight_pauses_nothing_at_the_next_one() {
    let mut hand = at_ten();
    hand.route(&split(10), "kubectl-edit");
    assert_eq!(foreign(&mut hand), None);
    step(&mut hand, "half", 50);
    let seen = hand.look(0).snapshot;
    assert_eq!((&seen.world.routes.form, &seen.world.routes.foreign), (&Form::Entered(10), &None));
    let decision = teal_plan::plan(&seen).decision;
    let Decision::Act(effects) = &decision else { panic!("{decision:?}") };
    assert!(effects.contains(&Effect::RaiseWeight(50)), "{effects:?}");
}

#[test]
fn a_hand_that_changes_something_else_before_the_weight_is_there_pauses_nothing() {
    let mut hand = at_ten();
    step(&mut hand, "canary", 10);
    hand.route(&split(0), "teal/traffic");
    assert_eq!(foreign(&mut hand), None);
    hand.route(&split(0), "kubectl-edit");
    assert_eq!(foreign(&mut hand), None);
    assert_eq!(foreign(&mut hand), None, "nor later");
}

/// Nobody knows then what was there before.
#[test]
fn a_hand_that_changes_something_else_before_the_weight_is_there_pauses_nothing_after_a_restart() {
    let mut hand = at_zero();
    hand.route(&split(0), "kubectl-edit");
    hand.memory = Memory::default();
    let decision = teal_plan::plan(&hand.look(0).snapshot).decision;
    assert!(matches!(decision, Decision::Act(_)), "{decision:?}");
}

fn pauses(hand: &mut Hand) -> bool {
    match teal_plan::plan(&hand.look(0).snapshot).decision {
        Decision::Commit(commit) => commit.record.paused.is_some(),
        Decision::Act(_) | Decision::Rest => false,
    }
}

/// Teal's raise was seen, and proxies are given time for it, or the next step has not begun to raise.
#[test]
fn a_hand_that_lowers_before_the_weight_counts_is_kept_until_a_person_resumes() {
    let raised = || {
        let mut hand = at_zero();
        hand.corrects(0);
        hand.route(&split(10), "teal/traffic");
        assert_eq!(foreign(&mut hand), None);
        hand
    };
    let between = || {
        let mut hand = at_ten();
        step(&mut hand, "half", 50);
        assert_eq!(foreign(&mut hand), None);
        hand
    };
    for (mut hand, restarts) in [(raised(), false), (between(), false), (between(), true)] {
        hand.route(&split(5), "kubectl-edit");
        if restarts {
            hand.memory = Memory::default();
        }
        assert!(pauses(&mut hand) && pauses(&mut hand), "also where the first commit is refused");
        hand.record("paused", json!({"ForeignHand": {"manager": "kubectl-edit"}}));
        assert!(foreign(&mut hand).is_some(), "told as long as it is paused");
        hand.record("paused", Value::Null);
        assert_eq!(foreign(&mut hand), None, "a person resumed");
    }
}

#[test]
fn a_hand_that_moves_weights_is_heeded_whatever_it_or_others_change_besides() {
    let mut hand = at_ten();
    hand.route(&split(0), "kubectl-edit");
    assert_eq!(named(&mut hand), Some(by("kubectl-edit", false)));
    hand.route(&split(0), "kubectl-edit");
    assert_eq!(named(&mut hand), Some(by("kubectl-edit", false)), "not answered yet");

    // Between two looks Teal raised, and the hand took it back.
    let mut hand = at_ten();
    step(&mut hand, "half", 50);
    assert_eq!(foreign(&mut hand), None);
    hand.corrects(0);
    hand.route(&split(10), "kubectl-edit");
    assert_eq!(named(&mut hand), Some(by("kubectl-edit", false)));
}

//! How much of an attempt people were waited for, which the history tells.

use teal_plan::record::{Cause, Gate, Held, Outcome, Pause, Phase, StepRecord, Vote, Waited, Watch};
use teal_plan::settings::{Mode, OnFailure};
use teal_plan::snapshot::{Action, Form, Standing};
use teal_plan::{Snapshot, Span, Time};

use crate::decisions::decision;
use crate::fixture::*;

/// People were waited for ten seconds before.
const BEFORE: Waited = Waited { total: Span::seconds(10), since: None };

/// So many seconds ago.
fn ago(seconds: i64) -> Time {
    Time(NOW.0 - seconds * 1_000)
}

fn at(mut s: Snapshot, change: impl Fn(&mut StepRecord)) -> Snapshot {
    if let Phase::Step(place) = &mut s.record.phase {
        change(place);
    }
    s
}

/// At 10 %, held for its time already.
fn canary() -> Snapshot {
    let mut s = reached("canary", 10, LONG_AGO);
    s.record.waited = Some(BEFORE);
    s
}

fn asking(needed: u32) -> Snapshot {
    let mut s = at(canary(), |place| {
        place.gate =
            Some(Gate { nonce: "n0".to_owned(), evidence: None, opened: ago(40), needed, votes: Vec::new() });
    });
    s.record.pinned = vec![("canary".to_owned(), needed)];
    s.record.waited = Some(Waited { since: Some(ago(40)), ..BEFORE });
    s
}

fn held() -> Snapshot {
    let mut s = at(canary(), |place| {
        place.held = Some(Held { check: "errors".to_owned(), blind: true, detail: String::new(), job: None });
    });
    s.record.waited = Some(Waited { since: Some(ago(40)), ..BEFORE });
    s
}

fn decided(mut s: Snapshot, action: Action) -> Snapshot {
    s.decisions = vec![decision(action, "ana")];
    s
}

/// What is counted after the next commit: seconds that are over, and whether people are waited for from now on.
fn counted(s: &Snapshot) -> Option<(i64, bool)> {
    let waited = committed(s).0.waited?;
    assert!(waited.since.is_none_or(|since| since == s.now), "{waited:?}");
    Some((waited.total.0 / 1_000, waited.since.is_some()))
}

#[test]
fn an_attempt_begins_with_nothing_and_a_commit_of_the_machine_counts_nothing() {
    let mut starts = at_rest();
    starts.settings.wanted = Some(content(2));
    assert_eq!(counted(&starts), Some((0, false)));
    assert_eq!(counted(&canary()), Some((10, false)), "to the next step");
}

#[test]
fn what_an_earlier_version_began_is_not_known_to_its_end() {
    let mut s = canary();
    s.record.waited = None;
    assert_eq!(counted(&s), None);
    let mut home = promoting();
    home.world.live_service = points(candidate());
    home.world.routes = routes(Form::Owner);
    assert_eq!(committed(&home).0.history[0].waited, None);
}

#[test]
fn people_are_waited_for_from_the_commit_that_needs_them_to_the_one_that_does_no_more() {
    let mut asks = canary();
    asks.record.pinned = vec![("canary".to_owned(), 1)];
    let mut pauses = canary();
    pauses.settings.mode = Mode::Paused;
    let mut paused = canary();
    paused.record.paused = Some(Pause::Spec);
    paused.record.waited = Some(Waited { since: Some(ago(40)), ..BEFORE });
    let mut holds = canary();
    holds.settings.steps[0].checks = vec!["errors".to_owned()];
    holds.settings.on_failure = OnFailure::Hold;
    holds.checks = vec![standing("errors", Standing::Fail)];
    let mut promotion = promoting();
    promotion.record.waited = Some(BEFORE);
    for (name, s, expected) in vec![
        ("a question opens", asks, (10, true)),
        ("the one vote that was missing", decided(asking(1), Action::Approve), (50, false)),
        ("one of two votes", decided(asking(2), Action::Approve), (50, true)),
        ("no", decided(asking(1), Action::Reject), (50, false)),
        ("the spec pauses", pauses, (10, true)),
        ("the spec's pause is over", paused, (50, false)),
        ("somebody pauses while a question is open", decided(asking(1), Action::Pause), (50, true)),
        ("somebody pauses a promotion", decided(promotion, Action::Pause), (10, true)),
        ("a check fails and the spec says Hold", holds, (10, true)),
        ("a step that is held is skipped", decided(held(), Action::Skip), (50, false)),
        ("a step that is held is tried again", decided(held(), Action::Retry), (50, false)),
    ] {
        assert_eq!(counted(&s), Some(expected), "{name}");
    }
}

#[test]
fn all_votes_are_there_and_something_else_is_in_the_way_so_nobody_is_waited_for() {
    let mut s = decided(asking(1), Action::Approve);
    s.world.obstacles = vec![obstacle(teal_plan::snapshot::Stops::Rollout)];
    let (record, _) = committed(&s);
    let Phase::Step(place) = &record.phase else { panic!("{:?}", record.phase) };
    let votes = place.gate.as_ref().map(|gate| gate.votes.len());
    assert_eq!((votes, record.waited), (Some(1), Some(Waited { total: Span::seconds(50), since: None })));
}

#[test]
fn a_deadline_that_a_person_must_decide_on_is_counted_from_when_it_passed_and_once() {
    let mut s = trying("canary", 10);
    s.record.waited = Some(BEFORE);
    s.settings.on_failure = OnFailure::Hold;
    s.now = DEADLINE + Span::seconds(40);
    let s = decided(s, Action::Pause);
    assert_eq!(counted(&s), Some((50, true)));
    let mut tried = s.clone();
    tried.decisions = vec![decision(Action::Retry, "ana")];
    assert_eq!(counted(&tried), Some((50, false)), "with all its time again");
    let mut later = s.clone();
    later.record.waited = Some(Waited { total: Span::seconds(50), since: Some(s.now) });
    later.now = s.now + Span::seconds(5);
    later.decisions = vec![decision(Action::Retry, "ana")];
    assert_eq!(counted(&later), Some((55, false)), "what an earlier commit counted is not counted again");
    let mut rolls_back = tried;
    rolls_back.settings.on_failure = OnFailure::Rollback;
    rolls_back.decisions = Vec::new();
    assert_eq!(counted(&rolls_back), Some((10, false)), "nobody was waited for");
}

#[test]
fn the_history_tells_it_when_the_attempt_ends_and_what_comes_after_begins_anew() {
    let mut home = promoting();
    home.record.waited = Some(BEFORE);
    home.world.live_service = points(candidate());
    home.world.routes = routes(Form::Owner);
    let (record, _) = committed(&home);
    assert_eq!(record.history[0].waited, Some(BEFORE.total));
    assert_eq!(record.waited, Some(Waited::default()), "of going back again");

    let mut returned = at_rest();
    returned.record.candidate = Some(release(candidate(), 2));
    returned.record.phase = Phase::Returning { cause: Cause::Superseded, since: ago(5) };
    returned.record.waited = Some(BEFORE);
    let (record, _) = committed(&returned);
    assert_eq!((record.history[0].waited, record.waited), (Some(BEFORE.total), None));
}

#[test]
fn what_is_held_after_promotion_counts_for_going_back_from_it() {
    let mut s = kept();
    s.record.phase = Phase::Rest { outcome: Outcome::Promoted };
    let held = Some(Held { check: "errors".to_owned(), blind: false, detail: String::new(), job: None });
    s.record.watch = Some(Watch { step: "full".to_owned(), until: ago(60), held });
    s.record.waited = Some(Waited { since: Some(ago(40)), ..BEFORE });
    s.decisions = vec![teal_plan::snapshot::DecisionSeen {
        revision: Some(candidate().revision.to_string()),
        ..decision(Action::Rollback, "ana")
    }];
    assert_eq!(counted(&s), Some((50, false)));
    s.decisions = vec![teal_plan::snapshot::DecisionSeen {
        revision: Some(live().revision.to_string()),
        ..decision(Action::Retire, "ana")
    }];
    assert_eq!(counted(&s), None, "nothing is left to go back to");
}

#[test]
fn a_record_without_the_count_can_be_read_and_costs_nothing_in_one() {
    let written = serde_json::to_value(at_rest().record).unwrap();
    assert!(written.get("waited").is_none(), "{written}");
    let read: teal_plan::Record = serde_json::from_value(written).unwrap();
    assert_eq!(read, at_rest().record);
    let vote = Vote { decision: "web-1".to_owned(), user: "ana".to_owned(), via: String::new(), at: NOW };
    let asked = asking(1);
    let voted = at(asked, |place| {
        if let Some(gate) = &mut place.gate {
            gate.votes = vec![vote.clone()];
        }
    });
    let text = serde_json::to_string(&voted.record).unwrap();
    assert_eq!(serde_json::from_str::<teal_plan::Record>(&text).unwrap(), voted.record);
}

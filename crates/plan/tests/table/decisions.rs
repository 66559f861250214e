//! What people decide, and what they are answered.

use teal_plan::outcome::Ruling;
use teal_plan::record::{Cause, Gate, Pause, Phase, Vote};
use teal_plan::settings::Until;
use teal_plan::snapshot::{Action, DecisionSeen, Foreign, Form, Standing};
use teal_plan::{Effect, Snapshot, Time};

use crate::fixture::*;

pub(crate) fn decision(action: Action, user: &str) -> DecisionSeen {
    DecisionSeen {
        name: format!("{action:?}-{user}"),
        uid: format!("uid-{action:?}-{user}"),
        same_rollout: true,
        action,
        revision: Some(candidate().revision.to_string()),
        step: Some("canary".to_owned()),
        nonce: Some("n0".to_owned()),
        evidence: None,
        user: user.to_owned(),
        via: "cli".to_owned(),
        reason: "said so".to_owned(),
    }
}

/// Two approvals are asked for at the first step.
fn asking() -> Snapshot {
    let mut s = reached("canary", 10, LONG_AGO);
    s.record.pinned = vec![("canary".to_owned(), 2)];
    if let Phase::Step(place) = &mut s.record.phase {
        place.gate = Some(Gate { nonce: "n0".to_owned(), opened: LONG_AGO, needed: 2, votes: Vec::new() });
    }
    s
}

fn answer(s: &Snapshot) -> Ruling {
    match effects(s).as_slice() {
        [Effect::Answer { ruling, .. }] => ruling.clone(),
        other => panic!("{other:?}"),
    }
}

fn vote(s: &mut Snapshot, user: &str) {
    let vote =
        Vote { decision: format!("v-{user}"), user: user.to_owned(), via: "cli".to_owned(), at: LONG_AGO };
    if let Phase::Step(place) = &mut s.record.phase {
        place.gate.as_mut().unwrap().votes.push(vote);
    }
}

#[test]
fn an_approval_counts_and_is_then_answered() {
    let mut s = asking();
    s.decisions = vec![decision(Action::Approve, "ana")];
    let (record, _) = committed(&s);
    assert!(matches!(&record.phase, Phase::Step(p) if p.gate.as_ref().unwrap().votes.len() == 1));
    s.record = record;
    assert_eq!(answer(&s), Ruling::Counted);
}

#[test]
fn a_vote_on_evidence_that_nothing_can_be_compared_with_is_refused() {
    for action in [Action::Approve, Action::Reject] {
        let mut s = asking();
        let claimed = Some("sha256:5d".to_owned());
        s.decisions = vec![DecisionSeen { evidence: claimed, ..decision(action, "ana") }];
        let Ruling::Refused { message } = answer(&s) else { panic!("{action:?} was taken") };
        assert!(message.contains("spec.evidence") && message.contains("leave it out"), "{message}");
    }
}

#[test]
fn the_last_approval_and_the_next_step_are_one_commit() {
    let mut s = asking();
    vote(&mut s, "ana");
    s.decisions = vec![decision(Action::Approve, "ben")];
    assert!(matches!(committed(&s).0.phase, Phase::Step(place) if place.step == "full"));
}

#[test]
fn a_yes_moves_nothing_where_another_hand_has_led_traffic_away() {
    let mut s = asking();
    vote(&mut s, "ana");
    s.world.routes.form = Form::Entered(0);
    s.world.routes.foreign = Some(Foreign { manager: "kubectl".to_owned(), before: false, recent: 1 });
    s.decisions = vec![decision(Action::Approve, "ben")];
    let record = committed(&s).0;
    assert!(matches!(&record.phase, Phase::Step(place) if place.step == "canary" && place.weight == 10));
    s.record = record;
    s.decisions = vec![decision(Action::Skip, "ana")];
    let record = committed(&s).0;
    assert!(matches!(&record.phase, Phase::Step(place) if place.step == "canary" && place.gate.is_none()));
    assert_eq!(record.paused, Some(Pause::ForeignHand { manager: "kubectl".to_owned() }));
}

#[test]
fn the_same_person_counts_once() {
    let mut s = asking();
    vote(&mut s, "ana");
    s.decisions = vec![decision(Action::Approve, "ana")];
    assert_eq!(answer(&s), Ruling::AlreadyCounted);
}

#[test]
fn an_approval_of_anything_else_than_the_open_question_is_superseded() {
    let change: [fn(&mut DecisionSeen); 4] = [
        |d| d.revision = Some("r1-01010101".to_owned()),
        |d| d.step = Some("full".to_owned()),
        |d| d.nonce = Some("old".to_owned()),
        |d| d.same_rollout = false,
    ];
    for change in change {
        let mut s = asking();
        let mut d = decision(Action::Approve, "ana");
        change(&mut d);
        s.decisions = vec![d];
        assert!(matches!(answer(&s), Ruling::Superseded { .. }));
    }
}

#[test]
fn one_reject_sends_back() {
    let mut s = asking();
    s.decisions = vec![decision(Action::Reject, "ana")];
    let cause = Cause::Decision { user: "ana".to_owned(), rejected: true, reason: "said so".to_owned() };
    assert_eq!(committed(&s).0.phase, Phase::Returning { cause, since: NOW });
}

#[test]
fn rollback_needs_the_revision_alone() {
    let mut s = asking();
    let mut d = decision(Action::Rollback, "ana");
    (d.step, d.nonce) = (None, None);
    s.decisions = vec![d.clone()];
    assert!(matches!(committed(&s).0.phase, Phase::Returning { .. }));
    s.decisions[0].revision = Some("r9-09090909".to_owned());
    assert!(matches!(answer(&s), Ruling::Superseded { .. }));
}

#[test]
fn rollback_in_keep_time_goes_back_to_the_previous_release_if_it_serves() {
    let mut s = kept();
    s.decisions = vec![decision(Action::Rollback, "ana")];
    let (record, _) = committed(&s);
    assert_eq!(record.live.unwrap().slot, live());
    assert!(record.wanted.unwrap().rejected);
    s.world.blue.serving = vec![0];
    assert!(matches!(answer(&s), Ruling::Refused { .. }));
}

#[test]
fn without_the_policies_only_rollback_and_pause_are_taken() {
    for action in
        [Action::Approve, Action::Reject, Action::Skip, Action::Retry, Action::Resume, Action::Retire]
    {
        let mut s = asking();
        s.world.policies = false;
        s.decisions = vec![decision(action, "ana")];
        assert!(
            matches!(answer(&s), Ruling::Refused { message } if message.contains("policies")),
            "{action:?}"
        );
    }
    for action in [Action::Rollback, Action::Pause] {
        let mut s = asking();
        s.world.policies = false;
        s.decisions = vec![decision(action, "ana")];
        committed(&s);
    }
}

#[test]
fn pause_and_resume() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.decisions = vec![decision(Action::Pause, "ana")];
    let (record, _) = committed(&s);
    assert_eq!(record.paused, Some(Pause::Decision { user: "ana".to_owned() }));
    s.record = record;
    s.decisions.clear();
    assert_eq!(effects(&s), [], "the hold is over, and nothing moves");
    s.decisions = vec![decision(Action::Resume, "ana")];
    assert_eq!(committed(&s).0.paused, None);
}

#[test]
fn a_decision_that_has_no_answer_yet_is_not_judged_again_when_the_next_attempt_starts() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    s.decisions = vec![decision(Action::Resume, "ana")];
    s.record = committed(&s).0;
    s.record = committed(&s).0;
    assert!(matches!(s.record.phase, Phase::Step(_)));
    assert!(
        effects(&s).contains(&Effect::Answer { decision: "Resume-ana".to_owned(), ruling: Ruling::Done })
    );
}

#[test]
fn skip_passes_the_gates_of_the_step_that_it_names() {
    let mut s = asking();
    s.decisions = vec![decision(Action::Skip, "ana")];
    assert!(matches!(committed(&s).0.phase, Phase::Step(place) if place.step == "full"));
    s.decisions[0].step = Some("full".to_owned());
    assert!(matches!(answer(&s), Ruling::Superseded { .. }));
}

#[test]
fn retry_tries_a_rejected_revision_again() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.record.wanted = Some(teal_plan::record::Wanted {
        hash: content(2),
        revision: candidate().revision,
        rejected: true,
        attempts: 1,
    });
    s.decisions = vec![decision(Action::Retry, "ana")];
    s.record = committed(&s).0;
    s.decisions.clear();
    let (record, _) = committed(&s);
    assert_eq!(record.candidate.unwrap().attempt, 2);
}

#[test]
fn retire_ends_the_keep_time_now() {
    let mut s = kept();
    let mut d = decision(Action::Retire, "ana");
    d.revision = Some(live().revision.to_string());
    s.decisions = vec![d];
    s.record = committed(&s).0;
    assert_eq!((s.record.previous, s.record.kept_until), (None, None), "nobody can go back to it any more");
    s.decisions.clear();
    assert_eq!(effects(&s), [Effect::Vacate { color: live().color, except: None }]);
}

#[test]
fn a_yes_moves_nothing_while_a_guard_has_failed_or_is_blind_or_other_content_is_wanted() {
    let unsound: [fn(&mut Snapshot); 3] = [
        |s| s.checks = vec![standing("payments", Standing::Fail)],
        |s| s.checks = vec![standing("payments", Standing::Blind)],
        |s| s.settings.wanted = Some(content(3)),
    ];
    for change in unsound {
        let mut s = asking();
        vote(&mut s, "ana");
        s.settings.guards = vec![guard("payments", Until::Promoted)];
        change(&mut s);
        s.decisions = vec![decision(Action::Approve, "ben")];
        let (record, _) = committed(&s);
        assert!(matches!(&record.phase, Phase::Step(place) if place.step == "canary"), "{:?}", record.phase);
    }
}

#[test]
fn skip_leads_past_no_failed_guard_and_no_pause() {
    let mut s = asking();
    s.decisions = vec![decision(Action::Skip, "ana")];
    let mut failed = s.clone();
    failed.settings.guards = vec![guard("payments", Until::Promoted)];
    failed.checks = vec![standing("payments", Standing::Fail)];
    assert!(matches!(committed(&failed).0.phase, Phase::Returning { cause: Cause::Guard { .. }, .. }));
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    assert!(matches!(answer(&s), Ruling::Refused { message } if message.contains("resume it first")));
}

#[test]
fn who_resumes_gives_the_step_its_whole_time_again() {
    let mut s = trying("canary", 10);
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    s.now = Time(DEADLINE.0 + 1);
    s.decisions = vec![decision(Action::Resume, "ana")];
    s.record = committed(&s).0;
    s.decisions.clear();
    assert!(!effects(&s).is_empty(), "it goes on, and back nowhere");
    let mut s = promoting();
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    s.now = Time(DEADLINE.0 + 1);
    s.decisions = vec![decision(Action::Resume, "ana")];
    assert_eq!(committed(&s).0.phase, Phase::Promoting { deadline: s.now + s.settings.progress_deadline });
}

#[test]
fn what_was_approved_is_not_asked_again_under_another_name() {
    let mut s = asking();
    vote(&mut s, "ana");
    s.decisions = vec![decision(Action::Approve, "ben")];
    assert!(committed(&s).0.pinned.is_empty(), "of a step that was passed");
    let mut s = asking();
    s.record.pinned = vec![("gone".to_owned(), 2)];
    vote(&mut s, "ana");
    vote(&mut s, "ben");
    let (record, _) = committed(&s);
    assert!(matches!(&record.phase, Phase::Step(place) if place.step == "full"), "{:?}", record.phase);
    assert!(record.pinned.is_empty(), "of a step that is no more, once the one in its place was passed");
}

#[test]
fn a_refused_decision_holds_up_nothing() {
    let mut s = asking();
    s.decisions = vec![decision(Action::Retry, "eve"), decision(Action::Rollback, "ana")];
    s.decisions[0].revision = None;
    assert!(matches!(committed(&s).0.phase, Phase::Returning { .. }));
}

/// The owner applied the routes again in the meantime; Teal entered them and, paused, could not raise.
#[test]
fn a_pause_stops_the_clock_of_a_weight_that_was_lost_meanwhile() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.routes = routes(Form::Entered(0));
    s.world.routes.since = Time(NOW.0 - 3_600_000);
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    assert_eq!(effects(&s), []);
    s.decisions = vec![decision(Action::Resume, "ana")];
    s.record = committed(&s).0;
    s.decisions.clear();
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
}

/// Ten minutes at nothing are no ten minutes at 10 %.
#[test]
fn a_weight_that_was_lost_in_a_pause_is_held_and_judged_from_its_beginning() {
    let mut s = reached("canary", 10, Time(NOW.0 - 61_000));
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    s.checks = vec![standing("errors", Standing::Pass)];
    s.world.routes = routes(Form::Entered(0));
    s.world.routes.since = Time(NOW.0 - 60_000);
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    s.decisions = vec![decision(Action::Resume, "ana")];
    s.record = committed(&s).0;
    s.decisions.clear();
    // The weight is back for as long as proxies need.
    s.world.routes = routes(Form::Entered(10));
    s.world.routes.since = Time(NOW.0 - 2_000);
    let (record, _) = committed(&s);
    let Phase::Step(place) = &record.phase else { panic!("{:?}", record.phase) };
    assert_eq!((place.step.as_str(), place.reached, place.lost), ("canary", Some(NOW), None));
}

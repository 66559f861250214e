//! With hands off nothing is written but the status, and its time doesn't count.

use teal_plan::record::{Pause, Phase, Record};
use teal_plan::settings::{Mode, OnFailure, Until};
use teal_plan::snapshot::{Action, Form, Objects, Standing};
use teal_plan::{Decision, Snapshot, Span, Why, plan};

use crate::fixture::*;

#[test]
fn hands_off_means_nothing_is_done_and_what_would_be_is_said() {
    let mut starts = at_rest();
    starts.settings.wanted = Some(content(2));
    let mut drifted = at_rest();
    drifted.world.live_service.points = None;
    let mut raised = trying("canary", 10);
    raised.world.finalizer = true;
    raised.world.green = present(candidate());
    raised.world.routes = routes(Form::Entered(0));
    raised.world.candidate_service = points(candidate());
    let mut failed = reached("canary", 10, LONG_AGO);
    failed.settings.guards = vec![guard("payments", Until::Promoted)];
    failed.checks = vec![standing("payments", Standing::Fail)];
    let mut left = at_rest();
    left.world.blue.objects = Objects::Leftover;
    for (s, said) in [
        (left, "it would take out of blue what is not of r1-01010101"),
        (at_rest(), "nothing would be done now anyway"),
        (starts, "it would decide: r2-02020202 is brought up"),
        (drifted, "it would point the live Services at r1-01010101 (blue)"),
        (raised, "it would raise the candidate to 10 %"),
        (failed, "traffic goes back to live, because guard payments failed"),
    ] {
        let mut s = s;
        s.settings.mode = Mode::HandsOff;
        let says = |s: &Snapshot| {
            let plan = checked(s);
            let message = teal_plan::report::report(s, &plan).message;
            assert!(message.contains("HandsOff") && message.contains(said), "{message}");
            plan.decision
        };
        if let Decision::Commit(commit) = says(&s) {
            s.record = commit.record;
        }
        assert_eq!(says(&s), Decision::Rest, "{said}");
    }
}

/// The deadline is far gone when hands are on again; the last of them lost its weight to a hand meanwhile.
#[test]
fn the_deadline_does_not_run_while_hands_are_off() {
    let mut lost = reached("canary", 10, LONG_AGO);
    lost.world.routes = routes(Form::Owner);
    let mut installing = at_rest();
    installing.record.phase = Phase::Installing { deadline: DEADLINE };
    installing.world.blue.available = false;
    for (what, s) in [
        ("a candidate that starts", trying("canary", 10)),
        ("a promotion", promoting()),
        ("a first install", installing),
        ("a weight that is gone", lost),
    ] {
        let mut s = seated(s);
        s.settings.on_failure = OnFailure::Hold;
        s.settings.mode = Mode::HandsOff;
        s.decisions = vec![crate::decisions::decision(Action::Rollback, "ana")];
        let (record, notices) = committed(&s);
        let as_before =
            Record { epoch: s.record.epoch, paused: None, lengths: s.record.lengths, ..record.clone() };
        assert_eq!((as_before, notices), (s.record.clone(), vec![]), "{what}: nothing else is decided");
        s.record = record;
        s.now = DEADLINE + Span::seconds(3600);
        assert_eq!(checked(&s).decision, Decision::Rest, "{what}");
        s.decisions.clear();
        s.settings.mode = Mode::Active;
        s.record = committed(&s).0;
        assert_eq!(s.record.paused, None, "{what}");
        let held = |s: &Snapshot| {
            let late = |why: &Why| matches!(why, Why::HeldByDeadline { .. } | Why::InstallLate);
            plan(s).why.iter().any(late)
        };
        assert!(!held(&s), "{what}: its whole time is before it");
        s.now = s.now + s.settings.progress_deadline + Span(1);
        assert!(held(&s), "{what}");
    }
}

#[test]
fn what_was_decided_while_hands_were_off_is_followed_once_they_are_on() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.record.paused = Some(Pause::Spec);
    s.decisions = vec![crate::decisions::decision(Action::Skip, "ana")];
    assert!(matches!(committed(&s).0.phase, Phase::Step(place) if place.step == "full"));
}

/// One by a person outlasts it, and is none of the spec's.
#[test]
fn a_pause_by_a_person_outlasts_hands_off() {
    let mut s = trying("canary", 10);
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    s.settings.mode = Mode::HandsOff;
    assert_eq!(checked(&s).decision, Decision::Rest, "the clock stands already");
}

#[test]
fn hands_off_says_something_else_when_a_wait_is_over() {
    let mut s = reached("canary", 10, NOW);
    let wake = checked(&s).wake_at;
    s.settings.mode = Mode::HandsOff;
    s.record = committed(&s).0;
    assert!(wake.is_some());
    assert_eq!(checked(&s).wake_at, wake);
}

#[test]
fn nobody_is_asked_while_no_decision_is_taken() {
    let asked = |s: &Snapshot| {
        let report = teal_plan::report::report(s, &checked(s));
        let awaiting = report.conditions.into_iter().find(|c| c.kind == "AwaitingDecision").unwrap();
        (awaiting.status, report.waiting_for)
    };
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.steps[0].approvals = Some(1);
    s.record = committed(&s).0;
    let open = (true, Some("approval (0/1)".to_owned()));
    assert_eq!(asked(&s), open);
    s.settings.mode = Mode::HandsOff;
    assert_eq!(asked(&s), (false, None));
    s.settings.mode = Mode::Active;
    s.world.obstacles = vec![ends()];
    assert_eq!(asked(&s), (false, Some("NamespaceTerminating".to_owned())));
}

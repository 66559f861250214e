//! Windows, the stop switch, startAt and the queue: what keeps a Rollout from moving forward although nobody paused it.

use teal_plan::record::{Pause, Phase};
use teal_plan::report::{Report, report};
use teal_plan::settings::{Halt, HaltedBy, Until};
use teal_plan::snapshot::{Action, Standing};
use teal_plan::{Decision, Snapshot, Time, Why};

use crate::decisions::decision;
use crate::fixture::*;
use crate::install::nothing;

const ENDS: Time = Time(NOW.0 + 3_600_000);

fn window() -> Halt {
    let by = HaltedBy::Window { window: "0 18 * * FRI for 62h".to_owned(), ends: "Monday".to_owned() };
    Halt { by, until: Some(ENDS) }
}

fn switch() -> Halt {
    let by = HaltedBy::Switch { object: "ConfigMap teal/teal-stop".to_owned(), reason: "fire".to_owned() };
    Halt { by, until: None }
}

fn start_at() -> Halt {
    Halt { by: HaltedBy::StartAt { at: "Monday".to_owned() }, until: Some(ENDS) }
}

fn queued() -> Halt {
    let by = HaltedBy::Queue { place: 3, limit: 5, namespace: Some("shop".to_owned()) };
    Halt { by, until: None }
}

fn told(s: &Snapshot) -> Report {
    report(s, &checked(s))
}

/// Another content is wanted, and nothing of it is there.
fn wanting() -> Snapshot {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s
}

#[test]
fn no_rollout_starts_under_any_of_them_and_each_says_what_to_do() {
    for (halt, for_start, word, says) in [
        (window(), false, "window", "until Monday, as spec.windows says (0 18 * * FRI for 62h)"),
        (
            switch(),
            false,
            "stop switch",
            "stopped by ConfigMap teal/teal-stop (fire): they go on once it is deleted",
        ),
        (start_at(), true, "startAt", "starts at Monday, as spec.startAt says"),
        (queued(), true, "queue (3)", "at place 3: no more than 5 may be under way in namespace shop"),
    ] {
        for mut s in [wanting(), nothing()] {
            if for_start {
                s.settings.start = Some(halt.clone());
            } else {
                s.settings.halt = Some(halt.clone());
            }
            let plan = checked(&s);
            assert_eq!((&plan.decision, plan.wake_at), (&Decision::Rest, halt.until), "{word}");
            let report = told(&s);
            assert_eq!((report.phase, report.waiting_for.as_deref()), ("Paused", Some(word)));
            assert!(report.message.contains(says), "{}", report.message);
        }
    }
}

#[test]
fn what_only_keeps_rollouts_from_starting_lets_one_go_on_that_is_under_way() {
    let mut s = reached("canary", 10, Time(NOW.0 - 61_000));
    s.settings.start = Some(queued());
    let Phase::Step(place) = committed(&s).0.phase else { panic!("no step") };
    assert_eq!(place.step, "full");
}

#[test]
fn a_window_holds_a_step_whose_gates_hold_and_its_end_lets_it_go_on() {
    let mut s = reached("canary", 10, Time(NOW.0 - 61_000));
    s.settings.halt = Some(window());
    let (record, _) = committed(&s);
    assert_eq!(record.paused, Some(Pause::Spec), "its beginning is committed, for the clock");
    s.record = record;
    let plan = checked(&s);
    assert_eq!((&plan.decision, plan.wake_at), (&Decision::Rest, Some(ENDS)));
    assert_eq!((told(&s).phase, told(&s).waiting_for.as_deref()), ("Paused", Some("window")));
    (s.settings.halt, s.now) = (None, ENDS);
    let (record, _) = committed(&s);
    assert_eq!(record.paused, None);
    assert!(
        matches!(&record.phase, Phase::Step(place) if place.deadline == ENDS + s.settings.progress_deadline)
    );
}

#[test]
fn the_beginning_of_the_next_window_is_looked_at_in_the_middle_of_a_rollout_alone() {
    let begins = Time(NOW.0 + 5_000);
    let mut s = reached("canary", 10, Time(NOW.0 - 1_000));
    s.settings.halts_at = Some(begins);
    assert_eq!(checked(&s).wake_at, Some(begins));
    let mut resting = at_rest();
    resting.settings.halts_at = Some(begins);
    assert_eq!(checked(&resting).wake_at, None);
}

#[test]
fn going_back_passes_all_of_them() {
    for halt in [window(), switch()] {
        let mut s = reached("canary", 10, LONG_AGO);
        (s.settings.halt, s.settings.start, s.record.paused) =
            (Some(halt), Some(queued()), Some(Pause::Spec));
        let mut guarded = s.clone();
        guarded.settings.guards = vec![guard("payments", Until::Promoted)];
        guarded.checks = vec![standing("payments", Standing::Fail)];
        assert!(matches!(committed(&guarded).0.phase, Phase::Returning { .. }));
        s.decisions = vec![decision(Action::Rollback, "ana")];
        assert!(matches!(committed(&s).0.phase, Phase::Returning { .. }));
    }
}

#[test]
fn nothing_is_said_at_rest_where_nothing_is_wanted() {
    let mut s = at_rest();
    let before = told(&s);
    (s.settings.halt, s.settings.start) = (Some(window()), Some(start_at()));
    assert_eq!(told(&s), before);
    assert_eq!(checked(&s).why, [Why::AtRest]);
}

#[test]
fn resume_and_skip_are_answered_with_what_holds() {
    let answer = |s: &Snapshot| format!("{:?}", checked(s).decision);
    let mut s = reached("canary", 10, LONG_AGO);
    (s.settings.halt, s.record.paused) = (Some(switch()), Some(Pause::Spec));
    s.decisions = vec![decision(Action::Resume, "ana")];
    assert!(answer(&s).contains("nobody paused the Rollout: all Rollouts are stopped by"), "{}", answer(&s));
    let mut skip = decision(Action::Skip, "ana");
    skip.step = Some("canary".to_owned());
    s.decisions = vec![skip];
    assert!(answer(&s).contains("nothing moves forward now: all Rollouts are stopped by"), "{}", answer(&s));
}

//! What a deadline says that it passed over.

use teal_plan::record::{Cause, Phase};
use teal_plan::settings::OnFailure;
use teal_plan::snapshot::{Foreign, Form, Obstacle, Stops};
use teal_plan::{Snapshot, Span, Time, Why};

use crate::fixture::*;

fn with(mut s: Snapshot, change: impl Fn(&mut Snapshot)) -> Snapshot {
    change(&mut s);
    s
}

/// What the deadline of a plan that goes back passed over.
fn passed_over(s: &Snapshot) -> String {
    let phase = committed(s).0.phase;
    let Phase::Returning { cause: Cause::Deadline { waiting_for }, .. } = phase else { panic!("{phase:?}") };
    waiting_for
}

/// A raise from 10 %, and a promotion: both are late, and nothing but the next write is missing.
fn late() -> [Snapshot; 2] {
    let raise = with(trying("full", 100), |s| {
        s.world.finalizer = true;
        s.world.green = present(candidate());
        s.world.candidate_service = points(candidate());
        s.world.routes = routes(Form::Entered(10));
    });
    [raise, promoting()].map(|s| with(s, |s| s.now = DEADLINE + Span::seconds(1)))
}

#[test]
fn a_deadline_that_passed_over_a_refused_write_names_it_and_not_the_motion() {
    let met = |reason: &str, stops| Obstacle {
        reason: reason.to_owned(),
        message: format!("{reason}: correct it"),
        stops,
    };
    for s in late() {
        for reason in ["RouteUnsupported", "NotPermitted", "ServiceUnsupported", "WriteFails"] {
            let refused = with(s.clone(), |s| {
                s.world.obstacles =
                    vec![met("JudgedByTimeOnly", Stops::Nothing), met(reason, Stops::Nothing)];
            });
            assert_eq!(passed_over(&refused), format!("{reason}: correct it"));
        }
        let stopped = with(s.clone(), |s| s.world.obstacles = vec![met("HostNotExported", Stops::Rollout)]);
        assert_eq!(passed_over(&stopped), "HostNotExported: correct it");
        let warned = with(s, |s| s.world.obstacles = vec![met("JudgedByTimeOnly", Stops::Nothing)]);
        assert!(!passed_over(&warned).contains("JudgedByTimeOnly"), "a mere warning");
    }
}

#[test]
fn a_deadline_that_passed_over_something_missing_names_what_is_missing_first() {
    for s in late() {
        let short = with(s, |s| {
            s.world.green.serving = vec![1];
            s.world.routes.foreign = Some(Foreign {
                manager: "argo".to_owned(),
                before: true,
                raised: false,
                lowered: false,
                recent: 1,
            });
        });
        assert!(passed_over(&short).contains("has 1 ready endpoints and needs 3"), "{}", passed_over(&short));
    }
}

#[test]
fn a_deadline_that_passed_over_failing_writes_before_anything_was_there_names_them() {
    let fails = Obstacle {
        reason: "WriteFails".to_owned(),
        message: "RaiseWeight fails again and again: the webhook does not answer".to_owned(),
        stops: Stops::Nothing,
    };
    let s = with(trying("canary", 10), |s| {
        s.now = DEADLINE + Span::seconds(1);
        s.world.obstacles = vec![fails.clone()];
    });
    assert_eq!(passed_over(&s), fails.message);
}

/// However often the process is made anew: its first look gives two minutes and time for proxies, or the whole deadline where that
/// is shorter.
#[test]
fn what_is_late_goes_back_soon_after_somebody_looks_again() {
    for (mut s, deadline, soon) in late().into_iter().flat_map(|s| [(s.clone(), 600, 126), (s, 60, 60)]) {
        s.settings.progress_deadline = Span::seconds(deadline);
        s.world.green.available = false;
        s.world.routes = routes(Form::Entered(0));
        s.watched_since = DEADLINE + Span::seconds(3_600);
        let until = s.watched_since + Span::seconds(soon);
        s.now = until;
        let plan = checked(&s);
        assert_eq!(plan.wake_at, Some(Time(until.0 + 1)), "{plan:?}");
        assert_eq!(teal_plan::report::report(&s, &plan).deadline, Some(until), "as it is told");
        s.now = Time(until.0 + 1);
        assert_eq!(passed_over(&s), "waits for the pods of r2-02020202 (green)");
    }
}

/// It stands for hours, and would go and come again with each restart.
#[test]
fn that_a_person_is_to_decide_after_a_deadline_is_said_at_the_first_look() {
    for mut s in late() {
        s.settings.on_failure = OnFailure::Hold;
        s.world.routes = routes(Form::Broken);
        s.watched_since = s.now;
        let plan = checked(&s);
        assert!(matches!(plan.why[0], Why::HeldByDeadline { .. }), "{plan:?}");
    }
}

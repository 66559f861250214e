//! What a deadline says that it passed over.

use teal_plan::record::{Cause, Phase};
use teal_plan::snapshot::{Foreign, Form, Obstacle, Stops};
use teal_plan::{Snapshot, Span};

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

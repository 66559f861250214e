//! Before the first weight metrics are asked whether they could judge the candidate at all.

use teal_plan::outcome::{Effect, Why};
use teal_plan::settings::Until;
use teal_plan::snapshot::{Form, Snapshot, Standing, Stops};
use teal_plan::{Phase, probes, unanswered};

use crate::fixture::*;

/// Everything but an answer is there for the raise to 10 %.
fn ready() -> Snapshot {
    let mut s = trying("canary", 10);
    s.world.finalizer = true;
    s.world.green = present(candidate());
    s.world.routes = routes(Form::Entered(0));
    s.world.candidate_service = points(candidate());
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    s.settings.steps[1].checks = vec!["latency".to_owned(), "errors".to_owned()];
    s.settings.guards = vec![guard("payments", Until::Promoted)];
    for step in &mut s.settings.steps {
        step.hold = teal_plan::Span::seconds(60);
    }
    seated(s)
}

fn answered() -> Vec<(String, teal_plan::snapshot::CheckSeen)> {
    ["errors", "latency", "payments"].map(|check| standing(check, Standing::Pending)).to_vec()
}

/// A check that its source gave no answer to.
fn unusable(check: &str) -> (String, teal_plan::snapshot::CheckSeen) {
    let (name, mut seen) = blind(check, Standing::Pending);
    "SourceSlow".clone_into(&mut seen.trouble.as_mut().unwrap().reason);
    (name, seen)
}

fn probing(s: &Snapshot) -> Option<Vec<String>> {
    checked(s).why.iter().find_map(|why| match why {
        Why::Probing { checks } => Some(checks.clone()),
        _ => None,
    })
}

#[test]
fn no_weight_is_given_before_each_check_and_guard_has_an_answer() {
    let mut s = ready();
    assert!(probes(&s));
    assert_eq!(checked(&s).measure, ["errors", "latency", "payments"]);
    assert_eq!(effects(&s), []);
    assert_eq!(probing(&s).unwrap(), ["errors", "latency", "payments"]);
    s.checks = answered();
    s.checks.retain(|(check, _)| check != "latency");
    assert_eq!((effects(&s), probing(&s).unwrap()), (vec![], vec!["latency".to_owned()]), "of a later step");
    s.checks = answered();
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
    assert_eq!(probing(&s), None);
}

#[test]
fn no_route_is_entered_before_either_while_pods_start() {
    let mut s = ready();
    s.world.routes = routes(Form::Owner);
    s.world.green = absent();
    assert!(!effects(&s).contains(&Effect::EnterRoutes));
    assert!(
        effects(&s).iter().any(|effect| matches!(effect, Effect::ApplyRelease { .. })),
        "it costs no time"
    );
    s.checks = answered();
    assert!(effects(&s).contains(&Effect::EnterRoutes));
}

#[test]
fn nor_is_the_live_role_turned_where_there_is_no_mesh() {
    let mut s = ready();
    s.settings.routed = false;
    s.world.routes = routes(Form::Unrouted);
    s.settings.steps.remove(0);
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    if let Phase::Step(place) = &mut s.record.phase {
        (place.step, place.weight) = ("full".to_owned(), 100);
    }
    let mut s = seated(s);
    assert_eq!(effects(&s), []);
    s.checks = answered();
    assert_eq!(effects(&s), [Effect::PointLive(candidate())]);
}

#[test]
fn what_can_not_be_answered_is_in_the_way_and_stops_the_clock() {
    let mut s = ready();
    s.checks = answered();
    s.checks[1] = unusable("latency");
    let [obstacle] = &unanswered(&s)[..] else { panic!("one obstacle") };
    assert_eq!((obstacle.reason.as_str(), obstacle.stops), ("SourceSlow", Stops::Rollout));
    assert!(obstacle.message.starts_with("spec.checks[latency].query: "), "{}", obstacle.message);
    s.world.obstacles = unanswered(&s);
    let (record, _) = committed(&s);
    assert!(record.blocked_since.is_some());
}

#[test]
fn once_the_candidate_has_requests_answers_are_judged_and_nothing_is_probed() {
    let mut s = ready();
    s.checks = answered();
    s.checks[0] = unusable("errors");
    s.world.routes = routes(Form::Entered(10));
    assert!(!probes(&s));
    assert_eq!(unanswered(&s), []);
    let mut s = reached("canary", 10, LONG_AGO);
    s.checks = vec![unusable("errors")];
    assert!(!probes(&s));
    assert_eq!(unanswered(&s), []);
}

#[test]
fn at_a_weight_of_0_its_own_checks_are_judged_and_the_next_step_probes_again() {
    let mut s = reached("canary", 0, LONG_AGO);
    s.settings.steps[0].weight = 0;
    s.settings.steps[1].checks = vec!["errors".to_owned()];
    assert!(!probes(&s));
    if let Phase::Step(place) = &mut s.record.phase {
        (place.step, place.weight, place.reached) = ("full".to_owned(), 100, None);
    }
    let s = seated(s);
    assert!(probes(&s));
    assert_eq!(checked(&s).measure, ["errors"]);
}

#[test]
fn all_traffic_at_once_is_a_first_weight_too() {
    let mut s = reached("canary", 0, LONG_AGO);
    s.settings.steps[0].weight = 0;
    s.settings.guards = vec![guard("payments", Until::Promoted)];
    let mut s = seated(s);
    let (record, _) = committed(&s);
    assert!(matches!(&record.phase, Phase::Step(place) if place.step == "full"), "{:?}", record.phase);
    s.record = record;
    assert_eq!((effects(&s), probing(&s).unwrap()), (vec![], vec!["payments".to_owned()]));
    s.checks = answered();
    assert_eq!(effects(&s), [Effect::RaiseWeight(100)]);
}

#[test]
fn a_weight_that_was_there_is_given_back_without_asking() {
    let mut s = ready();
    if let Phase::Step(place) = &mut s.record.phase {
        place.lost = Some(LONG_AGO);
    }
    s.checks = vec![unusable("errors")];
    assert!(!probes(&s));
    assert_eq!(unanswered(&s), []);
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
}

#[test]
fn a_correction_on_the_way_to_a_later_step_waits_for_nobody() {
    let mut s = ready();
    if let Phase::Step(place) = &mut s.record.phase {
        (place.step, place.weight, place.terms) = ("full".to_owned(), 100, s.settings.steps[1].terms());
    }
    s.world.routes = routes(Form::Owner);
    s.checks = vec![unusable("errors")];
    assert!(!probes(&s));
    assert_eq!(unanswered(&s), []);
    assert_eq!(effects(&s), [Effect::EnterRoutes]);
}

#[test]
fn that_nothing_is_known_yet_ends_no_obstacle() {
    let mut s = ready();
    s.world.routes = routes(Form::Owner);
    s.record.blocked_since = Some(LONG_AGO);
    assert_eq!((effects(&s), probing(&s).is_some()), (vec![], true), "as after a restart");
}

//! Rule 11: a Service that is reached from outside selects both revisions for a time before it is turned.

use teal_plan::record::{Cause, Pause, Phase};
use teal_plan::settings::{Mode, Until};
use teal_plan::snapshot::{Form, Overlap, Standing, Stops};
use teal_plan::{Effect, Snapshot, Span, Time, Why};

use crate::fixture::*;

const LASTS: Span = Span::seconds(30);

/// Services need an overlap and select live alone.
fn needed() -> Overlap {
    Overlap { lasts: LASTS, selected: false, since: None }
}

/// They select both revisions, observed since then.
fn lap(s: &mut Snapshot, since: Option<Time>) {
    s.world.live_service.points = None;
    s.world.live_service.settled = false;
    s.world.overlap = Some(Overlap { lasts: LASTS, selected: true, since });
}

fn overlapping(since: Option<Time>) -> Snapshot {
    let mut s = promoting();
    lap(&mut s, since);
    s
}

/// An overlap that began then, or one that is still to begin.
fn begun_or_not(since: Option<Time>) -> Snapshot {
    let mut s = overlapping(since);
    if since.is_none() {
        s.world.live_service = points(live());
        s.world.overlap = Some(needed());
    }
    s
}

/// Without a mesh, at the last step, which is not reached yet.
fn unrouted() -> Snapshot {
    let mut s = trying("full", 100);
    s.settings.routed = false;
    s.world.green = present(candidate());
    s.world.candidate_service = points(candidate());
    s.world.routes = routes(Form::Unrouted);
    s.world.overlap = Some(needed());
    s
}

fn ago(seconds: i64) -> Time {
    Time(NOW.0 - seconds * 1000)
}

#[test]
fn rule_11_the_live_role_selects_both_revisions_before_it_is_turned() {
    let mut s = promoting();
    s.world.overlap = Some(needed());
    assert_eq!(effects(&s), [Effect::Overlap(candidate())]);
    assert_eq!(checked(&s).why[1], Why::Overlapping { lasts: LASTS, until: None });
    assert!(checked(&s).goes_forward(&s.record));
}

#[test]
fn rule_11_the_overlap_lasts_from_when_it_is_observed() {
    let s = overlapping(None);
    assert_eq!(effects(&s), [], "written, and not every address is known yet");
    let s = overlapping(Some(ago(29)));
    assert_eq!(effects(&s), []);
    let until = Time(NOW.0 + 1_000);
    assert_eq!(checked(&s).why[1], Why::Overlapping { lasts: LASTS, until: Some(until) });
    assert_eq!(checked(&s).wake_at, Some(until));
    assert_eq!(effects(&overlapping(Some(ago(30)))), [Effect::PointLive(candidate())]);
}

#[test]
fn rule_11_where_no_service_needs_it_the_live_role_is_turned_in_one_write() {
    assert_eq!(effects(&promoting()), [Effect::PointLive(candidate())]);
    let mut accepted = overlapping(Some(ago(1)));
    accepted.world.overlap = None;
    assert_eq!(effects(&accepted), [Effect::PointLive(candidate())], "its owner gives consent meanwhile");
}

#[test]
fn rule_11_an_overlap_begins_and_ends_only_while_all_weight_is_at_the_candidate_long_enough() {
    for since in [None, Some(ago(30))] {
        let mut s = begun_or_not(since);
        s.world.routes.since = Time(NOW.0 - 1_000);
        assert_eq!(effects(&s), []);
        s.world.routes = routes(Form::Entered(10));
        assert_eq!(effects(&s), [Effect::RaiseWeight(100)]);
        s.world.routes = routes(Form::Owner);
        assert_eq!(effects(&s), [Effect::EnterRoutes]);
    }
}

#[test]
fn rule_11_an_overlap_neither_begins_nor_ends_while_paused_or_past_an_obstacle() {
    for since in [None, Some(ago(30))] {
        let mut paused = begun_or_not(since);
        let mut blocked = paused.clone();
        paused.settings.mode = Mode::Paused;
        paused.record.paused = Some(Pause::Spec);
        blocked.world.obstacles = vec![obstacle(Stops::Rollout)];
        assert_eq!((effects(&paused), effects(&blocked)), (Vec::new(), Vec::new()));
    }
}

#[test]
fn rule_11_a_selector_that_another_hand_wrote_meanwhile_begins_the_overlap_anew() {
    let mut s = overlapping(None);
    s.world.overlap = Some(needed());
    assert_eq!(effects(&s), [Effect::Overlap(candidate())]);
    s.world.live_service = points(live());
    assert_eq!(effects(&s), [Effect::Overlap(candidate())], "also one that leads to live alone");
}

#[test]
fn rule_11_going_back_needs_no_overlap() {
    for since in [None, Some(ago(1)), Some(ago(30))] {
        let mut s = overlapping(since);
        s.record.epoch = 8;
        s.record.phase = Phase::Returning { cause: Cause::Cancelled, since: NOW };
        let all = [Effect::PointLive(live()), Effect::PointCandidate(live()), Effect::LowerWeight(0)];
        assert_eq!(effects(&s), all);
    }
    let mut turned = promoting();
    turned.world.live_service = points(candidate());
    turned.world.overlap = Some(needed());
    turned.record.phase = Phase::Returning { cause: Cause::Cancelled, since: NOW };
    assert!(effects(&turned).contains(&Effect::PointLive(live())), "after the turn as well");
}

#[test]
fn rule_11_what_fails_during_the_overlap_leads_back() {
    let mut s = overlapping(Some(ago(1)));
    s.settings.guards = vec![guard("errors", Until::Promoted)];
    assert_eq!(checked(&s).measure, ["errors"]);
    s.checks = vec![standing("errors", Standing::Fail)];
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Guard { .. }, .. }));
    let mut s = overlapping(Some(ago(1)));
    s.settings.wanted = Some(content(1));
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Cancelled, .. }));
}

#[test]
fn rule_11_the_time_of_the_overlap_is_not_late() {
    let mut s = overlapping(Some(DEADLINE));
    s.now = DEADLINE + Span::seconds(29);
    assert_eq!(effects(&s), [], "while it runs");
    s.now = DEADLINE + Span::seconds(30);
    assert_eq!(effects(&s), [Effect::PointLive(candidate())]);
    let mut stuck = overlapping(None);
    stuck.now = DEADLINE + Span::seconds(30);
    assert_eq!(checked(&stuck).wake_at, Some(Time(stuck.now.0 + 1)));
    stuck.now = Time(stuck.now.0 + 1);
    let phase = committed(&stuck).0.phase;
    let Phase::Returning { cause: Cause::Deadline { waiting_for }, .. } = phase else { panic!("{phase:?}") };
    assert!(waiting_for.starts_with("the live Services select both revisions for 30 s"), "{waiting_for}");
}

/// As it does whenever the Service is written, say by a cloud controller.
#[test]
fn rule_11_an_overlap_that_began_anew_after_the_deadline_ends_in_the_promotion() {
    let mut s = overlapping(Some(DEADLINE + Span::seconds(600)));
    s.now = DEADLINE + Span::seconds(630);
    assert_eq!(effects(&s), [Effect::PointLive(candidate())]);
}

#[test]
fn rule_11_without_a_mesh_the_switch_passes_through_the_overlap() {
    let mut s = unrouted();
    assert_eq!(effects(&s), [Effect::Overlap(candidate())]);
    lap(&mut s, None);
    assert_eq!(effects(&s), []);
    lap(&mut s, Some(ago(29)));
    assert_eq!(effects(&s), [], "live is not led home from it");
    lap(&mut s, Some(ago(30)));
    assert_eq!(effects(&s), [Effect::PointLive(candidate())]);
    s.now = DEADLINE + Span::seconds(20);
    lap(&mut s, Some(DEADLINE));
    assert_eq!(effects(&s), [], "nor is it late");
}

#[test]
fn rule_11_without_a_mesh_guards_watch_from_the_overlap_on() {
    let mut s = unrouted();
    s.settings.guards = vec![guard("errors", Until::Promoted)];
    assert!(teal_plan::probes(&s));
    lap(&mut s, Some(ago(1)));
    assert!(!teal_plan::probes(&s));
    assert_eq!(checked(&s).measure, ["errors"]);
    s.checks = vec![standing("errors", Standing::Fail)];
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Guard { .. }, .. }));
}

#[test]
fn rule_11_an_overlap_before_the_last_step_is_led_home() {
    let mut s = reached("canary", 10, LONG_AGO);
    lap(&mut s, Some(ago(30)));
    assert_eq!(effects(&s), [Effect::PointLive(live())]);
    let mut s = unrouted();
    s.settings.steps[0].weight = 0;
    s.record.phase = trying("canary", 0).record.phase;
    lap(&mut s, Some(ago(30)));
    assert_eq!(effects(&s), [Effect::PointLive(live())]);
    let mut s = at_rest();
    lap(&mut s, Some(ago(30)));
    assert_eq!(effects(&s), [Effect::PointLive(live())]);
}

#[test]
fn rule_11_it_is_said_that_both_revisions_are_selected() {
    let s = overlapping(Some(ago(1)));
    let report = teal_plan::report::report(&s, &checked(&s));
    let said = "r2-02020202 (green) becomes live; the live Services select both revisions for 30 s before they are turned, so \
                that what leads to them from outside learns of the new pods";
    assert_eq!((report.phase, report.message.as_str()), ("Promoting", said));
    assert_eq!(report.waiting_for.as_deref(), Some("overlap"));
    let mut s = reached("full", 100, LONG_AGO);
    s.world.overlap = Some(needed());
    let plan = checked(&s);
    assert!(matches!(committed(&s).0.phase, Phase::Promoting { .. }));
    assert_eq!(teal_plan::report::report(&s, &plan).message, said, "in the status that begins the promotion");
}

#[test]
fn rule_11_without_a_mesh_the_share_of_an_overlap_is_told() {
    let mut s = unrouted();
    lap(&mut s, Some(ago(1)));
    s.world.blue.serving = vec![1];
    assert_eq!(teal_plan::report::report(&s, &checked(&s)).candidate_weight, 75);
}

#[test]
fn rule_11_the_planners_lint_knows_an_overlap_that_must_not_be() {
    let plan = |effect: Effect| teal_plan::Plan {
        decision: teal_plan::Decision::Act(vec![effect]),
        wake_at: None,
        why: Vec::new(),
        measure: Vec::new(),
    };
    let broken = |s: &Snapshot, effect: Effect| {
        teal_plan::lint::lint(s, &plan(effect)).into_iter().map(|found| found.invariant).collect::<Vec<_>>()
    };
    let both = || Effect::Overlap(candidate());
    let mut dead = promoting();
    dead.world.green.serving = vec![0];
    let mut late = promoting();
    late.world.routes = routes(Form::Entered(10));
    for (s, effect, invariant) in [
        (kept(), both(), "I5"),
        (reached("canary", 10, LONG_AGO), both(), "I14"),
        (late, both(), "I14"),
        (dead, both(), "I2"),
        (overlapping(Some(ago(29))), Effect::PointLive(candidate()), "overlap"),
        (overlapping(Some(ago(30))), Effect::Vacate { color: teal_plan::Color::Blue, except: None }, "I3"),
    ] {
        assert_eq!(broken(&s, effect.clone()), [invariant], "{effect:?} of {:?}", s.record.phase);
    }
}

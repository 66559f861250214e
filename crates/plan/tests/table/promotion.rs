//! Live role → wait → weights to 0 → wait → the owner's bytes.

use teal_plan::record::{Cause, Outcome, Pause, Phase};
use teal_plan::settings::{Mode, OnFailure, Until};
use teal_plan::snapshot::{Action, Beside, Form, Obstacle, ServiceSeen, Standing, Stops};
use teal_plan::{Effect, Snapshot, Span, Time, Why};

use crate::fixture::*;

#[test]
fn the_live_role_is_turned_while_all_weight_is_at_the_candidate() {
    assert_eq!(effects(&promoting()), [Effect::PointLive(candidate())]);
}

#[test]
fn rule_2_the_live_role_waits_for_a_weight_that_is_not_there_long_enough() {
    let mut s = promoting();
    s.world.routes.since = Time(NOW.0 - 1_000);
    assert_eq!(effects(&s), []);
    s.world.routes = routes(Form::Entered(10));
    assert_eq!(effects(&s), [Effect::RaiseWeight(100)]);
}

/// Also those of the candidate's role, which another hand may have turned in the meantime.
#[test]
fn weights_go_back_once_proxies_know_the_new_endpoints() {
    type Role = fn(&mut Snapshot) -> &mut ServiceSeen;
    let roles: [Role; 2] = [|s| &mut s.world.live_service, |s| &mut s.world.candidate_service];
    for role in roles {
        let mut s = promoting();
        s.world.live_service = points(candidate());
        role(&mut s).since = Time(NOW.0 - 1_000);
        assert_eq!(effects(&s), []);
        role(&mut s).since = Time(NOW.0 - 2_000);
        assert_eq!(effects(&s), [Effect::LowerWeight(0)]);
    }
}

#[test]
fn rule_3_routes_are_left_through_weight_zero() {
    let mut s = promoting();
    s.world.live_service = points(candidate());
    s.world.routes = routes(Form::Entered(0));
    s.world.routes.since = Time(NOW.0 - 1_000);
    assert_eq!(effects(&s), []);
    s.world.routes.since = Time(NOW.0 - 2_000);
    assert_eq!(effects(&s), [Effect::LeaveRoutes]);
}

#[test]
fn it_ends_with_the_candidate_as_live_and_the_old_release_kept() {
    let mut s = promoting();
    s.world.live_service = points(candidate());
    s.world.routes = routes(Form::Owner);
    let (record, _) = committed(&s);
    assert_eq!(record.phase, Phase::Rest { outcome: Outcome::Promoted });
    assert_eq!(record.live.unwrap().slot, candidate());
    assert_eq!(record.previous.unwrap().slot, live());
    assert_eq!(record.kept_until, Some(NOW + Span::seconds(3600)));
    assert_eq!(record.vacate_after, Some(NOW + Span::seconds(30)));
    assert_eq!(record.history[0].outcome, Outcome::Promoted);
}

#[test]
fn rule_16_the_keep_time_is_never_shorter_than_the_drain() {
    let mut s = promoting();
    s.settings.keep_previous = Span(0);
    s.world.live_service = points(candidate());
    s.world.routes = routes(Form::Owner);
    assert_eq!(committed(&s).0.kept_until, Some(NOW + Span::seconds(30)));
}

#[test]
fn pods_that_vanish_in_the_middle_lead_back() {
    let mut s = promoting();
    s.world.green.short_since = Some(Time(NOW.0 - 10_000));
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::TooFewEndpoints { .. }, .. }));
}

#[test]
fn before_the_live_role_is_turned_lives_content_cancels_and_a_stubborn_hand_ends_it() {
    let mut s = promoting();
    s.settings.wanted = Some(content(1));
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Cancelled, .. }));
    let mut s = promoting();
    s.world.routes.foreign = Some(teal_plan::snapshot::Foreign {
        manager: "argocd".to_owned(),
        before: true,
        raised: false,
        lowered: false,
        recent: 5,
    });
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::ForeignWriter { .. }, .. }));
}

#[test]
fn other_content_waits_until_promotion_is_over() {
    let mut s = promoting();
    s.settings.wanted = Some(content(3));
    assert_eq!(effects(&s), [Effect::PointLive(candidate())]);
}

/// Promotion is over, with routes beside it that nobody listed.
fn jumped() -> Snapshot {
    let mut s = promoting();
    s.settings.steps[1].checks = vec!["errors".to_owned()];
    s.world.live_service = points(candidate());
    s.world.routes = routes(Form::Owner);
    s.world.obstacles = vec![Obstacle { reason: "UnmanagedRoutes".to_owned(), ..obstacle(Stops::Nothing) }];
    s
}

/// The same, once it is committed; at the end of everything that doesn't depend on checks.
fn watching() -> Snapshot {
    let mut s = jumped();
    s.record = committed(&s).0;
    s.now = s.record.kept_until.unwrap();
    s.world.finalizer = false;
    s
}

#[test]
fn rule_12_callers_that_jump_at_promotion_are_watched_for_a_hold_at_least() {
    let mut s = jumped();
    s.settings.steps[1].hold = Span::seconds(7200);
    let (record, _) = committed(&s);
    let watch = record.watch.unwrap();
    assert_eq!((watch.step.as_str(), watch.until), ("full", NOW + Span::seconds(7200)));
    assert_eq!(record.kept_until, Some(watch.until), "the old release is kept for that long");
    s.world.obstacles.clear();
    assert_eq!(committed(&s).0.watch, None, "with every route listed nobody jumps");
}

#[test]
fn rule_12_guards_and_the_last_steps_checks_go_on_after_promotion_and_lead_back() {
    let mut s = watching();
    s.settings.guards = vec![guard("payments", Until::Promoted)];
    assert_eq!(checked(&s).measure, ["errors", "payments"]);
    for check in ["errors", "payments"] {
        s.checks = vec![standing(check, Standing::Fail)];
        let (record, _) = committed(&s);
        assert!(matches!(record.phase, Phase::Returning { .. }), "{check}: {:?}", record.phase);
        assert_eq!((record.live.unwrap().slot, record.watch), (live(), None));
    }
    s.world.blue.serving = vec![0];
    assert_eq!(effects(&s), [], "not to what doesn't serve");
}

#[test]
fn rule_12_retirement_waits_for_the_hold_and_the_checks() {
    let mut s = watching();
    let pass = vec![standing("errors", Standing::Pass)];
    for wanted in [content(2), content(3)] {
        s.settings.wanted = Some(wanted);
        s.checks = Vec::new();
        assert_eq!(effects(&s), []);
        assert!(matches!(checked(&s).why[0], Why::Watching { .. }), "no evidence is no pass");
        s.checks = pass.clone();
        let mut early = s.clone();
        early.now = NOW;
        assert_eq!(effects(&early), []);
        assert_eq!(checked(&early).wake_at, Some(NOW + Span::seconds(30)));
        let (record, _) = committed(&s);
        assert_eq!((record.previous, record.watch), (None, None));
    }
}

#[test]
fn rule_12_with_hold_a_failed_check_after_promotion_keeps_the_old_release_until_a_person_decides() {
    let mut s = watching();
    s.settings.on_failure = OnFailure::Hold;
    s.checks = vec![standing("errors", Standing::Fail)];
    s.record = committed(&s).0;
    s.checks = vec![standing("errors", Standing::Pass)];
    assert_eq!(effects(&s), [], "numbers that come back decide nothing");
    let why = checked(&s).why;
    assert!(matches!(why[0], Why::HeldByCheck { blind: false, promoted: true, .. }), "{why:?}");
    let says = teal_plan::report::sentence(&why[0]);
    assert!(says.ends_with("decide (Rollback; or Retire, which lets the old release go)"), "{says}");
    s.decisions = vec![crate::decisions::decision(Action::Retire, "ana")];
    s.decisions[0].revision = Some(live().revision.to_string());
    assert_eq!(committed(&s).0.previous, None);
}

#[test]
fn the_live_role_is_turned_neither_while_paused_nor_past_an_obstacle_nor_to_too_few() {
    let mut paused = promoting();
    paused.settings.mode = Mode::Paused;
    paused.record.paused = Some(Pause::Spec);
    let mut blocked = promoting();
    blocked.world.obstacles = vec![obstacle(Stops::Rollout)];
    let mut short = promoting();
    short.world.green.serving = vec![2];
    for s in [paused, blocked, short] {
        assert_eq!(effects(&s), []);
    }
}

#[test]
fn rule_12_while_a_promotion_is_held_up_the_live_role_is_turned_back_to_live_and_else_on_to_the_candidate() {
    let free = promoting();
    let mut paused = promoting();
    paused.settings.mode = Mode::Paused;
    paused.record.paused = Some(Pause::Spec);
    let mut blocked = promoting();
    blocked.world.obstacles = vec![obstacle(Stops::Rollout)];
    let mut starting = promoting();
    starting.world.green.available = false;
    let mut waiting = promoting();
    waiting.world.routes.since = Time(NOW.0 - 1_000);
    for (mut s, to) in
        [(free, candidate()), (paused, live()), (blocked, live()), (starting, live()), (waiting, live())]
    {
        s.world.live_service.points = None;
        assert_eq!(effects(&s), [Effect::PointLive(to)]);
    }
}

#[test]
fn rule_1_weights_stay_until_every_address_of_the_live_role_is_the_candidates() {
    let mut s = promoting();
    s.world.live_service = points(candidate());
    s.world.live_service.settled = false;
    assert_eq!(effects(&s), []);
    s.world.live_service.settled = true;
    assert_eq!(effects(&s), [Effect::LowerWeight(0)]);
}

#[test]
fn what_is_wanted_no_more_is_not_brought_the_rest_of_the_traffic() {
    let mut s = promoting();
    s.settings.wanted = Some(content(3));
    assert_eq!(effects(&s), [Effect::PointLive(candidate())], "it has all of it: a matter of seconds");
    s.world.routes = routes(Form::Entered(10));
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Returning { cause: Cause::Superseded, .. }), "{:?}", record.phase);
}

#[test]
fn a_pause_by_the_spec_stops_the_clock_of_a_promotion() {
    let mut s = promoting();
    s.settings.mode = Mode::Paused;
    s.record = committed(&s).0;
    assert_eq!(s.record.paused, Some(Pause::Spec));
    s.now = DEADLINE + Span::seconds(3_600);
    assert_eq!((effects(&s), checked(&s).wake_at), (Vec::new(), None), "nothing happens by itself");
    s.settings.mode = Mode::Active;
    let (record, _) = committed(&s);
    assert_eq!(record.paused, None);
    assert_eq!(record.phase, Phase::Promoting { deadline: s.now + s.settings.progress_deadline });
}

#[test]
fn a_deadline_that_passed_while_nobody_looked_ends_no_promotion() {
    let mut s = promoting();
    s.now = DEADLINE + Span::seconds(3_600);
    (s.watched_since, s.world.routes.since) = (s.now, s.now);
    let until = s.now + s.settings.propagation;
    assert_eq!((effects(&s), checked(&s).wake_at), (Vec::new(), Some(until)));
    s.now = until;
    assert_eq!(effects(&s), [Effect::PointLive(candidate())]);
    s.world.live_service = points(candidate());
    s.world.live_service.since = s.now;
    assert_eq!(effects(&s), []);
    s.world.routes = routes(Form::Owner);
    s.now = s.now + s.settings.propagation;
    assert!(matches!(committed(&s).0.phase, Phase::Rest { outcome: Outcome::Promoted }));
}

#[test]
fn the_pause_of_the_spec_is_not_taken_along_to_rest() {
    let mut s = promoting();
    s.world.live_service = points(candidate());
    s.world.routes = routes(Form::Owner);
    s.settings.mode = Mode::Paused;
    s.record.paused = Some(Pause::Spec);
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Rest { .. }), "{:?}", record.phase);
    assert_eq!(record.paused, None, "nobody would take it away there");
}

#[test]
fn rule_12_what_is_left_of_a_spec_lets_no_old_release_go() {
    let mut s = watching();
    s.settings.wanted = None;
    s.settings.steps[1].checks.clear();
    s.world.obstacles = vec![obstacle(Stops::Everything)];
    s.record = committed(&s).0;
    assert_eq!(effects(&s), []);
    assert!(matches!(checked(&s).why[0], Why::Watching { .. }), "{:?}", checked(&s).why);
}

#[test]
fn what_holds_a_promotion_is_the_first_thing_said() {
    let mut s = promoting();
    s.settings.on_failure = OnFailure::Hold;
    s.world.green.available = false;
    s.now = DEADLINE + Span::seconds(1);
    assert!(matches!(checked(&s).why[0], Why::HeldByDeadline { .. }), "{:?}", checked(&s).why);
}

#[test]
fn a_preview_goes_with_the_weights_and_a_wait_before_the_routes_are_left() {
    for form in [Form::Entered(100), Form::Entered(0), Form::Owner, Form::Broken] {
        let mut s = promoting();
        s.world.live_service = points(candidate());
        s.world.routes = routes(form);
        s.world.routes.beside = Beside { any: true, fits: true };
        assert_eq!(effects(&s), [Effect::LowerWeight(0)], "{form:?}");
    }
}

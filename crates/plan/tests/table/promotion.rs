//! Live role → wait → weights to 0 → wait → the owner's bytes.

use teal_plan::record::{Cause, Outcome, Phase};
use teal_plan::snapshot::Form;
use teal_plan::{Effect, Span, Time};

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

#[test]
fn weights_go_back_once_proxies_know_the_new_endpoints() {
    let mut s = promoting();
    s.world.live_service = points(candidate());
    s.world.live_service.since = Time(NOW.0 - 1_000);
    assert_eq!(effects(&s), []);
    s.world.live_service.since = Time(NOW.0 - 2_000);
    assert_eq!(effects(&s), [Effect::LowerWeight(0)]);
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
fn the_keep_time_is_never_shorter_than_the_drain() {
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
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::TooFewEndpoints, .. }));
}

#[test]
fn before_the_live_role_is_turned_lives_content_cancels_and_a_stubborn_hand_ends_it() {
    let mut s = promoting();
    s.settings.wanted = Some(content(1));
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Cancelled, .. }));
    let mut s = promoting();
    s.world.routes.foreign =
        Some(teal_plan::snapshot::Foreign { manager: "argocd".to_owned(), before: true, recent: 5 });
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::ForeignWriter { .. }, .. }));
}

#[test]
fn other_content_waits_until_promotion_is_over() {
    let mut s = promoting();
    s.settings.wanted = Some(content(3));
    assert_eq!(effects(&s), [Effect::PointLive(candidate())]);
}

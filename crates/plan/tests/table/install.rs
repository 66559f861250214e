//! The first release, and a lost record.

use teal_plan::record::{Outcome, Phase, Record};
use teal_plan::snapshot::{Found, Stops};
use teal_plan::{Color, Effect, Notice, Snapshot};

use crate::fixture::*;

fn nothing() -> Snapshot {
    let mut s = at_rest();
    s.record = Record::default();
    s.world.blue = absent();
    s.world.live_service.points = None;
    s.world.candidate_service.points = None;
    s.world.recorded = false;
    s.world.highest_counter = 0;
    s.world.highest_epoch = 0;
    s
}

#[test]
fn the_first_release_goes_straight_to_live_in_blue() {
    let mut s = nothing();
    let (record, _) = committed(&s);
    assert_eq!(record.live.unwrap().slot, live());
    s.record = record;
    let all = [
        Effect::RecordRevision(live().revision),
        Effect::ApplyRelease { slot: live(), active: true },
        Effect::PointLive(live()),
        Effect::PointCandidate(live()),
    ];
    assert_eq!(effects(&s), all);
}

#[test]
fn it_is_done_when_it_serves() {
    let mut s = at_rest();
    s.record.phase = Phase::Installing { deadline: DEADLINE };
    let (record, notices) = committed(&s);
    assert_eq!(record.phase, Phase::Rest { outcome: Outcome::Promoted });
    assert!(matches!(notices[..], [Notice::Installed { .. }]));
}

#[test]
fn a_release_that_never_served_is_replaced_in_its_own_slot() {
    let mut s = at_rest();
    s.record.phase = Phase::Installing { deadline: DEADLINE };
    s.world.blue.serving = vec![0];
    s.world.blue.available = false;
    s.settings.wanted = Some(content(2));
    s.world.obstacles = vec![obstacle(Stops::Everything)];
    assert_eq!(effects(&s), [], "not while something is in the way, such as edits that don't come to rest");
    s.world.obstacles.clear();
    let (record, _) = committed(&s);
    assert_eq!(record.live.unwrap().slot, slot(Color::Blue, 2));
    s.record = record;
    let vacate = Effect::Vacate { color: Color::Blue, except: Some(slot(Color::Blue, 2).revision) };
    assert!(effects(&s).contains(&vacate));
}

#[test]
fn a_missing_route_does_not_stop_the_first_release_but_a_bad_release_does() {
    let mut s = nothing();
    s.world.obstacles = vec![obstacle(Stops::Rollout)];
    assert!(matches!(committed(&s).0.phase, Phase::Installing { .. }));
    s.world.obstacles = vec![obstacle(Stops::Everything)];
    assert_eq!(effects(&s), []);
}

#[test]
fn what_serves_and_is_not_teals_is_left_alone() {
    let mut s = nothing();
    s.world.found = Found::Foreign;
    assert_eq!(effects(&s), []);
}

#[test]
fn rule_7_with_a_lost_record_live_is_what_the_live_role_selects() {
    let mut s = nothing();
    s.settings.wanted = Some(content(2));
    s.world.blue = present(live());
    s.world.green = present(candidate());
    s.world.live_service = points(live());
    s.world.candidate_service = points(candidate());
    s.world.routes = routes(teal_plan::snapshot::Form::Entered(10));
    s.world.found = Found::Release { slot: live(), hash: content(1) };
    s.world.highest_counter = 2;
    s.world.highest_epoch = 9;
    let (record, _) = committed(&s);
    assert_eq!(record.live.unwrap().slot, live());
    assert_eq!((record.counter, record.epoch), (2, 10));
    s.record = record;
    let all = [Effect::PointLive(live()), Effect::PointCandidate(live()), Effect::LowerWeight(0)];
    assert_eq!(effects(&s), all, "the candidate without a record goes back to 0");
}

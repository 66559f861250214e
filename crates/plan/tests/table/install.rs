//! The first release, and a lost record.

use teal_plan::record::{Outcome, Phase, Record};
use teal_plan::report::report;
use teal_plan::snapshot::{ColorSeen, Found, Obstacle, Stops};
use teal_plan::{Color, Decision, Effect, Notice, Snapshot, Span, Why};

use crate::fixture::*;

/// Nothing is installed.
pub(crate) fn nothing() -> Snapshot {
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
fn a_first_release_waits_while_paused() {
    for by_spec in [true, false] {
        let mut s = nothing();
        if by_spec {
            s.settings.mode = teal_plan::settings::Mode::Paused;
        } else {
            s.decisions = vec![crate::decisions::decision(teal_plan::snapshot::Action::Pause, "ana")];
            s.record = committed(&s).0;
            s.decisions.clear();
        }
        let plan = checked(&s);
        assert_eq!(plan.decision, Decision::Rest);
        assert!(matches!(plan.why[..], [Why::Paused { .. }]), "{:?}", plan.why);
        let report = report(&s, &plan);
        assert_eq!((report.phase, report.waiting_for.as_deref()), ("Paused", Some("resume")));
        let ready = report.conditions.iter().find(|condition| condition.kind == "Ready").unwrap();
        assert!(!ready.status, "nothing serves");
    }
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
    s.record = committed(&s).0;
    assert_eq!(effects(&s), [], "not while something is in the way, such as edits that don't come to rest");
    assert_eq!(s.record.live.unwrap().slot, live());
    s.world.obstacles.clear();
    let (record, _) = committed(&s);
    assert_eq!(record.live.unwrap().slot, slot(Color::Blue, 2));
    s.record = record;
    let vacate = Effect::Vacate { color: Color::Blue, except: Some(slot(Color::Blue, 2).revision) };
    assert!(effects(&s).contains(&vacate));
}

/// `web` has callers, a worker's image can't be had, and something else is asked for by now.
fn served_in_part() -> Snapshot {
    let mut s = at_rest();
    s.record.phase = Phase::Installing { deadline: DEADLINE };
    s.world.blue.available = false;
    s.settings.wanted = Some(content(2));
    s
}

#[test]
fn a_first_release_that_serves_and_is_corrected_counts_as_live_and_gets_a_rollout_beside_it() {
    for now in [NOW, DEADLINE + Span::seconds(1)] {
        let mut s = served_in_part();
        s.now = now;
        let (record, notices) = committed(&s);
        assert_eq!(record.phase, Phase::Rest { outcome: Outcome::Promoted }, "not only after its deadline");
        assert_eq!(record.live.unwrap().slot, live(), "its callers stay with it");
        assert!(matches!(notices[..], [Notice::Installed { .. }]));
        s.record = record;
        let (record, _) = committed(&s);
        assert_eq!(record.candidate.unwrap().slot, candidate());
        assert!(matches!(record.phase, Phase::Step(_)), "{:?}", record.phase);
    }
}

#[test]
fn a_first_release_that_serves_in_part_waits_for_the_rest_of_it_while_nothing_else_is_asked_for() {
    let mut s = served_in_part();
    s.settings.wanted = Some(content(1));
    s.now = DEADLINE + Span::seconds(1);
    let plan = checked(&s);
    assert_eq!((plan.decision, &plan.why[0]), (Decision::Rest, &Why::InstallLate));
    s.settings.wanted = Some(content(2));
    s.world.obstacles = vec![obstacle(Stops::Everything)];
    assert!(matches!(committed(&s).0.phase, Phase::Installing { .. }), "what is asked for can't be followed");
}

#[test]
fn a_first_release_that_has_pods_and_no_callers_yet_is_replaced_in_its_own_slot() {
    let mut s = served_in_part();
    s.world.live_service.points = None;
    assert_eq!(effects(&s), [Effect::PointLive(live())], "callers are on their way to it");
    s.world.live_service.selects_others = true;
    let (record, _) = committed(&s);
    assert_eq!(record.live.unwrap().slot, slot(Color::Blue, 2), "they stay with what was taken over");
    assert!(matches!(record.phase, Phase::Installing { .. }));
}

#[test]
fn a_first_release_that_some_callers_have_is_not_taken_from_them_for_a_correction() {
    let mut s = served_in_part();
    s.world.blue.serving = vec![3, 0];
    s.world.candidate_service = points(live());
    let (record, _) = committed(&s);
    assert_eq!(record.phase, Phase::Rest { outcome: Outcome::Promoted }, "one Service of two has no pods");
    // Another Service was refused.
    s.world.live_service.points = None;
    s.world.found = Found::Release { slot: live(), hash: content(1) };
    let mut refused = s.clone();
    let reason = "ServiceUnsupported".to_owned();
    refused.world.obstacles = vec![Obstacle { reason, ..obstacle(Stops::Nothing) }];
    s.now = DEADLINE + Span::seconds(1);
    for s in [&refused, &s] {
        assert!(!matches!(checked(s).decision, Decision::Commit(_)), "{:?}", checked(s).decision);
        assert!(effects(s).contains(&Effect::PointLive(live())));
    }
    refused.now = DEADLINE + Span::seconds(1);
    let (record, _) = committed(&refused);
    assert_eq!(record.live.unwrap().slot, slot(Color::Blue, 2), "nothing else would ever follow it");
}

/// Its callers meet nobody but its own pods, so nothing is taken from anybody.
#[test]
fn a_first_release_whose_service_is_applied_anew_is_led_to_again_and_counts_as_live_for_a_correction() {
    for (now, serving) in [NOW, DEADLINE + Span::seconds(1)]
        .into_iter()
        .flat_map(|now| [vec![3], vec![3, 0]].map(|serving| (now, serving)))
    {
        let mut s = served_in_part();
        s.now = now;
        s.world.blue.serving = serving;
        s.world.live_service.points = None;
        s.world.found = Found::Release { slot: live(), hash: content(1) };
        assert_eq!(
            effects(&s),
            [Effect::PointLive(live())],
            "however much of it is missing, and however late"
        );
        let mut turned = s.clone();
        turned.world.live_service = points(live());
        let (record, _) = committed(&turned);
        assert_eq!(
            (record.phase, record.live.unwrap().slot),
            (Phase::Rest { outcome: Outcome::Promoted }, live())
        );
        let reason = "ServiceUnsupported".to_owned();
        s.world.obstacles = vec![Obstacle { reason, ..obstacle(Stops::Nothing) }];
        if now == NOW {
            assert_eq!(effects(&s), [Effect::PointLive(live())], "it has its time");
        } else {
            assert_eq!(committed(&s).0.live.unwrap().slot, slot(Color::Blue, 2), "it was not to be had");
        }
    }
}

/// One Service leads to it already, and what ran before answers at the other.
#[test]
fn rule_7_a_first_release_that_some_callers_have_takes_the_others_from_nobody_until_all_of_it_is_ready() {
    let mut s = served_in_part();
    s.settings.wanted = Some(content(1));
    s.world.blue.serving = vec![1, 1];
    s.world.live_service.points = None;
    s.world.live_service.selects_others = true;
    s.world.found = Found::Release { slot: live(), hash: content(1) };
    assert_eq!(effects(&s), [], "one pod would have to do for ten");
    let mut corrected = s.clone();
    corrected.settings.wanted = Some(content(2));
    assert_eq!(effects(&corrected), [], "nor for a correction");
    corrected.now = DEADLINE + Span::seconds(1);
    assert_eq!(committed(&corrected).0.live.unwrap().slot, slot(Color::Blue, 2), "its time is over");
    s.world.blue.available = true;
    assert_eq!(effects(&s), [Effect::PointLive(live())]);
}

/// As with a port's name or a node port that the API server takes from nobody.
#[test]
fn a_first_release_whose_service_cannot_be_turned_is_replaced_in_its_own_slot() {
    let mut s = served_in_part();
    s.world.blue.available = true;
    s.world.live_service.points = None;
    let mut refused = s.clone();
    let reason = "ServiceUnsupported".to_owned();
    refused.world.obstacles = vec![Obstacle { reason, ..obstacle(Stops::Nothing) }];
    s.now = DEADLINE + Span::seconds(1);
    for s in [refused, s] {
        let (record, _) = committed(&s);
        assert!(matches!(record.phase, Phase::Installing { .. }), "{:?}", record.phase);
        assert_eq!(record.live.unwrap().slot, slot(Color::Blue, 2), "it would be waited for without end");
    }
}

#[test]
fn a_missing_route_does_not_stop_the_first_release_but_a_bad_release_does() {
    let mut s = nothing();
    s.world.obstacles = vec![obstacle(Stops::Rollout)];
    assert!(matches!(committed(&s).0.phase, Phase::Installing { .. }));
    s.world.obstacles = vec![obstacle(Stops::Everything)];
    s.record = committed(&s).0;
    assert_eq!((&s.record.phase, effects(&s)), (&Phase::New, Vec::new()));
}

#[test]
fn rule_7_a_service_that_was_consented_to_serves_through_its_old_pods_until_the_new_ones_can() {
    let mut s = nothing();
    s.record = committed(&s).0;
    s.world.recorded = true;
    s.world.blue = ColorSeen { serving: vec![0], available: false, ..present(live()) };
    s.world.live_service.selects_others = true;
    s.world.candidate_service = points(live());
    assert_eq!(effects(&s), [], "its callers would meet nobody");
    s.world.blue.available = true;
    assert_eq!(effects(&s), [], "available, but nobody would answer");
    s.world.blue.serving = vec![3];
    assert_eq!(effects(&s), [Effect::PointLive(live())]);
}

#[test]
fn what_is_in_the_way_of_a_first_release_is_known_to_last() {
    let mut s = nothing();
    s.world.obstacles = vec![obstacle(Stops::Everything)];
    s.record = committed(&s).0;
    assert_eq!((&s.record.phase, s.record.blocked_since), (&Phase::New, Some(NOW)));
    assert!(matches!(checked(&s).decision, Decision::Rest), "committed once");
    assert!(!report(&s, &checked(&s)).conditions.iter().any(|condition| condition.kind == "Stalled"));
    s.now = NOW + s.settings.progress_deadline;
    assert!(report(&s, &checked(&s)).conditions.iter().any(|condition| condition.kind == "Stalled"));
    s.world.obstacles.clear();
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Installing { .. }));
    assert_eq!(record.blocked_since, None);
}

#[test]
fn an_obstacle_while_installing_stops_the_clock() {
    let mut s = nothing();
    s.record = committed(&s).0;
    s.world.obstacles = vec![obstacle(Stops::Everything)];
    s.record = committed(&s).0;
    assert_eq!(s.record.blocked_since, Some(NOW));
    s.world.obstacles.clear();
    s.now = NOW + Span::seconds(3_600);
    let (record, _) = committed(&s);
    assert_eq!(record.phase, Phase::Installing { deadline: s.now + s.settings.progress_deadline });
    assert_eq!(record.blocked_since, None);
}

#[test]
fn a_first_release_that_is_late_is_told_with_a_remedy_that_works() {
    let mut s = nothing();
    s.record = committed(&s).0;
    s.now = DEADLINE + Span::seconds(1);
    let told = report(&s, &checked(&s));
    let stalled = told.conditions.iter().find(|condition| condition.kind == "Stalled").unwrap();
    assert_eq!(stalled.reason, "DeadlineExceeded");
    assert!(stalled.message.contains("correct spec.release"), "{}", stalled.message);
    assert!(!stalled.message.contains("Rollback"), "there is nothing to go back to: {}", stalled.message);
}

#[test]
fn what_serves_and_is_not_teals_is_left_alone() {
    let mut s = nothing();
    s.world.found = Found::Foreign;
    assert_eq!(effects(&s), []);
}

#[test]
fn what_was_tried_when_the_record_was_lost_stays_to_be_looked_at() {
    let mut s = nothing();
    s.settings.wanted = Some(content(2));
    s.world.blue = present(live());
    s.world.green = present(candidate());
    s.world.live_service = points(live());
    s.world.candidate_service = points(live());
    s.world.found = Found::Release { slot: live(), hash: content(1) };
    s.world.highest_counter = 2;
    s.world.highest_epoch = 7;
    s.record = committed(&s).0;
    let epoch = s.record.epoch;
    for role in [&mut s.world.live_service, &mut s.world.candidate_service] {
        role.epoch = epoch;
    }
    s.world.routes.epoch = epoch;
    s.now = NOW + Span::seconds(5);
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Rest { .. }), "{:?}", record.phase);
    assert_eq!(record.vacate_after, Some(NOW + s.settings.keep_failed));
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

//! The order of writes that brings a candidate to a weight.

use teal_plan::record::{Cause, Pause, Phase};
use teal_plan::snapshot::{Foreign, Form, Objects, Stops};
use teal_plan::{Color, Decision, Effect, Slot, Snapshot, Span, Time, Why};

use crate::fixture::*;

fn apply() -> Effect {
    Effect::ApplyRelease { slot: candidate(), active: false }
}

#[test]
fn the_finalizer_stands_before_a_route_is_touched() {
    let s = trying("canary", 10);
    assert_eq!(effects(&s), [Effect::Finalizer(true), apply()]);
}

#[test]
fn routes_name_the_candidate_at_zero_while_its_pods_start() {
    let mut s = trying("canary", 10);
    s.world.finalizer = true;
    s.world.recorded = false;
    assert_eq!(effects(&s), [Effect::RecordRevision(candidate().revision), apply(), Effect::EnterRoutes]);
}

#[test]
fn pods_that_are_not_available_are_waited_for_and_named() {
    let mut s = trying("canary", 10);
    s.world.finalizer = true;
    s.world.routes = routes(Form::Entered(0));
    s.world.green = present(candidate());
    s.world.green.available = false;
    s.world.green.trouble = Some("image shop/web:2 can't be pulled".to_owned());
    let plan = checked(&s);
    assert_eq!(effects(&s), []);
    assert!(
        matches!(&plan.why[0], Why::Starting { trouble: Some(t), .. } if t.contains("pulled")),
        "{plan:?}"
    );
    assert_eq!(plan.wake_at, Some(Time(DEADLINE.0 + 1)));
}

/// What is known of them by then depends on when they are looked at, and nothing else may make anyone look.
#[test]
fn pods_of_which_nothing_is_known_are_looked_at_again_when_half_of_their_time_is_over() {
    let mut s = trying("canary", 10);
    s.world.finalizer = true;
    s.world.routes = routes(Form::Entered(0));
    s.world.green = present(candidate());
    s.world.green.available = false;
    let half = Time(DEADLINE.0 - 300_000);
    assert_eq!(checked(&s).wake_at, Some(half));
    s.now = half;
    assert_eq!(checked(&s).wake_at, Some(Time(DEADLINE.0 + 1)));
}

#[test]
fn rule_2_the_candidate_role_is_turned_only_once_no_proxy_routes_to_it() {
    let mut s = trying("canary", 10);
    s.world.finalizer = true;
    s.world.green = present(candidate());
    s.world.routes = routes(Form::Entered(0));
    s.world.routes.since = Time(NOW.0 - 1_000);
    assert_eq!(effects(&s), []);
    assert_eq!(checked(&s).wake_at, Some(Time(NOW.0 + 1_000)));
    s.world.routes.since = Time(NOW.0 - 2_000);
    assert_eq!(effects(&s), [Effect::PointCandidate(candidate())]);
}

#[test]
fn the_weight_is_raised_once_the_role_selects_serving_pods() {
    let mut s = trying("canary", 10);
    s.world.finalizer = true;
    s.world.green = present(candidate());
    s.world.routes = routes(Form::Entered(0));
    s.world.candidate_service = points(candidate());
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
    s.world.candidate_service.settled = false;
    assert_eq!(effects(&s), []);
}

#[test]
fn rule_6_too_few_endpoints_hold_back_a_raise() {
    let mut s = reached("canary", 10, LONG_AGO);
    if let Phase::Step(place) = &mut s.record.phase {
        (place.step, place.weight, place.reached) = ("full".to_owned(), 100, None);
    }
    s.world.green.serving = vec![2];
    assert_eq!(effects(&s), []);
    assert!(
        checked(&s)
            .why
            .iter()
            .any(|why| matches!(why, Why::TooFewEndpoints { needed, .. } if *needed == [3]))
    );
    s.world.green.serving = vec![3];
    assert_eq!(effects(&s), [Effect::RaiseWeight(100)]);
}

/// An autoscaler or its owner made live larger than it was at the start: what was enough then would be swamped.
#[test]
fn rule_6_live_that_grew_is_the_measure_of_a_raise_as_long_as_it_has_requests() {
    let raised = |live: u32, candidate: u32, weight: u8, at: Form| {
        let mut s = reached("canary", 10, LONG_AGO);
        if let Phase::Step(place) = &mut s.record.phase {
            (place.step, place.weight, place.reached) = ("full".to_owned(), weight, None);
        }
        s.settings.steps[1].weight = weight;
        s.world.routes = routes(at);
        (s.world.blue.serving, s.world.green.serving) = (vec![live], vec![candidate]);
        s
    };
    let short = raised(12, 3, 100, Form::Entered(10));
    assert_eq!(effects(&short), []);
    let says = |why: &Why| matches!(why, Why::TooFewEndpoints { needed, .. } if *needed == [12]);
    assert!(checked(&short).why.iter().any(says), "{:?}", checked(&short).why);
    for (what, s) in [
        ("it grew along", raised(12, 12, 100, Form::Entered(10))),
        ("a half of it is enough for a half", raised(12, 6, 50, Form::Entered(10))),
        ("live shrank below the start", raised(1, 3, 100, Form::Entered(10))),
    ] {
        let weight = if let Phase::Step(place) = &s.record.phase { place.weight } else { 0 };
        assert_eq!(effects(&s), [Effect::RaiseWeight(weight)], "{what}");
    }
    let there = raised(12, 3, 100, Form::Entered(100));
    assert!(
        matches!(committed(&there).0.phase, Phase::Step(place) if place.reached == Some(NOW)),
        "nobody is left there"
    );
    let mut held = reached("canary", 10, LONG_AGO);
    held.world.blue.serving = vec![120];
    assert!(
        !checked(&held).why.iter().any(|why| matches!(why, Why::TooFewEndpoints { .. })),
        "it is there already"
    );
}

#[test]
fn a_paused_rollout_raises_nothing_and_an_obstacle_neither() {
    let mut s = trying("canary", 10);
    s.world.finalizer = true;
    s.world.green = present(candidate());
    s.world.routes = routes(Form::Entered(0));
    s.world.candidate_service = points(candidate());
    let mut paused = s.clone();
    paused.settings.mode = teal_plan::settings::Mode::Paused;
    paused.record = committed(&paused).0;
    assert_eq!(effects(&paused), []);
    s.world.obstacles = vec![obstacle(Stops::Rollout)];
    s.record = committed(&s).0;
    assert_eq!(effects(&s), []);
    assert!(matches!(checked(&s).why[0], Why::Obstacle { .. }));
}

#[test]
fn neither_a_pause_nor_an_obstacle_before_the_first_weight_counts_for_the_deadline() {
    let mut s = trying("canary", 10);
    s.world.finalizer = true;
    s.world.green = present(candidate());
    s.world.routes = routes(Form::Entered(0));
    s.world.candidate_service = points(candidate());
    for stop in [true, false] {
        let mut s = s.clone();
        if stop {
            s.settings.mode = teal_plan::settings::Mode::Paused;
        } else {
            s.world.obstacles = vec![obstacle(Stops::Rollout)];
        }
        s.record = committed(&s).0;
        s.now = Time(DEADLINE.0 + 1);
        assert_eq!(effects(&s), []);
        s.settings.mode = teal_plan::settings::Mode::Active;
        s.world.obstacles.clear();
        if !stop {
            assert_eq!(effects(&s), [Effect::RaiseWeight(10)], "what it was in the way of");
            s.world.routes = routes(Form::Entered(10));
        }
        let (record, _) = committed(&s);
        assert_eq!(record.blocked_since, None);
        assert!(matches!(record.phase, Phase::Step(ref place) if place.deadline > s.now), "{record:?}");
    }
}

#[test]
fn rule_12_a_live_role_without_teals_selector_is_turned_back_at_once() {
    let mut s = reached("canary", 10, NOW);
    for wrong in [None, Some(candidate())] {
        s.world.live_service.points = wrong;
        assert_eq!(effects(&s), [Effect::PointLive(live())]);
    }
}

#[test]
fn a_hand_that_leads_the_candidate_role_home_is_followed() {
    let mut s = reached("canary", 10, NOW);
    // The very commit that starts an attempt is the one under which the role is first turned.
    s.record.started = 7;
    s.world.candidate_service = points(live());
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::ForeignHand, .. }));
    // What the cache had before this attempt says nothing.
    s.record.started = 8;
    assert_eq!(effects(&s), [Effect::CutOff(candidate())]);
}

#[test]
fn rule_5_a_forged_epoch_is_outbid_and_locks_nobody_out() {
    let mut s = reached("canary", 10, NOW);
    s.world.highest_epoch = 99_999_999_999;
    let (record, _) = committed(&s);
    assert_eq!(record.epoch, 100_000_000_000);
    assert!(
        matches!(record.phase, Phase::Step(place) if place.step == "canary" && place.reached == Some(NOW))
    );
}

#[test]
fn another_recipe_of_the_hash_renames_the_candidate_and_supersedes_nothing() {
    let mut s = reached("canary", 10, NOW);
    let renamed = teal_plan::ContentHash { version: 2, digest: [2; 32] };
    s.settings.wanted = Some(renamed);
    s.record = committed(&s).0;
    assert_eq!(s.record.candidate.unwrap().hash, renamed);
    assert_eq!(effects(&s), []);
}

#[test]
fn rule_8_what_is_left_in_the_slot_goes_before_it_is_used() {
    let mut s = trying("canary", 10);
    s.world.finalizer = true;
    s.world.routes = routes(Form::Entered(0));
    s.world.green = present(slot(Color::Green, 9));
    let vacate = Effect::Vacate { color: Color::Green, except: Some(candidate().revision) };
    assert_eq!(effects(&s), std::slice::from_ref(&vacate));
    s.world.green.objects = Objects::Leftover;
    assert_eq!(effects(&s), [vacate]);
}

/// As after the routes were entered again at a step: proxies may not know the candidate's Service by them yet.
#[test]
fn rule_3_the_first_weight_waits_until_proxies_know_the_candidate_by_the_routes() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.routes = routes(Form::Entered(0));
    s.world.routes.since = Time(NOW.0 - 1_000);
    assert_eq!(effects(&s), []);
    assert_eq!(checked(&s).wake_at, Some(Time(NOW.0 + 1_000)));
    s.world.routes.since = Time(NOW.0 - 2_000);
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
}

#[test]
fn rule_3_routes_that_an_owner_re_applied_go_through_zero_again() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.routes = routes(Form::Owner);
    s.world.routes.since = NOW;
    s.world.routes.foreign =
        Some(Foreign { manager: "helm".to_owned(), before: true, raised: false, lowered: false, recent: 1 });
    assert_eq!(effects(&s), [Effect::EnterRoutes]);
    s.world.routes.form = Form::Mixed { highest: 10, owner: true };
    assert_eq!(effects(&s), [Effect::LowerWeight(0), Effect::EnterRoutes]);
}

#[test]
fn a_weight_above_the_step_is_lowered_at_once() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.routes = routes(Form::Entered(50));
    s.world.routes.since = NOW;
    assert_eq!(effects(&s), [Effect::LowerWeight(10)]);
}

#[test]
fn a_role_that_selects_other_pods_loses_its_weight() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.candidate_service.points = None;
    assert_eq!(effects(&s), [Effect::CutOff(candidate())]);
}

#[test]
fn a_new_hand_that_moves_traffic_towards_live_pauses_and_is_kept() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.routes = routes(Form::Entered(0));
    s.world.routes.foreign = Some(Foreign {
        manager: "kubectl-edit".to_owned(),
        before: false,
        raised: false,
        lowered: false,
        recent: 1,
    });
    let (record, _) = committed(&s);
    assert!(record.paused.is_some());
    s.record = record;
    s.world.routes.epoch = s.record.epoch;
    assert_eq!(effects(&s), [], "what the hand did is kept while paused");
    let said = |s: &Snapshot| {
        let report = teal_plan::report::report(s, &checked(s));
        let mut all = report.conditions.into_iter();
        all.find(|condition| condition.kind == "TrafficInSync").map(|condition| condition.message)
    };
    assert!(said(&s).is_some_and(|words| words.contains("kept while paused")), "{:?}", said(&s));
    s.settings.mode = teal_plan::settings::Mode::HandsOff;
    assert!(said(&s).is_some_and(|words| words.contains("nothing is written")), "{:?}", said(&s));
}

/// One of several VirtualServices, replaced by what its owner wrote.
#[test]
fn a_new_hand_that_gives_one_of_the_routes_back_to_its_owner_pauses_too() {
    let foreign = || {
        Some(Foreign {
            manager: "kubectl-replace".to_owned(),
            before: false,
            raised: false,
            lowered: false,
            recent: 1,
        })
    };
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.routes = routes(Form::Mixed { highest: 10, owner: true });
    s.world.routes.foreign = foreign();
    let mut unmanaged = s.clone();
    unmanaged.world.obstacles = vec![obstacle(Stops::Rollout)];
    assert_eq!(plan_pauses(&unmanaged), None, "what can't be managed is no move");
    assert!(plan_pauses(&s).is_some());
    if let Phase::Step(place) = &mut s.record.phase {
        place.reached = None;
    }
    assert_eq!(plan_pauses(&s), None, "they may be entered only now");
}

fn plan_pauses(s: &Snapshot) -> Option<Pause> {
    match checked(s).decision {
        Decision::Commit(commit) => commit.record.paused,
        Decision::Act(_) | Decision::Rest => None,
    }
}

#[test]
fn after_five_corrections_in_a_minute_traffic_goes_to_live() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.routes = routes(Form::Owner);
    s.world.routes.since = NOW;
    s.world.routes.foreign = Some(Foreign {
        manager: "argocd".to_owned(),
        before: true,
        raised: false,
        lowered: false,
        recent: 4,
    });
    assert_eq!(effects(&s), [Effect::EnterRoutes]);
    s.world.routes.foreign = Some(Foreign {
        manager: "argocd".to_owned(),
        before: true,
        raised: false,
        lowered: false,
        recent: 5,
    });
    let (record, _) = committed(&s);
    let cause = Cause::ForeignWriter { manager: "argocd".to_owned() };
    assert_eq!(record.phase, Phase::Returning { cause, since: NOW });
    assert!(record.wanted.unwrap().rejected);
}

#[test]
fn a_deadline_leads_back_or_holds_as_the_spec_says() {
    let mut s = trying("canary", 10);
    s.world.finalizer = true;
    s.world.green = present(candidate());
    s.world.green.available = false;
    s.world.routes = routes(Form::Entered(0));
    s.now = Time(DEADLINE.0 + 1);
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Returning { cause: Cause::Deadline { .. }, .. }));
    s.settings.on_failure = teal_plan::settings::OnFailure::Hold;
    assert!(matches!(checked(&s).why[0], Why::HeldByDeadline { .. }));
}

/// Proxies are given time anew by whoever sees for the first time what has stood for hours.
#[test]
fn a_deadline_that_passed_while_nobody_looked_sends_nothing_back_that_is_complete() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.record.phase = trying("canary", 10).record.phase;
    s.now = DEADLINE + Span::seconds(3_600);
    (s.watched_since, s.world.routes.since) = (s.now, s.now);
    let until = s.now + s.settings.propagation;
    assert_eq!((effects(&s), checked(&s).wake_at), (Vec::new(), Some(until)));
    s.now = until;
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Step(place) if place.reached == Some(until)));
}

#[test]
fn without_a_mesh_weight_100_is_the_switch_of_the_live_role() {
    let mut s = trying("full", 100);
    s.settings.routed = false;
    s.record.started = 8;
    s.world.routes = routes(Form::Unrouted);
    s.world.green = present(candidate());
    assert_eq!(effects(&s), [Effect::PointCandidate(candidate())]);
    s.world.candidate_service = points(candidate());
    assert_eq!(effects(&s), [Effect::PointLive(candidate())]);
    s.world.live_service = points(candidate());
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Step(place) if place.reached == Some(NOW)));
}

#[test]
fn edited_steps_keep_their_place_by_name_else_by_weight() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.steps[0].name = "first".to_owned();
    let (record, _) = committed(&s);
    assert!(
        matches!(record.phase, Phase::Step(ref place) if place.step == "first" && place.reached.is_none())
    );
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.steps[0].weight = 20;
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Step(ref place) if place.step == "canary" && place.weight == 20));
}

/// Between two steps the role was at the candidate for as long as at a step that was reached.
#[test]
fn a_hand_that_leads_the_candidate_role_home_between_two_steps_is_followed_too() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.record.started = 7;
    if let Phase::Step(place) = &mut s.record.phase {
        (place.step, place.weight, place.reached) = ("full".to_owned(), 100, None);
    }
    s.world.candidate_service = points(live());
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::ForeignHand, .. }));
}

#[test]
fn a_live_role_without_teals_selector_is_turned_neither_twice_nor_to_nobody() {
    let mut s = trying("full", 100);
    s.settings.routed = false;
    s.world.routes = routes(Form::Unrouted);
    s.world.green = present(candidate());
    s.world.candidate_service = points(candidate());
    s.world.live_service.points = None;
    assert_eq!(effects(&s), [Effect::PointLive(candidate())], "the switch is on its way");
    let mut s = reached("canary", 10, NOW);
    s.world.live_service.points = None;
    s.world.blue.serving = vec![0];
    assert_eq!(effects(&s), [], "what it selects now may answer");
}

#[test]
fn a_weight_that_was_there_and_can_not_be_had_again_has_a_deadline() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.routes = routes(Form::Broken);
    s.world.routes.since = Time(NOW.0 - 600_000);
    s.record = committed(&s).0;
    assert_eq!(effects(&s), []);
    assert_eq!(checked(&s).wake_at, Some(Time(NOW.0 + 1)));
    s.now = Time(NOW.0 + 1);
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Deadline { .. }, .. }));
}

#[test]
fn live_that_is_edited_is_repaired_while_a_candidate_is_tried() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.blue.objects = Objects::Present { slot: live(), in_sync: false };
    assert_eq!(effects(&s), [Effect::ApplyRelease { slot: Slot { ..live() }, active: true }]);
}

/// As where a webhook refuses the repair: the gates would never open, and nothing would say so.
#[test]
fn live_that_can_not_be_repaired_holds_no_gate() {
    let mut s = reached("canary", 10, LONG_AGO);
    let open = checked(&s).decision;
    assert!(matches!(open, Decision::Commit(_)), "its gates are open: {open:?}");
    s.world.blue.objects = Objects::Present { slot: live(), in_sync: false };
    s.world.obstacles = vec![obstacle(Stops::Nothing)];
    assert_eq!(checked(&s).decision, open);
}

#[test]
fn a_pause_by_the_spec_stops_the_clock_of_a_weight_that_was_lost_meanwhile() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.routes = routes(Form::Entered(0));
    s.world.routes.since = Time(NOW.0 - 3_600_000);
    s.settings.mode = teal_plan::settings::Mode::Paused;
    s.record = committed(&s).0;
    assert_eq!(effects(&s), []);
    s.settings.mode = teal_plan::settings::Mode::Active;
    s.record = committed(&s).0;
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
}

/// A correction takes a few seconds; whoever has to wait for longer was not at the weight.
#[test]
fn a_weight_that_is_gone_for_longer_than_a_correction_is_lost() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.routes = routes(Form::Entered(0));
    s.world.routes.since = Time(NOW.0 - 9_999);
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)], "corrected, and nothing is lost yet");
    s.world.routes.since = Time(NOW.0 - 10_000);
    s.record = committed(&s).0;
    let Phase::Step(place) = &s.record.phase else { panic!("{:?}", s.record.phase) };
    assert_eq!((place.reached, place.lost), (None, Some(s.world.routes.since)));
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
    // Its deadline goes on from where it went, and an obstacle stops that as little as before.
    s.world.obstacles = vec![obstacle(Stops::Rollout)];
    s.now = s.world.routes.since + s.settings.progress_deadline;
    assert_eq!(effects(&s), []);
    s.now.0 += 1;
    let (record, _) = committed(&s);
    assert!(
        matches!(record.phase, Phase::Returning { cause: Cause::Deadline { .. }, .. }),
        "{:?}",
        record.phase
    );
}

/// It is forgotten after a while, so that somebody tries again; that is neither its end nor a commit.
#[test]
fn what_a_write_met_before_the_first_weight_lasts_until_the_write_is_done() {
    let mut s = trying("canary", 10);
    s.world.finalizer = true;
    s.world.green = teal_plan::snapshot::ColorSeen { available: false, ..present(candidate()) };
    assert_eq!(effects(&s), [Effect::EnterRoutes]);
    let met = vec![obstacle(Stops::Rollout)];
    s.world.obstacles.clone_from(&met);
    s.record = committed(&s).0;
    for minute in 1..10 {
        s.now = Time(NOW.0 + minute * 60_000);
        s.world.obstacles.clear();
        assert_eq!(effects(&s), [Effect::EnterRoutes], "tried again");
        s.world.obstacles.clone_from(&met);
        assert_eq!(effects(&s), []);
        assert_eq!(checked(&s).wake_at, Some(DEADLINE));
        assert_eq!(s.record.blocked_since, Some(NOW));
    }
    s.now = DEADLINE;
    let report = teal_plan::report::report(&s, &checked(&s));
    assert!(report.conditions.iter().any(|condition| condition.kind == "Stalled"), "{report:?}");
    s.world.obstacles.clear();
    s.world.routes = routes(Form::Entered(0));
    let (record, _) = committed(&s);
    assert_eq!(record.blocked_since, None);
    assert!(matches!(record.phase, Phase::Step(ref place) if place.deadline > s.now), "{record:?}");
}

/// As `cluster::observe` sees a route with a subset, or with two destinations of one host, that names the candidate.
#[test]
fn a_route_that_can_not_be_managed_loses_the_candidates_weight_at_once_and_counts_as_corrected() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.routes = routes(Form::Mixed { highest: 90, owner: true });
    s.world.routes.since = NOW;
    s.world.routes.foreign = Some(Foreign {
        manager: "kubectl-edit".to_owned(),
        before: false,
        raised: false,
        lowered: false,
        recent: 4,
    });
    s.world.obstacles = vec![obstacle(Stops::Rollout)];
    assert_eq!(effects(&s), [Effect::LowerWeight(0)]);
    assert!(Effect::LowerWeight(0).writes_routes(), "each of them counts");
    let mut promoting = promoting();
    promoting.world.routes = s.world.routes.clone();
    promoting.world.obstacles = s.world.obstacles.clone();
    assert_eq!(effects(&promoting), [Effect::LowerWeight(0)]);
    s.world.routes.form = Form::Mixed { highest: 0, owner: true };
    assert_eq!(effects(&s), [], "until it is mended");
    s.world.routes.foreign = Some(Foreign {
        manager: "kubectl-edit".to_owned(),
        before: false,
        raised: false,
        lowered: false,
        recent: 5,
    });
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::ForeignWriter { .. }, .. }));
}

/// Blue-green without a mesh: somebody applied the Service again in the pause, and all traffic went to the old release.
#[test]
fn without_a_mesh_a_switch_that_was_lost_in_a_pause_is_held_and_judged_from_its_beginning() {
    let mut s = reached("full", 100, LONG_AGO);
    s.settings.routed = false;
    s.settings.mode = teal_plan::settings::Mode::Paused;
    s.world.routes = routes(Form::Unrouted);
    s.world.live_service = points(live());
    s.record = committed(&s).0;
    s.settings.mode = teal_plan::settings::Mode::Active;
    s.record = committed(&s).0;
    let Phase::Step(place) = &s.record.phase else { panic!("{:?}", s.record.phase) };
    assert_eq!((place.reached, place.lost), (None, Some(s.world.live_service.since)));
    assert!(effects(&s).contains(&Effect::PointLive(candidate())));
}

//! At rest: nothing is written, drift is led home, old releases go, new ones start.

use teal_plan::record::{Cause, Outcome, Phase, Wanted};
use teal_plan::report::report;
use teal_plan::settings::{Mode, Until};
use teal_plan::snapshot::{Action, Form, Found, Objects, Obstacle, Standing, Stops};
use teal_plan::{Color, ContentHash, Decision, Effect, Notice, Snapshot, Time, Why};

use crate::decisions::decision;
use crate::fixture::*;

#[test]
fn nothing_changed_means_nothing_to_do_and_nothing_to_wake_for() {
    let plan = checked(&at_rest());
    assert_eq!((plan.decision, plan.wake_at), (Decision::Rest, None));
    assert_eq!(plan.measure, Vec::<String>::new());
}

#[test]
fn other_content_starts_in_the_other_color() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.world.sizes = vec![("Deployment/web".to_owned(), 2), ("Deployment/burst".to_owned(), 1)];
    let (record, notices) = committed(&s);
    assert_eq!(record.candidate.unwrap().slot, candidate());
    assert_eq!(record.baseline, [3]);
    assert_eq!(record.sizes, s.world.sizes, "as they are to each other now");
    assert!(matches!(record.phase, Phase::Step(place) if place.step == "canary" && place.reached.is_none()));
    assert!(matches!(notices[..], [Notice::Started { attempt: 1, .. }]));
}

/// As after a Rollout was made anew over what its predecessor left: without its content live could not be gone back to.
#[test]
fn what_is_kept_of_live_is_kept_again_while_the_spec_has_it() {
    let mut s = at_rest();
    s.world.recorded = false;
    assert_eq!(effects(&s), [Effect::RecordRevision(live().revision)]);
    s.settings.wanted = None;
    assert_eq!(checked(&s).decision, Decision::Rest, "the spec can't be used");
    s.settings.wanted = Some(content(2));
    let (record, _) = committed(&s);
    assert_eq!(
        record.candidate.unwrap().slot,
        candidate(),
        "the spec has other content: nothing is left to keep"
    );
    let mut s = at_rest();
    s.world.recorded = false;
    s.deleting = true;
    assert_eq!(checked(&s).decision, Decision::Rest, "it would go at once");
}

/// A revision keeps the name that an older recipe gave it, which no content of today's recipe has.
#[test]
fn what_an_older_recipe_called_is_not_kept_again() {
    let mut s = at_rest();
    s.world.recorded = false;
    s.record.live.as_mut().unwrap().hash = content(2);
    s.record.wanted.as_mut().unwrap().hash = content(2);
    s.settings.wanted = Some(content(2));
    assert_eq!(checked(&s).decision, Decision::Rest);
}

#[test]
fn something_in_the_way_is_said_once_and_then_waited_for() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.world.obstacles = vec![obstacle(Stops::Rollout)];
    let (record, _) = committed(&s);
    assert_eq!(record.blocked_since, Some(NOW));
    s.record = record;
    let plan = checked(&s);
    assert_eq!(plan.decision, Decision::Rest);
    assert_eq!(plan.wake_at, Some(DEADLINE), "it stalls after the progress deadline");
    s.world.obstacles.clear();
    assert!(matches!(committed(&s).0.phase, Phase::Step(_)));
}

#[test]
fn rule_8_a_new_revision_in_keep_time_gives_up_going_back_before_anything_is_deleted() {
    let mut s = kept();
    s.settings.wanted = Some(content(3));
    let (record, _) = committed(&s);
    assert_eq!((record.previous, &record.phase), (None, &s.record.phase));
    s.record = record;
    assert_eq!(effects(&s), [Effect::Vacate { color: Color::Blue, except: None }]);
    s.world.blue = absent();
    assert!(matches!(committed(&s).0.phase, Phase::Step(_)));
}

#[test]
fn rule_16_the_old_color_is_untouched_until_its_time_and_its_drain_are_over() {
    let mut s = kept();
    let plan = checked(&s);
    assert_eq!((plan.decision, plan.wake_at), (Decision::Rest, Some(Time(NOW.0 + 100_000))));
    s.now = Time(NOW.0 + 100_000);
    let (record, notices) = committed(&s);
    assert!(matches!(notices[..], [Notice::Retired { .. }]));
    s.record = record;
    s.record.vacate_after = Some(Time(s.now.0 + 1));
    assert_eq!(effects(&s), []);
    s.now = Time(s.now.0 + 1);
    assert_eq!(effects(&s), [Effect::Vacate { color: Color::Blue, except: None }]);
}

/// Its selector without Teal's key is every release's: requests reach what is kept until the role is turned back.
#[test]
fn rule_16_a_drain_begins_anew_where_another_hand_led_requests_to_what_goes() {
    let turned: [fn(&mut Snapshot); 2] =
        [|s| s.world.live_service.turned = NOW, |s| s.world.candidate_service.turned = NOW];
    for turned in turned {
        for deleting in [false, true] {
            let mut s = kept();
            (s.record.previous, s.record.kept_until) = (None, None);
            (s.deleting, s.world.finalizer) = (deleting, deleting);
            turned(&mut s);
            let drained = NOW + s.settings.propagation + s.settings.drain;
            let plan = checked(&s);
            assert_eq!((plan.decision, plan.wake_at), (Decision::Rest, Some(drained)), "{:?}", plan.why);
            s.now = drained;
            assert_eq!(effects(&s), [Effect::Vacate { color: Color::Blue, except: None }]);
        }
    }
}

/// What is in the way may be the very room that it takes.
#[test]
fn rule_16_what_is_over_goes_also_while_a_newer_revision_can_not_begin() {
    let change: [fn(&mut Snapshot); 2] = [
        |s| {
            s.world.obstacles = vec![obstacle(Stops::Rollout)];
            s.record.blocked_since = Some(NOW);
        },
        |s| s.settings.mode = Mode::Paused,
    ];
    for change in change {
        let mut s = kept();
        s.settings.wanted = Some(content(3));
        s.record.previous = None;
        s.record.kept_until = None;
        change(&mut s);
        assert_eq!(effects(&s), [Effect::Vacate { color: Color::Blue, except: None }]);
        s.record.vacate_after = Some(Time(NOW.0 + 1));
        let plan = checked(&s);
        assert_eq!((plan.decision, plan.wake_at), (Decision::Rest, Some(Time(NOW.0 + 1))), "{:?}", plan.why);
        s.record.previous = kept().record.previous;
        assert_eq!(effects(&s), [], "what is kept stays");
    }
}

#[test]
fn what_was_sent_back_is_not_tried_again_by_itself() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.record.wanted =
        Some(Wanted { hash: content(2), revision: candidate().revision, rejected: true, attempts: 1 });
    s.record.phase = Phase::Rest {
        outcome: Outcome::RolledBack(Cause::Check {
            check: "errors".to_owned(),
            detail: String::new(),
            job: None,
        }),
    };
    assert_eq!(effects(&s), []);
    assert!(matches!(checked(&s).why[0], Why::Rejected { .. }));
    s.settings.wanted = Some(content(3));
    assert!(matches!(committed(&s).0.phase, Phase::Step(_)), "other content is");
}

#[test]
fn another_recipe_of_the_hash_sets_a_new_base_line_and_starts_nothing() {
    let mut s = at_rest();
    s.settings.wanted = Some(ContentHash { version: 2, digest: [5; 32] });
    let (record, _) = committed(&s);
    assert_eq!(record.live.unwrap().hash, s.settings.wanted.unwrap());
    assert_eq!(record.phase, s.record.phase);
    s.record = record;
    assert_eq!(effects(&s), []);
}

#[test]
fn another_recipe_keeps_a_rejection_and_never_touches_live() {
    let mut s = at_rest();
    s.record.wanted =
        Some(Wanted { hash: content(2), revision: candidate().revision, rejected: true, attempts: 1 });
    s.settings.wanted = Some(ContentHash { version: 2, digest: [2; 32] });
    let (record, _) = committed(&s);
    assert_eq!(record.live, s.record.live);
    assert!(record.wanted.unwrap().rejected);
    s.record = record;
    assert_eq!(effects(&s), []);
    let corrected = ContentHash { version: 2, digest: [3; 32] };
    s.settings.wanted = Some(corrected);
    let (record, _) = committed(&s);
    assert_eq!(
        record.candidate.map(|candidate| candidate.hash),
        Some(corrected),
        "and takes no other content for it"
    );
}

#[test]
fn the_keep_time_ends_also_while_something_is_in_the_way_of_the_next_release() {
    let mut s = kept();
    s.settings.wanted = Some(content(3));
    s.world.obstacles = vec![obstacle(Stops::Rollout)];
    s.record.blocked_since = Some(NOW);
    assert_eq!(effects(&s), []);
    s.now = Time(NOW.0 + 100_000);
    assert_eq!(committed(&s).0.previous, None);
}

/// Whoever applied it and waits would else be told that all is well.
#[test]
fn a_spec_that_can_not_be_used_is_noted_told_and_stalls_once_it_lasts() {
    let mut s = at_rest();
    s.settings.wanted = None;
    s.world.obstacles =
        vec![Obstacle { reason: "ServiceNotFound".to_owned(), ..obstacle(Stops::Everything) }];
    let (record, notices) = committed(&s);
    assert_eq!((record.blocked_since, notices), (Some(NOW), vec![]));
    s.record = record;
    let plan = checked(&s);
    assert_eq!(plan.decision, Decision::Rest);
    assert_eq!(plan.wake_at, Some(NOW + s.settings.progress_deadline));
    assert!(
        matches!(&plan.why[..], [Why::Obstacle { reason, .. }] if reason == "ServiceNotFound"),
        "{:?}",
        plan.why
    );
    let told = |s: &Snapshot, kind: &str| {
        let conditions = report(s, &checked(s)).conditions;
        conditions.into_iter().find(|c| c.kind == kind).map(|c| (c.status, c.reason.clone()))
    };
    assert_eq!(told(&s, "Ready"), Some((false, "Progressing".to_owned())));
    assert_eq!(told(&s, "Reconciling"), Some((true, "WaitingForReference".to_owned())));
    s.now = NOW + s.settings.progress_deadline;
    assert_eq!(told(&s, "Stalled"), Some((true, "ReferenceMissing".to_owned())));
    s.world.obstacles.clear();
    assert_eq!(committed(&s).0.blocked_since, None, "it can be read again");
}

/// As after the status was lost, or where another hand's Service can't be turned back: that may last.
#[test]
fn a_spec_that_can_not_be_used_is_noted_and_told_also_before_traffic_is_home() {
    let away = |met: bool| {
        let mut s = at_rest();
        s.settings.wanted = None;
        s.world.live_service.points = None;
        s.world.obstacles =
            vec![Obstacle { reason: "ReleaseInvalid".to_owned(), ..obstacle(Stops::Everything) }];
        if met {
            s.world.obstacles.push(Obstacle { reason: "WriteFails".to_owned(), ..obstacle(Stops::Nothing) });
        }
        s
    };
    let mut s = away(false);
    let home = [Effect::PointLive(live())];
    assert_eq!(effects(&s), home, "traffic comes first");
    assert!(matches!(&checked(&s).why[..], [Why::Obstacle { reason, .. }] if reason == "ReleaseInvalid"));
    s = away(true);
    s.record = committed(&s).0;
    assert_eq!(s.record.blocked_since, Some(NOW), "that doesn't come about");
    assert_eq!((effects(&s), checked(&s).wake_at), (home.to_vec(), Some(DEADLINE)));
    let mut waits = away(false);
    waits.world.live_service = points(live());
    waits.world.routes = routes(Form::Entered(0));
    waits.world.routes.since = NOW;
    assert_eq!(committed(&waits).0.blocked_since, Some(NOW), "it waits for proxies");
    let mut usable = away(true);
    usable.settings.wanted = Some(content(1));
    assert_eq!(effects(&usable), home);
}

#[test]
fn what_is_kept_goes_in_its_time_also_beside_a_spec_that_can_not_be_used() {
    let mut s = kept();
    s.settings.wanted = None;
    s.world.obstacles = vec![obstacle(Stops::Everything)];
    s.record = committed(&s).0;
    let plan = checked(&s);
    assert!(matches!(&plan.why[..], [Why::Keeping { .. }, Why::Obstacle { .. }]), "{:?}", plan.why);
    s.now = Time(NOW.0 + 100_000_000);
    assert_eq!(committed(&s).0.previous, None);
}

#[test]
fn live_is_repaired_also_while_the_spec_asks_for_something_impossible() {
    let mut s = at_rest();
    s.settings.wanted = None;
    s.world.obstacles = vec![obstacle(Stops::Everything)];
    s.record = committed(&s).0;
    s.world.blue.objects = Objects::Absent;
    assert_eq!(effects(&s), [Effect::ApplyRelease { slot: live(), active: true }]);
    s.world.blue.objects = Objects::Leftover;
    assert_eq!(effects(&s), [Effect::Vacate { color: Color::Blue, except: Some(live().revision) }]);
}

#[test]
fn drift_of_roles_and_routes_is_led_home() {
    let mut s = at_rest();
    s.world.live_service.points = None;
    s.world.routes = routes(Form::Entered(10));
    assert_eq!(effects(&s), [Effect::PointLive(live()), Effect::LowerWeight(0)]);
}

#[test]
fn rule_7_a_hand_that_turned_back_while_teal_was_down_is_kept() {
    let mut s = kept();
    s.world.live_service = points(live());
    let (record, _) = committed(&s);
    assert_eq!(record.live.unwrap().slot, live());
    assert!(matches!(record.phase, Phase::Returning { cause: Cause::ForeignHand, .. }));
}

#[test]
fn live_that_was_edited_or_deleted_is_repaired() {
    let mut s = at_rest();
    s.world.blue.objects = Objects::Present { slot: live(), in_sync: false };
    assert_eq!(effects(&s), [Effect::ApplyRelease { slot: live(), active: true }]);
}

#[test]
fn the_color_that_rests_is_brought_to_rest_before_live_is_set_to_work() {
    let mut s = kept();
    s.world.blue.objects = Objects::Present { slot: live(), in_sync: false };
    s.world.blue.works = true;
    s.world.green.objects = Objects::Present { slot: candidate(), in_sync: false };
    assert_eq!(effects(&s), [Effect::ApplyRelease { slot: live(), active: false }]);
}

/// As where one of its objects is refused, which may last as long as it is kept.
#[test]
fn what_is_kept_and_does_no_work_holds_live_up_in_nothing() {
    let rest = |slot| Effect::ApplyRelease { slot, active: false };
    let work = |slot| Effect::ApplyRelease { slot, active: true };
    let mut s = kept();
    s.world.blue.objects = Objects::Present { slot: live(), in_sync: false };
    assert_eq!(effects(&s), [rest(live())], "live is as it should be");
    s.world.green.objects = Objects::Present { slot: candidate(), in_sync: false };
    assert_eq!(effects(&s), [rest(live()), work(candidate())]);
    s.world.blue.objects = Objects::Present { slot: live(), in_sync: true };
    s.world.blue.works = true;
    assert_eq!(effects(&s), [work(candidate())], "nothing would bring it to rest");
    let mut s = at_rest();
    s.record.candidate = Some(release(candidate(), 2));
    s.record.kept_until = Some(DEADLINE);
    s.world.blue.objects = Objects::Present { slot: live(), in_sync: false };
    s.world.green = present(candidate());
    s.world.green.objects = Objects::Present { slot: candidate(), in_sync: false };
    assert_eq!(effects(&s), [rest(candidate()), work(live())], "it was sent back");
}

#[test]
fn the_finalizer_goes_once_routes_are_their_owners() {
    let mut s = at_rest();
    s.world.finalizer = true;
    assert_eq!(effects(&s), [Effect::Finalizer(false)]);
}

#[test]
fn nothing_is_planned_on_caches_older_than_the_last_write() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.world.stale = true;
    assert_eq!(checked(&s).decision, Decision::Rest);
}

#[test]
fn deletion_at_rest_touches_nothing_that_serves() {
    let mut s = kept();
    s.deleting = true;
    assert_eq!(effects(&s), []);
    s.world.finalizer = true;
    assert_eq!(effects(&s), [Effect::Finalizer(false)]);
}

#[test]
fn nothing_begins_while_paused() {
    for by_spec in [true, false] {
        let mut s = at_rest();
        s.settings.wanted = Some(content(2));
        if by_spec {
            s.settings.mode = Mode::Paused;
        } else {
            s.record.paused = Some(teal_plan::record::Pause::Decision { user: "ana".to_owned() });
        }
        let plan = checked(&s);
        assert_eq!(plan.decision, Decision::Rest);
        assert!(matches!(plan.why[..], [Why::Paused { .. }]), "{:?}", plan.why);
    }
}

#[test]
fn guards_ask_nothing_once_there_is_nothing_to_go_back_to() {
    let mut s = at_rest();
    s.settings.guards = vec![guard("payments", Until::Retired)];
    assert_eq!(checked(&s).measure, Vec::<String>::new());
}

/// As after the Rollout was played back from an old backup: a number that is used already would name two contents.
#[test]
fn a_new_revision_is_numbered_above_all_that_is_there() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.world.highest_counter = 7;
    let (record, _) = committed(&s);
    assert_eq!((record.counter, record.candidate.unwrap().slot.revision.counter), (8, 8));
}

#[test]
fn what_is_gone_from_a_kept_color_stays_gone() {
    let mut s = kept();
    s.world.blue = absent();
    assert_eq!(effects(&s), []);
}

#[test]
fn the_finalizer_stays_while_routes_can_not_be_read() {
    let mut s = at_rest();
    s.world.finalizer = true;
    s.world.routes = routes(Form::Broken);
    assert_eq!(effects(&s), []);
}

#[test]
fn deletion_in_a_rollout_goes_back_first_and_yields_in_a_namespace_that_ends() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.deleting = true;
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Deleted, .. }));
    s.world.abandoned = true;
    assert_eq!(effects(&s), [Effect::Finalizer(false)]);
}

/// In every phase, also with Decisions that wait and checks that would be asked.
#[test]
fn in_a_namespace_that_is_deleted_nothing_is_done_but_letting_it_go() {
    let mut held = at_rest();
    held.settings.mode = Mode::HandsOff;
    for mut s in [at_rest(), kept(), trying("canary", 10), reached("canary", 10, LONG_AGO), promoting(), held]
    {
        s.settings.guards = vec![guard("errors", Until::Retired)];
        s.world.highest_epoch = 99;
        s.world.finalizer = true;
        s.world.obstacles = vec![ends()];
        let plan = checked(&s);
        assert_eq!((plan.decision, plan.wake_at, plan.measure), (Decision::Rest, None, Vec::new()));
        s.deleting = true;
        assert_eq!(effects(&s), [Effect::Finalizer(false)]);
        s.world.finalizer = false;
        assert_eq!(checked(&s).decision, Decision::Rest);
    }
}

/// As when the status was cut off by a restore, or can't be read, and the Rollout goes before Teal has looked again.
#[test]
fn deletion_without_a_record_leads_home_what_serves_before_it_lets_go() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.record = teal_plan::Record::default();
    s.deleting = true;
    s.world.found = Found::Release { slot: live(), hash: content(1) };
    s.record = committed(&s).0;
    let all = [Effect::PointLive(live()), Effect::PointCandidate(live()), Effect::LowerWeight(0)];
    assert_eq!(effects(&s), all);
    let epoch = s.record.epoch;
    for role in [&mut s.world.live_service, &mut s.world.candidate_service] {
        *role = teal_plan::snapshot::ServiceSeen { epoch, ..points(live()) };
    }
    s.world.routes = teal_plan::snapshot::RoutesSeen { epoch, ..routes(Form::Entered(0)) };
    assert_eq!(effects(&s), [Effect::LeaveRoutes]);
    s.world.routes.form = Form::Owner;
    s.record = committed(&s).0;
    assert!(matches!(s.record.phase, Phase::Rest { .. }));
    assert_eq!(effects(&s), [], "what was tried drains first");
    s.now = NOW + s.settings.drain;
    assert_eq!(effects(&s), [Effect::Vacate { color: Color::Green, except: None }]);
    s.world.green = absent();
    assert_eq!(effects(&s), [Effect::Finalizer(false)]);
}

#[test]
fn deletion_without_a_record_takes_the_candidate_out_of_routes_also_where_nothing_can_be_made_out() {
    for found in [Found::Foreign, Found::Nothing] {
        let mut s = reached("canary", 10, LONG_AGO);
        s.record = teal_plan::Record::default();
        s.deleting = true;
        s.world.found = found;
        assert_eq!(effects(&s), [Effect::LowerWeight(0)]);
        s.world.routes.form = Form::Entered(0);
        assert_eq!(effects(&s), [Effect::LeaveRoutes]);
        s.world.routes.form = Form::Owner;
        assert_eq!(effects(&s), [Effect::Finalizer(false)]);
        s.world.routes.form = Form::Entered(10);
        s.world.abandoned = true;
        assert_eq!(effects(&s), [Effect::Finalizer(false)], "nothing can be done");
    }
}

const STAYS: &str = "Deployment web-green is being deleted and stays: see its metadata.finalizers";

/// Another content is wanted, and what is left in green doesn't go.
fn stuck() -> Snapshot {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.world.green.objects = Objects::Leftover;
    s.world.green.trouble = Some(STAYS.to_owned());
    s
}

#[test]
fn what_is_being_deleted_and_stays_is_in_the_way_like_any_other_obstacle() {
    let mut s = stuck();
    let (record, _) = committed(&s);
    assert_eq!(record.blocked_since, Some(NOW));
    s.record = record;
    let plan = checked(&s);
    assert_eq!(plan.wake_at, Some(DEADLINE));
    assert_eq!(effects(&s), [Effect::Vacate { color: Color::Green, except: None }]);
    let stalled = |s: &Snapshot| report(s, &checked(s)).conditions.into_iter().find(|c| c.kind == "Stalled");
    assert_eq!(stalled(&s), None);
    s.now = DEADLINE;
    let stalled = stalled(&s).expect("a condition");
    assert_eq!(stalled.reason, "ReferenceMissing");
    assert!(stalled.message.ends_with(&format!("clears green first; {STAYS}")), "{}", stalled.message);
    let told = report(&s, &checked(&s));
    assert_eq!((told.phase, told.waiting_for.as_deref()), ("Blocked", Some("deletion")));
    s.world.green = absent();
    let (record, _) = committed(&s);
    assert!(record.blocked_since.is_none() && matches!(record.phase, Phase::Step(_)), "{record:?}");
}

#[test]
fn what_goes_in_its_time_is_no_obstacle() {
    let mut s = stuck();
    s.world.green.trouble = None;
    assert_eq!(effects(&s), [Effect::Vacate { color: Color::Green, except: None }]);
}

#[test]
fn a_deletion_names_what_holds_it_up() {
    let mut s = stuck();
    s.deleting = true;
    s.world.finalizer = true;
    let why = [Why::Clearing(Color::Green), Why::Stays { message: STAYS.to_owned() }];
    assert_eq!(checked(&s).why, why);
}

/// A Service that came with the promotion, or that the old release never served, is no reason to stay with a bad one.
#[test]
fn going_back_in_keep_time_asks_of_each_service_what_the_previous_release_served_there() {
    for (baseline, serving, goes_back) in [
        (vec![3, 0], vec![3, 0], true),
        (vec![3, 0], vec![0, 0], false),
        (vec![3, 2], vec![3, 0], false),
        (vec![], vec![3, 0], false),
    ] {
        let mut s = kept();
        s.record.baseline.clone_from(&baseline);
        s.world.blue.serving.clone_from(&serving);
        s.world.green.serving = vec![3, 3];
        let returns = |s: &Snapshot| match checked(s).decision {
            Decision::Commit(commit) => matches!(commit.record.phase, Phase::Returning { .. }),
            Decision::Act(_) | Decision::Rest => false,
        };
        let mut by_guard = s.clone();
        by_guard.settings.guards = vec![guard("payments", Until::Retired)];
        by_guard.checks = vec![standing("payments", Standing::Fail)];
        assert_eq!(returns(&by_guard), goes_back, "by a guard: {baseline:?} {serving:?}");
        s.decisions = vec![decision(Action::Rollback, "ana")];
        assert_eq!(returns(&s), goes_back, "by a person: {baseline:?} {serving:?}");
    }
}

/// A commit that is reverted in Git, as during a step: what is asked for stands there, warm.
#[test]
fn rule_8_a_spec_that_is_taken_back_in_keep_time_goes_back_to_what_is_kept() {
    let mut s = kept();
    s.settings.wanted = Some(content(1));
    let (record, _) = committed(&s);
    assert_eq!(record.live.unwrap().slot, live());
    assert_eq!(record.candidate.unwrap().slot, candidate());
    assert_eq!(record.phase, Phase::Returning { cause: Cause::Cancelled, since: NOW });
    assert!(!record.wanted.unwrap().rejected, "nobody has said that it is bad");
    s.world.blue.serving = vec![0];
    let (record, _) = committed(&s);
    assert_eq!(
        (record.live.unwrap().slot, record.previous),
        (candidate(), None),
        "what serves nobody is made anew"
    );
}

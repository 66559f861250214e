//! Going back: everything at once, stamped, and only then over.

use teal_plan::outcome::Ruling;
use teal_plan::pact::Pact;
use teal_plan::record::{Cause, Outcome, Pause, Phase};
use teal_plan::settings::Group;
use teal_plan::snapshot::{Action, Beside, DecisionSeen, Form, Objects};
use teal_plan::{Decision, Effect, Snapshot, Span, Time, Why};

use crate::decisions::decision;
use crate::fixture::*;

fn returning(cause: Cause) -> Snapshot {
    let mut s = reached("canary", 10, LONG_AGO);
    s.record.epoch = 8;
    s.record.phase = Phase::Returning { cause, since: NOW };
    s
}

fn failed() -> Cause {
    Cause::Check { check: "errors".to_owned(), detail: String::new(), job: None }
}

fn home(s: &mut Snapshot) {
    s.world.live_service.epoch = 8;
    s.world.candidate_service = points(live());
    s.world.candidate_service.epoch = 8;
    s.world.routes = routes(Form::Owner);
    s.world.routes.epoch = 8;
}

/// As where the first release had no pods for one of its Services, which was what the second one mends.
#[test]
fn a_service_that_live_never_served_keeps_nothing_from_going_back() {
    let mut s = returning(failed());
    s.world.blue.serving = vec![3, 0];
    s.world.green.serving = vec![3, 3];
    s.record.baseline = vec![3, 3];
    assert_eq!(effects(&s), [], "it had pods when the attempt began");
    s.record.baseline = vec![3, 0];
    assert!(effects(&s).contains(&Effect::LowerWeight(0)), "{:?}", effects(&s));
    s.record.baseline = vec![4, 0];
    assert!(checked(&s).why.iter().any(|why| matches!(why, Why::ReturnShort { .. })), "and is said");
    s.world.blue.serving = vec![0, 0];
    assert_eq!(effects(&s), [], "nobody would answer");
}

/// What their owner gives the candidate's Service then is live's.
#[test]
fn routes_are_left_only_once_the_candidates_role_is_home() {
    for form in [Form::Entered(0), Form::Mixed { owner: false, highest: 0 }] {
        let mut s = returning(failed());
        home(&mut s);
        s.world.candidate_service = points(candidate());
        s.world.routes = routes(form);
        s.world.routes.epoch = 8;
        assert_eq!(effects(&s), [Effect::PointCandidate(live())], "{form:?}");
        home(&mut s);
        s.world.routes = routes(form);
        s.world.routes.epoch = 8;
        assert_eq!(effects(&s), [Effect::LeaveRoutes], "{form:?}");
    }
}

#[test]
fn rule_4_both_roles_and_the_weights_go_back_in_parallel_each_with_the_new_epoch() {
    let all = [Effect::PointLive(live()), Effect::PointCandidate(live()), Effect::LowerWeight(0)];
    assert_eq!(effects(&returning(failed())), all);
}

/// What can't be kept up beside the routes holds up whatever goes forward, and nothing else.
#[test]
fn no_way_back_goes_forward() {
    let raised = {
        let mut s = trying("canary", 10);
        s.world.finalizer = true;
        s.world.green = present(candidate());
        s.world.routes = routes(Form::Entered(0));
        s.world.candidate_service = points(candidate());
        s
    };
    for (s, forward) in [(raised, true), (promoting(), true), (returning(failed()), false), (kept(), false)] {
        let plan = checked(&s);
        assert_eq!(plan.goes_forward(&s.record), forward, "{:?}", plan.decision);
    }
}

#[test]
fn what_is_home_already_is_stamped_all_the_same() {
    let mut s = returning(failed());
    home(&mut s);
    s.world.routes.epoch = 7;
    s.world.live_service.epoch = 7;
    assert_eq!(effects(&s), [Effect::PointLive(live()), Effect::LowerWeight(0)]);
}

#[test]
fn rule_5_a_broken_route_does_not_keep_the_roles_from_going_back() {
    let mut s = returning(failed());
    s.world.routes = routes(Form::Broken);
    assert_eq!(effects(&s), [Effect::PointLive(live()), Effect::PointCandidate(live())]);
    s.world.live_service.epoch = 8;
    s.world.candidate_service = points(live());
    s.world.candidate_service.epoch = 8;
    assert!(matches!(committed(&s).0.phase, Phase::Rest { outcome: Outcome::RolledBack(_) }));
}

#[test]
fn a_route_that_can_not_be_managed_is_left_without_the_candidate_all_the_same() {
    let mut s = returning(failed());
    home(&mut s);
    s.world.routes.form = Form::Mixed { highest: 90, owner: true };
    s.world.obstacles = vec![obstacle(teal_plan::snapshot::Stops::Rollout)];
    assert_eq!(effects(&s), [Effect::LowerWeight(0)]);
    s.world.routes.form = Form::Mixed { highest: 0, owner: true };
    assert_eq!(effects(&s), [Effect::LeaveRoutes]);
    s.world.routes.form = Form::Broken;
    assert!(matches!(committed(&s).0.phase, Phase::Rest { .. }));
}

#[test]
fn traffic_is_never_sent_to_a_live_without_endpoints() {
    let mut s = returning(failed());
    s.world.live_service = points(candidate());
    s.world.blue.serving = vec![0];
    assert_eq!(effects(&s), []);
    assert!(checked(&s).why.iter().any(|why| matches!(why, Why::ReturnBlocked { .. })));
    s.world.blue.serving = vec![1];
    assert!(effects(&s).contains(&Effect::PointLive(live())), "one endpoint is enough in an emergency");
}

#[test]
fn a_candidate_that_carries_by_weight_is_not_left_for_a_dead_live() {
    let mut s = returning(failed());
    s.world.blue.serving = vec![0];
    assert_eq!(effects(&s), []);
}

#[test]
fn an_object_that_cannot_be_repaired_does_not_keep_it_from_ending() {
    let mut s = returning(Cause::Superseded);
    home(&mut s);
    s.world.blue.objects = Objects::Present { slot: live(), in_sync: false };
    assert!(matches!(committed(&s).0.phase, Phase::Rest { .. }));
}

#[test]
fn the_color_that_goes_is_brought_to_rest_before_live_works_and_holds_it_up_no_longer() {
    let rest = || Effect::ApplyRelease { slot: candidate(), active: false };
    let work = || Effect::ApplyRelease { slot: live(), active: true };
    let mut s = returning(failed());
    home(&mut s);
    s.world.live_service.since = Time(NOW.0 - 500);
    s.world.blue.objects = Objects::Present { slot: live(), in_sync: false };
    s.world.green.objects = Objects::Present { slot: candidate(), in_sync: false };
    s.world.green.works = true;
    assert_eq!(effects(&s), [rest()]);
    s.world.green.works = false;
    assert_eq!(effects(&s), [rest(), work()], "one of its objects is refused");
    s.world.green.objects = Objects::Present { slot: candidate(), in_sync: true };
    assert_eq!(effects(&s), [work()]);
}

#[test]
fn it_is_over_only_when_proxies_had_time() {
    let mut s = returning(failed());
    home(&mut s);
    s.world.live_service.since = Time(NOW.0 - 500);
    assert_eq!(effects(&s), []);
    assert_eq!(checked(&s).wake_at, Some(Time(NOW.0 + 1_500)));
}

#[test]
fn a_failed_candidate_is_kept_to_be_looked_at() {
    let mut s = returning(failed());
    home(&mut s);
    let (record, _) = committed(&s);
    assert_eq!(record.phase, Phase::Rest { outcome: Outcome::RolledBack(failed()) });
    assert_eq!(record.candidate.unwrap().slot, candidate());
    assert_eq!(record.kept_until, Some(NOW + Span::seconds(600)));
}

#[test]
fn the_end_says_at_once_what_to_do() {
    let mut s = returning(failed());
    home(&mut s);
    s.record.wanted = s.record.candidate.map(|candidate| teal_plan::record::Wanted {
        hash: candidate.hash,
        revision: candidate.slot.revision,
        rejected: true,
        attempts: 1,
    });
    let kept = Why::Keeping { until: NOW + Span::seconds(600) };
    assert_eq!(checked(&s).why, [Why::Rejected { revision: candidate().revision }, kept]);
}

#[test]
fn rule_4_the_candidate_role_is_stamped_too() {
    let mut s = returning(failed());
    home(&mut s);
    s.world.candidate_service.epoch = 7;
    assert_eq!(
        effects(&s),
        [Effect::PointCandidate(live())],
        "or a late write of before could turn it again"
    );
}

#[test]
fn proxies_are_given_time_for_the_candidate_role_as_well() {
    let mut s = returning(failed());
    home(&mut s);
    s.world.candidate_service.since = Time(NOW.0 - 500);
    assert_eq!((effects(&s), checked(&s).wake_at), (Vec::new(), Some(Time(NOW.0 + 1_500))));
}

#[test]
fn only_a_persons_pause_outlives_going_back() {
    let hand = Pause::ForeignHand { manager: "kubectl".to_owned() };
    for (pause, stays) in
        [(Pause::Spec, false), (hand, false), (Pause::Decision { user: "ana".to_owned() }, true)]
    {
        let mut s = returning(failed());
        home(&mut s);
        s.record.paused = Some(pause.clone());
        assert_eq!(committed(&s).0.paused.is_some(), stays, "{pause:?}");
    }
}

#[test]
fn who_goes_back_for_another_release_says_to_its_group_with_its_end_that_it_begins() {
    let mut s = returning(Cause::Superseded);
    home(&mut s);
    assert_eq!(committed(&s).0.group, None);
    s.settings.group = Some(Group { name: "checkout".to_owned(), gather: Span::seconds(10) });
    assert_eq!(committed(&s).0.group, Some(Pact::announced("checkout")));
}

#[test]
fn rule_16_a_superseded_candidate_only_drains() {
    let mut s = returning(Cause::Superseded);
    home(&mut s);
    let (record, _) = committed(&s);
    assert_eq!((record.candidate, record.kept_until), (None, None));
    assert_eq!(record.vacate_after, Some(NOW + Span::seconds(30)));
}

/// Content 2 was sent back by a person, and traffic is not home yet.
fn going_back() -> Snapshot {
    let mut s = reached("canary", 10, LONG_AGO);
    s.decisions = vec![decision(Action::Rollback, "ana")];
    s.record = committed(&s).0;
    s
}

#[test]
fn a_retry_on_the_way_back_is_followed_once_traffic_is_home() {
    let mut s = going_back();
    s.decisions = vec![decision(Action::Retry, "ben")];
    let answers = |s: &Snapshot| effects(s).iter().any(|effect| matches!(effect, Effect::Answer { .. }));
    assert!(!answers(&s), "{:?}", effects(&s));
    s.record.phase = Phase::Rest { outcome: Outcome::Superseded };
    assert!(!committed(&s).0.wanted.unwrap().rejected);
    let mut unwanted = going_back();
    unwanted.record.wanted.as_mut().unwrap().rejected = false;
    unwanted.decisions = vec![decision(Action::Retry, "ben")];
    assert!(answers(&unwanted), "it was not sent back for anything that is wrong with it");
}

/// Both may be there at once, as after a time in which hands were off, and a guard may have led back meanwhile.
#[test]
fn a_retry_that_was_made_before_traffic_went_back_undoes_nothing() {
    let retry = |made: Time| DecisionSeen { made, ..decision(Action::Retry, "ben") };
    let at = |seconds: i64| NOW + Span::seconds(seconds);
    let mut s = reached("canary", 10, LONG_AGO);
    let rollback = DecisionSeen { made: at(-1), ..decision(Action::Rollback, "ana") };
    s.now = NOW + Span(900);
    s.decisions = vec![retry(at(-2)), rollback];
    s.record = committed(&s).0;
    let mut rests = s.clone();
    rests.record.phase = Phase::Rest { outcome: Outcome::Superseded };
    for mut s in [s, rests.clone()] {
        s.decisions = vec![retry(at(-2))];
        let answer = effects(&s).pop();
        let Some(Effect::Answer { ruling: Ruling::Refused { message }, .. }) = answer else {
            panic!("{answer:?}");
        };
        assert!(message.contains("decide anew"), "{message}");
    }
    // The time of a Decision is cut to whole seconds.
    rests.decisions = vec![retry(NOW)];
    assert!(!committed(&rests).0.wanted.unwrap().rejected);
}

#[test]
fn a_rollback_of_another_revision_than_the_one_that_is_sent_back_is_superseded() {
    let mut s = going_back();
    s.decisions = vec![decision(Action::Rollback, "ben")];
    let ruled = |s: &Snapshot| match effects(s).last() {
        Some(Effect::Answer { ruling, .. }) => ruling.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(ruled(&s), Ruling::Done);
    s.decisions[0].revision = Some(live().revision.to_string());
    assert!(matches!(ruled(&s), Ruling::Superseded { message } if message.contains("spec.revision")));
}

/// A guard that leads back to a live that died meanwhile: nobody would come to mend it.
#[test]
fn a_way_back_that_waits_for_a_dead_live_stalls_once_it_lasts() {
    let mut s = returning(failed());
    s.world.blue.serving = vec![0];
    let told = |s: &Snapshot| {
        let report = teal_plan::report::report(s, &checked(s));
        let of = |kind: &str| report.conditions.iter().find(|c| c.kind == kind).map(|c| c.reason.clone());
        (of("Stalled"), of("Reconciling"), report.message)
    };
    let (stalled, reconciling, message) = told(&s);
    assert_eq!((stalled, reconciling.as_deref()), (None, Some("RollingBack")));
    assert!(message.contains("has no ready endpoint: look at its pods"), "{message}");
    assert_eq!(checked(&s).wake_at, Some(NOW + s.settings.progress_deadline));
    s.now = NOW + s.settings.progress_deadline;
    let (stalled, reconciling, message) = told(&s);
    assert_eq!((stalled.as_deref(), reconciling), (Some("DeadlineExceeded"), None));
    assert!(message.contains("has no ready endpoint: look at its pods"), "{message}");
    assert_eq!(checked(&s).wake_at, None);
    s.world.blue.serving = vec![1];
    assert!(effects(&s).contains(&Effect::LowerWeight(0)), "it goes on whenever it can");
    assert_eq!(told(&s).0, None);
}

/// The owner's own words may give the candidate's Service a share, as an exported VirtualService does.
#[test]
fn rule_9_routes_are_given_back_once_proxies_know_that_the_candidates_role_leads_to_live() {
    for form in [Form::Entered(0), Form::Mixed { highest: 0, owner: false }] {
        let mut s = returning(failed());
        home(&mut s);
        s.world.routes = routes(form);
        s.world.routes.epoch = 8;
        s.world.candidate_service.since = NOW;
        let plan = checked(&s);
        let until = NOW + s.settings.propagation;
        assert_eq!((plan.decision, plan.wake_at), (Decision::Rest, Some(until)), "{:?}", plan.why);
        s.now = until;
        assert_eq!(effects(&s), [Effect::LeaveRoutes]);
    }
}

/// With the roles, and before the routes stop naming the candidate, whatever form they have.
#[test]
fn a_preview_goes_with_the_way_back() {
    let there = Beside { any: true, fits: true };
    let mut s = returning(failed());
    s.world.routes.beside = there;
    assert!(
        effects(&s).contains(&Effect::LowerWeight(0))
            && effects(&s).contains(&Effect::PointCandidate(live()))
    );
    for form in [Form::Owner, Form::Broken, Form::Entered(0), Form::Mixed { owner: true, highest: 0 }] {
        home(&mut s);
        s.world.routes = routes(form);
        s.world.routes.epoch = 8;
        s.world.routes.beside = there;
        assert_eq!(effects(&s), [Effect::LowerWeight(0)], "{form:?}");
    }
}

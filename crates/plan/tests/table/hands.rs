//! Other hands at the routes before a step's weight is there.

use teal_plan::record::{Pause, Phase};
use teal_plan::snapshot::{Foreign, Form, Stops};
use teal_plan::{Decision, Effect, Snapshot, Time};

use crate::fixture::*;

/// Everything is there for the raise, and these weights are of another hand, as where a tool applies routes that were exported in
/// an earlier rollout.
fn forestalled(before: bool, form: Form) -> Snapshot {
    let mut s = trying("canary", 10);
    s.world.finalizer = true;
    s.world.green = present(candidate());
    s.world.candidate_service = points(candidate());
    s.world.routes = routes(form);
    s.world.routes.foreign =
        Some(Foreign { manager: "flux".to_owned(), before, raised: true, lowered: false, recent: 0 });
    s
}

#[test]
fn a_weight_that_another_hand_gives_before_teal_goes_back_whatever_forbids_it_or_not() {
    for (before, form) in [
        (true, Form::Entered(10)),
        (false, Form::Entered(10)),
        (true, Form::Entered(50)),
        (false, Form::Entered(5)),
        (true, Form::Mixed { highest: 10, owner: false }),
    ] {
        let mut s = forestalled(before, form);
        assert_eq!(effects(&s), [Effect::LowerWeight(0)], "{form:?}");
        let told = |s: &Snapshot| {
            let report = teal_plan::report::report(s, &checked(s));
            let mut all = report.conditions.into_iter();
            all.find(|condition| condition.kind == "TrafficInSync").map(|condition| condition.message)
        };
        assert_eq!(
            told(&s).as_deref(),
            Some("flux wrote the routes; Teal corrects them: leave the weights to Teal")
        );
        let mut stopped = s.clone();
        stopped.world.obstacles = vec![obstacle(Stops::Rollout)];
        for since in [None, Some(NOW)] {
            stopped.record.blocked_since = since;
            assert_eq!(effects(&stopped), [Effect::LowerWeight(0)], "{form:?} with an obstacle, and at once");
        }
        s.settings.mode = teal_plan::settings::Mode::Paused;
        s.record.paused = Some(Pause::Spec);
        assert_eq!(effects(&s), [Effect::LowerWeight(0)], "{form:?} while paused");
        assert_eq!(told(&s).map(|message| message.contains("kept")), Some(false));
    }
}

#[test]
fn a_weight_that_another_hand_gives_before_an_answer_of_metrics_goes_back() {
    let mut s = forestalled(true, Form::Entered(10));
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    assert_eq!(effects(&s), [Effect::LowerWeight(0)]);
}

/// The role selects other pods yet, so that the weight has to go before it is turned.
#[test]
fn a_weight_that_another_hand_gives_before_the_role_is_turned_goes_in_one_write() {
    let mut s = forestalled(true, Form::Entered(10));
    s.world.candidate_service = points(live());
    assert_eq!(effects(&s), [Effect::LowerWeight(0)]);
    s.world.green.available = false;
    assert_eq!(effects(&s), [Effect::LowerWeight(0)], "nor does it wait for pods");
}

#[test]
fn a_weight_that_another_hand_gives_between_two_steps_goes_back_to_that_of_the_former() {
    for form in [Form::Entered(100), Form::Entered(50)] {
        let mut s = forestalled(false, form);
        if let Phase::Step(place) = &mut s.record.phase {
            (place.step, place.weight) = ("full".to_owned(), 100);
        }
        assert_eq!(effects(&s), [Effect::LowerWeight(10)], "{form:?}");
        s.world.obstacles = vec![obstacle(Stops::Rollout)];
        assert_eq!(effects(&s), [Effect::LowerWeight(10)], "{form:?} with an obstacle, and no time for it");
        s.world.routes = routes(Form::Entered(10));
        assert!(matches!(checked(&s).decision, Decision::Rest), "it is behind the first weight");
    }
}

/// A hand that isn't Teal's wrote this while the step's weight was not there yet.
fn edited(step: &str, weight: u8, form: Form, lowered: bool) -> Snapshot {
    let mut s = trying(step, weight);
    s.world.finalizer = true;
    s.world.green = present(candidate());
    s.world.candidate_service = points(candidate());
    s.world.routes = routes(form);
    let manager = "kubectl-edit".to_owned();
    s.world.routes.foreign = Some(Foreign { manager, before: false, raised: false, lowered, recent: 0 });
    s
}

/// After a restart nobody knows what was there before an edit, and a weight that was not there can't have been taken.
#[test]
fn a_hand_that_took_nothing_before_the_weight_is_there_pauses_nothing() {
    for (step, weight, at) in [("canary", 10, 0), ("full", 100, 10)] {
        let s = edited(step, weight, Form::Entered(at), false);
        assert_eq!(effects(&s), [Effect::RaiseWeight(weight)], "{step}");
    }
    let s = edited("canary", 10, Form::Owner, false);
    assert_eq!(effects(&s), [Effect::EnterRoutes], "they are its owner's before");
}

#[test]
fn a_hand_that_took_something_before_the_weight_is_there_pauses_and_nothing_is_lost() {
    for (step, weight, form, lowered) in [
        ("full", 100, Form::Entered(5), false),
        ("full", 100, Form::Entered(10), true),
        ("full", 100, Form::Owner, false),
        ("full", 100, Form::Mixed { highest: 5, owner: true }, true),
        ("full", 100, Form::Mixed { highest: 10, owner: true }, false),
        ("full", 100, Form::Mixed { highest: 10, owner: false }, false),
        ("canary", 10, Form::Entered(0), true),
    ] {
        let (record, _) = committed(&edited(step, weight, form, lowered));
        assert_eq!(record.paused, Some(Pause::ForeignHand { manager: "kubectl-edit".to_owned() }), "{step}");
        assert!(matches!(record.phase, Phase::Step(place) if place.lost.is_none()), "{step}");
    }
}

/// A pause may come while proxies are given time for it, and a hand may change something else than weights meanwhile.
#[test]
fn teals_own_raise_is_kept_whatever_comes_before_it_is_seen() {
    let raised = |foreign: Option<bool>| {
        let mut s = forestalled(true, Form::Entered(10));
        let other = |before| Foreign {
            manager: "kubectl-edit".to_owned(),
            before,
            raised: false,
            lowered: false,
            recent: 0,
        };
        s.world.routes.foreign = foreign.map(other);
        s
    };
    for foreign in [None, Some(true), Some(false)] {
        let mut s = raised(foreign);
        s.settings.mode = teal_plan::settings::Mode::Paused;
        s.record.paused = Some(Pause::Spec);
        s.world.routes.since = Time(NOW.0 - 1_000);
        assert_eq!(effects(&s), [], "{foreign:?}");
        s.world.routes.since = LONG_AGO;
        let (record, _) = committed(&s);
        assert!(matches!(record.phase, Phase::Step(place) if place.reached == Some(NOW)), "{foreign:?}");
    }
}

/// What was there once has passed everything, and a hand that gives it back undoes what a hand did.
#[test]
fn a_weight_that_was_there_once_is_kept_whoever_gives_it_back() {
    let mut s = forestalled(true, Form::Entered(10));
    if let Phase::Step(place) = &mut s.record.phase {
        place.lost = Some(LONG_AGO);
    }
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Step(place) if place.reached == Some(NOW)));
}

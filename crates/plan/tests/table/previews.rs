//! Routes for those who ask for the candidate: when they come and go.

use teal_plan::record::Pause;
use teal_plan::snapshot::{Beside, Form, Stops};
use teal_plan::{Decision, Effect, Snapshot, Time};

use crate::fixture::*;

const MISSING: Beside = Beside { any: false, fits: false };
const THERE: Beside = Beside { any: true, fits: true };

/// A candidate that is ready and selected, at this weight.
fn selected(weight: u8) -> Snapshot {
    let mut s = trying("canary", weight);
    s.settings.steps[0].weight = weight;
    s.world.finalizer = true;
    s.world.green = present(candidate());
    s.world.routes = routes(Form::Entered(0));
    s.world.candidate_service = points(candidate());
    s
}

/// Also in a step of weight 0, which is there for those who ask.
#[test]
fn a_preview_comes_once_the_role_selects_serving_pods_and_the_step_is_reached_only_with_it() {
    for weight in [0, 10] {
        let mut s = selected(weight);
        s.world.routes.beside = MISSING;
        assert_eq!(effects(&s), [Effect::RaiseWeight(weight)]);
        s.world.candidate_service.settled = false;
        assert_eq!(effects(&s), []);
        s.world.candidate_service = points(live());
        assert_eq!(effects(&s), [Effect::PointCandidate(candidate())]);
        let mut s = selected(weight);
        s.world.routes = routes(Form::Entered(weight));
        s.world.routes.beside = THERE;
        s.world.routes.since = Time(NOW.0 - 1_000);
        assert_eq!(effects(&s), [], "proxies don't know of it yet");
        s.world.routes.since = Time(NOW.0 - 2_000);
        assert!(matches!(checked(&s).decision, Decision::Commit(_)), "reached");
    }
}

/// Nobody is led to a candidate that may not have a request.
#[test]
fn a_preview_waits_for_what_a_weight_waits_for() {
    let with = |change: fn(&mut Snapshot)| {
        let mut s = selected(0);
        s.world.routes.beside = MISSING;
        change(&mut s);
        s
    };
    let stopped = with(|s| s.world.obstacles = vec![obstacle(Stops::Rollout)]);
    assert!(
        !matches!(checked(&stopped).decision, Decision::Act(effects) if effects.contains(&Effect::RaiseWeight(0)))
    );
    let short = with(|s| s.world.green.serving = vec![0]);
    assert_eq!(effects(&short), []);
    let paused = with(|s| s.record.paused = Some(Pause::Decision { user: "ann".to_owned() }));
    assert_eq!(effects(&paused), []);
}

#[test]
fn a_preview_that_another_hand_changed_is_made_good_at_the_weight_that_is_there() {
    for seen in [MISSING, Beside { any: true, fits: false }] {
        let mut s = reached("canary", 10, NOW);
        s.world.routes.beside = seen;
        assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
    }
    let mut s = reached("canary", 10, NOW);
    s.world.routes.beside = THERE;
    assert_eq!(effects(&s), []);
}

/// A manifest that was exported under way brings it along. Proxies that have it would see two versions behind one name.
#[test]
fn rule_2_the_candidate_role_is_turned_only_once_no_preview_leads_to_it() {
    let mut s = selected(10);
    s.world.candidate_service = points(live());
    s.world.routes.beside = THERE;
    assert_eq!(effects(&s), [Effect::CutOff(candidate())]);
}

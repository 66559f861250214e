//! What a rollout goes by where live's size changes in its middle.

use serde_json::{Value, json};
use teal_plan::{Color, Time};

use super::cluster::Hand;
fn resize(hand: &mut Hand, replicas: u32) {
    hand.alter("web-blue", |view| {
        view.state.as_mut().expect("a workload's state").replicas = replicas;
    });
}

/// So many pods serve in a color.
fn grow(hand: &mut Hand, color: Color, count: usize) {
    hand.pods(color, &vec![true; count]);
    let (service, name) = if color == Color::Blue { ("web", "pod") } else { ("web-candidate", "green") };
    let names: Vec<String> = (0..count).map(|number| format!("{name}-{number}")).collect();
    let pods: Vec<(&str, bool, bool)> = names.iter().map(|name| (name.as_str(), true, false)).collect();
    hand.endpoints(service, &pods);
}

/// Else both colors, made smaller by their owner, would have too few endpoints for their weights, and a good version be sent back.
#[test]
fn fewer_pods_that_the_owner_asks_for_are_what_live_is_measured_by() {
    let mut hand = Hand::new();
    hand.install();
    hand.keep(Color::Blue, &["web"]);
    hand.at_step(10, Time(0));
    let measure = |hand: &mut Hand| hand.look(1_000).snapshot.record.baseline;
    assert_eq!(measure(&mut hand), [3]);
    hand.spec("/release/manifests/0/spec/replicas", json!(2));
    assert_eq!(measure(&mut hand), [3], "live hasn't followed");
    resize(&mut hand, 2);
    assert_eq!(measure(&mut hand), [2]);
    resize(&mut hand, 1);
    assert_eq!(measure(&mut hand), [3], "somebody else makes it smaller still");
    resize(&mut hand, 2);
    hand.take_field("web-blue", "/f:spec/f:replicas");
    assert_eq!(
        measure(&mut hand),
        [3],
        "an autoscaler may have made it so, because requests are with the candidate"
    );
}

/// One change brings another image and another size. Live follows in place, and a candidate that had live's size of before would
/// keep it for ever.
#[test]
fn a_candidate_starts_with_the_size_that_comes_with_it_or_else_with_lives() {
    let starts = |change: &dyn Fn(&mut Hand)| {
        let mut hand = Hand::new();
        hand.install();
        hand.keep(Color::Blue, &["web"]);
        resize(&mut hand, 7);
        change(&mut hand);
        hand.start_candidate(10);
        let green = hand.look(0).green.expect("a rendering");
        green.workloads[0].start_replicas
    };
    let written = |replicas: u32| {
        move |hand: &mut Hand| hand.spec("/release/manifests/0/spec/replicas", json!(replicas))
    };
    assert_eq!(starts(&written(3)), 7, "as it was made; somebody scaled live since");
    assert_eq!(starts(&written(6)), 6);
    assert_eq!(starts(&written(2)), 2);
    let scaled = |hand: &mut Hand| {
        written(6)(hand);
        hand.manifest(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
            "spec": {"maxReplicas": 9,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}));
    };
    assert_eq!(starts(&scaled), 7, "an autoscaler says how many");
}

/// Else a candidate whose pods just start would have too few endpoints for its weight, and be sent back.
#[test]
fn more_pods_than_live_had_are_asked_of_a_candidate_once_both_colors_have_them() {
    let mut hand = Hand::new();
    hand.install();
    hand.keep(Color::Blue, &["web"]);
    hand.at_step(10, Time(0));
    let measure = |hand: &mut Hand| hand.look(1_000).snapshot.record.baseline;
    hand.spec("/release/manifests/0/spec/replicas", json!(5));
    resize(&mut hand, 5);
    assert_eq!(measure(&mut hand), [3], "none has them");
    grow(&mut hand, Color::Blue, 5);
    assert_eq!(measure(&mut hand), [3], "the candidate's start");
    grow(&mut hand, Color::Green, 5);
    assert_eq!(measure(&mut hand), [5]);
}

/// What was committed in between is no measure any more.
#[test]
fn pods_that_the_owner_asks_back_in_the_same_rollout_are_the_measure_again() {
    let mut hand = Hand::new();
    hand.install();
    hand.keep(Color::Blue, &["web"]);
    hand.at_step(10, Time(0));
    hand.record("baseline", json!([2]));
    assert_eq!(hand.look(1_000).snapshot.record.baseline, [3]);
}

/// Both colors follow within the keep time, too: fewer pods that the owner asks for are no reason to say that going back isn't ready.
#[test]
fn a_kept_release_is_measured_by_what_the_owner_asks_for_by_then() {
    let mut hand = Hand::new();
    hand.install();
    hand.keep(Color::Blue, &["web"]);
    hand.at_step(100, Time(0));
    let record = hand.look(1_000).snapshot.record;
    hand.record("previous", json!(record.live));
    hand.record("live", json!(record.candidate));
    hand.record("candidate", json!(null));
    hand.record("phase", json!({"name": "Rest", "outcome": "Promoted"}));
    let measure = |hand: &mut Hand| hand.look(1_000).snapshot.record.baseline;
    assert_eq!(measure(&mut hand), [3]);
    hand.spec("/release/manifests/0/spec/replicas", json!(2));
    hand.alter("web-green", |view| view.state.as_mut().expect("a workload's state").replicas = 2);
    assert_eq!(measure(&mut hand), [2]);
}

/// It would be given all requests with the size that live had at the start.
#[test]
fn a_candidates_autoscaler_grows_along_with_live() {
    let mut hand = Hand::new();
    hand.manifest(
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {"minReplicas": 1, "maxReplicas": 20,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}),
    );
    hand.install();
    hand.keep(Color::Blue, &["web"]);
    hand.at_step(10, Time(0));
    hand.record("baseline", json!([3]));
    let mut least = |replicas: u32, ready: u32| {
        hand.alter("web-blue", |view| {
            let state = view.state.as_mut().expect("a workload's state");
            (state.replicas, state.available) = (replicas, ready);
        });
        let seen = hand.look(1_000);
        [seen.blue, seen.green].map(|rendering| {
            let rendering = rendering.expect("a rendering");
            let mut pieces = rendering.pieces.iter();
            let scaler = pieces.find(|piece| piece.kind.kind == "HorizontalPodAutoscaler");
            scaler.expect("an autoscaler").object["spec"]["minReplicas"].clone()
        })
    };
    assert_eq!(least(3, 3), [3, 3]);
    assert_eq!(least(12, 12), [3, 12], "live itself may shrink to what it had at the start");
    assert_eq!(least(12, 7), [3, 7], "what finds no room for live is asked for by nobody else");
    assert_eq!(least(2, 2), [3, 3]);
}

/// A second workload behind the Service.
fn burst() -> Value {
    let labels = json!({"app": "web", "of": "burst"});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "burst"}, "spec": {
        "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]}}}})
}

fn scaler(of: &str) -> Value {
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": of}, "spec": {
        "maxReplicas": 20, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": of}}})
}

#[test]
fn autoscalers_of_both_colors_are_held_as_live_was_at_the_start() {
    let mut hand = Hand::new();
    [burst(), scaler("web"), scaler("burst")].into_iter().for_each(|manifest| hand.manifest(manifest));
    hand.install();
    hand.keep(Color::Blue, &["web"]);
    hand.at_step(10, Time(0));
    hand.record("baseline", json!([20]));
    hand.record("sizes", json!([["Deployment/web", 18], ["Deployment/burst", 2]]));
    let seen = hand.look(1_000);
    for rendering in [seen.blue, seen.green] {
        let rendering = rendering.expect("a rendering");
        let scalers = rendering.pieces.iter().filter(|piece| piece.kind.kind == "HorizontalPodAutoscaler");
        let held = scalers.map(|piece| (piece.name.as_str(), piece.object["spec"]["minReplicas"].as_u64()));
        let held: Vec<_> = held.collect();
        let of = |name: &str| held.iter().find(|(of, _)| of.starts_with(name)).and_then(|(_, least)| *least);
        // The rest was made with three pods of each, which are ready.
        assert_eq!((of("web-"), of("burst-").map(|least| least < 4)), (Some(18), Some(true)), "{held:?}");
    }
}

/// What they are to each other at the start of a rollout is committed: later each moves by itself.
#[test]
fn only_of_autoscalers_that_share_a_service_the_sizes_are_looked_at() {
    let burst = burst();
    let shared = |manifests: &[&Value]| {
        let mut hand = Hand::new();
        manifests.iter().for_each(|manifest| hand.manifest((*manifest).clone()));
        hand.install();
        for (name, replicas, ready) in [("web-blue", 18, 18), ("burst-blue", 4, 2)] {
            if manifests.contains(&&burst) || name == "web-blue" {
                hand.alter(name, |view| {
                    let state = view.state.as_mut().expect("a workload's state");
                    (state.replicas, state.available) = (replicas, ready);
                });
            }
        }
        let mut sizes = hand.look(1_000).snapshot.world.sizes;
        sizes.sort();
        sizes
    };
    let (web, second) = (scaler("web"), scaler("burst"));
    assert_eq!(shared(&[&web]), [], "it has the whole of it");
    assert_eq!(shared(&[&web, &burst]), [], "the other has a size of its own");
    let both = [("Deployment/burst".to_owned(), 2), ("Deployment/web".to_owned(), 18)];
    assert_eq!(shared(&[&web, &burst, &second]), both, "what is ready of them");
}

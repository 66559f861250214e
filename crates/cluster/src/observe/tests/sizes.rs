//! What a rollout goes by where live's size changes in its middle.

use serde_json::json;
use teal_plan::{Color, Time};

use super::cluster::Hand;

fn resize(hand: &mut Hand, replicas: u32) {
    hand.alter("web-blue", |view| {
        view.state.as_mut().expect("a workload's state").replicas = replicas;
    });
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

#[test]
fn more_pods_than_live_had_are_asked_of_nobody() {
    let mut hand = Hand::new();
    hand.install();
    hand.keep(Color::Blue, &["web"]);
    hand.at_step(10, Time(0));
    hand.spec("/release/manifests/0/spec/replicas", json!(5));
    resize(&mut hand, 5);
    assert_eq!(hand.look(1_000).snapshot.record.baseline, [3]);
}

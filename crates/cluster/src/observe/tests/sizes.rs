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

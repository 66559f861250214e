//! Which pod is the youngest, where a step asks.

use serde_json::json;
use teal_plan::Time;
use teal_plan::snapshot::Youngest;

use super::cluster::Hand;

/// Three pods in green, ready for longer and longer, and a step that asks for their age.
fn aging() -> Hand {
    let mut hand = Hand::new();
    hand.spec("/steps/0", json!({"name": "canary", "weight": 10, "minPodAge": "2m"}));
    hand.install();
    hand.at_step(10, Time(0));
    for (pod, since) in [("green-0", 3_000), ("green-1", 2_000), ("green-2", 1_000), ("pod-0", 9_000)] {
        hand.alter_pod(pod, |pod| pod.turned = Some(Time(since)));
    }
    hand
}

/// Its name, and since when it is ready.
fn youngest(hand: &mut Hand) -> Option<String> {
    let seen = hand.look(10_000).snapshot.world.green.youngest;
    seen.map(|Youngest { pod, since }| format!("{pod} since {}", since.0))
}

#[test]
fn the_youngest_is_the_pod_of_that_color_that_got_ready_last() {
    let mut hand = aging();
    assert_eq!(hand.look(10_000).snapshot.settings.steps[0].min_pod_age, teal_plan::Span::seconds(120));
    assert_eq!(youngest(&mut hand).as_deref(), Some("green-0 since 3000"));
    hand.alter_pod("green-2", |pod| pod.turned = Some(Time(3_000)));
    assert_eq!(youngest(&mut hand).as_deref(), Some("green-0 since 3000"), "the same one at each look");
    hand.alter_pod("green-2", |pod| pod.turned = None);
    assert_eq!(
        youngest(&mut hand),
        Some("green-2 since 10000".to_owned()),
        "nobody knows since when, so it is no older than now"
    );
}

#[test]
fn pods_that_take_no_requests_have_no_age() {
    let mut hand = aging();
    hand.alter_pod("green-0", |pod| pod.ready = false);
    assert_eq!(youngest(&mut hand).as_deref(), Some("green-1 since 2000"), "it isn't ready");
    hand.alter_pod("green-1", |pod| pod.terminating = Some(Time(20_000)));
    assert_eq!(youngest(&mut hand).as_deref(), Some("green-2 since 1000"), "it goes");
    let job = ("batch.kubernetes.io/job-name".to_owned(), "migrate-green".to_owned());
    hand.alter_pod("green-2", |pod| pod.labels.push(job));
    assert_eq!(youngest(&mut hand), None, "a Job made it");
}

#[test]
fn ages_are_looked_up_only_where_a_step_asks() {
    let mut hand = aging();
    hand.spec("/steps/0", json!({"name": "canary", "weight": 10, "hold": "2m"}));
    assert_eq!(youngest(&mut hand), None);
}

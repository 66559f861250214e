//! Rule 11: Services that select both revisions for a time before they are turned.

use serde_json::json;
use teal_api::names::label;
use teal_plan::snapshot::{Found, Overlap};
use teal_plan::{Color, Span, Time};

use super::cluster::Hand;
use super::told;

/// A Service of this type, live in blue.
fn typed(kind: &str) -> Hand {
    let mut hand = Hand::new();
    hand.install();
    hand.edit("web", |service| service["spec"]["type"] = json!(kind));
    hand
}

fn overlap(hand: &mut Hand, at: i64) -> Option<Overlap> {
    hand.look(at).snapshot.world.overlap
}

fn lasts(hand: &mut Hand) -> Option<Span> {
    overlap(hand, 0).map(|overlap| overlap.lasts)
}

fn both() -> serde_json::Value {
    json!({"app": "web", label::ROLLOUT: "web"})
}

#[test]
fn rule_11_which_services_pass_through_an_overlap_follows_from_what_they_are() {
    assert_eq!(lasts(&mut typed("ClusterIP")), None);
    for kind in ["LoadBalancer", "NodePort"] {
        let mut hand = typed(kind);
        assert_eq!(lasts(&mut hand), Some(Span::seconds(30)), "{kind}");
        assert_eq!(told(&mut hand, 0, "ServiceUnsupported"), [] as [&str; 0], "{kind} is no reason to stop");
        assert_eq!(hand.look(0).passing, [true]);
    }
    for policy in ["internalTrafficPolicy", "externalTrafficPolicy"] {
        let mut hand = typed("ClusterIP");
        hand.edit("web", |service| service["spec"][policy] = json!("Local"));
        assert_eq!(lasts(&mut hand), Some(Span::seconds(30)), "{policy}");
    }
    let mut hand = Hand::new();
    hand.spec(
        "/release/manifests/0/spec/template/spec",
        json!({"containers": [{"name": "web", "image": "web:1"}], "readinessGates": [{"conditionType": "lb"}]}),
    );
    hand.install();
    assert_eq!(lasts(&mut hand), Some(Span::seconds(30)), "readiness gates");
}

#[test]
fn rule_11_its_owner_says_whether_and_for_how_long_a_service_selects_both() {
    let note = |hand: &mut Hand, key: &str, text: &str| {
        let (key, text) = (key.to_owned(), json!(text));
        hand.edit("web", move |service| service["metadata"]["annotations"][key] = text);
    };
    let mut hand = typed("LoadBalancer");
    note(&mut hand, "teal.dev/overlap", "90s");
    assert_eq!(lasts(&mut hand), Some(Span::seconds(90)));
    note(&mut hand, "teal.dev/switch", "AtOnce");
    assert_eq!(lasts(&mut hand), None);
    let mut hand = typed("ClusterIP");
    note(&mut hand, "teal.dev/switch", "Overlap");
    assert_eq!(lasts(&mut hand), Some(Span::seconds(30)));
    hand.spec(
        "/release/manifests/1/metadata",
        json!({"name": "web", "annotations": {"teal.dev/switch": "AtOnce"}}),
    );
    assert_eq!(lasts(&mut hand), None, "what the release says counts more");
}

#[test]
fn rule_11_what_its_owner_says_and_can_not_be_read_stops_the_rollout() {
    for (key, text, says) in [
        ("teal.dev/switch", "atonce", "must be Overlap or AtOnce"),
        ("teal.dev/overlap", "soon", "is \"soon\" and must be a duration from 1s to 1h"),
        ("teal.dev/overlap", "0s", "is \"0s\" and must be a duration from 1s to 1h"),
        ("teal.dev/overlap", "61m", "must be a duration from 1s to 1h"),
    ] {
        let mut hand = typed("LoadBalancer");
        hand.edit("web", |service| service["metadata"]["annotations"][key] = json!(text));
        let found = told(&mut hand, 0, "ObjectMalformed");
        assert_eq!(found.len(), 1, "{key}: {text}: {found:?}");
        let start = format!("Service shop/web: metadata.annotations[{key}]");
        assert!(found[0].starts_with(&start) && found[0].contains(says), "{found:?}");
        assert_eq!(lasts(&mut hand), Some(Span::seconds(30)), "{key}: {text}: until it is mended");
    }
}

#[test]
fn rule_11_what_can_not_be_selected_together_stops_the_rollout_unless_the_owner_accepts() {
    let mut selector = typed("NodePort");
    selector
        .spec("/release/manifests/0/spec/template/metadata/labels", json!({"app": "web", "tier": "front"}));
    selector.spec("/release/manifests/1/spec/selector", json!({"app": "web", "tier": "front"}));
    let mut port = typed("NodePort");
    port.spec("/release/manifests/1/spec/ports", json!([{"port": 80, "targetPort": 9090}]));
    for (mut hand, field) in
        [(selector, "spec.selector"), (port, "spec.ports: port 80 changes its targetPort")]
    {
        let found = told(&mut hand, 0, "ServiceUnsupported");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("Service shop/web: {field}")), "{found:?}");
        hand.edit("web", |service| service["metadata"]["annotations"]["teal.dev/switch"] = json!("AtOnce"));
        assert_eq!(told(&mut hand, 0, "ServiceUnsupported"), [] as [&str; 0]);
    }
}

#[test]
fn rule_11_a_first_install_needs_no_overlap() {
    let mut hand = typed("NodePort");
    hand.spec("/release/manifests/1/spec/ports", json!([{"port": 80, "targetPort": 9090}]));
    hand.commit(&json!({"epoch": 0, "counter": 0, "phase": {"name": "New"}}));
    assert_eq!(told(&mut hand, 0, "ServiceUnsupported"), [] as [&str; 0]);
}

#[test]
fn rule_11_an_overlap_is_observed_when_every_address_is_a_pod_of_one_of_the_two() {
    let mut hand = typed("NodePort");
    hand.begin_promotion();
    let apart = Some(Overlap { lasts: Span::seconds(30), selected: false, since: None });
    assert_eq!(overlap(&mut hand, 0), apart);
    hand.select("web", &both());
    let waits = Some(Overlap { lasts: Span::seconds(30), selected: true, since: None });
    assert_eq!(overlap(&mut hand, 1_000), waits, "the slices don't have the new pods yet");
    let pods = [("pod-0", true, false), ("green-0", true, false), ("pod-1", false, true)];
    hand.endpoints("web", &pods);
    let since = |at: i64| Some(Overlap { lasts: Span::seconds(30), selected: true, since: Some(Time(at)) });
    assert_eq!(overlap(&mut hand, 2_000), since(2_000));
    assert_eq!(overlap(&mut hand, 9_000), since(2_000));
    hand.touch("web");
    assert_eq!(overlap(&mut hand, 10_000), since(10_000), "written anew, to the same");
    hand.endpoints("web", &[("pod-0", true, false), ("green-0", true, false), ("stranger", true, false)]);
    assert_eq!(overlap(&mut hand, 11_000), waits);
    let world = hand.look(12_000).snapshot.world;
    assert_eq!((world.live_service.points, world.live_service.selects_others), (None, false));
}

#[test]
fn rule_11_any_other_selector_is_no_overlap() {
    for selector in [
        json!({"app": "web"}),
        json!({label::ROLLOUT: "web"}),
        json!({"app": "web", label::ROLLOUT: "web", "tier": "front"}),
        json!({"app": "web", label::ROLLOUT: "other"}),
    ] {
        let mut hand = typed("NodePort");
        hand.begin_promotion();
        hand.endpoints("web", &[("pod-0", true, false), ("green-0", true, false)]);
        hand.select("web", &selector);
        let seen = overlap(&mut hand, 0).map(|overlap| (overlap.selected, overlap.since));
        assert_eq!(seen, Some((false, None)), "{selector}");
    }
}

#[test]
fn rule_11_with_a_policy_local_no_node_is_left_without_a_pod() {
    let mut hand = typed("NodePort");
    hand.begin_promotion();
    hand.placed("web", &[("pod-0", "n1"), ("pod-1", "n2"), ("pod-2", "n1")]);
    assert_eq!(told(&mut hand, 0, "ServiceUnsupported"), [] as [&str; 0], "any node leads to any pod");
    hand.edit("web", |service| service["spec"]["externalTrafficPolicy"] = json!("Local"));
    let found = told(&mut hand, 0, "ServiceUnsupported");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("Service shop/web: spec.externalTrafficPolicy: Local: node n2 has pods of r1-"),
        "{found:?}"
    );
    hand.placed("web-candidate", &[("green-0", "n1"), ("green-1", "n2"), ("green-2", "n3")]);
    assert_eq!(told(&mut hand, 0, "ServiceUnsupported"), [] as [&str; 0]);
}

#[test]
fn rule_7_of_two_revisions_behind_a_service_the_older_one_is_live_when_the_record_is_lost() {
    let mut hand = typed("NodePort");
    hand.begin_promotion();
    hand.select("web", &both());
    hand.commit(&json!({"epoch": 0, "counter": 0, "phase": {"name": "New"}}));
    let found = hand.look(0).snapshot.world.found;
    let Found::Release { slot, .. } = found else { panic!("{found:?}") };
    assert_eq!(slot, hand.slot(Color::Blue));
}

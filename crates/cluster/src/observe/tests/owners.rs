//! What owners write of their own: candidates, delegates, rules and notes around the routes.

use serde_json::json;
use teal_api::names::manager;
use teal_plan::snapshot::{Form, Stops};

use super::cluster::Hand;
use super::told;
use crate::kinds;

/// Weights between two names of the same pods mean nothing, so the bytes are kept, whoever wrote them back a moment ago.
#[test]
fn a_candidate_in_the_owners_own_words_is_the_owners_form_while_both_roles_are_the_same_pods() {
    let split = |live: u8| {
        json!([{"destination": {"host": "web"}, "weight": live},
            {"destination": {"host": "web-candidate"}, "weight": 100 - live}])
    };
    let of = |service: &str| json!({"routes": [{"route": "name:primary", "service": service}]}).to_string();
    let (ours, others) = (of("web"), of("api"));
    for (record, form) in [
        (None, Form::Owner),
        (Some(("another", others.as_str())), Form::Owner),
        (Some(("another", ours.as_str())), Form::Entered(10)),
        (Some(("1234-5678", ours.as_str())), Form::Entered(10)),
        (Some(("1234-5678", "no record")), Form::Entered(10)),
    ] {
        let mut hand = Hand::new();
        hand.install();
        hand.own_route(&split(90), record);
        let seen = hand.look(0);
        assert_eq!(seen.snapshot.world.routes.form, form, "{record:?}");
        let shown = if form == Form::Owner { 0 } else { 10 };
        assert!(seen.routes.iter().all(|route| route.weight == shown), "{:?}", seen.routes);
        hand.select("web", &json!({"app": "web"}));
        assert_eq!(hand.look(0).snapshot.world.routes.form, form, "led home by the role alone: {record:?}");
        hand.install();
        hand.start_candidate(10);
        assert_eq!(hand.look(0).snapshot.world.routes.form, form, "not begun: it is to be entered first");
        hand.point_candidate();
        assert_eq!(hand.look(0).snapshot.world.routes.form, Form::Entered(10), "{record:?}");
    }
}

/// A preview route of the owner's own, beside the one that is managed, gets the candidate as its policy has it.
#[test]
fn rule_9_a_copy_is_kept_while_any_route_names_the_candidate_and_goes_with_the_last() {
    let preview = json!({"http": [{"route": [{"destination": {"host": "web-candidate"}}]}]});
    let policy = json!({"host": "web", "trafficPolicy": {"tls": {"mode": "SIMPLE"}}});
    let mut hand = Hand::new();
    hand.install();
    hand.around(kinds::DESTINATION_RULE, "shop", &policy);
    assert!(!hand.look(0).rules_outdated, "nobody is sent to it");
    hand.around(kinds::VIRTUAL_SERVICE, "shop", &preview);
    assert!(hand.look(0).rules_outdated, "it has no policy yet");
    hand.copied_rule(&json!({"host": "web-candidate", "trafficPolicy": {"tls": {"mode": "SIMPLE"}}}));
    assert!(!hand.look(0).rules_outdated);
    hand.around(kinds::DESTINATION_RULE, "shop", &json!({"host": "other"}));
    assert!(hand.look(0).rules_outdated, "what it was made from is no more");
    hand.around(kinds::DESTINATION_RULE, "shop", &policy);
    assert!(!hand.look(0).rules_outdated);
    hand.around(kinds::VIRTUAL_SERVICE, "shop", &json!({"http": []}));
    assert!(hand.look(0).rules_outdated, "the last one is gone");
    hand.start_candidate(10);
    assert!(!hand.look(0).rules_outdated, "made before the route");
}

/// The owner edits, renames or removes it at 10 %.
#[test]
fn rule_9_while_a_candidate_is_tried_its_copies_follow_their_sources_to_the_end() {
    let policy = |mode: &str| json!({"host": "web", "trafficPolicy": {"tls": {"mode": mode}}});
    let copy = json!({"host": "web-candidate", "trafficPolicy": {"tls": {"mode": "SIMPLE"}}});
    for weight in [None, Some(0), Some(10)] {
        let mut hand = Hand::new();
        hand.install();
        hand.start_candidate(10);
        if let Some(weight) = weight {
            let split = json!([{"destination": {"host": "web"}, "weight": 100 - weight},
                {"destination": {"host": "web-candidate"}, "weight": weight}]);
            hand.route(&split, manager::TRAFFIC);
        }
        let outdated = |hand: &mut Hand| hand.look(0).rules_outdated;
        hand.named_around(kinds::DESTINATION_RULE, "shop", "theirs", &policy("SIMPLE"));
        hand.copied_rule(&copy);
        assert!(!outdated(&mut hand), "{weight:?}: it is as it should be");
        hand.named_around(kinds::DESTINATION_RULE, "shop", "theirs", &policy("DISABLE"));
        assert_eq!(outdated(&mut hand), weight.is_some(), "{weight:?}: another policy");
        hand.named_around(kinds::DESTINATION_RULE, "shop", "theirs", &json!({"host": "web"}));
        assert!(outdated(&mut hand), "{weight:?}: no policy any more");
        hand.named_around(kinds::DESTINATION_RULE, "shop", "theirs", &policy("SIMPLE"));
        assert!(!outdated(&mut hand), "{weight:?}: it is back");
        hand.take_rule("theirs");
        assert!(outdated(&mut hand), "{weight:?}: it is gone");
        hand.named_around(kinds::DESTINATION_RULE, "shop", "anew", &policy("SIMPLE"));
        assert!(outdated(&mut hand), "{weight:?}: another name");
        hand.take_rule("theirs-candidate");
        assert_eq!(outdated(&mut hand), weight.is_some(), "{weight:?}: the former copy is gone");
    }
}

/// What `kubectl apply` keeps is not in the caches, and counts.
#[test]
fn routes_of_which_no_record_has_room_stop_the_rollout_before_it_begins() {
    let mut hand = Hand::new();
    hand.install();
    for (size, found) in [(200_000, 0), (261_000, 1)] {
        hand.own_route(&json!([{"destination": {"host": "web"}}]), None);
        hand.last_applied(size);
        let told = told(&mut hand, 0, "RouteUnsupported");
        assert_eq!(told.len(), found, "{told:?}");
        assert!(told.iter().all(|told| told.contains("--server-side")), "{told:?}");
    }
}

/// A delegate has no gateways; its callers come through those of its root. One of a namespace that it isn't exported to is
/// passed over by istiod, and by whoever asks what rules its callers.
#[test]
fn rule_9_of_a_delegate_the_gateways_of_those_that_may_delegate_to_it_count() {
    let all = || json!([]);
    for (root, namespace, export_to, counts) in [
        ("shop", "edge", all(), true),
        ("front", "edge", all(), true),
        ("front", "front", all(), true),
        ("front", "edge", json!(["*"]), true),
        ("front", "edge", json!([".", "front"]), true),
        ("shop", "edge", json!(["."]), true),
        ("front", "front", json!(["edge"]), false),
        ("front", "edge", json!(["edge"]), false),
        ("front", "edge", json!(["."]), false),
        ("front", "edge", json!(["~"]), false),
    ] {
        let mut hand = Hand::new();
        hand.install();
        hand.delegate(&export_to);
        let gateway = if namespace == root { json!(["public"]) } else { json!(["edge/public"]) };
        let spec = json!({"hosts": ["x.example"], "gateways": gateway,
            "http": [{"delegate": {"name": "web", "namespace": "shop"}}]});
        hand.around(kinds::VIRTUAL_SERVICE, root, &spec);
        let spec =
            json!({"host": "web.shop.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "SIMPLE"}}});
        hand.around(kinds::DESTINATION_RULE, namespace, &spec);
        let sidecar = json!({"egress": [{"hosts": ["shop/web.shop.svc.cluster.local"]}]});
        hand.around(kinds::SIDECAR, namespace, &sidecar);
        let obstacles = hand.look(0).snapshot.world.obstacles;
        let mut found: Vec<_> = obstacles.iter().map(|found| (found.reason.as_str(), found.stops)).collect();
        found.sort_unstable();
        let stops = if counts { Stops::Rollout } else { Stops::Nothing };
        assert_eq!(
            found,
            [("DestinationRuleUnsupported", stops), ("HostNotExported", stops)],
            "{root}, exported to {export_to}: {obstacles:?}"
        );
    }
}

/// Both may be written by whoever may write one object, and everybody's rollouts are looked at by the same hands.
#[test]
fn rule_9_however_many_gateways_and_rules_there_are_a_look_ends() {
    let mut hand = Hand::new();
    hand.install();
    let gateways: Vec<String> = (0..20_000).map(|number| format!("edge-{number}/public")).collect();
    hand.gateways(&json!(gateways));
    for number in 0..500 {
        let policy = json!({"tls": {"mode": "SIMPLE"}});
        let spec = json!({"host": format!("other-{number}"), "trafficPolicy": policy});
        hand.named_around(kinds::DESTINATION_RULE, "shop", &format!("other-{number}"), &spec);
    }
    assert_eq!(told(&mut hand, 0, "DestinationRuleUnsupported"), [] as [&str; 0]);
    let spec = json!({"host": "web.shop.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "SIMPLE"}}});
    hand.named_around(kinds::DESTINATION_RULE, "edge-19999", "theirs", &spec);
    let found = told(&mut hand, 0, "DestinationRuleUnsupported");
    assert!(found.len() == 1 && found[0].starts_with("DestinationRule edge-19999/theirs"), "{found:?}");
    for number in 0..101 {
        hand.named_around(kinds::DESTINATION_RULE, "shop", &format!("web-{number}"), &json!({"host": "web"}));
    }
    let found = told(&mut hand, 0, "DestinationRuleUnsupported");
    assert!(found[0].contains("spec.host: 102 rules cover web or web-candidate"), "{found:?}");
}

/// The usual layout: the `Gateway` beside the Service, its pods in the root namespace, which no object of ours names.
#[test]
fn rule_9_a_rule_that_the_root_namespace_keeps_to_itself_is_refused_wherever_the_gateway_lies() {
    let mut hand = Hand::new();
    hand.install();
    hand.gateways(&json!(["shop/public"]));
    let spec = json!({"host": "web.shop.svc.cluster.local", "exportTo": ["."], "trafficPolicy": {"tls": {"mode": "SIMPLE"}}});
    hand.around(kinds::DESTINATION_RULE, "istio-system", &spec);
    let obstacles = hand.look(0).snapshot.world.obstacles;
    let found: Vec<_> = obstacles.iter().map(|found| (found.reason.as_str(), found.stops)).collect();
    assert_eq!(found, [("DestinationRuleUnsupported", Stops::Rollout)], "{obstacles:?}");
    assert!(obstacles[0].message.starts_with("DestinationRule istio-system/theirs"), "{obstacles:?}");
}

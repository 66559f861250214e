//! What is seen of the Services that lead to a release: whom they select, who answers there, and what the release says of them.

use serde_json::{Value, json};
use teal_plan::snapshot::{Found, Stops};
use teal_plan::{Color, Time};

use super::cluster::Hand;
use super::told;

/// Applied anew while the first release isn't complete, so that Teal's part of its selector is gone.
#[test]
fn a_service_of_a_first_release_tells_of_it_while_all_that_answers_is_its_own() {
    let mut hand = Hand::new();
    hand.install();
    let slot = hand.slot(Color::Blue);
    hand.select("web", &json!({"app": "web"}));
    let seen = |hand: &mut Hand| {
        let world = hand.look(0).snapshot.world;
        (world.found, world.live_service.selects_others)
    };
    assert_eq!(seen(&mut hand), (Found::Nothing, true), "at rest it says nothing");
    hand.record("phase", json!({"name": "Installing", "deadline": 600_000}));
    let (found, selects_others) = seen(&mut hand);
    assert!(matches!(found, Found::Release { slot: found, .. } if found == slot));
    assert!(!selects_others, "nothing is taken from anybody");
    hand.endpoints("web", &[("pod-0", false, false)]);
    let (found, selects_others) = seen(&mut hand);
    assert!(
        matches!(found, Found::Release { .. }) && selects_others,
        "pods of before may be away for a moment"
    );
    hand.endpoints("web", &[("somebody", true, false)]);
    assert_eq!(seen(&mut hand), (Found::Nothing, true), "callers are with others");
}

#[test]
fn a_service_that_selects_somebody_elses_pods_is_known_as_such() {
    let mut hand = Hand::new();
    hand.install();
    assert!(!hand.look(0).snapshot.world.live_service.selects_others);
    hand.select("web", &json!({"app": "old"}));
    let world = hand.look(0).snapshot.world;
    assert!(world.live_service.selects_others && !world.candidate_service.selects_others);
    hand.select("web", &json!({}));
    assert!(!hand.look(0).snapshot.world.live_service.selects_others, "nobody's");
}

/// Else a drain would begin anew with each pod of live that goes, and never end where they come and go all the time.
#[test]
fn a_role_is_turned_by_its_selector_alone() {
    let mut hand = Hand::new();
    hand.install();
    let live = |hand: &mut Hand, at: i64| hand.look(at).snapshot.world.live_service;
    assert_eq!(live(&mut hand, 1_000).turned, Time(1_000));
    hand.touch("web");
    hand.endpoints("web", &[]);
    let seen = live(&mut hand, 5_000);
    assert_eq!((seen.settled, seen.since, seen.turned), (false, Time(5_000), Time(1_000)));
    hand.select("web", &json!({"app": "web"}));
    assert_eq!(live(&mut hand, 9_000).turned, Time(9_000));
}

#[test]
fn a_service_that_goes_with_the_rollout_or_stays_against_the_spec_is_seen() {
    let mut hand = Hand::new();
    hand.install();
    assert!(!hand.look(0).owners_differ);
    hand.field("onDelete", json!("DeleteAll"));
    assert!(hand.look(0).owners_differ);
    hand.own("web");
    assert!(hand.look(0).owners_differ, "the candidate's doesn't go yet");
    hand.own("web-candidate");
    assert!(!hand.look(0).owners_differ);
    hand.field("onDelete", json!("KeepLive"));
    assert!(hand.look(0).owners_differ);
}

#[test]
fn rule_10_a_change_of_how_live_is_reached_must_be_brought_to_the_candidate() {
    let mut hand = Hand::new();
    hand.install();
    let export =
        |service: &mut Value| service["metadata"]["annotations"]["networking.istio.io/exportTo"] = json!("*");
    hand.edit("web", export);
    assert!(!hand.look(0).unlike_live, "nobody is sent to it at rest");
    hand.start_candidate(10);
    assert!(hand.look(0).unlike_live);
    hand.edit("web-candidate", export);
    assert!(!hand.look(0).unlike_live);
    hand.edit("web", |service| service["spec"]["sessionAffinity"] = json!("ClientIP"));
    assert!(hand.look(0).unlike_live);
    hand.edit("web-candidate", |service| service["spec"]["selector"] = json!({"app": "other"}));
    assert!(!hand.look(0).unlike_live, "somebody else's is left alone");
}

#[test]
fn rule_11_what_the_release_says_of_a_service_and_teal_does_not_write_is_told() {
    let mut hand = Hand::new();
    hand.install();
    hand.edit("web", |service| service["metadata"]["annotations"]["owner"] = json!("team-web"));
    assert_eq!(
        told(&mut hand, 0, "ServiceDiffers"),
        [] as [&str; 0],
        "more in the cluster is somebody's own"
    );
    hand.spec(
        "/release/manifests/1",
        json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "annotations": {"networking.istio.io/exportTo": "*"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], "sessionAffinity": "ClientIP"}}),
    );
    let found = told(&mut hand, 0, "ServiceDiffers");
    assert_eq!(found.len(), 1, "{found:?}");
    for words in [
        "Service shop/web: metadata.annotations[networking.istio.io/exportTo], spec.sessionAffinity of spec.release",
        "change it there by kubectl, web-candidate follows",
    ] {
        assert!(found[0].contains(words), "{found:?}");
    }
}

#[test]
fn rule_11_a_second_port_waits_for_the_routes_that_mean_the_only_one() {
    let mut hand = Hand::new();
    hand.install();
    hand.gateways(&json!(["edge/public"]));
    let stopping = |hand: &mut Hand| {
        let obstacles = hand.look(0).snapshot.world.obstacles;
        let all = obstacles.into_iter().filter(|found| found.reason == "RouteUnsupported");
        all.map(|found| (found.stops, found.message)).collect::<Vec<_>>()
    };
    hand.edit("web", |service| service["spec"]["ports"] = json!([{"name": "http", "port": 80}]));
    hand.spec(
        "/release/manifests/1/spec/ports",
        json!([{"name": "http", "port": 80}, {"name": "admin", "port": 81}]),
    );
    let found = stopping(&mut hand);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, Stops::Rollout);
    for word in ["VirtualService shop/web", "route[0].destination.port is missing", "port: {number: 80}"] {
        assert!(found[0].1.contains(word), "{found:?}");
    }
    hand.route(&json!([{"destination": {"host": "web", "port": {"number": 80}}}]), "owner");
    assert_eq!(stopping(&mut hand), []);
    hand.route(&json!([{"destination": {"host": "web"}}]), "owner");
    hand.gateways(&json!(["edge/public"]));
    hand.edit("web", |service| {
        service["spec"]["ports"] = json!([{"name": "http", "port": 80}, {"name": "admin", "port": 81}]);
    });
    assert_eq!(stopping(&mut hand), [], "it is promoted, or came before");
}

/// Kubernetes lists the address of each ready pod, also where the port that the Service means is open in none.
#[test]
fn rule_6_ready_pods_that_can_not_be_reached_at_a_port_of_their_service_do_not_count() {
    for (live, candidate, counted) in [
        (&["http", "grpc"][..], &["http", "grpc"][..], 3),
        (&["http", "grpc"], &["grpc", "http", "admin"], 3),
        (&["http", "grpc"], &["http"], 0),
        (&["http", "grpc"], &[], 0),
        // A port that nobody ever opened is nobody's loss.
        (&["http"], &["http"], 3),
    ] {
        let mut hand = Hand::new();
        hand.install();
        hand.at_step(10, Time(0));
        hand.opens("web", &["http", "grpc"], live);
        hand.opens("web-candidate", &["http", "grpc"], candidate);
        let world = hand.look(0).snapshot.world;
        assert_eq!(
            (world.blue.serving, world.green.serving),
            (vec![3], vec![counted]),
            "{live:?} {candidate:?}"
        );
        let trouble = world.green.trouble.unwrap_or_default();
        assert_eq!(trouble.is_empty(), counted > 0, "{trouble}");
        for word in ["Service shop/web-candidate", "port", "containers[].ports", "targetPort"] {
            assert!(counted > 0 || trouble.contains(word), "{trouble}");
        }
    }
}

/// Of two workloads behind one Service, and a candidate whose pods are so many, the one beside opening these ports.
fn beside(candidate: usize, open: &[&str], other: &[&str]) -> Hand {
    let mut hand = Hand::new();
    hand.install();
    hand.at_step(10, Time(0));
    hand.pods(Color::Blue, &[true; 4]);
    hand.pods(Color::Green, &[true; 4]);
    let web: Vec<_> =
        ["green-0", "green-1", "green-2"][..candidate].iter().map(|pod| (*pod, true, false)).collect();
    hand.endpoints("web-candidate", &web);
    hand.opens("web", &["http", "metrics"], &["http"]);
    hand.opens("web-candidate", &["http", "metrics"], open);
    hand.beside("web", "pod-3", other);
    hand.beside("web-candidate", "green-3", other);
    hand
}

/// A workload that the selector takes in and that doesn't open all ports is a part of what live has, and so it is of a candidate.
#[test]
fn rule_6_pods_that_open_less_than_others_of_live_count_for_a_candidate_as_for_live() {
    for other in [&[][..], &["metrics"]] {
        for (web, open, counted) in [(3, &["http"][..], 4), (2, &["http"], 2), (3, &["renamed"], 0)] {
            let world = beside(web, open, other).look(0).snapshot.world;
            assert_eq!(
                (world.blue.serving, world.green.serving),
                (vec![4], vec![counted]),
                "{web} {open:?} {other:?}"
            );
            let trouble = world.green.trouble.unwrap_or_default();
            assert_eq!(trouble.contains("opens port http"), counted == 0, "{trouble}");
        }
    }
}

/// Whatever is open in whom, going back needs a pod that serves and no more.
#[test]
fn rule_8_live_is_dead_only_where_no_pod_of_it_serves() {
    let mut hand = beside(3, &["http"], &["metrics"]);
    hand.endpoints("web", &[("pod-0", false, false), ("pod-1", false, false), ("pod-2", false, false)]);
    assert_eq!(hand.look(0).snapshot.world.blue.serving, [1], "the one beside");
}

/// Once the live role is turned there is no measure any more, and what was measured before it holds.
#[test]
fn after_the_turn_ports_are_held_against_nobody() {
    let mut hand = Hand::new();
    hand.install();
    hand.begin_promotion();
    hand.service("web", "live", hand.slot(Color::Green));
    hand.placed("web", &[("green-0", "n1"), ("green-1", "n1"), ("green-2", "n1")]);
    hand.opens("web", &["http", "nobody"], &["http"]);
    hand.opens("web-candidate", &["http", "nobody"], &["http"]);
    assert_eq!(hand.look(0).snapshot.world.green.serving, [3]);
}

//! Which traffic counts where one change brings a Service and names it in `spec.traffic`.

use serde_json::{Value, json};
use teal_plan::Color;
use teal_plan::snapshot::{Form, Objects, Stops};

use super::cluster::Hand;
use super::told;
use crate::observe::{Seen, traffic_told};

/// A workload of its own and the Service before it.
fn api() -> [Value; 2] {
    [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "api"}}, "template": {
                "metadata": {"labels": {"app": "api"}},
                "spec": {"containers": [{"name": "api", "image": "api:1"}]}}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"},
            "spec": {"selector": {"app": "api"}, "ports": [{"port": 80}]}}),
    ]
}

/// The first revision is live and kept, and the spec brings the other Service before its own.
fn grown() -> Hand {
    let mut hand = Hand::new();
    hand.install();
    hand.keep(Color::Blue, &["web"]);
    for manifest in api() {
        hand.manifest(manifest);
    }
    hand.second_route("api", "api");
    name(&mut hand, &["api", "web"], &["api", "web"]);
    hand
}

fn name(hand: &mut Hand, services: &[&str], routes: &[&str]) {
    let named = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
    hand.field("traffic", json!({"services": named(services), "virtualServices": named(routes)}));
}

fn names(seen: &Seen) -> (Vec<&str>, Vec<&str>) {
    let services = seen.services.iter().map(|service| service.name.as_str()).collect();
    (services, seen.filled.virtual_services.iter().map(|entry| entry.name.as_str()).collect())
}

fn stopping(seen: &Seen) -> Vec<(&str, &str)> {
    let all = seen.snapshot.world.obstacles.iter().filter(|obstacle| obstacle.stops > Stops::Nothing);
    all.map(|obstacle| (obstacle.reason.as_str(), obstacle.message.as_str())).collect()
}

#[test]
fn a_service_that_live_does_not_have_counts_once_a_release_that_has_it_is_live() {
    let mut hand = grown();
    let seen = hand.look(0);
    assert_eq!(names(&seen), (vec!["web"], vec!["web"]), "nor does the route that leads to it alone");
    assert_eq!(stopping(&seen), []);
    assert!(seen.snapshot.settings.wanted.is_some());
    let world = &seen.snapshot.world;
    assert_eq!((world.blue.serving.clone(), world.routes.form), (vec![3], Form::Owner));
    assert!(matches!(world.blue.objects, Objects::Present { in_sync: true, .. }), "live is what it was");
    let said = traffic_told(seen.traffic_waits, &seen.later);
    assert!(
        said.contains("Service api of spec.traffic.services") && said.contains("once a release"),
        "{said}"
    );
}

#[test]
fn its_pods_are_reached_by_the_name_of_their_color_while_they_are_tried() {
    let mut hand = grown();
    hand.start_candidate(10);
    let began = json!({"services": [{"name": "web"}], "virtualServices": [{"name": "web"}]});
    hand.record("traffic", began);
    let seen = hand.look(0);
    assert_eq!(names(&seen), (vec!["web"], vec!["web"]));
    assert_eq!(stopping(&seen), []);
    let green = seen.green.expect("a rendering");
    let inner = green.pieces.iter().find(|piece| piece.kind.kind == "Service").expect("a Service");
    assert_eq!(inner.name, "api-green");
}

/// The second revision is live with both Services, and the first one is kept.
fn promoted() -> Hand {
    let mut hand = grown();
    hand.promote_second();
    hand.record("baseline", json!([3]));
    hand.record("traffic", json!({"services": [{"name": "web"}]}));
    hand
}

#[test]
fn once_it_counts_what_is_kept_stays_as_it_was_and_can_be_gone_back_to() {
    let mut hand = promoted();
    let seen = hand.look(0);
    assert_eq!(names(&seen), (vec!["api", "web"], vec!["api", "web"]));
    assert_eq!(seen.snapshot.record.baseline, [0, 3], "in the order of the Services that count now");
    let world = &seen.snapshot.world;
    assert_eq!(world.blue.serving, [0, 3]);
    assert_eq!(world.live_service.points, None, "api isn't there yet");
    let services = |color: &Option<std::sync::Arc<crate::rendering::Rendering>>| -> Vec<String> {
        let rendering = color.as_ref().expect("a rendering");
        rendering.role_services.iter().map(|service| service.name.clone()).collect()
    };
    assert_eq!(
        (services(&seen.blue), services(&seen.green)),
        (vec!["web".into()], vec!["api".into(), "web".into()])
    );
}

/// Both Services as they are once the second revision has them.
fn both(hand: &mut Hand) {
    for (name, role) in [("api", "live"), ("api-candidate", "candidate")] {
        hand.service(name, role, hand.slot(Color::Green));
        hand.endpoints(name, &[("green-0", true, false)]);
    }
}

#[test]
fn a_role_is_where_each_of_its_services_is_and_as_old_as_the_oldest() {
    let mut hand = promoted();
    both(&mut hand);
    let (blue, green) = (hand.slot(Color::Blue), hand.slot(Color::Green));
    let seen = hand.look(0).snapshot.world.live_service;
    assert_eq!((seen.points, seen.settled, seen.epoch), (Some(green), true, 1));
    for (name, role) in
        [("web", "live"), ("api", "live"), ("web-candidate", "candidate"), ("api-candidate", "candidate")]
    {
        let of = |hand: &mut Hand| {
            let world = hand.look(0).snapshot.world;
            if role == "live" { world.live_service } else { world.candidate_service }
        };
        hand.service(name, role, blue);
        assert_eq!(of(&mut hand).points, None, "{name} isn't there yet");
        hand.service(name, role, green);
        hand.edit(name, |service| service["metadata"]["annotations"] = json!({}));
        let seen = of(&mut hand);
        assert_eq!((seen.points, seen.epoch), (Some(green), 0), "{name} is not stamped");
        hand.service(name, role, green);
        hand.endpoints(name, &[("pod-0", true, false)]);
        assert!(!of(&mut hand).settled, "{name} still has a pod of the other color");
        hand.endpoints(name, &[("green-0", true, false)]);
        assert!(of(&mut hand).settled);
    }
}

#[test]
fn routes_are_as_old_as_the_oldest_of_them() {
    let mut hand = promoted();
    both(&mut hand);
    hand.annotate_route("epoch", "1");
    assert_eq!(hand.look(0).snapshot.world.routes.epoch, 0, "that of api is not stamped");
    hand.annotate_any_route("api", "epoch", "1");
    assert_eq!(hand.look(0).snapshot.world.routes.epoch, 1);
    hand.annotate_route("epoch", "0");
    assert_eq!(hand.look(0).snapshot.world.routes.epoch, 0, "nor is that of web");
}

#[test]
fn on_the_way_back_only_what_is_gone_back_to_is_led_there() {
    let mut hand = promoted();
    let commit = hand.rollout().status.and_then(|status| status.commit).expect("a record");
    hand.record("candidate", commit["live"].clone());
    hand.record("live", commit["previous"].clone());
    hand.record("previous", Value::Null);
    hand.record("phase", json!({"name": "Returning", "cause": "ForeignHand", "since": 0}));
    hand.record("traffic", json!({"services": [{"name": "api"}, {"name": "web"}]}));
    hand.record("baseline", json!([0, 3]));
    let seen = hand.look(0);
    assert_eq!(names(&seen).0, ["web"]);
    assert_eq!(seen.snapshot.record.baseline, [3]);
}

#[test]
fn what_would_be_in_its_way_is_told_before_anything_starts() {
    type Change = fn(&mut Hand);
    let cases: [(&str, Change, &str, &[&str]); 4] = [
        (
            "its manifest is missing",
            |hand| name(hand, &["web", "apis"], &["web"]),
            "ServiceNotFound",
            &["spec.traffic.services", "names apis, which is no Service of spec.release.manifests"],
        ),
        (
            "it can have no roles",
            |hand| hand.spec("/release/manifests/3/spec/selector", json!({"app": "nobody"})),
            "ServiceNotFound",
            &["Service api", "spec.selector", "selects no pods of this release"],
        ),
        (
            "somebody else's is there",
            |hand| {
                hand.service("api", "live", hand.slot(Color::Blue));
                hand.edit("api", |service| {
                    service["metadata"]["labels"] = json!({});
                    service["spec"]["selector"] = json!({"app": "legacy"});
                });
            },
            "NameTaken",
            &["Service shop/api exists", "consent by the label teal.dev/rollout=web"],
        ),
        (
            "the one that is there has another port",
            |hand| {
                hand.service("api", "live", hand.slot(Color::Blue));
                hand.edit("api", |service| service["spec"]["ports"] = json!([{"port": 81}]));
            },
            "PortChanged",
            &["Service shop/api", "spec.ports", "port 81 is removed", "Keep the port"],
        ),
    ];
    for (what, change, reason, words) in cases {
        let mut hand = grown();
        change(&mut hand);
        let seen = hand.look(0);
        let found = stopping(&seen);
        let [(said, message)] = found[..] else { panic!("{what}: {found:?}") };
        assert_eq!(said, reason, "{what}: {message}");
        for word in words {
            assert!(message.contains(word), "{what}: {message}");
        }
    }
}

#[test]
fn an_older_rollouts_service_is_known_as_such_before_anything_starts() {
    let mut hand = grown();
    hand.rival("2026-01-01T00:00:00Z", &json!([{"name": "api"}]));
    let told = told(&mut hand, 0, "ClaimedByOther");
    assert!(told.iter().any(|message| message.contains("Service shop/api")), "{told:?}");
}

/// Nobody who calls the old name could be led back to live, and those of the new one have nothing to go back to.
#[test]
fn a_service_can_not_be_exchanged_for_another_one_in_one_change() {
    let mut hand = grown();
    name(&mut hand, &["api"], &["api"]);
    let seen = hand.look(0);
    assert_eq!(names(&seen).0, ["web"], "what serves goes on to count");
    assert_eq!(seen.snapshot.settings.wanted, None);
    let message = &seen.snapshot.stopped(Stops::Everything).expect("an obstacle").message;
    for word in ["spec.traffic.services names api only", "is Service web", "name web beside api"] {
        assert!(message.contains(word), "{message}");
    }
    assert!(matches!(seen.snapshot.world.blue.objects, Objects::Present { in_sync: true, .. }));
    let slot = seen.snapshot.record.live.expect("live").slot;
    assert_eq!(seen.snapshot.world.live_service.points, Some(slot));
}

#[test]
fn of_a_route_that_leads_to_both_nothing_waits_and_of_named_ones_each_by_itself() {
    let mut hand = grown();
    hand.put_first(&json!({"name": "api", "route": [{"destination": {"host": "api"}}]}));
    let routes = |hand: &mut Hand, entry: Value| -> Option<Vec<String>> {
        hand.field(
            "traffic",
            json!({"services": [{"name": "web"}, {"name": "api"}], "virtualServices": [entry]}),
        );
        hand.look(0).filled.virtual_services[0].routes.clone()
    };
    assert_eq!(routes(&mut hand, json!({"name": "web"})), None);
    let both = json!({"name": "web", "routes": [{"name": "primary"}, {"name": "api"}]});
    assert_eq!(routes(&mut hand, both), Some(vec!["primary".into()]));
}

/// A first release serves nobody yet, so that nothing keeps its Services from being others.
#[test]
fn before_anything_is_installed_all_services_count() {
    let mut hand = grown();
    hand.record("phase", json!({"name": "Installing", "deadline": 600_000}));
    assert_eq!(names(&hand.look(0)).0, ["api", "web"]);
}

/// Where the content of live can't be had, it can't be told what it has.
#[test]
fn with_the_content_of_live_lost_all_services_count() {
    let mut hand = grown();
    hand.memory.contents.clear();
    assert_eq!(names(&hand.look(0)).0, ["api", "web"]);
}

/// Nobody turns it any more, and it dies with the revision that it selects.
#[test]
fn a_service_that_was_led_and_is_named_no_more_is_told_and_stops_a_release_that_has_it() {
    let mut hand = Hand::new();
    hand.install();
    let slot = hand.slot(Color::Blue);
    let left = |hand: &mut Hand| {
        let seen = hand.look(0);
        let mut all = seen.snapshot.world.obstacles.iter();
        all.find(|obstacle| obstacle.reason == "ServiceLeftBehind")
            .map(|obstacle| (obstacle.stops, obstacle.message.clone()))
    };
    assert_eq!(left(&mut hand), None);
    hand.service("api", "live", slot);
    let (stops, said) = left(&mut hand).expect("it is told");
    assert_eq!(stops, Stops::Nothing);
    for word in ["Service shop/api", "spec.traffic.services", &slot.revision.to_string(), "delete it"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    for (color, told) in [("blue", true), ("green", false)] {
        hand.select("api", &json!({"app": "web", "teal.dev/color": color}));
        let said = left(&mut hand).map(|(_, said)| said);
        assert_eq!(said.is_some(), told, "pods of this Rollout that go with their color: {said:?}");
        assert!(said.is_none_or(|said| said.contains("selects the pods of blue alone")));
    }
    hand.service("api", "live", slot);
    for manifest in api() {
        hand.manifest(manifest);
    }
    let (stops, said) = left(&mut hand).expect("it is told");
    assert!(stops == Stops::Rollout && said.contains("although spec.release still has it"), "{said}");
    assert!(said.contains("take teal.dev/revision out of its selector: it serves callers in blue"), "{said}");
    for own in
        [json!({"app": "api"}), json!({"app": "web", "teal.dev/rollout": "web", "teal.dev/color": "blue"})]
    {
        hand.select("api", &own);
        assert_eq!(left(&mut hand), None, "it has a selector of its own");
    }
    hand.service("api", "live", slot);
    name(&mut hand, &["web", "api"], &["web"]);
    assert_eq!(left(&mut hand), None, "it is named again");
}

/// What would take the color's place counts only once it is live, and until then nobody would answer.
#[test]
fn a_service_that_is_left_at_the_color_that_goes_is_to_select_live_first() {
    let mut hand = Hand::new();
    hand.install();
    let kept = hand.slot(Color::Blue);
    hand.promote_second();
    hand.service("api", "live", kept);
    let seen = hand.look(0);
    let left = seen.snapshot.world.obstacles.iter().find(|obstacle| obstacle.reason == "ServiceLeftBehind");
    let said = &left.expect("it is told").message;
    assert!(said.contains("give its selector teal.dev/color: green without teal.dev/revision"), "{said}");
}

/// A label of a role says nothing once it is led no more: it would give the candidate requests before any weight.
#[test]
fn rule_12_a_service_that_was_led_and_got_another_selector_may_overlap_like_any_other() {
    let mut hand = Hand::new();
    hand.install();
    let slot = hand.slot(Color::Blue);
    hand.at_step(10, teal_plan::Time(0));
    hand.service("api", "live", slot);
    let overlaps = |hand: &mut Hand| {
        let seen = hand.look(0);
        let all = seen.snapshot.world.obstacles.iter();
        all.filter(|obstacle| obstacle.reason == "SelectorOverlap").count()
    };
    assert_eq!(overlaps(&mut hand), 0);
    hand.select("api", &json!({"app": "web"}));
    assert_eq!(overlaps(&mut hand), 1);
}

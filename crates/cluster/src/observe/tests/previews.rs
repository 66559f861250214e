//! Routes for those who ask for the candidate.

use serde_json::{Value, json};
use teal_plan::snapshot::{Beside, Form, Stops};

use super::cluster::Hand;
use crate::kinds;

fn to(host: &str, weight: u8) -> Value {
    json!({"destination": {"host": host}, "weight": weight})
}

fn at_ten() -> Hand {
    let mut hand = Hand::new();
    asked_for(&mut hand, json!({"headers": [{"name": "x-teal-preview", "value": "true"}]}));
    hand.install();
    hand.start_candidate(10);
    hand.point_candidate();
    hand.route(&json!([to("web", 90), to("web-candidate", 10)]), "teal/traffic");
    hand
}

fn asked_for(hand: &mut Hand, preview: Value) {
    let mut traffic = hand.rollout().spec.traffic;
    traffic.preview = serde_json::from_value(preview).expect("a preview");
    hand.spec("/traffic", serde_json::to_value(traffic).expect("JSON"));
}

fn made(value: &str) -> Value {
    json!({
        "name": "preview.teal.dev/web/primary",
        "match": [{"headers": {"x-teal-preview": {"exact": value}}}],
        "route": [{"destination": {"host": "web-candidate"}}],
    })
}

#[test]
fn a_preview_is_seen_beside_the_form_and_is_no_share() {
    for (route, seen) in [
        (None, Beside { any: false, fits: false }),
        (Some(made("true")), Beside { any: true, fits: true }),
        (Some(made("false")), Beside { any: true, fits: false }),
    ] {
        let mut hand = at_ten();
        route.iter().for_each(|route| hand.put_first(route));
        let seen_now = hand.look(0);
        let world = seen_now.snapshot.world;
        assert_eq!((world.routes.beside, world.routes.form), (seen, Form::Entered(10)), "{route:?}");
        assert_eq!(seen_now.routes.len(), 1, "and no route of its own in the status");
        assert_eq!(world.obstacles, []);
    }
}

/// Who asks for none has none, and one that was exported is its owner's as long as Teal has noted nothing there.
#[test]
fn without_a_preview_in_the_spec_one_that_is_there_is_too_many_but_for_an_owners_own() {
    let mut hand = at_ten();
    hand.put_first(&made("true"));
    asked_for(&mut hand, Value::Null);
    assert_eq!(hand.look(0).snapshot.world.routes.beside, Beside { any: true, fits: false });
    let mut hand = Hand::new();
    hand.install();
    hand.own_route(&json!([to("web", 100)]), None);
    hand.put_first(&made("true"));
    let world = hand.look(0).snapshot.world;
    assert_eq!((world.routes.beside, world.routes.form), (Beside::NONE, Form::Owner));
    assert_eq!(world.obstacles, []);
}

/// Where nothing can be managed any more, it is still led home.
#[test]
fn a_preview_beside_a_route_that_is_broken_is_seen() {
    let mut hand = at_ten();
    hand.route(&json!([{"destination": {"host": "web", "subset": "v1"}}]), "owner");
    hand.put_first(&made("true"));
    let world = hand.look(0).snapshot.world;
    assert!(world.routes.beside.any, "{:?}", world.routes);
    assert_eq!(world.routes.form, Form::Broken);
}

#[test]
fn a_preview_that_can_not_be_made_stops_the_rollout_before_it_starts() {
    let mut hand = Hand::new();
    asked_for(&mut hand, json!({"cookies": [{"name": "preview", "value": "1"}]}));
    hand.install();
    hand.route(&json!([to("web", 100)]), "owner");
    let sticky = json!({"name": "sticky", "match": [{"headers": {"cookie": {"regex": ".*vip=1.*"}}}], "route": [to("web", 100)]});
    hand.put_first(&sticky);
    let world = hand.look(0).snapshot.world;
    let told: Vec<_> = world.obstacles.iter().filter(|one| one.stops == Stops::Rollout).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].reason, "RouteUnsupported");
    assert!(told[0].message.contains("spec.http[0] (sticky).match"), "{}", told[0].message);
}

#[test]
fn a_preview_of_connections_alone_is_told() {
    let mut hand = Hand::new();
    hand.spec("/traffic/virtualServices", json!([{"name": "web", "routes": [{"tcp": {}}]}]));
    asked_for(&mut hand, json!({"sourceLabels": {"team": "qa"}}));
    hand.install();
    hand.route(&json!([to("web", 100)]), "owner");
    let mut object = hand.stores.virtual_services.get("shop", "web").expect("a route").value();
    let version = hand.next();
    object["metadata"]["resourceVersion"] = json!(version.to_string());
    object["spec"] = json!({"hosts": ["web"], "tcp": [{"route": [to("web", 100)]}]});
    hand.stores.offer(kinds::VIRTUAL_SERVICE, &object);
    let world = hand.look(0).snapshot.world;
    let told: Vec<&str> = world.obstacles.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("spec.traffic.preview is of http routes alone"), "{told:?}");
}

/// Conditions of its root are joined with a delegate's own.
#[test]
fn rule_9_a_preview_by_labels_is_refused_where_the_root_of_a_delegate_names_gateways() {
    let by_labels = json!({"sourceLabels": {"team": "qa"}});
    let by_headers = json!({"headers": [{"name": "x-teal-preview", "value": "true"}]});
    let of_gateways = json!([{"uri": {"prefix": "/"}}, {"gateways": ["public"]}]);
    for (preview, conditions, to, refused) in [
        (&by_labels, &of_gateways, "web", true),
        (&by_labels, &of_gateways, "other", false),
        (&by_labels, &json!([{"uri": {"prefix": "/"}}]), "web", false),
        (&by_headers, &of_gateways, "web", false),
    ] {
        let mut hand = Hand::new();
        asked_for(&mut hand, preview.clone());
        hand.install();
        hand.delegate(&json!([]));
        let spec = json!({"hosts": ["x.example"], "gateways": ["public"], "http": [
            {"route": [{"destination": {"host": "elsewhere"}}]},
            {"match": conditions, "delegate": {"name": to, "namespace": "shop"}}]});
        hand.around(kinds::VIRTUAL_SERVICE, "front", &spec);
        let told: Vec<_> =
            hand.look(0).snapshot.world.obstacles.into_iter().map(|found| found.message).collect();
        let says = |told: &String| told.contains("spec.http[1].match names gateways");
        assert_eq!(told.iter().any(says), refused, "{preview} {conditions} {to}: {told:?}");
        assert!(refused || told.is_empty(), "{told:?}");
    }
}

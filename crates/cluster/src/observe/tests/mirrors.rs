//! Steps that send the candidate copies.

use serde_json::{Value, json};
use teal_plan::snapshot::{Beside, Form, Stops};

use super::cluster::Hand;

fn to(host: &str, weight: u8) -> Value {
    json!({"destination": {"host": host}, "weight": weight})
}

/// A Rollout whose first step copies so much.
fn copying(percent: u8) -> Hand {
    let mut hand = Hand::new();
    let approval = json!({"count": 1});
    let canary =
        json!({"name": "canary", "weight": 10, "approval": approval, "mirror": {"percent": percent}});
    hand.spec("/steps", json!([canary, {"name": "full", "weight": 100}]));
    hand.install();
    hand
}

fn at_ten(percent: u8) -> Hand {
    let mut hand = copying(percent);
    hand.start_candidate(10);
    hand.point_candidate();
    hand.route(&json!([to("web", 90), to("web-candidate", 10)]), "teal/traffic");
    hand
}

/// Puts these mirrors into the route that is there.
fn mirror(hand: &mut Hand, mirrors: &Value) {
    let mut object = hand.stores.virtual_services.get("shop", "web").expect("a route").value();
    let version = hand.next();
    object["metadata"]["resourceVersion"] = json!(version.to_string());
    object["spec"]["http"][0]["mirrors"] = mirrors.clone();
    hand.stores.offer(crate::kinds::VIRTUAL_SERVICE, &object);
}

fn copies(percent: u8) -> Value {
    json!([{"destination": {"host": "web-candidate"}, "percentage": {"value": percent}}])
}

#[test]
fn a_mirror_fits_where_the_step_asks_for_it() {
    for (mirrors, seen) in [
        (None, Beside { any: false, fits: false }),
        (Some(copies(20)), Beside { any: true, fits: true }),
        (Some(copies(50)), Beside { any: true, fits: false }),
    ] {
        let mut hand = at_ten(20);
        mirrors.iter().for_each(|mirrors| mirror(&mut hand, mirrors));
        let world = hand.look(0).snapshot.world;
        assert_eq!((world.routes.beside, world.routes.form), (seen, Form::Entered(10)), "{mirrors:?}");
        assert_eq!(world.obstacles, []);
    }
}

#[test]
fn a_mirror_is_too_much_in_a_step_that_asks_for_none() {
    let mut hand = at_ten(20);
    mirror(&mut hand, &copies(20));
    hand.spec(
        "/steps",
        json!([{"name": "canary", "weight": 10, "hold": "10m"}, {"name": "full", "weight": 100}]),
    );
    let seen = hand.look(0);
    assert_eq!(seen.snapshot.world.routes.beside, Beside { any: true, fits: false });
    assert_eq!(seen.snapshot.settings.steps[0].mirror, None);
}

/// Nothing is asked of routes in which Teal has no part.
#[test]
fn a_mirror_of_the_owners_stops_a_rollout_that_copies_before_it_starts_and_no_other() {
    let older = json!({"host": "audit"});
    for (field, value, says) in [
        ("mirror", older, "spec.http[0] (primary).mirror is its owner's"),
        ("mirrors", copies(20), "spec.http[0] (primary).mirrors[0] leads to the candidate already"),
    ] {
        for copying_steps in [true, false] {
            let mut hand = if copying_steps { copying(20) } else { Hand::new() };
            if !copying_steps {
                hand.install();
            }
            hand.own_route(&json!([to("web", 100)]), None);
            let mut object = hand.stores.virtual_services.get("shop", "web").expect("a route").value();
            let version = hand.next();
            object["metadata"]["resourceVersion"] = json!(version.to_string());
            object["spec"]["http"][0]["name"] = json!("primary");
            object["spec"]["http"][0][field] = value.clone();
            hand.stores.offer(crate::kinds::VIRTUAL_SERVICE, &object);
            let world = hand.look(0).snapshot.world;
            assert!(!world.routes.beside.any);
            let told: Vec<_> = world.obstacles.iter().filter(|one| one.stops == Stops::Rollout).collect();
            assert_eq!(told.len(), usize::from(copying_steps), "{told:?}");
            for obstacle in told {
                assert_eq!(obstacle.reason, "RouteUnsupported");
                assert!(obstacle.message.contains(says), "{}", obstacle.message);
            }
        }
    }
}

#[test]
fn copies_of_connections_alone_are_told() {
    let mut hand = copying(20);
    hand.spec("/traffic/virtualServices", json!([{"name": "web", "routes": [{"tcp": {}}]}]));
    hand.route(&json!([to("web", 100)]), "owner");
    let mut object = hand.stores.virtual_services.get("shop", "web").expect("a route").value();
    let version = hand.next();
    object["metadata"]["resourceVersion"] = json!(version.to_string());
    object["spec"] = json!({"hosts": ["web"], "tcp": [{"route": [to("web", 100)]}]});
    hand.stores.offer(crate::kinds::VIRTUAL_SERVICE, &object);
    let world = hand.look(0).snapshot.world;
    let told: Vec<&str> = world.obstacles.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("mirror in spec.steps is of http routes alone"), "{told:?}");
    assert!(told[0].contains("take mirror out"), "{told:?}");
}

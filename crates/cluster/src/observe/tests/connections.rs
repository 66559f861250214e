//! Routes of connections, where the spec names them.

use serde_json::{Value, json};
use teal_plan::snapshot::{Form, Stops};

use super::cluster::Hand;
use super::told;
use crate::kinds;

fn to(host: &str, weight: u8) -> Value {
    json!({"destination": {"host": host, "port": {"number": 9000}}, "weight": weight})
}

fn split(candidate: u8) -> Value {
    json!([to("web", 100 - candidate), to("web-candidate", candidate)])
}

/// Names the http route and the tcp route.
fn names_both(hand: &mut Hand) {
    hand.spec(
        "/traffic/virtualServices",
        json!([{"name": "web", "routes": [{"name": "primary"}, {"tcp": {"port": 9000}}]}]),
    );
}

/// The tcp route as it stands, and who claims which list.
fn tcp(hand: &mut Hand, route: &Value, claims: &[(&str, &[&str])]) {
    let version = hand.next();
    let mut object = hand.stores.virtual_services.get("shop", "web").expect("a route").value();
    object["metadata"]["resourceVersion"] = json!(version.to_string());
    object["metadata"]["generation"] = json!(version);
    let entry = |(manager, lists): &(&str, &[&str])| {
        let spec: serde_json::Map<String, Value> =
            lists.iter().map(|list| (format!("f:{list}"), json!({}))).collect();
        json!({"manager": manager, "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": spec}})
    };
    object["metadata"]["managedFields"] = claims.iter().map(entry).collect();
    object["spec"]["tcp"] = json!([{"match": [{"port": 9000}], "route": route}]);
    hand.stores.offer(kinds::VIRTUAL_SERVICE, &object);
}

fn at_ten() -> Hand {
    let mut hand = Hand::new();
    names_both(&mut hand);
    hand.install();
    hand.start_candidate(10);
    hand.point_candidate();
    hand.route(&split(10), "teal/traffic");
    hand
}

const OURS: &[(&str, &[&str])] = &[("teal/traffic", &["http", "tcp"])];

#[test]
fn a_step_is_reached_once_the_tcp_route_has_its_weight_too() {
    let mut hand = at_ten();
    for (route, form) in [
        (split(10), Form::Entered(10)),
        (split(0), Form::Mixed { highest: 10, owner: false }),
        (json!([to("web", 100)]), Form::Mixed { highest: 10, owner: true }),
    ] {
        tcp(&mut hand, &route, OURS);
        let seen = hand.look(0);
        assert_eq!(seen.snapshot.world.routes.form, form, "{route}");
        let told: Vec<Option<&str>> = seen.routes.iter().map(|route| route.route.as_deref()).collect();
        assert_eq!(told, [Some("primary"), Some("tcp: {port: 9000}")]);
    }
}

#[test]
fn a_hand_at_one_list_is_another_hand_although_the_other_list_is_teals() {
    let mut hand = at_ten();
    let hands: &[(&str, &[&str])] = &[("teal/traffic", &["http"]), ("kubectl-edit", &["tcp"])];
    tcp(&mut hand, &split(60), hands);
    let foreign = hand.look(0).snapshot.world.routes.foreign;
    assert_eq!(foreign.map(|foreign| foreign.manager).as_deref(), Some("kubectl-edit"));
    // A list of which the spec names no route is its owner's business.
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    hand.point_candidate();
    hand.route(&split(10), "teal/traffic");
    tcp(&mut hand, &split(60), hands);
    let world = hand.look(0).snapshot.world;
    assert_eq!((world.routes.form, world.routes.foreign), (Form::Entered(10), None));
    assert_eq!(told(&mut hand, 0, "UnmanagedRoutes").len(), 1);
}

#[test]
fn a_tcp_route_that_is_not_there_stops_the_rollout_and_one_that_is_not_named_is_told() {
    let mut hand = Hand::new();
    names_both(&mut hand);
    hand.install();
    hand.route(&json!([{"destination": {"host": "web"}}]), "owner");
    let world = hand.look(0).snapshot.world;
    let found: Vec<_> = world.obstacles.iter().filter(|one| one.stops == Stops::Rollout).collect();
    assert_eq!(found.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(), ["RouteNotFound"]);
    assert!(
        found[0].message.contains("{tcp: {port: 9000}} in spec.tcp (it has: none)"),
        "{}",
        found[0].message
    );
    tcp(&mut hand, &json!([to("web", 100)]), &[("owner", &["http", "tcp"])]);
    let world = hand.look(0).snapshot.world;
    assert_eq!((world.routes.form, world.obstacles), (Form::Owner, vec![]));
}

/// Another Rollout may have the connections of a VirtualService whose requests are this one's.
#[test]
fn two_rollouts_may_share_a_virtual_service_by_its_lists() {
    for (routes, count) in [
        (json!([{"name": "primary"}]), 0),
        (json!([{"tcp": {"port": 9000}}]), 1),
        (json!([{"tls": {"port": 9000}}]), 0),
    ] {
        let mut hand = Hand::new();
        hand.spec("/traffic/virtualServices", json!([{"name": "web", "routes": routes}]));
        hand.install();
        hand.route(&json!([{"destination": {"host": "web"}}]), "owner");
        tcp(&mut hand, &json!([to("web", 100)]), &[("owner", &["http", "tcp"])]);
        hand.rival("2026-01-01T00:00:00Z", &json!([{"name": "web"}]));
        let own = json!([{"name": "web", "routes": [{"tcp": {"port": 9000}}]}]);
        hand.spec("/traffic/virtualServices", own);
        let found = told(&mut hand, 0, "ClaimedByOther");
        let of_routes =
            found.iter().filter(|message| message.contains("spec.tcp[0] belongs to Rollout other"));
        assert_eq!(of_routes.count(), count, "{routes}: {found:?}");
    }
}

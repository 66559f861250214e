//! Rule 11: a second port of a Service, and the destinations that meant the only one.

use serde_json::{Value, json};
use teal_traffic::{Mesh, Refusal, RoleService, read, second_port};

use crate::support::{World, at, entered, virtual_service, yaml};

fn service(ports: &str) -> Value {
    yaml(&format!("{{kind: Service, metadata: {{name: web, namespace: shop}}, spec: {{ports: {ports}}}}}"))
}

const ONE: &str = "[{name: http, port: 8080}]";
const TWO: &str = "[{name: http, port: 8080}, {name: admin, port: 81}]";

fn refused(world: &World, virtual_service: &Value, there: &str, wanted: &str) -> Option<Refusal> {
    let set = read(virtual_service, &world.scope()).unwrap();
    let forms = (&service(there), &service(wanted));
    let mut each = world.services.iter();
    each.find_map(|service| second_port(virtual_service, &set, service, forms, &Mesh::default()).err())
}

fn at_gateway(http: &str) -> Value {
    let mut object = virtual_service(http);
    object["spec"]["hosts"] = json!(["shop.example"]);
    object["spec"]["gateways"] = json!(["shop"]);
    object
}

const NAMELESS: &str = "[{name: other, route: [{destination: {host: other}}]}, {name: primary, route: [{destination: {host: web}}]}]";
const NAMED: &str = "[{name: primary, route: [{destination: {host: web, port: {number: 8080}}}]}]";

#[test]
fn rule_11_a_destination_that_means_the_only_port_of_a_service_keeps_it_from_getting_another() {
    let refusal = refused(&World::web(), &at_gateway(NAMELESS), ONE, TWO).unwrap();
    assert_eq!(refusal.reason(), "RouteUnsupported");
    let message = refusal.to_string();
    for word in [
        "VirtualService shop/web: spec.http[1] (primary).route[0].destination.port is missing",
        "Service shop/web gets a second port",
        "write port: {number: 8080} to the destination first",
    ] {
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn where_the_port_is_named_or_stays_the_only_one_or_is_not_nothing_is_in_the_way() {
    let nameless = at_gateway(NAMELESS);
    for (what, object, there, wanted) in [
        ("named", &at_gateway(NAMED), ONE, TWO),
        ("it stays the only one", &nameless, ONE, ONE),
        ("there were two before: it works, or its owner knows", &nameless, TWO, TWO),
        ("one of two goes, which is told as such", &nameless, TWO, ONE),
    ] {
        assert_eq!(refused(&World::web(), object, there, wanted), None, "{what}");
    }
    let others = World::web().routes(&["primary"]);
    let other = at_gateway(
        "[{name: primary, route: [{destination: {host: web, port: {number: 8080}}}]}, {name: old, route: [{destination: {host: web}}]}]",
    );
    assert_eq!(refused(&others, &other, ONE, TWO), None, "a route that is not managed");
    assert!(refused(&World::web(), &other, ONE, TWO).is_some());
}

#[test]
fn the_candidates_destination_is_looked_at_as_well() {
    let world = World::web();
    let mut object = at(&world, &entered(&world, &at_gateway(NAMED)), 10);
    assert_eq!(refused(&world, &object, ONE, TWO), None);
    let candidate = object["spec"]["http"][0]["route"][1]["destination"].as_object_mut().unwrap();
    assert!(candidate.remove("port").is_some(), "it is written as live's");
    let message = refused(&world, &object, ONE, TWO).unwrap().to_string();
    assert!(message.contains("spec.http[0] (primary).route[1].destination.port is missing"), "{message}");
}

/// Requests come by a port of the Service then, which is the one that is meant.
#[test]
fn in_the_mesh_a_service_is_called_by_its_own_ports() {
    for (what, hosts, gateways, is_fine) in [
        ("its own host", json!(["web"]), json!(null), true),
        ("in full, and the mesh by its name", json!(["web.shop.svc.cluster.local"]), json!(["mesh"]), true),
        ("at a gateway, too", json!(["web"]), json!(["mesh", "shop"]), false),
        ("another host", json!(["web", "shop.example"]), json!(null), false),
        ("a delegate", json!(null), json!(null), false),
    ] {
        let mut object = virtual_service(NAMELESS);
        object["spec"]["hosts"] = hosts;
        object["spec"]["gateways"] = gateways;
        assert_eq!(refused(&World::web(), &object, ONE, TWO).is_none(), is_fine, "{what}");
    }
    let mut two = World::web();
    two.services.push(RoleService::new("shop", "api"));
    let object = virtual_service("[{route: [{destination: {host: api}}]}]");
    assert!(refused(&two, &object, ONE, TWO).is_some(), "called by the ports of another one");
}

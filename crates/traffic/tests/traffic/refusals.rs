//! Bad input: each case is refused with a reason and a message that names object, field and remedy.

use serde_json::{Value, json};
use teal_traffic::{Refusal, enter, read, record_fits};

use crate::support::{World, entered, stamp, virtual_service};

#[track_caller]
fn refused(world: &World, object: &Value, reason: &str, parts: &[&str]) -> Refusal {
    let refusal = read(object, &world.scope()).unwrap_err();
    assert_eq!(refusal.reason(), reason, "{refusal}");
    assert_eq!(enter(object, &world.scope(), &stamp(1)).unwrap_err(), refusal);
    let message = refusal.to_string();
    for part in ["VirtualService shop/web"].iter().chain(parts) {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    refusal
}

#[test]
fn route_missing() {
    let object = virtual_service("[{name: main, route: [{destination: {host: web}}]}, {route: []}]");
    refused(
        &World::web().routes(&["primary"]),
        &object,
        "RouteNotFound",
        &["no http route named primary in spec.http (it has: main)", "correct the name"],
    );
    refused(
        &World::web().routes(&["x"]),
        &virtual_service("[{route: []}]"),
        "RouteNotFound",
        &["none with a name"],
    );
}

#[test]
fn two_routes_of_the_selected_name() {
    let route = "{name: primary, route: [{destination: {host: web}}]}";
    let object = virtual_service(&format!("[{route}, {route}]"));
    refused(
        &World::web().routes(&["primary"]),
        &object,
        "RouteUnsupported",
        &["spec.http[0] and spec.http[1] are both named primary", "give each its own name"],
    );
}

#[test]
fn no_destination_that_is_one_of_the_services() {
    let object = virtual_service("[{name: primary, route: [{destination: {host: other}}]}]");
    let parts = ["(web.shop.svc.cluster.local)", "it names other", "correct the destination"];
    refused(&World::web(), &object, "RouteNotFound", &parts);
    refused(
        &World::web().routes(&["primary"]),
        &object,
        "RouteNotFound",
        &["spec.http[0] (primary)", "it names other"],
    );
    refused(&World::web(), &virtual_service("[]"), "RouteNotFound", &["it names no host"]);
}

#[test]
fn a_full_name_of_another_cluster_domain() {
    let object =
        virtual_service("[{name: primary, route: [{destination: {host: web.shop.svc.corp.local}}]}]");
    let parts = ["mesh.clusterDomain=corp.local", "--cluster-domain", "this operator's is cluster.local"];
    refused(&World::web(), &object, "RouteNotFound", &parts);
    refused(&World::web().routes(&["primary"]), &object, "RouteNotFound", &parts);
    let mut world = World::web();
    world.mesh.cluster_domain = "corp.local".into();
    assert!(read(&object, &world.scope()).is_ok());
    let partial = virtual_service("[{route: [{destination: {host: web.shop.svc.cluster}}]}]");
    refused(&World::web(), &partial, "RouteNotFound", &["write the full name"]);
}

#[test]
fn a_root_that_delegates() {
    let object = virtual_service("[{delegate: {name: inner}}]");
    refused(
        &World::web(),
        &object,
        "RouteNotFound",
        &["it delegates to (inner), name those in spec.traffic.virtualServices"],
    );
    let object = virtual_service("[{delegate: {name: web, namespace: team-b}}]");
    let parts = ["of another namespace (team-b/web)", "put the Rollout and its release there"];
    let said = refused(&World::web(), &object, "RouteNotFound", &parts).to_string();
    assert!(!said.contains("name those"), "{said}");
}

/// `kubectl apply` keeps the whole object in an annotation, and all annotations together have a limit.
#[test]
fn routes_of_which_no_record_has_room() {
    let world = World::web();
    let object = virtual_service("[{name: primary, route: [{destination: {host: web}}]}]");
    let set = read(&object, &world.scope()).unwrap();
    assert_eq!(record_fits(&object, &set, "uid-1", 200_000), Ok(()));
    let refusal = record_fits(&object, &set, "uid-1", 261_000).unwrap_err();
    assert_eq!(refusal.reason(), "RouteUnsupported");
    let message = refusal.to_string();
    for part in ["VirtualService shop/web: metadata.annotations", "262144", "kubectl apply --server-side"] {
        assert!(message.contains(part), "{message}");
    }
    let now = entered(&world, &object);
    assert_eq!(record_fits(&now, &set, "uid-1", 261_000), Ok(()), "it is there");
    // The estimate is never below what is written.
    let routes: Vec<Value> = (0..300)
        .map(|index| json!({"name": format!("route-{index}"), "route": [{"destination": {"host": "web"}, "weight": 100}]}))
        .collect();
    let mut many = object.clone();
    many["spec"]["http"] = json!(routes);
    let record = entered(&world, &many)["metadata"]["annotations"]["saved.teal.dev/uid-1"].to_string().len();
    let set = read(&many, &world.scope()).unwrap();
    assert!(record_fits(&many, &set, "uid-1", 262_144 - record).is_err());
}

#[test]
fn only_a_tcp_route() {
    let mut object = virtual_service("[]");
    object["spec"] = json!({"tcp": [{"route": [{"destination": {"host": "web"}}]}]});
    refused(
        &World::web(),
        &object,
        "RouteNotFound",
        &[
            "tcp and tls routes are moved only where they are named, add {tcp: {}} (each of its tcp routes that leads to a Service of the Rollout) to spec.traffic.virtualServices[].routes",
        ],
    );
}

#[test]
fn a_candidate_without_live_is_no_managed_route() {
    let object = virtual_service("[{route: [{destination: {host: web-candidate}}]}]");
    refused(&World::web(), &object, "RouteNotFound", &["it names web-candidate"]);
}

#[test]
fn rule_10_two_web_destinations_in_one_route() {
    let object = virtual_service(
        "[{route: [{destination: {host: web, port: {number: 80}}, weight: 50},
           {destination: {host: web.shop.svc.cluster.local, port: {number: 81}}, weight: 50}]}]",
    );
    let twice = "spec.http[0].route names web.shop.svc.cluster.local twice (entries 0 and 1)";
    refused(&World::web(), &object, "RouteUnsupported", &[twice, "give each port a route of its own"]);
    let mut object = object;
    object["spec"]["http"][0]["route"][1]["destination"]["port"]["number"] = json!(80);
    refused(&World::web(), &object, "RouteUnsupported", &[twice, "join them into one destination"]);
}

#[test]
fn a_route_with_subsets() {
    for host in ["web", "web.shop.svc.cluster.local"] {
        let object =
            virtual_service(&format!("[{{route: [{{destination: {{host: {host}, subset: v1}}}}]}}]"));
        let parts = ["spec.http[0].route[0].destination.subset is v1", "take the subset out"];
        refused(&World::web(), &object, "RouteUnsupported", &parts);
    }
    // Istio's usual form, in which subsets of one host share its requests.
    let shared = virtual_service(
        "[{route: [{destination: {host: web, subset: v1}, weight: 90}, {destination: {host: web, subset: v2}, weight: 10}]}]",
    );
    let parts = ["spec.http[0].route[0].destination.subset is v1", "take the subset out"];
    refused(&World::web(), &shared, "RouteUnsupported", &parts);
    let foreign = virtual_service(
        "[{route: [{destination: {host: web}, weight: 80}, {destination: {host: other, subset: v1}, weight: 20}]}]",
    );
    assert!(read(&foreign, &World::web().scope()).is_ok());
}

/// As a template leaves it whose value isn't set; Istio takes it for none.
#[test]
fn an_empty_subset_is_none() {
    let sole = virtual_service(r#"[{route: [{destination: {host: web, subset: ""}}]}]"#);
    assert!(read(&sole, &World::web().scope()).is_ok());
    for (second, parts) in [
        ("subset: v1", ["spec.http[0].route[1].destination.subset is v1", "take the subset out"]),
        (r#"subset: """#, ["twice (entries 0 and 1)", "join them into one destination"]),
    ] {
        let object = virtual_service(&format!(
            r#"[{{route: [{{destination: {{host: web, subset: ""}}, weight: 90}}, {{destination: {{host: web, {second}}}, weight: 10}}]}}]"#
        ));
        refused(&World::web(), &object, "RouteUnsupported", &parts);
    }
}

#[test]
fn weights_that_do_not_sum_to_100() {
    for (route, sum) in [
        ("[{destination: {host: web}, weight: 50}]", 50),
        ("[{destination: {host: web}}, {destination: {host: other}}]", 0),
        ("[{destination: {host: web}, weight: 90}, {destination: {host: other}, weight: 20}]", 110),
        ("[{destination: {host: web}, weight: 1}, {destination: {host: other}, weight: 1}]", 2),
    ] {
        let object = virtual_service(&format!("[{{name: primary, route: {route}}}]"));
        let says = format!("the weights in spec.http[0] (primary).route sum to {sum}: make them sum to 100");
        refused(&World::web(), &object, "WeightsInvalid", &[&says]);
    }
}

#[test]
fn weights_that_are_no_percentage() {
    for weight in ["-5", "101", "1.5", "ten", "[]"] {
        let object =
            virtual_service(&format!("[{{route: [{{destination: {{host: web}}, weight: {weight}}}]}}]"));
        let parts = ["spec.http[0].route[0].weight must be a whole number from 0 to 100", "correct it"];
        refused(&World::web(), &object, "ObjectMalformed", &parts);
    }
}

#[test]
fn routes_that_forward_to_nobody() {
    for (body, says) in [
        ("redirect: {uri: /x}", "has redirect and forwards to no Service"),
        ("directResponse: {status: 503}", "has directResponse"),
        ("delegate: {name: inner}", "has delegate"),
        ("delegate: {name: inner, namespace: edge}", "in VirtualService edge/inner"),
    ] {
        let object = virtual_service(&format!("[{{name: primary, {body}}}]"));
        refused(
            &World::web().routes(&["primary"]),
            &object,
            "RouteUnsupported",
            &["spec.http[0] (primary)", says],
        );
    }
}

#[test]
fn malformed_objects() {
    let mut object = virtual_service("[]");
    object["spec"]["http"] = json!("no");
    refused(&World::web(), &object, "ObjectMalformed", &["spec.http must be a list of routes"]);
    object["spec"]["http"] = json!([{"name": "primary", "route": 7}]);
    refused(
        &World::web().routes(&["primary"]),
        &object,
        "ObjectMalformed",
        &["spec.http[0] (primary).route must be a list"],
    );
    object["spec"]["http"] = json!([{"route": [{"destination": {"host": "web"}}, {"destination": {}}]}]);
    refused(
        &World::web(),
        &object,
        "ObjectMalformed",
        &["spec.http[0].route[1].destination.host must be the name of a host"],
    );

    let nameless = json!({"kind": "VirtualService", "metadata": {}, "spec": {}});
    let refusal = read(&nameless, &World::web().scope()).unwrap_err();
    assert!(refusal.to_string().contains("metadata must be a name and a namespace"));

    let mut unversioned = virtual_service("[{route: [{destination: {host: web}}]}]");
    unversioned["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let refusal = enter(&unversioned, &World::web().scope(), &stamp(1)).unwrap_err();
    assert!(refusal.to_string().contains("metadata.resourceVersion"));
}

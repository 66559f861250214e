//! Weights that a Job divides by hand: what it may change, what it refuses, and when a Rollout has the routes.

use serde_json::{Value, json};
use teal_traffic::{DirectRefusal, Mesh, Share, ShareError, Wish, divide, held, weights};

use crate::support::{World, apply, at, entered, left, virtual_service};

fn wish(routes: &[&str], shares: &[&str]) -> Wish {
    Wish {
        routes: routes.iter().map(|route| (*route).to_owned()).collect(),
        shares: shares.iter().map(|share| share.parse().unwrap()).collect(),
    }
}

/// What comes of it, as the http list alone.
#[track_caller]
fn divided(http: &str, routes: &[&str], shares: &[&str]) -> Value {
    let before = virtual_service(http);
    let mut object = before.clone();
    let divided = divide(&object, &Mesh::default(), &wish(routes, shares)).unwrap();
    assert_eq!(divided.patch.is_some(), divided.was != divided.wished);
    if let Some(patch) = &divided.patch {
        apply(&mut object, patch).unwrap();
    }
    for route in &divided.wished {
        assert_eq!(route.destinations.iter().map(|to| to.weight).sum::<i64>(), 100);
    }
    let again = divide(&object, &Mesh::default(), &wish(routes, shares)).unwrap();
    assert_eq!((again.patch, &again.was), (None, &divided.wished), "what was written reads as it was wished");
    assert_eq!(object["metadata"]["annotations"], before["metadata"]["annotations"]);
    object["spec"]["http"].take()
}

#[track_caller]
fn refused(http: &str, routes: &[&str], shares: &[&str], parts: &[&str]) -> DirectRefusal {
    let refusal = divide(&virtual_service(http), &Mesh::default(), &wish(routes, shares)).unwrap_err();
    let message = refusal.to_string();
    for part in ["VirtualService shop/web"].iter().chain(parts) {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    assert!(!refusal.is_held());
    refusal
}

const TWO: &str = "[{name: primary, timeout: 5s, route: [{destination: {host: web}, weight: 100}, {destination: {host: next}, weight: 0}]},
    {name: other, route: [{destination: {host: web}, weight: 50}, {destination: {host: next}, weight: 50}]}]";

#[test]
fn a_named_route_is_divided_and_no_other() {
    let http = divided(TWO, &["primary"], &["web=90", "next=10"]);
    let expected = json!([
        {"name": "primary", "timeout": "5s", "route": [
            {"destination": {"host": "web"}, "weight": 90}, {"destination": {"host": "next"}, "weight": 10}]},
        {"name": "other", "route": [
            {"destination": {"host": "web"}, "weight": 50}, {"destination": {"host": "next"}, "weight": 50}]},
    ]);
    assert_eq!(http, expected);
}

#[test]
fn without_a_name_each_route_to_the_destinations_is_divided() {
    let more = TWO.replace("]}]", "]}, {route: [{destination: {host: elsewhere}}]}]");
    let http = divided(&more, &[], &["web=0", "next=100"]);
    for route in [0, 1] {
        assert_eq!(http[route]["route"][0]["weight"], 0);
        assert_eq!(http[route]["route"][1]["weight"], 100);
    }
    assert_eq!(http[2], json!({"route": [{"destination": {"host": "elsewhere"}}]}));
}

#[test]
fn any_spelling_of_a_host_is_the_same_host_and_stays_as_it_is_written() {
    let full = "[{route: [{destination: {host: web.shop.svc.cluster.local}, weight: 100}, {destination: {host: next}, weight: 0}]}]";
    let http = divided(full, &[], &["web=70", "next.shop.svc.cluster.local=30"]);
    assert_eq!(
        http[0]["route"][0],
        json!({"destination": {"host": "web.shop.svc.cluster.local"}, "weight": 70})
    );
    assert_eq!(http[0]["route"][1], json!({"destination": {"host": "next"}, "weight": 30}));
}

#[test]
fn subsets_are_destinations_of_their_own() {
    let subsets = "[{route: [{destination: {host: web, subset: v1}, weight: 100}, {destination: {host: web, subset: v2}},
        {destination: {host: web}, weight: 0}]}]";
    let http = divided(subsets, &[], &["web+v1=60", "web+v2=30", "web=10"]);
    let weights: Vec<i64> =
        http[0]["route"].as_array().unwrap().iter().map(|to| to["weight"].as_i64().unwrap()).collect();
    assert_eq!(weights, [60, 30, 10]);
    let two = "[{route: [{destination: {host: web, subset: v1}, weight: 90}, {destination: {host: web, subset: v2}, weight: 10}]}]";
    refused(two, &["x"], &["web=100"], &["no http route named x"]);
    refused(two, &[], &["web=100"], &["no route to any of web (it names: web+v1, web+v2)"]);
}

#[test]
fn who_is_not_named_keeps_its_weight_and_the_sum_counts_it() {
    let three =
        "[{name: primary, route: [{destination: {host: web}, weight: 80}, {destination: {host: next}},
        {destination: {host: partner}, weight: 20}]}]";
    let http = divided(three, &[], &["web=72", "next=8"]);
    assert_eq!(http[0]["route"][2], json!({"destination": {"host": "partner"}, "weight": 20}));
    let parts = [
        "spec.http[0] (primary).route would sum to 120 (web=90, next=10, partner=20)",
        "make them sum to 100",
    ];
    refused(three, &[], &["web=90", "next=10"], &parts);
    refused(three, &[], &["next=5"], &["would sum to 105 (web=80, next=5, partner=20)"]);
}

#[test]
fn what_means_the_same_already_is_not_written() {
    let sole = "[{route: [{destination: {host: web}}]}]";
    assert_eq!(divided(sole, &[], &["web=100"])[0], json!({"route": [{"destination": {"host": "web"}}]}));
    let zero = "[{route: [{destination: {host: web}, weight: 0}]}]";
    assert_eq!(divided(zero, &[], &["web=100"])[0]["route"][0]["weight"], 0, "a sole destination has all");
    let absent = "[{route: [{destination: {host: web}, weight: 100}, {destination: {host: next}}]}]";
    let http = divided(absent, &[], &["web=100", "next=0"]);
    assert_eq!(http[0]["route"][1], json!({"destination": {"host": "next"}}));
    refused(sole, &[], &["web=90"], &["would sum to 90 (web=90)"]);
}

#[test]
fn refusals_name_the_field_and_the_remedy() {
    let route = "{name: primary, route: [{destination: {host: web}}]}";
    let twice = format!("[{route}, {route}]");
    refused(
        &twice,
        &["primary"],
        &["web=100"],
        &["spec.http[0] and spec.http[1] are both named primary", "give each"],
    );
    refused(
        TWO,
        &["main"],
        &["web=100"],
        &["no http route named main", "(it has: primary, other)", "correct --route"],
    );
    let lacks = format!("[{route}]");
    let parts = ["spec.http[0] (primary).route has no destination next (it has: web)", "at weight 0 first"];
    refused(&lacks, &["primary"], &["web=90", "next=10"], &parts);
    refused(&lacks, &[], &["web=90", "next=10"], &parts);
    refused(
        &lacks,
        &[],
        &["nowhere=100"],
        &["no route to any of nowhere (it names: web)", "correct --weight"],
    );
    let ports = "[{route: [{destination: {host: web, port: {number: 80}}, weight: 50}, {destination: {host: web, port: {number: 81}}, weight: 50}]}]";
    refused(ports, &[], &["web=100"], &["names web twice (entries 0 and 1)", "a route of its own"]);
    let parts = ["web=90 and web.shop.svc.cluster.local=10 are about the same destination"];
    refused(TWO, &[], &["web=90", "web.shop.svc.cluster.local=10"], &parts);
    let redirect = "[{name: primary, redirect: {uri: /x}}]";
    refused(redirect, &["primary"], &["web=100"], &["spec.http[0] (primary) has redirect"]);
    let delegate = "[{name: primary, delegate: {name: inner, namespace: edge}}]";
    refused(delegate, &["primary"], &["web=100"], &["has delegate", "in VirtualService edge/inner"]);
    for weight in ["-5", "101", "1.5", "ten"] {
        let unfit = format!("[{{route: [{{destination: {{host: web}}, weight: {weight}}}]}}]");
        refused(
            &unfit,
            &[],
            &["web=100"],
            &["spec.http[0].route[0].weight must be a whole number from 0 to 100"],
        );
    }
    refused("no", &[], &["web=100"], &["spec.http must be a list of routes"]);
    refused(
        "[{name: primary, route: 7}]",
        &["primary"],
        &["web=100"],
        &["spec.http[0] (primary).route must be a list"],
    );
    let mut tcp = virtual_service("[]");
    tcp["spec"]["tcp"] = json!([{"route": [{"destination": {"host": "web"}}]}]);
    let refusal = divide(&tcp, &Mesh::default(), &wish(&[], &["web=100"])).unwrap_err();
    assert!(refusal.to_string().contains("tcp and tls routes are not changed"), "{refusal}");
}

#[test]
fn more_routes_than_a_request_can_hold() {
    let one = "{route: [{destination: {host: web}, weight: 100}, {destination: {host: next}, weight: 0}]}";
    let many = |count: usize| format!("[{}]", vec![one; count].join(","));
    let shares = ["web=90", "next=10"];
    assert_eq!(
        divided(&many(3_333), &[], &shares).as_array().unwrap().len(),
        3_333,
        "of 3 operations each, and one"
    );
    refused(&many(3_334), &[], &shares, &["3334 routes in spec.http", "name fewer with --route"]);
}

#[test]
fn a_patch_fails_on_anything_else_than_what_was_read() {
    let object = virtual_service(TWO);
    let patch = divide(&object, &Mesh::default(), &wish(&["primary"], &["web=90", "next=10"]))
        .unwrap()
        .patch
        .unwrap();
    let changes: [(&str, Value); 4] = [
        ("/metadata/resourceVersion", json!("8")),
        ("/spec/http/0/name", json!("moved")),
        ("/spec/http/0/route/0/weight", json!(99)),
        ("/spec/http/0/route/1/destination/host", json!("another")),
    ];
    for (path, value) in changes {
        let mut other = object.clone();
        *other.pointer_mut(path).unwrap() = value;
        let before = other.clone();
        assert!(apply(&mut other, &patch).is_err(), "{path}");
        assert_eq!(other, before);
    }
    let operations = serde_json::to_value(&patch).unwrap();
    let tests = operations.as_array().unwrap().iter().filter(|one| one["op"] == "test");
    let tested: Vec<&str> = tests.map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(tested, ["/spec/http/0/name", "/spec/http/0/route", "/metadata/resourceVersion"]);
}

#[test]
fn weights_are_told_as_istio_takes_them() {
    let object = virtual_service(
        "[{name: a, route: [{destination: {host: web}}]}, {redirect: {uri: /x}},
          {route: [{destination: {host: web, subset: v1}}, {destination: {host: next}, weight: 100}]}]",
    );
    let told = serde_json::to_value(weights(&object, &[]).unwrap()).unwrap();
    let expected = json!([
        {"route": "a", "index": 0, "destinations": [{"host": "web", "weight": 100}]},
        {"route": null, "index": 2, "destinations": [
            {"host": "web", "subset": "v1", "weight": 0}, {"host": "next", "weight": 100}]},
    ]);
    assert_eq!(told, expected);
    assert_eq!(weights(&object, &["a".into()]).unwrap().len(), 1);
    assert!(weights(&object, &["b".into()]).unwrap_err().to_string().contains("no http route named b"));
}

fn rollout(name: &str, uid: &str, virtual_services: &[&str]) -> Value {
    let listed: Vec<Value> = virtual_services.iter().map(|name| json!({"name": name})).collect();
    json!({"metadata": {"name": name, "namespace": "shop", "uid": uid},
        "spec": {"traffic": {"services": [{"name": "web"}], "virtualServices": listed}}})
}

#[track_caller]
fn is_held(object: &Value, rollouts: Option<&[Value]>, parts: &[&str]) {
    let refusal = held(object, rollouts).unwrap();
    assert!(refusal.is_held());
    let message = refusal.to_string();
    for part in ["VirtualService shop/web", "Decision"].iter().chain(parts) {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn a_rollout_that_names_it_holds_it_also_at_rest() {
    let object = virtual_service("[{route: [{destination: {host: web}}]}]");
    let parts = ["managed by Rollout shop/front", "kubectl teal approve, skip or rollback front -n shop"];
    is_held(
        &object,
        Some(&[rollout("other", "u", &["api"]), rollout("front", "v", &["api", "web"])]),
        &parts,
    );
    assert_eq!(held(&object, Some(&[rollout("other", "u", &["api"])])), None);
    assert_eq!(held(&object, Some(&[])), None);
    assert_eq!(held(&object, None), None, "nothing says that Teal was ever here");
    let without_a_mesh =
        json!({"metadata": {"name": "plain"}, "spec": {"traffic": {"services": [{"name": "web"}]}}});
    assert_eq!(held(&object, Some(&[without_a_mesh])), None);
}

/// The very annotations that a rollout writes, in each of its states.
#[test]
fn what_teal_wrote_on_it_holds_it() {
    let world = World::web();
    let object = virtual_service("[{route: [{destination: {host: web}}]}]");
    let in_between = at(&world, &entered(&world, &object), 10);
    is_held(&in_between, None, &["saved.teal.dev/uid-1", "right now"]);
    // Its Rollout names another VirtualService by now, but has not given this one back.
    is_held(&in_between, Some(&[rollout("front", "uid-1", &["api"])]), &["Rollout shop/front"]);
    is_held(
        &in_between,
        Some(&[rollout("front", "uid-2", &["api"])]),
        &["a Rollout that is gone", "remove the annotation"],
    );

    let after = left(&world, &at(&world, &in_between, 0));
    assert!(after["metadata"]["annotations"]["epoch.teal.dev/uid-1"].is_string(), "the epoch stays");
    is_held(&after, None, &["was managed by a Rollout", "list rollouts.teal.dev in namespace shop"]);
    assert_eq!(held(&after, Some(&[])), None, "its Rollout is gone");
    assert_eq!(held(&after, Some(&[rollout("front", "uid-1", &["api"])])), None, "it names another one");
    is_held(&after, Some(&[rollout("front", "uid-1", &["web"])]), &["Rollout shop/front"]);
}

#[test]
fn a_route_that_is_named_twice_is_one_route() {
    let object = virtual_service(TWO);
    let divided =
        divide(&object, &Mesh::default(), &wish(&["other", "primary", "other"], &["web=90", "next=10"]))
            .unwrap();
    let routes: Vec<usize> = divided.was.iter().map(|route| route.index).collect();
    assert_eq!(routes, [0, 1]);
}

#[test]
fn the_text_of_a_share_has_one_form() {
    for (text, host, subset, weight) in [
        ("web=0", "web", None, 0),
        ("web.shop.svc.cluster.local=100", "web.shop.svc.cluster.local", None, 100),
        ("web+v2=010", "web", Some("v2"), 10),
    ] {
        let expected = Share { host: host.into(), subset: subset.map(str::to_owned), weight };
        assert_eq!(text.parse::<Share>(), Ok(expected));
    }
    for text in ["", "web", "=10", "+v2=10", "web+=10", "web+v2+v3=10", "a=b=10", "we b=10", "web,next=10"] {
        assert_eq!(text.parse::<Share>(), Err(ShareError::Form), "{text}");
    }
    for weight in ["", "101", "256", "-1", "+1", "1.5", "10%", "ten", " 10"] {
        assert_eq!(format!("web={weight}").parse::<Share>(), Err(ShareError::Weight(weight.into())));
    }
}

//! Routes that a hand took out of Teal's sight, in which the candidate still has weight; and those that are none of Teal's.

use serde_json::json;
use teal_traffic::{RoleService, Saved, leave, left_alone, lower, made_out, read};

use crate::support::{World, apply, at, entered, stamp, virtual_service};

#[test]
fn rule_4_a_route_that_was_given_another_name_is_led_home_and_given_back_as_it_was() {
    let world = World::web().routes(&["primary"]);
    let owner = virtual_service(
        "[{name: primary, match: [{uri: {prefix: /}}], route: [{destination: {host: web}, weight: 100}]}]",
    );
    let mut now = at(&world, &entered(&world, &owner), 10);
    now["spec"]["http"][0]["name"] = json!("main");
    assert_eq!(read(&now, &world.scope()).unwrap_err().reason(), "RouteNotFound");
    assert_eq!(made_out(&now, &world.scope()), Some(10), "its requests still reach the candidate");
    let patch = lower(&now, &world.scope(), &stamp(3)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    assert_eq!(made_out(&now, &world.scope()), Some(0));
    let restoration = leave(&now, &world.scope(), &stamp(4)).unwrap();
    apply(&mut now, &restoration.patch.unwrap()).unwrap();
    let mut renamed = owner["spec"].clone();
    renamed["http"][0]["name"] = json!("main");
    assert_eq!(now["spec"], renamed, "but for the name it is what its owner wrote");
    assert!(restoration.exact);
}

#[test]
fn a_route_that_was_never_entered_is_left_to_its_owner_even_where_a_listed_one_is_gone() {
    let world = World::web().routes(&["primary"]);
    let testers = "{name: testers, match: [{headers: {x: {exact: y}}}], route: [{destination: {host: web}, weight: 50}, \
                   {destination: {host: web-candidate}, weight: 50}]}";
    let preview =
        "{name: preview, match: [{uri: {prefix: /p}}], route: [{destination: {host: web-candidate}}]}";
    let owner = virtual_service(&format!(
        "[{testers}, {preview}, {{name: primary, route: [{{destination: {{host: web}}}}]}}]"
    ));
    let mut now = at(&world, &entered(&world, &owner), 10);
    now["spec"]["http"].as_array_mut().unwrap().remove(2);
    assert_eq!(made_out(&now, &world.scope()), None);
    assert_eq!(lower(&now, &world.scope(), &stamp(3)).unwrap(), None);
    let all = World::web();
    let every = at(
        &all,
        &entered(
            &all,
            &virtual_service(&format!("[{preview}, {{route: [{{destination: {{host: web}}}}]}}]")),
        ),
        10,
    );
    assert_eq!(made_out(&every, &all.scope()), Some(10), "the preview is its owner's");
}

#[test]
fn rule_4_a_candidate_that_stands_where_live_stood_is_led_to_live() {
    for (what, world, route) in [
        ("listed", World::web().routes(&["primary"]), "{name: primary, route: [{destination: {host: web}}]}"),
        ("all, with a name", World::web(), "{name: primary, route: [{destination: {host: web}}]}"),
        (
            "all, without a name",
            World::web(),
            "{match: [{uri: {prefix: /}}], route: [{destination: {host: web, port: {number: 80}}}]}",
        ),
        ("spelled out", World::web(), "{route: [{destination: {host: web.shop.svc.cluster.local}}]}"),
    ] {
        let beside = "{name: other, route: [{destination: {host: web}}]}";
        let owner = virtual_service(&format!("[{route}, {beside}]"));
        let mut now = at(&world, &entered(&world, &owner), 10);
        now["spec"]["http"][0]["route"].as_array_mut().unwrap().remove(0);
        now["spec"]["http"][0]["route"][0].as_object_mut().unwrap().remove("weight");
        // Where all are meant, the other one is at 10 and is lowered first.
        assert_eq!(made_out(&now, &world.scope()), Some(100), "{what}");
        while let Some(patch) = lower(&now, &world.scope(), &stamp(3)).unwrap() {
            apply(&mut now, &patch).unwrap();
        }
        assert_eq!(now["spec"]["http"][0], owner["spec"]["http"][0], "{what}");
        assert!(read(&now, &world.scope()).unwrap().candidate_weight() == 0, "{what}");
    }
}

#[test]
fn rule_4_where_every_route_is_meant_and_only_the_candidate_is_left_no_record_is_needed() {
    let world = World::web();
    let mut now = virtual_service("[{route: [{destination: {host: web-candidate}, weight: 100}]}]");
    assert_eq!(made_out(&now, &world.scope()), Some(100));
    let patch = lower(&now, &world.scope(), &stamp(3)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    assert_eq!(now["spec"]["http"][0]["route"], json!([{"destination": {"host": "web"}, "weight": 100}]));
}

/// What is read of the others says nothing of it: at 0 they were given back, what was noted went, and it kept all.
#[test]
fn rule_4_a_candidate_alone_is_found_and_led_home_also_where_another_route_or_service_still_names_live() {
    let two = |routes: Option<&str>| {
        let mut world = World::web();
        world.services.push(RoleService::new("shop", "api"));
        world.routes = routes.map(|name| vec![teal_traffic::RouteSelector::named(name)]);
        world
    };
    let prefix = "{match: [{uri: {prefix: /api}}], route: [{destination: {host: web}}]}";
    let both = "{name: both, route: [{destination: {host: web}, weight: 60}, {destination: {host: api}, weight: 40}]}";
    for (what, world, owner, field) in [
        (
            "of two routes",
            World::web(),
            format!("[{prefix}, {{route: [{{destination: {{host: web}}}}]}}]"),
            "spec.http[0]",
        ),
        ("of two Services", two(Some("both")), format!("[{both}]"), "spec.http[0] (both)"),
        ("of two Services in any route", two(None), format!("[{both}]"), "spec.http[0] (both)"),
    ] {
        let owner = virtual_service(&owner);
        let mut now = at(&world, &entered(&world, &owner), 10);
        assert_eq!(left_alone(&now, &world.scope()), None, "{what}");
        now["spec"]["http"][0]["route"].as_array_mut().unwrap().remove(0);
        let refusal = left_alone(&now, &world.scope()).unwrap();
        assert_eq!(refusal.reason(), "RouteNotFound");
        let said = refusal.to_string();
        for part in ["VirtualService shop/web: ", field, " names web-candidate without web,", "put web back"]
        {
            assert!(said.contains(part), "{what}: {part} in {said}");
        }
        while let Some(patch) = lower(&now, &world.scope(), &stamp(3)).unwrap() {
            apply(&mut now, &patch).unwrap();
        }
        assert_eq!(left_alone(&now, &world.scope()), None, "{what}");
        let route = &now["spec"]["http"][0]["route"];
        assert!(
            route.as_array().unwrap().iter().any(|to| to["destination"]["host"] == "web"),
            "{what}: {route}"
        );
        if what == "of two routes" {
            assert_eq!(*route, json!([{"destination": {"host": "web"}, "weight": 100}]));
            assert_eq!(read(&now, &world.scope()).unwrap().candidate_weight(), 0, "{what}");
        }
    }
}

type Hand<'a> = &'a dyn Fn(&mut serde_json::Value);

#[test]
fn a_preview_of_the_owners_own_is_left_to_him_whatever_becomes_of_live_beside_it() {
    let mut two = World::web();
    two.services.push(RoleService::new("shop", "api"));
    let tester = |name: &str, host: &str| {
        format!(
            "{{{name}match: [{{headers: {{x: {{exact: y}}}}}}], route: [{{destination: {{host: {host}}}}}]}}"
        )
    };
    let main = |name: &str| format!("{{{name}route: [{{destination: {{host: web}}}}]}}");
    let elsewhere = |now: &mut serde_json::Value| {
        now["spec"]["http"][1]["route"] = json!([{"destination": {"host": "other"}}]);
    };
    let stays = |_: &mut serde_json::Value| {};
    for (what, world, routes, hand) in [
        ("of another Service", &two, [tester("", "api-candidate"), main("")], &stays as Hand<'_>),
        (
            "of another Service, live sent elsewhere",
            &two,
            [tester("", "api-candidate"), main("")],
            &elsewhere,
        ),
        ("live sent elsewhere", &World::web(), [tester("", "web-candidate"), main("")], &elsewhere),
        (
            "of the same name",
            &World::web(),
            [tester("name: main, ", "web-candidate"), main("name: main, ")],
            &stays,
        ),
    ] {
        let owner = virtual_service(&format!("[{}, {}]", routes[0], routes[1]));
        let mut now = at(world, &entered(world, &owner), 0);
        hand(&mut now);
        assert_eq!(left_alone(&now, &world.scope()), None, "{what}");
        assert_eq!(lower(&now, &world.scope(), &stamp(2)).unwrap(), None, "{what}");
        assert_eq!(now["spec"]["http"][0], owner["spec"]["http"][0], "{what}");
    }
    // Before anything is noted: a Service of which no route here names live.
    let fresh = virtual_service(&format!("[{}, {}]", tester("", "api-candidate"), main("")));
    assert_eq!(lower(&fresh, &two.scope(), &stamp(2)).unwrap(), None);
}

#[test]
fn rule_4_a_route_that_is_given_a_name_meanwhile_is_given_back_as_it_was() {
    let world = World::web();
    let owner = virtual_service(
        "[{match: [{uri: {prefix: /}}], route: [{destination: {host: web}, weight: 100}]}, {route: [{destination: {host: \
         web}}]}]",
    );
    let named = |mut spec: serde_json::Value| {
        spec["spec"]["http"][0]["name"] = json!("main");
        spec
    };
    let now = named(at(&world, &at(&world, &entered(&world, &owner), 10), 0));
    let restoration = leave(&now, &world.scope(), &stamp(4)).unwrap();
    let mut end = now.clone();
    apply(&mut end, &restoration.patch.unwrap()).unwrap();
    assert_eq!(end["spec"], named(owner.clone())["spec"]);
    assert!(restoration.exact);
    let mut alone = now;
    alone["spec"]["http"][0]["route"].as_array_mut().unwrap().remove(0);
    alone["spec"]["http"][0]["route"][0]["weight"] = json!(100);
    let patch = lower(&alone, &world.scope(), &stamp(3)).unwrap().unwrap();
    apply(&mut alone, &patch).unwrap();
    assert_eq!(alone["spec"]["http"][0], named(owner)["spec"]["http"][0]);
}

/// Both may be written by whoever may write a VirtualService; while they are read nobody else's rollout goes on.
#[test]
fn many_routes_and_many_records_are_not_each_compared_with_all() {
    let world = World::web().routes(&["gone"]);
    let mut now = virtual_service("[{route: [{destination: {host: web}}]}]");
    let entry = Saved::of(&entered(&World::web(), &now), "uid-1").unwrap().routes.remove(0);
    let route = now["spec"]["http"][0].clone();
    let apart = |at: usize| json!({"match": [{"port": at}], "route": [{"destination": {"host": "web"}}]});
    now["spec"]["http"] = (0..5_000).map(apart).chain([route]).collect();
    let record = Saved { routes: vec![entry; 4_000], ..Saved::default() };
    now["metadata"]["annotations"]["saved.teal.dev/uid-1"] = json!(record.text());
    assert_eq!(made_out(&now, &world.scope()), None);
    now["spec"]["http"][5_000]["name"] = json!("named");
    now["spec"]["http"][5_000]["route"] = json!([
        {"destination": {"host": "web"}, "weight": 90}, {"destination": {"host": "web-candidate"}, "weight": 10}]);
    assert_eq!(made_out(&now, &world.scope()), Some(10), "found by what it is like");
}

/// More than can be raised, but a hand may have put them there.
#[test]
fn however_many_routes_are_alike_they_are_told_apart_at_once() {
    let world = World::web();
    let mut now = virtual_service("[]");
    let route = json!({"route": [{"destination": {"host": "web"}, "weight": 100},
        {"destination": {"host": "web-candidate"}, "weight": 0}]});
    now["spec"]["http"] = vec![route; 15_000].into();
    now["metadata"]["annotations"]["saved.teal.dev/uid-1"] = json!(Saved::default().text());
    let patch = leave(&now, &world.scope(), &stamp(4)).unwrap().patch.unwrap();
    assert!(patch.0.len() > 15_000);
}

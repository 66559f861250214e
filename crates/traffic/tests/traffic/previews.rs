//! Routes for those who ask for the candidate.

use proptest::prelude::*;
use serde_json::{Value, json};
use teal_traffic::{Beside, Preview, beside, enter, leave, left_alone, lower, lower_to, read, set_weight};

use crate::support::{World, apply, at, entered, left, stamp, virtual_service, weight};

fn asked(headers: &[(&str, &str)], cookies: &[(&str, &str)], labels: &[(&str, &str)]) -> Preview {
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Preview { headers: map(headers), cookies: map(cookies), source_labels: map(labels) }
}

fn by_header() -> World {
    World { preview: Some(asked(&[("x-teal-preview", "true")], &[], &[])), ..World::web() }
}

fn without(world: &World) -> World {
    World { services: world.services.clone(), routes: world.routes.clone(), ..World::web() }
}

fn back(world: &World, object: &Value) -> Value {
    let mut now = object.clone();
    if let Some(patch) = lower(&now, &world.scope(), &stamp(5)).unwrap() {
        apply(&mut now, &patch).unwrap();
    }
    now
}

/// What somebody does to the list of routes.
type Hand<'a> = &'a dyn Fn(&mut Vec<Value>);

const THERE: Beside = Beside { any: true, fits: true };
const NONE: Beside = Beside { any: false, fits: true };

#[test]
fn a_preview_is_the_route_itself_but_for_who_asks_and_where_it_leads() {
    let world = by_header();
    let owner = virtual_service(
        "[{name: api, match: [{uri: {prefix: /api}}, {port: 8080, headers: {team: {prefix: a}}}], rewrite: {uri: /},
           timeout: 3s, retries: {attempts: 2}, fault: {delay: {fixedDelay: 1s, percentage: {value: 1}}},
           headers: {request: {set: {a: b}}}, corsPolicy: {allowOrigins: [{exact: '*'}]}, mirror: {host: audit},
           unheardOf: [1, 2], route: [{destination: {host: web, port: {number: 80}}, headers: {response: {add: {c: d}}}}]},
          {route: [{destination: {host: web.shop.svc.cluster.local}}]}]",
    );
    let now = at(&world, &entered(&world, &owner), 0);
    let http = now["spec"]["http"].as_array().unwrap();
    let names: Vec<&Value> = http.iter().map(|route| &route["name"]).collect();
    assert_eq!(
        names,
        [&json!("preview.teal.dev/web/api"), &json!("api"), &json!("preview.teal.dev/web/1"), &Value::Null]
    );
    let mut made = http[0].clone();
    let wanted = json!([
        {"uri": {"prefix": "/api"}, "headers": {"x-teal-preview": {"exact": "true"}}},
        {"port": 8080, "headers": {"team": {"prefix": "a"}, "x-teal-preview": {"exact": "true"}}},
    ]);
    assert_eq!(made["match"], wanted);
    let route = json!([{"destination": {"host": "web-candidate", "port": {"number": 80}}, "headers": {"response": {"add": {"c": "d"}}}}]);
    assert_eq!(made["route"], route);
    for field in ["name", "match", "route"] {
        made[field] = owner["spec"]["http"][0][field].clone();
    }
    assert_eq!(made, owner["spec"]["http"][0], "all else is the route's own");
    assert_eq!(http[2]["match"], json!([{"headers": {"x-teal-preview": {"exact": "true"}}}]));
    let full = json!([{"destination": {"host": "web-candidate.shop.svc.cluster.local"}}]);
    assert_eq!(http[2]["route"], full, "in the spelling of its route");
    assert_eq!(beside(&now, &world.scope()), THERE);
}

#[test]
fn it_stays_through_the_weights_and_goes_with_the_last_of_them() {
    let world = by_header();
    let owner = virtual_service(
        "[{name: other, route: [{destination: {host: docs}}]}, {route: [{destination: {host: web}}]}]",
    );
    let mut now = entered(&world, &owner);
    assert_eq!(beside(&now, &world.scope()), Beside { any: false, fits: false });
    for percent in [0, 10, 50, 100] {
        now = at(&world, &now, percent);
        assert_eq!((weight(&world, &now), beside(&now, &world.scope())), (percent, THERE));
        assert_eq!(set_weight(&now, &world.scope(), percent, &stamp(2)).unwrap(), None, "is there");
    }
    let mut lowered = now.clone();
    apply(&mut lowered, &lower_to(&now, &world.scope(), 20, &stamp(2)).unwrap().unwrap()).unwrap();
    assert_eq!((weight(&world, &lowered), beside(&lowered, &world.scope())), (20, THERE));
    let refusal = leave(&now, &world.scope(), &stamp(3)).unwrap_err();
    assert_eq!(refusal.reason(), "CandidateHasWeight");
    now = back(&world, &now);
    assert_eq!((weight(&world, &now), beside(&now, &world.scope()).any), (0, false));
    assert_eq!(lower(&now, &world.scope(), &stamp(5)).unwrap(), None);
    assert_eq!(left(&world, &now)["spec"], owner["spec"]);
}

/// A proxy that lost the last route to the candidate while requests are on their way would answer them with 503.
#[test]
fn rule_3_it_is_out_before_the_candidate_is() {
    let world = by_header();
    let now = at(&world, &entered(&world, &virtual_service("[{route: [{destination: {host: web}}]}]")), 0);
    let refusal = leave(&now, &world.scope(), &stamp(3)).unwrap_err();
    assert!(refusal.to_string().contains("spec.http[0] still leads to the candidate"), "{refusal}");
    let now = back(&world, &now);
    assert_eq!(now["spec"]["http"][0]["route"][1]["destination"]["host"], "web-candidate", "is still named");
}

/// What is asked for is in no other version of the object; whoever wrote meanwhile may have changed the route that it copies.
#[test]
fn it_is_put_in_for_the_version_that_was_read() {
    let world = by_header();
    let read = entered(&world, &virtual_service("[{route: [{destination: {host: web}}]}]"));
    let patch = set_weight(&read, &world.scope(), 0, &stamp(2)).unwrap().unwrap();
    let mut now = read.clone();
    now["metadata"]["resourceVersion"] = json!("99");
    assert!(apply(&mut now, &patch).is_err());
    assert_eq!(set_weight(&read, &world.scope(), 0, &stamp(0)).unwrap_err().reason(), "StaleEpoch");
}

#[test]
fn rule_4_going_back_takes_it_out_of_whatever_version_unless_it_stands_elsewhere() {
    let world = by_header();
    let read = at(
        &world,
        &entered(&world, &virtual_service("[{name: a, route: [{destination: {host: web}}]}]")),
        10,
    );
    let patch = lower(&read, &world.scope(), &stamp(2)).unwrap().unwrap();
    let mut busy = read.clone();
    busy["metadata"]["resourceVersion"] = json!("99");
    busy["spec"]["http"][1]["timeout"] = json!("9s");
    apply(&mut busy, &patch).unwrap();
    assert!(!beside(&busy, &world.scope()).any);
    let mut moved = read.clone();
    moved["spec"]["http"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"route": [{"destination": {"host": "docs"}}]}));
    assert!(apply(&mut moved, &patch).is_err(), "another route would go");
}

#[test]
fn going_back_takes_it_out_also_where_nothing_can_be_managed_any_more() {
    let world = by_header();
    let mut now =
        at(&world, &entered(&world, &virtual_service("[{route: [{destination: {host: web}}]}]")), 0);
    now["spec"]["http"][1]["route"][0]["weight"] = json!(30);
    assert_eq!(read(&now, &world.scope()).unwrap_err().reason(), "WeightsInvalid");
    assert_eq!(beside(&now, &world.scope()), THERE);
    assert!(!beside(&back(&world, &now), &world.scope()).any);
}

/// Its sole destination is the candidate, which else means that somebody took live's away.
#[test]
fn it_is_not_taken_for_a_route_that_lost_live() {
    let world = by_header();
    let now = at(&world, &entered(&world, &virtual_service("[{route: [{destination: {host: web}}]}]")), 0);
    assert_eq!(left_alone(&now, &world.scope()), None);
    let mut stray = now.clone();
    stray["spec"]["http"].as_array_mut().unwrap().remove(1);
    stray["metadata"]["annotations"] = json!({});
    assert_eq!(left_alone(&stray, &world.scope()), None, "also where nothing else is left");
    stray["spec"]["http"][0]["name"] = json!("mine");
    assert!(left_alone(&stray, &world.scope()).is_some(), "by any other name it is one");
}

#[test]
fn whatever_another_hand_makes_of_it_is_made_good_and_what_it_puts_between_stays() {
    let world = by_header();
    let mine = json!({"name": "mine", "match": [{"headers": {"x-teal-preview": {"exact": "true"}}}], "route": [{"destination": {"host": "docs"}}]});
    let owner = virtual_service(
        "[{name: a, match: [{uri: {prefix: /a}}], route: [{destination: {host: web}}]}, {route: [{destination: {host: web}}]}]",
    );
    let whole = at(&world, &entered(&world, &owner), 10);
    let hands: [(&str, Hand<'_>); 6] = [
        ("takes one out", &|http| drop(http.remove(0))),
        ("takes all out", &|http| {
            http.retain(|route| !route["name"].as_str().unwrap_or("").starts_with("preview"));
        }),
        ("changes one", &|http| http[0]["timeout"] = json!("1s")),
        ("changes the route", &|http| http[1]["timeout"] = json!("1s")),
        ("puts one between", &|http| http.insert(1, mine.clone())),
        ("puts one above", &|http| http.insert(0, mine.clone())),
    ];
    for (what, hand) in hands {
        let mut now = whole.clone();
        hand(now["spec"]["http"].as_array_mut().unwrap());
        let by_hand: Vec<Value> = now["spec"]["http"].as_array().unwrap().clone();
        let fits = what == "puts one above";
        assert_eq!(beside(&now, &world.scope()).fits, fits, "{what}");
        now = at(&world, &now, 10);
        assert_eq!(beside(&now, &world.scope()), THERE, "{what}");
        assert_eq!(weight(&world, &now), 10, "{what}");
        let own = |http: &[Value]| -> Vec<Value> {
            let own =
                http.iter().filter(|route| !route["name"].as_str().unwrap_or("").starts_with("preview"));
            own.cloned().collect()
        };
        assert_eq!(own(now["spec"]["http"].as_array().unwrap()), own(&by_hand), "{what}");
        let mut expected = owner.clone();
        let http = expected["spec"]["http"].as_array_mut().unwrap();
        match what {
            "changes the route" => http[0]["timeout"] = json!("1s"),
            "puts one between" | "puts one above" => http.insert(0, mine.clone()),
            _ => {}
        }
        assert_eq!(left(&world, &back(&world, &now))["spec"], expected["spec"], "{what}");
    }
}

/// A manifest that was exported under way has it, and whoever asks for none any more finds none.
#[test]
fn one_that_nobody_asks_for_is_taken_out() {
    let world = by_header();
    let now = at(&world, &entered(&world, &virtual_service("[{route: [{destination: {host: web}}]}]")), 10);
    let without = without(&world);
    assert_eq!(beside(&now, &without.scope()), Beside { any: true, fits: false });
    let now = at(&without, &now, 10);
    assert_eq!((beside(&now, &without.scope()), weight(&without, &now)), (NONE, 10));
}

#[test]
fn conditions_are_joined_and_what_contradicts_them_makes_no_route() {
    let both = "{x-teal-preview: {exact: 'true'}, team: {exact: a}}";
    let no_requests =
        "[{match: [{headers: {x-teal-preview: {exact: 'false'}}}], route: [{destination: {host: web}}]}]";
    for (headers, joined) in [
        ("{x-teal-preview: {exact: 'true'}}", Some("{x-teal-preview: {exact: 'true'}}")),
        ("{X-Teal-Preview: {prefix: tr}}", Some("{X-Teal-Preview: {exact: 'true'}}")),
        ("{x-teal-preview: {}}", Some("{x-teal-preview: {exact: 'true'}}")),
        ("{team: {exact: a}}", Some(both)),
        ("{x-teal-preview: {prefix: f}}", None),
        ("{x-teal-preview: {exact: 'false'}}", None),
    ] {
        let world = by_header();
        let owner = virtual_service(&no_requests.replace("{x-teal-preview: {exact: 'false'}}", headers));
        let now = at(&world, &entered(&world, &owner), 0);
        let made = now["spec"]["http"][0]
            .get("match")
            .filter(|_| now["spec"]["http"].as_array().unwrap().len() == 2);
        let wanted: Option<Value> = joined.map(|text| serde_yaml::from_str(text).unwrap());
        assert_eq!(made.map(|made| &made[0]["headers"]), wanted.as_ref(), "{headers}");
        assert!(beside(&now, &world.scope()).fits);
    }
}

#[test]
fn a_header_that_a_route_describes_by_a_pattern_is_refused() {
    let world = by_header();
    let owner = virtual_service(
        "[{name: a, match: [{headers: {x-teal-preview: {regex: 't.*'}}}], route: [{destination: {host: web}}]}]",
    );
    let now = entered(&world, &owner);
    let refusal = set_weight(&now, &world.scope(), 10, &stamp(2)).unwrap_err();
    assert_eq!(refusal.reason(), "RouteUnsupported");
    assert!(refusal.to_string().contains("spec.http[0] (a).match"), "{refusal}");
    assert!(refusal.to_string().contains("choose another header in spec.traffic.preview"), "{refusal}");
    assert!(enter(&owner, &world.scope(), &stamp(2)).unwrap().is_some());
}

#[test]
fn labels_of_callers_are_joined() {
    let world = World { preview: Some(asked(&[], &[], &[("team", "qa")])), ..World::web() };
    let owner = virtual_service(
        "[{match: [{sourceLabels: {app: front}}, {sourceLabels: {team: sre}}], route: [{destination: {host: web}}]}]",
    );
    let now = at(&world, &entered(&world, &owner), 0);
    assert_eq!(now["spec"]["http"][0]["match"], json!([{"sourceLabels": {"app": "front", "team": "qa"}}]));
}

#[test]
fn cookies_are_found_among_others_in_any_order_and_never_by_a_part() {
    let world = World { preview: Some(asked(&[], &[("a.b", "1+1"), ("c", "2")], &[])), ..World::web() };
    let now = at(&world, &entered(&world, &virtual_service("[{route: [{destination: {host: web}}]}]")), 0);
    let pattern = now["spec"]["http"][0]["match"][0]["headers"]["cookie"]["regex"].as_str().unwrap();
    assert_eq!(pattern, r"(.*; *)?(a\.b=1\+1;(.*;)? *c=2|c=2;(.*;)? *a\.b=1\+1)(;.*)?");
}

#[test]
fn of_several_services_each_candidate_has_its_part_and_others_none() {
    let world = World {
        services: vec![
            teal_traffic::RoleService::new("shop", "web"),
            teal_traffic::RoleService::new("shop", "api"),
        ],
        ..by_header()
    };
    let owner = virtual_service(
        "[{route: [{destination: {host: web}, weight: 40}, {destination: {host: docs}, weight: 40}, {destination: {host: api}, weight: 20}]},
          {name: unled, route: [{destination: {host: docs}, weight: 100}, {destination: {host: web}, weight: 0}]}]",
    );
    let now = at(&world, &entered(&world, &owner), 0);
    assert_eq!(
        now["spec"]["http"][0]["route"],
        json!([{"destination": {"host": "web-candidate"}, "weight": 67}, {"destination": {"host": "api-candidate"}, "weight": 33}])
    );
    assert_eq!(now["spec"]["http"].as_array().unwrap().len(), 3, "nobody is led to live by the last");
    assert_eq!(beside(&now, &world.scope()), THERE);
}

fn lists() -> impl Strategy<Value = Vec<Value>> {
    let managed = (0..4_u8, any::<bool>()).prop_map(|(kind, named)| {
        let mut route = match kind {
            0 => json!({"route": [{"destination": {"host": "web"}}]}),
            1 => json!({"match": [{"uri": {"prefix": "/a"}}, {"sourceLabels": {"x": "y"}}], "timeout": "2s",
                        "route": [{"destination": {"host": "web"}, "weight": 70}, {"destination": {"host": "docs"}, "weight": 30}]}),
            2 => json!({"match": [{"headers": {"x-teal-preview": {"exact": "true"}}}], "route": [{"destination": {"host": "web"}, "weight": 100}]}),
            _ => json!({"route": [{"destination": {"host": "docs"}}]}),
        };
        if named {
            route["name"] = json!(format!("n{kind}"));
        }
        route
    });
    proptest::collection::vec(managed, 1..7)
}

proptest! {
    #[test]
    fn nothing_but_its_routes_comes_and_goes(mut http in lists(), percents in proptest::collection::vec(0..=100_u8, 1..5)) {
        http.push(json!({"route": [{"destination": {"host": "web"}}]}));
        let world = by_header();
        let mut owner = virtual_service("[]");
        owner["spec"]["http"] = json!(http);
        let plain = without(&world);
        let mut now = entered(&world, &owner);
        let mut bare = entered(&plain, &owner);
        for percent in percents {
            now = at(&world, &now, percent);
            bare = at(&plain, &bare, percent);
            prop_assert!(beside(&now, &world.scope()).fits);
            let mut others = now["spec"].clone();
            others["http"].as_array_mut().unwrap().retain(|route| !route["name"].as_str().unwrap_or("").starts_with("preview"));
            prop_assert_eq!(&others, &bare["spec"], "weights and all else are as without one");
            for route in now["spec"]["http"].as_array().unwrap() {
                let weights: Vec<i64> = route["route"].as_array().unwrap().iter().filter_map(|to| to["weight"].as_i64()).collect();
                prop_assert!(weights.is_empty() || weights.iter().sum::<i64>() == 100);
            }
        }
        prop_assert_eq!(&left(&world, &back(&world, &now))["spec"], &owner["spec"]);
    }
}

/// Of a condition that names gateways Istio doesn't read the labels of callers: all would be led to the candidate.
#[test]
fn labels_of_callers_are_never_asked_for_where_gateways_are_named() {
    let world = World { preview: Some(asked(&[], &[], &[("team", "qa")])), ..World::web() };
    let outside = virtual_service(
        "[{name: a, match: [{gateways: [front]}, {uri: {prefix: /a}}], route: [{destination: {host: web}}]}]",
    );
    let now = at(&world, &entered(&world, &outside), 0);
    let made = &now["spec"]["http"][0];
    assert_eq!(made["name"], "preview.teal.dev/web/a");
    assert_eq!(made["match"], json!([{"uri": {"prefix": "/a"}, "sourceLabels": {"team": "qa"}}]));
    let inside = virtual_service(
        "[{name: a, match: [{gateways: [front, mesh]}], route: [{destination: {host: web}}]}]",
    );
    let refusal = set_weight(&entered(&world, &inside), &world.scope(), 0, &stamp(2)).unwrap_err();
    assert_eq!(refusal.reason(), "RouteUnsupported");
    assert!(refusal.to_string().contains("spec.http[0] (a).match names gateways"), "{refusal}");
    let by_header = by_header();
    assert!(set_weight(&entered(&by_header, &inside), &by_header.scope(), 0, &stamp(2)).is_ok());
}

#[test]
fn cookies_that_are_longer_than_istio_takes_are_refused() {
    let value = "x".repeat(250);
    let world = World { preview: Some(asked(&[], &[("a", &value), ("b", &value)], &[])), ..World::web() };
    let owner = virtual_service("[{name: a, route: [{destination: {host: web}}]}]");
    let refusal = set_weight(&entered(&world, &owner), &world.scope(), 0, &stamp(2)).unwrap_err();
    assert!(refusal.to_string().contains("1024 characters"), "{refusal}");
    let one = World { preview: Some(asked(&[], &[("a", &value)], &[])), ..World::web() };
    assert!(set_weight(&entered(&one, &owner), &one.scope(), 0, &stamp(2)).is_ok());
}

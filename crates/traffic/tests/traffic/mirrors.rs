//! Copies of requests for the candidate.

use proptest::prelude::*;
use serde_json::{Value, json};
use teal_traffic::{Beside, beside, enter, leave, lower, lower_to, mirror_problem, read, set_weight};

use crate::support::{World, apply, at, entered, left, stamp, virtual_service, weight};

const THERE: Beside = Beside { any: true, fits: true };
const NONE: Beside = Beside { any: false, fits: true };

fn copying(percent: u8) -> World {
    World { mirror: Some(percent), ..World::web() }
}

fn back(world: &World, object: &Value) -> Value {
    let mut now = object.clone();
    if let Some(patch) = lower(&now, &world.scope(), &stamp(5)).unwrap() {
        apply(&mut now, &patch).unwrap();
    }
    now
}

fn mirrors(object: &Value, route: usize) -> &Value {
    &object["spec"]["http"][route]["mirrors"]
}

fn to_candidate(percent: u8) -> Value {
    json!({"destination": {"host": "web-candidate"}, "percentage": {"value": percent}})
}

/// What somebody does to the list of routes.
type Hand<'a> = &'a dyn Fn(&mut Vec<Value>);

#[test]
fn a_mirror_comes_with_a_raise_of_nothing_or_of_a_weight_and_goes_with_the_next_that_asks_for_none() {
    let (world, plain) = (copying(20), World::web());
    let owner = virtual_service("[{name: a, route: [{destination: {host: web}}]}]");
    let mut now = entered(&world, &owner);
    assert_eq!(mirrors(&now, 0), &Value::Null, "it comes once the role selects the candidate");
    assert_eq!(beside(&now, &world.scope()), Beside { any: false, fits: false });
    for percent in [0, 10] {
        now = at(&world, &now, percent);
        assert_eq!((weight(&world, &now), beside(&now, &world.scope())), (percent, THERE));
        assert_eq!(mirrors(&now, 0), &json!([to_candidate(20)]));
        assert_eq!(set_weight(&now, &world.scope(), percent, &stamp(2)).unwrap(), None, "is there");
    }
    assert_eq!(beside(&now, &copying(30).scope()), Beside { any: true, fits: false });
    now = at(&copying(30), &now, 10);
    assert_eq!(mirrors(&now, 0), &json!([to_candidate(30)]), "another percentage");
    assert_eq!(beside(&now, &plain.scope()), Beside { any: true, fits: false });
    now = at(&plain, &now, 50);
    assert_eq!((weight(&plain, &now), beside(&now, &plain.scope())), (50, NONE));
    assert_eq!(left(&plain, &back(&plain, &now))["spec"], owner["spec"]);
}

/// A proxy that lost the last route to the candidate while copies are sent would count them as failed.
#[test]
fn rule_3_a_mirror_is_out_before_the_candidate_is() {
    let world = copying(20);
    let owner = virtual_service("[{route: [{destination: {host: web}}]}]");
    let now = at(&world, &entered(&world, &owner), 10);
    let refusal = leave(&now, &World::web().scope(), &stamp(3)).unwrap_err();
    assert_eq!(refusal.reason(), "CandidateHasWeight");
    assert!(refusal.to_string().contains("spec.http[0] still leads to the candidate"), "{refusal}");
    let lowered = back(&World::web(), &now);
    assert_eq!((weight(&world, &lowered), beside(&lowered, &World::web().scope())), (0, NONE));
    assert_eq!(
        lowered["spec"]["http"][0]["route"][1]["destination"]["host"], "web-candidate",
        "is still named"
    );
    assert_eq!(lower(&lowered, &World::web().scope(), &stamp(5)).unwrap(), None);
    assert_eq!(left(&world, &lowered)["spec"], owner["spec"]);
}

/// Going back must not lose a race for anything but these very mirrors.
#[test]
fn rule_4_the_way_back_is_bound_to_the_mirrors_and_to_no_version() {
    let world = copying(20);
    let now = at(&world, &entered(&world, &virtual_service("[{route: [{destination: {host: web}}]}]")), 10);
    let patch = lower(&now, &World::web().scope(), &stamp(5)).unwrap().unwrap();
    let mut busy = now.clone();
    busy["metadata"]["resourceVersion"] = json!("99");
    busy["spec"]["http"][0]["route"][0]["weight"] = json!(40);
    busy["spec"]["http"][0]["route"][1]["weight"] = json!(60);
    apply(&mut busy, &patch).unwrap();
    assert_eq!((weight(&world, &busy), mirrors(&busy, 0)), (0, &Value::Null));
    let mut other = now.clone();
    other["spec"]["http"][0]["mirrors"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"destination": {"host": "audit"}}));
    let before = other.clone();
    assert!(apply(&mut other, &patch).is_err(), "a conflict, after which it is read again");
    assert_eq!(other, before);
    let led = back(&World::web(), &other);
    assert_eq!(mirrors(&led, 0), &json!([{"destination": {"host": "audit"}}]), "the hand's own stays");
}

#[test]
fn a_raise_that_brings_a_mirror_is_bound_to_the_version() {
    let world = copying(20);
    let now = entered(&world, &virtual_service("[{route: [{destination: {host: web}}]}]"));
    let patch = set_weight(&now, &world.scope(), 0, &stamp(2)).unwrap().unwrap();
    let mut other = now.clone();
    other["metadata"]["resourceVersion"] = json!("99");
    assert!(apply(&mut other, &patch).is_err());
}

#[test]
fn a_weight_that_is_lowered_partly_leaves_a_mirror_alone() {
    let world = copying(20);
    let mut now =
        at(&world, &entered(&world, &virtual_service("[{route: [{destination: {host: web}}]}]")), 50);
    let patch = lower_to(&now, &world.scope(), 10, &stamp(2)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    assert_eq!((weight(&world, &now), beside(&now, &world.scope())), (10, THERE));
}

#[test]
fn whatever_another_hand_makes_of_a_mirror_is_made_good_and_its_own_stays() {
    let world = copying(20);
    let audit = json!({"destination": {"host": "audit"}});
    let owner = virtual_service("[{name: a, route: [{destination: {host: web}}]}]");
    let whole = at(&world, &entered(&world, &owner), 10);
    let hands: [(&str, Hand<'_>, bool); 5] = [
        ("takes it out", &|http| drop(http[0].as_object_mut().unwrap().remove("mirrors")), false),
        ("changes its percentage", &|http| http[0]["mirrors"][0]["percentage"]["value"] = json!(90), false),
        (
            "writes the same number otherwise",
            &|http| http[0]["mirrors"][0]["percentage"]["value"] = json!(20.0),
            true,
        ),
        (
            "puts a second one in",
            &|http| http[0]["mirrors"].as_array_mut().unwrap().push(to_candidate(1)),
            false,
        ),
        ("puts its own in", &|http| http[0]["mirrors"].as_array_mut().unwrap().push(audit.clone()), true),
    ];
    for (what, hand, fits) in hands {
        let mut now = whole.clone();
        hand(now["spec"]["http"].as_array_mut().unwrap());
        assert_eq!(beside(&now, &world.scope()).fits, fits, "{what}");
        now = at(&world, &now, 10);
        assert_eq!((weight(&world, &now), beside(&now, &world.scope())), (10, THERE), "{what}");
        let mut expected = owner["spec"].clone();
        if what == "puts its own in" {
            expected["http"][0]["mirrors"] = json!([audit]);
        }
        assert_eq!(left(&world, &back(&world, &now))["spec"], expected, "{what}");
    }
}

/// A route under another name is still the one that was entered.
#[test]
fn a_mirror_of_a_route_that_was_renamed_or_lost_live_is_taken_out() {
    let world = World { mirror: Some(20), ..World::web().routes(&["a"]) };
    let plain = World::web().routes(&["a"]);
    let owner = virtual_service(
        "[{name: a, route: [{destination: {host: web}}]}, {name: z, route: [{destination: {host: docs}}]}]",
    );
    let whole = at(&world, &entered(&world, &owner), 10);
    let mut renamed = whole.clone();
    renamed["spec"]["http"][0]["name"] = json!("b");
    let mut elsewhere = whole.clone();
    elsewhere["spec"]["http"][0]["route"] = json!([{"destination": {"host": "docs"}}]);
    for now in [renamed, elsewhere] {
        assert!(beside(&now, &plain.scope()).any);
        let now = back(&plain, &now);
        assert_eq!(mirrors(&now, 0), &Value::Null);
        assert!(!beside(&now, &plain.scope()).any);
    }
}

/// Where the Rollout lists no routes, the record knows the name of one that leads elsewhere by now.
#[test]
fn a_mirror_of_a_route_that_leads_elsewhere_is_known_by_its_record() {
    let copying = World { mirror: Some(20), ..World::web() };
    let owner = virtual_service(
        "[{name: a, route: [{destination: {host: web}}]}, {name: z, route: [{destination: {host: web}}]}]",
    );
    let mut now = at(&copying, &entered(&copying, &owner), 10);
    now["spec"]["http"][0]["route"] = json!([{"destination": {"host": "docs"}}]);
    assert!(beside(&now, &World::web().scope()).any);
    let now = back(&World::web(), &now);
    assert_eq!([mirrors(&now, 0), mirrors(&now, 1)], [&Value::Null; 2]);
}

/// A hand that edits the destinations leaves the mirror: that stays Teal's, and goes with the rollout.
#[test]
fn a_mirror_whose_candidate_another_hand_took_out_is_still_teals() {
    let (copying, plain) = (World { mirror: Some(20), ..World::web() }, World::web());
    let owner = virtual_service("[{name: a, route: [{destination: {host: web}}]}]");
    let mut now = at(&copying, &entered(&copying, &owner), 10);
    now["spec"]["http"][0]["route"] = json!([{"destination": {"host": "web"}}]);
    let patch = enter(&now, &plain.scope(), &stamp(3)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    assert!(beside(&now, &plain.scope()).any, "it isn't its owner's now");
    assert_eq!(left(&plain, &back(&plain, &now))["spec"], owner["spec"]);
}

#[test]
fn a_mirror_to_the_candidate_that_stood_there_before_is_its_owners() {
    let plain = World::web();
    let owner = virtual_service(
        "[{name: a, mirrors: [{destination: {host: web-candidate}, percentage: {value: 20}}], route: [{destination: {host: web}}]}]",
    );
    let set = read(&owner, &plain.scope()).unwrap();
    let refusal = mirror_problem(&owner, &set, &plain.scope(), true).unwrap();
    assert_eq!(refusal.reason(), "RouteUnsupported");
    assert!(
        refusal.to_string().contains("spec.http[0] (a).mirrors[0] leads to the candidate already"),
        "{refusal}"
    );
    // A Rollout whose steps copy nothing leaves it as it is, all the way.
    let mut now = entered(&plain, &owner);
    assert_eq!(beside(&now, &plain.scope()), NONE);
    now = at(&plain, &now, 50);
    assert_eq!(mirrors(&now, 0), mirrors(&owner, 0));
    assert_eq!(left(&plain, &back(&plain, &now))["spec"], owner["spec"]);
    let set = read(&now, &plain.scope()).unwrap();
    assert!(mirror_problem(&now, &set, &plain.scope(), false).is_some(), "the record knows whose it is");
    assert!(set_weight(&now, &copying(20).scope(), 60, &stamp(2)).is_err());
}

/// An exported manifest has it without anything that is noted, so it goes as the candidate's weight does.
#[test]
fn a_mirror_that_was_exported_and_applied_under_way_is_taken_for_teals() {
    let world = copying(20);
    let owner = virtual_service("[{name: a, route: [{destination: {host: web}}]}]");
    let mut now = at(&world, &entered(&world, &owner), 10);
    now["metadata"]["annotations"] = json!({});
    assert_eq!(beside(&now, &world.scope()), THERE);
    now = back(&world, &at(&world, &now, 20));
    assert_eq!(left(&world, &now)["spec"], owner["spec"]);
}

#[test]
fn the_older_form_of_a_mirror_is_refused_where_copies_are_asked_for_and_nowhere_else() {
    let (world, plain) = (copying(20), World::web());
    let owner = virtual_service("[{name: a, mirror: {host: audit}, route: [{destination: {host: web}}]}]");
    let set = read(&owner, &world.scope()).unwrap();
    let refusal = mirror_problem(&owner, &set, &world.scope(), true).unwrap();
    assert!(refusal.to_string().contains("spec.http[0] (a).mirror is its owner's"), "{refusal}");
    let now = entered(&world, &owner);
    assert_eq!(set_weight(&now, &world.scope(), 0, &stamp(2)).unwrap_err().reason(), "RouteUnsupported");
    let now = at(&plain, &now, 50);
    assert_eq!(left(&plain, &back(&plain, &now))["spec"], owner["spec"]);
}

#[test]
fn a_service_that_nobody_is_led_to_has_no_copies() {
    let world = copying(20);
    let owner = virtual_service(
        "[{route: [{destination: {host: docs}, weight: 100}, {destination: {host: web}, weight: 0}]}]",
    );
    let now = at(&world, &entered(&world, &owner), 0);
    assert_eq!((mirrors(&now, 0), beside(&now, &world.scope())), (&Value::Null, NONE));
}

#[test]
fn what_is_noted_of_a_mirror_is_noted_only_where_there_is_one() {
    let world = World::web();
    for (mirror, noted) in [
        ("", false),
        ("mirrors: [{destination: {host: web-candidate}}], ", true),
        ("mirrors: [{destination: {host: audit}}], ", false),
    ] {
        let owner = virtual_service(&format!("[{{{mirror}route: [{{destination: {{host: web}}}}]}}]"));
        let patch = enter(&owner, &world.scope(), &stamp(1)).unwrap().unwrap();
        assert_eq!(json!(patch).to_string().contains("mirrors"), noted, "{mirror}");
    }
}

proptest! {
    #[test]
    fn nothing_but_its_entries_comes_and_goes(
        kinds in proptest::collection::vec(0..4_u8, 1..6),
        steps in proptest::collection::vec((0..=100_u8, proptest::option::of(1..=100_u8)), 1..6),
    ) {
        let route = |kind: u8| match kind {
            0 => json!({"route": [{"destination": {"host": "web"}}]}),
            1 => json!({"mirrors": [{"destination": {"host": "audit"}, "percentage": {"value": 1.5}}], "timeout": "2s",
                        "route": [{"destination": {"host": "web"}, "weight": 70}, {"destination": {"host": "docs"}, "weight": 30}]}),
            2 => json!({"mirrors": [{"destination": {"host": "audit"}}], "route": [{"destination": {"host": "docs"}}]}),
            _ => json!({"match": [{"uri": {"prefix": "/a"}}], "route": [{"destination": {"host": "web"}, "weight": 100}]}),
        };
        let mut http: Vec<Value> = kinds.into_iter().map(route).collect();
        http.push(route(0));
        let mut owner = virtual_service("[]");
        owner["spec"]["http"] = json!(http);
        let plain = World::web();
        let (mut now, mut bare) = (entered(&plain, &owner), entered(&plain, &owner));
        for (percent, mirror) in steps {
            let world = World { mirror, ..World::web() };
            now = at(&world, &now, percent);
            bare = at(&plain, &bare, percent);
            prop_assert!(beside(&now, &world.scope()).fits);
            let mut others = now["spec"].clone();
            for route in others["http"].as_array_mut().unwrap() {
                let Some(all) = route.get_mut("mirrors").and_then(Value::as_array_mut) else { continue };
                all.retain(|entry| entry["destination"]["host"] != "web-candidate");
                if all.is_empty() {
                    route.as_object_mut().unwrap().remove("mirrors");
                }
            }
            prop_assert_eq!(&others, &bare["spec"], "weights and all else are as without one");
        }
        prop_assert_eq!(&left(&plain, &back(&plain, &now))["spec"], &owner["spec"]);
    }
}

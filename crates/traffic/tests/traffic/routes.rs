//! The order of writes and its rules, as far as they are about one `VirtualService`.

use serde_json::{Value, json};
use teal_traffic::{
    EPOCH_LEAD, EPOCH_LIMIT, Form, Refusal, RoleService, Saved, believed, enter, epoch_of, leave, lower,
    lower_to, made_out, read, read_epoch, set_weight,
};

use crate::support::{World, apply, at, entered, left, stamp, virtual_service, weight};

fn plain() -> Value {
    virtual_service("[{name: primary, route: [{destination: {host: web}}]}]")
}

fn tests(edit: &teal_traffic::Patch, path: &str) -> bool {
    json!(edit)
        .as_array()
        .unwrap()
        .iter()
        .any(|operation| operation["op"] == "test" && operation["path"] == path)
}

#[test]
fn rule_3_a_route_is_entered_at_weight_0_and_left_only_there() {
    let world = World::web();
    let now = entered(&world, &plain());
    let set = read(&now, &world.scope()).unwrap();
    assert_eq!(set.routes[0].form(), Form::Entered { candidate_weight: 0 });
    assert!(set.is_entered());
    assert_eq!(enter(&now, &world.scope(), &stamp(1)).unwrap(), None, "entering again writes nothing");

    let at_ten = at(&world, &now, 10);
    let refusal = leave(&at_ten, &world.scope(), &stamp(3)).unwrap_err();
    assert_eq!(refusal.reason(), "CandidateHasWeight");
    assert!(refusal.to_string().contains("spec.http[0] (primary) still gives 10 to web-candidate"));

    let refusal = set_weight(&plain(), &world.scope(), 10, &stamp(2)).unwrap_err();
    assert_eq!(refusal.reason(), "RouteNotEntered");
}

#[test]
fn a_weight_that_rounds_away_is_where_it_should_be_and_not_written_again() {
    let world = World::web();
    for (own, percent, candidate, reads_as) in [(50, 5, 2, 4), (10, 5, 0, 0), (30, 10, 3, 10), (0, 10, 0, 0)]
    {
        let rest = 100 - own;
        let owner = virtual_service(&format!(
            "[{{route: [{{destination: {{host: web}}, weight: {own}}}, {{destination: {{host: other}}, weight: {rest}}}]}}]"
        ));
        let now = at(&world, &entered(&world, &owner), percent);
        let route = &read(&now, &world.scope()).unwrap().routes[0];
        assert_eq!(route.candidate_weight(&route.pairs[0]), candidate, "{percent} % of {own}");
        assert_eq!(route.form(), Form::Entered { candidate_weight: reads_as });
        assert!(route.stands_at(percent), "{percent} % of {own}");
        assert_eq!(set_weight(&now, &world.scope(), percent, &stamp(2)).unwrap(), None);
        assert_eq!(route.stands_at(100), own == 0);
    }
    let owners = read(&plain(), &world.scope()).unwrap();
    assert!(!owners.routes[0].stands_at(0), "a route that doesn't name the candidate is at no weight");
}

#[test]
fn rule_4_raises_test_the_version_and_going_back_does_not() {
    let world = World::web();
    let now = entered(&world, &plain());
    let raise = set_weight(&now, &world.scope(), 10, &stamp(2)).unwrap().unwrap();
    assert!(tests(&raise, "/metadata/resourceVersion"));
    assert!(tests(&raise, "/spec/http/0/name") && tests(&raise, "/spec/http/0/route"));

    let at_ten = at(&world, &now, 10);
    let back = lower(&at_ten, &world.scope(), &stamp(3)).unwrap().unwrap();
    assert!(!tests(&back, "/metadata/resourceVersion"));
    assert!(tests(&back, "/spec/http/0/name") && tests(&back, "/spec/http/0/route"));

    let mut busy = at_ten.clone();
    busy["metadata"]["resourceVersion"] = json!("1000");
    busy["spec"]["http"].as_array_mut().unwrap().push(json!({"route": [{"destination": {"host": "other"}}]}));
    apply(&mut busy, &back).unwrap();
    assert_eq!(weight(&world, &busy), 0);
}

#[test]
fn rule_4_a_late_partial_lowering_can_not_become_a_raise() {
    let world = World::web();
    let half = at(&world, &entered(&world, &plain()), 50);
    let late = lower_to(&half, &world.scope(), 10, &stamp(2)).unwrap().unwrap();
    let mut now = at(&world, &half, 0);
    let before = now.clone();
    assert!(apply(&mut now, &late).is_err());
    assert_eq!(now, before);
}

#[test]
fn rule_4_a_lowering_raises_no_route_that_has_less() {
    let world = World::web();
    let two = virtual_service(
        "[{name: one, route: [{destination: {host: web}}]}, {name: two, route: [{destination: {host: web}}]}]",
    );
    let mut now = at(&world, &entered(&world, &two), 50);
    now["spec"]["http"][1]["route"][0]["weight"] = json!(100);
    now["spec"]["http"][1]["route"][1]["weight"] = json!(0);
    let patch = lower_to(&now, &world.scope(), 20, &stamp(2)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    let weights = |route: usize| {
        [0, 1].map(|entry| now["spec"]["http"][route]["route"][entry]["weight"].as_i64().unwrap())
    };
    assert_eq!((weights(0), weights(1)), ([80, 20], [100, 0]));
    assert_eq!(lower_to(&now, &world.scope(), 20, &stamp(3)).unwrap(), None);
}

#[test]
fn rule_4_going_back_works_on_weights_that_another_writer_broke() {
    let world = World::web();
    let mut now = at(&world, &entered(&world, &plain()), 10);
    now["spec"]["http"][0]["route"][0]["weight"] = json!(-5);
    now["spec"]["http"][0]["route"][1]["weight"] = json!(300);
    assert_eq!(read(&now, &world.scope()).unwrap_err().reason(), "ObjectMalformed");
    let patch = lower(&now, &world.scope(), &stamp(3)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    assert_eq!(weight(&world, &now), 0);
}

/// What others took of a route can't be mended by a weight below 0, which the server would refuse.
#[test]
fn rule_4_going_back_keeps_its_own_part_where_others_have_more_than_all() {
    let world = World::web();
    let mut now = at(&world, &entered(&world, &plain()), 10);
    let other = json!({"destination": {"host": "elsewhere"}, "weight": 150});
    now["spec"]["http"][0]["route"].as_array_mut().unwrap().push(other);
    let patch = lower(&now, &world.scope(), &stamp(3)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    let weights: Vec<_> = (0..3).map(|at| now["spec"]["http"][0]["route"][at]["weight"].clone()).collect();
    assert_eq!(weights, [json!(100), json!(0), json!(150)]);
}

/// The weights of a route, in their order.
fn weights(object: &Value) -> Vec<i64> {
    let route = object["spec"]["http"][0]["route"].as_array().unwrap();
    route.iter().map(|destination| destination["weight"].as_i64().unwrap_or(-1)).collect()
}

#[test]
fn what_another_hand_made_unmanageable_can_be_led_home_all_the_same() {
    for (refused, route, shares, lowered) in [
        (
            "RouteUnsupported",
            "[{destination: {host: web, subset: v1}, weight: 10}, {destination: {host: web-candidate}, weight: 90}]",
            &[90, 0][..],
            vec![100, 0],
        ),
        (
            "RouteUnsupported",
            "[{destination: {host: web}, weight: 5}, {destination: {host: web}, weight: 5}, \
             {destination: {host: web-candidate}, weight: 90}]",
            &[95, 0],
            vec![95, 5, 0],
        ),
        (
            "RouteUnsupported",
            "[{destination: {host: web}, weight: 10}, {destination: {host: web-candidate}, weight: 60}, \
             {destination: {host: web-candidate}, weight: 30}]",
            &[86, 30, 0],
            vec![100, 0, 0],
        ),
        (
            "WeightsInvalid",
            "[{destination: {host: web}, weight: 10}, {destination: {host: web-candidate}, weight: 80}]",
            &[89, 0],
            vec![100, 0],
        ),
    ] {
        let world = World::web();
        let mut now = virtual_service(&format!("[{{name: primary, route: {route}}}]"));
        let refusal = read(&now, &world.scope()).unwrap_err();
        assert_eq!(refusal.reason(), refused, "{refusal}");
        let mut seen = vec![made_out(&now, &world.scope()).unwrap()];
        while let Some(patch) = lower(&now, &world.scope(), &stamp(3)).unwrap() {
            apply(&mut now, &patch).unwrap();
            seen.push(made_out(&now, &world.scope()).unwrap());
        }
        assert_eq!((&seen[..], weights(&now)), (shares, lowered), "{route}");
        for _ in 0..2 {
            now = left(&world, &now);
        }
        assert_eq!(made_out(&now, &world.scope()), None, "{now}");
    }
}

#[test]
fn a_route_that_does_not_name_the_candidate_has_no_share_to_be_made_out() {
    let world = World::web();
    let broken = virtual_service("[{route: [{destination: {host: web, subset: v1}}]}]");
    for object in [&plain(), &broken] {
        assert_eq!(made_out(object, &world.scope()), None);
    }
    let hair = "[{route: [{destination: {host: web}, weight: 1000}, {destination: {host: web-candidate}, weight: 1}]}]";
    assert_eq!(made_out(&virtual_service(hair), &world.scope()), Some(1), "any weight is some");
}

#[test]
fn rule_4_going_back_passes_over_a_route_that_is_gone() {
    let world = World::web().routes(&["primary", "second"]);
    let owner = virtual_service(
        "[{name: primary, route: [{destination: {host: web}}]}, {name: second, route: [{destination: {host: web}}]}]",
    );
    let mut now = at(&world, &entered(&world, &owner), 10);
    now["spec"]["http"].as_array_mut().unwrap().remove(0);
    assert_eq!(read(&now, &world.scope()).unwrap_err().reason(), "RouteNotFound");
    let patch = lower(&now, &world.scope(), &stamp(3)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    assert_eq!(now["spec"]["http"][0]["route"][1]["weight"], 0);
}

#[test]
fn rule_5_an_epoch_never_goes_back_and_never_blocks_the_way_back() {
    let world = World::web();
    let mut now = at(&world, &entered(&world, &plain()), 10);
    now["metadata"]["annotations"]["epoch.teal.dev/uid-1"] = json!("99999");
    let refusal = set_weight(&now, &world.scope(), 50, &stamp(7)).unwrap_err();
    assert!(matches!(refusal, Refusal::StaleEpoch { found: 99_999, own: 7, .. }));

    let patch = lower(&now, &world.scope(), &stamp(7)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    assert_eq!(epoch_of(&now, "uid-1"), 99_999);
    assert_eq!(weight(&world, &now), 0);

    let patch = set_weight(&now, &world.scope(), 50, &stamp(100_000)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    assert_eq!(epoch_of(&now, "uid-1"), 100_000, "whoever goes on above it may write again");
}

#[test]
fn rule_5_an_epoch_that_nobody_could_have_written_is_written_over() {
    let world = World::web();
    for forged in [EPOCH_LIMIT, 1 << 52, 99_999_999_999, 7 + EPOCH_LEAD + 1] {
        let mut now = at(&world, &entered(&world, &plain()), 10);
        now["metadata"]["annotations"]["epoch.teal.dev/uid-1"] = json!(forged.to_string());
        for patch in [
            set_weight(&now, &world.scope(), 50, &stamp(7)).unwrap().unwrap(),
            lower(&now, &world.scope(), &stamp(7)).unwrap().unwrap(),
        ] {
            let mut now = now.clone();
            apply(&mut now, &patch).unwrap();
            assert_eq!(epoch_of(&now, "uid-1"), 7, "{forged}");
        }
    }
}

#[test]
fn rule_5_how_far_an_epoch_is_believed() {
    for (found, record, means) in [
        (7, Some(7), 7),
        (3, Some(7), 3),
        (7 + EPOCH_LEAD, Some(7), 7 + EPOCH_LEAD),
        (8 + EPOCH_LEAD, Some(7), 0),
        (EPOCH_LIMIT, Some(7), 0),
        (EPOCH_LIMIT, Some(i64::MAX), EPOCH_LIMIT),
        (1 << 52, None, 1 << 52),
        ((1 << 52) + 1, None, 0),
    ] {
        assert_eq!(believed(found, record), means, "{found} {record:?}");
    }
    // Whatever is believed leaves a number to go on with, which is believed in turn.
    for record in [None, Some(7)] {
        let next = believed(1 << 52, record).max(record.unwrap_or(0)) + 1;
        assert_eq!(believed(read_epoch(&next.to_string()), Some(next)), next);
    }
}

#[test]
fn rule_5_missing_and_malformed_epochs_read_as_0() {
    for text in ["", "x", "-1", "+5", "1.5", " 7", "9223372036854775807", "99999999999999999999"] {
        let mut object = plain();
        object["metadata"]["annotations"]["epoch.teal.dev/uid-1"] = json!(text);
        assert_eq!(epoch_of(&object, "uid-1"), 0, "{text}");
    }
    assert_eq!(epoch_of(&plain(), "uid-1"), 0);
}

#[test]
fn rule_5_going_back_does_not_create_annotations() {
    let world = World::web();
    let mut now = at(&world, &entered(&world, &plain()), 10);
    now["metadata"].as_object_mut().unwrap().remove("annotations");
    let patch = lower(&now, &world.scope(), &stamp(3)).unwrap().unwrap();
    now["metadata"]["annotations"] = json!({"written": "meanwhile"});
    apply(&mut now, &patch).unwrap();
    assert_eq!(now["metadata"]["annotations"], json!({"written": "meanwhile"}));
}

#[test]
fn rule_5_epochs_of_several_rollouts_stand_side_by_side() {
    let world = World::web();
    let mut object = plain();
    object["metadata"]["annotations"]["epoch.teal.dev/uid-2"] = json!("900");
    let now = entered(&world, &object);
    assert_eq!((epoch_of(&now, "uid-1"), epoch_of(&now, "uid-2")), (1, 900));
}

#[test]
fn rule_10_hosts_without_dot_expand_in_the_virtual_services_namespace() {
    let world = World::web();
    let mut elsewhere = plain();
    elsewhere["metadata"]["namespace"] = json!("gateways");
    let refusal = read(&elsewhere, &world.scope()).unwrap_err();
    assert_eq!(refusal.reason(), "RouteNotFound");
    assert!(
        refusal.to_string().contains("web there means web.gateways.svc.cluster.local, write the full name")
    );

    for (host, found) in [("web.shop", false), ("web.shop.svc", false), ("web.shop.svc.cluster.local", true)]
    {
        let object = virtual_service(&format!("[{{route: [{{destination: {{host: {host}}}}}]}}]"));
        assert_eq!(read(&object, &world.scope()).is_ok(), found, "{host}");
    }
}

#[test]
fn rule_10_the_cluster_domain_is_the_meshs() {
    let mut world = World::web();
    world.mesh.cluster_domain = "corp.internal".into();
    let object = virtual_service("[{route: [{destination: {host: web.shop.svc.corp.internal}}]}]");
    let now = entered(&world, &object);
    assert_eq!(
        now["spec"]["http"][0]["route"][1]["destination"]["host"],
        "web-candidate.shop.svc.corp.internal"
    );
}

#[test]
fn rule_10_the_candidate_is_spelled_like_live_with_all_that_belongs_to_it() {
    let world = World::web();
    let object = virtual_service(
        "[{route: [{destination: {host: web, port: {number: 80}}, headers: {request: {set: {a: b}}}, weight: 100}]}]",
    );
    let now = entered(&world, &object);
    assert_eq!(
        now["spec"]["http"][0]["route"][1],
        json!({"destination": {"host": "web-candidate", "port": {"number": 80}},
               "headers": {"request": {"set": {"a": "b"}}}, "weight": 0})
    );
}

#[test]
fn invariant_14_weights_of_hosts_beside_web_stay_and_the_step_is_rounded_down() {
    let world = World::web();
    let owner = virtual_service(
        "[{route: [{destination: {host: web}, weight: 33}, {destination: {host: other}, weight: 67}]}]",
    );
    let now = entered(&world, &owner);
    for (percent, candidate) in [(10, 3), (50, 16), (99, 32), (100, 33)] {
        let route = &at(&world, &now, percent)["spec"]["http"][0]["route"];
        let weights: Vec<i64> = (0..3).map(|place| route[place]["weight"].as_i64().unwrap()).collect();
        assert_eq!(weights, [33 - candidate, 67, candidate]);
    }
}

#[test]
fn rule_19_an_absent_weight_is_absent_again() {
    let world = World::web();
    for owner in [plain(), virtual_service("[{route: [{destination: {host: web}, weight: 100}]}]")] {
        let back = left(&world, &at(&world, &at(&world, &entered(&world, &owner), 100), 0));
        assert_eq!(back["spec"], owner["spec"]);
    }
}

#[test]
fn rule_19_the_record_is_kept_when_the_owner_writes_one_route_anew() {
    let world = World::web();
    let owner = virtual_service(
        "[{name: a, route: [{destination: {host: web}}]}, {name: b, route: [{destination: {host: web}}]}]",
    );
    let mut now = at(&world, &entered(&world, &owner), 10);
    now["spec"]["http"][1] = json!({"name": "b", "route": [{"destination": {"host": "web"}, "weight": 100}]});
    let patch = lower(&now, &world.scope(), &stamp(3)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    let patch = enter(&now, &world.scope(), &stamp(3)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    for percent in [10, 0] {
        let patch = set_weight(&now, &world.scope(), percent, &stamp(3)).unwrap().unwrap();
        apply(&mut now, &patch).unwrap();
        assert_eq!(weight(&world, &now), percent);
    }
    let end = left(&world, &now);
    assert_eq!(end["spec"]["http"][0], owner["spec"]["http"][0]);
    assert_eq!(end["spec"]["http"][1]["route"], json!([{"destination": {"host": "web"}, "weight": 100}]));
}

#[test]
fn an_owner_who_changes_the_share_of_web_meanwhile_keeps_it() {
    let world = World::web();
    let owner = virtual_service(
        "[{route: [{destination: {host: web}, weight: 80}, {destination: {host: other}, weight: 20}]}]",
    );
    let mut now = at(&world, &entered(&world, &owner), 0);
    now["spec"]["http"][0]["route"][0]["weight"] = json!(60);
    now["spec"]["http"][0]["route"][1]["weight"] = json!(40);
    let restoration = leave(&now, &world.scope(), &stamp(3)).unwrap();
    assert!(!restoration.exact);
    apply(&mut now, &restoration.patch.unwrap()).unwrap();
    assert_eq!(
        now["spec"]["http"][0]["route"],
        json!([{"destination": {"host": "web"}, "weight": 60}, {"destination": {"host": "other"}, "weight": 40}])
    );
}

#[test]
fn a_malformed_record_reads_as_lost() {
    let world = World::web();
    let mut now = entered(&world, &plain());
    now["metadata"]["annotations"]["saved.teal.dev/uid-1"] = json!("{\"routes\": 7}");
    assert_eq!(Saved::of(&now, "uid-1"), None);
    let restoration = leave(&now, &world.scope(), &stamp(3)).unwrap();
    assert!(!restoration.exact);
    apply(&mut now, &restoration.patch.unwrap()).unwrap();
    assert_eq!(now["spec"], plain()["spec"]);
}

#[test]
fn an_export_at_ten_percent_is_harmless_at_rest_and_held_at_zero_on_entering() {
    let world = World::web();
    let exported = at(&world, &entered(&world, &plain()), 10);
    assert_eq!(weight(&world, &exported), 10);
    // Re-applied at rest, with the record in it: the true owner's bytes come back at the end.
    let now = at(&world, &exported, 0);
    assert_eq!(enter(&now, &world.scope(), &stamp(4)).unwrap(), None);
    assert_eq!(left(&world, &now)["spec"], plain()["spec"]);
    // Without the record it counts as what the owner wrote.
    let mut bare = exported.clone();
    bare["metadata"].as_object_mut().unwrap().remove("annotations");
    let now = entered(&world, &bare);
    assert_eq!(weight(&world, &now), 0);
    assert_eq!(left(&world, &now)["spec"], exported["spec"]);
}

#[test]
fn an_entry_of_the_owners_candidate_at_zero_is_recorded_too() {
    let world = World::web();
    let owner = virtual_service(
        "[{route: [{destination: {host: web}, weight: 100}, {destination: {host: web-candidate}}]}]",
    );
    let now = entered(&world, &owner);
    assert_eq!(now["spec"], owner["spec"]);
    assert_eq!(left(&world, &at(&world, &now, 0))["spec"], owner["spec"]);
}

#[test]
fn two_services_in_one_route_share_it_each_by_its_own_weight() {
    let mut world = World::web();
    world.services.push(RoleService::new("shop", "api"));
    let owner = virtual_service(
        "[{route: [{destination: {host: api}, weight: 40}, {destination: {host: web}, weight: 60}]}]",
    );
    let now = at(&world, &entered(&world, &owner), 50);
    let weights: Vec<(String, i64)> = read(&now, &world.scope()).unwrap().routes[0]
        .destinations
        .iter()
        .map(|destination| (destination.host.clone(), destination.weight))
        .collect();
    let expected = [("api", 20), ("web", 30), ("web-candidate", 30), ("api-candidate", 20)];
    assert_eq!(weights, expected.map(|(host, weight)| (host.to_owned(), weight)));
    assert_eq!(left(&world, &at(&world, &now, 0))["spec"], owner["spec"]);
}

#[test]
fn nothing_changed_means_no_request() {
    let world = World::web();
    let now = at(&world, &entered(&world, &plain()), 10);
    assert_eq!(set_weight(&now, &world.scope(), 10, &stamp(99)).unwrap(), None);
    assert_eq!(lower(&plain(), &world.scope(), &stamp(99)).unwrap(), None);
    assert_eq!(leave(&plain(), &world.scope(), &stamp(99)).unwrap().patch, None);
}

/// A Rollout that is made anew has another uid, and finds what its predecessor had begun.
#[test]
fn the_record_of_an_earlier_rollout_of_the_same_services_is_used_and_removed() {
    let world = World::web();
    let owner = virtual_service("[{name: primary, route: [{destination: {host: web}, weight: 100}]}]");
    let mut now = entered(&world, &owner);
    let notes = now["metadata"]["annotations"].as_object_mut().unwrap();
    let record = notes.remove("saved.teal.dev/uid-1").unwrap();
    notes.insert("saved.teal.dev/uid-0".into(), record);
    assert!(Saved::is_on(&now, "uid-1", &world.services));
    let other = [RoleService::new("shop", "api")];
    assert!(!Saved::is_on(&now, "uid-1", &other), "another one's Services");
    assert!(Saved::is_on(&now, "uid-0", &other), "the annotation is its own");
    let restoration = leave(&now, &world.scope(), &stamp(3)).unwrap();
    assert!(restoration.exact);
    let end = left(&world, &now);
    assert_eq!(end["spec"], owner["spec"]);
    assert!(!Saved::is_on(&end, "uid-1", &world.services));
}

/// The API server takes 10,000 operations in one patch.
#[test]
fn rule_4_what_can_be_raised_can_be_lowered_however_many_routes_there_are() {
    let world = World::web();
    let many = |count: usize| {
        let mut object = virtual_service("[]");
        let route = |index: usize| {
            json!({"name": format!("route-{index}"), "route": [
                {"destination": {"host": "web"}, "weight": 90},
                {"destination": {"host": "web-candidate"}, "weight": 10}]})
        };
        object["spec"]["http"] = (0..count).map(route).collect();
        object["metadata"]["annotations"]["saved.teal.dev/uid-1"] = json!("{}");
        object
    };
    let mut most = many(2_498);
    let raise = set_weight(&most, &world.scope(), 100, &stamp(2)).unwrap().unwrap();
    let back = lower(&most, &world.scope(), &stamp(3)).unwrap().unwrap();
    assert!(raise.0.len() <= 10_000 && back.0.len() <= 10_000, "{} and {}", raise.0.len(), back.0.len());
    apply(&mut most, &back).unwrap();
    assert_eq!(weight(&world, &most), 0, "in one request");
    let refusal = read(&many(2_500), &world.scope()).unwrap_err();
    assert_eq!(refusal.reason(), "RouteUnsupported");
    let message = refusal.to_string();
    assert!(
        message.contains("2500 of its routes") && message.contains("virtualServices[].routes"),
        "{message}"
    );
    // Somebody added routes in the middle of a rollout.
    let mut more = many(2_600);
    let mut requests = 0;
    while let Some(back) = lower(&more, &world.scope(), &stamp(3)).unwrap() {
        assert!(back.0.len() <= 10_000, "{}", back.0.len());
        apply(&mut more, &back).unwrap();
        requests += 1;
        assert!(requests <= 3, "it does not come to an end");
    }
}

/// Somebody took Teal's annotations out. What is left at the end would be taken for the owner's own words.
#[test]
fn a_record_that_is_lost_under_way_is_made_anew_by_the_next_write() {
    let world = World::web();
    let alone = virtual_service("[{name: primary, route: [{destination: {host: web}}]}]");
    let beside = virtual_service(
        "[{name: primary, route: [{destination: {host: other}, weight: 20}, {destination: {host: web}, weight: 80}]}]",
    );
    for owner in [alone, beside] {
        for next in [100, 0] {
            let mut now = at(&world, &entered(&world, &owner), 10);
            now["metadata"]["annotations"] = json!({"team": "shop"});
            now = at(&world, &now, next);
            assert!(Saved::is_on(&now, "uid-1", &world.services), "{next}");
            now = at(&world, &now, 0);
            let restoration = leave(&now, &world.scope(), &stamp(3)).unwrap();
            assert!(restoration.exact);
            assert_eq!(left(&world, &now)["spec"], owner["spec"], "{next}");
        }
    }
}

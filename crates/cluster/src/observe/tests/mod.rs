//! Looks on caches that were filled by hand: one row is a cluster in and what the planner sees of it out.

mod ages;
pub(crate) mod charts;
pub(crate) mod cluster;
mod connections;
mod group;
mod halts;
mod hands;
mod jobs;
mod lost;
mod mirrors;
mod overlap;
mod owners;
mod previews;
mod resting;
mod routes;
mod salvaged;
mod services;
mod shared;
mod sizes;
mod step_jobs;
mod traffic;
mod troubles;
mod unread;

use serde_json::{Value, json};
use teal_plan::record::Cause;
use teal_plan::snapshot::{Form, Found, Objects, Stops};
use teal_plan::{Color, Time};

use cluster::Hand;

use crate::kinds::{self, Known};

#[test]
fn nothing_is_found_where_nothing_is() {
    let seen = Hand::new().look(0);
    let world = seen.snapshot.world;
    assert_eq!(world.found, Found::Nothing);
    assert_eq!((world.blue.objects, world.green.objects), (Objects::Absent, Objects::Absent));
    assert_eq!(world.routes.form, Form::Owner);
    assert_eq!(world.obstacles, []);
    assert!(seen.snapshot.settings.wanted.is_some());
}

#[test]
fn the_first_look_is_noted_once_and_forgotten_with_the_rest() {
    let mut hand = Hand::new();
    hand.install();
    assert_eq!(hand.look(5).snapshot.watched_since, Time(5));
    assert_eq!(hand.look(90_000).snapshot.watched_since, Time(5), "not with each look");
    hand.memory = crate::memory::Memory::default();
    assert_eq!(hand.look(100_000).snapshot.watched_since, Time(100_000), "whoever leads now is new");
}

#[test]
fn a_live_release_serves_and_is_in_sync() {
    let mut hand = Hand::new();
    hand.install();
    let seen = hand.look(0);
    let world = &seen.snapshot.world;
    let slot = hand.slot(Color::Blue);
    assert_eq!(world.blue.objects, Objects::Present { slot, in_sync: true });
    assert_eq!((world.blue.serving.clone(), world.blue.available), (vec![3], true));
    assert_eq!((world.live_service.points, world.live_service.settled), (Some(slot), true));
    assert!(matches!(world.found, Found::Release { slot: found, .. } if found == slot));
    assert_eq!((world.highest_epoch, world.highest_counter), (1, 1));
}

/// Nothing of Teal's deletes one, so that a color would never be empty again, and never whole.
#[test]
fn rule_17_a_claim_fills_no_color_and_keeps_none_from_being_empty() {
    let mut hand = Hand::new();
    hand.install();
    hand.claim(Color::Blue, None);
    hand.claim(Color::Green, Some("r0-00000000"));
    let (slot, world) = (hand.slot(Color::Blue), hand.look(0).snapshot.world);
    assert_eq!(world.blue.objects, Objects::Present { slot, in_sync: true });
    assert_eq!((world.green.objects, world.green.trouble), (Objects::Absent, None));
}

#[test]
fn another_rollouts_object_of_a_wanted_name_is_none_of_ours() {
    let mut hand = Hand::new();
    hand.install();
    hand.give_away("web-blue", "other");
    let slot = hand.slot(Color::Blue);
    let blue = hand.look(0).snapshot.world.blue;
    assert_eq!(blue.objects, Objects::Present { slot, in_sync: false });
    assert!(!blue.available, "its replicas don't count");
}

#[test]
fn what_keda_makes_of_a_scaled_object_is_no_part_of_the_release_and_keeps_a_color_from_being_empty() {
    let mut hand = Hand::new();
    hand.install();
    let (blue, green) = (hand.slot(Color::Blue), hand.slot(Color::Green));
    hand.derive_autoscaler(blue);
    assert_eq!(hand.look(0).snapshot.world.blue.objects, Objects::Present { slot: blue, in_sync: true });
    hand.derive_autoscaler(green);
    assert_eq!(
        hand.look(0).snapshot.world.green.objects,
        Objects::Leftover,
        "it goes with what it is made from"
    );
}

#[test]
fn a_field_that_another_hand_took_is_out_of_sync() {
    let mut hand = Hand::new();
    hand.install();
    hand.take_field("web-blue", "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"web\"}/f:image");
    let slot = hand.slot(Color::Blue);
    assert_eq!(hand.look(0).snapshot.world.blue.objects, Objects::Present { slot, in_sync: false });
}

/// An edit that the server let through must not switch off what leads back.
#[test]
fn a_spec_that_can_not_be_used_still_names_routes_guards_and_the_step_under_way() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    let destinations = json!([{"destination": {"host": "web"}, "weight": 90},
        {"destination": {"host": "web-candidate"}, "weight": 10}]);
    hand.route(&destinations, "teal/traffic");
    let check =
        |name: &str, max: &str| json!({"name": name, "query": "x", "threshold": {"min": "1%", "max": max}});
    hand.field("checks", json!([check("good", "2%"), check("bad", "0%")]));
    hand.field("guards", json!([{"check": "good"}, {"check": "bad"}]));
    let seen = hand.look(0);
    let (settings, world) = (&seen.snapshot.settings, &seen.snapshot.world);
    let obstacle = world.obstacles.first().unwrap();
    assert_eq!((obstacle.reason.as_str(), obstacle.stops), ("SpecInvalid", Stops::Everything));
    assert_eq!(settings.wanted, None, "nothing begins from it");
    assert_eq!(settings.guards.iter().map(|guard| guard.check.as_str()).collect::<Vec<_>>(), ["good"]);
    assert!(settings.routed && matches!(world.routes.form, Form::Entered(10)), "{:?}", world.routes.form);
    assert!(!settings.steps.is_empty());
}

#[test]
fn rule_1_serving_counts_neither_terminating_nor_strange_endpoints() {
    let mut hand = Hand::new();
    hand.install();
    hand.endpoints(
        "web",
        &[("pod-0", true, false), ("pod-1", true, true), ("pod-2", false, false), ("stranger", true, false)],
    );
    hand.endpoints("web-candidate", &[]);
    let world = hand.look(0).snapshot.world;
    assert_eq!(world.blue.serving, [1]);
    assert!(!world.live_service.settled, "an address that belongs to no pod of the slot");
}

#[test]
fn before_any_service_selects_them_ready_pods_count() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    hand.pods(Color::Green, &[true, true, false]);
    let world = hand.look(0).snapshot.world;
    assert_eq!(world.green.serving, [2]);
    assert_eq!(world.blue.serving, [3]);
}

#[test]
fn pods_that_are_too_few_for_the_next_weight_are_no_failure_at_the_present_one() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(100);
    hand.pods(Color::Green, &[true, true, false]);
    let destinations = json!([{"destination": {"host": "web"}, "weight": 90},
        {"destination": {"host": "web-candidate"}, "weight": 10}]);
    hand.route(&destinations, "teal/traffic");
    assert_eq!(hand.look(0).snapshot.world.green.short_since, None);
    hand.reach(1_000);
    assert_eq!(hand.look(1_000).snapshot.world.green.short_since, Some(Time(1_000)), "at the weight it is");
}

#[test]
fn of_a_kept_release_whose_content_is_lost_those_pods_count_that_the_service_would_select() {
    let mut hand = Hand::new();
    hand.install();
    hand.promote_second();
    let seen = hand.look(0).snapshot;
    assert_eq!(seen.record.previous.map(|previous| previous.slot), Some(hand.slot(Color::Blue)));
    assert_eq!(seen.world.blue.serving, [3], "it can be gone back to");
    hand.relabel("pod-0", "worker");
    assert_eq!(hand.look(0).snapshot.world.blue.serving, [2]);
}

#[test]
fn pods_of_another_revision_are_left_over() {
    let mut hand = Hand::new();
    hand.install();
    hand.pods_of(Color::Green, "r9-00000000", &[true]);
    assert_eq!(hand.look(0).snapshot.world.green.objects, Objects::Leftover);
    hand.start_candidate(10);
    assert_eq!(hand.look(0).snapshot.world.green.objects, Objects::Leftover);
}

#[test]
fn a_fact_is_as_old_as_its_last_write() {
    let mut hand = Hand::new();
    hand.install();
    assert_eq!(hand.look(1_000).snapshot.world.live_service.since, Time(1_000));
    assert_eq!(hand.look(5_000).snapshot.world.live_service.since, Time(1_000));
    hand.touch("web");
    assert_eq!(hand.look(9_000).snapshot.world.live_service.since, Time(9_000), "written anew, to the same");
}

#[test]
fn routes_are_entered_weighed_and_reset() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    for (destinations, form) in [
        (json!([{"destination": {"host": "web"}}]), Form::Owner),
        (
            json!([{"destination": {"host": "web"}, "weight": 90},
                {"destination": {"host": "web-candidate"}, "weight": 10}]),
            Form::Entered(10),
        ),
    ] {
        hand.route(&destinations, "teal/traffic");
        let world = hand.look(0).snapshot.world;
        assert_eq!((world.routes.form, world.routes.foreign), (form, None));
    }
}

/// What is told of an object in each of these namespaces, where the route belongs to a gateway in `edge`.
fn told_by_namespace(kind: Known, spec: &Value, reason: &str) -> Vec<(&'static str, Option<Stops>)> {
    ["shop", "edge", "istio-system", "tenant"]
        .into_iter()
        .map(|namespace| {
            let mut hand = Hand::new();
            hand.install();
            hand.gateways(&json!(["edge/public"]));
            assert_eq!(told(&mut hand, 0, reason), [] as [&str; 0]);
            hand.around(kind, namespace, spec);
            let obstacles = hand.look(0).snapshot.world.obstacles;
            let found: Vec<_> = obstacles.iter().filter(|found| found.reason == reason).collect();
            assert!(found.len() < 2, "{found:?}");
            let named = found.iter().all(|found| found.message.contains(&format!("{namespace}/theirs")));
            assert!(named, "{found:?}");
            (namespace, found.first().map(|found| found.stops))
        })
        .collect()
}

#[test]
fn a_sidecar_of_a_namespace_that_rules_no_managed_caller_stops_nobody() {
    let spec = json!({"egress": [{"hosts": ["*/web.shop.svc.cluster.local"]}]});
    assert_eq!(
        told_by_namespace(kinds::SIDECAR, &spec, "HostNotExported"),
        [
            ("shop", Some(Stops::Rollout)),
            ("edge", Some(Stops::Rollout)),
            ("istio-system", Some(Stops::Rollout)),
            ("tenant", Some(Stops::Nothing)),
        ]
    );
    let both = json!({"egress": [{"hosts": ["*/*"]}]});
    let found = told_by_namespace(kinds::SIDECAR, &both, "HostNotExported");
    assert!(found.iter().all(|(_, stops)| stops.is_none()), "{found:?}");
}

#[test]
fn rule_9_a_rule_in_the_namespace_of_a_gateway_is_refused_and_one_of_strangers_told() {
    let spec = json!({"host": "web.shop.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "SIMPLE"}}});
    assert_eq!(
        told_by_namespace(kinds::DESTINATION_RULE, &spec, "DestinationRuleUnsupported"),
        [
            ("shop", None),
            ("edge", Some(Stops::Rollout)),
            ("istio-system", None),
            ("tenant", Some(Stops::Nothing)),
        ],
        "those of the Service's and of the root namespace are copied"
    );
}

#[test]
fn rule_12_routes_of_other_namespaces_that_lead_here_are_told() {
    let spec = json!({"http": [{"route": [{"destination": {"host": "web.shop.svc.cluster.local"}}]}]});
    let found = told_by_namespace(kinds::VIRTUAL_SERVICE, &spec, "UnmanagedRoutes");
    assert!(found.iter().all(|(_, stops)| *stops == Some(Stops::Nothing)), "{found:?}");
    let own = json!({"http": [{"route": [{"destination": {"host": "web"}}]}]});
    let found = told_by_namespace(kinds::VIRTUAL_SERVICE, &own, "UnmanagedRoutes");
    let there: Vec<_> = found.iter().filter(|(_, stops)| stops.is_some()).collect();
    assert_eq!(there, [&("shop", Some(Stops::Nothing))], "a short name means its own namespace");
}

#[test]
fn who_does_not_know_the_service_is_no_caller() {
    let mut hand = Hand::new();
    hand.install();
    let spec = json!({"http": [{"route": [{"destination": {"host": "web.shop.svc.cluster.local"}}]}]});
    hand.around(kinds::VIRTUAL_SERVICE, "tenant", &spec);
    assert_eq!(told(&mut hand, 0, "UnmanagedRoutes").len(), 1);
    hand.edit("web", |service| {
        service["metadata"]["annotations"]["networking.istio.io/exportTo"] = json!("., edge");
    });
    assert_eq!(told(&mut hand, 0, "UnmanagedRoutes"), [] as [&str; 0]);
}

#[test]
fn rule_14_what_a_release_gets_wrong_about_colors_is_told_and_stops_nothing() {
    let calls = |url: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"url": url}});
    let inner = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": "c:1"}]}}}});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["settings"], "verbs": ["get"]}]});
    for (condition, manifests) in [
        ("InnerCallToRole", vec![calls("http://web:80")]),
        ("NameWithoutColor", vec![inner, calls("http://api:80")]),
        ("JobReceivesTraffic", vec![job]),
        ("RoleNamesColored", vec![role, calls("http://elsewhere.example")]),
    ] {
        let mut hand = Hand::new();
        manifests.into_iter().for_each(|manifest| hand.manifest(manifest));
        let found = hand.look(0).snapshot.world.obstacles;
        let said: Vec<_> = found.iter().map(|found| (found.reason.as_str(), found.stops)).collect();
        assert_eq!(said, [(condition, Stops::Nothing)], "{found:?}");
    }
}

#[test]
fn rule_13_ambient_mode_without_a_waypoint_stops_the_rollout() {
    let missing = |hand: &mut Hand| !told(hand, 0, "WaypointMissing").is_empty();
    let mut hand = Hand::new();
    hand.install();
    assert!(!missing(&mut hand));
    hand.ambient("none");
    let seen = hand.look(0).snapshot;
    let refused = seen.stopped(Stops::Rollout).expect("an obstacle");
    for words in
        ["Service shop/web: metadata.labels[istio.io/use-waypoint]", "Namespace shop", "name a waypoint"]
    {
        assert!(refused.message.contains(words), "{}", refused.message);
    }
    hand.ambient("edge");
    assert!(!missing(&mut hand), "the namespace names one");
    hand.edit("web", |service| service["metadata"]["labels"]["istio.io/use-waypoint"] = json!("none"));
    assert!(missing(&mut hand), "and the Service doesn't want it");
    hand.gateways(&json!(["edge/public"]));
    assert!(!missing(&mut hand), "gateways divide by themselves");
    hand.gateways(&json!(["edge/public", "mesh"]));
    assert!(missing(&mut hand));
    hand.edit("web", |service| service["metadata"]["labels"]["istio.io/use-waypoint"] = json!("own"));
    assert!(!missing(&mut hand));
}

#[test]
fn rule_13_pods_may_be_in_ambient_mode_by_themselves() {
    let mut hand = Hand::new();
    hand.install();
    hand.pod("istio.io/dataplane-mode", "ambient");
    let found = told(&mut hand, 0, "WaypointMissing");
    assert!(found.first().is_some_and(|message| message.contains("Pod shop/pod-3")), "{found:?}");
}

#[test]
fn a_weight_that_rounds_away_is_the_one_that_was_committed() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(5);
    let split = |candidate: u8, live: u8| {
        json!([{"destination": {"host": "web"}, "weight": live}, {"destination": {"host": "other"}, "weight": 50},
            {"destination": {"host": "web-candidate"}, "weight": candidate}])
    };
    for (candidate, form) in [(0, Form::Entered(0)), (2, Form::Entered(5)), (3, Form::Entered(6))] {
        hand.route(&split(candidate, 50 - candidate), "teal/traffic");
        assert_eq!(hand.look(0).snapshot.world.routes.form, form, "{candidate} of 50");
    }
}

/// It would be passed without a request, and the status would speak of a share that nobody has.
#[test]
fn a_step_that_rounds_away_in_every_route_is_told_before_it_begins() {
    let mut hand = Hand::new();
    hand.install();
    let mut said = |live: u8| {
        let route = json!([{"destination": {"host": "web"}, "weight": live},
            {"destination": {"host": "other"}, "weight": 100 - live}]);
        hand.route(&route, "owner");
        told(&mut hand, 0, "RouteUnsupported")
    };
    let messages = said(5);
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    for word in [
        "VirtualService shop/web",
        "10 % rounds down to 0",
        "step canary",
        "at least 20",
        "spec.steps[].weight",
    ] {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(said(10), [] as [&str; 0]);
    assert_eq!(said(0), [] as [&str; 0], "its owner sends nobody there");
}

#[test]
fn another_writer_is_named_and_its_corrections_are_counted() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    for (round, (manager, before)) in [("owner", true), ("kubectl-edit", false)].into_iter().enumerate() {
        let mut last = None;
        // Twice before a correction is one to correct.
        for _ in 0..2 {
            hand.route(
                &json!([{"destination": {"host": "web"}, "weight": 100},
                    {"destination": {"host": "web-candidate"}, "weight": 0}]),
                manager,
            );
            last = hand.look(0).snapshot.world.routes.foreign;
        }
        let foreign = last.expect("a foreign writer");
        assert_eq!((foreign.manager.as_str(), foreign.before), (manager, before));
        assert_eq!(foreign.recent as usize, round, "corrections before this one");
        hand.corrects(0);
        assert_eq!(hand.look(0).snapshot.world.routes.foreign.map(|f| f.recent as usize), Some(round + 1));
    }
}

#[test]
fn after_five_corrections_in_a_minute_the_sixth_change_leads_back() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    let live = json!([{"destination": {"host": "web"}, "weight": 100},
        {"destination": {"host": "web-candidate"}, "weight": 0}]);
    let ends = |hand: &mut Hand, at: i64| {
        hand.route(&live, "owner");
        let snapshot = hand.look(at).snapshot;
        let teal_plan::Decision::Commit(commit) = teal_plan::plan(&snapshot).decision else { return false };
        matches!(commit.record.phase, teal_plan::Phase::Returning { cause: Cause::ForeignWriter { .. }, .. })
    };
    for second in 0..5 {
        assert!(!ends(&mut hand, second * 1_000), "change {}", second + 1);
        hand.corrects(second * 1_000);
    }
    assert!(ends(&mut hand, 59_999));
    assert!(!ends(&mut hand, 60_001), "the first one is more than a minute ago");
}

#[test]
fn obstacles_come_most_important_first() {
    let mut hand = Hand::new();
    hand.without_route();
    hand.spec("/release/manifests/1/spec/selector", json!({"app": "wbe"}));
    let seen = hand.look(0);
    let reasons: Vec<(&str, Stops)> =
        seen.snapshot.world.obstacles.iter().map(|o| (o.reason.as_str(), o.stops)).collect();
    assert_eq!(reasons[0], ("ServiceNotFound", Stops::Everything));
    assert!(reasons.contains(&("VirtualServiceNotFound", Stops::Rollout)), "{reasons:?}");
    assert_eq!(seen.snapshot.settings.wanted, None, "a release that can't be used is not wanted");
}

#[test]
fn a_record_that_cannot_be_read_is_lost_and_harms_nothing() {
    let mut hand = Hand::new();
    hand.install();
    hand.commit(&json!({"phase": {"name": "Teleporting"}, "epoch": "many"}));
    let seen = hand.look(0);
    assert_eq!(seen.snapshot.record, teal_plan::Record::default());
    assert!(matches!(seen.snapshot.world.found, Found::Release { .. }));
}

/// What the look says under this reason.
fn told(hand: &mut Hand, at: i64, reason: &str) -> Vec<String> {
    let obstacles = hand.look(at).snapshot.world.obstacles;
    obstacles.into_iter().filter(|found| found.reason == reason).map(|found| found.message).collect()
}

#[test]
fn an_edited_mark_is_told_with_what_it_is() {
    let mut hand = Hand::new();
    hand.install();
    assert_eq!(told(&mut hand, 0, "MarksEdited"), [] as [&str; 0]);
    hand.annotate_route("epoch", "soon");
    hand.annotate_route("saved", "{");
    let found = told(&mut hand, 0, "MarksEdited");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("VirtualService shop/web: metadata.annotations[epoch.teal.dev/"), "{found:?}");
    assert!(found[0].contains("is \"soon\", which is no epoch"), "{found:?}");
    assert!(found[1].contains("[saved.teal.dev/") && found[1].contains("leave it to Teal"), "{found:?}");
}

#[test]
fn a_forged_epoch_is_told_for_a_minute() {
    let mut hand = Hand::new();
    hand.install();
    hand.annotate_route("epoch", "99");
    let found = told(&mut hand, 0, "MarksEdited");
    assert!(found[0].contains("was 99, above the 1 of status.commit"), "{found:?}");
    hand.annotate_route("epoch", "1");
    assert_eq!(told(&mut hand, 59_000, "MarksEdited").len(), 1);
    assert_eq!(told(&mut hand, 60_000, "MarksEdited"), [] as [&str; 0]);
}

#[test]
fn rule_5_an_epoch_that_nobody_could_have_written_is_told_and_followed_by_nobody() {
    for forged in ["9007199254740991", "4503599627370496", "99999999999"] {
        let mut hand = Hand::new();
        hand.install();
        hand.annotate_route("epoch", forged);
        let seen = hand.look(0).snapshot;
        assert_eq!((seen.world.highest_epoch, seen.world.routes.epoch), (1, 0), "{forged}");
        let found = told(&mut hand, 0, "MarksEdited");
        assert!(found[0].contains(&format!("was {forged}, which Teal never wrote")), "{found:?}");
    }
}

#[test]
fn rule_5_without_a_record_an_epoch_leaves_numbers_to_go_on_with() {
    for (forged, believed) in [("9007199254740991", 1), ("4503599627370496", 4_503_599_627_370_496)] {
        let mut hand = Hand::new();
        hand.install();
        hand.commit(&json!({}));
        hand.annotate_route("epoch", forged);
        let seen = hand.look(0).snapshot;
        assert_eq!(seen.world.highest_epoch, believed, "{forged}");
        let teal_plan::Decision::Commit(commit) = teal_plan::plan(&seen).decision else {
            panic!("{forged}: nothing is committed");
        };
        assert_eq!(commit.record.epoch, believed + 1, "{forged}");
    }
}

#[test]
fn of_two_rollouts_the_older_has_service_and_route() {
    for (what, created, services, claimed) in [
        ("older on the same Service", "2026-01-01T00:00:00Z", json!([{"name": "web"}]), 2),
        ("younger on the same Service", "2026-12-01T00:00:00Z", json!([{"name": "web"}]), 0),
        ("older on the same route", "2026-01-01T00:00:00Z", json!([{"name": "api"}]), 1),
        ("older on no route of ours", "2026-01-01T00:00:00Z", json!([{"name": "mail"}]), 0),
    ] {
        let mut hand = Hand::new();
        hand.route(
            &json!([{"destination": {"host": "web"}, "weight": 60}, {"destination": {"host": "api"}, "weight": 40}]),
            "owner",
        );
        hand.rival(created, &services);
        let found = told(&mut hand, 0, "ClaimedByOther");
        assert_eq!(found.len(), claimed, "{what}: {found:?}");
        assert!(found.iter().all(|message| message.contains("Rollout other, which is older")), "{found:?}");
    }
}

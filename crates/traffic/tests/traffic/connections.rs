//! Routes of connections, by tls and tcp: they have no names, and are known by what they are for.

use serde_json::{Value, json};
use teal_traffic::{
    Condition, Listed, Refusal, RouteKind, RouteSelector, Saved, enter, give_back, leads_to, leave,
    left_alone, lower, made_out, read, restorer, set_weight, shared_routes, unmanaged_routes,
};

use crate::support::{World, apply, at, entered, left, stamp, weight, yaml};

const TCP: &str = "[{match: [{port: 9000}], route: [{destination: {host: web, port: {number: 9000}}}]}]";

/// A `VirtualService` with these lists.
fn object(spec: &str) -> Value {
    let mut object = yaml(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop, \
         resourceVersion: '7', annotations: {team: shop}}",
    );
    object["spec"] = yaml(spec);
    object
}

fn named(selectors: Vec<RouteSelector>) -> World {
    let mut world = World::web();
    world.routes = Some(selectors);
    world
}

fn tcp(port: u16) -> World {
    named(vec![RouteSelector::Tcp(Some(port))])
}

/// Kinds and places of the routes that are meant.
fn places(world: &World, object: &Value) -> Vec<(RouteKind, usize)> {
    let set = read(object, &world.scope()).unwrap();
    set.routes.iter().map(|route| (route.kind, route.index)).collect()
}

#[test]
fn without_a_list_http_routes_alone_are_managed() {
    let owner = object(&format!(
        "{{http: [{{route: [{{destination: {{host: web}}}}]}}], tcp: {TCP}, tls: [{{match: [{{sniHosts: [a]}}], route: \
         [{{destination: {{host: web}}}}]}}]}}"
    ));
    let world = World::web();
    assert_eq!(places(&world, &owner), [(RouteKind::Http, 0)]);
    let now = at(&world, &entered(&world, &owner), 10);
    assert_eq!(now["spec"]["tcp"], owner["spec"]["tcp"]);
    assert_eq!(now["spec"]["tls"], owner["spec"]["tls"]);
    // What is no list there is nobody's concern, either.
    let mut broken = owner;
    broken["spec"]["tcp"] = json!("none");
    assert_eq!(places(&world, &broken), [(RouteKind::Http, 0)]);
}

#[test]
fn what_is_left_out_of_a_selector_is_not_asked_for() {
    let owner = object(
        "{tcp: [{match: [{port: 9000}, {port: 9001}], route: [{destination: {host: web}}]}, {route: [{destination: {host: \
         web}}]}, {match: [{port: 9000}], route: [{destination: {host: queue}}]}], tls: [{match: [{port: 443, sniHosts: [a, \
         b]}], route: [{destination: {host: web}}]}, {match: [{port: 8443, sniHosts: [b, c]}], route: [{destination: {host: \
         web}}]}]}",
    );
    let hosts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    for (selector, expected) in [
        (RouteSelector::Tcp(Some(9000)), vec![0]),
        (RouteSelector::Tcp(Some(9001)), vec![0]),
        (RouteSelector::Tcp(None), vec![0, 1]),
        (RouteSelector::tls(Some(443), vec![]), vec![0]),
        (RouteSelector::tls(None, hosts(&["b"])), vec![0, 1]),
        (RouteSelector::tls(None, hosts(&["c", "b"])), vec![1]),
        (RouteSelector::tls(None, vec![]), vec![0, 1]),
    ] {
        let places = places(&named(vec![selector.clone()]), &owner);
        assert!(places.iter().all(|(kind, _)| *kind == selector.kind()), "{selector}");
        assert_eq!(places.into_iter().map(|(_, index)| index).collect::<Vec<_>>(), expected, "{selector}");
    }
    let refusal = |selector| read(&owner, &named(vec![selector]).scope()).unwrap_err();
    // A port and a name must be of one match.
    let apart = refusal(RouteSelector::tls(Some(443), hosts(&["c"])));
    assert!(matches!(apart, Refusal::RouteUnmatched { .. }), "{apart}");
    assert!(
        apart.to_string().contains(
            "has no tls route that is meant by {tls: {port: 443, sniHosts: [c]}} in spec.tls (it has: {tls: {port: 443, \
             sniHosts: [a, b]}}, {tls: {port: 8443, sniHosts: [b, c]}}): correct it"
        ),
        "{apart}"
    );
    assert_eq!(apart.reason(), "RouteNotFound");
    assert!(
        refusal(RouteSelector::Tcp(Some(1))).to_string().contains("(it has: {tcp: {port: 9000}}, {tcp: {}})")
    );
}

#[test]
fn routes_of_one_place_in_different_lists_are_not_taken_for_one_another() {
    let owner =
        object(&format!("{{http: [{{name: a, route: [{{destination: {{host: web}}}}]}}], tcp: {TCP}}}"));
    let (http, both) =
        (World::web().routes(&["a"]), named(vec![RouteSelector::Tcp(Some(9000)), RouteSelector::named("a")]));
    let shared = |one: &World, other: &World| shared_routes(&owner, &one.scope(), &other.scope()).unwrap();
    assert_eq!(shared(&tcp(9000), &http), Vec::<String>::new());
    assert_eq!(shared(&tcp(9000), &tcp(9000)), ["spec.tcp[0]"]);
    assert_eq!(shared(&both, &World::web()), ["spec.http[0] (a)"]);
    let services = &http.services;
    let leads = |selector: &RouteSelector| leads_to(&owner, Some(selector), &http.mesh, services);
    assert!(leads(&RouteSelector::Tcp(Some(9000))) && leads(&RouteSelector::named("a")));
    assert!(!leads(&RouteSelector::Tcp(Some(9001))) && !leads(&RouteSelector::tls(None, vec![])));
}

/// The digest of a condition is what tells such routes apart, so a record of one list must not be found for another.
#[test]
fn alike_routes_of_two_lists_get_their_own_weights_back() {
    let route = |weight: &str| {
        format!(
            "[{{match: [{{port: 443, sniHosts: [a]}}], route: [{{destination: {{host: web}}{weight}}}]}}]"
        )
    };
    let owner = object(&format!("{{tls: {}, tcp: {}}}", route(", weight: 100"), route("")));
    let world = named(vec![RouteSelector::Tcp(None), RouteSelector::tls(None, vec![])]);
    let now = entered(&world, &owner);
    let keys: Vec<String> =
        Saved::of(&now, "uid-1").unwrap().routes.into_iter().map(|saved| saved.route).collect();
    assert!(keys.iter().any(|key| key.starts_with("tls:")) && keys.iter().any(|key| key.starts_with("tcp:")));
    let end = left(&world, &at(&world, &at(&world, &now, 40), 0));
    assert_eq!(end["spec"].to_string(), owner["spec"].to_string());
}

/// Its owner changes the port of a route while the candidate has weight: the selector finds it no more, and it is led home all the
/// same, also where another route of the same port is still found.
#[test]
fn rule_5_a_route_that_is_for_another_port_now_is_led_home() {
    for beside in ["", ", {match: [{port: 9000, gateways: [front]}], route: [{destination: {host: web}}]}"] {
        let one = "{match: [{port: 9000}], route: [{destination: {host: web, port: {number: 9000}}}]}";
        let owner = object(&format!("{{tcp: [{one}{beside}]}}"));
        let world = tcp(9000);
        let mut now = at(&world, &entered(&world, &owner), 30);
        now["spec"]["tcp"][0]["match"][0]["port"] = json!(9001);
        assert_eq!(made_out(&now, &world.scope()), Some(30), "{beside}");
        let patch = lower(&now, &world.scope(), &stamp(5)).unwrap().unwrap();
        apply(&mut now, &patch).unwrap();
        assert_eq!(made_out(&now, &world.scope()), Some(0), "{beside}");
        let restoration = leave(&now, &world.scope(), &stamp(6)).unwrap();
        assert!(restoration.exact);
        apply(&mut now, &restoration.patch.unwrap()).unwrap();
        let mut wanted = owner;
        wanted["spec"]["tcp"][0]["match"][0]["port"] = json!(9001);
        assert_eq!(now["spec"].to_string(), wanted["spec"].to_string());
    }
}

/// What became of one list must not keep another one from being led home.
#[test]
fn rule_5_a_tcp_list_that_is_none_any_more_does_not_hold_up_the_way_back_of_http() {
    let world = named(vec![RouteSelector::named("a"), RouteSelector::Tcp(Some(9000))]);
    let owner =
        object(&format!("{{http: [{{name: a, route: [{{destination: {{host: web}}}}]}}], tcp: {TCP}}}"));
    let mut now = at(&world, &entered(&world, &owner), 30);
    now["spec"]["tcp"] = json!({});
    assert!(matches!(read(&now, &world.scope()), Err(Refusal::Malformed { .. })));
    let patch = lower(&now, &world.scope(), &stamp(5)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    let end = left(&world, &now);
    assert_eq!(end["spec"]["http"].to_string(), owner["spec"]["http"].to_string());
}

/// A route that its owner leads to the candidate himself is none of Teal's while nothing was entered there.
#[test]
fn only_what_was_entered_is_led_home_unasked() {
    let world = tcp(9000);
    let owner = object(&format!(
        "{{tcp: {TCP}, tls: [{{match: [{{sniHosts: [preview]}}], route: [{{destination: {{host: \
        web-candidate}}}}]}}]}}"
    ));
    let mut now = at(&world, &entered(&world, &owner), 100);
    assert_eq!(left_alone(&now, &world.scope()), None);
    now["spec"]["tcp"][0]["route"].as_array_mut().unwrap().remove(0);
    let refusal = left_alone(&now, &world.scope()).unwrap();
    assert!(refusal.to_string().contains("spec.tcp[0] names web-candidate without web"), "{refusal}");
    // Also when it is for another port by now, so that nothing but the record says whose it is.
    let mut other = now.clone();
    other["spec"]["tcp"][0]["match"] = json!([{"port": 9001}]);
    for mut now in [now, other] {
        let patch = lower(&now, &world.scope(), &stamp(5)).unwrap().unwrap();
        apply(&mut now, &patch).unwrap();
        assert_eq!(
            now["spec"]["tcp"][0]["route"][0]["destination"],
            json!({"host": "web", "port": {"number": 9000}})
        );
        assert_eq!(now["spec"]["tls"], owner["spec"]["tls"]);
        assert_eq!(lower(&now, &world.scope(), &stamp(5)).unwrap(), None);
    }
}

/// The record speaks for the route that it was made of, and not for one beside it that leads to the same port.
#[test]
fn an_owners_own_route_to_the_candidates_port_stays_where_the_entered_one_is_led_home() {
    let world = tcp(9000);
    let to = |host: &str, port: u16| {
        format!(
            "{{match: [{{port: {port}}}], route: [{{destination: {{host: {host}, port: {{number: 9000}}}}}}]}}"
        )
    };
    let owner = object(&format!("{{tcp: [{}, {}]}}", to("web", 9000), to("web-candidate", 9001)));
    let mut now = at(&world, &entered(&world, &owner), 100);
    now["spec"]["tcp"][0]["route"].as_array_mut().unwrap().remove(0);
    let patch = lower(&now, &world.scope(), &stamp(5)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    assert_eq!(now["spec"]["tcp"][0]["route"][0]["destination"]["host"], "web");
    assert_eq!(now["spec"]["tcp"][1], owner["spec"]["tcp"][1]);
}

/// So it does where the entered one is for another port by now, or is gone: the owner's own named the candidate before.
#[test]
fn an_owners_own_route_is_not_taken_for_an_entered_one_that_is_for_another_port_or_gone() {
    let world = tcp(9000);
    let route = |port: u16, to: &str| format!("{{match: [{{port: {port}}}], route: [{to}]}}");
    let to = |host: &str, weight: u8| {
        format!("{{destination: {{host: {host}, port: {{number: 9000}}}}, weight: {weight}}}")
    };
    let shared = format!("{}, {}", to("web", 50), to("web-candidate", 50));
    let live = route(9000, "{destination: {host: web, port: {number: 9000}}}");
    for own in [to("web-candidate", 100), shared] {
        // Also before the entered one.
        for place in [0, 1] {
            let both = [route(9001, &own), live.clone()];
            let owner = object(&format!("{{tcp: [{}, {}]}}", both[place], both[1 - place]));
            let entered_at = 1 - place;
            let begun = at(&world, &entered(&world, &owner), 30);
            let mut elsewhere = begun.clone();
            elsewhere["spec"]["tcp"][entered_at]["match"][0]["port"] = json!(9002);
            let mut gone = begun;
            gone["spec"]["tcp"].as_array_mut().unwrap().remove(entered_at);
            for (mut now, others) in [(elsewhere, place), (gone, 0)] {
                while let Some(patch) = lower(&now, &world.scope(), &stamp(5)).unwrap() {
                    apply(&mut now, &patch).unwrap();
                }
                let end = left(&world, &now);
                assert_eq!(end["spec"]["tcp"][others], owner["spec"]["tcp"][place], "{own} at {place}");
                let all = end["spec"]["tcp"].as_array().unwrap();
                let rest: Vec<&Value> = all
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| *at != others)
                    .map(|(_, one)| &one["route"])
                    .collect();
                assert!(
                    rest.iter().all(|route| **route == owner["spec"]["tcp"][entered_at]["route"]),
                    "{end}"
                );
            }
        }
    }
}

/// A record of before that was noted speaks for one route all the same: for that which names live as well.
#[test]
fn an_entry_speaks_for_one_route() {
    let world = tcp(9000);
    let own = "{match: [{port: 9001}], route: [{destination: {host: web-candidate}}]}";
    let entered_one = "{match: [{port: 9000}], route: [{destination: {host: web}}]}";
    let owner = object(&format!("{{tcp: [{own}, {entered_one}]}}"));
    let mut now = at(&world, &entered(&world, &owner), 30);
    let note = &mut now["metadata"]["annotations"][Saved::annotation("uid-1")];
    let mut saved: Value = serde_json::from_str(note.as_str().unwrap()).unwrap();
    saved.as_object_mut().unwrap().remove("beside");
    *note = json!(saved.to_string());
    now["spec"]["tcp"][1]["match"][0]["port"] = json!(9002);
    assert_eq!(left_alone(&now, &world.scope()), None);
    let patch = lower(&now, &world.scope(), &stamp(5)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    let end = left(&world, &now);
    assert_eq!(end["spec"]["tcp"][0], owner["spec"]["tcp"][0]);
    assert_eq!(end["spec"]["tcp"][1]["route"], owner["spec"]["tcp"][1]["route"]);
}

/// Two that lead to the same port, both for another one by now, get their own weights back.
#[test]
fn rule_5_of_several_that_are_for_other_ports_now_each_is_led_home() {
    let world = named(vec![RouteSelector::Tcp(Some(9000)), RouteSelector::Tcp(Some(9001))]);
    let route = |port: u16, weight: &str| {
        format!("{{match: [{{port: {port}}}], route: [{{destination: {{host: web}}{weight}}}]}}")
    };
    let owner = object(&format!("{{tcp: [{}, {}]}}", route(9000, ", weight: 100"), route(9001, "")));
    let mut now = at(&world, &entered(&world, &owner), 30);
    let mut wanted = owner.clone();
    for object in [&mut now, &mut wanted] {
        object["spec"]["tcp"][0]["match"][0]["port"] = json!(9100);
        object["spec"]["tcp"][1]["match"][0]["port"] = json!(9101);
    }
    let patch = lower(&now, &world.scope(), &stamp(5)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    assert_eq!(left(&world, &now)["spec"], wanted["spec"]);
}

/// What a definition of before tls and tcp leaves of a list that names them: a list that names nothing.
#[test]
fn rule_5_what_was_entered_is_led_home_also_by_a_list_that_names_nothing() {
    let owner = object(&format!("{{tcp: {TCP}}}"));
    let mut now = at(&tcp(9000), &entered(&tcp(9000), &owner), 30);
    let pruned = named(Vec::new());
    assert_eq!(made_out(&now, &pruned.scope()), Some(30));
    let patch = lower(&now, &pruned.scope(), &stamp(5)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    let restoration = leave(&now, &pruned.scope(), &stamp(6)).unwrap();
    apply(&mut now, &restoration.patch.unwrap()).unwrap();
    assert_eq!(now["spec"].to_string(), owner["spec"].to_string());
}

/// What is proposed can be written down as it is, means the route, and says where it means more.
#[test]
fn a_proposal_is_yaml_and_no_wider_than_it_must_be() {
    let names: Vec<String> =
        std::iter::once("'*.example.com'".to_owned()).chain((0..20).map(|at| format!("n{at}"))).collect();
    let sni_hosts = names.join(", ");
    let owner = object(&format!(
        "{{tls: [{{match: [{{port: 443, sniHosts: [{sni_hosts}]}}], route: [{{destination: {{host: web}}}}]}}], tcp: [{{match: \
         [{{gateways: [front]}}, {{port: 9000}}], route: [{{destination: {{host: web}}}}]}}, {{route: [{{destination: {{host: \
         web}}}}]}}]}}"
    ));
    let world = World::web();
    let found = unmanaged_routes(std::slice::from_ref(&owner), &world.services, &[], &world.mesh);
    let proposed: Vec<&str> = found
        .iter()
        .filter_map(|finding| finding.message.split_once(", with ")?.1.strip_suffix(" among its routes"))
        .collect();
    assert_eq!(proposed.len(), 3, "{found:?}");
    assert_eq!(proposed[0], "{tcp: {port: 9000}}");
    assert_eq!(proposed[1], "{tcp: {}} (each of its tcp routes that leads to a Service of the Rollout)");
    let tls = yaml(proposed[2]);
    assert_eq!(tls["tls"]["sniHosts"].as_array().unwrap().len(), 16, "as many as a Rollout may name");
    assert_eq!(tls["tls"]["sniHosts"][0], "*.example.com");
}

#[test]
fn weights_of_connections_are_judged_as_those_of_requests() {
    let world = tcp(9000);
    let with = |route: &str| object(&format!("{{tcp: [{{match: [{{port: 9000}}], route: {route}}}]}}"));
    for (route, part) in [
        ("[{destination: {host: web}, weight: 1}, {destination: {host: queue}, weight: 1}]", "sum to 2"),
        ("[{destination: {host: web}, weight: -1}]", "spec.tcp[0].route[0].weight must be a whole number"),
        ("[{destination: {host: web, subset: v1}}]", "spec.tcp[0].route[0].destination.subset is v1"),
        ("[{destination: {host: queue}}]", "spec.tcp[0] has no destination that is one of the Services"),
        ("[]", "it names no host"),
    ] {
        let refusal = enter(&with(route), &world.scope(), &stamp(1)).unwrap_err();
        assert!(refusal.to_string().contains(part), "{refusal}");
    }
    let owner = with("[{destination: {host: web}, weight: 60}, {destination: {host: queue}, weight: 40}]");
    let now = at(&world, &entered(&world, &owner), 50);
    assert_eq!(weight(&world, &now), 50);
    let weights: Vec<i64> = now["spec"]["tcp"][0]["route"]
        .as_array()
        .unwrap()
        .iter()
        .map(|to| to["weight"].as_i64().unwrap())
        .collect();
    assert_eq!(weights, [30, 40, 30]);
    assert_eq!(set_weight(&now, &world.scope(), 50, &stamp(2)).unwrap(), None);
}

#[test]
fn rule_12_who_is_not_named_is_told_how_to_be() {
    let owner = object(&format!("{{http: [{{route: [{{destination: {{host: web}}}}]}}], tcp: {TCP}}}"));
    let world = World::web();
    let found = |listed: &[Listed]| -> Vec<String> {
        let found = unmanaged_routes(std::slice::from_ref(&owner), &world.services, listed, &world.mesh);
        assert!(found.iter().all(|finding| finding.condition == Condition::UnmanagedRoutes));
        found.into_iter().map(|finding| finding.message).collect()
    };
    let listed = |routes| Listed { namespace: "shop".into(), name: "web".into(), routes };
    let (nowhere, all) = (found(&[]), found(&[listed(None)]));
    assert_eq!((nowhere.len(), all.len()), (2, 1));
    assert!(nowhere[1].ends_with("with {tcp: {port: 9000}} among its routes"), "{}", nowhere[1]);
    assert!(all[0].contains("name each route of this VirtualService that is to move in steps"), "{}", all[0]);
    let http = found(&[listed(Some(vec![RouteSelector::Tcp(Some(9000))]))]);
    assert_eq!(http.len(), 1);
    assert!(http[0].contains("spec.http[0] leads to web"), "{}", http[0]);
    let both = found(&[listed(Some(vec![RouteSelector::named("a"), RouteSelector::Tcp(Some(1))]))]);
    let remedy =
        "add {tcp: {port: 9000}} to the routes of this VirtualService in spec.traffic.virtualServices";
    assert!(both[1].ends_with(remedy), "{}", both[1]);
}

fn owned(owner: &Value, entries: Value) -> Value {
    let mut object = owner.clone();
    object["metadata"]["managedFields"] = entries;
    object
}

fn entry(manager: &str, operation: &str, lists: &[&str]) -> Value {
    let spec: serde_json::Map<String, Value> =
        lists.iter().map(|list| (format!("f:{list}"), json!({}))).collect();
    json!({"manager": manager, "operation": operation, "apiVersion": "networking.istio.io/v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": spec}})
}

/// All who own a list.
fn owners(object: &Value, list: &str) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap().iter();
    let own = entries.filter(|entry| entry["fieldsV1"]["f:spec"].get(format!("f:{list}")).is_some());
    own.map(|entry| entry["manager"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rule_19_each_list_goes_back_to_its_own_owner() {
    let owner =
        object(&format!("{{http: [{{name: a, route: [{{destination: {{host: web}}}}]}}], tcp: {TCP}}}"));
    let world = named(vec![RouteSelector::named("a"), RouteSelector::Tcp(None)]);
    let two = json!([entry("helm", "Update", &["http", "hosts"]), entry("argocd", "Apply", &["tcp", "tls"])]);
    let now = entered(&world, &owned(&owner, two));
    let saved = Saved::of(&now, "uid-1").unwrap();
    assert_eq!(
        saved.owners.iter().map(|one| (one.manager.as_str(), one.lists.len())).collect::<Vec<_>>(),
        [("helm", 0), ("argocd", 1)]
    );
    assert_eq!(restorer(&now, &saved, "teal"), None, "there are two of them");
    // As the API server notes it: the lists are Teal's from the first weight on.
    let claimed = json!([
        entry("helm", "Update", &["hosts"]),
        entry("argocd", "Apply", &["tls"]),
        entry("teal", "Update", &["http", "tcp"])
    ]);
    let mut end = owned(&left(&world, &now), claimed);
    let patch = give_back(&end, &saved, "teal").unwrap().unwrap();
    apply(&mut end, &patch).unwrap();
    assert_eq!(owners(&end, "http"), ["helm"]);
    assert_eq!(owners(&end, "tcp"), ["argocd"]);
    assert_eq!(owners(&end, "tls"), ["argocd"]);
    assert_eq!(give_back(&end, &saved, "teal").unwrap(), None);
    // One who owns both gets both back with the restoring request.
    let one = json!([entry("helm", "Update", &["http", "tcp", "hosts"])]);
    let now = entered(&world, &owned(&owner, one));
    let saved = Saved::of(&now, "uid-1").unwrap();
    assert_eq!(saved.owners[0].lists, ["http", "tcp"]);
    let held =
        owned(&now, json!([entry("helm", "Update", &["hosts"]), entry("teal", "Update", &["http", "tcp"])]));
    assert_eq!(restorer(&held, &saved, "teal").as_deref(), Some("helm"));
    let taken = owned(
        &now,
        json!([
            entry("helm", "Update", &["hosts"]),
            entry("teal", "Update", &["http"]),
            entry("other", "Update", &["tcp"])
        ]),
    );
    assert_eq!(restorer(&taken, &saved, "teal"), None, "somebody claims one of them");
}

/// Two Rollouts, one for requests and one for connections: who leaves last gives both lists back.
#[test]
fn rule_19_who_leaves_last_gives_all_lists_back() {
    let mut owner =
        object(&format!("{{http: [{{name: a, route: [{{destination: {{host: web}}}}]}}], tcp: {TCP}}}"));
    owner["metadata"]["managedFields"] = json!([entry("helm", "Update", &["http", "tcp"])]);
    let mut now = entered(&World::web().routes(&["a"]), &owner);
    now["metadata"]["managedFields"] =
        json!([entry("helm", "Update", &["tcp"]), entry("teal", "Update", &["http"])]);
    let second = teal_traffic::Stamp::new("uid-2", 1, "teal");
    let patch = enter(&now, &tcp(9000).scope(), &second).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    let saved = Saved::of(&now, "uid-2").unwrap();
    assert_eq!(saved.owners.len(), 1, "{:?}", saved.owners);
    assert_eq!(
        (saved.owners[0].manager.as_str(), &saved.owners[0].lists[..]),
        ("helm", &["http".to_owned(), "tcp".to_owned()][..])
    );
}

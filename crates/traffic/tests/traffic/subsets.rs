//! Subsets by which routes name live: they stay where both versions have them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use teal_traffic::{
    Mesh, Refusal, RoleService, RouteSelector, Subset, candidate_rules, enter, leave, lower, read,
    subset_problem, subsets_named,
};

use crate::support::{World, apply, at, entered, left, stamp, virtual_service, weight, yaml};

const STABLE: &str = "[{name: primary, route: [{destination: {host: web, subset: stable}, headers: {request: {set: {a: b}}}}]}]";

fn knowing(problem: Option<&str>) -> World {
    let problem = problem.map(str::to_owned);
    World { subsets: vec![Subset { service: "web".into(), name: "stable".into(), problem }], ..World::web() }
}

fn rule(namespace: &str, name: &str, spec: &str) -> Value {
    let mut rule = yaml("{apiVersion: networking.istio.io/v1, kind: DestinationRule}");
    rule["metadata"] = json!({"namespace": namespace, "name": name});
    rule["spec"] = yaml(spec);
    rule
}

fn copies(rules: &[Value], subsets: &[&str]) -> Result<Vec<Value>, Refusal> {
    let subsets = subsets.iter().map(|name| (*name).to_owned()).collect();
    let (service, mesh) = (RoleService::new("shop", "web"), Mesh::default());
    candidate_rules(rules, &service, &["shop".to_owned()], (&mesh, &subsets), &BTreeMap::new())
}

#[test]
fn rule_10_a_subset_of_both_versions_is_in_both_destinations_and_the_owners_bytes_come_back() {
    let (world, owner) = (knowing(None), virtual_service(STABLE));
    let begun = entered(&world, &owner);
    let to = |object: &Value, place: usize| object["spec"]["http"][0]["route"][place].clone();
    assert_eq!(to(&begun, 1)["destination"], json!({"host": "web-candidate", "subset": "stable"}));
    assert_eq!(to(&begun, 1)["headers"], to(&begun, 0)["headers"]);
    let ten = at(&world, &begun, 10);
    assert_eq!(weight(&world, &ten), 10);
    let end = left(&world, &at(&world, &ten, 0));
    assert_eq!(end["spec"].to_string(), owner["spec"].to_string());
}

/// Going back minds neither what became of the rule nor of the pods.
#[test]
fn rule_5_what_was_entered_by_a_subset_is_led_home_whatever_became_of_it() {
    let (world, owner) = (knowing(None), virtual_service(STABLE));
    let mut now = at(&world, &entered(&world, &owner), 30);
    let unknown = World::web();
    assert!(read(&now, &unknown.scope()).is_err());
    let patch = lower(&now, &unknown.scope(), &stamp(5)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    let restoration = leave(&now, &unknown.scope(), &stamp(6)).unwrap();
    assert!(restoration.exact);
    apply(&mut now, &restoration.patch.unwrap()).unwrap();
    assert_eq!(now["spec"].to_string(), owner["spec"].to_string());
}

#[test]
fn a_subset_that_does_not_hold_for_both_says_why() {
    let owner = virtual_service(STABLE);
    let refused = |world: &World| {
        let refusal = enter(&owner, &world.scope(), &stamp(1)).unwrap_err();
        assert_eq!(refusal.reason(), "RouteUnsupported");
        refusal.to_string()
    };
    let text = refused(&knowing(Some("because")));
    assert!(
        text.ends_with("spec.http[0] (primary).route[0].destination.subset is stable; because"),
        "{text}"
    );
    let text = refused(&World::web());
    assert!(
        text.contains("no DestinationRule that holds for all callers says which pods of web are meant"),
        "{text}"
    );
    for to in ["{host: web-candidate}", "{host: web-candidate, subset: other}"] {
        let unequal = virtual_service(&format!(
            "[{{route: [{{destination: {{host: web, subset: stable}}, weight: 90}}, {{destination: {to}, weight: 10}}]}}]"
        ));
        let text = read(&unequal, &knowing(None).scope()).unwrap_err().to_string();
        assert!(text.contains("live's destination and the candidate's must name the same one"), "{text}");
    }
}

#[test]
fn subsets_are_those_of_the_routes_that_are_meant() {
    let mut object = virtual_service(
        "[{name: a, route: [{destination: {host: web, subset: one}}]}, {name: b, route: [{destination: {host: web-candidate, \
         subset: two}}, {destination: {host: other, subset: three}}, {destination: {host: web, subset: ''}}]}]",
    );
    object["spec"]["tcp"] =
        yaml("[{route: [{destination: {host: web.shop.svc.cluster.local, subset: four}}]}]");
    let world = World::web();
    let named = |routes: Option<&[RouteSelector]>| -> Vec<String> {
        let found = subsets_named(&object, &world.mesh, &world.services, routes);
        assert!(found.iter().all(|(service, _)| service == "web"));
        found.into_iter().map(|(_, name)| name).collect()
    };
    assert_eq!(named(None), ["one", "two"]);
    assert_eq!(named(Some(&[RouteSelector::named("a")])), ["one"]);
    assert_eq!(named(Some(&[RouteSelector::Tcp(None)])), ["four"]);
}

#[test]
fn rule_9_a_copy_has_the_subsets_that_routes_name_with_their_policies() {
    let subsets = "[{name: stable, labels: {app: web}, trafficPolicy: {tls: {mode: SIMPLE}}}, {name: other, labels: {app: x}}]";
    for policy in ["", ", trafficPolicy: {tls: {mode: DISABLE}}"] {
        let rules = [rule("shop", "web", &format!("{{host: web, subsets: {subsets}{policy}}}"))];
        let found = copies(&rules, &["stable", "gone"]).unwrap();
        assert_eq!(found.len(), 1, "{policy}");
        let mut wanted = rules[0]["spec"].clone();
        wanted["host"] = json!("web-candidate");
        wanted["subsets"] = json!([rules[0]["spec"]["subsets"][0]]);
        assert_eq!(found[0]["spec"], wanted);
        // None of them is made for subsets that no route names.
        let without = copies(&rules, &[]).unwrap();
        assert_eq!(without.len(), usize::from(!policy.is_empty()));
        assert!(without.iter().all(|copy| copy["spec"].get("subsets").is_none()));
        // What is there as it should be is left alone, and a subset that changed is not.
        let own = rule("shop", "own", &wanted.to_string());
        assert_eq!(copies(&[rules[0].clone(), own.clone()], &["stable"]).unwrap(), Vec::<Value>::new());
        let mut other = own;
        other["spec"]["subsets"][0]["labels"] = json!({"app": "y"});
        assert!(copies(&[rules[0].clone(), other], &["stable"]).is_err());
    }
    let all = [rule("shop", "all", &format!("{{host: '*.shop.svc.cluster.local', subsets: {subsets}}}"))];
    assert_eq!(copies(&all, &["stable"]).unwrap(), Vec::<Value>::new(), "it is for both hosts");
}

#[test]
fn a_subset_must_mean_the_pods_of_both_versions() {
    let pod = |labels: &[(&str, &str)]| -> BTreeMap<String, String> {
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let pods =
        BTreeSet::from([pod(&[("app", "web"), ("version", "1")]), pod(&[("app", "web"), ("version", "2")])]);
    let (service, mesh) = (RoleService::new("shop", "web"), Mesh::default());
    let problem = |rules: &[Value], subset: &str| {
        subset_problem(rules, &service, &["front".to_owned()], &mesh, subset, &pods)
    };
    let spec = "{host: web, subsets: [{name: stable, labels: {app: web}}, {name: one, labels: {app: web, version: '1'}}, {name: all}]}";
    let rules = [rule("shop", "web", spec)];
    assert_eq!(problem(&rules, "stable"), None);
    assert_eq!(problem(&rules, "all"), None);
    let one = problem(&rules, "one").unwrap();
    assert!(one.contains("DestinationRule shop/web means by it pods with the label version: 1, which not all pods of web have"), "{one}");
    assert!(one.contains("give it labels that both have, or take the subset out"), "{one}");
    let gone = problem(&rules, "gone").unwrap();
    assert!(gone.contains("no DestinationRule"), "{gone}");
    assert!(problem(&[], "stable").is_some());
    let second = rule("shop", "second", "{host: web, trafficPolicy: {tls: {mode: DISABLE}}}");
    let several = problem(&[second, rules[0].clone()], "stable").unwrap();
    assert!(
        several.contains("one of several rules for web") && several.contains("join these into one"),
        "{several}"
    );
    // A rule of the callers' own that means other pods counts as much.
    let mut front = rule(
        "front",
        "web",
        "{host: web.shop.svc.cluster.local, subsets: [{name: stable, labels: {version: '2'}}]}",
    );
    front["spec"]["exportTo"] = json!(["."]);
    assert!(problem(&[rules[0].clone(), front], "stable").is_some());
}

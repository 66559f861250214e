//! VirtualServices put together from Istio's features, each through a whole rollout: field by field, nothing changes but what is
//! meant to.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Map, Value, json};
use teal_traffic::{RoleService, RouteSelector, enter, leave, read, set_weight};

use crate::support::{World, apply, stamp};

const SERVICES: [&str; 2] = ["web", "api"];
const STRANGERS: [&str; 3] = ["monolith", "partner.example.com", "web-legacy.archive.svc.cluster.local"];

/// What a route may say beside its destinations.
fn features() -> Vec<(&'static str, Value)> {
    vec![
        ("match", json!([{"uri": {"prefix": "/a"}}, {"uri": {"regex": "/b/.*"}, "ignoreUriCase": true}])),
        ("match", json!([{"headers": {"x-user": {"exact": "a/b~c"}}, "withoutHeaders": {"x-bot": {}}}])),
        ("match", json!([{"method": {"exact": "GET"}, "port": 80, "queryParams": {"q": {"exact": "1"}}}])),
        (
            "match",
            json!([{"sourceLabels": {"app": "cart"}, "gateways": ["mesh"], "sourceNamespace": "shop"}]),
        ),
        ("rewrite", json!({"uri": "/", "authority": "web"})),
        ("timeout", json!("5s")),
        ("retries", json!({"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx"})),
        ("fault", json!({"delay": {"percentage": {"value": 0.1}, "fixedDelay": "5s"}})),
        ("mirror", json!({"host": "web-candidate", "subset": "x"})),
        ("mirrorPercentage", json!({"value": 12.5})),
        ("mirrors", json!([{"destination": {"host": "web"}, "percentage": {"value": 1}, "weight": 3}])),
        ("corsPolicy", json!({"allowOrigins": [{"exact": "https://example.com"}], "maxAge": "24h"})),
        ("headers", json!({"request": {"set": {"x-a": "1"}, "remove": ["x-b"]}})),
        ("x/un~known", json!({"weight": 7, "route": [{"weight": 1}]})),
    ]
}

fn fields() -> impl Strategy<Value = Map<String, Value>> {
    subsequence(features(), 0..5)
        .prop_map(|list| list.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

#[derive(Debug, Clone)]
struct Part {
    host: String,
    port: Option<u16>,
    headers: bool,
    /// Leaves out a weight that may be left out.
    terse: bool,
    cut: u8,
}

fn parts(hosts: Vec<String>) -> impl Strategy<Value = Vec<Part>> {
    let each = hosts.into_iter().map(|host| {
        (
            Just(host),
            proptest::option::of(select(vec![80_u16, 8080])),
            any::<bool>(),
            any::<bool>(),
            0_u8..=100,
        )
            .prop_map(|(host, port, headers, terse, cut)| Part { host, port, headers, terse, cut })
    });
    each.collect::<Vec<_>>().prop_shuffle()
}

/// Weights that sum to 100, in the order of their places.
fn entries(parts: Vec<Part>) -> Vec<Value> {
    let mut cuts: Vec<i64> = parts.iter().skip(1).map(|part| i64::from(part.cut)).collect();
    cuts.sort_unstable();
    cuts.push(100);
    let sole = parts.len() == 1;
    let mut former = 0;
    let each = parts.into_iter().zip(cuts).map(|(part, cut)| {
        let weight = cut - former;
        former = cut;
        let mut entry = json!({"destination": {"host": part.host}});
        if let Some(port) = part.port {
            entry["destination"]["port"] = json!({"number": port});
        }
        if part.headers {
            entry["headers"] = json!({"response": {"set": {"x-from": "here"}}});
        }
        if !(part.terse && (sole || weight == 0)) {
            entry["weight"] = json!(weight);
        }
        entry
    });
    each.collect()
}

/// Destinations of which one at least is a Service of the Rollout, some of them already beside its candidate.
fn managed() -> impl Strategy<Value = Vec<Value>> {
    let services = subsequence(SERVICES.to_vec(), 1..=2);
    let strangers = subsequence(STRANGERS.to_vec(), 0..=3);
    (services, strangers, any::<bool>(), any::<bool>())
        .prop_flat_map(|(services, strangers, full, exported)| {
            let end = if full { ".shop.svc.cluster.local" } else { "" };
            let mut hosts: Vec<String> = services.iter().map(|name| format!("{name}{end}")).collect();
            if exported {
                hosts.extend(services.iter().map(|name| format!("{name}-candidate{end}")));
            }
            hosts.extend(strangers.into_iter().map(str::to_owned));
            parts(hosts)
        })
        .prop_map(entries)
}

fn foreign_route() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"redirect": {"uri": "/new"}}),
        json!({"directResponse": {"status": 503}}),
        json!({"delegate": {"name": "pay", "namespace": "payments"}}),
        json!({"route": [{"destination": {"host": "monolith"}, "weight": 50}, {"destination": {"host": "other"}, "weight": 49}]}),
    ])
}

fn route() -> impl Strategy<Value = Value> {
    let list = prop_oneof![4 => managed().prop_map(|list| json!({"route": list})), 1 => foreign_route()];
    (fields(), list, any::<bool>()).prop_map(|(mut fields, list, named)| {
        fields.extend(list.as_object().unwrap().clone());
        if named {
            fields.insert("name".into(), json!("set below"));
        }
        Value::Object(fields)
    })
}

fn metadata() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"annotations": {"team/owner": "shop", "saved.teal.dev/uid-2": "{\"routes\":[]}"}}),
        json!({"annotations": {}, "labels": {"app": "web"}, "generation": 3}),
        json!({"annotations": {"epoch.teal.dev/uid-1": "1"}, "finalizers": ["a/b"]}),
    ])
}

fn around() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"hosts": ["web"]}),
        json!({"hosts": ["web", "*.example.com"], "gateways": ["mesh", "front/front"], "exportTo": ["."]}),
        json!({}),
        json!({"hosts": ["web"], "future": [1, null], "tcp": [{"route": [{"destination": {"host": "web"}}]}],
            "tls": [{"match": [{"port": 443, "sniHosts": ["a"]}], "route": [{"destination": {"host": "api"}}]}]}),
    ])
}

/// A `VirtualService` with at least one route to the Services, and the routes that the Rollout names.
fn owners() -> impl Strategy<Value = (Value, Option<Vec<String>>)> {
    let version = select(vec!["v1", "v1beta1", "v1alpha3"]);
    let routes = (proptest::collection::vec(route(), 0..6), managed(), any::<Index>());
    (routes, metadata(), around(), version, any::<bool>()).prop_map(
        |((mut http, list, place), mut metadata, mut spec, version, by_name)| {
            http.insert(place.index(http.len() + 1), json!({"name": "set below", "route": list}));
            for (index, route) in http.iter_mut().enumerate() {
                if route.get("name").is_some() {
                    route["name"] = json!(format!("route-{index}"));
                }
            }
            let leads = |route: &&Value| route["route"].as_array().is_some_and(|list| list.iter().any(is_ours));
            let names: Vec<String> =
                http.iter().filter(leads).filter_map(|route| Some(route["name"].as_str()?.to_owned())).collect();
            for (key, value) in [("name", "web"), ("namespace", "shop"), ("resourceVersion", "1")] {
                metadata[key] = json!(value);
            }
            spec["http"] = json!(http);
            let object = json!({"apiVersion": format!("networking.istio.io/{version}"), "kind": "VirtualService",
                "metadata": metadata, "spec": spec});
            (object, by_name.then_some(names))
        },
    )
}

fn short(entry: &Value) -> &str {
    entry["destination"]["host"].as_str().unwrap_or_default().split(".shop.").next().unwrap_or_default()
}

fn is_ours(entry: &Value) -> bool {
    SERVICES.contains(&short(entry))
}

/// Pointers to what differs, each with what was and what is there. Lists that grew or shrank differ in whole entries at their end.
fn changes(path: &str, before: &Value, after: &Value, found: &mut Vec<(String, Value, Value)>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
                let at = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                changes(&format!("{path}/{key}"), &at(one), &at(other), found);
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for place in 0..one.len().max(other.len()) {
                let at = |list: &Vec<Value>| list.get(place).cloned().unwrap_or_default();
                changes(&format!("{path}/{place}"), &at(one), &at(other), found);
            }
        }
        _ if before == after => {}
        _ => found.push((path.to_owned(), before.clone(), after.clone())),
    }
}

/// Whether one change is Teal's to make in this object: weights of its destinations, its candidates at the end of a list, what it
/// notes, and the version that the server gives.
fn is_meant((path, was, is): &(String, Value, Value), object: &Value, managed: &BTreeSet<usize>) -> bool {
    let noted = |key: &str| key == "epoch.teal.dev/uid-1" || key == "saved.teal.dev/uid-1";
    if path == "/metadata/resourceVersion" {
        return true;
    }
    if path == "/metadata/annotations" {
        return was.is_null() && is.as_object().is_some_and(|notes| notes.keys().all(|key| noted(key)));
    }
    if let Some(key) = path.strip_prefix("/metadata/annotations/") {
        return noted(key);
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let ["spec", "http", index, "route", place, rest @ ..] = parts.as_slice() else { return false };
    let (index, place): (usize, usize) = (index.parse().unwrap(), place.parse().unwrap());
    let list = object["spec"]["http"][index]["route"].as_array().unwrap();
    let role = |entry: &Value| SERVICES.contains(&short(entry).trim_end_matches("-candidate"));
    let meant = match rest {
        ["weight"] => role(&list[place]),
        // A candidate that comes is live's copy at weight 0.
        [] if was.is_null() => {
            let mut copy = is.clone();
            let host = copy["destination"]["host"].as_str().unwrap().replacen("-candidate", "", 1);
            copy["destination"]["host"] = json!(host);
            let live =
                list.iter().find(|entry| entry["destination"]["host"] == host.as_str()).unwrap().clone();
            copy["weight"] == 0 && without_weight(copy) == without_weight(live)
        }
        [] => is.is_null() && short(was).ends_with("-candidate") && was["weight"] == 0,
        _ => false,
    };
    managed.contains(&index) && meant
}

fn without_weight(mut entry: Value) -> Value {
    entry.as_object_mut().unwrap().remove("weight");
    entry
}

/// What Istio makes of a list's weights, read without Teal's reader.
fn sum(list: &[Value]) -> i64 {
    let sole = list.len() == 1;
    let weight = |entry: &Value| match entry.get("weight").and_then(Value::as_i64) {
        Some(weight) if !(sole && weight == 0) => weight,
        _ if sole => 100,
        _ => 0,
    };
    list.iter().map(weight).sum()
}

fn only_what_is_meant(before: &Value, after: &Value, managed: &BTreeSet<usize>) {
    let mut found = Vec::new();
    changes("", before, after, &mut found);
    for change in &found {
        assert!(is_meant(change, before, managed), "{change:?}\n{before}\n{after}");
    }
    for index in managed {
        let list = after["spec"]["http"][*index]["route"].as_array().unwrap();
        assert_eq!(sum(list), 100, "{after}");
        assert!(list.iter().all(|entry| entry.get("weight").is_none_or(|weight| weight.as_i64() >= Some(0))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn a_life_changes_only_what_is_meant((owner, named) in owners(), mut steps in proptest::collection::vec(0_u8..100, 0..4)) {
        let mut world = World::web();
        world.services = SERVICES.iter().map(|name| RoleService::new("shop", *name)).collect();
        world.routes = named.map(|names| names.into_iter().map(RouteSelector::named).collect());
        let managed: BTreeSet<usize> =
            read(&owner, &world.scope()).unwrap().routes.iter().map(|route| route.index).collect();
        let mut now = owner.clone();
        let patch = enter(&now, &world.scope(), &stamp(2)).unwrap().unwrap();
        apply(&mut now, &patch).unwrap();
        only_what_is_meant(&owner, &now, &managed);
        steps.sort_unstable();
        for percent in steps.into_iter().chain([100, 0]) {
            let before = now.clone();
            if let Some(patch) = set_weight(&now, &world.scope(), percent, &stamp(3)).unwrap() {
                apply(&mut now, &patch).unwrap();
            }
            only_what_is_meant(&before, &now, &managed);
        }
        let before = now.clone();
        let restoration = leave(&now, &world.scope(), &stamp(4)).unwrap();
        prop_assert!(restoration.exact);
        apply(&mut now, &restoration.patch.unwrap()).unwrap();
        only_what_is_meant(&before, &now, &managed);
        prop_assert_eq!(now["spec"].to_string(), owner["spec"].to_string());
        let noted = |object: &Value| {
            let mut notes = object["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
            notes.remove("epoch.teal.dev/uid-1");
            notes
        };
        prop_assert_eq!(noted(&now), noted(&owner));
    }
}

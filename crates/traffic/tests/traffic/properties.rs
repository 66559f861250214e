//! Random `VirtualServices` through the whole life of a rollout.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use teal_traffic::{Saved, enter, leave, lower, read, set_weight};

use crate::support::{World, apply, at, entered, left, stamp, weight};

const LIVE: [&str; 2] = ["web", "web.shop.svc.cluster.local"];

fn foreign_value() -> impl Strategy<Value = Value> {
    select(vec![
        json!("5s"),
        json!({"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx"}),
        json!([{"headers": {"x-user": {"exact": "a/b~c"}}}, {"uri": {"prefix": "/"}}]),
        json!({"host": "web", "port": {"number": 80}}),
        json!({"delay": {"percentage": {"value": 0.1}, "fixedDelay": "5s"}}),
        json!({}),
        json!(0),
    ])
}

/// Fields of a route that are none of Teal's business.
fn foreign_fields() -> impl Strategy<Value = Map<String, Value>> {
    let keys = select(vec![
        "match",
        "timeout",
        "retries",
        "mirror",
        "fault",
        "corsPolicy",
        "headers",
        "x-new/field",
    ]);
    proptest::collection::btree_map(keys, foreign_value(), 0..4)
        .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn destination(host: &str, port: bool, headers: bool) -> Value {
    let mut entry = json!({"destination": {"host": host}});
    if port {
        entry["destination"]["port"] = json!({"number": 8080});
    }
    if headers {
        entry["headers"] = json!({"response": {"set": {"x-from": "here"}}});
    }
    entry
}

/// The `route` list of a route that leads to web, perhaps with other hosts, perhaps naming the candidate already.
fn managed_list() -> impl Strategy<Value = Vec<Value>> {
    let shape =
        (0_usize..3, any::<bool>(), any::<bool>(), select(LIVE.to_vec()), any::<bool>(), any::<bool>());
    (shape, 0_i64..=100, 0_i64..=100, any::<prop::sample::Index>()).prop_map(
        |((others, exported, absent, host, port, headers), first, second, place)| {
            let mut entries = Vec::new();
            let mut rest = 100;
            for other in 0..others {
                let weight = (if other == 0 { first } else { second }).min(rest);
                rest -= weight;
                let mut entry = destination(&format!("other-{other}"), port, headers);
                entry["weight"] = json!(weight);
                entries.push(entry);
            }
            let mut live = destination(host, port, headers);
            if exported {
                let weight = second.min(rest);
                rest -= weight;
                let mut entry = destination(&host.replacen("web", "web-candidate", 1), port, false);
                entry["weight"] = json!(weight);
                entries.push(entry);
            }
            // An absent weight means 100 for a sole destination and 0 for one of several.
            if !(absent && (entries.is_empty() || rest == 0)) {
                live["weight"] = json!(rest);
            }
            let at = place.index(entries.len() + 1);
            entries.insert(at, live);
            entries
        },
    )
}

fn route(named: bool) -> impl Strategy<Value = Value> {
    (foreign_fields(), prop_oneof![3 => managed_list().prop_map(Some), 1 => Just(None)]).prop_map(
        move |(mut fields, list)| {
            let list = list.unwrap_or_else(|| vec![destination("elsewhere", false, true)]);
            fields.insert("route".into(), json!(list));
            if named {
                fields.insert("name".into(), json!("set below"));
            }
            Value::Object(fields)
        },
    )
}

/// A `VirtualService` with at least one route to web; named routes have names of their own.
fn virtual_service() -> impl Strategy<Value = Value> {
    let routes = proptest::collection::vec(any::<bool>().prop_flat_map(route), 0..5);
    (routes, foreign_fields(), managed_list(), any::<bool>(), any::<bool>()).prop_map(
        |(mut http, mut last, list, annotated, tcp)| {
            last.insert("route".into(), json!(list));
            http.push(Value::Object(last));
            for (index, route) in http.iter_mut().enumerate() {
                if route.get("name").is_some() {
                    route["name"] = json!(format!("route-{index}"));
                }
            }
            let mut object = json!({
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "1"},
                "spec": {"hosts": ["web"], "http": http},
            });
            if annotated {
                object["metadata"]["annotations"] = json!({"team/owner": "shop"});
            }
            if tcp {
                object["spec"]["tcp"] = json!([{"route": [{"destination": {"host": "web"}}]}]);
            }
            object
        },
    )
}

/// The object with everything taken out that Teal may write.
fn foreign_bytes(object: &Value) -> Value {
    let mut object = object.clone();
    for route in object["spec"]["http"].as_array_mut().unwrap() {
        let list = route["route"].as_array_mut().unwrap();
        let leads_to_web = list.iter().any(|entry| is(entry, &LIVE));
        if leads_to_web {
            list.retain(|entry| !is(entry, &["web-candidate", "web-candidate.shop.svc.cluster.local"]));
            for entry in list.iter_mut().filter(|entry| is(entry, &LIVE)) {
                entry.as_object_mut().unwrap().remove("weight");
            }
        }
    }
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.remove("resourceVersion");
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| !key.contains(".teal.dev/"));
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    object
}

fn is(entry: &Value, hosts: &[&str]) -> bool {
    entry["destination"]["host"].as_str().is_some_and(|host| hosts.contains(&host))
}

fn text(value: &Value) -> String {
    serde_json::to_string(value).unwrap()
}

fn sums_to_100(world: &World, object: &Value) {
    for route in read(object, &world.scope()).unwrap().routes {
        assert_eq!(route.destinations.iter().map(|destination| destination.weight).sum::<i64>(), 100);
        assert!(route.destinations.iter().all(|destination| destination.weight >= 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Invariants I1, I11 and I14, and the promise that an owner finds their bytes again.
    #[test]
    fn a_rollout_leaves_the_owners_bytes(object in virtual_service(), steps in proptest::collection::vec(0_u8..=100, 1..4)) {
        let world = World::web();
        let mut now = entered(&world, &object);
        prop_assert_eq!(weight(&world, &now), 0);
        for percent in steps.into_iter().chain([10, 100, 0]) {
            now = at(&world, &now, percent);
            sums_to_100(&world, &now);
            prop_assert_eq!(text(&foreign_bytes(&now)), text(&foreign_bytes(&object)));
            let set = read(&now, &world.scope()).unwrap();
            for route in &set.routes {
                for pair in &route.pairs {
                    let live = route.destinations[pair.live].weight;
                    let own = live + route.candidate_weight(pair);
                    prop_assert!(route.candidate_weight(pair) * 100 <= own * i64::from(percent), "overshoots");
                }
            }
            prop_assert_eq!(set_weight(&now, &world.scope(), percent, &stamp(2)).unwrap(), None);
        }
        let restoration = leave(&now, &world.scope(), &stamp(3)).unwrap();
        prop_assert!(restoration.exact);
        let end = left(&world, &now);
        prop_assert_eq!(text(&end["spec"]), text(&object["spec"]));
        prop_assert_eq!(text(&foreign_bytes(&end)), text(&foreign_bytes(&object)));
        prop_assert_eq!(Saved::of(&end, "uid-1"), None);
    }

    /// Without its record a route is given back so that it routes as before, and nothing else changes.
    #[test]
    fn a_lost_record_costs_at_most_the_spelling_of_a_weight(object in virtual_service()) {
        let world = World::web();
        let mut now = entered(&world, &object);
        now["metadata"]["annotations"].as_object_mut().unwrap().remove("saved.teal.dev/uid-1");
        let end = left(&world, &now);
        prop_assert_eq!(text(&foreign_bytes(&end)), text(&foreign_bytes(&object)));
        let weights = |object: &Value| -> Vec<Vec<i64>> {
            let set = read(object, &world.scope()).unwrap();
            set.routes.iter().map(|route| route.pairs.iter().map(|pair| {
                route.destinations[pair.live].weight + route.candidate_weight(pair)
            }).collect()).collect()
        };
        prop_assert_eq!(weights(&end), weights(&object));
        prop_assert!(read(&end, &world.scope()).unwrap().routes.iter().all(|route| route.pairs.iter().all(|pair| pair.candidate.is_none())));
    }

    /// A patch made for one object does nothing to another: it fails at a test, or leaves what it must.
    #[test]
    fn a_patch_meets_a_changed_object(object in virtual_service(), change in 0_usize..7, percent in 1_u8..=100) {
        let world = World::web();
        let before = at(&world, &entered(&world, &object), percent);
        let mut after = before.clone();
        let http = after["spec"]["http"].as_array_mut().unwrap();
        let index = read(&before, &world.scope()).unwrap().routes.last().unwrap().index;
        match change {
            0 => http.insert(0, json!({"route": [{"destination": {"host": "new"}}]})),
            1 => { http.remove(index); }
            2 => http[index]["route"].as_array_mut().unwrap().insert(0, json!({"destination": {"host": "new"}, "weight": 0})),
            3 => http[index]["route"].as_array_mut().unwrap().push(json!({"destination": {"host": "new"}, "weight": 50})),
            4 => { http[index]["route"].as_array_mut().unwrap().pop(); }
            5 => http.reverse(),
            _ => after["spec"]["http"] = object["spec"]["http"].clone(),
        }
        after["metadata"]["resourceVersion"] = json!("99");
        let untouched = after.clone();
        if let Some(patch) = lower(&before, &world.scope(), &stamp(9)).unwrap() {
            if apply(&mut after, &patch).is_err() {
                prop_assert_eq!(&after, &untouched);
            } else {
                prop_assert_eq!(text(&foreign_bytes(&after)), text(&foreign_bytes(&untouched)));
                sums_to_100(&world, &after);
            }
        }
        // A raise is bound to the version and never applies.
        let mut after = untouched.clone();
        if let Some(patch) = set_weight(&at(&world, &before, 0), &world.scope(), percent, &stamp(9)).unwrap() {
            prop_assert!(apply(&mut after, &patch).is_err());
            prop_assert_eq!(after, untouched);
        }
    }

    /// Going back succeeds in one request whatever weights another writer gave to live and candidate meanwhile.
    #[test]
    fn rule_4_going_back_needs_no_weights_to_match(object in virtual_service(), one in 0_u8..=100, other in 0_u8..=100) {
        let world = World::web();
        let known = at(&world, &entered(&world, &object), one);
        let mut now = at(&world, &known, other);
        if let Some(patch) = lower(&known, &world.scope(), &stamp(5)).unwrap() {
            apply(&mut now, &patch).unwrap();
            sums_to_100(&world, &now);
            prop_assert_eq!(weight(&world, &now), 0);
        }
    }

    /// Whatever an owner re-applies, the way back to the step is the way there: what is above it goes, what isn't named is
    /// entered at 0, and only then is weight given, never more than the step's.
    #[test]
    fn corrections_settle_without_overshooting(object in virtual_service(), percent in 0_u8..=100, exported in 0_u8..=100) {
        let world = World::web();
        let held = at(&world, &entered(&world, &object), percent);
        let exported = at(&world, &entered(&world, &object), exported);
        for reapplied in [&object, &exported] {
            let mut now = held.clone();
            now["spec"] = reapplied["spec"].clone();
            let shares = |object: &Value| read(object, &world.scope()).unwrap().candidate_weight();
            if shares(&now) > percent {
                let patch = lower(&now, &world.scope(), &stamp(4)).unwrap().unwrap();
                apply(&mut now, &patch).unwrap();
                prop_assert_eq!(shares(&now), 0);
                prop_assert_eq!(lower(&now, &world.scope(), &stamp(4)).unwrap(), None);
            }
            let before = shares(&now);
            if let Some(patch) = enter(&now, &world.scope(), &stamp(5)).unwrap() {
                apply(&mut now, &patch).unwrap();
                prop_assert!(shares(&now) <= before);
            }
            prop_assert_eq!(weight(&world, &now), 0);
            prop_assert_eq!(enter(&now, &world.scope(), &stamp(5)).unwrap(), None);
            if let Some(patch) = set_weight(&now, &world.scope(), percent, &stamp(6)).unwrap() {
                apply(&mut now, &patch).unwrap();
            }
            prop_assert!(weight(&world, &now) <= percent);
            let set = read(&now, &world.scope()).unwrap();
            prop_assert!(set.routes.iter().all(|route| route.stands_at(percent)));
            prop_assert_eq!(text(&foreign_bytes(&now)), text(&foreign_bytes(&object)));
        }
    }

    /// Nothing that a cluster may hold makes the readers fail otherwise than by a refusal.
    #[test]
    fn readers_are_total(mut object in virtual_service(), junk in foreign_value(), place in 0_usize..6) {
        let world = World::web();
        match place {
            0 => object["spec"] = junk,
            1 => object["spec"]["http"] = junk,
            2 => object["spec"]["http"][0] = junk,
            3 => object["spec"]["http"][0]["route"] = junk,
            4 => object["spec"]["http"][0]["route"] = json!([junk]),
            _ => object["metadata"]["annotations"] = json!({"epoch.teal.dev/uid-1": junk, "saved.teal.dev/uid-1": "{"}),
        }
        let scope = world.scope();
        let readers = (read(&object, &scope), enter(&object, &scope, &stamp(1)), lower(&object, &scope, &stamp(1)));
        let refusals = [readers.0.err(), readers.1.err(), readers.2.err(), leave(&object, &scope, &stamp(1)).err()];
        for refusal in refusals.into_iter().flatten() {
            prop_assert!(refusal.to_string().contains("shop/web"));
        }
    }
}

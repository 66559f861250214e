//! Random `VirtualServices`, and weights that a Job asks for: nothing else of them changes.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use teal_traffic::{Mesh, Share, Wish, divide, weights};

use crate::support::apply;

/// Hosts that are different ones for Istio, two of them in two spellings.
const HOSTS: [&str; 5] =
    ["web", "next", "next.shop.svc.cluster.local", "partner.example.com", "web.shop.svc.cluster.local"];

fn entry() -> impl Strategy<Value = Value> {
    let weight = prop_oneof![3 => (0_i64..=100).prop_map(Some), 1 => Just(None)];
    (select(HOSTS.to_vec()), weight, any::<bool>(), select(vec![None, Some("v1"), Some("v2")]), any::<bool>())
        .prop_map(|(host, weight, port, subset, headers)| {
            let mut entry = json!({"destination": {"host": host}});
            if let Some(weight) = weight {
                entry["weight"] = json!(weight);
            }
            if port {
                entry["destination"]["port"] = json!({"number": 8080});
            }
            if let Some(subset) = subset {
                entry["destination"]["subset"] = json!(subset);
            }
            if headers {
                entry["headers"] = json!({"response": {"set": {"x-from": "a/b~c"}}});
            }
            entry
        })
}

/// What makes it one for Istio: the host in full, and the subset.
fn destination(entry: &Value) -> (String, Option<String>) {
    let text = |field: &str| entry["destination"][field].as_str().map(str::to_owned);
    (Mesh::default().expand(&text("host").unwrap(), "shop"), text("subset"))
}

/// A route that names each destination once.
fn route() -> impl Strategy<Value = Value> {
    let foreign = select(vec![
        json!({"timeout": "5s"}),
        json!({"match": [{"uri": {"prefix": "/"}}], "retries": {"attempts": 3}}),
        json!({"mirror": {"host": "web"}, "x-new/field": {"weight": 7}}),
        json!({}),
    ]);
    (foreign, proptest::collection::vec(entry(), 1..5)).prop_map(|(mut route, mut entries)| {
        let mut seen = BTreeSet::new();
        entries.retain(|entry| seen.insert(destination(entry)));
        route["route"] = json!(entries);
        route
    })
}

/// Some of its routes have names.
fn virtual_service() -> impl Strategy<Value = Value> {
    proptest::collection::vec((route(), any::<bool>()), 1..5).prop_map(|routes| {
        let named = |(index, (mut route, named)): (usize, (Value, bool))| {
            if named {
                route["name"] = json!(format!("route-{index}"));
            }
            route
        };
        let http: Vec<Value> = routes.into_iter().enumerate().map(named).collect();
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "1", "annotations": {"team": "shop"}},
            "spec": {"hosts": ["web"], "http": http, "tcp": [{"route": [{"destination": {"host": "web"}, "weight": 100}]}]},
        })
    })
}

/// Parts of 100 for the destinations of one of its routes, or for fewer of them; and whether it is for all of them.
fn wished() -> impl Strategy<Value = (Value, Wish, bool)> {
    let cuts = proptest::collection::vec(0_u8..=100, 4);
    let places = (any::<prop::sample::Index>(), 0_usize..=1, any::<bool>());
    (virtual_service(), cuts, places).prop_map(|(object, mut cuts, (place, skipped, named))| {
        let http = object["spec"]["http"].as_array().unwrap();
        let route = &http[place.index(http.len())];
        let entries = route["route"].as_array().unwrap();
        cuts.truncate(entries.len() - 1);
        cuts.sort_unstable();
        cuts.push(100);
        let mut before = 0;
        let shares = entries.iter().zip(&cuts).map(|(entry, cut)| {
            let weight = cut - before;
            before = *cut;
            let text = |field: &str| entry["destination"][field].as_str().map(str::to_owned);
            Share { host: text("host").unwrap(), subset: text("subset"), weight }
        });
        let shares = shares.skip(skipped).collect();
        let routes = route["name"].as_str().filter(|_| named).map(str::to_owned);
        let wish = Wish { routes: routes.into_iter().collect(), shares };
        (object, wish, skipped == 0)
    })
}

/// The object without the weights of these routes.
fn without_weights(object: &Value, routes: &[usize]) -> String {
    let mut object = object.clone();
    for index in routes {
        for entry in object["spec"]["http"][*index]["route"].as_array_mut().unwrap() {
            entry.as_object_mut().unwrap().remove("weight");
        }
    }
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    object.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn only_weights_of_the_selected_routes_change_and_they_sum_to_100((object, wish, all) in wished()) {
        let mesh = Mesh::default();
        let divided = match divide(&object, &mesh, &wish) {
            Ok(divided) => divided,
            // Other routes may lack a destination, and what is left out keeps a weight of its own.
            Err(_) if wish.routes.is_empty() || !all => return Ok(()),
            Err(refusal) => return Err(TestCaseError::fail(refusal.to_string())),
        };
        let mut after = object.clone();
        if let Some(patch) = &divided.patch {
            apply(&mut after, patch).unwrap();
        }
        let routes: Vec<usize> = divided.was.iter().map(|route| route.index).collect();
        prop_assert_eq!(without_weights(&after, &routes), without_weights(&object, &routes));
        let now = weights(&after, &[]).unwrap();
        for route in &divided.wished {
            let found = now.iter().find(|other| other.index == route.index).unwrap();
            prop_assert_eq!(found, route);
            prop_assert_eq!(found.destinations.iter().map(|to| to.weight).sum::<i64>(), 100);
        }
        // Who is not named keeps even the spelling of its weight.
        for (old, new) in divided.was.iter().zip(&divided.wished) {
            let path = format!("/spec/http/{}/route", old.index);
            let (before, now) = (object.pointer(&path).unwrap(), after.pointer(&path).unwrap());
            for (place, (old, new)) in old.destinations.iter().zip(&new.destinations).enumerate() {
                prop_assert!(old.weight != new.weight || before[place] == now[place]);
                let full = |host: &str| mesh.expand(host, "shop");
                let named = wish.shares.iter().find(|share| full(&share.host) == full(&new.host) && share.subset == new.subset);
                let expected = named.map_or(old.weight, |share| i64::from(share.weight));
                prop_assert_eq!(new.weight, expected);
            }
        }
        prop_assert_eq!(divide(&after, &mesh, &wish).unwrap().patch, None);
    }

    #[test]
    fn the_text_of_a_share_reads_as_it_is_written(host in "[a-z][a-z0-9.-]{0,20}", subset in proptest::option::of("[a-z][a-z0-9-]{0,9}"), weight in 0_u8..=100) {
        let share = Share { host, subset, weight };
        prop_assert_eq!(share.to_string().parse::<Share>(), Ok(share));
    }

    #[test]
    fn no_text_of_a_share_is_a_panic_or_a_weight_above_100(text in ".{0,30}") {
        if let Ok(share) = text.parse::<Share>() {
            prop_assert!(share.weight <= 100 && !share.host.is_empty());
            prop_assert_eq!(share.to_string().parse::<Share>(), Ok(share));
        }
    }
}

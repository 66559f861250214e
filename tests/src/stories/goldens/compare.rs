//! Whether what the proxies have of a golden is what its routes say, and differs in nothing but the weights of those that Teal divides.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use teal_traffic::RouteKind;

use super::envoy::Place;
use super::expected::Caller;
use super::owner::Golden;
use crate::error::{Result, expect};

/// Routes behind one that takes all requests, which are in no proxy.
pub(super) const UNREACHED: [(&str, RouteKind, usize); 2] =
    [("match-twice-the-same", RouteKind::Http, 1), ("three-services-and-a-stranger", RouteKind::Http, 1)];

/// A proxy, the list, and the port.
pub(super) type Where = (&'static str, RouteKind, u16);
/// What the proxies have of one of them: each place with the position of the route that it is of.
pub(super) type Places = BTreeMap<Where, Vec<(usize, Place)>>;
/// Which of its routes Teal divides, and whether live has any weight there that could be divided.
pub(super) type Managed = BTreeMap<(RouteKind, usize), bool>;

/// How much the proxies have of all of them, by the kind of the routes: how many have such, and in how many places these are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Compared(BTreeMap<RouteKind, (usize, usize)>);

impl Compared {
    /// Fails with the first that has routes of a kind of which no proxy has any: nothing of these would be compared.
    pub(super) fn of<'a>(all: impl Iterator<Item = (&'a Golden, &'a Places)>) -> Result<Self> {
        let mut count = RouteKind::ALL.map(|kind| (kind, (0, 0))).into_iter().collect::<BTreeMap<_, _>>();
        for (golden, places) in all {
            for (kind, (goldens, of_all)) in &mut count {
                let routes = golden.owners[kind.as_str()].as_array().map_or(0, Vec::len);
                let own: usize =
                    places.iter().filter(|((_, of, _), _)| of == kind).map(|(_, places)| places.len()).sum();
                expect(routes == 0 || own > 0, || {
                    format!("{}: no proxy has any of its {routes} {} routes", golden.name, kind.as_str())
                })?;
                *goldens += usize::from(routes > 0);
                *of_all += own;
            }
        }
        Ok(Self(count))
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self
            .0
            .iter()
            .map(|(kind, (goldens, places))| format!("{} of {goldens} in {places} places", kind.as_str()));
        out.write_str(&each.collect::<Vec<_>>().join(", "))
    }
}

/// Each place with the route that it is of, where all are divided as these are, in their order.
pub(super) fn attributed(
    golden: &Golden,
    caller: &Caller<'_>,
    (kind, port): (RouteKind, u16),
    places: Vec<Place>,
) -> Result<Vec<(usize, Place)>> {
    let mut wanted = caller.divided(&golden.now["spec"], kind, port);
    if kind == RouteKind::Http && places.len() < wanted.len() && places.last().is_some_and(Place::is_last) {
        wanted.truncate(places.len());
    }
    let found: Vec<BTreeMap<String, u64>> = places.iter().map(Place::weights).collect();
    expect(found.iter().eq(wanted.iter().map(|(_, weights)| weights)), || {
        format!(
            "{}: Envoy of {} divides {kind:?} at {port} as {found:?}, and its routes say {wanted:?}",
            golden.name, caller.gateway
        )
    })?;
    Ok(wanted.into_iter().map(|(index, _)| index).zip(places).collect())
}

/// The same places in the same order, which differ in the weights of the routes alone that Teal divides. What a candidate's requests
/// are given is what live's are.
pub(super) fn only_weights(
    golden: &Golden,
    managed: &Managed,
    before: &Places,
    after: &Places,
) -> Result<()> {
    let name = &golden.name;
    expect(before.keys().eq(after.keys()), || format!("{name}: other ports of the proxies were looked at"))?;
    for ((at, was), is) in before.iter().zip(after.values()) {
        let (_, kind, _) = at;
        let same = was.len() == is.len()
            && was.iter().zip(is).all(|((index, was), (also, is))| {
                let rest = index == also && was.rest == is.rest;
                rest && if managed.contains_key(&(*kind, *index)) { headers_stay(was, is) } else { was == is }
            });
        expect(same, || format!("{name}: {at:?}: Envoy had {was:?}, and has {is:?}"))?;
    }
    Ok(())
}

/// Each destination was there, or is the candidate of one that was, by the same port and subset.
fn headers_stay(was: &Place, is: &Place) -> bool {
    is.to.iter().all(|(cluster, to)| {
        let live = cluster.replacen("-candidate.", ".", 1);
        was.to.get(cluster).or_else(|| was.to.get(&live)).is_some_and(|before| before.headers == to.headers)
    })
}

/// Each route that Teal divides is divided in some proxy.
pub(super) fn all_are_seen(golden: &Golden, managed: &Managed, after: &Places) -> Result<()> {
    let mut left: BTreeSet<(RouteKind, usize)> =
        managed.iter().filter(|(_, weighs)| **weighs).map(|(at, _)| *at).collect();
    for ((_, kind, _), places) in after {
        for (index, place) in places {
            let candidate =
                |cluster: &String| cluster.split('.').next().is_some_and(|name| name.ends_with("-candidate"));
            if place.to.keys().any(candidate) {
                left.remove(&(*kind, *index));
            }
        }
    }
    let unreached = UNREACHED.iter().filter(|(name, ..)| *name == golden.name);
    let unreached: BTreeSet<(RouteKind, usize)> = unreached.map(|(_, kind, index)| (*kind, *index)).collect();
    expect(left == unreached, || format!("{}: no proxy divides {left:?}", golden.name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn golden(http: &Value) -> Golden {
        Golden {
            name: "x".into(),
            address: String::new(),
            services: Vec::new(),
            routes: None,
            subsets: Vec::new(),
            owners: Value::Null,
            now: json!({"spec": {"http": http}}),
        }
    }

    fn place(hosts: &[(&str, u64)], prefix: &str) -> Place {
        let clusters: Vec<Value> = hosts
            .iter()
            .map(|(host, weight)| json!({"name": format!("outbound|80||{host}.shop.svc.cluster.local"), "weight": weight}))
            .collect();
        Place::of_route(
            &json!({"match": {"prefix": prefix}, "route": {"weighted_clusters": {"clusters": clusters}}}),
        )
    }

    fn to(prefix: &str, hosts: &[(&str, u64)]) -> Value {
        let entries: Vec<Value> = hosts
            .iter()
            .map(|(host, weight)| json!({"destination": {"host": host}, "weight": weight}))
            .collect();
        json!({"match": [{"uri": {"prefix": prefix}}], "route": entries})
    }

    #[test]
    fn a_route_that_is_not_divided_is_no_other_one() {
        let divided = [("web", 90), ("web-candidate", 10)];
        let golden = golden(&json!([
            to("/a", &divided),
            to("/b", &[("web", 100)]),
            to("/", &divided),
            to("/c", &divided)
        ]));
        let caller = Caller { gateway: "golden", labels: &[], namespace: "x", home: "shop" };
        let check = |places: Vec<Place>| attributed(&golden, &caller, (RouteKind::Http, 80), places);
        let good = || vec![place(&divided, "/a"), place(&[("web", 100)], "/b"), place(&divided, "/")];
        assert_eq!(check(good()).unwrap().len(), 3, "what follows a last one is in no proxy");
        let mut undivided = good();
        undivided[0] = place(&[("web", 100)], "/a");
        assert!(check(undivided).is_err());
        assert!(check(good()[..2].to_vec()).is_err());
        let (managed, places) = (Managed::from([((RouteKind::Http, 0), true)]), |places| {
            Places::from([(("gateway", RouteKind::Http, 80), check(places).unwrap())])
        });
        assert!(all_are_seen(&golden, &managed, &places(good())).is_ok());
        let other = Managed::from([((RouteKind::Http, 3), true)]);
        assert!(all_are_seen(&golden, &other, &places(good())).is_err());
        assert!(only_weights(&golden, &other, &places(good()), &places(good())).is_ok());
    }

    /// What a proxy has of two routes, the first of which Teal divides.
    fn routes(managed: &Value, other: &Value) -> Places {
        let places = [managed, other].into_iter().map(Place::of_route).enumerate().collect();
        Places::from([(("gateway", RouteKind::Http, 80), places)])
    }

    fn route(clusters: &Value) -> Value {
        let added = json!([{"header": {"key": "x-shop", "value": "1"}}]);
        let each = clusters.as_array().into_iter().flatten().map(|of| {
            json!({"name": format!("outbound|{}.shop.svc.cluster.local;", of[0].as_str().unwrap()), "weight": of[1],
                "request_headers_to_add": added})
        });
        json!({"match": {"prefix": "/"}, "route": {"timeout": "5s", "weighted_clusters": {"clusters": each.collect::<Vec<_>>()}}})
    }

    #[test]
    fn whatever_an_edit_does_beside_the_weights_is_found() {
        let golden = golden(&json!([]));
        let managed = Managed::from([((RouteKind::Http, 0), true)]);
        let sole = route(&json!([["80||web", 100]]));
        let divided = route(&json!([["80||web", 90], ["80||web-candidate", 10]]));
        let before = routes(&sole, &sole);
        let after = |managed_route: &Value, other: &Value| {
            only_weights(&golden, &managed, &before, &routes(managed_route, other))
        };
        assert!(after(&divided, &sole).is_ok());
        let told = after(&divided, &divided).unwrap_err().to_string();
        assert!(told.contains("web-candidate"), "a route that isn't named: {told}");
        let sown = |key: &str, value: Value| {
            let mut wrong = divided.clone();
            *wrong.pointer_mut(key).unwrap() = value;
            after(&wrong, &sole)
        };
        assert!(sown("/route/timeout", json!("15s")).is_err(), "a timeout is no weight");
        assert!(sown("/match/prefix", json!("/pay")).is_err(), "nor a condition");
        let clusters = "/route/weighted_clusters/clusters/1";
        assert!(sown(&format!("{clusters}/request_headers_to_add"), json!([])).is_err(), "nor a header");
        for wrong in ["8080||web-candidate", "80|v2|web-candidate", "80||wep-candidate", "80||monolith"] {
            let name = json!(format!("outbound|{wrong}.shop.svc.cluster.local;"));
            assert!(sown(&format!("{clusters}/name"), name).is_err(), "{wrong} is no candidate of web");
        }
        let lacks = Places::from([(("gateway", RouteKind::Http, 80), Vec::new())]);
        assert!(only_weights(&golden, &managed, &before, &lacks).is_err(), "routes that are gone");
        assert!(
            only_weights(&golden, &managed, &before, &Places::new()).is_err(),
            "proxies that were not asked"
        );
    }

    #[test]
    fn one_of_which_no_proxy_has_anything_is_not_counted_as_compared() {
        let mut golden = golden(&json!([]));
        golden.owners = json!({"http": [to("/", &[("web", 100)])], "tls": []});
        let sole = route(&json!([["80||web", 100]]));
        let places = routes(&sole, &sole);
        let told = Compared::of([(&golden, &places)].into_iter()).unwrap().to_string();
        assert_eq!(told, "http of 1 in 2 places, tls of 0 in 0 places, tcp of 0 in 0 places");
        golden.owners["tcp"] = json!([{}]);
        let told = Compared::of([(&golden, &places)].into_iter()).unwrap_err().to_string();
        assert_eq!(told, "x: no proxy has any of its 1 tcp routes");
    }
}

//! What a proxy has been told: where it divides requests and connections, and what else it does to them there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::error::{Error, Result};

/// What Istio does to headers, which stands beside the only destination, and in each of several.
const HEADERS: [&str; 4] = [
    "request_headers_to_add",
    "request_headers_to_remove",
    "response_headers_to_add",
    "response_headers_to_remove",
];
/// The host that a destination asks for, at the same places.
const HOST: &str = "host_rewrite_literal";
/// What else follows from how many destinations have weight: what a route is called in traces and counts.
const CALLED: [&str; 2] = ["decorator", "stat_prefix"];

/// A route of a virtual host, or a filter chain.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    /// All but the destinations.
    pub(super) rest: Value,
    /// By the name of the cluster: port, subset and full name of the host.
    pub(super) to: BTreeMap<String, To>,
}

/// A destination with weight.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct To {
    pub(super) weight: u64,
    /// What is done to the headers of what goes there, and of its answer.
    pub(super) headers: BTreeSet<String>,
}

impl Place {
    /// Its weights alone.
    pub(super) fn weights(&self) -> BTreeMap<String, u64> {
        self.to.iter().map(|(cluster, to)| (cluster.clone(), to.weight)).collect()
    }

    /// Whether all requests that come as far as here go here, so that istiod leaves out what follows.
    pub(super) fn is_last(&self) -> bool {
        let conditions = &self.rest["match"];
        let all = ["prefix", "path_separated_prefix"].iter().any(|key| conditions[*key] == "/")
            || conditions["safe_regex"]["regex"] == ".*";
        all && conditions["headers"].is_null() && conditions["query_parameters"].is_null()
    }

    /// A route of a virtual host.
    pub(super) fn of_route(route: &Value) -> Self {
        let mut rest = route.clone();
        if let Some(conditions) = rest.get_mut("match") {
            without_order(conditions);
        }
        let mut common = headers(route);
        common.extend(headers(&route["route"]));
        let to = destinations(&route["route"], &common);
        let follows = |key: &str| HEADERS.contains(&key) || CALLED.contains(&key);
        if let Some(fields) = rest.as_object_mut() {
            fields.retain(|key, _| !follows(key));
        }
        if let Some(action) = rest.get_mut("route").and_then(Value::as_object_mut) {
            action.retain(|key, _| !["cluster", "weighted_clusters", HOST].contains(&key.as_str()));
        }
        Self { rest, to }
    }

    /// A filter chain of a listener.
    pub(super) fn of_chain(chain: &Value) -> Self {
        let mut rest = chain.clone();
        let mut to = BTreeMap::new();
        for filter in rest["filters"].as_array_mut().into_iter().flatten() {
            let config = &mut filter["typed_config"];
            to.extend(destinations(config, &BTreeSet::new()));
            if let Some(fields) = config.as_object_mut() {
                fields.retain(|key, _| {
                    !["cluster", "weighted_clusters"].contains(&key.as_str())
                        && !CALLED.contains(&key.as_str())
                });
            }
        }
        Self { rest, to }
    }
}

/// Those of a route or of a filter that have weight.
fn destinations(action: &Value, common: &BTreeSet<String>) -> BTreeMap<String, To> {
    let mut found: BTreeMap<String, To> = BTreeMap::new();
    let mut add = |name: &Value, weight: u64, own: BTreeSet<String>| {
        if let Some(name) = name.as_str().filter(|_| weight > 0) {
            let to = found.entry(name.trim_end_matches(';').to_owned()).or_default();
            to.weight += weight;
            to.headers.extend(common.iter().cloned().chain(own));
        }
    };
    add(&action["cluster"], 100, BTreeSet::new());
    for one in action["weighted_clusters"]["clusters"].as_array().into_iter().flatten() {
        add(&one["name"], one["weight"].as_u64().unwrap_or(0), headers(one));
    }
    found
}

fn headers(of: &Value) -> BTreeSet<String> {
    let listed = HEADERS.iter().flat_map(|key| {
        let each = of[*key].as_array().map_or(&[][..], Vec::as_slice);
        each.iter().map(move |one| format!("{key}: {one}"))
    });
    let host = of.get(HOST).map(|host| format!("{HOST}: {host}"));
    listed.chain(host).collect()
}

/// Conditions for headers and parameters are maps in a `VirtualService`, which istiod makes lists of in any order.
fn without_order(conditions: &mut Value) {
    for list in ["headers", "query_parameters"] {
        if let Some(list) = conditions.get_mut(list).and_then(Value::as_array_mut) {
            list.sort_by_key(|condition| condition["name"].as_str().map(str::to_owned));
        }
    }
}

/// All that a proxy has.
pub(super) struct Dump {
    /// By port.
    hosts: Vec<(u16, Value)>,
    listeners: Vec<Value>,
    clusters: BTreeSet<String>,
}

impl Dump {
    pub(super) async fn of(admin: &str) -> Result<Self> {
        let routes = configs(admin, "dynamic_route_configs").await?;
        let hosts = routes.iter().flat_map(|config| {
            let config = &config["route_config"];
            let name = config["name"].as_str().unwrap_or_default();
            let port = name.trim_start_matches("http.").parse().unwrap_or(0);
            let hosts = config["virtual_hosts"].as_array().map_or(&[][..], Vec::as_slice);
            hosts.iter().map(move |host| (port, host.clone()))
        });
        let listeners = configs(admin, "dynamic_listeners").await?;
        let refused: Vec<&Value> =
            listeners.iter().map(|one| &one["error_state"]).filter(|state| !state.is_null()).collect();
        if !refused.is_empty() {
            return Err(Error::Unmet(format!("{admin} refused listeners: {refused:?}")));
        }
        let active = listeners.iter().map(|one| one["active_state"]["listener"].clone());
        let clusters = configs(admin, "dynamic_active_clusters").await?;
        let clusters = clusters.iter().filter_map(|one| one["cluster"]["name"].as_str());
        let clusters = clusters.map(|name| name.trim_end_matches(';').to_owned()).collect();
        Ok(Self { hosts: hosts.collect(), listeners: active.collect(), clusters })
    }

    /// Routes of a host at a port.
    pub(super) fn routes(&self, host: &str, port: u16) -> Vec<Place> {
        let of = self.hosts.iter().find(|(at, one)| *at == port && is_of(one, host));
        let routes = of.and_then(|(_, of)| of["routes"].as_array()).map_or(&[][..], Vec::as_slice);
        routes.iter().map(Place::of_route).collect()
    }

    /// Chains of the listeners at an address.
    pub(super) fn chains(&self, address: &str, port: u16) -> Vec<Place> {
        let found = self.listeners.iter().filter(|listener| place_of(listener) == (address, port));
        found
            .flat_map(|one| one["filter_chains"].as_array().into_iter().flatten())
            .map(Place::of_chain)
            .collect()
    }

    /// Everything else: the hosts of requests that are none of theirs, and the listeners where none of their connections come in.
    pub(super) fn others(
        &self,
        is_their_host: impl Fn(&str) -> bool,
        is_their_place: impl Fn(&str, u16) -> bool,
    ) -> Vec<Value> {
        let first = |host: &Value| host["domains"][0].as_str().unwrap_or_default().to_owned();
        let hosts = self.hosts.iter().filter(|(_, host)| !is_their_host(&first(host)));
        let listeners = self.listeners.iter().filter(|listener| {
            let (address, port) = place_of(listener);
            !is_their_place(address, port)
        });
        let mut all: Vec<Value> = hosts.map(|(port, host)| json!([port, host])).collect();
        all.extend(listeners.cloned());
        all.sort_by_key(Value::to_string);
        all
    }

    /// Whether a cluster that routes name is there.
    pub(super) fn has(&self, cluster: &str) -> bool {
        self.clusters.contains(cluster)
    }
}

fn place_of(listener: &Value) -> (&str, u16) {
    let socket = &listener["address"]["socket_address"];
    let port = socket["port_value"].as_u64().and_then(|port| u16::try_from(port).ok());
    (socket["address"].as_str().unwrap_or_default(), port.unwrap_or_default())
}

fn is_of(virtual_host: &Value, host: &str) -> bool {
    let domains = virtual_host["domains"].as_array().into_iter().flatten();
    domains.filter_map(Value::as_str).any(|domain| domain == host)
}

async fn configs(admin: &str, resource: &str) -> Result<Vec<Value>> {
    let url = format!("{admin}/config_dump?resource={resource}");
    let failed = |source| Error::Http { url: url.clone(), source };
    let answer = reqwest::Client::new().get(&url).send().await.map_err(failed)?;
    let mut dump: Value = answer.error_for_status().map_err(failed)?.json().await.map_err(failed)?;
    Ok(dump["configs"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hosts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        let cluster = |name: &str| format!("outbound|{name}.shop.svc.cluster.local");
        hosts.iter().map(|(name, weight)| (cluster(name), *weight)).collect()
    }

    #[test]
    fn of_a_route_only_what_follows_from_its_weights_is_left_out() {
        let route = |action: Value| json!({"match": {"prefix": "/"}, "decorator": {"operation": "x"}, "route": action});
        let timeout = json!({"match": {"prefix": "/"}, "route": {"timeout": "0s"}});
        let sole = json!({"timeout": "0s", "cluster": "outbound|80||web.shop.svc.cluster.local;"});
        let divided = json!({"timeout": "0s", "weighted_clusters": {"clusters": [
            {"name": "outbound|80||web.shop.svc.cluster.local", "weight": 90},
            {"name": "outbound|80||web-candidate.shop.svc.cluster.local", "weight": 10}, {"name": "outbound|80||gone.x"},
        ]}});
        let (sole, divided) = (Place::of_route(&route(sole)), Place::of_route(&route(divided)));
        assert_eq!((sole.rest.clone(), sole.weights()), (timeout.clone(), of(&[("80||web", 100)])));
        assert_eq!(
            (divided.rest.clone(), divided.weights()),
            (timeout, of(&[("80||web", 90), ("80||web-candidate", 10)]))
        );
        let other = Place::of_route(&route(
            json!({"timeout": "1s", "cluster": "outbound|80||web.shop.svc.cluster.local"}),
        ));
        assert_ne!(other.rest, sole.rest, "a timeout is no weight");
        assert!(sole.is_last());
    }

    #[test]
    fn headers_of_a_destination_are_the_same_beside_one_and_in_each_of_several() {
        let added = |name: &str| json!({"header": {"key": name, "value": "1"}});
        let sole = json!({"request_headers_to_add": [added("a"), added("b")], "response_headers_to_remove": ["c"],
            "route": {"cluster": "outbound|80||web.x", "host_rewrite_literal": "web.internal"}});
        let one = json!({"name": "outbound|80||web.x", "weight": 90, "request_headers_to_add": [added("b")],
            "host_rewrite_literal": "web.internal"});
        let mut other = one.clone();
        other["name"] = json!("outbound|80||web-candidate.x");
        let divided = |other: &Value| {
            Place::of_route(
                &json!({"request_headers_to_add": [added("a")], "response_headers_to_remove": ["c"],
                "route": {"weighted_clusters": {"clusters": [one, other]}}}),
            )
        };
        let headers = &Place::of_route(&sole).to["outbound|80||web.x"].headers;
        assert_eq!(headers.len(), 4);
        let both = divided(&other).to;
        assert!(both.values().all(|to| to.headers == *headers), "{both:?}");
        other["request_headers_to_add"] = json!([]);
        assert_ne!(divided(&other).to["outbound|80||web-candidate.x"].headers, *headers);
    }

    #[test]
    fn of_a_filter_chain_only_its_destinations_are_left_out() {
        let chain = |config: Value| {
            Place::of_chain(
                &json!({"filter_chain_match": {"server_names": ["a"]}, "filters": [{"name": "tcp", "typed_config": config}]}),
            )
        };
        let sole =
            chain(json!({"stat_prefix": "x", "cluster": "outbound|9000||web.shop.svc.cluster.local;"}));
        let divided = chain(json!({"stat_prefix": "y", "weighted_clusters": {"clusters": [
            {"name": "outbound|9000||web.shop.svc.cluster.local", "weight": 90},
            {"name": "outbound|9000||web-candidate.shop.svc.cluster.local", "weight": 10}]}}));
        assert_eq!(sole.rest, divided.rest);
        assert_eq!(sole.weights(), of(&[("9000||web", 100)]));
        assert_eq!(divided.weights(), of(&[("9000||web", 90), ("9000||web-candidate", 10)]));
        assert_ne!(chain(json!({"idle_timeout": "1s"})).rest, sole.rest);
    }
}

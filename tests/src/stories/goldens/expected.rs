//! How a `VirtualService` divides what a proxy sends, as istiod is documented to read it: which of its routes are for whom, and in which
//! order.

use std::collections::BTreeMap;

use serde_json::Value;
use teal_traffic::{Mesh, RouteKind};

/// Where istiod decides by the caller.
pub(super) struct Caller<'a> {
    /// By which the routes know it: `mesh` for a sidecar.
    pub(super) gateway: &'a str,
    pub(super) labels: &'a [(&'a str, &'a str)],
    pub(super) namespace: &'a str,
    /// Whose Services the hosts are that are short.
    pub(super) home: &'a str,
}

/// A route's position in its list, and its weights by the names of the clusters.
pub(super) type Divided = (usize, BTreeMap<String, u64>);

impl Caller<'_> {
    /// One entry for each condition of each route that holds for the caller at this port, in their order.
    pub(super) fn divided(&self, spec: &Value, kind: RouteKind, port: u16) -> Vec<Divided> {
        let routes = list(&spec[kind.as_str()]).iter().enumerate();
        let mut all = Vec::new();
        for (index, route) in routes {
            // What it delegates to isn't there, and then the route isn't.
            if route.get("delegate").is_some() {
                continue;
            }
            let (count, ends) = match (kind, list(&route["match"])) {
                (RouteKind::Tcp | RouteKind::Http, []) => (1, true),
                (RouteKind::Tcp, conditions) => self.by_connection(conditions, port),
                (_, conditions) => {
                    (conditions.iter().filter(|condition| self.holds(condition, kind, port)).count(), false)
                }
            };
            all.extend(std::iter::repeat_n((index, self.weights(route, port)), count));
            if ends {
                break;
            }
        }
        all
    }

    /// Those with destinations of their own share a filter chain; one without is the last.
    fn by_connection(&self, conditions: &[Value], port: u16) -> (usize, bool) {
        let mut some = false;
        for condition in conditions.iter().filter(|condition| self.holds(condition, RouteKind::Tcp, port)) {
            if list(&condition["destinationSubnets"]).is_empty() {
                return (1, true);
            }
            some = true;
        }
        (usize::from(some), false)
    }

    fn holds(&self, condition: &Value, kind: RouteKind, port: u16) -> bool {
        let gateways = list(&condition["gateways"]);
        let by_gateway = gateways.is_empty() || gateways.iter().any(|name| name == self.gateway);
        let labels = condition["sourceLabels"].as_object().into_iter().flatten();
        let by_labels = labels
            .into_iter()
            .all(|(key, value)| self.labels.iter().any(|(name, own)| name == key && value == own));
        let of = &condition["sourceNamespace"];
        let by_source = by_labels && (of.is_null() || of == self.namespace);
        // Of requests, a gateway that is named says enough.
        let by_caller = if kind == RouteKind::Http && !gateways.is_empty() {
            by_gateway
        } else {
            by_gateway && by_source
        };
        by_caller && (condition["port"].is_null() || condition["port"] == port)
    }

    /// What has no weight is in no proxy. Of a destination without a port, the caller's is meant, as none of the Services has one alone.
    fn weights(&self, route: &Value, port: u16) -> BTreeMap<String, u64> {
        let mesh = Mesh::default();
        let entries = list(&route["route"]);
        let mut clusters = BTreeMap::new();
        for entry in entries {
            let written = entry["weight"].as_u64().filter(|weight| entries.len() > 1 || *weight > 0);
            let weight = written.unwrap_or(if entries.len() == 1 { 100 } else { 0 });
            let to = &entry["destination"];
            let host = mesh.expand(to["host"].as_str().unwrap_or_default(), self.home);
            let port = to["port"]["number"].as_u64().unwrap_or_else(|| port.into());
            let subset = to["subset"].as_str().unwrap_or_default();
            if weight > 0 {
                *clusters.entry(cluster(port, subset, &host)).or_default() += weight;
            }
        }
        clusters
    }
}

/// What a proxy calls those who are meant.
pub(super) fn cluster(port: u64, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GATEWAY: Caller<'static> =
        Caller { gateway: "front", labels: &[], namespace: "edge", home: "shop" };
    const SIDECAR: Caller<'static> =
        Caller { gateway: "mesh", labels: &[("app", "cart")], namespace: "shop", home: "shop" };

    fn to(host: &str) -> Value {
        json!([{"destination": {"host": host}}])
    }

    fn places(caller: &Caller<'_>, spec: &Value, kind: RouteKind, port: u16) -> Vec<usize> {
        caller.divided(spec, kind, port).into_iter().map(|(index, _)| index).collect()
    }

    #[test]
    fn each_condition_that_holds_for_the_caller_is_a_route() {
        let spec = json!({"http": [
            {"match": [{"gateways": ["front"]}, {"gateways": ["front"], "port": 80}], "route": to("web")},
            {"match": [{"sourceLabels": {"app": "cart"}}], "route": to("web")},
            {"match": [{"sourceNamespace": "shop", "port": 8080}], "route": to("web")},
            {"match": [{"uri": {"prefix": "/pay"}}], "delegate": {"name": "pay"}},
            {"route": to("web")},
            {"route": to("web")},
        ]});
        assert_eq!(places(&GATEWAY, &spec, RouteKind::Http, 80), [0, 0, 4]);
        assert_eq!(places(&SIDECAR, &spec, RouteKind::Http, 80), [1, 4]);
        assert_eq!(places(&SIDECAR, &spec, RouteKind::Http, 8080), [1, 2, 4]);
    }

    #[test]
    fn connections_end_at_the_first_without_destinations_of_its_own() {
        let subnets =
            json!({"port": 9000, "destinationSubnets": ["10.0.0.0/8"], "sourceLabels": {"app": "cart"}});
        let spec = json!({
            "tcp": [
                {"match": [subnets, subnets], "route": to("web")},
                {"match": [{"port": 9001}], "route": to("web")},
                {"match": [{"port": 9000}], "route": to("web")},
                {"route": to("web")},
            ],
            "tls": [{"match": [{"port": 443, "sniHosts": ["a"]}, {"sniHosts": ["b"]}], "route": to("web")}],
        });
        assert_eq!(places(&SIDECAR, &spec, RouteKind::Tcp, 9000), [0, 2]);
        assert_eq!(places(&SIDECAR, &spec, RouteKind::Tcp, 9002), [3]);
        assert_eq!(places(&GATEWAY, &spec, RouteKind::Tcp, 9000), [2]);
        assert_eq!(places(&SIDECAR, &spec, RouteKind::Tls, 443), [0, 0]);
        assert_eq!(places(&SIDECAR, &spec, RouteKind::Tls, 8443), [0]);
    }

    #[test]
    fn weights_are_read_as_istio_reads_them() {
        let to = |host: &str, weight: Value| json!({"destination": {"host": host}, "weight": weight});
        let of =
            |cluster: &str| BTreeMap::from([(format!("outbound|{cluster}.shop.svc.cluster.local"), 100)]);
        let one = json!({"route": [to("web", json!(0))]});
        let two = json!({"route": [to("api", Value::Null), to("search", json!(100))]});
        assert_eq!(SIDECAR.weights(&one, 80), of("80||web"));
        assert_eq!(SIDECAR.weights(&two, 8080), of("8080||search"));
        let parted =
            json!({"route": [{"destination": {"host": "web", "port": {"number": 81}, "subset": "v1"}}]});
        assert_eq!(SIDECAR.weights(&parted, 80), of("81|v1|web"));
    }
}

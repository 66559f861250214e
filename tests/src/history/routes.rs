//! The managed routes of a `VirtualService`.

use std::fmt;

use serde_json::Value;
use teal_api::defaults::FilledVirtualService;
use teal_api::names::candidate_service;
use teal_traffic::Mesh;

use super::json::{list, text};
use super::rollout::Rollout;

/// The lists of routes that a `VirtualService` has.
pub(super) const LISTS: [&str; 3] = ["http", "tls", "tcp"];

/// Where a route stands: its list, and its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) list: &'static str,
    pub(super) index: usize,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spec.{}[{}]", self.list, self.index)
    }
}

/// One route that leads to a Rollout's Services.
#[derive(Debug)]
pub(super) struct Route<'h> {
    pub(super) at: At,
    /// Its destinations.
    pub(super) entries: Vec<Entry<'h>>,
}

/// One destination.
#[derive(Debug)]
pub(super) struct Entry<'h> {
    /// The full name of its host.
    pub(super) host: String,
    /// As written.
    pub(super) weight: Option<&'h Value>,
}

impl Entry<'_> {
    /// The weight; beside others an absent one means 0. Nothing where it is no whole number.
    pub(super) fn value(&self, sole: bool) -> Option<i64> {
        match self.weight {
            None | Some(Value::Null) => Some(if sole { 100 } else { 0 }),
            Some(weight) => weight.as_i64(),
        }
    }
}

impl Route<'_> {
    /// The weight of a host; 0 where it is no destination or has no proper weight.
    pub(super) fn weight(&self, host: &str) -> i64 {
        let sole = self.entries.len() == 1;
        let entry = self.entries.iter().find(|entry| entry.host == host);
        entry.and_then(|entry| entry.value(sole)).unwrap_or(0).max(0)
    }

    pub(super) fn names(&self, host: &str) -> bool {
        self.entries.iter().any(|entry| entry.host == host)
    }
}

/// How hosts are read for one Rollout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hosts<'a> {
    pub(super) mesh: &'a Mesh,
    pub(super) namespace: &'a str,
}

impl Hosts<'_> {
    pub(super) fn live(&self, service: &str) -> String {
        self.mesh.service_host(service, self.namespace)
    }

    pub(super) fn candidate(&self, service: &str) -> String {
        self.mesh.service_host(&candidate_service(service), self.namespace)
    }
}

/// The entry of the Rollout that lists this `VirtualService`.
pub(super) fn listed<'a>(rollout: &'a Rollout<'_>, name: &str) -> Option<&'a FilledVirtualService> {
    rollout.traffic.virtual_services.iter().find(|entry| entry.name == name)
}

/// Whether a route of this list is among those that the Rollout names; without names all http routes are that lead to its Services.
pub(super) fn is_selected(entry: &FilledVirtualService, list: &str, route: &Value) -> bool {
    let Some(named) = &entry.routes else { return list == "http" };
    named.iter().any(|named| match (list, &named.name, &named.tls, &named.tcp) {
        ("http", Some(name), ..) => text(route, "/name") == Some(name),
        ("tls", _, Some(tls), _) => conditions(route).any(|condition| {
            let hosts = self::list(condition, "/sniHosts");
            let mut wanted = tls.sni_hosts.iter().flatten();
            is_for(condition, tls.port) && wanted.all(|name| hosts.iter().any(|host| host == name.as_str()))
        }),
        ("tcp", .., Some(tcp)) => {
            tcp.port.is_none() || conditions(route).any(|condition| is_for(condition, tcp.port))
        }
        _ => false,
    })
}

fn conditions(route: &Value) -> impl Iterator<Item = &Value> {
    list(route, "/match").iter()
}

fn is_for(condition: &Value, port: Option<u16>) -> bool {
    port.is_none_or(|port| condition.get("port").is_some_and(|own| *own == port))
}

/// Whether a route is one of a preview: Teal's as a whole, and no part of any share.
pub(super) fn is_preview(route: &Value) -> bool {
    text(route, "/name").is_some_and(|name| name.starts_with(teal_traffic::PREVIEW_PREFIX))
}

/// The routes that a Rollout manages. Their places are counted without those of a preview, which come and go.
pub(super) fn managed<'h>(
    value: &'h Value,
    entry: &FilledVirtualService,
    rollout: &Rollout<'_>,
    mesh: &Mesh,
) -> Vec<Route<'h>> {
    let hosts = Hosts { mesh, namespace: rollout.namespace };
    let routes = LISTS.into_iter().flat_map(|list| {
        let all = self::list(value, &format!("/spec/{list}")).iter();
        all.filter(|route| !is_preview(route))
            .enumerate()
            .map(move |(index, route)| (At { list, index }, route))
    });
    let selected = routes.filter(|(at, route)| is_selected(entry, at.list, route));
    let routes = selected.map(|(at, route)| Route {
        at,
        entries: list(route, "/route")
            .iter()
            .map(|to| Entry {
                host: mesh.expand(text(to, "/destination/host").unwrap_or_default(), rollout.namespace),
                weight: to.get("weight"),
            })
            .collect(),
    });
    let leads_here = |route: &Route<'_>| {
        let services = rollout.traffic.services.iter();
        services
            .map(|service| (hosts.live(service), hosts.candidate(service)))
            .any(|(live, candidate)| route.names(&live) || route.names(&candidate))
    };
    routes.filter(leads_here).collect()
}

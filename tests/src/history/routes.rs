//! The managed routes of a `VirtualService`.

use serde_json::Value;
use teal_api::defaults::FilledVirtualService;
use teal_api::names::candidate_service;
use teal_traffic::Mesh;

use super::json::{list, text};
use super::rollout::Rollout;

/// One route that leads to a Rollout's Services.
#[derive(Debug)]
pub(super) struct Route<'h> {
    /// Its place in `spec.http`.
    pub(super) index: usize,
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

/// Whether a route is among those that the Rollout names; without names all are that lead to its Services.
pub(super) fn is_selected(entry: &FilledVirtualService, route: &Value) -> bool {
    let name = text(route, "/name");
    entry
        .routes
        .as_ref()
        .is_none_or(|routes| name.is_some_and(|name| routes.iter().any(|route| route == name)))
}

/// The routes that a Rollout manages.
pub(super) fn managed<'h>(
    value: &'h Value,
    entry: &FilledVirtualService,
    rollout: &Rollout<'_>,
    mesh: &Mesh,
) -> Vec<Route<'h>> {
    let hosts = Hosts { mesh, namespace: rollout.namespace };
    let selected =
        list(value, "/spec/http").iter().enumerate().filter(|(_, route)| is_selected(entry, route));
    let routes = selected.map(|(index, route)| Route {
        index,
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

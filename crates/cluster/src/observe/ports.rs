//! Whether pods can be reached at the ports of their Service. One whose `targetPort` is a name that no container bears has the address
//! of each ready pod in its slices all the same, without that port.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use teal_plan::{Phase, Slot};
use teal_traffic::RoleService;

use super::Facts;
use crate::stores::{Endpoint, JsonView, SliceView};

/// What a slice must open for its pods to count, by the Service that it belongs to.
pub(super) struct Wanted {
    /// In how many of live's pods each is open.
    ports: BTreeMap<Box<str>, usize>,
}

impl Wanted {
    /// Of a role's Service for the pods of a slot. Live is the measure: a port that its own pods never opened is nobody's loss.
    pub(super) fn of(facts: &Facts<'_>, service: &RoleService, role: &str, slot: Slot) -> Self {
        let under_way = matches!(facts.record.phase, Phase::Step(_) | Phase::Promoting { .. });
        let is_candidate = facts.record.candidate.is_some_and(|candidate| candidate.slot == slot);
        let view = |name: &str| facts.stores.services.get(&facts.names.namespace, name);
        let Some(there) = view(role).filter(|_| under_way && is_candidate) else {
            return Self { ports: BTreeMap::new() };
        };
        let open = view(&service.name).and_then(|live| open_in_live(facts, service, &live));
        let mut ports = open.unwrap_or_default();
        let own = names(&there);
        ports.retain(|name, _| own.contains(name));
        Self { ports }
    }

    /// The first port that a slice lacks.
    pub(super) fn lacks(&self, slice: &SliceView) -> Option<&str> {
        self.ports.keys().map(AsRef::as_ref).find(|port| !opens(slice, port))
    }

    /// The first port that none of the slices opens.
    fn missed<'a>(&'a self, slices: &[&Arc<SliceView>]) -> Option<&'a str> {
        let ports = self.ports.keys().map(AsRef::as_ref);
        ports.into_iter().find(|port| !slices.is_empty() && slices.iter().all(|slice| !opens(slice, port)))
    }

    /// How many of a slot's pods behind a role count as live's do. A Service may take in pods that open not all of its ports, of another
    /// workload; live's measure has them, so where a port is open in as large a part of what live has of it, as large a part of all pods
    /// counts. A port that none opens leaves none.
    pub(super) fn as_of_live(&self, facts: &Facts<'_>, slices: &[Arc<SliceView>], slot: Slot) -> usize {
        let pods = |port: Option<&str>| {
            let slices = slices.iter().filter(|slice| port.is_none_or(|port| opens(slice, port)));
            serving(facts, slices, slot).len()
        };
        let all = pods(None);
        let of_ports = self.ports.iter().map(|(port, live)| {
            let open = pods(Some(port));
            open.max(all.min(all * open / (*live).max(1)))
        });
        of_ports.min().unwrap_or(all)
    }
}

fn opens(slice: &SliceView, port: &str) -> bool {
    slice.ports.iter().any(|open| &**open == port)
}

/// Pods of a slot that serve in some of these slices, by uid.
pub(super) fn serving<'a>(
    facts: &'a Facts<'_>,
    slices: impl Iterator<Item = &'a Arc<SliceView>>,
    slot: Slot,
) -> BTreeSet<&'a str> {
    let endpoints = slices.flat_map(|slice| &slice.endpoints).filter(|endpoint| endpoint.serves);
    let pods = endpoints.filter_map(|endpoint| facts.pod(&endpoint.pod));
    let own = pods.filter(|pod| pod.slot() == Some(slot) && pod.terminating.is_none());
    own.map(|pod| pod.uid.as_str()).collect()
}

fn names(service: &JsonView) -> BTreeSet<Box<str>> {
    let value = service.value();
    let ports = value.pointer("/spec/ports").and_then(Value::as_array);
    let name = |port: &Value| port.get("name").and_then(Value::as_str).unwrap_or_default().into();
    ports.into_iter().flatten().map(name).collect()
}

fn is_of(facts: &Facts<'_>, endpoint: &Endpoint, slot: Slot) -> bool {
    facts.pod(&endpoint.pod).is_some_and(|pod| pod.slot() == Some(slot))
}

/// Ports of the live Service that pods of live's open, and how many do; nothing where nobody of live's is behind it, so that there is
/// no measure.
fn open_in_live(
    facts: &Facts<'_>,
    service: &RoleService,
    there: &JsonView,
) -> Option<BTreeMap<Box<str>, usize>> {
    let live = facts.record.live?;
    let slices = facts.stores.slices.group(&facts.names.namespace, &service.name);
    let of_live = |endpoint: &Endpoint| is_of(facts, endpoint, live.slot);
    let mut slices = slices.iter().filter(|slice| slice.endpoints.iter().any(of_live)).peekable();
    slices.peek()?;
    // Each pod once: it stands in a slice for each family of addresses.
    let mut open: BTreeMap<Box<str>, BTreeSet<&str>> = BTreeMap::new();
    let own = names(there);
    for slice in slices {
        for port in slice.ports.iter().filter(|port| own.contains(*port)) {
            let pods = slice.endpoints.iter().filter(|endpoint| of_live(endpoint));
            open.entry(port.clone()).or_default().extend(pods.map(|endpoint| endpoint.pod.as_str()));
        }
    }
    Some(open.into_iter().map(|(port, pods)| (port, pods.len())).collect())
}

/// What keeps ready pods of a slot from being reached.
pub(super) fn trouble(facts: &Facts<'_>, slot: Slot) -> Option<String> {
    let mut roles = facts
        .services
        .iter()
        .flat_map(|service| [(service, &service.candidate), (service, &service.name)].into_iter());
    roles.find_map(|(service, role)| {
        let wanted = Wanted::of(facts, service, role, slot);
        let slices = facts.stores.slices.group(&facts.names.namespace, role);
        let serves = |endpoint: &Endpoint| endpoint.serves && is_of(facts, endpoint, slot);
        let slices: Vec<_> = slices.iter().filter(|slice| slice.endpoints.iter().any(serves)).collect();
        let port = wanted.missed(&slices)?;
        let port = if port.is_empty() { String::new() } else { format!(" {port}") };
        Some(format!(
            "Service {}/{role}: no pod of {} opens port{port}: its spec.ports[].targetPort is a name that no container of them has, so \
             name it in containers[].ports, or correct targetPort",
            facts.names.namespace, slot.revision
        ))
    })
}

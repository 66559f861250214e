//! Whether pods can be reached at the ports of their Service. One whose `targetPort` is a name that no container bears has the address
//! of each ready pod in its slices all the same, without that port.

use std::collections::BTreeSet;

use serde_json::Value;
use teal_plan::{Phase, Slot};
use teal_traffic::RoleService;

use super::Facts;
use crate::stores::{Endpoint, JsonView, SliceView};

/// What a slice must open for its pods to count, by the Service that it belongs to.
pub(super) struct Wanted {
    ports: BTreeSet<Box<str>>,
}

impl Wanted {
    /// Of a role's Service for the pods of a slot. Live is the measure: a port that its own pods never opened is nobody's loss.
    pub(super) fn of(facts: &Facts<'_>, service: &RoleService, role: &str, slot: Slot) -> Self {
        let under_way = matches!(facts.record.phase, Phase::Step(_) | Phase::Promoting { .. });
        let is_candidate = facts.record.candidate.is_some_and(|candidate| candidate.slot == slot);
        let view = |name: &str| facts.stores.services.get(&facts.names.namespace, name);
        let Some(there) = view(role).filter(|_| under_way && is_candidate) else {
            return Self { ports: BTreeSet::new() };
        };
        let missed = view(&service.name).and_then(|live| missed_by_live(facts, service, &live));
        let ports = missed.map(|missed| names(&there).difference(&missed).cloned().collect());
        Self { ports: ports.unwrap_or_default() }
    }

    /// The first port that a slice lacks.
    pub(super) fn lacks(&self, slice: &SliceView) -> Option<&str> {
        self.ports.iter().map(AsRef::as_ref).find(|port| slice.ports.iter().all(|open| &**open != *port))
    }
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

/// Ports of the live Service that none of live's pods opens; nothing where nobody of live's is behind it, so that there is no measure.
fn missed_by_live(facts: &Facts<'_>, service: &RoleService, there: &JsonView) -> Option<BTreeSet<Box<str>>> {
    let live = facts.record.live?;
    let slices = facts.stores.slices.group(&facts.names.namespace, &service.name);
    let of_live = |endpoint: &Endpoint| is_of(facts, endpoint, live.slot);
    let mut slices = slices.iter().filter(|slice| slice.endpoints.iter().any(of_live)).peekable();
    slices.peek()?;
    let open: BTreeSet<Box<str>> = slices.flat_map(|slice| slice.ports.iter().cloned()).collect();
    Some(names(there).difference(&open).cloned().collect())
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
        let mut slices = slices.iter().filter(|slice| slice.endpoints.iter().any(serves));
        let port = slices.find_map(|slice| wanted.lacks(slice))?;
        let port = if port.is_empty() { String::new() } else { format!(" {port}") };
        Some(format!(
            "Service {}/{role}: no pod of {} opens port{port}: its spec.ports[].targetPort is a name that no container of them has, so \
             name it in containers[].ports, or correct targetPort",
            facts.names.namespace, slot.revision
        ))
    })
}

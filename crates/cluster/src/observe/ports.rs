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
    /// Of a role's Service for the pods of live or of a candidate under way. Live is the measure: a port that its own pods never opened is
    /// nobody's loss; and where only some of them open one, as where the selector takes in a workload that serves nobody, the others
    /// count in neither color.
    pub(super) fn of(facts: &Facts<'_>, service: &RoleService, role: &str, slot: Slot) -> Self {
        let under_way = matches!(facts.record.phase, Phase::Step(_) | Phase::Promoting { .. });
        let is_candidate = facts.record.candidate.is_some_and(|candidate| candidate.slot == slot);
        let is_live = facts.record.live.is_some_and(|live| live.slot == slot);
        let view = |name: &str| facts.stores.services.get(&facts.names.namespace, name);
        let Some(there) = view(role).filter(|_| is_live || (under_way && is_candidate)) else {
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

/// Ports of the live Service that those of live's pods don't open which open the most; nothing where nobody of live's is behind it, so that there is no measure.
fn missed_by_live(facts: &Facts<'_>, service: &RoleService, there: &JsonView) -> Option<BTreeSet<Box<str>>> {
    let live = facts.record.live?;
    let slices = facts.stores.slices.group(&facts.names.namespace, &service.name);
    let of_live = |endpoint: &Endpoint| is_of(facts, endpoint, live.slot);
    let own = |slice: &SliceView| slice.endpoints.iter().filter(|endpoint| of_live(endpoint)).count();
    let slices = slices.iter().filter(|slice| own(slice) > 0);
    let open = |slice: &SliceView| slice.ports.iter().cloned().collect::<BTreeSet<Box<str>>>();
    let most = slices.map(|slice| (open(slice), own(slice))).max_by_key(|(open, own)| (open.len(), *own))?;
    Some(names(there).difference(&most.0).cloned().collect())
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
        let slices = slices.iter().filter(|slice| slice.endpoints.iter().any(serves));
        let lacking: Option<Vec<&str>> = slices.map(|slice| wanted.lacks(slice)).collect();
        let port = *lacking?.first()?;
        let port = if port.is_empty() { String::new() } else { format!(" {port}") };
        Some(format!(
            "Service {}/{role}: no pod of {} opens port{port}: its spec.ports[].targetPort is a name that no container of them has, so \
             name it in containers[].ports, or correct targetPort",
            facts.names.namespace, slot.revision
        ))
    })
}

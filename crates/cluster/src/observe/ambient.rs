//! Callers in Istio's ambient mode: without a waypoint before a Service nobody divides its requests by weight (rule 13).

use teal_api::defaults::FilledVirtualService;
use teal_plan::snapshot::{Obstacle, Stops};
use teal_traffic::{DATAPLANE_MODE, RoleService, USE_WAYPOINT};

use super::{Facts, obstacle};
use crate::stores::{NO_WAYPOINT, PodView};

/// Asks for a sidecar, beside which there is no ambient mode.
const SIDECAR: &str = "sidecar.istio.io/inject";

/// Services whose weights would be ignored. Gateways divide by themselves, so routes that belong to gateways alone are fine.
pub(super) fn waypoints(facts: &Facts<'_>) -> Vec<Obstacle> {
    let in_mesh = |entry: &FilledVirtualService| {
        let bound = super::callers::bound(facts.stores, &facts.names.namespace, entry);
        bound.iter().any(teal_traffic::holds_in_mesh)
    };
    if !facts.filled.virtual_services.iter().any(in_mesh) {
        return Vec::new();
    }
    let namespace = facts.stores.ambient.waypoint(&facts.names.namespace);
    let Some(source) = source(facts, namespace.is_some()) else { return Vec::new() };
    let missing = |service: &&RoleService| {
        let there = facts.stores.services.get(&facts.names.namespace, &service.name).map(|view| view.value());
        let label =
            there.as_ref().and_then(|there| there.pointer("/metadata/labels")?.get(USE_WAYPOINT)?.as_str());
        label.or(namespace.as_deref()).is_none_or(|name| name == NO_WAYPOINT)
    };
    facts.services.iter().filter(missing).map(|service| told(service, &source)).collect()
}

/// What says that the Rollout's pods are in ambient mode: their own label, or the namespace's where they have none.
fn source(facts: &Facts<'_>, namespace: bool) -> Option<String> {
    let label = |pod: &PodView, key: &str| {
        pod.labels.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    };
    let own = |pod: &PodView| label(pod, DATAPLANE_MODE);
    let by_pod = facts.pods.iter().find(|pod| own(pod).as_deref() == Some("ambient"));
    if let Some(pod) = by_pod {
        return Some(format!("Pod {}/{}", facts.names.namespace, pod.id.name));
    }
    let inherits = |pod: &PodView| own(pod).is_none() && label(pod, SIDECAR).as_deref() != Some("true");
    let inherited = facts.pods.is_empty() || facts.pods.iter().any(|pod| inherits(pod));
    (namespace && inherited).then(|| format!("Namespace {}", facts.names.namespace))
}

fn told(service: &RoleService, source: &str) -> Obstacle {
    let RoleService { namespace, name, .. } = service;
    let message = format!(
        "Service {namespace}/{name}: metadata.labels[{USE_WAYPOINT}] names no waypoint, and {source} has \
         metadata.labels[{DATAPLANE_MODE}]: ambient, so callers ignore weights: name a waypoint there or on the namespace, \
         or let the VirtualServices of spec.traffic belong to gateways alone"
    );
    obstacle("WaypointMissing", message, Stops::Rollout)
}

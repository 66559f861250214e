//! Of two Rollouts that want the same, the older keeps it.

use std::sync::Arc;

use serde_json::Value;
use teal_plan::snapshot::{Obstacle, Stops};
use teal_traffic::{RoleService, Scope, shared_routes};

use super::routes::selectors;
use super::{Facts, obstacle};
use crate::stores::{ObjectId, Pokes, RolloutView, What};

/// Services that an older Rollout names, too.
pub(super) fn services(facts: &Facts<'_>, pokes: &Pokes) -> Vec<Obstacle> {
    let mut found = Vec::new();
    for service in facts.services.iter().chain(&facts.later) {
        let id = ObjectId::new(&facts.names.namespace, &service.name);
        for rival in older(facts, pokes, What::Service, &id) {
            let name = &rival.id.name;
            let message = format!(
                "Service {id} in spec.traffic.services belongs to Rollout {name}, which is older: take it out of one \
                 of the two"
            );
            found.push(obstacle("ClaimedByOther", message, Stops::Everything));
        }
    }
    found
}

/// Routes that an older Rollout manages, too. One VirtualService may serve many Rollouts, a route only one: each would
/// take the other's weights for drift.
pub(super) fn routes(facts: &Facts<'_>, pokes: &Pokes) -> Vec<Obstacle> {
    let mut found = Vec::new();
    for entry in &facts.filled.virtual_services {
        let id = ObjectId::new(&facts.names.namespace, &entry.name);
        let rivals = older(facts, pokes, What::VirtualService, &id);
        let view = facts.stores.virtual_services.get(&id.namespace, &id.name).filter(|_| !rivals.is_empty());
        let Some(virtual_service) = view.map(|view| view.value()) else { continue };
        let named = selectors(entry);
        let own = Scope::of(&facts.config.mesh, &facts.services, named.as_deref());
        for rival in rivals {
            let shared = shared_with(facts, &virtual_service, &own, &entry.name, &rival);
            let Some(route) = shared.first() else { continue };
            let name = &rival.id.name;
            let message = format!(
                "VirtualService {id}: {route} belongs to Rollout {name}, which is older: name other routes in \
                 spec.traffic.virtualServices of one of the two, or give this Service a route of its own"
            );
            found.push(obstacle("ClaimedByOther", message, Stops::Everything));
        }
    }
    found
}

/// The routes of a VirtualService that a rival manages as well.
fn shared_with(
    facts: &Facts<'_>,
    virtual_service: &Value,
    own: &Scope<'_>,
    entry: &str,
    rival: &RolloutView,
) -> Vec<String> {
    let place = rival.virtual_services.iter().position(|name| name == entry);
    let named = place.and_then(|place| rival.routes.get(place)).cloned().flatten();
    let role = |name: &String| RoleService::new(&facts.names.namespace, name);
    let services: Vec<RoleService> = rival.services.iter().map(role).collect();
    let theirs = Scope::of(&facts.config.mesh, &services, named.as_deref());
    shared_routes(virtual_service, own, &theirs).unwrap_or_default()
}

/// Older Rollouts that refer to the same object.
fn older(facts: &Facts<'_>, pokes: &Pokes, what: What, id: &ObjectId) -> Vec<Arc<RolloutView>> {
    let view = |name: &String| facts.stores.rollouts.get(&facts.names.namespace, name);
    let made = |view: &RolloutView| (view.created.clone(), view.id.name.clone());
    let own = view(&facts.names.name).map(|view| made(&view));
    let rivals = pokes.rivals(what, id, &facts.names.name);
    let views = rivals.iter().filter_map(view);
    views.filter(|rival| own.as_ref().is_none_or(|own| made(rival) < *own)).collect()
}

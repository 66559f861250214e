//! Where the role Services point.

use std::sync::Arc;

use serde_json::Value;
use teal_api::names::annotation;
use teal_plan::Slot;
use teal_plan::snapshot::ServiceSeen;

use super::Facts;
use crate::json;
use crate::memory::Memory;
use crate::stores::{JsonView, View, points, read_epoch, selects_both};

/// Whether a role Service goes with the Rollout although the spec says otherwise, or stays although it should go.
pub(super) fn owners_differ(facts: &Facts<'_>) -> bool {
    let owned = facts.filled.on_delete == teal_api::rollout::OnDelete::DeleteAll;
    let names = facts.services.iter().flat_map(|service| [&service.name, &service.candidate]);
    let mut views = names.filter_map(|name| facts.stores.services.get(&facts.names.namespace, name));
    views.any(|view| crate::execute::owners::differs(&view, &facts.names.uid, owned))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Live,
    Candidate,
}

/// What a Service selects, if it is a slot of this Rollout.
pub(crate) fn points_of(service: &Value, rollout: &str) -> Option<Slot> {
    let selector = service.pointer("/spec/selector")?;
    points(|key| selector.get(key).and_then(Value::as_str), rollout)
}

/// Whether a Service selects pods of this Rollout, of whatever revision.
pub(crate) fn selects_both_of(service: &Value, rollout: &str) -> bool {
    let selector = service.pointer("/spec/selector");
    selector.is_some_and(|selector| selects_both(|key| selector.get(key).and_then(Value::as_str), rollout))
}

/// The epoch that a Rollout wrote on an object.
pub(crate) fn epoch_on(object: &Value, uid: &str) -> u64 {
    json::annotation(object, &annotation::epoch(uid)).map_or(0, read_epoch)
}

pub(super) fn see(facts: &Facts<'_>, role: Role, memory: &mut Memory) -> ServiceSeen {
    let views: Vec<Option<Arc<JsonView>>> = facts
        .services
        .iter()
        .map(|service| if role == Role::Live { &service.name } else { &service.candidate })
        .map(|name| facts.stores.services.get(&facts.names.namespace, name))
        .collect();
    let mut points = views.iter().map(|view| view.as_ref()?.points(&facts.names.name));
    let first = points.next().flatten();
    let points = first.filter(|slot| points.all(|other| other == Some(*slot)));
    let settled = points.is_some_and(|slot| views.iter().flatten().all(|view| settled(facts, view, slot)));
    let epochs = views.iter().map(|view| view.as_ref().map_or(0, |view| view.epoch(&facts.names.uid)));
    let epochs = epochs.map(|epoch| facts.believed(epoch));
    let fact = if role == Role::Live { "live role" } else { "candidate role" };
    // Anew with every write, even of what was there before: between two looks they may have said something else.
    let versions: Vec<u64> = views.iter().flatten().map(|view| view.version()).collect();
    ServiceSeen {
        points,
        settled,
        since: memory.sightings.since(fact, &(points, settled, versions), facts.now),
        epoch: epochs.min().unwrap_or(0),
        selects_others: views.iter().flatten().any(|view| selects_others(facts, view)),
    }
}

/// Whether anything answers there isn't known: only EndpointSlices of this Rollout's own Services are watched.
fn selects_others(facts: &Facts<'_>, service: &JsonView) -> bool {
    let ours = service.points(&facts.names.name).is_some() || service.selects_both(&facts.names.name);
    service.selector().next().is_some() && !ours
}

/// Every address belongs, by the uid of its target, to a pod of the slot; and there is one.
fn settled(facts: &Facts<'_>, service: &JsonView, slot: Slot) -> bool {
    let slices = facts.stores.slices.group(&facts.names.namespace, &service.id().name);
    let mut endpoints = slices.iter().flat_map(|slice| &slice.endpoints).peekable();
    let of_slot = |uid: &str| facts.pod(uid).is_some_and(|pod| pod.slot() == Some(slot));
    endpoints.peek().is_some() && endpoints.all(|endpoint| of_slot(&endpoint.pod))
}

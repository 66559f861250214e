//! Services that the Rollout led and that its spec names no more. Nobody turns them again: they select one revision, and die with
//! it.

use std::collections::BTreeSet;
use std::sync::Arc;

use teal_api::names::{label, role};
use teal_plan::Slot;
use teal_plan::snapshot::{Obstacle, Stops};

use super::{Facts, manifests_of, obstacle};
use crate::stores::{JsonView, View};

/// One for each. A release that still has such a Service is not rolled out: its author hardly meant to leave its callers behind.
pub(super) fn behind(facts: &Facts<'_>) -> Vec<Obstacle> {
    let rollout = facts.names.name.as_str();
    let known = known(facts);
    let services = facts.stores.services.group(&facts.names.namespace, "");
    let left = services.iter().filter(|view| {
        view.rollout() == Some(rollout)
            && view.label(label::ROLE) == Some(role::LIVE)
            && !known.contains(view.id().name.as_str())
    });
    left.filter_map(|view| told(facts, view)).collect()
}

/// Names of the spec's Services and of those that count.
fn known<'f>(facts: &'f Facts<'_>) -> BTreeSet<&'f str> {
    let named = facts.rollout.spec.traffic.services.iter().map(|service| service.name.as_str());
    let count = facts.services.iter().chain(&facts.later);
    named.chain(count.flat_map(|service| [service.name.as_str(), service.candidate.as_str()])).collect()
}

/// Nothing of one that has got a selector of its own.
fn told(facts: &Facts<'_>, view: &Arc<JsonView>) -> Option<Obstacle> {
    let slot = view.points(&facts.names.name)?;
    let id = view.id();
    let is_released = manifests_of(facts.rollout.spec.release.raw())
        .iter()
        .any(|manifest| manifest["kind"] == "Service" && manifest["metadata"]["name"] == id.name.as_str());
    let (also, inner, stops) = if is_released {
        (", although spec.release still has it", format!(", {}", inner(slot)), Stops::Rollout)
    } else {
        ("", String::new(), Stops::Nothing)
    };
    let message = format!(
        "Service {id} was led by this Rollout and is in spec.traffic.services no more{also}: it goes on to select revision {} \
         ({}) and loses its endpoints when that is removed: name it there again, with its manifest{inner}, or give it a selector of its \
         own, or, if nobody calls it, take its manifest out and delete it",
        slot.revision, slot.color
    );
    Some(obstacle("ServiceLeftBehind", message, stops))
}

/// Each color gets one of its own, and callers in the former revision go on by the name that they know.
fn inner(slot: Slot) -> String {
    format!(
        "or, if it is an inner one from now on, take {} out of its selector: it serves callers in {} until that is removed, and can be \
         deleted then",
        label::REVISION,
        slot.color
    )
}

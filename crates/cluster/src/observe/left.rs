//! Services that select one color alone and that nobody turns: such as the Rollout led and its spec names no more. They die with that
//! color.

use std::collections::BTreeSet;
use std::sync::Arc;

use teal_api::names::{label, role};
use teal_plan::Slot;
use teal_plan::snapshot::{Obstacle, Stops};

use super::around::{is_a_colors, may_select};
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
    let bound = services.iter().filter(|view| !known.contains(view.id().name.as_str()));
    left.filter_map(|view| told(facts, view)).chain(bound.filter_map(|view| bound_to(facts, view))).collect()
}

/// Somebody gave it the label of one color.
fn bound_to(facts: &Facts<'_>, view: &Arc<JsonView>) -> Option<Obstacle> {
    let mut selector = view.selector();
    let (_, color) = selector.find(|(name, _)| [label::COLOR, label::REVISION].contains(name))?;
    let name = facts.names.name.as_str();
    // One that was led and that each color has one of its own of by now serves the callers that go with it.
    if is_a_colors(view, name) || (view.rollout() == Some(name) && is_released(facts, view)) {
        return None;
    }
    let selects = facts.pods.iter().any(|pod| may_select(view, &pod.labels.iter().cloned().collect()));
    selects.then(|| {
        let message = format!(
            "Service {} selects the pods of {color} alone and loses its endpoints when they are removed: name it in \
             spec.traffic.services, with its manifest, or delete it if nobody calls it",
            view.id()
        );
        obstacle("ServiceLeftBehind", message, Stops::Nothing)
    })
}

/// Whether the release that is wanted has it.
fn is_released(facts: &Facts<'_>, view: &Arc<JsonView>) -> bool {
    let name = view.id().name;
    manifests_of(facts.rollout.spec.release.raw())
        .iter()
        .any(|manifest| manifest["kind"] == "Service" && manifest["metadata"]["name"] == name.as_str())
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
    let (also, inner, stops) = if is_released(facts, view) {
        (", although spec.release still has it", format!(", {}", inner(slot)), Stops::Rollout)
    } else {
        ("", String::new(), Stops::Nothing)
    };
    let live = facts.record.live.map(|live| live.slot);
    let rescue = match live.filter(|live| *live != slot) {
        // A new release takes that color's place before it counts.
        Some(live) => format!(
            "give its selector teal.dev/color: {} without teal.dev/revision, then name it there again, with its manifest",
            live.color
        ),
        None => "name it there again, with its manifest".to_owned(),
    };
    let message = format!(
        "Service {id} was led by this Rollout and is in spec.traffic.services no more{also}: it goes on to select revision {} \
         ({}) and loses its endpoints when that is removed: {rescue}{inner}, or, if nobody calls it, take its manifest out and delete it",
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

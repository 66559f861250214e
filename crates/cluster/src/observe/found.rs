//! What serves although nothing is recorded of it: after a first apply, a restore without status, or a new Rollout of a
//! name that had one before.

use teal_plan::snapshot::{Found, Obstacle, Stops};
use teal_plan::{ContentHash, Phase, Slot};

use super::roles::settled;
use super::{Facts, obstacle, overlap};
use crate::stores::JsonView;

pub(super) fn see(facts: &Facts<'_>, obstacles: &mut Vec<Obstacle>) -> Found {
    let services = facts.services.iter().map(|service| &service.name);
    let views: Vec<_> =
        services.filter_map(|name| facts.stores.services.get(&facts.names.namespace, name)).collect();
    if let Some(foreign) = views.iter().find(|view| is_foreign(facts, view)) {
        // Another Rollout's claim is told as such.
        let claimed = obstacles.iter().any(|obstacle| obstacle.reason == "ClaimedByOther");
        if matches!(facts.record.phase, Phase::New) && !claimed {
            obstacles.insert(0, taken(foreign, &facts.names.name));
        }
        return Found::Foreign;
    }
    let slots: Vec<Option<Slot>> = views
        .iter()
        .map(|view| {
            let points = view.points(&facts.names.name);
            points.or_else(|| overlap::older(facts, view)).or_else(|| installed(facts, view))
        })
        .collect();
    let first = slots.iter().flatten().next();
    match first {
        // The first Service that says something says it for all: the others are pointed there.
        Some(slot) if is_there(facts, *slot) => Found::Release { slot: *slot, hash: hash_of(facts, *slot) },
        Some(_) | None => Found::Nothing,
    }
}

/// A first release whose Service was applied anew by its owner's selector, while all that answers there is its own.
pub(super) fn installed(facts: &Facts<'_>, service: &JsonView) -> Option<Slot> {
    let Phase::Installing { .. } = facts.record.phase else { return None };
    facts.record.live.map(|live| live.slot).filter(|slot| settled(facts, service, *slot))
}

/// Neither labelled as this Rollout's nor pointed at one of its slots, and it selects something.
pub(super) fn is_foreign(facts: &Facts<'_>, view: &JsonView) -> bool {
    let selects = view.selector().next().is_some();
    let ours = view.points(&facts.names.name).is_some() || view.selects_both(&facts.names.name);
    view.rollout() != Some(facts.names.name.as_str()) && !ours && selects
}

pub(super) fn taken(view: &JsonView, rollout: &str) -> Obstacle {
    use crate::stores::View;
    let id = view.id();
    let value = view.value();
    let owner = crate::stores::strangers(&value, "selector");
    let owner = owner.first().map_or("another writer", |(name, _)| *name);
    let message = format!(
        "Service {id} exists, is written by {owner} and is not this Rollout's; taking over its selector would move its \
         callers: consent by the label {}={} on it, or name another Service in spec.traffic.services",
        teal_api::names::label::ROLLOUT,
        rollout
    );
    obstacle("NameTaken", message, Stops::Everything)
}

fn is_there(facts: &Facts<'_>, slot: Slot) -> bool {
    facts.objects.iter().any(|view| view.slot() == Some(slot))
        || facts.pods.iter().any(|pod| pod.slot() == Some(slot))
}

/// As its objects say; where they don't, a hash of no known recipe, which sets a new base line and starts nothing.
fn hash_of(facts: &Facts<'_>, slot: Slot) -> ContentHash {
    let said = facts.objects.iter().filter(|view| view.slot() == Some(slot)).find_map(|view| view.hash);
    said.unwrap_or(ContentHash { version: 0, digest: [0; 32] })
}

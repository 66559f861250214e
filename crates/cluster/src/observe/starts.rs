//! What is in the way of starting anything: no room for it, or content that doesn't come to rest.

use teal_plan::Phase;
use teal_plan::snapshot::{NAMESPACE_TERMINATING, Obstacle, Stops};
use teal_release::Shortage;

use super::{Facts, obstacle};
use crate::memory::Memory;

pub(super) fn obstacles(facts: &Facts<'_>, memory: &Memory) -> Vec<Obstacle> {
    let found = [no_room(facts, memory), no_room_for_pods(facts, memory), unsettled(facts, memory)];
    found.into_iter().flatten().collect()
}

/// Before all else: whatever else is in the way goes with the namespace.
pub(super) fn namespace_ends(facts: &Facts<'_>, memory: &Memory) -> Option<Obstacle> {
    memory.namespace_goes.then(|| ends(&facts.names.namespace))
}

/// That a namespace is being deleted.
pub(crate) fn ends(namespace: &str) -> Obstacle {
    let message = format!(
        "Namespace {namespace}: metadata.deletionTimestamp is set, so it is being deleted: nothing is made in it any more, \
         and routes are left as they are; to have the service again, make the namespace anew once it is gone and apply \
         the Rollout there"
    );
    obstacle(NAMESPACE_TERMINATING, message, Stops::Everything)
}

/// With nothing installed yet, what is in the way of a start stops everything.
const fn stops(facts: &Facts<'_>) -> Stops {
    match facts.record.phase {
        Phase::New | Phase::Installing { .. } => Stops::Everything,
        Phase::Rest { .. } | Phase::Step(_) | Phase::Promoting { .. } | Phase::Returning { .. } => {
            Stops::Rollout
        }
    }
}

/// As a look at quotas and nodes found before something was to be created. Too few nodes stop nothing: pods that wait are what makes
/// an autoscaler add some, and the scheduler says of each what it waits for.
fn no_room(facts: &Facts<'_>, memory: &Memory) -> Option<Obstacle> {
    let room = memory.room.as_ref().filter(|room| room.hash == facts.hash)?;
    match room.shortage.clone()? {
        Shortage::Quota(says) => Some(obstacle("NoRoom", says, stops(facts))),
        Shortage::Nodes(says) => {
            room.is_fresh(facts.now).then(|| obstacle("NodesShort", says, Stops::Nothing))
        }
    }
}

/// The API server refuses pods of what is brought up for a quota: one that came, or was used up, after the look.
fn no_room_for_pods(facts: &Facts<'_>, memory: &Memory) -> Option<Obstacle> {
    let comes = match facts.record.phase {
        Phase::Installing { .. } => facts.record.live,
        Phase::Step(_) | Phase::Promoting { .. } => facts.record.candidate,
        // One that failed and is kept to be looked at is in nobody's way.
        Phase::New | Phase::Rest { .. } | Phase::Returning { .. } => None,
    };
    let slot = comes?.slot;
    let workloads = facts.objects.iter().filter(|view| view.slot() == Some(slot));
    workloads.into_iter().find_map(|view| {
        let failure = memory.refusals.failure(view)?;
        let (kind, name) = (view.kind.kind, &view.id.name);
        let message = format!("{kind} {name}: {failure}: raise the quota or free some of it");
        // Never everything, also at a first install: a release that needs fewer pods is the remedy at hand and must be applied.
        failure.contains("exceeded quota").then(|| obstacle("NoRoom", message, Stops::Rollout))
    })
}

/// Content that changes again and again is not followed before it has come to rest.
fn unsettled(facts: &Facts<'_>, memory: &Memory) -> Option<Obstacle> {
    memory.edits.settles(facts.now)?;
    let message = format!(
        "spec.release of Rollout {}/{} changes again and again: nothing is started before it has been still for 5 s; \
         if it never is, find who writes it (kubectl get rollouts.teal.dev {} -o yaml --show-managed-fields)",
        facts.names.namespace, facts.names.name, facts.names.name
    );
    Some(obstacle("ReleaseUnsettled", message, stops(facts)))
}

//! What both colors share: whose form it has, and that no release takes it from live's pods.

use serde_json::Value;
use teal_plan::snapshot::{Obstacle, Stops};
use teal_plan::{ContentHash, Phase, Record, Slot};
use teal_release::LetGo;

use super::{Facts, Renderings, obstacle};
use crate::rendering::{Piece, Rendering};

/// Whether a shared object should have the form that it has in this slot. There is one form: that of what is being tried, or of live at
/// rest. Going back undoes none, but for what holds for pods: live's go by what live says as long as the spec asks for something else.
pub(crate) fn answers_for(record: &Record, asked: ContentHash, slot: Slot, piece: &Piece) -> bool {
    match &record.phase {
        Phase::Step(_) | Phase::Promoting { .. } => {
            record.candidate.is_some_and(|candidate| candidate.slot == slot)
        }
        Phase::Rest { .. } | Phase::Installing { .. } => record.live.is_some_and(|live| {
            let holds_for_pods = teal_release::holds_for_pods(piece.kind.group, piece.kind.kind);
            live.slot == slot && (live.hash == asked || holds_for_pods)
        }),
        Phase::New | Phase::Returning { .. } => false,
    }
}

/// Policies that would hold for live's pods no more. They have one object for both colors, which is applied before any weight moves.
pub(super) fn lets_go(facts: &Facts<'_>, renderings: &Renderings) -> Vec<Obstacle> {
    let Some(live) = facts.record.live.filter(|live| live.hash != facts.hash && !is_begun(facts)) else {
        return Vec::new();
    };
    let (Some(there), Some(wanted)) = (renderings.color(live.slot.color), &renderings.wanted) else {
        return Vec::new();
    };
    let found = teal_release::lets_go(&objects(there), &objects(wanted));
    found.iter().map(|found| told(facts, live.slot, found)).collect()
}

/// What is being tried was applied already, as what comes first is: to hold it at its weight would give nothing back.
fn is_begun(facts: &Facts<'_>) -> bool {
    match facts.record.phase {
        Phase::Step(_) | Phase::Promoting { .. } => {
            facts.record.candidate.is_some_and(|candidate| candidate.hash == facts.hash)
        }
        Phase::New | Phase::Installing { .. } => true,
        Phase::Rest { .. } | Phase::Returning { .. } => false,
    }
}

fn objects(rendering: &Rendering) -> Vec<&Value> {
    rendering.pieces.iter().map(|piece| &piece.object).collect()
}

fn told(facts: &Facts<'_>, live: Slot, found: &LetGo) -> Obstacle {
    let LetGo { key, field, workload } = found;
    let rollout = &facts.names.name;
    let message = format!(
        "{key}: {field} of spec.release no longer selects the pods of {workload}, which are live ({}) and would be without it from \
         the start, for both revisions share one object of that name: let it select both, by labels that both have (all pods of this \
         Rollout have teal.dev/rollout: {rollout}), or give it another metadata.name: then {} stays as it is for as long as a revision \
         that has it is kept",
        live.revision, key.name
    );
    obstacle("PolicyGap", message, Stops::Rollout)
}

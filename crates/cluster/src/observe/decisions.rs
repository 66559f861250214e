//! Decisions that have no outcome yet.

use teal_api::Action as Asked;
use teal_plan::Time;
use teal_plan::snapshot::{Action, DecisionSeen};

use super::Facts;
use crate::stores::DecisionView;

/// Oldest first.
pub(super) fn see(facts: &Facts<'_>) -> Vec<DecisionSeen> {
    let mut open = facts.stores.decisions.group(&facts.names.namespace, &facts.names.name);
    open.retain(|view| !view.is_answered());
    open.sort_by(|one, other| (&one.created, &one.id.name).cmp(&(&other.created, &other.id.name)));
    open.iter().map(|view| read(view, &facts.names.uid)).collect()
}

fn read(view: &DecisionView, uid: &str) -> DecisionSeen {
    let spec = &view.decision.spec;
    DecisionSeen {
        name: view.id.name.clone(),
        uid: view.uid.clone(),
        made: made(view),
        same_rollout: spec.rollout.uid.as_deref().is_none_or(|named| named == uid),
        action: action(spec.action),
        revision: spec.revision.clone(),
        step: spec.step.clone(),
        nonce: spec.nonce.clone(),
        evidence: spec.evidence.clone(),
        user: spec.decided_by.user.clone(),
        via: spec.via.clone().unwrap_or_default(),
        reason: spec.reason.clone().unwrap_or_default(),
    }
}

/// One whose time can't be read was made before everything.
fn made(view: &DecisionView) -> Time {
    let made: Option<jiff::Timestamp> = view.created.parse().ok();
    made.map_or(Time(i64::MIN), |made| Time(made.as_millisecond()))
}

const fn action(asked: Asked) -> Action {
    match asked {
        Asked::Approve => Action::Approve,
        Asked::Reject => Action::Reject,
        Asked::Rollback => Action::Rollback,
        Asked::Pause => Action::Pause,
        Asked::Resume => Action::Resume,
        Asked::Skip => Action::Skip,
        Asked::Retry => Action::Retry,
        Asked::Retire => Action::Retire,
    }
}

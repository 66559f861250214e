//! What a Rollout waits for, what happens next, and what a person can do about it: read from status and spec, by the
//! rules that the operator follows.

mod commands;
mod next;

use jiff::Timestamp;
use teal_api::RolloutStatus;
use teal_api::conditions::{ConditionType, Phase};

pub use commands::{Suggestion, commands};
pub use next::next;

use crate::standing::phase;

/// Since when it is as it is.
pub fn since(status: &RolloutStatus) -> Option<Timestamp> {
    let changed = |kind: ConditionType| {
        let condition = status.condition(kind)?;
        Some(condition.last_transition_time.0)
    };
    let stalled = || changed(ConditionType::Stalled);
    let ready = || changed(ConditionType::Ready);
    let reached = || status.step.as_ref().and_then(|step| step.reached_at);
    match phase(status) {
        Some(Phase::Waiting) => {
            status.gate.as_ref().and_then(|gate| gate.opened_at).or_else(stalled).or_else(reached)
        }
        Some(Phase::Checking) => reached(),
        Some(Phase::Installing | Phase::Preparing) => {
            status.candidate.as_ref().and_then(|candidate| candidate.since).or_else(ready)
        }
        Some(Phase::Complete) => status.live.as_ref().and_then(|live| live.since).or_else(ready),
        Some(Phase::Blocked) => changed(ConditionType::Accepted).or_else(stalled),
        Some(
            Phase::Shifting
            | Phase::Paused
            | Phase::Promoting
            | Phase::RollingBack
            | Phase::RolledBack
            | Phase::HandsOff,
        )
        | None => stalled().or_else(ready),
    }
}

//! What a Rollout waits for, what happens next, and what a person can do about it: read from status and spec, by the
//! rules that the operator follows.

mod commands;
mod next;

use jiff::{SignedDuration, Timestamp};
use teal_api::conditions::{ConditionType, Phase};
use teal_api::defaults::filled;
use teal_api::{Rollout, RolloutStatus};

pub use commands::{Suggestion, commands};
pub use next::next;

use crate::standing::phase;

/// Since when it is as it is, as far as that is known now.
pub fn since(rollout: &Rollout, now: Timestamp) -> Option<Timestamp> {
    let status = rollout.status.as_ref()?;
    let changed = |kind: ConditionType| {
        let condition = status.condition(kind)?;
        Some(condition.last_transition_time.0)
    };
    let refused = || {
        let accepted =
            status.condition(ConditionType::Accepted).filter(|accepted| accepted.status == "False")?;
        Some(accepted.last_transition_time.0)
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
        Some(Phase::Blocked) => refused().or_else(stalled).or_else(ready),
        // Conditions don't change with these: what is known of their time stands in what was committed.
        Some(Phase::RollingBack) => committed(status, "since"),
        Some(Phase::Promoting) => stalled().or_else(|| promoting(rollout, status, now)),
        Some(Phase::Shifting | Phase::Paused | Phase::RolledBack | Phase::HandsOff) | None => {
            stalled().or_else(ready)
        }
    }
}

/// A time of the phase in the planner's record, whose form may be another operator's.
fn committed(status: &RolloutStatus, name: &str) -> Option<Timestamp> {
    let millis = status.commit.as_ref()?.get("phase")?.get(name)?.as_i64()?;
    Timestamp::from_millisecond(millis).ok()
}

/// Its time, which a pause or a Retry begins anew, began one deadline before it ends, unless the deadline was edited since. What
/// lies before the candidate or in the future can't be, and no time is said rather than a wrong one.
fn promoting(rollout: &Rollout, status: &RolloutStatus, now: Timestamp) -> Option<Timestamp> {
    let whole = i64::try_from(filled(&rollout.spec).ok()?.progress_deadline_ms).ok()?;
    let began = committed(status, "deadline")?.checked_sub(SignedDuration::from_millis(whole)).ok()?;
    let candidate = status.candidate.as_ref()?.since?;
    (candidate <= began && began <= now).then_some(began)
}

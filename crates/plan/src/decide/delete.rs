//! Deletion of the Rollout: traffic to live, routes to their owner's bytes, the candidate away; then the finalizer.

use super::{Next, connections, home, reach, returning};
use crate::outcome::{Effect, Plan, Why};
use crate::record::{Cause, Phase};
use crate::snapshot::{Found, Objects, Snapshot};

/// None where the phase's own rules lead on.
pub(super) fn plan(s: &Snapshot) -> Option<Plan> {
    if !s.world.finalizer {
        // Nothing of ours is in the way; whatever serves goes on serving.
        return Some(Next::default().into());
    }
    if s.world.abandoned {
        return Some(release());
    }
    match &s.record.phase {
        Phase::Step(_) | Phase::Promoting { .. } => Some(returning::send_back(s, Cause::Deleted)),
        Phase::Returning { .. } => None,
        // The record was lost: it is made anew from what serves, and leads home from there.
        Phase::New if matches!(s.world.found, Found::Release { .. }) => None,
        Phase::New | Phase::Installing { .. } => Some(leave_routes(s)),
        Phase::Rest { .. } => Some(leave(s)),
    }
}

/// Nothing is live that the candidate's role could be led home to; so routes at least must name nothing that goes.
fn leave_routes(s: &Snapshot) -> Plan {
    let mut next = Next::default();
    if home::routes(s, 0, true, &mut next) { release() } else { next.into() }
}

fn release() -> Plan {
    let mut next = Next::default();
    next.act(Effect::Finalizer(false));
    next.into()
}

fn leave(s: &Snapshot) -> Plan {
    let Some(live) = s.record.live else { return release() };
    let mut next = Next::default();
    if !home::lead(s, live.slot, 0, &mut next) || !next.effects.is_empty() {
        return next.into();
    }
    let color = live.slot.color.other();
    let kept = s.record.previous.is_some();
    if !kept && s.world.color(color).objects != Objects::Absent {
        if let Some(draft) = connections::over(s) {
            return draft.commit(vec![Why::Clearing(color)]);
        }
        if let Some((until, why)) = connections::waiting(s) {
            next.wait(until, why);
            return next.into();
        }
        super::clearing(s, color, &mut next);
        match reach::draining(s) {
            Some(until) => next.wake(until),
            None => next.act(Effect::Vacate { color, except: None }),
        }
        return next.into();
    }
    release()
}

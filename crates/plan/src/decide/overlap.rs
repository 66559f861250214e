//! Rule 11: what leads to a Service from outside learns of other pods late. Before it is turned it selects pods of both
//! revisions, so that none that is still asked is already gone. Only forward: going back is one write.

use super::Next;
use crate::outcome::{Effect, Why};
use crate::snapshot::Snapshot;
use crate::words::{Slot, Time};

/// Turns the live role to the candidate, through the overlap where one is needed.
pub(super) fn turn(s: &Snapshot, candidate: Slot, next: &mut Next) {
    let Some(overlap) = s.world.overlap else { return next.act(Effect::PointLive(candidate)) };
    let until = overlap.ends();
    match until {
        Some(until) if s.now >= until => return next.act(Effect::PointLive(candidate)),
        Some(until) => next.wake(until),
        None if !overlap.selected => next.act(Effect::Overlap(candidate)),
        None => {}
    }
    next.say(Why::Overlapping { lasts: overlap.lasts, until });
}

/// Whether Services select both revisions now.
pub(super) fn is_on(s: &Snapshot) -> bool {
    s.world.overlap.is_some_and(|overlap| overlap.selected)
}

/// That it will come, for the status that is written before it.
pub(super) fn ahead(s: &Snapshot) -> Option<Why> {
    s.world.overlap.map(|overlap| Why::Overlapping { lasts: overlap.lasts, until: None })
}

/// The deadline of a wait that the overlap is a part of: its time is a wait by intent, like a hold. None while it runs; and what
/// follows on it has its own time, since an overlap may begin anew when the Service is written.
pub(super) fn deadline(s: &Snapshot, deadline: Time) -> Option<Time> {
    let Some(overlap) = s.world.overlap else { return Some(deadline) };
    let later = deadline + overlap.lasts;
    match overlap.ends() {
        Some(until) if s.now < until => None,
        Some(until) => Some(later.max(until + s.settings.progress_deadline)),
        None => Some(later),
    }
}

//! When the machine has waited long enough: then traffic goes back, or a person is asked, as `spec.onFailure` says.

use super::{Next, overlap, step};
use crate::outcome::Why;
use crate::record::{Phase, Record};
use crate::report::{WARNINGS, sentence};
use crate::settings::{Mode, OnFailure, Settings};
use crate::snapshot::{Obstacle, Snapshot, Stops, is_paused};
use crate::words::{Span, Time};

/// The deadline of what is waited for, as the record has it. None where no time counts: a pause by anybody, hands that are kept
/// off, an obstacle before the first weight, others of the group that are not as far, an overlap that runs. Rules and status read it
/// here, so that nobody is told of a going back that won't come.
pub(crate) fn deadline(s: &Snapshot, record: &Record) -> Option<Time> {
    let hands_off = s.settings.mode == Mode::HandsOff && !s.deleting;
    let paused = s.settings.halt.is_some() || is_paused(s.settings.mode, record);
    if hands_off || paused || s.ends().is_some() {
        return None;
    }
    match &record.phase {
        Phase::Step(place) if place.reached.is_some() => {
            // A weight that was there and can't be had again.
            step::gone(s, place).map(|since| since + s.settings.progress_deadline)
        }
        Phase::Step(_) if record.blocked_since.is_some() => None,
        // The others have deadlines of their own.
        Phase::Step(_) if record.group.as_ref().is_some_and(|pact| pact.waiting) => None,
        Phase::Step(place) if !s.settings.routed && place.weight == 100 => {
            overlap::deadline(s, watched(s, place.deadline))
        }
        Phase::Step(place) => Some(watched(s, place.deadline)),
        Phase::Promoting { deadline } => overlap::deadline(s, watched(s, *deadline)),
        Phase::New | Phase::Installing { .. } | Phase::Rest { .. } | Phase::Returning { .. } => None,
    }
}

/// What a new process may need to find out how far things are, and to write what only it was missing for.
const CATCHES_UP: Span = Span::seconds(120);

/// A deadline that passed while nobody looked says nothing of the candidate: it may have been complete for hours, and yet proxies
/// are given time anew by whoever sees it first. So nothing is sent back before there was time to go all the way with pods that
/// are ready: past proxies three times at most, in a promotion. Not the whole deadline, which a process that is made anew every few
/// minutes would put off for ever; what is really late goes back soon after the return. Where the spec has a person decide,
/// nothing is lost by saying at once that it is late, and what was said doesn't come and go with each restart.
fn watched(s: &Snapshot, deadline: Time) -> Time {
    if s.settings.on_failure == OnFailure::Hold {
        return deadline;
    }
    let proxies = s.settings.propagation.0.saturating_mul(3);
    let enough = Span(CATCHES_UP.0.saturating_add(proxies)).min(s.settings.progress_deadline);
    deadline.max(s.watched_since + enough)
}

/// From when a going back that waits for live is told as stalled. It goes on whenever it can.
pub(crate) fn back_late(phase: &Phase, settings: &Settings) -> Option<Time> {
    let Phase::Returning { since, .. } = phase else { return None };
    Some(*since + settings.progress_deadline)
}

/// Looks again until it passes, and at half of it where pods are waited for of which nothing is known: by then they are named.
pub(super) fn wake(s: &Snapshot, deadline: Time, next: &mut Next) {
    next.wake(Time(deadline.0.saturating_add(1)));
    let half = Time(deadline.0.saturating_sub(s.settings.progress_deadline.0 / 2));
    if s.now < half && next.why.iter().any(|why| matches!(why, Why::Starting { trouble: None, .. })) {
        next.wake(half);
    }
}

/// What a deadline passed over, as words for history and message: what a write met or what is in the way, before what is missing.
/// That a weight is moved says nothing of why it never got there.
pub(super) fn waiting_for(s: &Snapshot, why: &[Why]) -> String {
    let met = |obstacle: &&Obstacle| obstacle.stops >= Stops::Rollout || is_met(obstacle);
    if let Some(obstacle) = s.world.obstacles.iter().find(met) {
        return obstacle.message.clone();
    }
    // Each link of the way waits for the one before, so what is missing first is the cause.
    let missing = why.iter().find(|why| !moves(why)).or(why.last());
    missing.map_or_else(|| "the candidate's traffic".to_owned(), sentence)
}

/// Whether a write was refused or fails again and again; anything else that stops nothing is a warning.
pub(super) fn is_met(obstacle: &Obstacle) -> bool {
    obstacle.reason == "WriteFails" || !WARNINGS.contains(&obstacle.reason.as_str())
}

/// Where it is on its way, and nothing that it waits for.
const fn moves(why: &Why) -> bool {
    matches!(why, Why::Shifting { .. } | Why::Promoting | Why::Propagating { .. } | Why::CatchingUp)
}

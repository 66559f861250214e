//! What writes met, and what is told of it.

use teal_plan::snapshot::{Obstacle, Stops};
use teal_plan::{Phase, Time};

use crate::error::{Class, Error};
use crate::execute::Done;
use crate::memory::Memory;
use crate::observe::Seen;

/// Failures in a row of one write before it is told.
const LASTING: u32 = 3;

/// Takes note of what writes met; the first failure that wants another try.
pub(crate) fn remember(memory: &mut Memory, done: Vec<Done>, stops: Stops, now: Time) -> Option<Error> {
    let mut failed = None;
    for Done { effect, result, unsure } in done {
        memory.unsure.extend(unsure);
        match result {
            Ok(_) => {
                memory.met.remove(effect);
                memory.failing.remove(effect);
            }
            Err(error) => {
                // A conflict is how two writers notice each other, and no fault of what answers.
                let lasting = error.class() != Class::Conflict && memory.fails(effect, now) >= LASTING;
                if let Some(obstacle) = met(&error, stops).or_else(|| lasting.then(|| fails(effect, &error)))
                {
                    memory.met.insert(effect, (obstacle, now));
                }
                if failed.as_ref().is_none_or(|first: &Error| first.class() == Class::Conflict) {
                    failed = Some(error);
                }
            }
        }
    }
    failed
}

/// What was written again.
pub(crate) fn mended(objects: &[String]) -> Obstacle {
    noted(format!(
        "{} of live differed from its revision and was written again: change spec.release instead",
        objects.join(", ")
    ))
}

/// What was mended is told as a warning.
pub(crate) fn noted(message: String) -> Obstacle {
    Obstacle { reason: "LiveRepaired".into(), message, stops: Stops::Nothing }
}

/// What a refused write stops. While a candidate is brought up, that: its deadline waits, no route is touched, and it
/// goes on once the write succeeds. Elsewhere nothing: what can't be repaired must not keep anything else from going on.
pub(crate) fn before_any_weight(seen: &Seen) -> Stops {
    let snapshot = &seen.snapshot;
    match &snapshot.record.phase {
        Phase::Step(place) if place.reached.is_none() && snapshot.world.routes.form.highest() == 0 => {
            Stops::Rollout
        }
        Phase::New
        | Phase::Installing { .. }
        | Phase::Rest { .. }
        | Phase::Step(_)
        | Phase::Promoting { .. }
        | Phase::Returning { .. } => Stops::Nothing,
    }
}

/// What a refusal means for the Rollout: it is said until it is gone, and tried again.
fn met(error: &Error, stops: Stops) -> Option<Obstacle> {
    let said = error.said();
    let (reason, remedy) = match error {
        Error::NameTaken { .. } => ("NameTaken", ""),
        Error::Traffic(refusal) => {
            return Some(Obstacle { reason: refusal.reason().into(), message: said, stops: Stops::Rollout });
        }
        _ if said.contains("exceeded quota") => ("NoRoom", ": raise the quota or free some of it"),
        _ => match error.class() {
            Class::Denied => {
                let message = format!("{said}: {}", error.grant());
                return Some(Obstacle { reason: "NotPermitted".into(), message, stops });
            }
            Class::Invalid => ("ReleaseInvalid", ": correct spec.release"),
            Class::Conflict | Class::Transient | Class::Bug => return None,
        },
    };
    Some(Obstacle { reason: reason.into(), message: format!("{said}{remedy}"), stops })
}

/// A write that nothing in the Rollout is to blame for, and that fails again and again.
fn fails(effect: &str, error: &Error) -> Obstacle {
    let message = format!(
        "{effect} fails again and again and is tried on: {}; look at what answers there (API server, webhooks)",
        error.said()
    );
    Obstacle { reason: "WriteFails".into(), message, stops: Stops::Nothing }
}

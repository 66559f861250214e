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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn timeout() -> Error {
        let after = Duration::from_secs(5);
        Error::Timeout { verb: "patch", kind: "VirtualService".into(), name: "shop/web".into(), after }
    }

    fn conflict() -> Error {
        Error::Changed { object: "VirtualService shop/web".into(), detail: "its version".into() }
    }

    fn one(effect: &'static str, result: Result<bool, Error>) -> Done {
        Done { effect, result, unsure: None }
    }

    /// What is told for the first generation, which was seen before.
    fn told(memory: &mut Memory, at: i64) -> Vec<Obstacle> {
        memory.obstacles(1, Time(at))
    }

    #[test]
    fn a_write_that_fails_for_the_third_time_is_told_until_it_succeeds() {
        let mut memory = Memory::default();
        told(&mut memory, 0);
        for (at, count) in [(0, 0), (1_000, 0), (2_000, 1)] {
            let done = vec![one("RaiseWeight", Err(timeout()))];
            assert!(remember(&mut memory, done, Stops::Rollout, Time(at)).is_some());
            assert_eq!(told(&mut memory, at).len(), count, "{at}");
        }
        let obstacle = told(&mut memory, 2_000).remove(0);
        assert_eq!((obstacle.reason.as_str(), obstacle.stops), ("WriteFails", Stops::Nothing));
        assert!(obstacle.message.starts_with("RaiseWeight fails again and again"), "{}", obstacle.message);
        assert!(
            remember(&mut memory, vec![one("RaiseWeight", Ok(true))], Stops::Rollout, Time(3_000)).is_none()
        );
        assert_eq!(told(&mut memory, 3_000), []);
        remember(&mut memory, vec![one("RaiseWeight", Err(timeout()))], Stops::Rollout, Time(4_000));
        assert_eq!(told(&mut memory, 4_000), [], "counted anew");
    }

    #[test]
    fn writers_that_notice_each_other_are_no_fault() {
        let mut memory = Memory::default();
        told(&mut memory, 0);
        for at in 0..10 {
            let done = vec![one("LowerWeight", Err(conflict()))];
            assert!(remember(&mut memory, done, Stops::Rollout, Time(at)).is_some(), "it is tried again");
        }
        assert_eq!(told(&mut memory, 10), []);
    }

    #[test]
    fn of_several_failures_one_that_is_no_conflict_sets_the_pause() {
        let done = vec![
            one("PointLive", Err(conflict())),
            one("PointCandidate", Err(timeout())),
            one("LowerWeight", Err(conflict())),
        ];
        let failed = remember(&mut Memory::default(), done, Stops::Nothing, Time(0));
        assert!(matches!(failed, Some(Error::Timeout { .. })), "{failed:?}");
    }

    #[test]
    fn what_is_refused_is_told_at_once_and_stops_what_it_is_in_the_way_of() {
        for stops in [Stops::Rollout, Stops::Nothing] {
            let mut memory = Memory::default();
            told(&mut memory, 0);
            let taken = Error::NameTaken { object: "Service shop/web".into(), manager: "helm".into() };
            remember(&mut memory, vec![one("PointLive", Err(taken))], stops, Time(0));
            let found = told(&mut memory, 0);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((found[0].reason.as_str(), found[0].stops), ("NameTaken", stops));
        }
    }
}

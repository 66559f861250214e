//! One guarded change: read, decide, write under a guard, and again from the beginning where others were quicker.

use std::time::Duration;

use serde_json::Value;
use teal_traffic::{Mesh, RouteWeights, divide, held, http_owners};
use tokio::time::Instant;

use super::access::{Access, Failure, MANAGER};
use super::arguments::Set;
use super::error::Error;
use super::outcome::{Outcome, version};
use super::tell;

/// Before the second attempt; twice as long before each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Between two looks while it stays.
const LOOK: Duration = Duration::from_millis(250);

/// What earlier attempts left to be known.
#[derive(Default)]
struct Memory {
    /// The weights before a write of which it isn't known whether it was carried out.
    unsure: Option<Vec<RouteWeights>>,
    /// What the last one met, and whether it was another writer.
    last: (String, bool),
}

/// Why an attempt came to nothing.
enum Stop {
    ForGood(Error),
    /// What was said, and whether it was another writer.
    Again(String, bool),
}

/// Tries until the weights are as wished, it is refused, or the attempts are over.
pub(crate) async fn set(access: &Access, mesh: &Mesh, set: &Set) -> Result<Outcome, Error> {
    let mut memory = Memory::default();
    let mut pause = FIRST_PAUSE;
    for attempt in 1..=set.attempts {
        match once(access, mesh, set, &mut memory).await {
            Ok(outcome) => return Ok(Outcome { attempts: attempt, ..outcome }),
            Err(Stop::ForGood(error)) if memory.unsure.is_some() => {
                return Err(access.silent(attempt, &error.to_string(), true));
            }
            Err(Stop::ForGood(error)) => return Err(error),
            Err(Stop::Again(said, others)) => {
                tell(&format!("attempt {attempt} of {}: {said}", set.attempts));
                memory.last = (said, others);
            }
        }
        if attempt < set.attempts {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
    let (said, others) = memory.last;
    let unsure = memory.unsure.is_some();
    if others && !unsure {
        return Err(Error::Busy { object: access.object(), attempts: set.attempts, said });
    }
    Err(access.silent(set.attempts, &said, unsure))
}

async fn once(access: &Access, mesh: &Mesh, set: &Set, memory: &mut Memory) -> Result<Outcome, Stop> {
    let object = access.read().await.map_err(|failure| stop(access, failure, "get"))?;
    let rollouts = access.rollouts().await.map_err(|failure| stop(access, failure, "get"))?;
    if let Some(refusal) = held(&object, rollouts.as_deref()) {
        return Err(Stop::ForGood(refusal.into()));
    }
    let divided = divide(&object, mesh, &set.wish()).map_err(|refusal| Stop::ForGood(refusal.into()))?;
    let outcome = |changed: bool, was: Vec<RouteWeights>, is: Vec<RouteWeights>, object: &Value| Outcome {
        changed,
        attempts: 0,
        rollouts_seen: rollouts.is_some(),
        was,
        is,
        resource_version: version(object),
        kept: None,
    };
    let Some(patch) = divided.patch else {
        // An earlier attempt had no answer, and was carried out.
        let before = memory.unsure.take();
        return Ok(outcome(
            before.is_some(),
            before.unwrap_or_else(|| divided.was.clone()),
            divided.was,
            &object,
        ));
    };
    match access.patch(&object, patch, set.dry_run).await {
        Ok(answer) => {
            let is = divide(&answer, mesh, &set.wish()).map_or_else(|_| Vec::new(), |now| now.was);
            Ok(outcome(true, divided.was, is, &answer))
        }
        Err(Failure::Rejected(said)) => Err(rejected(access, &object, said).await),
        Err(failure) => {
            if matches!(failure, Failure::Unsure(_)) && !set.dry_run {
                memory.unsure = Some(divided.was);
            }
            Err(stop(access, failure, "patch"))
        }
    }
}

/// Of an object that is as it was read, the guard holds: then it is refused as it would become.
async fn rejected(access: &Access, object: &Value, said: String) -> Stop {
    match access.read().await {
        Ok(now) if version(&now) == version(object) => {
            Stop::ForGood(Error::Vetoed { object: access.object(), said })
        }
        Ok(_) => Stop::Again(said, true),
        Err(failure) => stop(access, failure, "get"),
    }
}

fn stop(access: &Access, failure: Failure, verb: &'static str) -> Stop {
    match failure.lasting(access, verb) {
        Ok(error) => Stop::ForGood(error),
        Err(said) => Stop::Again(said, false),
    }
}

/// Looks again and again until the time is over, and notes what it saw last. A look without an answer says nothing, but the last
/// one must have one.
pub(crate) async fn stay(
    access: &Access,
    mesh: &Mesh,
    set: &Set,
    outcome: &mut Outcome,
    wait: Duration,
) -> Result<(), Error> {
    let end = Instant::now() + wait;
    let mut silent = 0;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        tokio::time::sleep(left.min(LOOK)).await;
        let last = Instant::now() >= end;
        let failure = match access.read().await {
            Ok(object) if is_kept(&object, mesh, set, outcome) => {
                if last {
                    outcome.kept = Some(true);
                    return Ok(());
                }
                continue;
            }
            Ok(object) => {
                outcome.kept = Some(false);
                let who = writers(&object);
                return Err(Error::Overwritten { object: access.object(), wait, who });
            }
            Err(Failure::Missing) => {
                (outcome.kept, outcome.is) = (Some(false), Vec::new());
                let who = "it was deleted".to_owned();
                return Err(Error::Overwritten { object: access.object(), wait, who });
            }
            Err(failure) => failure,
        };
        let said = failure.lasting(access, "get").map_or_else(|said| said, |error| error.to_string());
        silent += u32::from(last);
        if silent >= set.attempts {
            let known = "the weights were written, and whether they lasted is not known";
            return Err(Error::Silent { object: access.object(), attempts: silent, said, known });
        }
        if last {
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn is_kept(object: &Value, mesh: &Mesh, set: &Set, outcome: &mut Outcome) -> bool {
    let now = divide(object, mesh, &set.wish());
    outcome.resource_version = version(object);
    let kept = now.as_ref().is_ok_and(|now| now.patch.is_none());
    outcome.is = now.map_or_else(|_| Vec::new(), |now| now.was);
    kept
}

/// Who has written `spec.http` since, as far as the object says.
fn writers(object: &Value) -> String {
    let names: Vec<String> = http_owners(object, MANAGER).into_iter().map(|owner| owner.manager).collect();
    if names.is_empty() {
        "nobody is named in its managedFields".to_owned()
    } else {
        format!("written by {}", names.join(", "))
    }
}

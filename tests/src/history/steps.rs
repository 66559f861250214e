//! I8: the record goes from step to step by one, from the first to the last, and not past a gate that was not reached.

use std::collections::HashMap;

use teal_api::defaults::FilledStep;
use teal_plan::Record;
use teal_plan::record::{Outcome, Phase, StepRecord};

use super::replay::{Change, Check};
use super::rollout::Rollout;
use super::tally::{Invariant, Summary};
use super::world::World;

/// The steps as they were at the last commit, by uid of the Rollout.
#[derive(Default)]
pub(super) struct Steps<'h> {
    at_commit: HashMap<&'h str, Vec<(String, u32)>>,
}

impl<'h> Check<'h> for Steps<'h> {
    fn see(&mut self, change: &Change<'h>, _world: &World<'h>, summary: &mut Summary) {
        let Some(moved) = change.own() else { return };
        let rollout = &moved.rollout;
        let Some(new) = &rollout.record else { return };
        let old =
            moved.before.as_ref().filter(|before| before.uid == rollout.uid).and_then(|b| b.record.as_ref());
        if old.is_some_and(|old| old.epoch == new.epoch) {
            return;
        }
        let steps: Vec<(String, u32)> =
            rollout.steps().iter().map(|step| (step.name.clone(), step.weight)).collect();
        let known = self.at_commit.insert(rollout.uid, steps.clone());
        let Some(old) = old else {
            if matches!(new.phase, Phase::Step(_) | Phase::Promoting { .. }) {
                summary.undecided(Invariant::I8);
            }
            return;
        };
        let edited = known.is_some_and(|known| known != steps);
        let began = matches!(new.phase, Phase::Step(_)) && !matches!(old.phase, Phase::Step(_));
        if edited && !began {
            // The place is kept by name, else it is the first step that isn't below the observed weight.
            return summary.undecided(Invariant::I8);
        }
        summary.judge(Invariant::I8, change.revision, change.key, problem(rollout, old, new));
    }
}

fn problem(rollout: &Rollout<'_>, old: &Record, new: &Record) -> Option<String> {
    match (&old.phase, &new.phase) {
        (Phase::Step(from), Phase::Step(to)) => {
            another(old, new, from, to).or_else(|| onward(rollout, old, from, to))
        }
        (Phase::Rest { .. }, Phase::Step(to)) => {
            let (index, _) = rollout.step(&to.step)?;
            (index > 0).then(|| format!("begins at step {}, which is number {}", to.step, index + 1))
        }
        (_, Phase::Step(to)) => Some(format!("comes to step {} from {}", to.step, word(&old.phase))),
        (Phase::Step(from), Phase::Promoting { .. }) => last(rollout, old, from),
        (Phase::Step(from), Phase::Rest { outcome: Outcome::Promoted }) => {
            let meshed = !rollout.traffic.virtual_services.is_empty();
            let skipped = meshed.then(|| "is promoted without moving the live role".to_owned());
            skipped.or_else(|| last(rollout, old, from))
        }
        (Phase::Step(from), Phase::Rest { .. }) => {
            Some(format!("rests after step {} without going back", from.step))
        }
        (Phase::Promoting { .. }, Phase::Promoting { .. }) => None,
        (_, Phase::Promoting { .. }) => Some(format!("is promoted from {}", word(&old.phase))),
        _ => None,
    }
}

/// A Retry counts as another attempt and takes the step from its beginning.
fn another(old: &Record, new: &Record, from: &StepRecord, to: &StepRecord) -> Option<String> {
    let (was, is) = (old.candidate?, new.candidate);
    let same = is.is_some_and(|is| is.slot == was.slot);
    let retried =
        from.step == to.step && to.reached.is_none() && is.is_some_and(|is| is.attempt > was.attempt);
    let goes_on = same && (retried || is.map(|is| is.attempt) == Some(was.attempt));
    (!goes_on).then(|| "another candidate goes on in the middle of the steps".to_owned())
}

fn onward(rollout: &Rollout<'_>, record: &Record, from: &StepRecord, to: &StepRecord) -> Option<String> {
    let ((old, _), (new, _)) = (rollout.step(&from.step)?, rollout.step(&to.step)?);
    if new == old {
        return None;
    }
    if new != old + 1 {
        return Some(format!(
            "goes from step {} to {}, number {} to {}",
            from.step,
            to.step,
            old + 1,
            new + 1
        ));
    }
    unreached(rollout, record, from)
}

fn last(rollout: &Rollout<'_>, record: &Record, from: &StepRecord) -> Option<String> {
    let (index, _) = rollout.step(&from.step)?;
    let count = rollout.steps().len();
    // A last step without any gate is the promotion itself.
    let bare = index + 2 == count && rollout.steps().last().is_some_and(|step| !is_gated(record, step));
    if index + 1 < count && !bare {
        return Some(format!("is promoted after step {}, number {} of {count}", from.step, index + 1));
    }
    unreached(rollout, record, from)
}

/// Only a step without any gate is reached and left in one commit.
fn unreached(rollout: &Rollout<'_>, record: &Record, place: &StepRecord) -> Option<String> {
    let (_, step) = rollout.step(&place.step)?;
    let early = place.reached.is_none() && is_gated(record, step);
    early.then(|| format!("step {} is left before it was reached", place.step))
}

fn is_gated(record: &Record, step: &FilledStep) -> bool {
    let pinned = record.pinned.iter().any(|(name, _)| *name == step.name);
    step.hold_ms > 0
        || step.min_pod_age_ms > 0
        || !step.checks.is_empty()
        || !step.jobs.is_empty()
        || step.approval.is_some()
        || pinned
}

const fn word(phase: &Phase) -> &'static str {
    match phase {
        Phase::New => "nothing",
        Phase::Installing { .. } => "the first install",
        Phase::Rest { .. } => "rest",
        Phase::Step(_) => "a step",
        Phase::Promoting { .. } => "promotion",
        Phase::Returning { .. } => "going back",
    }
}

//! The Job that is a gate of a step: what is seen of it, when a writer makes it, and what must hold then.

use teal_plan::record::{JobState, Phase, Record, StepJob, StepRecord};
use teal_plan::snapshot::StepJobSeen;
use teal_plan::{Slot, Snapshot, Time};

use crate::act::Gather;
use crate::check::{Broken, broken};
use crate::fault::Fault;
use crate::world::{Caches, Test, Truth, Write};

/// The Jobs that a record has of the step under way.
fn recorded(record: &Record) -> impl Iterator<Item = &StepJob> {
    let place = match &record.phase {
        Phase::Step(place) => Some(place),
        _ => None,
    };
    place.into_iter().flat_map(|place| &place.jobs)
}

/// As `cluster::observe` looks for each by the name that its try has.
pub(crate) fn seen(caches: &Caches, fault: Option<Fault>) -> Vec<StepJobSeen> {
    let of = |job: &StepJob| {
        let there = caches.test.filter(|test| test.after == job.after);
        let unended = there.is_some() && fault == Some(Fault::TestUnended);
        StepJobSeen {
            name: job.name.clone(),
            after: job.after,
            object: job.name.clone(),
            there: there.is_some(),
            // For how long caches lag is no part of the model: what they don't show counts as gone.
            missing_since: there.is_none().then_some(Time(i64::MIN / 2)),
            refused_since: None,
            ended: if unended { Some(true) } else { there.and_then(|test| test.ended) },
            trouble: None,
        }
    };
    recorded(&caches.record).map(of).collect()
}

/// Tries that are due and not there.
pub(crate) fn due(s: &Snapshot) -> impl Iterator<Item = u64> {
    let is_there = |after: u64| s.world.step_jobs.iter().any(|seen| seen.after == after && seen.there);
    let due = recorded(&s.record).filter(|job| job.state == JobState::Due).map(|job| job.after);
    due.filter(move |after| !is_there(*after))
}

/// The fault of making what isn't committed yet.
pub(crate) fn early(s: &Snapshot, after: &Record, fault: Option<Fault>) -> Option<Write> {
    let slot = after.candidate.filter(|_| fault == Some(Fault::TestUnrecorded))?.slot;
    let new = recorded(after).next().filter(|_| recorded(&s.record).next().is_none())?;
    Some(Write::Test(slot, new.after))
}

/// Its name is that of its try: one that is there stays what it is, and an earlier one is nothing to it.
pub(crate) fn make(truth: &mut Truth, slot: Slot, after: u64) {
    if truth.test.is_none_or(|test| test.after < after) {
        truth.test = Some(Test { slot, after, ended: None });
    }
    let [tried, _] = &mut truth.tried;
    *tried = (*tried).max(Some(after));
}

/// Of a step that is over nothing is asked any more.
pub(crate) fn forget(truth: &mut Truth) {
    if recorded(&truth.record).next().is_none() {
        truth.tried = [None; 2];
    }
}

/// It was committed before that the try may be made, and it is made once.
pub(crate) fn made(truth: &Truth, slot: Slot, after: u64) -> Option<Broken> {
    let is_due = |job: &StepJob| job.after == after && job.state == JobState::Due;
    if !recorded(&truth.record).any(is_due) {
        return broken("jobs", format!("a step's Job of {slot:?} is made that isn't recorded as due"));
    }
    let [tried, _] = truth.tried;
    (tried == Some(after))
        .then(|| format!("a step's Job of {slot:?} is made a second time"))
        .and_then(|d| broken("jobs", d))
}

/// Whether the very try that the step has did end well.
pub(crate) fn passed(truth: &Truth, place: &StepRecord) -> bool {
    let [_, well] = truth.tried;
    place.jobs.first().is_some_and(|job| job.state == JobState::Done && well == Some(job.after))
}

/// It ends, if it runs.
pub(crate) fn end(truth: &mut Truth, well: bool) {
    let Some(test) = truth.test.as_mut().filter(|test| test.ended.is_none()) else { return };
    test.ended = Some(well);
    let [_, passed] = &mut truth.tried;
    if well {
        *passed = Some(test.after);
    }
}

pub(crate) fn gather(gather: &mut Gather<'_>) {
    let Some(test) = gather.world.truth.test else { return };
    if test.ended.is_none() {
        gather.push("the step's Job ends well", |w| end(&mut w.truth, true));
        if gather.world.budget.breaks > 0 {
            gather.push("the step's Job fails", |w| {
                w.budget.breaks -= 1;
                end(&mut w.truth, false);
            });
        }
    }
    let known =
        recorded(&gather.world.truth.record).any(|job| job.after == test.after && job.state != JobState::Due);
    if gather.world.budget.removals > 0 && known {
        gather.push("the step's Job is taken away", |w| {
            w.budget.removals -= 1;
            w.truth.test = None;
        });
    }
}

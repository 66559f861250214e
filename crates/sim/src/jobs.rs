//! Jobs of releases: when a writer makes them, and what must hold then (rule 15).

use teal_plan::record::{JobState, Phase, Record};
use teal_plan::snapshot::Objects;
use teal_plan::{Revision, Slot, Snapshot};

use crate::check::{Broken, broken};
use crate::fault::Fault;
use crate::model::JOBS;
use crate::world::{Truth, World, Write};

/// Whether a release is brought up whose Jobs, which run before its workloads, have not ended well. None of its workloads is
/// there before.
pub(crate) fn come_first(s: &Snapshot, slot: Slot) -> bool {
    let comes = matches!(s.record.phase, Phase::Step(_))
        && s.record.candidate.is_some_and(|candidate| candidate.slot == slot);
    let begun = matches!(s.world.color(slot.color).objects, Objects::Present { in_sync: true, .. });
    let state = recorded(&s.record, 0, slot.revision);
    let well = s
        .world
        .jobs
        .iter()
        .any(|job| job.name == JOBS[0] && job.revision == slot.revision && job.ended == Some(true));
    let done = state.is_none_or(|state| state == JobState::Done) || well;
    comes && !begun && !done
}

/// A Job is made where the record has it as due and it isn't there.
pub(crate) fn make(s: &Snapshot, which: usize, slot: Slot) -> Option<Write> {
    let due = recorded(&s.record, which, slot.revision) == Some(JobState::Due);
    let name = JOBS.get(which)?;
    let there = s.world.jobs.iter().any(|job| job.name == *name && job.revision == slot.revision);
    (due && !there).then_some(Write::Job(which, slot))
}

/// What a record says of a Job of a revision.
pub(crate) fn recorded(record: &Record, which: usize, revision: Revision) -> Option<JobState> {
    let mut all = record.jobs.iter().filter(|_| which == 0).chain(record.later.iter().filter(|_| which == 1));
    all.find(|jobs| jobs.revision == revision)?.each.first().map(|job| job.state)
}

/// The fault of making what isn't committed yet.
pub(crate) fn early(s: &Snapshot, after: &Record, fault: Option<Fault>) -> Option<Write> {
    let slot = after.candidate.filter(|_| fault == Some(Fault::JobUnrecorded))?.slot;
    let new = recorded(after, 0, slot.revision).is_some() && recorded(&s.record, 0, slot.revision).is_none();
    new.then_some(Write::Job(0, slot))
}

/// It was committed before that a Job may be made; it is made once, and one for after retirement beside no other release. Held
/// against where it is decided: one that was, and lands long after, is not judged anew.
pub(crate) fn made(truth: &Truth, which: usize, slot: Slot) -> Option<Broken> {
    if recorded(&truth.record, which, slot.revision) != Some(JobState::Due) {
        return broken("jobs", format!("a Job of {slot:?} is made that isn't recorded as due"));
    }
    if truth.made.get(which) == Some(&Some(slot.revision)) {
        return broken("jobs", format!("a Job of {slot:?} is made a second time"));
    }
    let beside = truth.record.previous.is_some() || truth.slot(slot.color.other()).is_some();
    (which == 1 && beside)
        .then(|| format!("a Job of {slot:?} for after retirement is made beside another release"))
        .and_then(|d| broken("jobs", d))
}

/// Workloads come after the Jobs that run before them.
pub(crate) fn workloads(world: &World, slot: Slot) -> Option<Broken> {
    let truth = &world.truth;
    let comes = matches!(truth.record.phase, Phase::Step(_))
        && truth.record.candidate.is_some_and(|candidate| candidate.slot == slot)
        && truth.slot(slot.color).is_none();
    let well = truth.tasks[0].is_some_and(|task| task.slot == slot && task.ended == Some(true));
    let done = well || recorded(&truth.record, 0, slot.revision) == Some(JobState::Done);
    (world.budget.shape.jobs && comes && !done)
        .then(|| format!("workloads of {slot:?} are made before its Job ended well"))
        .and_then(|d| broken("jobs", d))
}

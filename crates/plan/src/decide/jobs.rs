//! Jobs run once per revision (rule 15): which may be made is committed before any of them is, and that one was there as soon
//! as it is seen, so that nothing that takes it away has it run a second time.

use super::Draft;
use crate::outcome::{Plan, Why};
use crate::record::{Job, JobState, Jobs, Record, Release};
use crate::snapshot::{JobSeen, Snapshot};
use crate::words::Revision;

/// The Jobs of a revision that is brought up, for the commit of its start. Of one that is tried again those that ended well
/// are done with.
pub(super) fn due(s: &Snapshot, revision: Revision, after: u64) -> Option<Jobs> {
    let known = s.record.jobs.as_ref().filter(|jobs| jobs.revision == revision);
    let is_done = |name: &str| {
        let mut each = known.into_iter().flat_map(|jobs| &jobs.each);
        each.any(|job| job.name == name && job.state == JobState::Done)
    };
    let each: Vec<Job> = s
        .settings
        .jobs
        .iter()
        .map(|name| {
            let state = if is_done(name) { JobState::Done } else { JobState::Due };
            Job { name: name.clone(), state, after }
        })
        .collect();
    (!each.is_empty()).then_some(Jobs { revision, each })
}

/// What of a release's Jobs must be committed before anything else is done for it.
pub(super) fn commit(s: &Snapshot, release: &Release) -> Option<Plan> {
    let revision = release.slot.revision;
    let mut draft = Draft::new(s);
    match s.record.jobs.as_ref().filter(|jobs| jobs.revision == revision) {
        Some(jobs) => {
            jobs.each.iter().find(|job| job.state == JobState::Due && seen(s, revision, job).is_some())?;
        }
        // A record from before there were any.
        None if s.settings.wanted == Some(release.hash) => draft.record.jobs = Some(due(s, revision, 0)?),
        None => return None,
    }
    let trouble = s.world.color(release.slot.color).trouble.clone();
    Some(draft.commit(vec![Why::Starting { slot: release.slot, trouble }]))
}

/// What is seen of them rides along with every commit.
pub(super) fn note(s: &Snapshot, record: &mut Record) {
    let Some(jobs) = &mut record.jobs else { return };
    for job in jobs.each.iter_mut().filter(|job| job.state != JobState::Done) {
        match seen(s, jobs.revision, job).map(|seen| seen.ended) {
            Some(Some(true)) => job.state = JobState::Done,
            Some(Some(false) | None) => job.state = JobState::Begun,
            None => {}
        }
    }
}

/// Workloads wait for all of them, so where these serve they are done, whatever became of the objects.
pub(super) fn done(record: &mut Record) {
    record.jobs.iter_mut().flat_map(|jobs| &mut jobs.each).for_each(|job| job.state = JobState::Done);
}

/// Whether some of a revision's Jobs have not ended well, as far as is known.
pub(super) fn undone(s: &Snapshot, revision: Revision) -> bool {
    let mut jobs = s.record.jobs.iter().filter(|jobs| jobs.revision == revision).flat_map(|jobs| &jobs.each);
    jobs.any(|job| job.state != JobState::Done)
}

/// Whether a Job that was made is waited for. All that is written before it went through.
pub(super) fn awaited(s: &Snapshot, revision: Revision) -> bool {
    let jobs = s.record.jobs.as_ref().filter(|jobs| jobs.revision == revision);
    let ended = |job: &Job| seen(s, revision, job).is_some_and(|seen| seen.ended == Some(true));
    jobs.is_some_and(|jobs| jobs.each.iter().any(|job| job.state == JobState::Begun && !ended(job)))
}

/// A person decided Retry: what failed, or is gone before it was seen to end, runs again. Whether there is any.
pub(super) fn again(draft: &mut Draft<'_>) -> bool {
    let (s, epoch) = (draft.s, draft.next_epoch());
    let Some(jobs) = &mut draft.record.jobs else { return false };
    let mut any = false;
    for job in jobs.each.iter_mut().filter(|job| job.state != JobState::Done) {
        let ended = seen(s, jobs.revision, job).map(|seen| seen.ended);
        let lost = ended.is_none() && job.state == JobState::Begun;
        if ended == Some(Some(false)) || lost {
            *job = Job { state: JobState::Due, after: epoch, name: std::mem::take(&mut job.name) };
            any = true;
        }
    }
    any
}

/// The Job as it is there now, but for one of an earlier try.
fn seen<'a>(s: &'a Snapshot, revision: Revision, job: &Job) -> Option<&'a JobSeen> {
    let mut all = s.world.jobs.iter();
    all.find(|seen| seen.revision == revision && seen.name == job.name && seen.epoch >= job.after)
}

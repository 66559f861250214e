//! Jobs run once per revision (rule 15): which may be made is committed before any of them is, and that one was there as soon
//! as it is seen, so that nothing that takes it away has it run a second time.

use super::{Draft, Next};
use crate::outcome::{Effect, Plan, Why};
use crate::record::{Job, JobState, Jobs, Record, Release};
use crate::snapshot::{JobSeen, Snapshot};
use crate::words::{Color, Revision, Time};

/// Takes the Jobs of a revision that is brought up into the commit of its start.
pub(super) fn begin(draft: &mut Draft<'_>, revision: Revision, after: u64) {
    let s = draft.s;
    draft.record.jobs = due(s, revision, after);
    // Those of live that have not ended wait until it shows whether live stays.
    let live = draft.record.live.map(|live| live.slot.revision).filter(|live| *live != revision);
    let lasts = |jobs: &Jobs| jobs.each.iter().any(|job| job.state != JobState::Done);
    draft.record.later.retain(|jobs| Some(jobs.revision) == live && lasts(jobs));
    let each = s.settings.later.iter().map(|name| Job { name: name.clone(), state: JobState::Due, after });
    let own = Jobs { revision, each: each.collect() };
    draft.record.later.extend((!own.each.is_empty()).then_some(own));
}

/// Those that run before its workloads. Of one that is tried again those that ended well are done with.
fn due(s: &Snapshot, revision: Revision, after: u64) -> Option<Jobs> {
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

/// Jobs of live, which is alone by now, that come after retirement. Nothing else is committed at rest that their end could
/// ride along with, so it is committed too. Nothing waits for them.
pub(super) fn afterwards<'a>(s: &'a Snapshot, live: &Release, next: &mut Next) -> Option<Draft<'a>> {
    if s.record.previous.is_some() || s.record.candidate.is_some() {
        return None;
    }
    let slot = live.slot;
    let mut draft = Draft::new(s);
    note(s, &mut draft.record);
    let of_live = draft.record.later.iter().find(|jobs| jobs.revision == slot.revision)?;
    let runs = |job: &&Job| seen(s, slot.revision, job).is_some_and(|seen| seen.ended.is_none());
    let jobs: Vec<String> = of_live.each.iter().filter(runs).map(|job| job.name.clone()).collect();
    if !jobs.is_empty() {
        next.say(Why::Running { slot, jobs });
    }
    // A migration that the former release could not stand is a move forward.
    let due = || of_live.each.iter().filter(|job| job.state == JobState::Due);
    if let Some(halt) = s.settings.halt.as_ref().filter(|_| due().next().is_some()) {
        next.say(Why::Halted(halt.clone()));
    }
    let due = due().filter(|_| !s.paused());
    let (held, due): (Vec<&Job>, Vec<&Job>) = due.partition(|job| is_held(s, slot.revision, job));
    if !held.is_empty() {
        next.say(Why::Going { slot, jobs: held.iter().map(|job| job.name.clone()).collect() });
    }
    if draft.record.later != s.record.later {
        return Some(draft);
    }
    // Of those that are held there is nothing to write, and their going brings about a look.
    if !due.is_empty() {
        next.act(Effect::RunJobs(slot));
    }
    None
}

/// What is seen of them rides along with every commit.
pub(super) fn note(s: &Snapshot, record: &mut Record) {
    for Jobs { revision, each } in record.jobs.iter_mut().chain(&mut record.later) {
        for job in each.iter_mut().filter(|job| job.state != JobState::Done) {
            match seen(s, *revision, job).map(|seen| seen.ended) {
                Some(Some(true)) => job.state = JobState::Done,
                Some(Some(false) | None) => job.state = JobState::Begun,
                None => {}
            }
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
    draft.record.jobs.as_mut().is_some_and(|jobs| renew(s, jobs, epoch))
}

/// The same for those of live that come after retirement.
pub(super) fn again_later(draft: &mut Draft<'_>, live: &Release) -> bool {
    let (s, epoch) = (draft.s, draft.next_epoch());
    let mut later = draft.record.later.iter_mut();
    later.find(|jobs| jobs.revision == live.slot.revision).is_some_and(|jobs| renew(s, jobs, epoch))
}

fn renew(s: &Snapshot, jobs: &mut Jobs, epoch: u64) -> bool {
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

/// That Jobs ended well is committed before they are taken away with their color, or a retry would run them again.
pub(super) fn ended(s: &Snapshot) -> Option<Draft<'_>> {
    let mut draft = Draft::new(s);
    note(s, &mut draft.record);
    let are_done = |record: &Record| {
        let jobs = record.jobs.iter().flat_map(|jobs| &jobs.each);
        jobs.filter(|job| job.state == JobState::Done).count()
    };
    (are_done(&draft.record) > are_done(&s.record)).then_some(draft)
}

/// Work that goes with a color which is to be cleared, while it runs: Jobs of a release that never served, and what CronJobs began
/// there while it was live. Until when it may, and what is said of it: what hangs must not keep the next release waiting for longer
/// than anything that makes no progress.
pub(super) fn finishing(s: &Snapshot, color: Color) -> Option<(Time, Why)> {
    let (live, left) = (s.record.live?.slot.revision, s.record.vacate_after?);
    let until = left + s.settings.progress_deadline;
    let runs = |job: &&JobSeen| {
        job.revision.counter > live.counter && job.works && job.ended.is_none() && !job.going
    };
    let running = s.world.jobs.iter().filter(runs).map(|job| format!("{}-{color}", job.name));
    let jobs: Vec<String> = running.chain(s.world.color(color).ticks.iter().cloned()).collect();
    (s.now < until && !jobs.is_empty()).then_some((until, Why::Finishing { color, jobs, until }))
}

/// Whether an earlier try still has its name although it is being deleted, which may take as long as a finalizer likes.
fn is_held(s: &Snapshot, revision: Revision, job: &Job) -> bool {
    let earlier =
        |seen: &JobSeen| seen.revision == revision && seen.name == job.name && seen.epoch < job.after;
    s.world.jobs.iter().any(|seen| earlier(seen) && seen.going)
}

/// The Job as it is there now, but for one of an earlier try.
fn seen<'a>(s: &'a Snapshot, revision: Revision, job: &Job) -> Option<&'a JobSeen> {
    let mut all = s.world.jobs.iter();
    all.find(|seen| seen.revision == revision && seen.name == job.name && seen.epoch >= job.after)
}

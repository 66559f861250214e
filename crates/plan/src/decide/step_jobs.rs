//! Jobs that must end well before a step is over. As those of a release they run once: which may be made is committed before any
//! of them is, and that one was there as soon as it is seen. Another attempt runs them anew, under other names.

use super::{Draft, Next, gates};
use crate::outcome::{Effect, Plan, Tested, Why};
use crate::record::{Cause, JobEnd, JobState, Phase, Record, StepJob, StepRecord};
use crate::report::ended;
use crate::settings::{self, OnFailure, Step};
use crate::snapshot::{Snapshot, StepJobSeen, Stops};
use crate::words::{Span, Time};

/// Those of the step as they are to be recorded: one that is known already is what it was, unless an edit made another one of it.
pub(super) fn due(place: &StepRecord, step: &Step, after: u64) -> Vec<StepJob> {
    let is_other = |known: &StepJob, job: &settings::StepJob| known.spec.is_some_and(|spec| spec != job.spec);
    let is_edited =
        |known: &StepJob| step.jobs.iter().any(|job| job.name == known.name && is_other(known, job));
    let kept = place.jobs.iter().filter(|known| !is_edited(known)).cloned();
    let is_new =
        |job: &&settings::StepJob| recorded(place, &job.name).is_none_or(|known| is_other(known, job));
    let new = step.jobs.iter().filter(is_new).map(|job| StepJob {
        name: job.name.clone(),
        state: JobState::Due,
        after,
        spec: Some(job.spec),
        since: None,
    });
    kept.chain(new).collect()
}

fn recorded<'a>(place: &'a StepRecord, name: &str) -> Option<&'a StepJob> {
    place.jobs.iter().find(|job| job.name == name)
}

fn seen<'a>(s: &'a Snapshot, job: &StepJob) -> Option<&'a StepJobSeen> {
    s.world.step_jobs.iter().find(|seen| seen.name == job.name && seen.after == job.after)
}

/// What is seen of them rides along with every commit.
pub(super) fn note(s: &Snapshot, record: &mut Record) {
    let Phase::Step(place) = &mut record.phase else { return };
    for job in place.jobs.iter_mut().filter(|job| job.state != JobState::Done) {
        let Some(seen) = seen(s, job).filter(|seen| seen.there) else { continue };
        job.since = job.since.or(Some(s.now));
        job.state = if seen.ended == Some(true) { JobState::Done } else { JobState::Begun };
    }
}

/// What must be committed before anything else is done at the step: that Jobs are due, were there, or ended well.
pub(super) fn commit(s: &Snapshot, place: &StepRecord, step: &Step, reached: Time) -> Option<Plan> {
    let mut draft = Draft::new(s);
    let jobs = due(place, step, draft.next_epoch());
    draft.record.phase = Phase::Step(StepRecord { jobs, ..place.clone() });
    note(s, &mut draft.record);
    let Phase::Step(now) = &draft.record.phase else { return None };
    if now.jobs == place.jobs {
        return None;
    }
    let mut next = Next::default();
    gates::judge(s, step, now, reached, &mut next);
    if let Some(held) = &place.held {
        next.why.insert(0, gates::held(held, false));
    } else if s.paused() {
        next.why.insert(0, gates::paused(s));
    }
    Some(draft.commit(next.why))
}

/// Makes what is due and isn't there.
pub(super) fn make(s: &Snapshot, place: &StepRecord, next: &mut Next) {
    let Some(candidate) = s.record.candidate else { return };
    let due = |job: &&StepJob| job.state == JobState::Due && !seen(s, job).is_some_and(|seen| seen.there);
    if place.jobs.iter().any(|job| due(&job)) {
        next.act(Effect::RunStepJobs(candidate.slot));
    }
}

/// Whether all of the step's have ended well, as the record says; else what is waited for.
pub(super) fn have_passed(s: &Snapshot, step: &Step, place: &StepRecord, next: &mut Next) -> bool {
    let mut jobs = Vec::new();
    let mut passed = true;
    for wanted in &step.jobs {
        let job = recorded(place, &wanted.name);
        if job.is_some_and(|job| job.state == JobState::Done) {
            continue;
        }
        passed = false;
        // Of one that is late already a person decides.
        if let Some(at) = job.and_then(|job| ends_at(s, job, wanted.timeout)).filter(|at| s.now < *at) {
            next.wake(at);
        }
        let seen = job.and_then(|job| seen(s, job));
        jobs.push(Tested {
            name: wanted.name.clone(),
            object: seen.map(|seen| seen.object.clone()),
            trouble: seen.and_then(|seen| seen.trouble.clone()),
        });
    }
    if !passed {
        next.say(Why::Testing { jobs });
    }
    passed
}

/// When it is known to have ended, if nothing is seen of it until then. One that nobody has tried to make yet, because something
/// holds the step, is not late.
fn ends_at(s: &Snapshot, job: &StepJob, timeout: Span) -> Option<Time> {
    let seen = seen(s, job);
    let missing = seen.and_then(|seen| seen.missing_since);
    match (job.state, missing) {
        (JobState::Done, _) => None,
        (JobState::Due, _) if s.paused() || s.stopped(Stops::Rollout).is_some() => None,
        (JobState::Due, _) => Some(seen?.refused_since? + s.settings.progress_deadline),
        (JobState::Begun, Some(since)) => Some(since + s.settings.endpoint_grace),
        (JobState::Begun, None) => Some(job.since? + timeout),
    }
}

/// One that did not end well, with what that leads to.
pub(super) fn failed(s: &Snapshot, place: &StepRecord, step: &Step) -> Option<(Cause, OnFailure)> {
    step.jobs.iter().find_map(|wanted| {
        let job = recorded(place, &wanted.name)?;
        let seen = seen(s, job)?;
        let late = ends_at(s, job, wanted.timeout).is_some_and(|at| s.now >= at);
        let end = end(job, seen, late, wanted.timeout)?;
        let (check, detail) = (seen.object.clone(), format!("the Job {}", ended(end)));
        Some((Cause::Check { check, detail, job: Some(end) }, s.settings.on_failure))
    })
}

/// What ended well passes, however late that is seen.
fn end(job: &StepJob, seen: &StepJobSeen, late: bool, timeout: Span) -> Option<JobEnd> {
    match (job.state, seen.there, seen.ended) {
        (JobState::Done, ..) | (_, true, Some(true)) => None,
        (JobState::Due, false, _) => late.then_some(JobEnd::Unmade),
        (JobState::Begun, false, _) => late.then_some(JobEnd::Gone),
        (JobState::Begun, true, _) if late => Some(JobEnd::Late { timeout }),
        (_, true, Some(false)) => Some(JobEnd::Failed),
        (_, true, None) => None,
    }
}

/// Those of steps that are over, whichever way it went on: what they send might reach live by now.
pub(super) fn end_left(s: &Snapshot) -> Option<Effect> {
    (!s.world.left_step_jobs.is_empty()).then_some(Effect::EndStepJobs)
}

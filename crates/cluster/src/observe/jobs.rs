//! Jobs of releases: what is there of them, and what is missed.

use teal_plan::record::JobState;
use teal_plan::snapshot::{JobSeen, Obstacle, Stops};
use teal_plan::{Phase, Slot};
use teal_release::names::uncolored;

use super::{Facts, obstacle};
use crate::kinds;
use crate::stores::{ObjectView, PodView};

/// Those that Teal made of releases of this very Rollout, by name, and what has the names of its own.
pub(super) fn see(facts: &Facts<'_>) -> Vec<JobSeen> {
    let views = facts.objects.iter().filter(|view| view.kind == kinds::JOB && !view.derived && !view.of_step);
    let mut jobs: Vec<JobSeen> = views
        .filter_map(
            |view| if view.rollout_uid == facts.names.uid { own(facts, view) } else { left(facts, view) },
        )
        .collect();
    jobs.sort_by(|one, other| (one.revision, &one.name).cmp(&(other.revision, &other.name)));
    jobs
}

fn own(facts: &Facts<'_>, view: &ObjectView) -> Option<JobSeen> {
    let slot = view.slot()?;
    let name = uncolored(&view.id.name, slot.color);
    let (epoch, ended, going) = (view.epoch, view.ended, view.deleting);
    let works = facts.pods.iter().any(|pod| working_for(pod) == Some(view.id.name.as_str()));
    Some(JobSeen { name, revision: slot.revision, epoch, ended, going, works })
}

/// What the Job controller writes on pods.
pub(super) const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// Whether a Job made it.
pub(super) fn is_of_job(pod: &PodView) -> bool {
    pod.labels.iter().any(|(name, _)| name == JOB_NAME)
}

/// The Job for which a pod works, if it does: not while nothing of it can start.
pub(super) fn working_for(pod: &PodView) -> Option<&str> {
    let works = !pod.ended && pod.terminating.is_none() && (pod.runs || pod.trouble.is_none());
    let label = pod.labels.iter().find(|(name, _)| name == JOB_NAME).filter(|_| works)?;
    Some(label.1.as_str())
}

/// What a former Rollout of this name left under the name of a Job of live that comes after retirement: it did nothing for this
/// one, so it is of a try before all others, but the Job can't be made before it is gone.
fn left(facts: &Facts<'_>, view: &ObjectView) -> Option<JobSeen> {
    let live = facts.record.live?.slot;
    let jobs = facts.record.later.iter().find(|jobs| jobs.revision == live.revision)?;
    let seen = own(facts, view).filter(|_| view.color == Some(live.color))?;
    let known = jobs.each.iter().any(|job| job.name == seen.name);
    known.then_some(JobSeen { revision: live.revision, epoch: 0, ..seen })
}

/// A Job that was there and is not, before anybody saw it end: whether its work was done nobody knows, and it runs only once.
pub(super) fn lost(facts: &Facts<'_>, slot: Slot) -> Option<String> {
    if !matches!(facts.record.phase, Phase::Installing { .. } | Phase::Step(_)) {
        return None;
    }
    let jobs = facts.record.jobs.as_ref().filter(|jobs| jobs.revision == slot.revision)?;
    let there = see(facts);
    let is_there = |name: &str| there.iter().any(|job| job.revision == slot.revision && job.name == name);
    let lost = jobs.each.iter().find(|job| job.state == JobState::Begun && !is_there(&job.name))?;
    Some(format!(
        "Job {} is gone before it was seen to end, and runs once per revision: see what it did; Retry runs it again",
        called(facts, &lost.name, slot)
    ))
}

/// How people find it. The record has the name without the color, which charts put where they like.
fn called(facts: &Facts<'_>, name: &str, slot: Slot) -> String {
    let is_charts = facts.rollout.spec.release.raw().get("chart").is_some();
    if is_charts { format!("{name} ({})", slot.color) } else { format!("{name}-{}", slot.color) }
}

/// Jobs of live that come after retirement and did not end well. Nothing waits for them, so nothing else would tell; while
/// another release is under way they can't be run again.
pub(super) fn failed(facts: &Facts<'_>) -> Option<Obstacle> {
    let live = facts.record.live.filter(|_| matches!(facts.record.phase, Phase::Rest { .. }))?.slot;
    let jobs = facts.record.later.iter().find(|jobs| jobs.revision == live.revision)?;
    let there = see(facts);
    let problem = |name: &str| {
        let seen = there.iter().find(|job| job.revision == live.revision && job.name == name);
        match seen.map(|job| job.ended) {
            None => Some("is gone before it was seen to end: see what it did"),
            Some(Some(false)) => Some("failed: look at its pods"),
            Some(Some(true) | None) => None,
        }
    };
    let begun = jobs.each.iter().filter(|job| job.state == JobState::Begun);
    let told: Vec<String> = begun
        .filter_map(|job| Some(format!("Job {} {}", called(facts, &job.name, live), problem(&job.name)?)))
        .collect();
    (!told.is_empty()).then(|| {
        let message = format!(
            "after retirement, {}; {} serves all the same, and kubectl teal retry runs again what did not end well",
            told.join("; "),
            live.revision
        );
        obstacle("JobFailed", message, Stops::Nothing)
    })
}

//! Jobs of releases: what is there of them, and what is missed.

use teal_plan::record::JobState;
use teal_plan::snapshot::JobSeen;
use teal_plan::{Phase, Slot};

use super::Facts;
use crate::kinds;
use crate::rendering::uncolored;

/// Those that Teal made of releases of this very Rollout, by name.
pub(super) fn see(facts: &Facts<'_>) -> Vec<JobSeen> {
    let views = facts.objects.iter().filter(|view| view.kind == kinds::JOB && !view.derived);
    let own = views.filter(|view| view.rollout_uid == facts.names.uid);
    let mut jobs: Vec<JobSeen> = own
        .filter_map(|view| {
            let slot = view.slot()?;
            let name = uncolored(&view.id.name, slot.color).to_owned();
            Some(JobSeen { name, revision: slot.revision, epoch: view.epoch, ended: view.ended })
        })
        .collect();
    jobs.sort_by(|one, other| (one.revision, &one.name).cmp(&(other.revision, &other.name)));
    jobs
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
        "Job {}-{} is gone before it was seen to end, and runs once per revision: see what it did; Retry runs it again",
        lost.name, slot.color
    ))
}

//! Jobs that are gates of the step under way: what is there of each that the record has.

use teal_plan::record::{Phase, StepJob};
use teal_plan::snapshot::StepJobSeen;

use super::jobs::JOB_NAME;
use super::{Facts, Names};
use crate::kinds;
use crate::memory::Memory;
use crate::stores::{ObjectView, PodView};

/// Each is looked for by the name that its try has, so what an earlier one left is nothing to it.
pub(super) fn see(facts: &Facts<'_>, memory: &Memory) -> Vec<StepJobSeen> {
    let (Phase::Step(place), Some(candidate)) = (&facts.record.phase, facts.record.candidate) else {
        return Vec::new();
    };
    let one = |job: &StepJob| {
        let object = identity(&facts.names, &place.step, job, candidate.slot).object_name();
        let view = facts.object(kinds::JOB.group, kinds::JOB.kind, &object);
        let view = view.filter(|view| view.rollout_uid == facts.names.uid);
        StepJobSeen {
            name: job.name.clone(),
            after: job.after,
            there: view.is_some(),
            ended: view.as_ref().and_then(|view| view.ended),
            trouble: view.as_ref().and_then(|view| trouble(facts, view, memory)),
            object,
        }
    };
    place.jobs.iter().map(one).collect()
}

/// Which Job of which try it is.
pub(crate) fn identity<'a>(
    names: &'a Names,
    step: &'a str,
    job: &'a StepJob,
    slot: teal_plan::Slot,
) -> teal_release::StepJob<'a> {
    teal_release::StepJob { rollout: &names.uid, step, name: &job.name, slot, after: job.after }
}

/// Why a Job that runs doesn't get on: what its pods say, or why there are none.
fn trouble(facts: &Facts<'_>, job: &ObjectView, memory: &Memory) -> Option<String> {
    let is_its = |pod: &PodView| pod.labels.iter().any(|(key, name)| key == JOB_NAME && *name == job.id.name);
    let mut pods = facts.pods.iter().filter(|pod| job.ended.is_none() && !pod.ended && is_its(pod));
    let of_pod = pods.find_map(|pod| Some(format!("pod {}: {}", pod.id.name, pod.trouble.as_ref()?)));
    of_pod.or_else(|| memory.refusals.failure(job).map(str::to_owned))
}

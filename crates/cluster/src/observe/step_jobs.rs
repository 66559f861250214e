//! Jobs that are gates of the step under way: what is there of each that the record has.

use serde_json::Value;
use teal_api::names;
use teal_plan::Slot;
use teal_plan::record::{Phase, StepJob, StepRecord};
use teal_plan::snapshot::{Obstacle, StepJobSeen, Stops};

use super::jobs::JOB_NAME;
use super::{Facts, Names, Renderings, obstacle};
use crate::kinds;
use crate::memory::Memory;
use crate::stores::{ObjectView, PodView};

/// Each is looked for by the name that its try has, so what an earlier one left is nothing to it.
pub(super) fn see(facts: &Facts<'_>, memory: &mut Memory) -> Vec<StepJobSeen> {
    let (Phase::Step(place), Some(candidate)) = (&facts.record.phase, facts.record.candidate) else {
        return Vec::new();
    };
    let named = |job: &StepJob| object_name(facts, place, job, candidate.slot);
    let there = |object: &str| {
        let view = facts.object(kinds::JOB.group, kinds::JOB.kind, object);
        view.filter(|view| view.rollout_uid == facts.names.uid)
    };
    let missing: Vec<String> =
        place.jobs.iter().map(named).filter(|object| there(object).is_none()).collect();
    let missing_since = memory.sightings.since("missing Jobs of the step", &missing, facts.now);
    let is_refused = memory.failing.contains_key(&("RunStepJobs", None));
    let refused_since = memory.sightings.since_true("refused Jobs of the step", is_refused, facts.now);
    let one = |job: &StepJob| {
        let object = named(job);
        let view = there(&object);
        StepJobSeen {
            name: job.name.clone(),
            after: job.after,
            there: view.is_some(),
            missing_since: view.is_none().then_some(missing_since),
            refused_since,
            ended: view.as_ref().and_then(|view| view.ended),
            trouble: view.as_ref().and_then(|view| trouble(facts, view, memory)),
            object,
        }
    };
    place.jobs.iter().map(one).collect()
}

/// Those that run although no step of the record has them: what they send is for a candidate, and might reach live by now.
pub(super) fn left(facts: &Facts<'_>) -> Vec<String> {
    let known: Vec<String> = match (&facts.record.phase, facts.record.candidate) {
        (Phase::Step(place), Some(candidate)) => {
            place.jobs.iter().map(|job| object_name(facts, place, job, candidate.slot)).collect()
        }
        _ => Vec::new(),
    };
    let own = facts
        .objects
        .iter()
        .filter(|view| view.kind == kinds::JOB && view.of_step && view.rollout_uid == facts.names.uid);
    // One of a higher epoch was made by a record that is newer than this.
    let own = own.filter(|view| view.epoch <= facts.record.epoch);
    let runs = own.filter(|view| view.ended.is_none() && !view.suspended && !view.deleting);
    runs.map(|view| view.id.name.clone()).filter(|name| !known.contains(name)).collect()
}

/// Jobs of steps whose pods a traffic Service would take for the release's: they would get requests while it selects both
/// revisions, or whenever its owner applies it as it is written.
pub(super) fn selected(facts: &Facts<'_>, renderings: &Renderings) -> Vec<Obstacle> {
    let Some(wanted) = &renderings.wanted else { return Vec::new() };
    let steps = facts.rollout.spec.steps.iter().flatten();
    let jobs = steps.flat_map(|step| step.jobs.iter().flatten().map(move |job| (step, job)));
    let found = jobs.filter_map(|(step, job)| {
        let labels = job.spec.pointer("/template/metadata/labels").and_then(Value::as_object);
        // Teal gives them the Rollout's label, and takes those of a color away.
        let has = |(name, value): (&String, &String)| {
            let written = || labels?.get(name)?.as_str();
            let is_own = name.starts_with(names::label::PREFIX);
            if is_own { name == names::label::ROLLOUT && *value == facts.names.name } else { written() == Some(value) }
        };
        let takes = |service: &&teal_release::RoleService| service.both().iter().all(has);
        let service = wanted.role_services.iter().find(takes)?;
        let is_bare = service.both().keys().all(|name| name.starts_with(names::label::PREFIX));
        let remedy = if is_bare {
            "give spec.selector of the Service a label of the application's pods"
        } else {
            "give spec.steps[].jobs[].spec.template.metadata.labels other ones"
        };
        Some(obstacle(
            "SelectorOverlap",
            format!(
                "the pods of Job {} of step {} have the labels by which Service {} selects the release's, and would get its \
                 requests: {remedy}",
                job.name, step.name, service.name
            ),
            Stops::Rollout,
        ))
    });
    found.collect()
}

fn object_name(facts: &Facts<'_>, place: &StepRecord, job: &StepJob, slot: Slot) -> String {
    identity(&facts.names, &place.step, job, slot).object_name()
}

/// Which Job of which try it is.
pub(crate) fn identity<'a>(
    names: &'a Names,
    step: &'a str,
    job: &'a StepJob,
    slot: Slot,
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

//! The spec and the record, as the planner needs them.

use std::borrow::Cow;

use teal_api::Rollout;
use teal_api::defaults::{Filled, SpecError};
use teal_api::names::finalizer;
use teal_api::rollout as api;
use teal_plan::settings::{Group, Guard, Mode, OnFailure, Readiness, Settings, Step, StepJob, Until};
use teal_plan::{ContentHash, Phase, Record, Span};

use super::{Facts, Renderings};

/// What was committed. What can't be read is lost, and the planner makes it anew from what serves.
pub(crate) fn record(rollout: &Rollout) -> Record {
    let commit = rollout.status.as_ref().and_then(|status| status.commit.clone());
    commit.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
}

/// The spec with its defaults, over the traffic that counts. Where it can't be used, what still holds of it, and what is wrong.
pub(super) fn filled(
    rollout: &Rollout,
    traffic: &api::Traffic,
    record: &Record,
) -> (Filled, Option<SpecError>) {
    let mut spec = Cow::Borrowed(&rollout.spec);
    // A spec holds a whole release, and most looks find its own traffic.
    if spec.traffic != *traffic {
        spec.to_mut().traffic = traffic.clone();
    }
    match teal_api::defaults::filled(&spec) {
        Ok(filled) => (filled, None),
        Err(problem) => {
            let under_way = match &record.phase {
                Phase::Step(place) => Some((place.step.as_str(), u32::from(place.weight))),
                Phase::New
                | Phase::Installing { .. }
                | Phase::Rest { .. }
                | Phase::Promoting { .. }
                | Phase::Returning { .. } => None,
            };
            (teal_api::defaults::salvaged(&spec, under_way), Some(problem))
        }
    }
}

pub(super) fn has_finalizer(rollout: &Rollout) -> bool {
    rollout.metadata.finalizers.iter().flatten().any(|name| name == finalizer::TRAFFIC)
}

/// Deletion must not be held up where nothing can be restored any more: the mesh's kinds are gone, or the namespace
/// goes, and its objects with it.
pub(super) fn abandoned(facts: &Facts<'_>, namespace_goes: bool) -> bool {
    if namespace_goes {
        return true;
    }
    facts.filled.has_mesh() && !super::mesh_is_there(facts.stores)
}

/// What is asked for.
pub(super) fn read(facts: &Facts<'_>, wanted: Option<ContentHash>, renderings: &Renderings) -> Settings {
    let (filled, config) = (&facts.filled, facts.config);
    Settings {
        generation: facts.names.generation,
        wanted,
        jobs: renderings.jobs.clone(),
        later: renderings.later.clone(),
        still_at: None,
        mode: mode(filled.mode),
        halt: None,
        halts_at: None,
        start: None,
        steps: filled.steps.iter().map(step).collect(),
        guards: filled.guards.iter().map(guard).collect(),
        on_failure: on_failure(filled.on_failure),
        on_blind: filled.checks.iter().map(|check| (check.name.clone(), on_blind(check.on_blind))).collect(),
        readiness: match filled.readiness {
            api::Readiness::OnComplete => Readiness::OnComplete,
            api::Readiness::OnWaiting => Readiness::OnWaiting,
            api::Readiness::OnServing => Readiness::OnServing,
        },
        progress_deadline: millis(filled.progress_deadline_ms),
        keep_previous: millis(filled.keep_previous_ms),
        keep_failed: millis(filled.keep_failed_ms),
        routed: filled.has_mesh(),
        propagation: config.propagation,
        drain: config.drain,
        connections: filled.drain.as_ref().map(|drain| millis(drain.timeout_ms)),
        endpoint_grace: config.endpoint_grace,
        group: filled.group.as_ref().map(|group| Group { name: group.name.clone(), gather: config.gather }),
    }
}

fn step(step: &teal_api::defaults::FilledStep) -> Step {
    Step {
        name: step.name.clone(),
        weight: u8::try_from(step.weight).unwrap_or(100),
        mirror: step.mirror,
        hold: millis(step.hold_ms),
        min_pod_age: millis(step.min_pod_age_ms),
        checks: step.checks.clone(),
        approvals: step.approval.map(|approval| approval.count),
        jobs: step
            .jobs
            .iter()
            .map(|job| StepJob { name: job.name.clone(), timeout: millis(job.timeout_ms), spec: job.digest })
            .collect(),
    }
}

fn guard(guard: &teal_api::defaults::FilledGuard) -> Guard {
    let until = match guard.until {
        api::GuardUntil::Promoted => Until::Promoted,
        api::GuardUntil::Retired => Until::Retired,
    };
    Guard { check: guard.check.clone(), until }
}

pub(super) const fn mode(mode: api::Mode) -> Mode {
    match mode {
        api::Mode::Active => Mode::Active,
        api::Mode::Paused => Mode::Paused,
        api::Mode::HandsOff => Mode::HandsOff,
    }
}

const fn on_failure(then: api::OnFailure) -> OnFailure {
    match then {
        api::OnFailure::Rollback => OnFailure::Rollback,
        api::OnFailure::Hold => OnFailure::Hold,
    }
}

const fn on_blind(then: api::OnBlind) -> OnFailure {
    match then {
        api::OnBlind::Rollback => OnFailure::Rollback,
        api::OnBlind::Hold => OnFailure::Hold,
    }
}

fn millis(millis: u64) -> Span {
    Span(i64::try_from(millis).unwrap_or(i64::MAX))
}

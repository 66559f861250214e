//! Jobs that are gates of a step: each try is made once, as the record says, which was committed before (rule 15).

use serde_json::{Value, json};
use teal_plan::record::{JobState, StepJob};
use teal_plan::{Phase, Slot};
use teal_release::Context;

use super::release::{apply_piece_over, view};
use super::unseen::unseen;
use super::{Order, Tools, ticks, worst};
use crate::error::Error;
use crate::kinds;
use crate::observe::identity;
use crate::rendering::{Piece, owner_reference};

/// Makes those that are due and not there, whatever becomes of each.
pub(super) async fn run(tools: &Tools, order: &Order<'_>, slot: Slot) -> Result<bool, Error> {
    let mut results = Vec::new();
    for piece in due(order, slot, &tools.config.instance) {
        results.push(make(tools, order, &piece).await);
    }
    worst(results)
}

/// Ends those of steps that are over, whatever becomes of each. They stay, with what they printed as far as it is kept.
pub(super) async fn end(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    let mut results = Vec::new();
    for name in order.left_step_jobs {
        results.push(suspend(tools, order, name).await);
    }
    worst(results)
}

async fn suspend(tools: &Tools, order: &Order<'_>, name: &str) -> Result<bool, Error> {
    let kind = kinds::JOB;
    let there = tools.stores.object(kind.group, kind.kind, &order.names.namespace, name);
    let Some(view) = there else { return Ok(false) };
    ticks::suspend(tools, order, (kind, name), &view.version.to_string(), view.epoch).await?;
    Ok(true)
}

/// Under a name that is the same at every look, so one that was made and not seen yet is not made twice.
async fn make(tools: &Tools, order: &Order<'_>, piece: &Piece) -> Result<bool, Error> {
    if view(tools, order, piece)?.is_some() {
        return Ok(false);
    }
    if unseen(tools, order, piece).await?.is_some() {
        // What is there stays what it is, also where the spec was edited since.
        tools.fresh(kinds::JOB, &order.names.namespace, &piece.name).await?;
        return Ok(false);
    }
    apply_piece_over(tools, order, piece, piece.object.clone(), None).await
}

/// As they are applied.
fn due(order: &Order<'_>, slot: Slot, instance: &str) -> Vec<Piece> {
    let Phase::Step(place) = &order.record.phase else { return Vec::new() };
    let due = place.jobs.iter().filter(|job| job.state == JobState::Due);
    due.filter_map(|job| piece(order, &place.step, job, slot, instance)).collect()
}

/// None where the spec has it no more.
fn piece(order: &Order<'_>, step: &str, job: &StepJob, slot: Slot, instance: &str) -> Option<Piece> {
    let steps = order.rollout.spec.steps.iter().flatten();
    let wanted = steps.filter(|wanted| wanted.name == step).flat_map(|step| step.jobs.iter().flatten());
    let spec = &wanted.into_iter().find(|wanted| wanted.name == job.name)?.spec;
    let filled = order.filled.steps.iter().find(|filled| filled.name == step)?;
    let timeout_ms = filled.jobs.iter().find(|filled| filled.name == job.name)?.timeout_ms;
    let release = order.record.releases().find(|release| release.slot == slot)?;
    let context = Context {
        rollout: order.names.name.clone(),
        uid: order.names.uid.clone(),
        namespace: order.names.namespace.clone(),
        instance: instance.to_owned(),
        services: order.filled.services.clone(),
        slot,
        hash: release.hash,
        live: false,
        replicas: std::collections::BTreeMap::new(),
        naming: teal_release::Naming::default(),
    };
    let mut object = identity(order.names, step, job, slot).object(spec, timeout_ms, &context);
    // Nothing is served with it, so it goes with the Rollout, whatever becomes of the color.
    let owner: Value = json!([owner_reference(&order.names.name, &order.names.uid)]);
    object.set(&["metadata"], "ownerReferences", owner);
    let key = object.key();
    let content = object.annotation(teal_release::names::annotation::CONTENT).unwrap_or_default().to_owned();
    let object = object.to_value();
    Some(Piece { kind: kinds::JOB, name: key.name, shared: false, live_only: false, object, content })
}

//! Replicas, and what rests while its color isn't live.

use serde_json::Value;

use crate::context::Context;
use crate::fate::Fate;
use crate::names::annotation;
use crate::object::Object;
use crate::read::{Item, Release};

/// Writes the size of a workload for its color's present role, and puts to rest what works for live only.
pub(crate) fn apply(object: &mut Object, release: &Release, item: &Item, context: &Context) {
    match item.key.kind.as_str() {
        "Deployment" | "StatefulSet" => replicas(object, release, item, context),
        "CronJob" if item.fate == Fate::LiveOnly => suspend(object, context),
        "ScaledObject" if !context.live => rest_scaler(object, release, item),
        _ => {}
    }
}

fn rests(item: &Item, context: &Context) -> bool {
    item.fate == Fate::LiveOnly && !context.live
}

/// An autoscaler's workload has its size from there. At 0 a `HorizontalPodAutoscaler` leaves a workload alone, so a
/// resting one needs nothing more than its 0.
fn replicas(object: &mut Object, release: &Release, item: &Item, context: &Context) {
    let written = object.remove(&["spec"], "replicas");
    if rests(item, context) {
        let owner =
            written.and_then(|value| value.as_u64()).map(|count| count.to_string()).unwrap_or_default();
        object.set_annotation(annotation::OWNER_REPLICAS, &owner);
        object.set(&["spec"], "replicas", 0.into());
    } else if release.scaler_of(&item.key).is_none() {
        let size = context.size_of(&item.key).map(Value::from).or(written);
        if let Some(size) = size {
            object.set(&["spec"], "replicas", size);
        }
    }
}

/// Explicit in both roles, so that waking is a write and not the absence of one.
fn suspend(object: &mut Object, context: &Context) {
    let owner = object.get("/spec/suspend").and_then(Value::as_bool).unwrap_or(false);
    if !context.live {
        object.set_annotation(annotation::OWNER_SUSPEND, &owner.to_string());
    }
    object.set(&["spec"], "suspend", (owner || !context.live).into());
}

/// KEDA wakes what stands at 0, unless told not to.
fn rest_scaler(object: &mut Object, release: &Release, item: &Item) {
    if release.scaled_by(item).is_some_and(|target| target.fate == Fate::LiveOnly) {
        object.set_annotation(annotation::KEDA_PAUSED_REPLICAS, "0");
    }
}

/// What a workload should have when it starts or wakes. An autoscaler's minimum counts as its owner wrote it.
pub(crate) fn start(release: &Release, item: &Item, context: &Context) -> u32 {
    if rests(item, context) {
        return 0;
    }
    if let Some(size) = context.size_of(&item.key) {
        return size;
    }
    let scaler = release.scaler_of(&item.key).map(|scaler| &scaler.object);
    let least = scaler.and_then(|scaler| {
        scaler.get("/spec/minReplicas").or_else(|| scaler.get("/spec/minReplicaCount")).and_then(count)
    });
    item.object.get("/spec/replicas").and_then(count).or(least).unwrap_or(1)
}

fn count(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

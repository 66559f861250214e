//! What reaches live without a rollout, and holding sizes while one lasts.

use serde::Serialize;
use serde_json::Value;

use crate::fate::is_in_place;
use crate::names::annotation;
use crate::object::{Object, ObjectKey};
use crate::read::scale_target;

/// One change that reaches live at once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum InPlaceChange {
    /// The written replicas of a workload; none if they were taken out.
    Replicas(ObjectKey, Option<u32>),
    /// An autoscaler or disruption budget is new or changed.
    Apply(ObjectKey),
    /// An autoscaler or disruption budget was taken out.
    Remove(ObjectKey),
}

/// What differs between two releases in their in-place parts, by uncolored key. Workloads that only one of them has
/// are part of a rollout and not listed.
pub fn in_place_changes(old: &[Value], new: &[Value]) -> Vec<InPlaceChange> {
    let (old, new) = (objects(old), objects(new));
    let mut changes = Vec::new();
    for object in &new {
        let key = object.key();
        let before = find(&old, &key);
        if is_in_place(&key) {
            if before != Some(object) {
                changes.push(InPlaceChange::Apply(key));
            }
        } else if before
            .is_some_and(|before| object.template().is_some() && replicas(before) != replicas(object))
        {
            changes.push(InPlaceChange::Replicas(key, replicas(object)));
        }
    }
    let gone = old.iter().map(Object::key).filter(|key| is_in_place(key) && find(&new, key).is_none());
    changes.extend(gone.map(InPlaceChange::Remove));
    changes
}

/// A kept release with the in-place parts that the spec has now: what its color should look like. An autoscaler whose
/// target the kept release doesn't have is left out.
pub fn with_in_place_of(kept: &[Value], spec: &[Value]) -> Vec<Value> {
    let spec = objects(spec);
    let mut merged: Vec<Object> =
        objects(kept).into_iter().filter(|object| !is_in_place(&object.key())).collect();
    for object in merged.iter_mut().filter(|object| object.template().is_some()) {
        let Some(wanted) = find(&spec, &object.key()) else { continue };
        object.remove(&["spec"], "replicas");
        if let Some(replicas) = wanted.get("/spec/replicas") {
            object.set(&["spec"], "replicas", replicas.clone());
        }
    }
    let in_place = spec.into_iter().filter(|object| is_in_place(&object.key()));
    let fitting: Vec<Object> = in_place
        .filter(|object| scale_target(object).is_none_or(|target| find(&merged, &target).is_some()))
        .collect();
    merged.extend(fitting);
    merged.into_iter().map(|object| Value::Object(object.0)).collect()
}

fn objects(manifests: &[Value]) -> Vec<Object> {
    manifests.iter().filter_map(Object::from_value).collect()
}

fn find<'a>(objects: &'a [Object], key: &ObjectKey) -> Option<&'a Object> {
    objects.iter().find(|object| object.key() == *key)
}

fn replicas(object: &Object) -> Option<u32> {
    u32::try_from(object.get("/spec/replicas")?.as_u64()?).ok()
}

/// An autoscaler's field for its least and its greatest size, with what absence means.
fn bounds(scaler: &Object) -> Option<[(&'static str, u32); 2]> {
    match scaler.key().kind.as_str() {
        "HorizontalPodAutoscaler" => Some([("minReplicas", 1), ("maxReplicas", 1)]),
        "ScaledObject" => Some([("minReplicaCount", 0), ("maxReplicaCount", 100)]),
        _ => None,
    }
}

/// An autoscaler with its minimum held.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Held {
    /// The autoscaler to write; its annotations say what its owner wrote.
    pub object: Object,
    /// Whether it differs from what was given.
    pub changed: bool,
    /// The owner's minimum; none if it was left out.
    pub saved: Option<u32>,
}

/// Holds the minimum of an autoscaler at `least`, so that it doesn't shrink a color that has little traffic. The
/// maximum is raised along where it would be below. Holding again keeps what the owner wrote. Other kinds are
/// returned as they are.
pub fn hold_min_replicas(scaler: &Object, least: u32) -> Held {
    let mut object = restore_min_replicas(scaler);
    let Some([(min, min_absent), (max, max_absent)]) = bounds(&object) else {
        return Held { object, changed: false, saved: None };
    };
    let read =
        |field: &str| object.get(&format!("/spec/{field}")).and_then(|n| u32::try_from(n.as_u64()?).ok());
    let (saved, written_max) = (read(min), read(max));
    if saved.unwrap_or(min_absent) < least {
        hold(&mut object, min, least, annotation::OWNER_MIN_REPLICAS, saved);
        if written_max.unwrap_or(max_absent) < least {
            hold(&mut object, max, least, annotation::OWNER_MAX_REPLICAS, written_max);
        }
    }
    let changed = object != *scaler;
    Held { object, changed, saved }
}

fn hold(object: &mut Object, field: &str, value: u32, note: &str, owner: Option<u32>) {
    object.set(&["spec"], field, value.into());
    object.set_annotation(note, &owner.map(|count| count.to_string()).unwrap_or_default());
}

/// The autoscaler as its owner wrote it, from what [`hold_min_replicas`] noted on it.
pub fn restore_min_replicas(scaler: &Object) -> Object {
    let mut object = scaler.clone();
    let Some([(min, _), (max, _)]) = bounds(&object) else {
        return object;
    };
    for (field, note) in [(min, annotation::OWNER_MIN_REPLICAS), (max, annotation::OWNER_MAX_REPLICAS)] {
        let Some(Value::String(owner)) = object.remove(&["metadata", "annotations"], note) else { continue };
        match owner.parse::<u32>() {
            Ok(count) => object.set(&["spec"], field, count.into()),
            Err(_) => {
                object.remove(&["spec"], field);
            }
        }
    }
    object
}

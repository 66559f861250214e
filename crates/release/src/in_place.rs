//! What reaches live without a rollout, and holding sizes while one lasts.

use serde_json::Value;

use crate::fate::is_in_place;
use crate::names::annotation;
use crate::object::{Object, ObjectKey};
use crate::read::scale_target;
use crate::selector::{labels, matches};

/// A kept release with the in-place parts that the spec has now: what its color should look like. An autoscaler whose
/// target the kept release doesn't have is left out. What of the kept parts is for a workload that the spec has no more, or selects
/// by other labels now, goes on to hold for it: its color still serves.
pub fn with_in_place_of(kept: &[Value], spec: &[Value]) -> Vec<Value> {
    let spec = objects(spec);
    let (of_kept, mut merged): (Vec<Object>, Vec<Object>) =
        objects(kept).into_iter().partition(|object| is_in_place(&object.key()));
    let stays: Vec<Object> =
        of_kept.into_iter().filter(|object| still_holds(object, &merged, &spec)).collect();
    for object in merged.iter_mut().filter(|object| object.template().is_some()) {
        let Some(wanted) = find(&spec, &object.key()) else { continue };
        object.remove(&["spec"], "replicas");
        if let Some(replicas) = wanted.get("/spec/replicas") {
            object.set(&["spec"], "replicas", replicas.clone());
        }
    }
    let replaced = |object: &Object| find(&stays, &object.key()).is_none();
    // Pods with two budgets can't be evicted at all.
    let has_one =
        |workload: &Object| stays.iter().any(|kept| scale_target(kept).is_none() && guards(kept, workload));
    let fits = |object: &&Object| match scale_target(object) {
        Some(target) => find(&merged, &target).is_some(),
        None if guarded(object, &merged).any(has_one) => false,
        // One for the spec's pods alone would get no color here, and cover the candidate's beside that one's own.
        None => guarded(object, &merged).next().is_some() || guarded(object, &spec).next().is_none(),
    };
    let in_place = spec.iter().filter(|object| is_in_place(&object.key()) && replaced(object));
    let fitting: Vec<Object> = in_place.filter(fits).cloned().collect();
    merged.extend(fitting);
    merged.extend(stays);
    merged.into_iter().map(|object| Value::Object(object.0)).collect()
}

/// Whether nothing in the spec says how a workload of the kept release is to be sized or guarded, for which this was.
fn still_holds(part: &Object, kept: &[Object], spec: &[Object]) -> bool {
    if let Some(target) = scale_target(part) {
        return find(spec, &target).is_none() && find(kept, &target).is_some();
    }
    let is_gone = guarded(part, kept).any(|workload| find(spec, &workload.key()).is_none());
    let turned_away =
        find(spec, &part.key()).is_some_and(|now| !guarded(part, kept).any(|workload| guards(now, workload)));
    guarded(part, kept).next().is_some() && (is_gone || turned_away)
}

/// The workloads whose pods a budget selects.
fn guarded<'a>(budget: &'a Object, all: &'a [Object]) -> impl Iterator<Item = &'a Object> {
    all.iter().filter(|workload| workload.template().is_some() && guards(budget, workload))
}

fn guards(budget: &Object, workload: &Object) -> bool {
    let pods = labels(workload.template().and_then(|template| template.pointer("/metadata/labels")));
    budget.get("/spec/selector").is_some_and(|selector| matches(selector, &pods))
}

fn objects(manifests: &[Value]) -> Vec<Object> {
    manifests.iter().filter_map(Object::from_value).collect()
}

fn find<'a>(objects: &'a [Object], key: &ObjectKey) -> Option<&'a Object> {
    objects.iter().find(|object| object.key() == *key)
}

/// An autoscaler's field for its least and its greatest size, with what absence means.
fn bounds(scaler: &Object) -> Option<[(&'static str, u32); 2]> {
    match scaler.key().kind.as_str() {
        "HorizontalPodAutoscaler" => Some([("minReplicas", 1), ("maxReplicas", 1)]),
        "ScaledObject" => Some([("minReplicaCount", 0), ("maxReplicaCount", 100)]),
        _ => None,
    }
}

/// Holds the minimum of an autoscaler at `least`, so that it doesn't shrink a color that has little traffic. The
/// maximum is raised along where it would be below. Holding again keeps what the owner wrote. Other kinds are
/// returned as they are.
pub fn hold_min_replicas(scaler: &Object, least: u32) -> Object {
    let mut object = restore_min_replicas(scaler);
    let Some([(min, min_absent), (max, max_absent)]) = bounds(&object) else {
        return object;
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
    // KEDA goes there from any minimum once nothing asks for the workload.
    if let Some(idle) = object.remove(&["spec"], IDLE) {
        object.set_annotation(annotation::OWNER_IDLE_REPLICAS, &idle.to_string());
    }
    object
}

fn hold(object: &mut Object, field: &str, value: u32, note: &str, owner: Option<u32>) {
    object.set(&["spec"], field, value.into());
    object.set_annotation(note, &owner.map(|count| count.to_string()).unwrap_or_default());
}

/// How many a `ScaledObject` leaves where nothing is to be done, beside its minimum.
const IDLE: &str = "idleReplicaCount";

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
    let idle = object.remove(&["metadata", "annotations"], annotation::OWNER_IDLE_REPLICAS);
    if let Some(count) = idle.as_ref().and_then(Value::as_str).and_then(|count| count.parse::<u32>().ok()) {
        object.set(&["spec"], IDLE, count.into());
    }
    object
}

//! A release as it should stand in the cluster: every object in its final form, with a mark of what it was made from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use teal_plan::{Color, ContentHash, Slot};
use teal_release::chart::Manifests;
use teal_release::names::{annotation, uncolored};
use teal_release::{
    Context, Fate, Finding, JobRun, Object, ObjectKey, Refusal, Resources, RoleService, Workload,
};

use crate::kinds::{self, Known};
use crate::stores::ObjectView;

/// Everything that a rendering depends on besides the manifests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RenderKey {
    pub(crate) generation: i64,
    pub(crate) uid: String,
    pub(crate) slot: Slot,
    pub(crate) hash: ContentHash,
    pub(crate) active: bool,
    pub(crate) sizes: BTreeMap<ObjectKey, u32>,
    /// The least size that autoscalers may go to, by traffic Service.
    pub(crate) hold: Vec<(String, u32)>,
    /// The sizes of live's workloads at the start, by kind and name: as these are to each other, a Service's size is split.
    pub(crate) started: Vec<(String, u32)>,
    /// What is ready of live's workloads, where this is a candidate: its autoscalers go no lower either, so that it can take over from a
    /// live that grew since.
    pub(crate) beside: BTreeMap<ObjectKey, u32>,
    /// Names of its traffic Services.
    pub(crate) services: Vec<String>,
    /// Whether everything goes with the Rollout.
    pub(crate) owned: bool,
}

/// One object to be applied.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) kind: Known,
    pub(crate) name: String,
    /// One object for both colors.
    pub(crate) shared: bool,
    /// It works by itself in live alone, or sizes what does: in the other color it is held at rest.
    pub(crate) live_only: bool,
    /// As it is applied, but for the epoch.
    pub(crate) object: Value,
    /// The mark of its content: a digest, and the replicas that its owner wrote.
    pub(crate) content: String,
}

/// A release in a slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rendering {
    /// In the order of applying.
    pub(crate) pieces: Vec<Piece>,
    /// Run once per revision before the workloads.
    pub(crate) jobs: Vec<Piece>,
    /// Their names without color.
    pub(crate) job_names: Vec<String>,
    /// Run once per revision after the former one was retired.
    pub(crate) later: Vec<Piece>,
    /// Their names without color.
    pub(crate) later_names: Vec<String>,
    pub(crate) role_services: Vec<RoleService>,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) findings: Vec<Finding>,
    /// What it needs to start.
    pub(crate) need: Resources,
    /// What it is, in a few words: its images.
    pub(crate) summary: String,
}

/// For whom it is rendered.
pub(crate) struct For<'a> {
    pub(crate) rollout: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) key: &'a RenderKey,
}

/// Renders manifests for a slot.
pub(crate) fn render(manifests: Manifests, whom: &For<'_>) -> Result<Rendering, Vec<Refusal>> {
    let key = whom.key;
    let context = Context {
        rollout: whom.rollout.to_owned(),
        uid: key.uid.clone(),
        namespace: whom.namespace.to_owned(),
        instance: whom.instance.to_owned(),
        services: key.services.clone(),
        slot: key.slot,
        hash: key.hash,
        live: key.active,
        replicas: key.sizes.clone(),
        naming: manifests.naming,
    };
    let mut rendered = teal_release::render(&manifests.objects, &context)?;
    rendered.findings.extend(manifests.findings);
    let marks =
        Marks { written: written_replicas(&rendered.workloads), owner: key.owned.then(|| owner(whom)) };
    let pieces = pieces(&rendered, whom, &marks);
    let jobs = |run: JobRun| -> Vec<Piece> {
        let jobs = rendered.jobs.iter().filter(|job| job.run == run);
        jobs.filter_map(|job| piece(&job.object, &marks)).map(kept_with_its_color).collect()
    };
    let names = |jobs: &[Piece]| -> Vec<String> {
        jobs.iter().map(|piece| uncolored(&piece.name, key.slot.color)).collect()
    };
    let (jobs, later) = (jobs(JobRun::Before), jobs(JobRun::AfterRetire));
    Ok(Rendering {
        need: teal_release::requirements(&rendered),
        summary: summary(&pieces),
        pieces,
        job_names: names(&jobs),
        jobs,
        later_names: names(&later),
        later,
        role_services: rendered.role_services,
        workloads: rendered.workloads,
        findings: rendered.findings,
    })
}

/// In the order of applying.
fn pieces(rendered: &teal_release::Rendered, whom: &For<'_>, marks: &Marks) -> Vec<Piece> {
    let workloads = &rendered.workloads;
    let piece = |object: &Object| piece(object, marks);
    let shared = rendered.shared.iter().filter_map(piece).map(|piece| Piece { shared: true, ..piece });
    let own = rendered.own.iter().filter_map(piece);
    let live_only = rendered.live_only.iter().filter_map(piece);
    let live_only = live_only.map(|piece| Piece { live_only: true, ..piece });
    let in_place = rendered.in_place.iter().filter_map(|object| {
        Some(Piece { live_only: wakes(object, workloads), ..piece(&held(object, workloads, whom))? })
    });
    shared.chain(own).chain(live_only).chain(in_place).collect()
}

/// Whether an autoscaler would set to work what is at 0 because its color isn't live: KEDA's does, the built-in one leaves it.
fn wakes(scaler: &Object, workloads: &[Workload]) -> bool {
    scaler.key().kind == "ScaledObject"
        && sized(scaler, workloads).is_some_and(|workload| workload.fate == Fate::LiveOnly)
}

/// A Job goes with its color. One that went by itself would take the proof along that it ran.
fn kept_with_its_color(mut job: Piece) -> Piece {
    if let Some(spec) = job.object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("ttlSecondsAfterFinished");
    }
    job
}

fn written_replicas(workloads: &[Workload]) -> BTreeMap<String, String> {
    let text = |count: Option<u32>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    workloads
        .iter()
        .map(|w| (format!("{}/{}", w.key.kind, w.colored_name), text(w.written_replicas)))
        .collect()
}

/// While a rollout or keep lasts no autoscaler may shrink a color below live's size at the start. That is counted by Service: of
/// several workloads behind one each has as large a part of it as it had of live's pods then, in either color. A candidate's grow along with live.
fn held(object: &Object, workloads: &[Workload], whom: &For<'_>) -> Object {
    let least = sized(object, workloads).and_then(|workload| {
        let own = whom.key.hold.iter().filter(|(name, _)| workload.traffic_services.contains(name));
        let start = own.map(|(name, least)| part(*least, workload, name, (workloads, whom.key))).max()?;
        Some(whom.key.beside.get(&workload.key).map_or(start, |now| start.max(*now)))
    });
    match least {
        Some(least) => teal_release::hold_min_replicas(object, least),
        None => object.clone(),
    }
}

/// Rounded up, so that the parts together are never less than the whole. One that no autoscaler sizes has none: how much of the whole
/// it is isn't known here, and too much is better than too little. Nor is a start with nothing any measure. What live didn't have then
/// weighs as much as it is to start with.
fn part(
    whole: u32,
    workload: &Workload,
    service: &String,
    (workloads, key): (&[Workload], &RenderKey),
) -> u32 {
    let weighs = |workload: &Workload| {
        let name = by_name(&workload.key);
        let then = key.started.iter().find(|(then, _)| *then == name).map(|(_, size)| *size);
        u64::from(then.unwrap_or(workload.start_replicas).max(1))
    };
    let scaled =
        workloads.iter().filter(|other| other.scaler.is_some() && other.traffic_services.contains(service));
    let all: u64 = scaled.map(weighs).sum();
    let part = (u64::from(whole) * weighs(workload)).div_ceil(all.max(1));
    u32::try_from(part).unwrap_or(whole).min(whole)
}

/// How a workload is called in the record, without its color.
pub(crate) fn by_name(key: &ObjectKey) -> String {
    format!("{}/{}", key.kind, key.name)
}

/// What an autoscaler sizes.
fn sized<'a>(scaler: &Object, workloads: &'a [Workload]) -> Option<&'a Workload> {
    let target = teal_release::sized_by(scaler)?;
    workloads.iter().find(|w| target.kind == w.key.kind && target.name == w.colored_name)
}

/// What is put on every object besides its content.
struct Marks {
    /// Replicas as their owner wrote them, by kind and name.
    written: BTreeMap<String, String>,
    /// Set where everything goes with the Rollout.
    owner: Option<Value>,
}

/// By which the garbage collector takes an object along. Not blocking: a Rollout's deletion waits for nobody.
pub(crate) fn owner_reference(rollout: &str, uid: &str) -> Value {
    json!({
        "apiVersion": teal_api::names::API_VERSION,
        "kind": "Rollout",
        "name": rollout,
        "uid": uid,
        "blockOwnerDeletion": false,
        "controller": false,
    })
}

fn owner(whom: &For<'_>) -> Value {
    owner_reference(whom.rollout, &whom.key.uid)
}

/// The images of the workloads, without where they come from.
fn summary(pieces: &[Piece]) -> String {
    let mut images: Vec<&str> = Vec::new();
    let mut known = BTreeSet::new();
    for piece in pieces {
        let containers = piece.object.pointer("/spec/template/spec/containers").and_then(Value::as_array);
        for image in containers.into_iter().flatten().filter_map(|container| container["image"].as_str()) {
            let short = image.rsplit('/').next().unwrap_or(image);
            if known.insert(short) {
                images.push(short);
            }
        }
    }
    let word = if images.len() == 1 { "image" } else { "images" };
    if images.is_empty() { String::new() } else { format!("{word} {}", images.join(", ")) }
}

fn piece(object: &Object, marks: &Marks) -> Option<Piece> {
    let key = object.key();
    let kind = kinds::find(&key.group, &key.kind)?;
    let mut object = object.clone();
    if let Some(owner) = &marks.owner {
        object.set(&["metadata"], "ownerReferences", json!([owner]));
    }
    let replicas = marks.written.get(&format!("{}/{}", key.kind, key.name)).map_or("", String::as_str);
    let content = format!("{}.{replicas}", teal_release::fingerprint(&object));
    object.set(&["metadata", "annotations"], annotation::CONTENT, json!(content));
    let object = object.to_value();
    Some(Piece { kind, name: key.name, shared: false, live_only: false, object, content })
}

impl Rendering {
    /// A traffic Service as this release has it; none where it has no such one.
    pub(crate) fn role_service(&self, name: &str) -> Option<&RoleService> {
        self.role_services.iter().find(|service| service.name == name)
    }
}

impl Piece {
    /// Whether the cluster has it as it should be: written from this content for this Rollout, and no field taken
    /// away by another hand since.
    pub(crate) fn is_in_sync(&self, view: Option<&ObjectView>, uid: &str) -> bool {
        let Some(view) = view else { return false };
        view.content.as_deref() == Some(&self.content)
            && view.rollout_uid == uid
            && !view.deleting
            && self.is_owned(view)
    }

    /// The API server takes a field from Teal's set of fields as soon as another writer gives it another value. So
    /// drift shows in metadata alone, also after a restart, and without comparing values that the server defaulted.
    fn is_owned(&self, view: &ObjectView) -> bool {
        let Some(owned) = view.owned.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok())
        else {
            return false;
        };
        let mut wanted = self.object.clone();
        for field in ["apiVersion", "kind", "status"] {
            wanted.as_object_mut().map(|fields| fields.remove(field));
        }
        if let Some(metadata) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in ["name", "namespace"] {
                metadata.remove(field);
            }
        }
        if let Some(spec) = wanted.get_mut("spec").and_then(Value::as_object_mut) {
            // Sizes have writers of their own.
            spec.remove("replicas");
        }
        owns(&owned, &wanted)
    }
}

/// Whether a set of fields in the API server's notation has every field of a value.
fn owns(fields: &Value, wanted: &Value) -> bool {
    let Some(fields) = fields.as_object() else { return false };
    // A leaf of the set is owned with all that is below it.
    if fields.keys().all(|key| key == ".") {
        return true;
    }
    match wanted {
        Value::Object(map) => map.iter().all(|(name, value)| match fields.get(&format!("f:{name}")) {
            Some(below) => owns(below, value),
            None => value.is_null() || is_empty(value),
        }),
        Value::Array(items) => {
            let keyed = Keyed::of(fields);
            items.iter().all(|item| keyed.below(item).any(|below| owns(below, item)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// The items of a list in a set of fields. Lists may be long and each of their items is looked for, so they are found by what
/// their keys say.
#[derive(Default)]
struct Keyed<'a> {
    /// Items known by some of their fields, and what is owned of them.
    items: Vec<(Map<String, Value>, &'a Value)>,
    /// Where those stand in `items` that have a value in a field, for each field that all keys name.
    places: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
    /// Items known by their value.
    values: BTreeMap<String, &'a Value>,
}

impl<'a> Keyed<'a> {
    fn of(fields: &'a Map<String, Value>) -> Self {
        let mut keyed = Self::default();
        for (key, below) in fields {
            let read = |text: &str| serde_json::from_str::<Value>(text).ok();
            if let Some(value) = key.strip_prefix("v:").and_then(read) {
                keyed.values.insert(value.to_string(), below);
            } else if let Some(Value::Object(names)) = key.strip_prefix("k:").and_then(read) {
                for (name, value) in &names {
                    let places = keyed.places.entry(name.clone()).or_default();
                    places.entry(value.to_string()).or_default().push(keyed.items.len());
                }
                keyed.items.push((names, below));
            }
        }
        let all = keyed.items.len();
        keyed.places.retain(|_, places| places.values().map(Vec::len).sum::<usize>() == all);
        keyed
    }

    /// What is owned of those that may be this item.
    fn below<'s>(&'s self, item: &'s Value) -> impl Iterator<Item = &'a Value> + 's {
        let by_field = self.places.iter().filter_map(|(name, places)| {
            Some(places.get(&item.get(name)?.to_string()).map_or(&[][..], Vec::as_slice))
        });
        let narrowed = by_field.min_by_key(|places| places.len());
        let rest = if narrowed.is_none() { &self.items[..] } else { &[] };
        let narrowed = narrowed.into_iter().flatten().filter_map(|place| self.items.get(*place));
        let found = narrowed.chain(rest).filter(|(names, _)| is_item(names, item));
        let value = if self.values.is_empty() { None } else { self.values.get(&item.to_string()) };
        found.map(|(_, below)| *below).chain(value.copied())
    }
}

/// Whether a list's key means this item. A field that the item leaves out was defaulted by the server.
fn is_item(names: &Map<String, Value>, item: &Value) -> bool {
    names.iter().all(|(name, found)| item.get(name).is_none_or(|value| found == value))
}

/// A rendering made before, if nothing that it depends on changed.
pub(crate) fn remembered(
    renderings: &[(RenderKey, Arc<Rendering>)],
    key: &RenderKey,
) -> Option<Arc<Rendering>> {
    renderings.iter().find(|(known, _)| known == key).map(|(_, rendering)| Arc::clone(rendering))
}

/// A slot that stands for none in particular: for finding out whether a release can be rendered at all.
pub(crate) fn trial_slot(hash: &ContentHash) -> Slot {
    Slot { color: Color::Blue, revision: hash.revision(0) }
}

#[cfg(test)]
mod tests;

//! The sizes with which a candidate starts, and how many of live's endpoints a rollout goes by once the owner asks for fewer.

use std::collections::BTreeMap;

use serde_json::Value;
use teal_release::{Object, ObjectKey};

use super::{Facts, Renderings, Sizes, colors};
use crate::execute::owns_size;
use crate::rendering::Rendering;
use crate::stores::ObjectView;

/// Those of live's workloads by uncolored key: what they have at present, or what the owner has just asked for, to which live itself
/// is brought in the same rollout.
pub(super) fn of_live(facts: &Facts<'_>) -> Sizes {
    let Some(live) = facts.record.live.map(|live| live.slot) else { return BTreeMap::new() };
    let suffix = format!("-{}", live.color);
    let manifests = facts.rollout.spec.release.raw().get("manifests").and_then(Value::as_array);
    let manifests = manifests.map_or(&[][..], Vec::as_slice);
    let workloads = facts.objects.iter().filter(|view| view.slot() == Some(live));
    let sizes = workloads.filter_map(|view| {
        let state = view.state.as_ref().filter(|state| state.replicas > 0)?;
        let key = ObjectKey::new(view.kind.group, view.kind.kind, view.id.name.strip_suffix(&suffix)?);
        let size = newly_written(view, &key, manifests).unwrap_or(state.replicas);
        Some((key, size))
    });
    sizes.collect()
}

/// The replicas that the spec has for a workload, where live was made with another number and nothing else sizes it.
fn newly_written(view: &ObjectView, key: &ObjectKey, manifests: &[Value]) -> Option<u32> {
    let is_it = |manifest: &&Value| {
        manifest["kind"] == key.kind.as_str() && manifest["metadata"]["name"] == key.name.as_str()
    };
    // Only of autoscalers a copy is made.
    let scalers = manifests.iter().filter(|manifest| manifest.pointer("/spec/scaleTargetRef").is_some());
    let mut targets = scalers.filter_map(|scaler| teal_release::sized_by(&Object::from_value(scaler)?));
    let written = manifests.iter().find(is_it)?.pointer("/spec/replicas")?.as_u64()?;
    let (_, before) = view.content.as_deref()?.rsplit_once('.')?;
    let is_new = before != written.to_string()
        && !targets.any(|target| target.kind == key.kind && target.name == key.name);
    u32::try_from(written).ok().filter(|written| is_new && *written > 0)
}

/// Owners may make live smaller in the middle of a rollout, and both colors follow at once. What live had at the start is no measure
/// then: for want of pods that nobody wants any more a good version would be sent back.
///
/// Only what Teal wrote for them counts. Whom an autoscaler or a person shrinks by hand while requests are with the candidate
/// still must be able to take them all back.
pub(super) fn follow_owner(facts: &mut Facts<'_>, renderings: &Renderings) {
    let Some(live) = facts.record.live.filter(|_| facts.record.phase.is_under_way()) else { return };
    let Some(rendering) = renderings.color(live.slot.color) else { return };
    let asked: Vec<Option<u32>> =
        facts.services.iter().map(|service| asked(facts, rendering, &service.name)).collect();
    for (endpoints, asked) in facts.record.baseline.iter_mut().zip(asked) {
        *endpoints = asked.filter(|asked| *asked > 0).map_or(*endpoints, |asked| asked.min(*endpoints));
    }
}

/// The pods that a Service's workloads were given by their owner; none where any of them has its size from elsewhere.
fn asked(facts: &Facts<'_>, rendering: &Rendering, service: &String) -> Option<u32> {
    let behind = rendering.workloads.iter().filter(|workload| workload.traffic_services.contains(service));
    let sizes = behind.map(|workload| {
        let written = workload.written_replicas.filter(|_| workload.scaler.is_none())?;
        let view = colors::workload_view(facts, &workload.key.kind, &workload.colored_name)?;
        let has = view.state.as_ref()?.replicas;
        (has == written && owns_size(&view)).then_some(written)
    });
    sizes.sum()
}

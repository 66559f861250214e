//! The sizes with which a candidate starts, and how many of live's endpoints a rollout goes by once the owner asks for fewer.

use serde_json::Value;
use teal_release::names::uncolored;
use teal_release::{Object, ObjectKey, Workload};

use super::{Facts, Renderings, Sizes, colors};
use crate::execute::owns_size;
use crate::rendering::{Rendering, by_name};
use crate::stores::{ObjectView, WorkloadState};

/// Those of live's workloads by uncolored key: what they have at present, or what the owner has just asked for, to which live itself
/// is brought in the same rollout.
pub(super) fn of_live(facts: &Facts<'_>) -> Sizes {
    let manifests = facts.rollout.spec.release.raw().get("manifests").and_then(Value::as_array);
    let manifests = manifests.map_or(&[][..], Vec::as_slice);
    let sized = |(key, view, state): (ObjectKey, &ObjectView, &WorkloadState)| {
        let size = newly_written(view, &key, manifests).unwrap_or(state.replicas);
        (key, size)
    };
    workloads(facts).map(sized).collect()
}

/// How many pods of live's workloads are ready. One that asks for more than there is room for is no measure for another color.
pub(super) fn ready(facts: &Facts<'_>) -> Sizes {
    workloads(facts).map(|(key, _, state)| (key, state.available.min(state.replicas))).collect()
}

/// Live's workloads of which several are sized by autoscalers behind one Service, with what is ready of each.
pub(super) fn shared(facts: &Facts<'_>, renderings: &Renderings) -> Vec<(String, u32)> {
    let live = facts.record.live.and_then(|live| renderings.color(live.slot.color));
    let scaled = live.iter().flat_map(|rendering| &rendering.workloads).filter(|one| one.scaler.is_some());
    let scaled: Vec<_> = scaled.collect();
    let beside = |one: &Workload, other: &Workload| {
        one.key != other.key && one.traffic_services.iter().any(|name| other.traffic_services.contains(name))
    };
    let shares = scaled.iter().filter(|one| scaled.iter().any(|other| beside(one, other)));
    let sized = shares.filter_map(|one| {
        let state = colors::workload_view(facts, &one.key.kind, &one.colored_name)?.state.clone()?;
        Some((by_name(&one.key), state.available.min(state.replicas)))
    });
    sized.collect()
}

/// Those of live that have pods, by uncolored key.
fn workloads<'a>(
    facts: &'a Facts<'_>,
) -> impl Iterator<Item = (ObjectKey, &'a ObjectView, &'a WorkloadState)> {
    let live = facts.record.live.map(|live| live.slot);
    let own = facts.objects.iter().filter(move |view| live.is_some() && view.slot() == live);
    own.filter_map(move |view| {
        let state = view.state.as_ref().filter(|state| state.replicas > 0)?;
        let name = uncolored(&view.id.name, live?.color);
        Some((ObjectKey::new(view.kind.group, view.kind.kind, &name), &**view, state))
    })
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

/// Owners may make live smaller in the middle of a rollout, or while the former release is kept, and both colors follow at once. What
/// live had at the start is no measure then: for want of pods that nobody wants any more a good version would be sent back. Where they
/// ask for more it is one once both colors have as many, and not while their pods start.
///
/// Only what Teal wrote for them counts. Whom an autoscaler or a person shrinks by hand while requests are with the candidate
/// still must be able to take them all back.
pub(super) fn follow_owner(facts: &mut Facts<'_>, renderings: &Renderings) {
    let record = &facts.record;
    let Some(live) = record.live.filter(|_| record.phase.is_under_way() || record.previous.is_some()) else {
        return;
    };
    let Some(rendering) = renderings.color(live.slot.color) else { return };
    let asked: Vec<Option<u32>> =
        facts.services.iter().map(|service| asked(facts, rendering, &service.name)).collect();
    let counts = record.releases().map(|release| {
        colors::serving(facts, renderings.color(release.slot.color).map(AsRef::as_ref), release.slot)
    });
    let counts: Vec<Vec<u32>> = counts.collect();
    for (service, (endpoints, asked)) in facts.record.baseline.iter_mut().zip(asked).enumerate() {
        let Some(asked) = asked.filter(|asked| *asked > 0) else { continue };
        let all_have = counts.len() > 1
            && counts.iter().all(|counts| counts.get(service).is_some_and(|have| *have >= asked));
        if asked < *endpoints || all_have {
            *endpoints = asked;
        }
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

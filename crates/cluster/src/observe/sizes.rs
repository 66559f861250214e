//! How many of live's endpoints a rollout goes by, once the owner asks for fewer.

use super::{Facts, Renderings, colors};
use crate::execute::owns_size;
use crate::rendering::Rendering;

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

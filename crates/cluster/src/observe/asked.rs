//! What the releases are made from: manifests or the objects of a chart, of the spec or kept.

use std::sync::Arc;

use teal_plan::Color;
use teal_plan::record::Release;
use teal_release::chart::{Body, Manifests};
use teal_release::{Naming, Refusal};

use super::Facts;
use crate::charts::{ChartSeen, kept_with, mappings};
use crate::memory::Memory;
use crate::stores::why_unread;

pub(crate) fn manifests_of(release: &serde_json::Value) -> Vec<serde_json::Value> {
    release.get("manifests").and_then(serde_json::Value::as_array).cloned().unwrap_or_default()
}

/// What `spec.release` is made from in a color, with these traffic Services. Nothing of a chart that is not rendered yet. Of one that
/// is kept with a revision that stands that counts, and it is never rendered again.
pub(super) fn asked_for(
    facts: &Facts<'_>,
    memory: &Memory,
    color: Color,
    services: &[String],
) -> Result<Option<Manifests>, Vec<Refusal>> {
    let release = facts.rollout.spec.release.raw();
    if release.get("chart").is_none() {
        return Ok(Some(Manifests::listed(manifests_of(release))));
    }
    let now = mappings(&facts.traffic);
    let standing = || facts.record.releases().filter(|release| release.hash == facts.hash);
    if let Some(kept) = standing().find_map(|release| memory.contents.get(&release.slot.revision)) {
        return kept.manifests(color, services, &now).transpose();
    }
    if standing().any(|release| memory.lost.contains(&release.slot.revision)) {
        return Ok(None);
    }
    match &facts.chart {
        ChartSeen::Ready(body) => body.manifests(color, &body.mapped(services, &now)).map(Some),
        ChartSeen::None | ChartSeen::Pending | ChartSeen::Refused(_) => Ok(None),
    }
}

/// What a revision of a chart is to be kept with: as it is in memory, where what was kept went a moment ago.
pub(super) fn body(facts: &Facts<'_>, memory: &Memory) -> Option<Arc<Body>> {
    let mut standing = facts.record.releases().filter(|release| release.hash == facts.hash);
    let known = standing.find_map(|release| memory.contents.get(&release.slot.revision)?.body());
    let known = known.map(Arc::new).or_else(|| facts.chart.body().cloned());
    known.map(|body| Arc::new(kept_with(&body, &facts.filled.services, &facts.traffic)))
}

/// What a release is made from: the spec where that is its content, else what was kept. Of manifests live has the spec's in-place parts at
/// once; of a chart every change is another revision.
pub(super) fn manifests_for(
    facts: &Facts<'_>,
    memory: &Memory,
    release: &Release,
    services: &[String],
) -> Option<Manifests> {
    if release.hash == facts.hash {
        return asked_for(facts, memory, release.slot.color, services).ok().flatten();
    }
    let kept = memory.contents.get(&release.slot.revision)?;
    let kept = kept.manifests(release.slot.color, services, &mappings(&facts.traffic))?.ok()?;
    let spec = facts.rollout.spec.release.raw();
    let is_listed =
        kept.naming == Naming::Behind && spec.get("chart").is_none() && why_unread(spec).is_none();
    Some(if is_listed && facts.is_live(release.slot) {
        Manifests::listed(teal_release::with_in_place_of(&kept.objects, &manifests_of(spec)))
    } else {
        kept
    })
}

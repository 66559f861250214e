//! What should stand in the colors, and what spec.release is before it stands in one.

use std::collections::BTreeMap;
use std::sync::Arc;

use teal_plan::record::Release;
use teal_plan::{Color, ContentHash, Phase, Record, Slot};
use teal_release::Resources;

use crate::memory::Memory;
use crate::rendering::{For, RenderKey, Rendering, remembered, render, trial_slot};

use super::asked::{asked_for, manifests_for};
use super::{Facts, sizes};

/// The renderings that a look needs.
pub(crate) struct Renderings {
    pub(super) blue: Option<Arc<Rendering>>,
    pub(super) green: Option<Arc<Rendering>>,
    /// What `spec.release` is, be it in a color or not yet.
    pub(super) wanted: Option<Arc<Rendering>>,
    /// What is wrong with `spec.release`.
    pub(crate) refusals: Vec<teal_release::Refusal>,
    /// What is worth a warning about it.
    pub(crate) findings: Vec<teal_release::Finding>,
    /// The traffic Services as it wants them.
    pub(crate) services: Vec<teal_release::RoleService>,
    /// What it needs to start.
    pub(crate) need: Option<Resources>,
    /// Its Jobs that run before its workloads.
    pub(crate) jobs: Vec<String>,
    /// Its Jobs that run after retirement.
    pub(crate) later: Vec<String>,
}

impl Renderings {
    pub(super) fn of(facts: &Facts<'_>, memory: &mut Memory) -> Self {
        let mut this = Self {
            blue: None,
            green: None,
            wanted: None,
            refusals: Vec::new(),
            findings: Vec::new(),
            services: Vec::new(),
            need: None,
            jobs: Vec::new(),
            later: Vec::new(),
        };
        let mut wanted = None;
        for color in [Color::Blue, Color::Green] {
            let Some(release) = facts.asked(color) else { continue };
            let rendered = slot_rendering(facts, memory, &release);
            // What is wrong with a release, and worth telling, is the same for both colors and roles.
            if release.hash == facts.hash {
                wanted.clone_from(&rendered);
            }
            match color {
                Color::Blue => this.blue = rendered,
                Color::Green => this.green = rendered,
            }
        }
        match wanted.map_or_else(|| wanted_rendering(facts, memory), |known| Ok(Some(known))) {
            Ok(None) => {}
            Ok(Some(rendering)) => {
                this.findings.clone_from(&rendering.findings);
                this.services.clone_from(&rendering.role_services);
                this.need = Some(rendering.need.clone());
                this.jobs.clone_from(&rendering.job_names);
                this.later.clone_from(&rendering.later_names);
                this.wanted = Some(rendering);
            }
            Err(refusals) => this.refusals = refusals,
        }
        this
    }

    /// A traffic Service as the spec has it.
    pub(super) fn service(&self, name: &str) -> Option<&teal_release::RoleService> {
        self.services.iter().find(|wanted| wanted.name == name)
    }

    /// A role's Service as the release has it that the record has in a slot.
    pub(super) fn role_service(
        &self,
        facts: &Facts<'_>,
        slot: Slot,
        name: &str,
    ) -> Option<&teal_release::RoleService> {
        let asked = facts.asked(slot.color).is_some_and(|release| release.slot == slot);
        self.color(slot.color).filter(|_| asked)?.role_service(name)
    }

    /// What should stand in a color.
    pub(crate) fn color(&self, color: Color) -> Option<&Arc<Rendering>> {
        match color {
            Color::Blue => self.blue.as_ref(),
            Color::Green => self.green.as_ref(),
        }
    }
}

/// Renders the spec for the slot that it has or would have, to see whether it can be.
fn wanted_rendering(
    facts: &Facts<'_>,
    memory: &mut Memory,
) -> Result<Option<Arc<Rendering>>, Vec<teal_release::Refusal>> {
    let key = key(facts, trial_slot(&facts.hash), facts.hash, false, facts.filled.services.clone());
    if let Some(known) = remembered(&memory.renderings, &key) {
        return Ok(Some(known));
    }
    let Some(manifests) = asked_for(facts, memory, key.slot.color, &key.services)? else { return Ok(None) };
    let rendering = Arc::new(render(manifests, &whom(facts, &key))?);
    remember(memory, key, &rendering);
    Ok(Some(rendering))
}

fn slot_rendering(facts: &Facts<'_>, memory: &mut Memory, release: &Release) -> Option<Arc<Rendering>> {
    let services = services_of(facts, memory, release);
    let key = key(facts, release.slot, release.hash, facts.is_live(release.slot), services);
    if let Some(known) = remembered(&memory.renderings, &key) {
        return Some(known);
    }
    let manifests = manifests_for(facts, memory, release, &key.services)?;
    let rendering = Arc::new(render(manifests, &whom(facts, &key)).ok()?);
    remember(memory, key, &rendering);
    Some(rendering)
}

fn remember(memory: &mut Memory, key: RenderKey, rendering: &Arc<Rendering>) {
    memory.renderings.retain(|(known, _)| known.generation == key.generation && known.slot != key.slot);
    memory.renderings.push((key, Arc::clone(rendering)));
}

fn whom<'a>(facts: &'a Facts<'_>, key: &'a RenderKey) -> For<'a> {
    For {
        rollout: &facts.names.name,
        namespace: &facts.names.namespace,
        instance: &facts.config.instance,
        key,
    }
}

/// The traffic Services of a release. One that is kept has those with which it was kept, and those that it turned out to have.
fn services_of(facts: &Facts<'_>, memory: &Memory, release: &Release) -> Vec<String> {
    let counting = &facts.filled.services;
    let kept = memory.contents.get(&release.slot.revision).filter(|_| release.hash != facts.hash);
    kept.map_or_else(|| counting.clone(), |kept| kept.traffic_with(counting))
}

fn key(facts: &Facts<'_>, slot: Slot, hash: ContentHash, active: bool, services: Vec<String>) -> RenderKey {
    let hold = facts.filled.services.iter().cloned().zip(facts.record.baseline.iter().copied());
    RenderKey {
        generation: facts.names.generation,
        uid: facts.names.uid.clone(),
        slot,
        hash,
        active,
        sizes: if active { BTreeMap::new() } else { sizes::of_live(facts) },
        services,
        owned: facts.filled.on_delete == teal_api::rollout::OnDelete::DeleteAll,
        hold: if holds_sizes(&facts.record) { hold.collect() } else { Vec::new() },
        started: if holds_sizes(&facts.record) { facts.record.sizes.clone() } else { Vec::new() },
        beside: if facts.record.is_tried(slot) { sizes::ready(facts) } else { BTreeMap::new() },
    }
}

/// From the start of a rollout until the other color is let go.
fn holds_sizes(record: &Record) -> bool {
    match &record.phase {
        Phase::Step(_) | Phase::Promoting { .. } | Phase::Returning { .. } => true,
        Phase::Rest { .. } => record.previous.is_some(),
        Phase::New | Phase::Installing { .. } => false,
    }
}

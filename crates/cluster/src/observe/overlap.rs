//! Traffic Services that select pods of both revisions for a time before they are turned, because what leads to them from
//! outside learns of other pods late (rule 11).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use teal_api::names::{annotation, label};
use teal_plan::snapshot::{Obstacle, Overlap, Stops};
use teal_plan::{Phase, Slot, Span};
use teal_release::FindingKind;
use teal_traffic::{Refusal, RoleService, Switch};

use super::{Facts, Renderings, obstacle};
use crate::json;
use crate::memory::Memory;
use crate::stores::{Endpoint, JsonView, View};

/// Three looks of a load balancer at a pod, ten seconds apart.
const USUAL: Span = Span::seconds(30);
const SHORTEST: Span = Span::seconds(1);
const LONGEST: Span = Span::seconds(3_600);

/// Which traffic Services pass through an overlap, and what keeps them from it.
#[derive(Default)]
pub(super) struct Passing {
    /// For how long, per traffic Service; none where it is turned at once.
    pub(super) each: Vec<Option<Span>>,
    pub(super) obstacles: Vec<Obstacle>,
}

/// A traffic Service as the release and the cluster have it, most telling first.
struct Forms {
    written: Option<Value>,
    there: Option<Value>,
}

impl Forms {
    fn of(facts: &Facts<'_>, renderings: &Renderings, service: &RoleService) -> Self {
        let written = wanted(facts, renderings, service);
        let there = facts.stores.services.get(&facts.names.namespace, &service.name);
        Self {
            written: written.map(|wanted| wanted.template.to_value()),
            there: there.map(|view| view.value()),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        [&self.written, &self.there].into_iter().flatten()
    }
}

impl Passing {
    pub(super) fn of(facts: &Facts<'_>, renderings: &Renderings) -> Self {
        let mut this = Self::default();
        for service in &facts.services {
            let forms = Forms::of(facts, renderings, service);
            let lasts = is_on(&forms, renderings, service, &mut this.obstacles)
                .then(|| lasts(&forms, service, &mut this.obstacles));
            if lasts.is_some()
                && let Err(refusal) = mixed(facts, renderings, service, &forms)
            {
                this.obstacles.push(refused(&refusal));
            }
            this.each.push(lasts);
        }
        this
    }
}

fn refused(refusal: &Refusal) -> Obstacle {
    obstacle(refusal.reason(), refusal.to_string(), Stops::Rollout)
}

/// By its owner's word, else by what it is in the cluster. A word that can't be read is none.
fn is_on(
    forms: &Forms,
    renderings: &Renderings,
    service: &RoleService,
    obstacles: &mut Vec<Obstacle>,
) -> bool {
    for form in forms.all() {
        match teal_traffic::switch(form) {
            Ok(Some(switch)) => return switch == Switch::Overlap,
            Ok(None) => {}
            Err(refusal) => obstacles.push(refused(&refusal)),
        }
    }
    let gated = renderings.findings.iter().any(|finding| {
        finding.kind == FindingKind::ReadinessGates && finding.services.contains(&service.name)
    });
    let form = forms.there.as_ref().or(forms.written.as_ref());
    gated || form.is_some_and(teal_traffic::is_reached_late)
}

fn lasts(forms: &Forms, service: &RoleService, obstacles: &mut Vec<Obstacle>) -> Span {
    let Some(text) = forms.all().find_map(|form| json::annotation(form, annotation::OVERLAP)) else {
        return USUAL;
    };
    let millis = teal_api::duration::parse(text).ok().and_then(|millis| i64::try_from(millis).ok());
    let span = millis.map(Span).filter(|span| (SHORTEST..=LONGEST).contains(span));
    if span.is_none() {
        let message = format!(
            "Service {}/{}: metadata.annotations[{}] is {text:?} and must be a duration from 1s to 1h, like 90s: correct it, \
             the rollout goes on by itself",
            service.namespace,
            service.name,
            annotation::OVERLAP
        );
        obstacles.push(obstacle("ObjectMalformed", message, Stops::Rollout));
    }
    span.unwrap_or(USUAL)
}

/// A traffic Service as the revision under way has it, whatever the spec asks for meanwhile; else as the spec does.
fn wanted<'r>(
    facts: &Facts<'_>,
    renderings: &'r Renderings,
    service: &RoleService,
) -> Option<&'r teal_release::RoleService> {
    let is_under_way = matches!(facts.record.phase, Phase::Step(_) | Phase::Promoting { .. });
    let candidate = facts.record.candidate.filter(|_| is_under_way);
    let rendering = candidate.and_then(|candidate| renderings.color(candidate.slot.color));
    let by_spec = || renderings.service(&service.name);
    rendering.and_then(|rendering| rendering.role_service(&service.name)).or_else(by_spec)
}

/// What one selector and one list of ports can't do for the pods of both. Before a first install there is no live revision.
fn mixed(
    facts: &Facts<'_>,
    renderings: &Renderings,
    service: &RoleService,
    forms: &Forms,
) -> Result<(), Refusal> {
    let wanted = wanted(facts, renderings, service);
    let (Some(wanted), Some(written), Some(there)) = (wanted, &forms.written, &forms.there) else {
        return Ok(());
    };
    let Some(live) = facts.record.live.filter(|_| !is_first(&facts.record.phase)) else { return Ok(()) };
    let live = renderings.color(live.slot.color).and_then(|rendering| rendering.role_service(&service.name));
    let selector = live.map_or_else(|| owners(there), |live| live.original_selector.clone());
    let ports = there.pointer("/spec/ports").and_then(Value::as_array).map(Vec::as_slice);
    teal_traffic::overlap_problem((&selector, &wanted.original_selector), ports.unwrap_or_default(), written)
}

const fn is_first(phase: &Phase) -> bool {
    matches!(phase, Phase::New | Phase::Installing { .. })
}

/// What a Service selects by its owner's labels.
fn owners(service: &Value) -> BTreeMap<String, String> {
    let selector = service.pointer("/spec/selector").cloned().unwrap_or_default();
    let mut selector: BTreeMap<String, String> = serde_json::from_value(selector).unwrap_or_default();
    selector.retain(|name, _| !name.starts_with(label::PREFIX));
    selector
}

pub(super) fn see(
    facts: &Facts<'_>,
    renderings: &Renderings,
    passing: &Passing,
    memory: &mut Memory,
) -> Option<Overlap> {
    let lasts = passing.each.iter().flatten().max().copied()?;
    let live = facts.record.live.map(|live| live.slot);
    let candidate = facts.record.candidate.map(|candidate| candidate.slot);
    let (mut selected, mut joined) = (true, true);
    let mut versions = Vec::new();
    for (index, service) in facts.services.iter().enumerate() {
        if passing.each.get(index).copied().flatten().is_none() {
            continue;
        }
        let view = facts.stores.services.get(&facts.names.namespace, &service.name);
        let rendering = candidate.and_then(|candidate| renderings.color(candidate.color));
        let wanted = rendering.and_then(|rendering| rendering.role_service(&service.name));
        selected &= view.as_ref().zip(wanted).is_some_and(|(view, wanted)| selects(view, &wanted.both()));
        joined &= live.zip(candidate).is_some_and(|both| has_joined(facts, service, both));
        versions.push(view.map(|view| view.version()));
    }
    let since = memory.sightings.since("overlap", &(selected && joined, versions), facts.now);
    Some(Overlap { lasts, selected, since: (selected && joined).then_some(since) })
}

fn selects(view: &JsonView, wanted: &BTreeMap<String, String>) -> bool {
    view.selector().count() == wanted.len()
        && view.selector().all(|(name, value)| wanted.get(name).is_some_and(|wanted| wanted == value))
}

/// Every address that serves is a pod of one of the two, the candidate's among them: the first of them says that the change has
/// reached the slices.
fn has_joined(facts: &Facts<'_>, service: &RoleService, (live, candidate): (Slot, Slot)) -> bool {
    let slots: Vec<Option<Slot>> =
        serving(facts, &service.name, |endpoint| facts.pod(&endpoint.pod).and_then(|pod| pod.slot()));
    slots.contains(&Some(candidate)) && slots.iter().all(|slot| [Some(live), Some(candidate)].contains(slot))
}

fn serving<T>(facts: &Facts<'_>, service: &str, read: impl Fn(&Endpoint) -> T) -> Vec<T> {
    let slices = facts.stores.slices.group(&facts.names.namespace, service);
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    endpoints.filter(|endpoint| endpoint.serves).map(read).collect()
}

/// With a policy `Local` a node without a pod of the new revision would refuse callers from the turn on, however long both were
/// selected before it. Looked at once the candidate is up.
pub(super) fn deserted(facts: &Facts<'_>, passing: &Passing, up: bool) -> Vec<Obstacle> {
    let (Some(live), Some(candidate)) = (facts.record.live, facts.record.candidate) else {
        return Vec::new();
    };
    let under_way = matches!(facts.record.phase, Phase::Step(_) | Phase::Promoting { .. });
    if !under_way || !up {
        return Vec::new();
    }
    let passing = facts.services.iter().zip(&passing.each).filter(|(_, lasts)| lasts.is_some());
    let found = passing.filter_map(|(service, _)| {
        let view = facts.stores.services.get(&facts.names.namespace, &service.name)?;
        let field = teal_traffic::is_local(&view.value())?;
        let after = nodes(facts, &service.candidate, candidate.slot);
        let before = nodes(facts, &service.name, live.slot);
        let node = before.difference(&after).next().filter(|_| !after.is_empty())?;
        Some(format!(
            "Service {}/{}: spec.{field}: Local: node {node} has pods of {} and none of {}, so that it would refuse callers from \
             promotion on: let pods run on the same nodes in both (a topology spread), take Local out, or accept it by the \
             annotation {}: AtOnce on the Service",
            service.namespace,
            service.name,
            live.slot.revision,
            candidate.slot.revision,
            annotation::SWITCH
        ))
    });
    found.map(|message| obstacle("ServiceUnsupported", message, Stops::Rollout)).collect()
}

/// The nodes of a slot's pods behind a Service.
fn nodes(facts: &Facts<'_>, service: &str, slot: Slot) -> BTreeSet<Box<str>> {
    let of_slot = |endpoint: &Endpoint| facts.pod(&endpoint.pod).is_some_and(|pod| pod.slot() == Some(slot));
    let nodes = serving(facts, service, |endpoint| of_slot(endpoint).then(|| endpoint.node.clone()));
    nodes.into_iter().flatten().filter(|node| !node.is_empty()).collect()
}

/// With a lost record: of two revisions behind a Service the older one is live, for the younger one is still under test.
pub(super) fn older(facts: &Facts<'_>, view: &Arc<JsonView>) -> Option<Slot> {
    if !view.selects_both(&facts.names.name) {
        return None;
    }
    let selected = facts.pods.iter().filter(|pod| {
        view.selector().all(|(name, value)| pod.has_label(name, value))
            && pod.has_label(label::ROLLOUT, &facts.names.name)
    });
    selected.filter_map(|pod| pod.slot()).min_by_key(|slot| slot.revision.counter)
}

//! What is in the way, each with object, field and remedy.

use std::collections::BTreeMap;

use serde_json::Value;
use teal_api::names::label;
use teal_plan::snapshot::{Obstacle, Stops};
use teal_release::{FindingKind, Refusal};
use teal_traffic::Listed;

use super::routes::{Routes, selectors};
use super::{Facts, Renderings, obstacle};
use crate::stores::{ObjectId, Pokes, What};

/// All of them, and whether the release can be used as it is written.
pub(super) fn gather(
    facts: &Facts<'_>,
    renderings: &Renderings,
    routes: &Routes,
    pokes: &Pokes,
) -> (Vec<Obstacle>, bool) {
    let mut obstacles = Vec::new();
    if let Err(error) = &facts.filled {
        obstacles.push(obstacle("SpecInvalid", error.to_string(), Stops::Everything));
        return (obstacles, false);
    }
    obstacles.extend(renderings.refusals.iter().map(refused));
    obstacles.extend(claimed(facts, pokes));
    obstacles.extend(routes.obstacles.iter().cloned());
    obstacles.extend(overlaps(facts));
    obstacles.extend(unmanaged(facts));
    obstacles.extend(renderings.findings.iter().filter_map(finding));
    (obstacles, renderings.refusals.is_empty())
}

fn refused(refusal: &Refusal) -> Obstacle {
    obstacle(refusal.reason.as_str(), refusal.to_string(), Stops::Everything)
}

fn finding(finding: &teal_release::Finding) -> Option<Obstacle> {
    matches!(finding.kind, FindingKind::RunsInBothColors)
        .then(|| obstacle("WorksInBothColors", finding.message.clone(), Stops::Nothing))
}

/// Of two Rollouts that name one Service the older keeps it.
fn claimed(facts: &Facts<'_>, pokes: &Pokes) -> Vec<Obstacle> {
    let mut found = Vec::new();
    for service in &facts.services {
        let id = ObjectId::new(&facts.names.namespace, &service.name);
        for rival in pokes.rivals(What::Service, &id, &facts.names.name) {
            if is_older(facts, &rival) {
                let message = format!(
                    "Service {id} in spec.traffic.services belongs to Rollout {rival}, which is older: take it out of \
                     one of the two"
                );
                found.push(obstacle("ClaimedByOther", message, Stops::Everything));
            }
        }
    }
    found
}

fn is_older(facts: &Facts<'_>, rival: &str) -> bool {
    let Some(view) = facts.stores.rollouts.get(&facts.names.namespace, rival) else { return false };
    let Ok(other) = &view.rollout else { return false };
    let made = |metadata: &kube::core::ObjectMeta| {
        let at = metadata.creation_timestamp.as_ref().map(|time| time.0);
        (at, metadata.name.clone().unwrap_or_default())
    };
    made(&other.metadata) < made(&facts.rollout.metadata)
}

/// Other Services that select the candidate's pods would give them requests at weight 0.
fn overlaps(facts: &Facts<'_>) -> Vec<Obstacle> {
    let Some(candidate) = facts.record.candidate else { return Vec::new() };
    let pods = facts.pods.iter().filter(|pod| pod.slot() == Some(candidate.slot));
    // Pods of a workload are alike: one of each set of labels is enough.
    let mut kinds: Vec<BTreeMap<String, String>> = Vec::new();
    for pod in pods {
        let labels: BTreeMap<String, String> =
            pod.labels.iter().filter(|(name, _)| name != "pod-template-hash").cloned().collect();
        if !kinds.contains(&labels) {
            kinds.push(labels);
        }
    }
    if kinds.is_empty() {
        return Vec::new();
    }
    let services = facts.stores.services.group(&facts.names.namespace, "");
    let foreign: Vec<Value> = services
        .iter()
        .filter(|view| view.label(label::ROLLOUT) != Some(&facts.names.name))
        .map(|view| view.value.clone())
        .collect();
    let known: Vec<String> =
        facts.services.iter().flat_map(|service| [service.name.clone(), service.candidate.clone()]).collect();
    let found = kinds
        .iter()
        .flat_map(|labels| teal_traffic::selector_overlaps(&foreign, &facts.names.namespace, labels, &known));
    let mut found: Vec<_> = found.collect();
    found.sort();
    found.dedup();
    found.into_iter().map(|finding| obstacle("SelectorOverlap", finding.message, Stops::Rollout)).collect()
}

/// Routes to the Services that nobody listed: their callers change over at once, at promotion.
fn unmanaged(facts: &Facts<'_>) -> Vec<Obstacle> {
    let Ok(filled) = &facts.filled else { return Vec::new() };
    if !filled.has_mesh() {
        return Vec::new();
    }
    let names = |value: &Value| {
        let text = value.pointer("/spec").map(ToString::to_string).unwrap_or_default();
        facts.services.iter().any(|service| text.contains(&service.name))
    };
    let all = facts.stores.virtual_services.group(&facts.names.namespace, "");
    let all: Vec<Value> =
        all.iter().filter(|view| names(&view.value)).map(|view| view.value.clone()).collect();
    let listed: Vec<Listed> = filled
        .virtual_services
        .iter()
        .map(|entry| Listed {
            namespace: facts.names.namespace.clone(),
            name: entry.name.clone(),
            routes: selectors(entry),
        })
        .collect();
    let found = teal_traffic::unmanaged_routes(&all, &facts.services, &listed, &facts.config.mesh);
    found.into_iter().map(|finding| obstacle("UnmanagedRoutes", finding.message, Stops::Nothing)).collect()
}

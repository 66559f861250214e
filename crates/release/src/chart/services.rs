//! `spec.traffic.services` of a chart: which rendered Service stands behind a role.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use teal_plan::Color;

use super::both::Common;
use super::read::{ChartObject, Rendering};
use crate::ObjectKey;
use crate::names::CANDIDATE_SUFFIX;
use crate::object::list;
use crate::refusal::{Refusal, RefusalReason};
use crate::selector::{labels, plain_matches};

/// The placeholder of the color.
const COLOR: &str = "$(color)";

/// One of `spec.traffic.services`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceMapping {
    /// The name that callers use.
    pub name: String,
    /// The Service of a color, with `$(color)` in its name. Left out: the name, a hyphen and the color.
    pub from: Option<String>,
}

/// A traffic Service with the Service of one color that it is made from.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RolePair {
    /// The name of the live role.
    pub live: String,
    /// The name of the candidate's role.
    pub candidate: String,
    /// The Service of the color: it stays, for calls inside of the color.
    pub from: ObjectKey,
    /// The workloads of the color that it selects.
    pub workloads: Vec<ObjectKey>,
}

impl ServiceMapping {
    /// The name of the Service in one color.
    pub fn in_color(&self, color: Color) -> String {
        let from = self.from.clone().unwrap_or_else(|| format!("{}-{COLOR}", self.name));
        from.replace(COLOR, color.as_str())
    }
}

/// The role pairs of one color, or everything that is wrong with them.
pub fn role_pairs(
    mappings: &[ServiceMapping],
    rendering: &Rendering,
    common: &Common,
    color: Color,
) -> Result<Vec<RolePair>, Vec<Refusal>> {
    let mut pairs: Vec<RolePair> = Vec::new();
    let mut refusals = Vec::new();
    for mapping in mappings {
        match pair(mapping, rendering, common, color) {
            Ok(pair) => match pairs.iter().find(|other| other.from == pair.from) {
                Some(other) => refusals.push(twice(mapping, &other.live)),
                None => pairs.push(pair),
            },
            Err(refusal) => refusals.push(refusal),
        }
    }
    if refusals.is_empty() { Ok(pairs) } else { Err(refusals) }
}

fn pair(
    mapping: &ServiceMapping,
    rendering: &Rendering,
    common: &Common,
    color: Color,
) -> Result<RolePair, Refusal> {
    if mapping.from.as_ref().is_some_and(|from| !from.contains(COLOR)) {
        let remedy = format!("write it with {COLOR} in place of the color, like {}-{COLOR}", mapping.name);
        return Err(refuse(mapping, "names one Service for both colors".to_owned(), remedy));
    }
    let candidate = format!("{}{CANDIDATE_SUFFIX}", mapping.name);
    for role in [&mapping.name, &candidate] {
        if let Some(taken) = rendering.find(&ObjectKey::new("", "Service", role)) {
            let problem =
                format!("is to have the role Service {role}, and the chart makes {} itself", taken.key);
            let remedy =
                "switch it off in the chart's values, or choose another name for the role".to_owned();
            return Err(refuse(mapping, problem, remedy).with_reason(RefusalReason::ServiceUnsupported));
        }
    }
    let key = ObjectKey::new("", "Service", &mapping.in_color(color));
    let service = rendering.find(&key).ok_or_else(|| missing(mapping, &key.name, rendering))?;
    if common.keys.contains(&key) {
        let remedy = "set the chart's values so that it carries the release's name".to_owned();
        return Err(refuse(mapping, format!("leads to {key}, which both colors have"), remedy));
    }
    unsuited(service).map_or(Ok(()), Err)?;
    let workloads = served_by(service, rendering, common)?;
    Ok(RolePair { live: mapping.name.clone(), candidate, from: key, workloads })
}

/// Kinds of Services that a role can't be made from.
fn unsuited(service: &ChartObject) -> Option<Refusal> {
    let refuse = |field: &str, problem: &str, remedy: &str| {
        let refusal = Refusal::invalid(&service.key, field, problem, remedy);
        Some(refusal.with_reason(RefusalReason::ServiceUnsupported))
    };
    if service.object.text("/spec/type") == "ExternalName" {
        return refuse("spec.type", "is ExternalName, which selects no pods", "use ClusterIP");
    }
    if service.object.text("/spec/clusterIP") == "None" {
        let problem = "is None: callers of a headless Service choose pods by themselves";
        return refuse("spec.clusterIP", problem, "map another Service of the chart, or leave it out");
    }
    if list(&service.object.to_value(), "/spec/ports").is_empty() {
        return refuse("spec.ports", "is missing or empty", "list the port that callers use");
    }
    None
}

/// The workloads of this color that a Service selects. One that both colors share would get the requests of both.
fn served_by(
    service: &ChartObject,
    rendering: &Rendering,
    common: &Common,
) -> Result<Vec<ObjectKey>, Refusal> {
    let selector = service.object.get("/spec/selector");
    let runs = |object: &&ChartObject| matches!(object.key.kind.as_str(), "Deployment" | "StatefulSet");
    let selected: Vec<&ChartObject> = rendering
        .objects
        .iter()
        .filter(runs)
        .filter(|object| {
            let pod =
                labels(object.object.template().and_then(|template| template.pointer("/metadata/labels")));
            plain_matches(selector, &pod)
        })
        .collect();
    let refuse = |problem: String, remedy: &str| {
        let refusal = Refusal::invalid(&service.key, "spec.selector", problem, remedy);
        refusal.with_reason(RefusalReason::ServiceNotFound)
    };
    if let Some(shared) = selected.iter().find(|object| common.keys.contains(&object.key)) {
        return Err(refuse(
            format!("selects {}, which both colors share", shared.key),
            "set the chart's values so that the workload carries the release's name",
        ));
    }
    if selected.is_empty() {
        let written =
            selector.map_or_else(|| "is missing".to_owned(), |selector: &Value| format!("is {selector}"));
        return Err(refuse(
            format!("{written} and selects no pods of this release"),
            "select labels that a pod template of the chart has",
        ));
    }
    Ok(selected.into_iter().map(|object| object.key.clone()).collect())
}

fn missing(mapping: &ServiceMapping, name: &str, rendering: &Rendering) -> Refusal {
    let services = rendering.objects.iter().filter(|object| object.key.is("", "Service"));
    let names: Vec<&str> = services.map(|object| object.key.name.as_str()).collect();
    let made =
        if names.is_empty() { "it makes none".to_owned() } else { format!("it makes {}", names.join(", ")) };
    let problem = format!("leads to {name}, which is no Service of the chart: {made}");
    let remedy =
        format!("write in `from` the name that the chart gives it, with {COLOR} in place of the color");
    refuse(mapping, problem, remedy)
}

fn twice(mapping: &ServiceMapping, other: &str) -> Refusal {
    let problem = format!("leads to the same Service as {other}");
    refuse(mapping, problem, "take one of the two out".to_owned())
}

fn refuse(mapping: &ServiceMapping, problem: String, remedy: String) -> Refusal {
    let object = format!("Service {}", mapping.name);
    Refusal::invalid(&object, "spec.traffic.services", problem, remedy)
        .with_reason(RefusalReason::ServiceNotFound)
}

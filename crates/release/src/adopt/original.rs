//! One object that runs, and what a copy has of it.

use serde_json::{Map, Value};

use super::label::{Relabeling, of_owner};
use super::named::Named;
use crate::names::annotation;
use crate::object::Object;
use crate::refusal::Refusal;

/// Domains of the labels and annotations by which tools know what they applied. A copy that bore them would count as theirs and be pruned
/// as something that isn't in Git.
const OF_TOOLS: [&str; 7] = [
    "argocd.argoproj.io",
    "helm.sh",
    "helm.toolkit.fluxcd.io",
    "kubectl.kubernetes.io",
    "kustomize.toolkit.fluxcd.io",
    "meta.helm.sh",
    "teal.dev",
];
/// Labels of tools whose domain others use as well.
const LABELS_OF_TOOLS: [&str; 2] = ["app.kubernetes.io/instance", "app.kubernetes.io/managed-by"];

/// What keeps one workload from being adopted. What a copy of it must not have is found as in manifests.
pub(super) fn refusals(workload: &Object) -> Vec<Refusal> {
    let key = workload.key();
    let mut found = Vec::new();
    if !(key.is("apps", "Deployment") || key.is("apps", "StatefulSet")) {
        let problem = format!("is {}, of which no copy can be made", key.kind);
        let remedy = "name a Deployment or a StatefulSet";
        found.push(Refusal::invalid(&key, "kind", problem, remedy));
    }
    let owners = workload.get("/metadata/ownerReferences").and_then(Value::as_array);
    if let Some(owner) = owners.into_iter().flatten().next() {
        let (kind, name) =
            (owner["kind"].as_str().unwrap_or("object"), owner["name"].as_str().unwrap_or_default());
        let problem = format!("says that {kind} {name} makes it, which would size it again");
        let remedy = "adopt it by its manifests (docs/adopting.md), and have that one make it no more";
        found.push(Refusal::invalid(&key, "metadata.ownerReferences", problem, remedy));
    }
    if workload.get("/metadata/deletionTimestamp").is_some() {
        let remedy = "wait until it is gone, and apply it anew if it is still wanted";
        found.push(Refusal::invalid(
            &key,
            "metadata.deletionTimestamp",
            "says that it is being deleted",
            remedy,
        ));
    }
    if workload.get("/spec/paused") == Some(&Value::Bool(true)) {
        let remedy = "resume it: what it says now is what would be released";
        found.push(Refusal::invalid(
            &key,
            "spec.paused",
            "is true, and copies of it would never start",
            remedy,
        ));
    }
    found
}

/// What would set an original to work again that rests at 0.
pub(super) fn wakes(scaler: &Object) -> Option<Refusal> {
    let key = scaler.key();
    let least = scaler.get("/spec/minReplicas").and_then(Value::as_u64);
    let (field, problem) = match key.kind.as_str() {
        "ScaledObject" => {
            ("spec.scaleTargetRef", "would wake what rests at 0, and then size what serves nobody".to_owned())
        }
        "HorizontalPodAutoscaler" if least == Some(0) => {
            ("spec.minReplicas", "is 0, so that it would wake what rests at 0".to_owned())
        }
        _ => return None,
    };
    let remedy = "adopt it by its manifests (docs/adopting.md)";
    Some(Refusal::invalid(&key, field, problem, remedy))
}

/// A disk is written by both colors, so its owner has to say that they may.
pub(super) fn claim(workload: &Object, named: &Named, claim: Option<&Object>) -> Option<Refusal> {
    let shared = claim.and_then(|claim| claim.annotation(annotation::FATE)) == Some("Shared");
    (!shared).then(|| {
        Refusal::invalid(
            &workload.key(),
            named.field.clone(),
            format!("names claim {}, which pods of both colors would use at once", named.key.name),
            format!("annotate the claim with {}: Shared if that may be", annotation::FATE),
        )
    })
}

/// A workload as a release has it.
pub(super) fn workload(original: &Object, relabeling: &Relabeling) -> Value {
    let mut copy = stripped(original);
    // At rest it has no size of its own; what is noted is what its owner wants.
    let noted = original.annotation(annotation::REPLICAS).and_then(|text| text.parse::<u32>().ok());
    if let Some(replicas) = noted {
        copy.set(&["spec"], "replicas", replicas.into());
    }
    if let Some(metadata) = copy.template_mut().and_then(|template| template.get_mut("metadata")) {
        // The server writes it as null.
        metadata.as_object_mut().map(|metadata| metadata.remove("creationTimestamp"));
    }
    relabeling.object(&mut copy);
    copy.to_value()
}

/// A Service as a release has it: with the selector of its owner, which means the copies.
pub(super) fn service(original: &Object, relabeling: &Relabeling) -> Value {
    let mut copy = stripped(original);
    // Given by the cluster, and another one's after it was made anew.
    let headless = original.text("/spec/clusterIP") == "None";
    for field in ["clusterIP", "clusterIPs", "healthCheckNodePort"].iter().filter(|_| !headless) {
        copy.remove(&["spec"], field);
    }
    let mut selector: Map<String, Value> =
        of_owner(original).into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    relabeling.plain(&mut selector);
    copy.set(&["spec"], "selector", Value::Object(selector));
    copy.to_value()
}

/// Anything else as a release has it.
pub(super) fn plain(original: &Object, relabeling: &Relabeling) -> Value {
    let mut copy = stripped(original);
    relabeling.object(&mut copy);
    copy.to_value()
}

/// Without what the server, its controllers and the tools that apply it write.
fn stripped(original: &Object) -> Object {
    let mut copy = original.clone();
    copy.remove(&[], "status");
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), original.text("/metadata/name").into());
    let labels = kept(original, "/metadata/labels", |name| !is_of_tools(name));
    // Only what says something to Teal: to a copy nothing else was said.
    let meant = [annotation::FATE, annotation::SWITCH, annotation::OVERLAP];
    let notes = kept(original, "/metadata/annotations", |name| meant.contains(&name));
    for (field, map) in [("labels", labels), ("annotations", notes)] {
        if !map.is_empty() {
            metadata.insert(field.to_owned(), Value::Object(map));
        }
    }
    copy.set(&[], "metadata", Value::Object(metadata));
    copy
}

fn kept(object: &Object, pointer: &str, keep: impl Fn(&str) -> bool) -> Map<String, Value> {
    let map = object.get(pointer).and_then(Value::as_object).into_iter().flatten();
    map.filter(|(name, _)| keep(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn is_of_tools(name: &str) -> bool {
    let domain = name.split_once('/').map_or("", |(domain, _)| domain);
    LABELS_OF_TOOLS.contains(&name)
        || OF_TOOLS.iter().any(|tool| domain == *tool || domain.ends_with(&format!(".{tool}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_tools_are_known_by_their_domain() {
        for name in
            ["helm.sh/chart", "argocd.argoproj.io/instance", "app.kubernetes.io/instance", "x.teal.dev/y"]
        {
            assert!(is_of_tools(name), "{name}");
        }
        for name in ["app", "app.kubernetes.io/name", "myhelm.sh/x", "team"] {
            assert!(!is_of_tools(name), "{name}");
        }
    }
}

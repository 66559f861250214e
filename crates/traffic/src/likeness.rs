//! The candidate's Service is reached as the live one is, also after somebody changed that (rule 10).

use std::collections::BTreeMap;

use json_patch::Patch;
use serde_json::{Map, Value, json};

use crate::callers::{EXPORT_TO, USE_WAYPOINT};
use crate::draft::{Draft, Path};
use crate::object::{annotation, list, map, text};
use crate::service::{FOLLOWED, service_problem, without_node_port};
use crate::{ObjectName, Refusal, RoleService};

/// Labels that Istio reads from a Service: those of ambient mode, and those by which a session stays with its pod. A companion names
/// the namespace of the same waypoint: one without the other would point to a waypoint that isn't there. Without the one for gateways
/// their requests would go past the waypoint, and past what is allowed there.
const MESH_LABELS: [&str; 7] = [
    USE_WAYPOINT,
    "istio.io/use-waypoint-namespace",
    "istio.io/ingress-use-waypoint",
    "istio.io/use-waypoint-canary",
    "istio.io/use-waypoint-canary-namespace",
    "istio.io/persistent-session",
    "istio.io/persistent-session-header",
];
/// Annotations that the mesh reads from a Service: who knows it, and which of its pods are near.
const ANNOTATIONS: [&str; 2] = [EXPORT_TO, "networking.istio.io/traffic-distribution"];
/// Further fields that are taken over when the candidate's Service is made; the API server binds them to its addresses,
/// so that they can't follow.
const TAKEN_ONCE: [&str; 2] = ["ipFamilies", "ipFamilyPolicy"];
/// Of the spec of a Service: what Teal writes, and what the API server gives.
const NOT_COMPARED: [&str; 4] = ["selector", "ports", "clusterIP", "clusterIPs"];
const APP_PROTOCOL: &str = "appProtocol";
const NODE_PORT: &str = "nodePort";

/// The candidate's Service, made from the live one.
///
/// It is reached inside the cluster only, so it has no node ports and no outer address. Of the live Service's labels
/// and annotations only those go along that Istio reads; `labels` are Teal's own.
pub fn candidate_service(
    live: &Value,
    service: &RoleService,
    selector: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> Result<Value, Refusal> {
    service_problem(live)?;
    let mut all: Map<String, Value> = labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    for key in MESH_LABELS {
        if let Some(value) = label(live, key) {
            all.insert(key.to_owned(), value.clone());
        }
    }
    let mut metadata = json!({"name": service.candidate, "namespace": service.namespace, "labels": all});
    let notes =
        ANNOTATIONS.into_iter().filter_map(|key| Some((key.to_owned(), json!(annotation(live, key)?))));
    let notes: Map<String, Value> = notes.collect();
    if !notes.is_empty()
        && let Some(fields) = metadata.as_object_mut()
    {
        fields.insert("annotations".into(), json!(notes));
    }
    let ports: Vec<Value> = list(live, "/spec/ports").iter().map(without_node_port).collect();
    let mut spec = json!({"type": "ClusterIP", "selector": selector, "ports": ports});
    for key in FOLLOWED.into_iter().chain(TAKEN_ONCE) {
        if let (Some(value), Some(fields)) = (live.pointer(&format!("/spec/{key}")), spec.as_object_mut()) {
            fields.insert(key.to_owned(), value.clone());
        }
    }
    Ok(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}))
}

/// Brings the candidate's Service to what [`candidate_service`] would make of the live one as it is now; nothing where it
/// is so already. Never the selector. `ports` are those that the revision behind the candidate writes: what it says of a
/// port's protocol counts more than what the live Service says.
pub fn follow_live(live: &Value, candidate: &Value, ports: &[Value]) -> Result<Option<Patch>, Refusal> {
    let name = ObjectName::of(candidate, "Service")?;
    let mut draft = Draft::default();
    for key in MESH_LABELS {
        entry(&mut draft, candidate, "labels", key, label(live, key));
    }
    let notes = live.pointer("/metadata/annotations");
    for key in ANNOTATIONS {
        entry(&mut draft, candidate, "annotations", key, notes.and_then(|notes| notes.get(key)));
    }
    for key in FOLLOWED {
        let at = |service: &'_ Value| service.pointer(&format!("/spec/{key}")).cloned();
        field(&mut draft, Path::new(&["spec", key]), at(candidate).as_ref(), at(live).as_ref());
    }
    let (live_ports, written_ports) = (by_place(list(live, "/spec/ports")), by_place(ports));
    for (index, port) in list(candidate, "/spec/ports").iter().enumerate() {
        let Some(of_live) = live_ports.get(&place(port)) else { continue };
        let written = written_ports.get(&place(port)).and_then(|written| written.get(APP_PROTOCOL));
        let path = Path::new(&["spec", "ports"]).at(index).then(APP_PROTOCOL);
        field(&mut draft, path, port.get(APP_PROTOCOL), written.or_else(|| of_live.get(APP_PROTOCOL)));
    }
    if !draft.changes_nothing() {
        draft.guard_version(candidate, &name)?;
    }
    Ok(draft.finish())
}

/// Fields of a release's Service that the one in the cluster hasn't, though they decide how it is reached. Teal turns a
/// Service that is there and leaves the rest of it alone (rule 11), so its owner must be told.
pub fn unlike(there: &Value, written: &Value) -> Vec<String> {
    let mut fields = Vec::new();
    for (part, counts) in [("annotations", is_note as fn(&str) -> bool), ("labels", is_istios)] {
        let path = format!("/metadata/{part}");
        for (key, value) in map(written, &path).into_iter().flatten().filter(|(key, _)| counts(key)) {
            if map(there, &path).and_then(|found| found.get(key)) != Some(value) {
                fields.push(format!("metadata.{part}[{key}]"));
            }
        }
    }
    for (key, value) in map(written, "/spec").into_iter().flatten() {
        let found = map(there, "/spec").and_then(|found| found.get(key));
        if !NOT_COMPARED.contains(&key.as_str()) && !holds(found, value) {
            fields.push(format!("spec.{key}"));
        }
    }
    let ports = by_place(list(there, "/spec/ports"));
    for port in list(written, "/spec/ports").iter().filter(|port| port.get(NODE_PORT).is_some()) {
        let same = ports.get(&place(port));
        if same.is_some_and(|same| same.get(NODE_PORT) != port.get(NODE_PORT)) {
            fields.push(format!("spec.ports[{}].{NODE_PORT}", place(port).0.unwrap_or_default()));
        }
    }
    fields
}

/// Annotations that say something to whoever reads the Service. Teal's own are for Teal.
fn is_note(key: &str) -> bool {
    let domain = key.split('/').next().unwrap_or_default();
    domain != "teal.dev" && !domain.ends_with(".teal.dev") && domain != "kubectl.kubernetes.io"
}

/// Most labels say of which version of a chart an object is, and change with each of them.
fn is_istios(key: &str) -> bool {
    key.split('/').next().is_some_and(|domain| domain == "istio.io" || domain.ends_with(".istio.io"))
}

/// Whether a value has all that another one says. What the API server doesn't keep, such as a false, says nothing.
fn holds(found: Option<&Value>, said: &Value) -> bool {
    match (found, said) {
        (_, Value::Null | Value::Bool(false)) => found.is_none_or(|found| found == said),
        (_, Value::Object(said)) => {
            said.iter().all(|(key, value)| holds(found.and_then(|found| found.get(key)), value))
        }
        (_, Value::String(said)) if said.is_empty() => found.is_none_or(|found| found == said),
        (found, said) => found == Some(said),
    }
}

fn label<'a>(service: &'a Value, key: &str) -> Option<&'a Value> {
    map(service, "/metadata/labels").and_then(|labels| labels.get(key))
}

/// Number and protocol, by which a port is the same one in two Services.
fn place(port: &Value) -> (Option<i64>, &str) {
    (port.get("port").and_then(Value::as_i64), text(port, "/protocol").unwrap_or("TCP"))
}

/// A Service may have thousands, so what is looked for is not compared with each. Of two at one place the first counts.
fn by_place(ports: &[Value]) -> BTreeMap<(Option<i64>, &str), &Value> {
    ports.iter().rev().map(|port| (place(port), port)).collect()
}

/// One entry of a map of the metadata; the map is made where there is none.
fn entry(draft: &mut Draft, object: &Value, part: &str, key: &str, wanted: Option<&Value>) {
    let there = map(object, &format!("/metadata/{part}"));
    match (there, wanted) {
        (None, Some(value)) => draft.add(Path::new(&["metadata", part]), json!({ key: value })),
        (None, None) => {}
        (Some(there), wanted) => field(draft, Path::new(&["metadata", part, key]), there.get(key), wanted),
    }
}

fn field(draft: &mut Draft, path: Path, there: Option<&Value>, wanted: Option<&Value>) {
    match wanted {
        _ if there == wanted => {}
        Some(value) => draft.add(path, value.clone()),
        None => draft.remove(path),
    }
}

//! Role Services: judging the owner's, and turning either to another revision.

use std::collections::{BTreeMap, BTreeSet};

use json_patch::Patch;
use serde_json::{Value, json};

use crate::draft::{Draft, Path};
use crate::object::{annotation, list, map, text};
use crate::{ObjectName, Refusal, Stamp};

/// Fields of a Service's spec that decide how callers reach it and so must be the candidate's too.
pub(crate) const FOLLOWED: [&str; 5] = [
    "sessionAffinity",
    "sessionAffinityConfig",
    "trafficDistribution",
    "internalTrafficPolicy",
    "publishNotReadyAddresses",
];

/// Refuses a Service that can't change its pods under its callers (rule 11).
pub fn service_problem(service: &Value) -> Result<(), Refusal> {
    let spec = |field: &str| text(service, &format!("/spec/{field}"));
    let selects = map(service, "/spec/selector").is_some_and(|selector| !selector.is_empty());
    let (field, problem) = if spec("type") == Some("ExternalName") {
        (
            "spec.type",
            "an ExternalName Service has no pods to choose between: name the Service that selects them",
        )
    } else if spec("clusterIP") == Some("None") {
        (
            "spec.clusterIP",
            "callers of a headless Service hold on to single pods, so its traffic can't be moved: take clusterIP: None \
             out, or leave this Service out of spec.traffic.services",
        )
    } else if !selects {
        (
            "spec.selector",
            "without a selector nothing can be switched: give it the labels of the release's pods",
        )
    } else if list(service, "/spec/ports").is_empty() {
        ("spec.ports", "a Service without a port carries no traffic: add the port that the pods listen on")
    } else {
        return Ok(());
    };
    let object = ObjectName::of(service, "Service")?.boxed();
    Err(Refusal::ServiceUnsupported { object, field: field.into(), problem: problem.into() })
}

/// Refuses a new manifest of a Service in which a port is gone, renumbered or speaks another protocol (rule 11).
///
/// Ports may be added and their `targetPort` may change.
pub fn port_changes(old: &Value, new: &Value) -> Result<(), Refusal> {
    let next: Vec<Port<'_>> = list(new, "/spec/ports").iter().map(Port::of).collect();
    let kept: BTreeSet<&Port<'_>> = next.iter().collect();
    for port in list(old, "/spec/ports").iter().map(Port::of) {
        if kept.contains(&port) {
            continue;
        }
        let number =
            |port: &Port<'_>| port.number.map_or_else(|| "none".to_owned(), |number| number.to_string());
        let renumbered = next.iter().find(|other| port.name.is_some() && other.name == port.name);
        let renamed =
            next.iter().find(|other| other.number == port.number && other.protocol == port.protocol);
        let problem = match (renumbered, renamed) {
            (Some(other), _) if other.number != port.number => {
                format!("spec.ports: {} changes from {} to {}", port.label(), number(&port), number(other))
            }
            (Some(other), _) => {
                format!("spec.ports: {} changes from {} to {}", port.label(), port.protocol, other.protocol)
            }
            (None, Some(other)) => format!("spec.ports: {} is renamed to {}", port.label(), other.label()),
            (None, None) => format!("spec.ports: {} is removed", port.label()),
        };
        return Err(Refusal::PortChanged { object: ObjectName::of(new, "Service")?.boxed(), problem });
    }
    Ok(())
}

/// Annotation on a Service by which its owner says how it is turned to another revision.
pub const SWITCH: &str = "teal.dev/switch";

/// How a Service is turned to another revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// In one write.
    AtOnce,
    /// It selects both revisions for a time before.
    Overlap,
}

/// How its owner wants a Service to be turned; none where they say nothing.
pub fn switch(service: &Value) -> Result<Option<Switch>, Refusal> {
    match annotation(service, SWITCH) {
        None => Ok(None),
        Some("AtOnce") => Ok(Some(Switch::AtOnce)),
        Some("Overlap") => Ok(Some(Switch::Overlap)),
        Some(_) => {
            let name = ObjectName::of(service, "Service")?;
            Err(name.malformed(format!("metadata.annotations[{SWITCH}]"), "Overlap or AtOnce"))
        }
    }
}

/// Whether a Service is also reached past the cluster's own knowledge of its pods (rule 11): load balancers and node ports look
/// at them from time to time, and with a policy `Local` a node looks at its own alone. Readiness gates, which have the same
/// reason, are written in the pods.
pub fn is_reached_late(service: &Value) -> bool {
    let outside = matches!(text(service, "/spec/type"), Some("LoadBalancer" | "NodePort"));
    outside || is_local(service).is_some()
}

/// The field by which each node serves by its own pods alone.
pub fn is_local(service: &Value) -> Option<&'static str> {
    let local = |field: &&str| text(service, &format!("/spec/{field}")) == Some("Local");
    ["externalTrafficPolicy", "internalTrafficPolicy"].into_iter().find(local)
}

/// Refuses a new manifest of a Service that can't select both revisions at once: they have one selector and one list of ports
/// between them.
pub fn overlap_problem(
    selectors: (&BTreeMap<String, String>, &BTreeMap<String, String>),
    ports: &[Value],
    new: &Value,
) -> Result<(), Refusal> {
    let object = || ObjectName::of(new, "Service");
    let refuse = |field: &str, problem: String| -> Result<(), Refusal> {
        let remedy =
            format!("or accept a switch in one write by the annotation {SWITCH}: AtOnce on the Service");
        let problem = format!("{problem}; {remedy}");
        Err(Refusal::ServiceUnsupported { object: object()?.boxed(), field: field.into(), problem })
    };
    if selectors.0 != selectors.1 {
        let problem = "is another one than that of the live revision, and until callers know the new pods the Service has \
                       to select those of both: take the change back, the labels of pods may still change beside it";
        return refuse("spec.selector", problem.to_owned());
    }
    let known: BTreeMap<Port<'_>, &Value> = ports.iter().rev().map(|port| (Port::of(port), port)).collect();
    for port in list(new, "/spec/ports") {
        let Some(old) = known.get(&Port::of(port)) else { continue };
        if target(old) != target(port) {
            let problem = format!(
                "{} changes its targetPort from {} to {}, and until callers know the new pods one must do for those of both \
                 revisions: keep it",
                Port::of(port).label(),
                target(old),
                target(port)
            );
            return refuse("spec.ports", problem);
        }
    }
    Ok(())
}

/// Where a port leads in the pods: without a target, to the same number.
fn target(port: &Value) -> String {
    let target = port.get("targetPort").filter(|target| !target.is_null());
    match target.or_else(|| port.get("port")) {
        Some(Value::String(name)) => name.clone(),
        Some(number) => number.to_string(),
        None => String::new(),
    }
}

/// Whom a [`repoint`] must not surprise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards the candidate: holds only for the version that was read, and only if nobody newer has written.
    Forward,
    /// Back: holds as long as it is the same Service, whatever was done to it.
    Back,
}

/// Turns a role Service to other pods, or nothing if it selects them already.
///
/// The whole selector is replaced: a key that another writer dropped or added must not let both revisions match.
pub fn repoint(
    service: &Value,
    selector: &BTreeMap<String, String>,
    direction: Direction,
    stamp: &Stamp,
) -> Result<Option<Patch>, Refusal> {
    let name = ObjectName::of(service, "Service")?;
    let wanted = json!(selector);
    if service.pointer("/spec/selector") == Some(&wanted) {
        return Ok(None);
    }
    let mut draft = Draft::default();
    match direction {
        Direction::Forward => {
            draft.guard_version(service, &name)?;
            draft.add(Path::new(&["spec", "selector"]), wanted);
            draft.stamp(service, &name, stamp)?;
        }
        Direction::Back => {
            let Some(uid) = text(service, "/metadata/uid") else {
                return Err(name.malformed("metadata.uid", "as the API server sent it"));
            };
            draft.test(Path::new(&["metadata", "uid"]), json!(uid));
            draft.add(Path::new(&["spec", "selector"]), wanted);
            draft.stamp_if_newer(service, stamp);
        }
    }
    Ok(draft.finish())
}

/// In an order, because a Service may have thousands of them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Port<'a> {
    name: Option<&'a str>,
    number: Option<i64>,
    protocol: &'a str,
}

impl<'a> Port<'a> {
    fn of(value: &'a Value) -> Self {
        Self {
            name: text(value, "/name").filter(|name| !name.is_empty()),
            number: value.get("port").and_then(Value::as_i64),
            protocol: text(value, "/protocol").unwrap_or("TCP"),
        }
    }

    fn label(&self) -> String {
        match (self.name, self.number) {
            (Some(name), _) => format!("port {name}"),
            (None, Some(number)) => format!("port {number}"),
            (None, None) => "a port without a number".to_owned(),
        }
    }
}

pub(crate) fn without_node_port(port: &Value) -> Value {
    let mut port = port.clone();
    if let Some(fields) = port.as_object_mut() {
        fields.remove("nodePort");
    }
    port
}

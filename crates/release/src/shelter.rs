//! What both colors share and holds for pods by their labels: a policy that reaches live's pods as soon as it is applied for a
//! candidate's.

use serde_json::Value;

use crate::names::label;
use crate::object::{ObjectKey, template_pointer};
use crate::selector::{Labels, labels, matches};

/// A shared object of the next release that would no longer hold for pods of live for which it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LetGo {
    /// The object.
    pub key: ObjectKey,
    /// Where it says for which pods it holds.
    pub field: &'static str,
    /// Whose pods they are, as `Deployment web-blue`.
    pub workload: String,
}

/// Kinds that say in a label selector for which pods they hold, of those that have one object for both colors. A Service marked so
/// never selects the pods of a color.
const KINDS: &[(&str, &str, &str, &str)] = &[
    ("networking.k8s.io", "NetworkPolicy", "spec.podSelector", "/spec/podSelector"),
    ("security.istio.io", "AuthorizationPolicy", "spec.selector", "/spec/selector"),
    ("monitoring.coreos.com", "PodMonitor", "spec.selector", "/spec/selector"),
];

/// Whether objects of a kind hold for pods by their labels, where both colors share them.
pub fn holds_for_pods(group: &str, kind: &str) -> bool {
    KINDS.iter().any(|(known, name, ..)| (*known, *name) == (group, kind))
}

/// Shared objects that would let go of pods of live, each with the first workload that loses it. Both releases as they are rendered.
pub fn lets_go(live: &[&Value], next: &[&Value]) -> Vec<LetGo> {
    let mut pods: Option<Vec<(String, Labels)>> = None;
    let mut found = Vec::new();
    for after in next.iter().copied().filter(|object| is_shared(object)) {
        let key = key(after);
        let Some((.., field, at)) = KINDS.iter().find(|(group, kind, ..)| key.is(group, kind)) else {
            continue;
        };
        let is_it = |object: &&Value| is_shared(object) && self::key(object) == key;
        let Some(before) = live.iter().copied().find(is_it) else { continue };
        let (before, after) = (selector(before, at), selector(after, at));
        if before == after {
            continue;
        }
        let pods = pods.get_or_insert_with(|| live.iter().copied().filter_map(pods_of_color).collect());
        let lost = pods.iter().find(|(_, pod)| holds(before.as_ref(), pod) && !holds(after.as_ref(), pod));
        found.extend(lost.map(|(workload, _)| LetGo { key, field, workload: workload.clone() }));
    }
    found
}

/// For which pods an object holds; none where it is attached to something else than pods.
fn selector(object: &Value, at: &str) -> Option<Value> {
    let attached = ["/spec/targetRef", "/spec/targetRefs"].iter().any(|at| object.pointer(at).is_some());
    // Without a selector both kinds of policy hold for all pods of the namespace.
    let all = || Value::Object(serde_json::Map::new());
    (!attached)
        .then(|| object.pointer(at).filter(|selector| !selector.is_null()).cloned().unwrap_or_else(all))
}

fn holds(selector: Option<&Value>, pod: &Labels) -> bool {
    selector.is_some_and(|selector| matches(selector, pod))
}

/// Whose pods are of a color, with their labels.
fn pods_of_color(object: &Value) -> Option<(String, Labels)> {
    let key = key(object);
    let template = template_pointer(&key.kind).filter(|_| !is_shared(object))?;
    Some((key.to_string(), labels(object.pointer(&format!("{template}/metadata/labels")))))
}

fn is_shared(object: &Value) -> bool {
    object.pointer("/metadata/labels").is_none_or(|labels| labels.get(label::COLOR).is_none())
}

fn key(object: &Value) -> ObjectKey {
    let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let group = text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
    ObjectKey::new(group, text("/kind"), text("/metadata/name"))
}

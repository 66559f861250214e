//! What both colors share and holds for pods by their labels: a policy that reaches live's pods as soon as it is applied for a
//! candidate's.

use serde_json::Value;

use crate::names::label;
use crate::object::{ObjectKey, list, template_pointer};
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
        if before.get("spec") == after.get("spec") {
            continue;
        }
        let pods = pods.get_or_insert_with(|| live.iter().copied().filter_map(pods_of_color).collect());
        let selectors = (selector(before, at), selector(after, at));
        let by_label = |(_, pod): &&(String, Labels)| {
            holds(selectors.0.as_ref(), pod) && !holds(selectors.1.as_ref(), pod)
        };
        let by_peer = |peer: &Peer| {
            let lost = |(_, pod): &&(String, Labels)| peer.names(before, pod) && !peer.admits(after, pod);
            pods.iter().find(lost).map(|lost| (peer.field, lost))
        };
        let lost = pods.iter().find(by_label).map(|lost| (*field, lost));
        let lost = lost.or_else(|| PEERS.iter().filter(|_| key.kind == "NetworkPolicy").find_map(by_peer));
        found.extend(lost.map(|(field, (workload, _))| LetGo { key, field, workload: workload.clone() }));
    }
    found
}

/// Whom the pods of a `NetworkPolicy` may talk with, in one direction.
struct Peer {
    kind: &'static str,
    field: &'static str,
    rules: &'static str,
    peers: &'static str,
}

const PEERS: [Peer; 2] = [
    Peer { kind: "Ingress", field: "spec.ingress[].from", rules: "/spec/ingress", peers: "/from" },
    Peer { kind: "Egress", field: "spec.egress[].to", rules: "/spec/egress", peers: "/to" },
];

impl Peer {
    /// Whether a policy names a pod by its labels.
    fn names(&self, policy: &Value, pod: &Labels) -> bool {
        let mut peers = list(policy, self.rules).iter().flat_map(|rule| list(rule, self.peers));
        peers.any(|peer| peer.get("podSelector").is_some_and(|selector| matches(selector, pod)))
    }

    /// Whether it lets it through, as far as labels say: of whole namespaces it isn't known here whether they are this one.
    fn admits(&self, policy: &Value, pod: &Labels) -> bool {
        let rules = list(policy, self.rules);
        let whole =
            |peer: &Value| peer.get("podSelector").is_none() && peer.get("namespaceSelector").is_some();
        let open = |rule: &Value| {
            let peers = list(rule, self.peers);
            peers.is_empty() || peers.iter().any(whole)
        };
        !self.is_restricted(policy) || rules.iter().any(open) || self.names(policy, pod)
    }

    /// Without `policyTypes` the way in is, and the way out where rules say something of it.
    fn is_restricted(&self, policy: &Value) -> bool {
        let types = list(policy, "/spec/policyTypes");
        let unsaid = self.kind == "Ingress" || !list(policy, self.rules).is_empty();
        if types.is_empty() { unsaid } else { types.iter().any(|kind| kind == self.kind) }
    }
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

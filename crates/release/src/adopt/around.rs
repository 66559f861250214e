//! What else means the pods of the originals by the label that copies have not: policies, and whatever selects pods.

use serde_json::{Map, Value};

use super::Cast;
use super::label::{Relabel, Relabeling, is_copy};
use crate::object::Object;
use crate::refusal::Refusal;

/// Kinds that say by labels for which pods they hold, or who may talk with them.
const KINDS: [(&str, &str); 13] = [
    ("networking.k8s.io", "NetworkPolicy"),
    ("cilium.io", "CiliumNetworkPolicy"),
    ("projectcalico.org", "NetworkPolicy"),
    ("security.istio.io", "AuthorizationPolicy"),
    ("security.istio.io", "PeerAuthentication"),
    ("security.istio.io", "RequestAuthentication"),
    ("networking.istio.io", "DestinationRule"),
    ("networking.istio.io", "EnvoyFilter"),
    ("networking.istio.io", "ServiceEntry"),
    ("networking.istio.io", "Sidecar"),
    ("networking.istio.io", "VirtualService"),
    ("telemetry.istio.io", "Telemetry"),
    ("monitoring.coreos.com", "PodMonitor"),
];

/// Whether objects of a kind say something by the labels of pods, so that adopting has to look at them.
fn means_pods(object: &Object) -> bool {
    let key = object.key();
    KINDS.iter().any(|(group, kind)| key.group == *group && key.kind == *kind)
}

/// Those that name the originals' pods and not the copies'. Teal writes none of them: who may talk with whom is for its owner to say.
pub(super) fn left_out(cast: &Cast<'_>, relabels: &[Relabel]) -> Vec<Refusal> {
    let all: Vec<&Object> =
        cast.objects.iter().filter(|object| means_pods(object) && !is_copy(object)).collect();
    let mut refusals = Vec::new();
    for object in &all {
        for relabel in relabels {
            let Some(spec) = object.get("/spec") else { continue };
            let Some(field) = names_only_old(spec, relabel, "spec") else { continue };
            if !all.iter().any(|other| covers(other, object, relabel)) {
                refusals.push(refusal(object, field, relabel));
            }
        }
    }
    refusals
}

fn refusal(object: &Object, field: String, relabel: &Relabel) -> Refusal {
    let Relabel { workload, key, from, to } = relabel;
    let problem = format!("names pods of {workload} by {key}: {from}, and their copies have {key}: {to}");
    let remedy =
        format!("name both there, or apply a second {} with {to} in place of {from}", object.text("/kind"));
    Refusal::invalid(&object.key(), field, problem, remedy)
}

/// Whether another object of the kind says the same of the copies.
fn covers(other: &Object, object: &Object, relabel: &Relabel) -> bool {
    let (mine, its) = (object.key(), other.key());
    if (mine.group, mine.kind) != (its.group, its.kind) {
        return false;
    }
    let (Some(spec), Some(of_other)) = (object.get("/spec"), other.get("/spec")) else { return false };
    let mut wanted = spec.clone();
    rewrite(&mut wanted, &Relabeling::of(std::slice::from_ref(relabel)));
    wanted == *of_other
}

fn rewrite(value: &mut Value, relabeling: &Relabeling) {
    relabeling.selector(value);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, relabeling)),
        Value::Object(map) => {
            relabeling.plain(map);
            map.values_mut().for_each(|below| rewrite(below, relabeling));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Where something names the old value and not the new one beside it.
fn names_only_old(value: &Value, relabel: &Relabel, at: &str) -> Option<String> {
    match value {
        Value::Array(items) => {
            // Peers, rules and sources stand in lists: what one of them says of the originals another may say of the copies.
            let said = |item: &Value| {
                let mut copy = item.clone();
                rewrite(&mut copy, &Relabeling::of(std::slice::from_ref(relabel)));
                items.contains(&copy) && copy != *item
            };
            let mut each = items.iter().enumerate().filter(|(_, item)| !said(item));
            each.find_map(|(i, item)| names_only_old(item, relabel, &format!("{at}[{i}]")))
        }
        Value::Object(map) => {
            let plain = map.get(&relabel.key).and_then(Value::as_str) == Some(&relabel.from);
            if plain {
                return Some(format!("{at}.{}", relabel.key));
            }
            if lists_only_old(map, relabel) {
                return Some(format!("{at}.values"));
            }
            map.iter().find_map(|(name, below)| names_only_old(below, relabel, &format!("{at}.{name}")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// An expression of a label selector.
fn lists_only_old(map: &Map<String, Value>, relabel: &Relabel) -> bool {
    let values = map.get("values").and_then(Value::as_array).filter(|_| {
        map.get("key").and_then(Value::as_str) == Some(&relabel.key) && map.contains_key("operator")
    });
    let has = |wanted: &String| values.is_some_and(|all| all.iter().any(|value| value == wanted));
    has(&relabel.from) && !has(&relabel.to)
}

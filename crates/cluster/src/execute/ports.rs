//! Ports of role Services: those of the revision that is selected, beside what is the cluster's and its owner's.
//!
//! What the release says of a port wins, name, target and protocol, for the port of the same number or name: where that leads is a
//! part of the revision as much as the selector is, and its pods may listen nowhere else. What the release leaves out stays as the
//! cluster has it: node ports, an `appProtocol`, and whole ports that somebody added, for they lead to nobody who would not be
//! reached otherwise. But who is turned to another revision has its ports and no others, or those of a revision that was sent back
//! would stay for good, and bar every release without them (rule 11).

use std::collections::{HashMap, HashSet};

use json_patch::{Patch, PatchOperation, TestOperation};
use serde_json::{Value, json};
use teal_api::names::manager;
use teal_plan::Slot;
use teal_traffic::{ObjectName, Refusal};

use super::{Order, Tools, add, inner, worst};
use crate::error::Error;
use crate::json;
use crate::kinds;
use crate::observe::points_of;
use crate::stores::strangers;

const NODE_PORT: &str = "nodePort";
const TARGET_PORT: &str = "targetPort";
/// What a release may say of a port beside its number and protocol, by which it is found again, and its target.
const SAID: [&str; 2] = ["name", "appProtocol"];

/// The ports of a Service.
pub(super) fn of(service: &Value) -> &[Value] {
    service.pointer("/spec/ports").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The ports of a Service that is turned to a revision with these.
pub(super) fn turned(there: &Value, wanted: &[Value]) -> Vec<Value> {
    let outside = matches!(json::text(there, "/spec/type"), "NodePort" | "LoadBalancer");
    merged(of(there), wanted, outside)
}

/// Whether a Service that selects a revision lacks any of its ports, or leads one elsewhere.
pub(crate) fn differ(there: &Value, wanted: &[Value]) -> bool {
    first(there, wanted).is_some()
}

/// Whether it has one of these ports already, and leads it elsewhere.
pub(crate) fn leads_elsewhere(there: &Value, wanted: &[Value]) -> bool {
    pairs(there, wanted).any(|(port, there)| there.is_some_and(|there| target(there) != target(port)))
}

/// What such a Service is brought to them by, if it is still the one that was looked at: it says nothing of who selects what.
pub(super) fn amendment(there: &Value, wanted: &[Value]) -> Vec<PatchOperation> {
    if !differ(there, wanted) {
        return Vec::new();
    }
    let test = TestOperation {
        path: "/metadata/resourceVersion".parse().unwrap_or_default(),
        value: json!(json::text(there, "/metadata/resourceVersion")),
    };
    vec![PatchOperation::Test(test), add("/spec/ports", json!(amended(there, wanted)))]
}

/// The first of the wanted ports that isn't so, and what is there instead.
fn first<'p>(there: &'p Value, wanted: &'p [Value]) -> Option<(&'p Value, Option<&'p Value>)> {
    pairs(there, wanted).find(|(port, there)| !there.is_some_and(|there| is_as_said(there, port)))
}

/// Each of the wanted ports with what is there under its key.
fn pairs<'p>(there: &'p Value, wanted: &'p [Value]) -> impl Iterator<Item = (&'p Value, Option<&'p Value>)> {
    let known: HashMap<_, _> = of(there).iter().map(|port| (inner::key(port), port)).collect();
    wanted.iter().map(move |port| (port, known.get(&inner::key(port)).copied()))
}

fn is_as_said(there: &Value, wanted: &Value) -> bool {
    let same = |field: &&str| said(wanted, field).is_none_or(|value| said(there, field) == Some(value));
    target(there) == target(wanted) && SAID.iter().all(same)
}

/// A field that isn't left out: the API server takes an empty one for none.
fn said<'p>(port: &'p Value, field: &str) -> Option<&'p Value> {
    port.get(field).filter(|value| !inner::is_unset(value))
}

/// Where a port leads in the pods: without a target, to the same number.
fn target(port: &Value) -> Option<&Value> {
    said(port, TARGET_PORT).or_else(|| port.get("port"))
}

/// The wanted ports, and of the others those that can stand beside them: of several each has a name, and no two have the same.
fn amended(there: &Value, wanted: &[Value]) -> Vec<Value> {
    let mut all = turned(there, wanted);
    let keys: HashSet<_> = wanted.iter().map(inner::key).collect();
    let names: HashSet<Value> = all.iter().filter_map(|port| said(port, "name")).cloned().collect();
    if names.len() == all.len() {
        let is_apart = |port: &&Value| {
            said(port, "name").is_some_and(|name| !names.contains(name) && !keys.contains(&inner::key(port)))
        };
        all.extend(of(there).iter().filter(is_apart).cloned());
    }
    all
}

/// The wanted ports; what the server gave to those that were there stays, and so do their node ports, by which callers come. Only a
/// Service that is reached from outside can have any.
fn merged(there: &[Value], wanted: &[Value], outside: bool) -> Vec<Value> {
    let known: HashMap<_, _> = there.iter().map(|port| (inner::key(port), port)).collect();
    let merge = |port: &Value| {
        let same = known.get(&inner::key(port)).copied();
        let mut merged = same.cloned().unwrap_or_else(|| json!({}));
        if let (Some(fields), Some(new)) = (merged.as_object_mut(), port.as_object()) {
            let own = |name: &str| name != NODE_PORT || (outside && same.is_none());
            let new = new.iter().filter(|(name, value)| own(name) && !inner::is_unset(value));
            fields.extend(new.map(|(name, value)| (name.clone(), value.clone())));
            if said(port, TARGET_PORT).is_none() && same.is_some() {
                fields.insert(TARGET_PORT.into(), port["port"].clone());
            }
        }
        merged
    };
    wanted.iter().map(merge).collect()
}

/// Brings the ports of role Services to those of the revisions that they select, past errors.
pub(super) async fn make(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    let mut results = Vec::new();
    for service in order.services {
        for name in [&service.name, &service.candidate] {
            results.push(one(tools, order, &service.name, name).await);
        }
    }
    worst(results)
}

async fn one(tools: &Tools, order: &Order<'_>, service: &str, name: &str) -> Result<bool, Error> {
    let namespace = &order.names.namespace;
    let there = tools.stores.services.get(namespace, name).map(|view| view.value());
    // It may have been turned since it was looked at.
    let found = there.and_then(|there| Some((points_of(&there, &order.names.name)?, there)));
    let Some((slot, there)) = found else { return Ok(false) };
    let Some(wanted) = order.role_service(slot, service) else { return Ok(false) };
    let amendment = amendment(&there, &wanted.ports);
    if amendment.is_empty() {
        return Ok(false);
    }
    order.check_epoch(format!("Service {namespace}/{name}"), order.epoch_on(&there))?;
    let answer = tools.patch(kinds::SERVICE, namespace, name, manager::ROLES, Patch(amendment)).await?;
    if differ(&answer, &wanted.ports) {
        return Err(rewritten(namespace, name));
    }
    order.note_ports(told(&there, &wanted.ports, slot));
    Ok(true)
}

/// Something between Teal and what is stored has the last word: to write again at once would never end.
fn rewritten(namespace: &str, name: &str) -> Error {
    let object = ObjectName { kind: "Service".into(), namespace: namespace.into(), name: name.into() };
    let problem = "what spec.release says is written otherwise as soon as Teal writes it, as by a mutating webhook: correct that, or \
                   write in spec.release what it makes of the ports";
    Refusal::ServiceUnsupported {
        object: Box::new(object),
        field: "spec.ports".into(),
        problem: problem.into(),
    }
    .into()
}

/// What to tell of ports that another hand wrote over Teal's; nothing where they are as the revision has them.
pub(super) fn told(there: &Value, wanted: &[Value], slot: Slot) -> Option<String> {
    let (port, found) = first(there, wanted)?;
    let id = json::id(there).map(|id| format!("Service {id}")).unwrap_or_default();
    let writer = strangers(there, "ports").first().map_or("another hand", |(name, _)| *name);
    let number = |port: &Value| port.get("port").map(Value::to_string).unwrap_or_default();
    let lead = |port: &Value| match target(port) {
        Some(Value::String(name)) => name.clone(),
        other => other.map(Value::to_string).unwrap_or_default(),
    };
    let what = match found {
        None => format!("port {} was taken out", number(port)),
        Some(found) if target(found) != target(port) => {
            format!("targetPort of port {} became {} instead of {}", number(port), lead(found), lead(port))
        }
        Some(_) => format!("name or appProtocol of port {} became another one", number(port)),
    };
    Some(format!(
        "{id}: spec.ports was written by {writer} ({what}), so that callers could miss the pods of {} ({}), and is written back: \
         take the Service out of what {writer} applies, or apply what spec.release says of it",
        slot.revision, slot.color
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_keep_what_the_server_gave_them() {
        let there =
            [json!({"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080, "nodePort": 30001})];
        let wanted =
            [json!({"name": "http", "port": 80, "targetPort": 9090}), json!({"name": "admin", "port": 81})];
        assert_eq!(
            merged(&there, &wanted, true),
            [
                json!({"name": "http", "port": 80, "protocol": "TCP", "targetPort": 9090, "nodePort": 30001}),
                json!({"name": "admin", "port": 81}),
            ]
        );
        let same = [json!({"name": "http", "port": 80, "targetPort": 8080})];
        assert_eq!(merged(&there, &same, true), there, "nothing is written where nothing differs");
    }

    /// Each with each, it would be four hundred million times.
    #[test]
    fn of_very_many_ports_each_keeps_its_own() {
        let port = |number: u32| json!({"port": number, "targetPort": number});
        let there = |number: u32| json!({"port": number, "protocol": "TCP", "targetPort": number, "nodePort": 30_000 + number});
        let wanted: Vec<_> = (1..=20_000).map(port).collect();
        let known: Vec<_> = (1..=20_000).rev().map(there).collect();
        let all = merged(&known, &wanted, true);
        assert!(all.iter().eq(known.iter().rev()), "in the order that is wanted");
        assert!(!differ(&service(&json!(known)), &wanted));
    }

    #[test]
    fn rule_11_node_ports_are_those_of_the_cluster() {
        let there = [json!({"port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30001})];
        let wanted = [json!({"port": 80, "nodePort": 30080}), json!({"port": 81, "nodePort": 30081})];
        let all = merged(&there, &wanted, true);
        assert_eq!(all, [there[0].clone(), wanted[1].clone()], "callers come by the one that is there");
        let inside = [json!({"port": 80, "protocol": "TCP", "targetPort": 80})];
        let all = merged(&inside, &wanted, false);
        assert_eq!(all, [inside[0].clone(), json!({"port": 81})], "the candidate's Service has none");
    }

    fn service(ports: &Value) -> Value {
        json!({"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"},
            "spec": {"type": "LoadBalancer", "ports": ports}})
    }

    fn brought_to(there: &Value, wanted: &[Value]) -> Option<Value> {
        let service = service(there);
        differ(&service, wanted).then(|| json!(amended(&service, wanted)))
    }

    #[test]
    fn rule_11_what_a_release_does_not_say_of_its_ports_is_no_difference() {
        let http = json!({"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30001,
            "appProtocol": "http"});
        let admin = json!({"name": "admin", "port": 81, "protocol": "TCP", "targetPort": 81});
        for (what, wanted) in [
            ("a number is all that is said", json!({"port": 80})),
            (
                "nothing is said in many words",
                json!({"name": "", "port": 80, "protocol": "", "targetPort": 0, "nodePort": 0}),
            ),
            ("the node port is the cluster's", json!({"name": "http", "port": 80, "nodePort": 30080})),
            ("what the API server doesn't know", json!({"port": 80, "targetport": 8080})),
        ] {
            assert_eq!(brought_to(&json!([admin, http]), &[wanted]), None, "{what}, beside one more");
        }
    }

    #[test]
    fn rule_11_what_a_release_says_of_its_ports_wins_and_what_else_is_there_stays() {
        let wanted = [json!({"name": "http", "port": 80, "targetPort": 9090})];
        let as_said = json!({"name": "http", "port": 80, "protocol": "TCP", "targetPort": 9090, "nodePort": 30001,
            "appProtocol": "http"});
        let admin = json!({"name": "admin", "port": 81, "protocol": "TCP", "targetPort": 81});
        let with = |field: &str, value: Value| {
            let mut port = as_said.clone();
            port[field] = value;
            port
        };
        for (what, there, brought) in [
            ("another target", json!([with("targetPort", json!(8080)), admin]), json!([as_said, admin])),
            ("another name", json!([admin, with("name", json!("web"))]), json!([as_said, admin])),
            ("it is gone", json!([admin]), json!([wanted[0], admin])),
            ("it has another number", json!([{"name": "http", "port": 82}]), json!(wanted)),
            ("another one has no name", json!([{"port": 82}]), json!(wanted)),
            ("it speaks otherwise", json!([with("protocol", json!("UDP"))]), json!(wanted)),
        ] {
            assert_eq!(brought_to(&there, &wanted), Some(brought.clone()), "{what}");
            assert_eq!(brought_to(&brought, &wanted), None, "{what}, and then no more");
        }
        let nameless = [json!({"port": 80, "targetPort": 9090})];
        assert_eq!(
            brought_to(&json!([admin]), &nameless),
            Some(json!(nameless)),
            "it could not stand beside the other"
        );
        let spoken = [json!({"port": 80, "targetPort": 9090, "appProtocol": "grpc"})];
        let brought = json!([with("appProtocol", json!("grpc"))]);
        assert_eq!(brought_to(&json!([as_said]), &spoken), Some(brought));
    }

    #[test]
    fn ports_are_written_back_only_to_what_was_looked_at() {
        let there = service(&json!([{"port": 80, "targetPort": 8080}]));
        let amendment = Patch(amendment(&there, &[json!({"port": 80, "targetPort": 9090})]));
        let mut object = there.clone();
        json_patch::patch(&mut object, &amendment).unwrap();
        assert_eq!(object["spec"]["ports"][0]["targetPort"], 9090);
        let mut later = there;
        later["metadata"]["resourceVersion"] = json!("8");
        assert!(json_patch::patch(&mut later, &amendment).is_err(), "somebody wrote it meanwhile");
    }
}

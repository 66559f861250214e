//! Services of a release that have no role. They lie in the cache of all Services, which keeps the whole object.

use std::collections::HashMap;
use std::sync::Arc;

use kube::core::ObjectMeta;
use serde_json::Value;
use teal_api::names::label;

use super::{Order, Tools};
use crate::json;
use crate::kinds;
use crate::rendering::Piece;
use crate::stores::{JsonView, ObjectView};

/// The Service of this name, whoever's it is.
pub(super) fn find(tools: &Tools, order: &Order<'_>, name: &str) -> Option<Arc<JsonView>> {
    tools.stores.services.get(&order.names.namespace, name)
}

/// It as any other object of a release; nothing where it is of no Rollout.
pub(super) fn view(service: &JsonView) -> Option<ObjectView> {
    let metadata = service.value().get("metadata").cloned().unwrap_or_default();
    let metadata: ObjectMeta = serde_json::from_value(metadata).ok()?;
    ObjectView::of(kinds::SERVICE, &metadata)
}

/// Those of the Rollout.
pub(super) fn all(tools: &Tools, order: &Order<'_>) -> Vec<Arc<ObjectView>> {
    let services = tools.stores.services.group(&order.names.namespace, "");
    let inner = services.iter().filter(|service| {
        service.rollout() == Some(order.names.name.as_str()) && service.label(label::ROLE).is_none()
    });
    inner.filter_map(|service| view(service)).map(Arc::new).collect()
}

/// Whether the cluster has it as it should be. What others own of it is not kept of Services, so it is compared by value.
pub(crate) fn is_in_sync(service: &JsonView, piece: &Piece, uid: &str) -> bool {
    let there = service.value();
    json::annotation(&there, teal_release::names::annotation::CONTENT) == Some(&piece.content)
        && service.label(label::ROLLOUT_UID) == Some(uid)
        && there.pointer("/metadata/deletionTimestamp").is_none()
        // Written as a whole: a label more selects other pods.
        && selector(&there) == selector(&piece.object)
        && ["/metadata/labels", "/spec"].iter().all(|part| has(there.pointer(part), piece.object.pointer(part)))
}

fn selector(service: &Value) -> Option<&Value> {
    service
        .pointer("/spec/selector")
        .filter(|selector| selector.as_object().is_some_and(|all| !all.is_empty()))
}

/// Whether what is there says all that is wanted. The server adds what was left out and numbers what was left to it, and
/// other hands may add what Teal would not take away.
fn has(there: Option<&Value>, wanted: Option<&Value>) -> bool {
    let (Some(there), Some(wanted)) = (there, wanted) else { return wanted.is_none_or(is_unset) };
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| has(there.get(name), Some(wanted)))
        }
        (Value::Array(there), Value::Array(wanted)) => {
            let known: HashMap<_, _> = there.iter().map(|item| (key(item), item)).collect();
            wanted
                .iter()
                .all(|wanted| known.get(&key(wanted)).is_some_and(|there| has(Some(there), Some(wanted))))
        }
        (there, wanted) => there == wanted || (*wanted != Value::Bool(false) && is_unset(wanted)),
    }
}

/// What an item of a list is found again by: a port by number and protocol, as the server does; anything else is what it says.
/// To compare each with each takes seconds of a Service with ten thousand ports.
pub(super) fn key(item: &Value) -> (&Value, &str) {
    let Some(number) = item.get("port") else { return (item, "") };
    let protocol = json::text(item, "/protocol");
    (number, if protocol.is_empty() { "TCP" } else { protocol })
}

/// Whether it is what the server makes of nothing, or leaves out.
pub(super) fn is_unset(wanted: &Value) -> bool {
    match wanted {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_unset),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api-blue", "labels": {"team": "shop"}},
            "spec": {"selector": {"app": "api"}, "publishNotReadyAddresses": false, "externalName": "",
                "ports": [{"port": 80, "targetPort": "http", "nodePort": 0}]}})
    }

    /// As the server keeps it.
    fn there() -> Value {
        json!({"metadata": {"name": "api-blue", "namespace": "shop", "uid": "1", "resourceVersion": "7",
                "labels": {"team": "shop", label::ROLLOUT: "web", label::ROLLOUT_UID: "web-uid"},
                "annotations": {"teal.dev/content": "abc.", "example.com/note": "by another hand"}},
            "spec": {"selector": {"app": "api"}, "clusterIP": "10.0.0.7", "type": "ClusterIP",
                "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP", "nodePort": 30_080}]}})
    }

    fn in_sync(change: impl FnOnce(&mut Value)) -> bool {
        let mut object = there();
        change(&mut object);
        let service = JsonView::of(object, "v1", "Service").unwrap();
        let object = wanted();
        let piece = Piece {
            kind: kinds::SERVICE,
            name: "api-blue".into(),
            shared: false,
            live_only: false,
            object,
            content: "abc.".into(),
        };
        is_in_sync(&service, &piece, "web-uid")
    }

    #[test]
    fn what_the_server_fills_in_and_others_add_is_no_difference() {
        assert!(in_sync(|_| {}));
        assert!(in_sync(|there| there["spec"]["ports"].as_array_mut().unwrap().push(json!({"port": 81}))));
        assert!(in_sync(|there| there["metadata"]["labels"]["more"] = json!("here")));
    }

    /// Each with each, it would be four hundred million times.
    #[test]
    fn of_very_many_ports_each_is_compared_with_its_like() {
        let numbers = || 1..=10_000_u32;
        let wanted: Vec<_> = numbers()
            .flat_map(|port| {
                [json!({"port": port, "targetPort": port}), json!({"port": port, "protocol": "UDP"})]
            })
            .collect();
        let mut there: Vec<_> = numbers()
            .rev()
            .flat_map(|port| {
                let udp = json!({"port": port, "targetPort": port, "protocol": "UDP", "nodePort": 30_000});
                [udp, json!({"port": port, "targetPort": port, "protocol": "TCP"})]
            })
            .collect();
        let wanted = json!({"ports": wanted});
        let as_wanted = |there: &[Value]| has(Some(&json!({"ports": there})), Some(&wanted));
        assert!(as_wanted(&there), "in whatever order");
        there[9_999]["targetPort"] = json!(1);
        assert!(!as_wanted(&there), "one leads elsewhere");
        there.remove(9_999);
        assert!(!as_wanted(&there), "one is gone; that of the other protocol is none of it");
    }

    #[test]
    fn what_another_hand_changed_is_found() {
        for (pointer, value) in [
            ("/spec/ports/0/targetPort", json!(8080)),
            ("/spec/ports/0/port", json!(81)),
            ("/spec/ports", json!([])),
            ("/spec/selector", json!({"app": "api", "team": "shop"})),
            ("/spec/selector/app", json!("other")),
            ("/metadata/labels/team", json!("other")),
            ("/metadata/annotations/teal.dev~1content", json!("former.")),
            ("/metadata/labels/teal.dev~1rollout-uid", json!("former")),
        ] {
            assert!(!in_sync(|there| *there.pointer_mut(pointer).unwrap() = value.clone()), "{pointer}");
        }
        assert!(!in_sync(|there| there["spec"]["publishNotReadyAddresses"] = json!(true)));
        assert!(!in_sync(|there| there["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z")));
        assert!(!in_sync(|there| drop(there["spec"].as_object_mut().unwrap().remove("selector"))));
    }
}

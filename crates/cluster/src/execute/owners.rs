//! Whose role Services are, and whether they go with their Rollout. Only `onDelete: DeleteAll` asks for that; whoever takes it
//! back must not lose what serves for a reference that was written before.

use std::collections::BTreeMap;

use json_patch::Patch;
use serde_json::{Value, json};
use teal_api::names::{label, manager};
use teal_api::rollout::OnDelete;
use teal_plan::Phase;

use super::roles::{Role, own_labels};
use super::{Order, Tools};
use crate::error::Error;
use crate::json;
use crate::kinds;
use crate::rendering::owner_reference;
use crate::stores::JsonView;

/// Brings the references of all role Services to what the spec says, and back the labels that another hand took off.
pub(crate) async fn make(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    let owned = order.filled.on_delete == OnDelete::DeleteAll;
    let namespace = &order.names.namespace;
    let each = order.services.iter();
    let each = each.flat_map(|of| [(Role::Live, &of.name), (Role::Candidate, &of.candidate)]);
    let mut changed = false;
    for (role, name) in each {
        let Some(view) = tools.stores.services.get(namespace, name) else { continue };
        let there = view.value();
        let mut operations = Vec::new();
        if is_unmarked(&view, &order.names.name, &order.record.phase) {
            operations.push(labels(&there, own_labels(order, role)));
        }
        if differs(&view, &order.names.uid, owned) {
            let adds = owned && !view.is_owned_by(&order.names.uid);
            operations.push(owners(&there, &order.names.name, &order.names.uid, adds));
        }
        if operations.is_empty() {
            continue;
        }
        let patch = for_version(&there, operations);
        tools.patch(kinds::SERVICE, namespace, name, manager::ROLES, patch).await?;
        changed = true;
    }
    Ok(changed)
}

/// Whether a Service that selects pods of the Rollout lacks its labels, by which its slices are found. Another Rollout's stay.
pub(crate) fn is_unmarked(service: &JsonView, rollout: &str, phase: &Phase) -> bool {
    let is_first = matches!(phase, Phase::New | Phase::Installing { .. });
    let ours = service.points(rollout).is_some() || service.selects_both(rollout);
    let lacks = match service.rollout() {
        None => true,
        Some(name) => name == rollout && service.label(label::ROLE).is_none(),
    };
    !is_first && ours && lacks
}

/// Whether a Service stands otherwise than the spec says. Only its own may go with a Rollout; what it was written on it is
/// taken off again, whoever's the Service is.
pub(crate) fn differs(service: &JsonView, uid: &str, owned: bool) -> bool {
    let is_own = service.label(label::ROLLOUT_UID) == Some(uid);
    service.is_owned_by(uid) != (owned && is_own)
}

/// Adds or removes this Rollout among the owners; the others stay.
fn owners(service: &Value, rollout: &str, uid: &str, owned: bool) -> Value {
    let others = service.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let mut owners: Vec<Value> = others.into_iter().flatten().filter(|o| o["uid"] != *uid).cloned().collect();
    if owned {
        owners.push(owner_reference(rollout, uid));
    }
    json!({"op": "add", "path": "/metadata/ownerReferences", "value": owners})
}

fn labels(service: &Value, own: BTreeMap<String, String>) -> Value {
    let there = service.pointer("/metadata/labels").and_then(Value::as_object).cloned();
    let mut labels = there.unwrap_or_default();
    labels.extend(own.into_iter().map(|(name, value)| (name, json!(value))));
    json!({"op": "add", "path": "/metadata/labels", "value": labels})
}

/// Bound to the version, because lists and maps are replaced.
fn for_version(service: &Value, mut operations: Vec<Value>) -> Patch {
    let version = json::text(service, "/metadata/resourceVersion");
    operations.insert(0, json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}));
    serde_json::from_value(json!(operations)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(owners: &Value) -> Value {
        json!({"metadata": {"name": "web", "resourceVersion": "7", "ownerReferences": owners}})
    }

    fn after(service: &Value, owned: bool) -> Value {
        let mut service = service.clone();
        let patch = for_version(&service, vec![owners(&service, "web", "uid-1", owned)]);
        json_patch::patch(&mut service, &patch.0).unwrap();
        service["metadata"]["ownerReferences"].clone()
    }

    #[test]
    fn delete_all_owns_and_keep_live_lets_go_and_others_stay() {
        let other = json!({"kind": "Fleet", "name": "f", "uid": "uid-f"});
        let ours = owner_reference("web", "uid-1");
        assert_eq!(after(&service(&json!([other])), true), json!([other, ours]));
        assert_eq!(after(&service(&json!([ours, other])), false), json!([other]));
        assert_eq!(after(&json!({"metadata": {"resourceVersion": "7"}}), true), json!([ours]));
    }
}

//! Whether role Services go with their Rollout. Only `onDelete: DeleteAll` asks for it; whoever takes that back must not
//! lose what serves for a reference that was written before.

use json_patch::Patch;
use serde_json::{Value, json};
use teal_api::names::{label, manager};
use teal_api::rollout::OnDelete;

use super::{Order, Tools};
use crate::error::Error;
use crate::json;
use crate::kinds;
use crate::rendering::owner_reference;
use crate::stores::JsonView;

/// Brings the references of all role Services to what the spec says.
pub(crate) async fn make(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    let owned = order.filled.on_delete == OnDelete::DeleteAll;
    let namespace = &order.names.namespace;
    let mut changed = false;
    for name in order.services.iter().flat_map(|service| [&service.name, &service.candidate]) {
        let Some(view) = tools.stores.services.get(namespace, name) else { continue };
        if !differs(&view, &order.names.uid, owned) {
            continue;
        }
        let adds = owned && !view.is_owned_by(&order.names.uid);
        let patch = patch(&view.value(), &order.names.name, &order.names.uid, adds);
        tools.patch(kinds::SERVICE, namespace, name, manager::ROLES, patch).await?;
        changed = true;
    }
    Ok(changed)
}

/// Whether a Service stands otherwise than the spec says. Only its own may go with a Rollout; what it was written on it is
/// taken off again, whoever's the Service is.
pub(crate) fn differs(service: &JsonView, uid: &str, owned: bool) -> bool {
    let is_own = service.label(label::ROLLOUT_UID) == Some(uid);
    service.is_owned_by(uid) != (owned && is_own)
}

/// Adds or removes this Rollout among the owners; the others stay. Bound to the version, because a list is replaced.
fn patch(service: &Value, rollout: &str, uid: &str, owned: bool) -> Patch {
    let others = service.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let mut owners: Vec<Value> = others.into_iter().flatten().filter(|o| o["uid"] != *uid).cloned().collect();
    if owned {
        owners.push(owner_reference(rollout, uid));
    }
    let operations = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": json::text(service, "/metadata/resourceVersion")},
        {"op": "add", "path": "/metadata/ownerReferences", "value": owners},
    ]);
    serde_json::from_value(operations).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(owners: &Value) -> Value {
        json!({"metadata": {"name": "web", "resourceVersion": "7", "ownerReferences": owners}})
    }

    fn after(service: &Value, owned: bool) -> Value {
        let mut service = service.clone();
        let patch = patch(&service, "web", "uid-1", owned);
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

//! What stands under a wanted name and is in no cache. Applying would merge into whatever that is; so whose it is, is asked before.

use serde_json::{Value, json};
use teal_api::names::{annotation, label, manager};
use teal_plan::{Color, Phase};
use teal_release::names::uncolored;

use super::release::version_of;
use super::{Order, Tools};
use crate::access::Target;
use crate::error::Error;
use crate::json;
use crate::kinds;
use crate::observe::{Names, epoch_on};
use crate::rendering::Piece;
use crate::stores::{ObjectView, read_object};

/// What is there of the Rollout's; nothing where the name is free.
pub(super) async fn unseen(
    tools: &Tools,
    order: &Order<'_>,
    piece: &Piece,
) -> Result<Option<ObjectView>, Error> {
    let resource = piece.kind.at(version_of(&piece.object));
    let target = Target { resource: &resource, namespace: &order.names.namespace, name: &piece.name };
    tools.access.check_served(target)?;
    let Some(there) = tools.access.get(target).await? else { return Ok(None) };
    let owner = note(&there, "labels", label::ROLLOUT);
    let is_ours = match owner {
        Some(owner) => owner == order.names.name,
        None => has_strayed(&there, piece, &order.names.uid),
    };
    if !is_ours {
        let manager = owner.map_or_else(|| writer(&there).to_owned(), of_rollout);
        let serves = serves(order, &piece.name);
        return Err(Error::NameTaken { object: target.to_string(), manager, serves });
    }
    if there.pointer("/metadata/deletionTimestamp").is_some() {
        // A finalizer holds it: what is applied now would go with it, and a Job's end that is told there is the former try's.
        return Err(Error::Changed { object: target.to_string(), detail: "it is being deleted".to_owned() });
    }
    order.check_epoch(target, epoch_on(&there, &order.names.uid))?;
    Ok(labelled(there, piece, order.names))
}

/// Whether another hand only took the Rollout's label away: the rest says that Teal wrote it for this very Rollout, and in this
/// color. A copy lacks Teal as a manager of its fields, or is of another color. Of a Job it can't be told of which try it is.
fn has_strayed(there: &Value, piece: &Piece, uid: &str) -> bool {
    let is_marked = match note(there, "labels", label::ROLLOUT_UID) {
        Some(found) => found == uid,
        None => note(there, "annotations", &annotation::epoch(uid)).is_some(),
    };
    let color = note(there, "labels", label::COLOR);
    let fits = color.is_none() || color == note(&piece.object, "labels", label::COLOR);
    piece.kind != kinds::JOB && is_marked && fits && is_applied(there)
}

/// Whether Teal applied it, as the API server notes.
fn is_applied(there: &Value) -> bool {
    let entries = there.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().any(|entry| {
        json::text(entry, "/manager") == manager::RELEASE && json::text(entry, "/operation") == "Apply"
    })
}

/// As it will be once it is applied, so that it keeps its size as any other that is there.
fn labelled(mut there: Value, piece: &Piece, names: &Names) -> Option<ObjectView> {
    let labels = json!({label::ROLLOUT: names.name, label::ROLLOUT_UID: names.uid});
    json_patch::merge(&mut there, &json!({"metadata": {"labels": labels}}));
    read_object(piece.kind, &there)
}

/// A label or an annotation.
fn note<'a>(object: &'a Value, kind: &str, name: &str) -> Option<&'a str> {
    object.get("metadata")?.get(kind)?.get(name)?.as_str()
}

/// Whether something of live's has the name, on which what serves may stand.
pub(super) fn serves(order: &Order<'_>, name: &str) -> bool {
    let begun = !matches!(order.record.phase, Phase::New | Phase::Installing { .. });
    let is_of = |color: Color| uncolored(name, color) != name;
    begun && order.record.live.is_some_and(|live| is_of(live.slot.color))
}

pub(super) fn of_rollout(name: &str) -> String {
    format!("Rollout {name}")
}

/// Who wrote an object last. Controllers, which write its status, don't own it.
fn writer(there: &Value) -> &str {
    let entries = there.pointer("/metadata/managedFields").and_then(Value::as_array);
    let entries = entries.into_iter().flatten().filter(|entry| entry.get("subresource").is_none());
    let newest = entries.max_by_key(|entry| json::text(entry, "/time").to_owned());
    newest.map_or("another writer", |entry| json::text(entry, "/manager"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_a_status_owns_nothing() {
        let entry = |manager: &str, time: &str| json!({"manager": manager, "time": time});
        let mut status = entry("kube-controller-manager", "2026-01-03T00:00:00Z");
        status["subresource"] = json!("status");
        let there = json!({"metadata": {"managedFields": [
            entry("helm", "2026-01-01T00:00:00Z"), entry("kubectl", "2026-01-02T00:00:00Z"), status,
        ]}});
        assert_eq!(writer(&there), "kubectl");
        assert_eq!(writer(&json!({"metadata": {}})), "another writer");
    }
}

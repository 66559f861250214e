//! Clearing a color.

use std::sync::Arc;

use futures::future::join_all;
use teal_plan::{Color, Revision, Slot};
use teal_release::ObjectKey;

use super::{Order, Tools, inner, revision, worst};
use crate::access::Target;
use crate::error::Error;
use crate::rendering::Rendering;
use crate::stores::ObjectView;

/// Deletes every object of the color but those of one revision. Each deletion names the version that it was decided on,
/// so that whoever touched the object meanwhile wins.
pub(super) async fn clear(
    tools: &Tools,
    order: &Order<'_>,
    color: Color,
    except: Option<Revision>,
) -> Result<bool, Error> {
    let mut objects = tools.stores.objects_of(&order.names.namespace, &order.names.name);
    objects.extend(inner::all(tools, order));
    let going: Vec<&Arc<ObjectView>> = objects.iter().filter(|view| goes(view, color, except)).collect();
    let lacked = objects.iter().filter(|view| except.is_none() && live_lacks(order, view)).cloned();
    let unneeded = without_kept(tools, order, lacked.collect(), !going.is_empty()).await;
    let all = going.into_iter().chain(&unneeded);
    worst(join_all(all.map(|view| delete(tools, order, view))).await)
}

/// Those that no kept revision has, so that whoever goes back to one finds its accounts as they were: an account made anew
/// is another one to whom it was known. Where it isn't known what is kept they stay; that is read only as long as the color
/// has something to delete, since what is being deleted may take for ever to go.
async fn without_kept(
    tools: &Tools,
    order: &Order<'_>,
    mut views: Vec<Arc<ObjectView>>,
    reads: bool,
) -> Vec<Arc<ObjectView>> {
    if reads
        && views.iter().any(|view| outlasts_live(&key(view)))
        && let Err(error) = revision::learn(tools, order).await
    {
        tracing::warn!(%error, "shared objects stay: what is kept can't be read");
    }
    views.retain(|view| {
        let key = key(view);
        !outlasts_live(&key) || revision::none_has(tools, order, &key)
    });
    views
}

/// Whether a shared object that live lacks stays as long as a revision that has it is kept. Autoscalers are as the spec says
/// now, and what works by itself would go on beside what has taken its place, which has ticks and messages handled twice.
fn outlasts_live(key: &ObjectKey) -> bool {
    let in_place = teal_release::is_in_place(key);
    let key = (key.group.as_str(), key.kind.as_str());
    let works = matches!(key, ("apps", "Deployment" | "StatefulSet") | ("batch", "CronJob"));
    !in_place && !works
}

fn key(view: &ObjectView) -> ObjectKey {
    ObjectKey::new(view.kind.group, view.kind.kind, &view.id.name)
}

/// A shared object that live, left alone, doesn't have.
fn live_lacks(order: &Order<'_>, view: &ObjectView) -> bool {
    let record = order.record;
    let alone = record.candidate.is_none() && record.previous.is_none();
    let Some(live) = record.live.filter(|_| alone) else { return false };
    let Ok(rendering) = order.rendering(live.slot) else { return false };
    let has = rendering.pieces.iter().any(|piece| piece.kind == view.kind && piece.name == view.id.name);
    view.color.is_none()
        && !view.deleting
        && !view.derived
        && !has
        && view.kind.kind != "PersistentVolumeClaim"
        && view.rollout_uid == order.names.uid
}

/// Autoscalers and disruption budgets of a slot that its release has no more: they reach live in place, and so does
/// their end.
pub(super) async fn drop_in_place(
    tools: &Tools,
    order: &Order<'_>,
    rendering: &Rendering,
    slot: Slot,
    may_go: impl Fn(&str) -> bool,
) -> Result<bool, Error> {
    let objects = tools.stores.objects_of(&order.names.namespace, &order.names.name);
    let gone = objects.iter().filter(|view| is_dropped(rendering, view, slot) && may_go(view.kind.kind));
    worst(join_all(gone.map(|view| delete(tools, order, view))).await)
}

/// Whether an object of the slot reaches live in place and is in its release no more.
pub(crate) fn is_dropped(rendering: &Rendering, view: &ObjectView, slot: Slot) -> bool {
    teal_release::is_in_place(&key(view))
        && view.slot() == Some(slot)
        && !view.deleting
        && !view.derived
        && !rendering.pieces.iter().any(|piece| piece.kind == view.kind && piece.name == view.id.name)
}

/// Whether an object of the color goes with it. Disks stay, and what another controller made goes with what it was made
/// from: deleted, it would be made anew, again and again.
fn goes(view: &ObjectView, color: Color, except: Option<Revision>) -> bool {
    view.color == Some(color)
        && !view.deleting
        && !view.derived
        && view.kind.kind != "PersistentVolumeClaim"
        && (except.is_none() || view.revision != except)
}

pub(super) async fn delete(tools: &Tools, order: &Order<'_>, view: &ObjectView) -> Result<bool, Error> {
    let resource = tools.stores.resource(view.kind);
    let target = Target { resource: &resource, namespace: &view.id.namespace, name: &view.id.name };
    order.check_view(target, view)?;
    tools.access.delete(target, &view.uid, &view.version.to_string()).await?;
    tools.stores.forget(view.kind, &view.id, &view.uid);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectMeta;
    use serde_json::json;
    use teal_api::names::label;

    use super::*;
    use crate::kinds;

    fn autoscaler(name: &str, owners: &serde_json::Value) -> ObjectView {
        let metadata: ObjectMeta = serde_json::from_value(json!({
            "name": name, "ownerReferences": owners,
            "labels": {label::ROLLOUT: "web", label::COLOR: "blue", label::REVISION: "r1-00000000"},
        }))
        .unwrap();
        let kind = kinds::find("autoscaling", "HorizontalPodAutoscaler").unwrap();
        ObjectView::of(kind, &metadata).unwrap()
    }

    #[test]
    fn what_works_by_itself_is_at_work_for_live_alone() {
        for (group, kind, outlasts) in [
            ("", "ServiceAccount", true),
            ("", "ConfigMap", true),
            ("apps", "Deployment", false),
            ("apps", "StatefulSet", false),
            ("batch", "CronJob", false),
            ("autoscaling", "HorizontalPodAutoscaler", false),
        ] {
            assert_eq!(outlasts_live(&ObjectKey::new(group, kind, "tick")), outlasts, "{kind}");
        }
    }

    #[test]
    fn what_another_controller_made_is_left_to_it() {
        let keda = json!([{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "web-blue", "uid": "1",
            "controller": true}]);
        let rollout = json!([crate::rendering::owner_reference("web", "2")]);
        for (owners, dropped) in [(json!([]), true), (rollout, true), (keda, false)] {
            let view = autoscaler("keda-hpa-web-blue", &owners);
            let slot = view.slot().unwrap();
            assert_eq!(is_dropped(&Rendering::default(), &view, slot), dropped, "{owners}");
            assert_eq!(goes(&view, Color::Blue, None), dropped, "{owners}");
        }
    }
}

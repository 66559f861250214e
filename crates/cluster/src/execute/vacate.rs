//! Clearing a color.

use futures::future::join_all;
use teal_plan::{Color, Revision};

use super::{Order, Tools, worst};
use crate::access::Target;
use crate::error::Error;
use crate::kinds;
use crate::stores::{ObjectView, View};

/// Deletes every object of the color but those of one revision. Each deletion names the version that it was decided on,
/// so that whoever touched the object meanwhile wins. Disks stay.
pub(super) async fn clear(
    tools: &Tools,
    order: &Order<'_>,
    color: Color,
    except: Option<Revision>,
) -> Result<bool, Error> {
    let objects = tools.stores.objects_of(&order.names.namespace, &order.names.name);
    let going = objects.iter().filter(|view| {
        view.color == Some(color)
            && !view.deleting
            && view.kind.kind != "PersistentVolumeClaim"
            && (except.is_none() || view.revision != except)
    });
    let deletions = join_all(going.map(|view| delete(tools, order, view))).await;
    let services = services(tools, order, color, except).await;
    worst(deletions.into_iter().chain(services).collect())
}

async fn delete(tools: &Tools, order: &Order<'_>, view: &ObjectView) -> Result<bool, Error> {
    let resource = tools.stores.resource(view.kind);
    let target = Target { resource: &resource, namespace: &view.id.namespace, name: &view.id.name };
    order.check_epoch(target, view.epoch)?;
    tools.access.delete(target, &view.uid, &view.version.to_string()).await?;
    if let Some((_, cache)) = tools.stores.objects.iter().find(|(kind, _)| *kind == view.kind) {
        cache.forget(&view.id);
    }
    Ok(true)
}

/// Inner Services of the color.
async fn services(
    tools: &Tools,
    order: &Order<'_>,
    color: Color,
    except: Option<Revision>,
) -> Vec<Result<bool, Error>> {
    use teal_api::names::label;
    let except = except.map(|revision| revision.to_string());
    let all = tools.stores.services.group(&order.names.namespace, "");
    let going = all.iter().filter(|view| {
        view.rollout() == Some(order.names.name.as_str())
            && view.label(label::COLOR) == Some(color.as_str())
            && view.label(label::ROLE).is_none()
            && (except.is_none() || view.label(label::REVISION) != except.as_deref())
    });
    let mut results = Vec::new();
    for view in going {
        let id = view.id();
        let resource = kinds::SERVICE.resource();
        let target = Target { resource: &resource, namespace: &id.namespace, name: &id.name };
        let result = tools.access.delete(target, view.uid(), &view.version().to_string()).await;
        if result.is_ok() {
            tools.stores.services.forget(&id);
        }
        results.push(result.map(|()| true));
    }
    results
}

//! What works by itself in the color that isn't live, and that the record knows nothing of: what is left of a record that was lost.
//! Nobody else brings it to rest until its color is cleared, and live's must not be set to work beside it.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};
use teal_api::names::annotation;
use teal_plan::Slot;

use super::{Order, Tools, unknown, worst};
use crate::error::Error;
use crate::rendering::Piece;
use crate::stores::ObjectView;

/// What is still at work beside live; nothing of a color that has a release, which is brought to rest as such.
pub(super) fn at_work(tools: &Tools, order: &Order<'_>, slot: Slot) -> Vec<Arc<ObjectView>> {
    let record = order.record;
    let other = slot.color.other();
    let is_known = record.releases().any(|release| release.slot.color == other);
    if is_known || record.live.is_none_or(|live| live.slot != slot) {
        return Vec::new();
    }
    let mut objects = tools.stores.objects_of(&order.names.namespace, &order.names.name);
    objects.retain(|view| {
        let works = !view.rests || has_pods(view);
        view.color == Some(other) && view.live_only && works && !view.derived && !view.deleting
    });
    objects
}

/// Lays it to rest, its autoscalers first, which would wake it.
pub(super) async fn rest(
    tools: &Tools,
    order: &Order<'_>,
    at_work: &[Arc<ObjectView>],
) -> Result<bool, Error> {
    let Some(color) = at_work.first().and_then(|view| view.color) else { return Ok(false) };
    let objects = tools.stores.objects_of(&order.names.namespace, &order.names.name);
    let is_scaler = |view: &&Arc<ObjectView>| {
        view.kind.kind == "ScaledObject" && view.color == Some(color) && !view.deleting
    };
    let scalers = objects.iter().filter(is_scaler);
    let paused = scalers.map(|view| unknown::pause(tools, order, view, at_work, true));
    let paused = worst(join_all(paused).await)?;
    let laid = worst(join_all(at_work.iter().map(|view| lay(tools, order, view))).await)?;
    Ok(paused || laid)
}

async fn lay(tools: &Tools, order: &Order<'_>, view: &ObjectView) -> Result<bool, Error> {
    let Some(there) = unknown::read(tools, order, view).await? else { return Ok(false) };
    let mut change = unknown::resting(&there);
    // Live's, which takes over its work, finds as much of it to do.
    let size = there.pointer("/spec/replicas").and_then(Value::as_u64).filter(|size| *size > 0);
    if let Some(size) = size {
        change["metadata"]["annotations"][annotation::AWAKE_REPLICAS] = json!(size.to_string());
    }
    unknown::write(tools, order, view, change).await
}

/// Whether applying it would set to work what isn't.
pub(super) fn wakes(piece: &Piece, view: Option<&ObjectView>) -> bool {
    piece.live_only && !view.is_some_and(has_pods)
}

fn has_pods(view: &ObjectView) -> bool {
    view.state.as_ref().is_some_and(|state| state.replicas > 0)
}

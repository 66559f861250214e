//! The size that a workload had at work. Whom an autoscaler or a person scaled has it in no manifest, and what takes over its work
//! finds as much of it to do: so it is noted on what is laid to rest, in the write that does so, and whoever wakes starts with it.

use serde_json::{Value, json};
use teal_api::names::annotation;
use teal_plan::Slot;

use super::{Order, Tools, ticks};
use crate::json;
use crate::rendering::Piece;
use crate::stores::ObjectView;

/// Notes on a workload that is to rest what it has now, or keeps the note. In no mark of its content, which is none of this, and
/// whoever wakes it writes it without.
pub(super) fn note(object: &mut Value, view: Option<&ObjectView>) {
    if json::annotation(object, annotation::OWNER_REPLICAS).is_none() {
        return;
    }
    let has = |view: &ObjectView| view.state.as_ref().map(|state| state.replicas).filter(|size| *size > 0);
    // One that rests already and was set to work by hand works for nobody.
    let Some(size) = view.and_then(|view| view.awake.or_else(|| has(view))) else { return };
    object["metadata"]["annotations"][annotation::AWAKE_REPLICAS] = json!(size.to_string());
}

/// The size to wake with: what the other color's had, or it itself where the way forward ended between both. Not where its owner
/// writes another size than that was made with.
pub(super) fn noted(
    tools: &Tools,
    order: &Order<'_>,
    piece: &Piece,
    (slot, view): (Slot, Option<&ObjectView>),
) -> Option<u32> {
    if !piece.live_only {
        return None;
    }
    let name = ticks::others_name(&piece.name, slot)?;
    let other = tools.stores.object(piece.kind.group, piece.kind.kind, &order.names.namespace, &name);
    let notes = [other.as_deref(), view].into_iter().flatten();
    notes.filter(|view| view.rollout_uid == order.names.uid).find_map(|view| {
        let same = view.content.as_deref().map(written) == Some(written(&piece.content));
        view.awake.filter(|_| same)
    })
}

/// The replicas that their owner wrote, as the mark of a workload's content has them.
pub(super) fn written(content: &str) -> Option<&str> {
    content.rsplit_once('.').map(|(_, size)| size)
}

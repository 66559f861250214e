//! Applying the objects of a release.

use std::sync::Arc;

use futures::future::join;
use serde_json::{Value, json};
use teal_api::names::manager;
use teal_plan::{Phase, Slot};
use teal_release::ObjectKey;

use super::unseen::{of_rollout, serves, unseen};
use super::{Order, Tools, awake, inner, jobs, left, ticks, unknown, vacate, worst};
use crate::access::Target;
use crate::error::{Class, Error};
use crate::json;
use crate::kinds;
use crate::observe::{answers_for, is_sent_back};
use crate::rendering::{Piece, Rendering};
use crate::stores::ObjectView;

/// Applies a release. What works by itself in live wakes once nothing that is left of another release does any more, which holds up
/// nothing else.
pub(super) async fn apply(tools: &Tools, order: &Order<'_>, slot: Slot) -> Result<bool, Error> {
    let left = left::at_work(tools, order, slot);
    let applied = apply_beside(tools, order, slot, !left.is_empty());
    let (applied, rested) = join(applied, left::rest(tools, order, &left)).await;
    worst(vec![applied, rested])
}

/// Applies what is not as it should be, configuration before workloads, and workloads only after the Jobs that run
/// before them. What comes needs all of it; of what is there already, one that is refused holds up no other.
async fn apply_beside(
    tools: &Tools,
    order: &Order<'_>,
    slot: Slot,
    others_work: bool,
) -> Result<bool, Error> {
    let rendering = match order.rendering(slot) {
        Ok(rendering) => Arc::clone(rendering),
        // All of it that is not in its role would be set to work.
        Err(_) if others_work => return Ok(false),
        Err(lost) => return unknown::keep(tools, order, slot, lost).await,
    };
    let waits = |piece: &Piece| {
        others_work && view(tools, order, piece).is_ok_and(|view| left::wakes(piece, view.as_deref()))
    };
    let pieces =
        rendering.pieces.iter().filter(|piece| is_wanted(tools, order, piece, slot) && !waits(piece));
    let (workloads, others): (Vec<&Piece>, Vec<&Piece>) = pieces.partition(|piece| works(piece));
    let comes = comes(order, slot);
    let mut refused = Refused { needs_all: comes, ..Refused::default() };
    let mut changed = false;
    for piece in others {
        let result = apply_piece(tools, order, &rendering, piece, slot).await;
        changed |= refused.or_note(result, piece)?;
    }
    if comes && !has_begun(tools, order, &workloads)? {
        let mut done = true;
        for piece in &rendering.jobs {
            let (wrote, ended) = jobs::run_once(tools, order, piece, slot).await?;
            changed |= wrote;
            done &= ended;
        }
        if !done {
            return Ok(changed);
        }
    }
    for piece in workloads {
        let result = apply_piece(tools, order, &rendering, piece, slot).await;
        changed |= refused.or_note(result, piece)?;
    }
    changed |= vacate::drop_in_place(tools, order, &rendering, slot, |kind| !refused.keeps(kind)).await?;
    refused.first.map_or(Ok(changed), Err)
}

/// Of what was sent back only what is there is brought to rest. What both colors share has no form for the one that rests, and that of
/// live only where live answers for it, or where it is gone: whoever mends live must not undo what the candidate needs.
fn is_wanted(tools: &Tools, order: &Order<'_>, piece: &Piece, slot: Slot) -> bool {
    let record = order.record;
    let returned = matches!(record.phase, Phase::Returning { .. } | Phase::Rest { .. });
    let rests = returned && record.live.is_some_and(|live| live.slot != slot);
    let is_there = || matches!(view(tools, order, piece), Ok(Some(_)));
    if piece.shared {
        return !rests && (answers_for(record, order.hash, slot, piece) || !is_there());
    }
    !is_sent_back(record, slot) || is_there()
}

/// Workloads that are there mean that the Jobs ran: they may be gone since.
fn has_begun(tools: &Tools, order: &Order<'_>, workloads: &[&Piece]) -> Result<bool, Error> {
    let mut begun = false;
    for piece in workloads.iter().filter(|piece| !piece.shared) {
        begun |= view(tools, order, piece)?.is_some();
    }
    Ok(begun)
}

/// What KEDA's webhook says of a workload that another autoscaler has.
const KEDA_WAITS: &str = "is already managed by";

/// What was refused where the others go on without it.
#[derive(Default)]
struct Refused {
    /// What comes needs all of it: nothing is only taken note of.
    needs_all: bool,
    first: Option<Error>,
    /// Purposes of what was refused. It may be there in place of something that the release has no more, which stays until then.
    purposes: Vec<&'static str>,
}

impl Refused {
    /// Takes note of a refusal. Whatever else fails, such as an API server that is slow, would fail for each of them.
    fn or_note(&mut self, result: Result<bool, Error>, piece: &Piece) -> Result<bool, Error> {
        match result {
            Err(error) if !self.needs_all && matches!(error.class(), Class::Denied | Class::Invalid) => {
                // KEDA's refuses one autoscaler as long as another has the workload.
                let waits_for_the_old = piece.kind.group == "keda.sh" && error.said().contains(KEDA_WAITS);
                if is_in_place(piece) && !waits_for_the_old {
                    self.purposes.push(purpose(piece.kind.kind));
                }
                self.first.get_or_insert(error);
                Ok(false)
            }
            result => result,
        }
    }

    fn keeps(&self, kind: &str) -> bool {
        self.purposes.iter().any(|refused| *refused == purpose(kind))
    }
}

/// What an object that reaches live in place is for: two of one purpose on the same pods hinder each other.
fn purpose(kind: &str) -> &str {
    if kind == "ScaledObject" { "HorizontalPodAutoscaler" } else { kind }
}

fn is_in_place(piece: &Piece) -> bool {
    teal_release::is_in_place(&ObjectKey::new(piece.kind.group, piece.kind.kind, &piece.name))
}

fn works(piece: &Piece) -> bool {
    matches!(piece.kind.kind, "Deployment" | "StatefulSet" | "CronJob")
}

/// Whether the slot is being brought up for the first time.
fn comes(order: &Order<'_>, slot: Slot) -> bool {
    let starts = matches!(order.record.phase, Phase::Installing { .. } | Phase::Step(_));
    starts && order.record.candidate.or(order.record.live).is_some_and(|release| release.slot == slot)
}

async fn apply_piece(
    tools: &Tools,
    order: &Order<'_>,
    rendering: &Rendering,
    piece: &Piece,
    slot: Slot,
) -> Result<bool, Error> {
    let view = view(tools, order, piece)?;
    if is_in_sync(tools, order, piece, view.as_deref()) {
        return Ok(false);
    }
    if view.as_ref().is_some_and(|view| view.deleting) {
        // It goes first; its absence will be seen.
        return Ok(false);
    }
    let view = match view {
        None => unseen(tools, order, piece).await?.map(Arc::new),
        there => there,
    };
    if view.is_some() && !ticks::carry_on(tools, order, piece, slot).await? {
        return Ok(false);
    }
    let noted = awake::noted(tools, order, piece, (slot, view.as_deref()));
    let sized = sized(rendering, piece, view.as_deref(), noted);
    let wrote = apply_piece_over(tools, order, piece, sized, view.as_deref()).await?;
    if wrote {
        order.note_write(slot, piece);
    }
    if wrote && is_repair(order, piece, slot, view.as_deref()) {
        order.note_repair(format!("{} {}", piece.kind.kind, piece.name));
    }
    Ok(wrote)
}

fn is_in_sync(tools: &Tools, order: &Order<'_>, piece: &Piece, view: Option<&ObjectView>) -> bool {
    let uid = &order.names.uid;
    if piece.kind == kinds::SERVICE {
        let service = inner::find(tools, order, &piece.name);
        return service.is_some_and(|service| inner::is_in_sync(&service, piece, uid));
    }
    piece.is_in_sync(view, uid)
}

/// Live lacked what it was given, or had it changed, at rest or while a candidate is tried; not so where the content itself is new,
/// or what reaches live in place came with the spec just now.
fn is_repair(order: &Order<'_>, piece: &Piece, slot: Slot, view: Option<&ObjectView>) -> bool {
    let stays = matches!(order.record.phase, Phase::Rest { .. } | Phase::Step(_));
    let live = order.record.live.is_some_and(|live| live.slot == slot);
    stays
        && live
        && view.map_or(order.was_whole || !is_in_place(piece), |view| {
            view.content.as_deref() == Some(&piece.content)
        })
}

pub(super) fn view(
    tools: &Tools,
    order: &Order<'_>,
    piece: &Piece,
) -> Result<Option<Arc<ObjectView>>, Error> {
    let there = if piece.kind == kinds::SERVICE {
        inner::find(tools, order, &piece.name).and_then(|service| inner::view(&service)).map(Arc::new)
    } else {
        tools.stores.object(piece.kind.group, piece.kind.kind, &order.names.namespace, &piece.name)
    };
    own(there, &order.names.name, serves(order, &piece.name))
}

/// The objects of all Rollouts lie in one cache. Another's is neither written over nor taken for work that was done; one
/// that was here before under the same name leaves its own to its successor.
fn own(
    there: Option<Arc<ObjectView>>,
    rollout: &str,
    serves: bool,
) -> Result<Option<Arc<ObjectView>>, Error> {
    match there {
        Some(view) if view.rollout != rollout => Err(Error::NameTaken {
            object: format!("{} {}", view.kind.kind, view.id),
            manager: of_rollout(&view.rollout),
            serves,
        }),
        there => Ok(there),
    }
}

/// Writes it over what is there, or under a name that [`unseen`] found free. Whether that changed anything: what the server makes of
/// it may be what was there.
pub(super) async fn apply_piece_over(
    tools: &Tools,
    order: &Order<'_>,
    piece: &Piece,
    mut object: Value,
    view: Option<&ObjectView>,
) -> Result<bool, Error> {
    let resource = piece.kind.at(version_of(&object));
    let target = Target { resource: &resource, namespace: &order.names.namespace, name: &piece.name };
    tools.access.check_served(target)?;
    if let Some(view) = view {
        order.check_view(target, view)?;
        // The same name may be another object by now.
        object["metadata"]["uid"] = json!(view.uid);
    }
    object["metadata"]["annotations"][order.epoch_key()] = json!(order.record.epoch.to_string());
    let answer = tools.access.apply(target, manager::RELEASE, &object).await?;
    tools.stores.offer(piece.kind, &answer);
    Ok(view.is_none_or(|view| view.version != json::version(&answer)))
}

pub(super) fn version_of(object: &Value) -> &str {
    let version = json::text(object, "/apiVersion");
    version.split_once('/').map_or(version, |(_, version)| version)
}

/// Sizes have writers of their own: what is there keeps its size, unless its owner wrote another one or it wakes.
fn sized(rendering: &Rendering, piece: &Piece, view: Option<&ObjectView>, noted: Option<u32>) -> Value {
    let mut object = piece.object.clone();
    if piece.kind != kinds::DEPLOYMENT && piece.kind != kinds::STATEFUL_SET {
        return object;
    }
    let written = object.pointer("/spec/replicas").and_then(Value::as_u64);
    if written == Some(0) {
        awake::note(&mut object, view);
        return object;
    }
    let workload =
        rendering.workloads.iter().find(|w| w.key.kind == piece.kind.kind && w.colored_name == piece.name);
    let start = u64::from(workload.map_or(1, |workload| workload.start_replicas));
    let owners = workload.and_then(|workload| workload.written_replicas).map(u64::from).or(written);
    let written = Written { here: written, owners, noted: noted.map(u64::from) };
    let size = size(written, start, &piece.content, view);
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        match size {
            Some(size) => spec.insert("replicas".into(), json!(size)),
            None => spec.remove("replicas"),
        };
    }
    object
}

/// Sizes that were written; but for the last one none under an autoscaler.
#[derive(Clone, Copy)]
struct Written {
    /// For this color: a candidate comes with live's present size.
    here: Option<u64>,
    /// In the manifest.
    owners: Option<u64>,
    /// On what rests, for what wakes in its place.
    noted: Option<u64>,
}

/// None leaves the size to whoever wrote it last.
fn size(written: Written, start: u64, content: &str, view: Option<&ObjectView>) -> Option<u64> {
    let Written { here: written, owners, noted } = written;
    let start = noted.or(written).unwrap_or(start);
    let Some(view) = view else { return Some(start) };
    let now = view.state.as_ref().map_or(0, |state| u64::from(state.replicas));
    let before = view.content.as_deref().and_then(awake::written);
    if now == 0 {
        Some(start.max(1))
    } else if written.is_some() && before != awake::written(content) {
        // Also for a candidate: live's size is the former one as long as live hasn't been resized, too.
        owners
    } else if owns_size(view) {
        Some(now)
    } else {
        None
    }
}

/// Whether Teal wrote the size that it has.
pub(crate) fn owns_size(view: &ObjectView) -> bool {
    let owned = view.owned.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    owned.is_some_and(|fields| fields.pointer("/f:spec/f:replicas").is_some())
}

#[cfg(test)]
mod tests {
    use teal_api::names::label;

    use super::*;
    use crate::stores::WorkloadState;

    fn there(replicas: u32, content: &str, owned: bool) -> ObjectView {
        let metadata: kube::core::ObjectMeta =
            serde_json::from_value(json!({"name": "web-blue", "labels": {label::ROLLOUT: "web"}})).unwrap();
        let mut view = ObjectView::of(kinds::DEPLOYMENT, &metadata).unwrap();
        view.content = Some(content.to_owned());
        view.state = Some(WorkloadState { replicas, ..WorkloadState::default() });
        view.owned = Some(if owned { r#"{"f:spec":{"f:replicas":{}}}"# } else { r#"{"f:spec":{}}"# }.into());
        view
    }

    #[test]
    fn another_rollouts_object_is_refused_and_a_predecessors_is_taken_over() {
        let mut view = there(3, "a.3", true);
        view.id = crate::stores::ObjectId::new("shop", "web-blue");
        view.rollout_uid = "of one that was here before".into();
        let view = Arc::new(view);
        assert!(own(None, "web", false).unwrap().is_none());
        assert!(own(Some(Arc::clone(&view)), "web", false).unwrap().is_some());
        let refused = own(Some(view), "api", false).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Deployment shop/web-blue exists and is not this Rollout's (written by Rollout web): it may be what that Rollout \
             serves with, so change metadata.name in spec.release; or, where that Rollout is no more, consent by the label \
             teal.dev/rollout with this Rollout's name on it"
        );
    }

    #[test]
    fn sizes_are_left_to_their_writers() {
        let written = Some(3);
        for (what, content, view, expected) in [
            ("new", "a.3", None, Some(3)),
            ("scaled by another hand", "b.3", Some(there(7, "a.3", false)), None),
            ("sized by Teal as live was", "b.3", Some(there(7, "a.3", true)), Some(7)),
            ("resized in the spec", "b.5", Some(there(7, "a.3", false)), written),
            ("wakes", "b.3", Some(there(0, "a.3", true)), Some(3)),
        ] {
            let both = Written { here: written, owners: written, noted: None };
            assert_eq!(size(both, 3, content, view.as_ref()), expected, "{what}");
        }
        let scaled = Written { here: None, owners: None, noted: None };
        assert_eq!(size(scaled, 4, "a.-", None), Some(4), "an autoscaled workload starts with its size");
        assert_eq!(size(scaled, 4, "b.-", Some(&there(9, "a.-", false))), None);
    }

    #[test]
    fn what_wakes_has_the_size_that_is_noted_whoever_wrote_one() {
        for written in [Some(3), None] {
            let written = Written { here: written, owners: written, noted: Some(20) };
            let size = |view: Option<ObjectView>| size(written, 1, "a.3", view.as_ref());
            assert_eq!((size(None), size(Some(there(0, "b.3", true)))), (Some(20), Some(20)));
            assert_eq!(size(Some(there(9, "b.3", true))), Some(9), "it is awake");
        }
    }

    #[test]
    fn a_candidate_starts_with_lives_size_and_follows_its_owner_from_then_on() {
        let written = Written { here: Some(7), owners: Some(5), noted: None };
        assert_eq!(size(written, 7, "a.5", None), Some(7));
        assert_eq!(size(written, 7, "b.5", Some(&there(7, "a.5", true))), Some(7));
        assert_eq!(size(written, 7, "a.5", Some(&there(7, "a.3", true))), Some(5), "resized in the spec");
    }
}

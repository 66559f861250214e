//! Giving a `VirtualService` back to its owner.

use json_patch::Patch;
use serde_json::Value;

use crate::beside;
use crate::draft::{Draft, Path};
use crate::moved::Moved;
use crate::object::annotation;
use crate::order::Order;
use crate::ownership::add_unknown;
use crate::read::{said, survey};
use crate::{Pair, Refusal, Route, RouteSet, Saved, SavedRoute, Scope, Stamp};

/// What [`leave`] does.
#[derive(Debug, Clone, PartialEq)]
pub struct Restoration {
    /// The request, or nothing where the object is its owner's already.
    pub patch: Option<Patch>,
    /// Whether the result is the owner's bytes for certain. False where the record was lost or the owner changed the
    /// weights meanwhile; the routing is the same even then.
    pub exact: bool,
}

/// Takes the candidate out and gives every weight back as the owner wrote it.
///
/// To be called when the candidate has had weight 0 for the propagation wait and its Service selects live pods, so
/// that an owner's manifest that itself names the candidate is harmless.
pub fn leave(virtual_service: &Value, scope: &Scope<'_>, stamp: &Stamp) -> Result<Restoration, Refusal> {
    let set = survey(virtual_service, scope)?;
    beside::must_be_out(virtual_service, &set, scope)?;
    let earlier = Saved::left_behind(virtual_service, &stamp.rollout, scope.services);
    let known = Saved::of(virtual_service, &stamp.rollout);
    let saved = known.or_else(|| earlier.as_ref().map(|(_, saved)| saved.clone())).unwrap_or_default();
    let known = Known {
        order: Order::of(virtual_service),
        moved: Moved::of(virtual_service, scope, std::slice::from_ref(&saved)),
        saved: &saved,
    };
    let mut draft = Draft::default();
    let mut exact = true;
    for route in &set.routes {
        let mut edits = Draft::default();
        exact &= restore(&mut edits, virtual_service, route, &known, &set)?;
        if !edits.changes_nothing() {
            draft.guard_exactly(virtual_service, route);
        }
        draft.append(edits);
    }
    let own = Saved::annotation(&stamp.rollout);
    draft.forget(virtual_service, &own);
    if let Some((key, _)) = &earlier {
        draft.forget(virtual_service, key);
    }
    for (key, other) in Saved::noted(virtual_service).filter(|(key, _)| *key != own) {
        if earlier.as_ref().is_none_or(|(gone, _)| gone != key) {
            hand_over(&mut draft, virtual_service, key, &other, &saved);
        }
    }
    if !draft.changes_nothing() {
        draft.stamp_if_newer(virtual_service, stamp);
    }
    Ok(Restoration { patch: draft.finish(), exact })
}

/// Whoever leaves last gives all lists back, also those of which it knew no owner since it edits none of them.
fn hand_over(draft: &mut Draft, virtual_service: &Value, key: &str, other: &Saved, own: &Saved) {
    let mut heir = other.clone();
    add_unknown(&mut heir.owners, own.owners.clone());
    if other.has_entered() && heir != *other {
        draft.test(Path::annotation(key), annotation(virtual_service, key).into());
        draft.replace(Path::annotation(key), heir.text().into());
    }
}

/// What is known of how the owner wrote it.
struct Known<'a> {
    saved: &'a Saved,
    order: Order<'a>,
    moved: Moved<'a>,
}

/// Restores one route; returns whether that is exact.
fn restore(
    edits: &mut Draft,
    virtual_service: &Value,
    route: &Route,
    known: &Known<'_>,
    set: &RouteSet,
) -> Result<bool, Refusal> {
    let entered = route.pairs.iter().filter_map(|pair| {
        let candidate = pair.candidate?;
        Some((pair, candidate, known.saved.find((&known.order, &known.moved), virtual_service, route, pair)))
    });
    let entered: Vec<(&Pair, usize, Option<&SavedRoute>)> = entered.collect();
    let ours = |record: Option<&SavedRoute>| record.is_none_or(|record| record.candidate.is_none());
    let mut removed: Vec<usize> =
        entered.iter().filter(|(_, _, record)| ours(*record)).map(|(_, candidate, _)| *candidate).collect();
    let sole = route.destinations.len() - removed.len() == 1;
    let mut exact = true;
    for (pair, candidate, record) in entered {
        let weight = route.candidate_weight(pair);
        if ours(record) && weight > 0 {
            let (object, candidate) = (set.object.boxed(), pair.service.candidate.clone());
            return Err(Refusal::CandidateHasWeight { object, field: route.field(), candidate, weight });
        }
        let original = original(route.total(pair), record, sole);
        exact &= original.exact;
        edits.weight(route, pair.live, original.live);
        if !ours(record) {
            edits.weight(route, candidate, original.candidate);
        }
    }
    removed.sort_unstable();
    for place in removed.into_iter().rev() {
        edits.remove(Path::destination(route, place));
    }
    Ok(exact)
}

struct Original {
    live: Option<i64>,
    candidate: Option<i64>,
    exact: bool,
}

/// How the owner wrote the weights of a pair that has `total` now. Without a record, or with one that no longer adds
/// up, an absent weight is taken for what a person would write: none for a sole destination.
fn original(total: i64, record: Option<&SavedRoute>, sole: bool) -> Original {
    let implied = if sole { 100 } else { 0 };
    if let Some(record) = record {
        let candidate = record.candidate.and_then(|saved| saved.weight);
        if said(record.live, sole).unwrap_or(implied) + candidate.unwrap_or(0) == total {
            return Original { live: record.live, candidate, exact: true };
        }
    }
    let live = if total == implied && sole { None } else { Some(total) };
    Original { live, candidate: Some(0), exact: false }
}

//! The four edits of a `VirtualService`: enter, weigh, lower, leave. Each is a JSON patch that fails instead of hitting
//! something else than was read; the API server answers 422 then, which is to be taken as a conflict.
//!
//! Only weights, the candidate's own destinations and two annotations are written. Every other byte stays.

use json_patch::Patch;
use serde_json::{Value, json};

use crate::draft::{Draft, Path};
use crate::ownership::{http_owners, writers};
use crate::read::{http, read, survey};
use crate::saved::record;
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

/// Whose a candidate's destination is that stands there without a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unrecorded {
    /// The owner's, who exported the object during an earlier rollout.
    Owners,
    /// Ours: the record was lost, and guessing is left to [`leave`].
    Ours,
}

/// Names the candidate at weight 0 in every managed route, and records how to undo that.
///
/// To be called at rest and again until it returns `None`; a wait must follow before the first weight (rule 3). Routes
/// whose owner already names the candidate get weight 0 there, and their own weights back in [`leave`].
pub fn enter(virtual_service: &Value, scope: &Scope<'_>, stamp: &Stamp) -> Result<Option<Patch>, Refusal> {
    let set = read(virtual_service, scope)?;
    enter_up_to(virtual_service, &set, stamp, 0, Unrecorded::Owners)
}

/// Enters what is not entered, and lets candidates that are there keep no more than `limit` percent.
pub(crate) fn enter_up_to(
    virtual_service: &Value,
    set: &RouteSet,
    stamp: &Stamp,
    limit: u8,
    unrecorded: Unrecorded,
) -> Result<Option<Patch>, Refusal> {
    let mut draft = Draft::default();
    for route in &set.routes {
        let mut edits = Draft::default();
        for pair in &route.pairs {
            if pair.candidate.is_none() {
                add_candidate(&mut edits, virtual_service, route, pair);
            } else {
                let weight = route.candidate_weight(pair).min(route.candidate_at(pair, limit));
                weigh(&mut edits, route, pair, weight);
            }
        }
        if !edits.changes_nothing() {
            draft.guard_exactly(virtual_service, route);
        }
        draft.append(edits);
    }
    let known = Saved::of(virtual_service, &stamp.rollout);
    if draft.changes_nothing() && (known.is_some() || unrecorded == Unrecorded::Ours) {
        return Ok(None);
    }
    draft.guard_version(virtual_service, &set.object)?;
    draft.stamp(virtual_service, &set.object, stamp)?;
    draft.save(virtual_service, stamp, &remember(virtual_service, set, stamp, known, unrecorded));
    Ok(draft.finish())
}

/// The record after entering: the earlier one, with what was found in the owner's form written anew.
fn remember(
    virtual_service: &Value,
    set: &RouteSet,
    stamp: &Stamp,
    known: Option<Saved>,
    unrecorded: Unrecorded,
) -> Saved {
    let owners = http_owners(virtual_service, &stamp.manager);
    let mut saved = known
        .unwrap_or_else(|| Saved { writers: writers(virtual_service, &stamp.manager), ..Saved::default() });
    if !owners.is_empty() {
        saved.owners = owners;
    }
    for (route, pair) in pairs(set) {
        let unknown = saved.find(virtual_service, route, pair).is_none();
        if pair.candidate.is_none() || (unknown && unrecorded == Unrecorded::Owners) {
            saved.set(record(virtual_service, route, pair));
        }
    }
    saved
}

/// Gives the candidate `percent` of each Service's own weight, rounded down.
///
/// If that raises any, the patch holds only for the version that was read and only if nobody with a newer epoch has
/// written; otherwise only for the routes' names and destinations.
pub fn set_weight(
    virtual_service: &Value,
    scope: &Scope<'_>,
    percent: u8,
    stamp: &Stamp,
) -> Result<Option<Patch>, Refusal> {
    let set = read(virtual_service, scope)?;
    for (route, pair) in pairs(&set) {
        if pair.candidate.is_none() {
            return Err(Refusal::NotEntered {
                object: set.object.boxed(),
                field: route.field(),
                candidate: pair.service.candidate.clone(),
            });
        }
    }
    let raises =
        pairs(&set).any(|(route, pair)| route.candidate_at(pair, percent) > route.candidate_weight(pair));
    let wanted = |route: &Route, pair: &Pair| route.candidate_at(pair, percent);
    if raises {
        raise(virtual_service, &set, stamp, wanted)
    } else {
        Ok(reduce(virtual_service, &set, stamp, wanted))
    }
}

/// Takes all weight from the candidate in every managed route that names it: the way back.
///
/// Works on what it finds: missing routes, weights that sum to something else, a newer or forged epoch don't stop it.
pub fn lower(virtual_service: &Value, scope: &Scope<'_>, stamp: &Stamp) -> Result<Option<Patch>, Refusal> {
    let set = survey(virtual_service, scope)?;
    Ok(reduce(virtual_service, &set, stamp, |_, _| 0))
}

/// Takes the candidate out and gives every weight back as the owner wrote it.
///
/// To be called when the candidate has had weight 0 for the propagation wait and its Service selects live pods, so
/// that an owner's manifest that itself names the candidate is harmless.
pub fn leave(virtual_service: &Value, scope: &Scope<'_>, stamp: &Stamp) -> Result<Restoration, Refusal> {
    let set = survey(virtual_service, scope)?;
    let saved = Saved::of(virtual_service, &stamp.rollout).unwrap_or_default();
    let mut draft = Draft::default();
    let mut exact = true;
    for route in &set.routes {
        let mut edits = Draft::default();
        exact &= restore(&mut edits, virtual_service, route, &saved, &set)?;
        if !edits.changes_nothing() {
            draft.guard_exactly(virtual_service, route);
        }
        draft.append(edits);
    }
    draft.forget(virtual_service, stamp);
    if !draft.changes_nothing() {
        draft.stamp_if_newer(virtual_service, stamp);
    }
    Ok(Restoration { patch: draft.finish(), exact })
}

/// Restores one route; returns whether that is exact.
fn restore(
    edits: &mut Draft,
    virtual_service: &Value,
    route: &Route,
    saved: &Saved,
    set: &RouteSet,
) -> Result<bool, Refusal> {
    let entered = route.pairs.iter().filter_map(|pair| {
        let candidate = pair.candidate?;
        Some((pair, candidate, saved.find(virtual_service, route, pair)))
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
        write(edits, route, pair.live, original.live);
        if !ours(record) {
            write(edits, route, candidate, original.candidate);
        }
    }
    removed.sort_unstable();
    for place in removed.into_iter().rev() {
        edits.remove(Path::destination(route.index, place));
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
        if record.live.unwrap_or(implied) + candidate.unwrap_or(0) == total {
            return Original { live: record.live, candidate, exact: true };
        }
    }
    let live = if total == implied && sole { None } else { Some(total) };
    Original { live, candidate: Some(0), exact: false }
}

/// Raises under the strict guard.
pub(crate) fn raise(
    virtual_service: &Value,
    set: &RouteSet,
    stamp: &Stamp,
    wanted: impl Fn(&Route, &Pair) -> i64,
) -> Result<Option<Patch>, Refusal> {
    let mut draft = Draft::default();
    for route in &set.routes {
        let edits = weights(route, &wanted);
        if !edits.changes_nothing() {
            draft.guard_exactly(virtual_service, route);
        }
        draft.append(edits);
    }
    if draft.changes_nothing() {
        return Ok(None);
    }
    draft.guard_version(virtual_service, &set.object)?;
    draft.stamp(virtual_service, &set.object, stamp)?;
    Ok(draft.finish())
}

/// Lowers under the guard of name and destinations alone.
pub(crate) fn reduce(
    virtual_service: &Value,
    set: &RouteSet,
    stamp: &Stamp,
    wanted: impl Fn(&Route, &Pair) -> i64,
) -> Option<Patch> {
    let mut draft = Draft::default();
    for route in &set.routes {
        let edits = weights(route, &wanted);
        if !edits.changes_nothing() {
            draft.guard_destinations(virtual_service, route);
        }
        draft.append(edits);
    }
    if !draft.changes_nothing() {
        draft.stamp_if_newer(virtual_service, stamp);
    }
    draft.finish()
}

fn weights(route: &Route, wanted: &impl Fn(&Route, &Pair) -> i64) -> Draft {
    let mut edits = Draft::default();
    for pair in route.pairs.iter().filter(|pair| pair.candidate.is_some()) {
        weigh(&mut edits, route, pair, wanted(route, pair));
    }
    edits
}

/// Divides a pair's weight.
///
/// Both are written as soon as one differs: the guard for going back doesn't test them, so what was read may be old.
fn weigh(edits: &mut Draft, route: &Route, pair: &Pair, candidate: i64) {
    let Some(place) = pair.candidate else { return };
    let live = route.total(pair) - candidate;
    let differs = route.live_weight(pair) != live || route.candidate_weight(pair) != candidate;
    if differs {
        edits.add(weight(route, pair.live), json!(live));
        edits.add(weight(route, place), json!(candidate));
    }
}

/// Appends a copy of the live destination, in the same spelling and with all that belongs to it (rule 10).
fn add_candidate(edits: &mut Draft, virtual_service: &Value, route: &Route, pair: &Pair) {
    let path = format!("/route/{}", pair.live);
    let live = http(virtual_service).get(route.index).and_then(|value| value.pointer(&path));
    let mut entry = live.cloned().unwrap_or_default();
    if let Some(host) = entry.pointer_mut("/destination/host") {
        *host = json!(pair.service.respell(host.as_str().unwrap_or_default()));
    }
    if let Some(fields) = entry.as_object_mut() {
        fields.insert("weight".into(), json!(0));
    }
    // Beside a second destination an absent weight would mean 0.
    write(
        edits,
        route,
        pair.live,
        Some(route.live_weight(pair)).filter(|weight| *weight > 0 || written(route, pair)),
    );
    edits.add(Path::route(route.index).then("route").then("-"), entry);
}

fn written(route: &Route, pair: &Pair) -> bool {
    route.destinations.get(pair.live).is_some_and(|live| live.written.is_some())
}

/// Writes a weight as given, or takes it out, if it isn't so already.
fn write(edits: &mut Draft, route: &Route, place: usize, value: Option<i64>) {
    let current = route.destinations.get(place).and_then(|destination| destination.written);
    match value {
        _ if current == value => {}
        Some(value) => edits.add(weight(route, place), json!(value)),
        None => edits.remove(weight(route, place)),
    }
}

fn weight(route: &Route, place: usize) -> Path {
    Path::destination(route.index, place).then("weight")
}

pub(crate) fn pairs(set: &RouteSet) -> impl Iterator<Item = (&Route, &Pair)> {
    set.routes.iter().flat_map(|route| route.pairs.iter().map(move |pair| (route, pair)))
}

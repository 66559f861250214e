//! Dividing the weight of managed routes. Each edit is a JSON patch that fails instead of hitting something else than
//! was read; the API server answers 422 then, which is to be taken as a conflict.

use json_patch::Patch;
use serde_json::Value;

use crate::beside;
use crate::draft::{Draft, MOST_OPERATIONS};
use crate::epoch::has_annotations;
use crate::order::Order;
use crate::read::{alone, pairs, read, survey};
use crate::saved::lost;
use crate::{Pair, Refusal, RoleService, Route, RouteSet, Saved, Scope, Stamp};

/// Gives the candidate `percent` of each Service's own weight, rounded down.
///
/// If that raises any, the patch holds only for the version that was read, and only if nobody with a newer epoch has
/// written. If it lowers all, it holds for the routes as they were read, weights included: applied to a route that went
/// to 0 meanwhile it would be a raise. At 0 it takes all weight, for routes that can be managed, as [`lower`] does. What
/// stands beside the weights is brought to what is asked for with it, and that is done with the care of a raise.
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
    let wanted = |route: &Route, pair: &Pair| route.candidate_at(pair, percent);
    let beside = beside::settle(virtual_service, &set, scope)?;
    if percent == 0 && beside.is_none() {
        return Ok(to_zero(virtual_service, &set, stamp, None));
    }
    let raises = pairs(&set).any(|(route, pair)| wanted(route, pair) > route.candidate_weight(pair));
    if raises || beside.is_some() {
        return raise(virtual_service, &set, stamp, wanted, beside);
    }
    Ok(reduce(virtual_service, &set, stamp, wanted))
}

/// Gives the candidate no more than `percent` of each Service's own weight, rounded down: what has less keeps it, since to
/// raise needs more than this asks for (nobody's pause, enough endpoints). To be used for more than 0; the way back to 0 is
/// [`lower`].
pub fn lower_to(
    virtual_service: &Value,
    scope: &Scope<'_>,
    percent: u8,
    stamp: &Stamp,
) -> Result<Option<Patch>, Refusal> {
    let set = read(virtual_service, scope)?;
    let wanted =
        |route: &Route, pair: &Pair| route.candidate_at(pair, percent).min(route.candidate_weight(pair));
    Ok(reduce(virtual_service, &set, stamp, wanted))
}

/// Takes all weight from the candidate in every managed route that names it, and all that stands beside out: the way back.
///
/// Works on what it finds: missing routes, weights that sum to something else, a newer or forged epoch don't stop it,
/// nor do other writers of the object, or of these very weights. Where a candidate has taken live's place in a route, that
/// destination is led to live. To be called until it returns `None`.
pub fn lower(virtual_service: &Value, scope: &Scope<'_>, stamp: &Stamp) -> Result<Option<Patch>, Refusal> {
    let set = survey(virtual_service, scope)?;
    let beside = beside::take_out(virtual_service, scope);
    Ok(to_zero(virtual_service, &set, stamp, beside).or_else(|| to_live(virtual_service, scope, stamp)))
}

/// A request of its own, because that for the weights tests the lists as they become.
fn to_live(virtual_service: &Value, scope: &Scope<'_>, stamp: &Stamp) -> Option<Patch> {
    let mut draft = Draft::default();
    let most = (MOST_OPERATIONS - FOR_MARKS) / 2;
    for alone in alone(virtual_service, scope).iter().take(most) {
        alone.lead_to_live(&mut draft, virtual_service);
    }
    if draft.changes_nothing() {
        return None;
    }
    draft.stamp_if_newer(virtual_service, stamp);
    draft.finish()
}

/// Room for the epoch and the record beside the weights.
const FOR_MARKS: usize = 3;

/// Where any candidate has weight, writes 0 to all, also where 0 was read: the guard does without the weights, so what
/// was read may be old. Those that have weight come first, and what no request has room for is left to the next.
fn to_zero(virtual_service: &Value, set: &RouteSet, stamp: &Stamp, beside: Option<Draft>) -> Option<Patch> {
    let weighted =
        |route: &Route| route.pairs.iter().any(|pair| pair.candidate.is_some() && !is_at(route, pair, 0));
    let named = |route: &&Route| route.pairs.iter().any(|pair| pair.candidate.is_some());
    let (first, then): (Vec<&Route>, Vec<&Route>) =
        set.routes.iter().filter(named).partition(|route| weighted(route));
    if first.is_empty() && beside.is_none() {
        return None;
    }
    let mut draft = beside.unwrap_or_default();
    for route in first.into_iter().chain(then) {
        let mut taken = Draft::default();
        taken.take_all(virtual_service, route);
        if draft.len() + taken.len() >= MOST_OPERATIONS - FOR_MARKS {
            break;
        }
        draft.append(taken);
    }
    draft.stamp_if_newer(virtual_service, stamp);
    // Where there are no annotations they can't be made without the version, which this must do without.
    if has_annotations(virtual_service) {
        remember_again(&mut draft, virtual_service, set, stamp);
    }
    draft.finish()
}

/// Notes anew what was lost while a candidate is Teal's, so that what is left of it at the end isn't taken for its owner's.
fn remember_again(draft: &mut Draft, virtual_service: &Value, set: &RouteSet, stamp: &Stamp) {
    let services: Vec<RoleService> = pairs(set).map(|(_, pair)| pair.service.clone()).collect();
    if Saved::is_on(virtual_service, &stamp.rollout, &services) {
        return;
    }
    let order = Order::of(virtual_service);
    let named = pairs(set).filter(|(_, pair)| pair.candidate.is_some());
    let routes = named.map(|(route, pair)| lost(&order, virtual_service, route, pair)).collect();
    let saved = Saved { routes, ..Saved::default() };
    draft.save(virtual_service, stamp, &saved);
}

/// Raises under the strict guard.
fn raise(
    virtual_service: &Value,
    set: &RouteSet,
    stamp: &Stamp,
    wanted: impl Fn(&Route, &Pair) -> i64,
    beside: Option<Draft>,
) -> Result<Option<Patch>, Refusal> {
    let mut draft = divide(virtual_service, set, wanted);
    draft.append(beside.unwrap_or_default());
    if draft.changes_nothing() {
        return Ok(None);
    }
    draft.guard_version(virtual_service, &set.object)?;
    draft.stamp(virtual_service, &set.object, stamp)?;
    remember_again(&mut draft, virtual_service, set, stamp);
    Ok(draft.finish())
}

/// Lowers what is above `wanted` under the guard of the routes alone, not of the object's version.
fn reduce(
    virtual_service: &Value,
    set: &RouteSet,
    stamp: &Stamp,
    wanted: impl Fn(&Route, &Pair) -> i64,
) -> Option<Patch> {
    let mut draft = divide(virtual_service, set, wanted);
    if !draft.changes_nothing() {
        draft.stamp_if_newer(virtual_service, stamp);
    }
    draft.finish()
}

/// The weights that are not as wanted, each route guarded exactly.
fn divide(virtual_service: &Value, set: &RouteSet, wanted: impl Fn(&Route, &Pair) -> i64) -> Draft {
    let mut draft = Draft::default();
    for route in &set.routes {
        let mut edits = Draft::default();
        for pair in &route.pairs {
            let candidate = wanted(route, pair);
            if !is_at(route, pair, candidate) {
                weigh(&mut edits, route, pair, candidate);
            }
        }
        if !edits.changes_nothing() {
            draft.guard_exactly(virtual_service, route);
        }
        draft.append(edits);
    }
    draft
}

/// Whether a pair's weight is divided so already.
pub(crate) fn is_at(route: &Route, pair: &Pair, candidate: i64) -> bool {
    route.candidate_weight(pair) == candidate && route.live_weight(pair) == route.total(pair) - candidate
}

/// Divides a pair's weight; nothing to do where the candidate is not there.
pub(crate) fn weigh(edits: &mut Draft, route: &Route, pair: &Pair, candidate: i64) {
    if let Some(place) = pair.candidate {
        edits.set_weight(route, pair.live, route.total(pair) - candidate);
        edits.set_weight(route, place, candidate);
    }
}

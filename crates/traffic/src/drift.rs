//! What became of a `VirtualService` that should be at some weight, and what to write to have it there again.

use json_patch::Patch;
use serde_json::Value;

use crate::enter::{Unrecorded, enter_up_to};
use crate::read::{pairs, read};
use crate::weigh::{raise, reduce};
use crate::{Pair, Refusal, Route, RouteSet, Scope, Stamp};

/// How the managed routes differ from a wanted weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// They don't.
    InSync,
    /// Other weights than wanted.
    WeightsChanged {
        /// Whether no route gives the candidate more than wanted, so that nothing is at risk.
        towards_live: bool,
        /// One entry per route and Service that differs.
        changes: Vec<WeightChange>,
    },
    /// Routes don't name the candidate: their owner wrote them anew. All is at live there.
    Reset {
        /// The routes, as [`Route::field`].
        routes: Vec<String>,
        /// Whether no other route gives the candidate more than wanted.
        towards_live: bool,
    },
    /// A managed route is gone.
    RouteGone(Refusal),
    /// The routes are there but can't be managed as they are now.
    Unmanageable(Refusal),
}

/// One weight that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightChange {
    /// The route, as [`Route::field`].
    pub route: String,
    /// The live Service.
    pub service: String,
    /// The candidate's wanted weight.
    pub wanted: i64,
    /// The candidate's weight.
    pub found: i64,
}

/// What a correction does; decides about the waits around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Names the candidate at weight 0; the propagation wait must follow before a weight.
    Enter,
    /// Gives the candidate more.
    Raise,
    /// Gives it less.
    Lower,
}

/// One request towards a wanted weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// What it does.
    pub kind: Kind,
    /// The request.
    pub patch: Patch,
}

/// Compares the managed routes with a candidate at `percent`. Foreign bytes are of no interest.
pub fn compare(virtual_service: &Value, scope: &Scope<'_>, percent: u8) -> Drift {
    match read(virtual_service, scope) {
        Ok(set) => weigh(&set, percent),
        Err(gone @ (Refusal::RouteNotFound { .. } | Refusal::NoDestination { .. })) => Drift::RouteGone(gone),
        Err(other) => Drift::Unmanageable(other),
    }
}

fn weigh(set: &RouteSet, percent: u8) -> Drift {
    let changes: Vec<WeightChange> =
        pairs(set).filter_map(|(route, pair)| change(route, pair, percent)).collect();
    let towards_live = changes.iter().all(|change| change.found < change.wanted);
    let reset = set.routes.iter().filter(|route| route.pairs.iter().any(|pair| pair.candidate.is_none()));
    let routes: Vec<String> = reset.map(Route::field).collect();
    match (routes.is_empty(), changes.is_empty()) {
        (false, _) => Drift::Reset { routes, towards_live },
        (true, true) => Drift::InSync,
        (true, false) => Drift::WeightsChanged { towards_live, changes },
    }
}

fn change(route: &Route, pair: &Pair, percent: u8) -> Option<WeightChange> {
    let (wanted, found) = (route.candidate_at(pair, percent), route.candidate_weight(pair));
    let differs = wanted != found;
    differs.then(|| WeightChange { route: route.field(), service: pair.service.name.clone(), wanted, found })
}

/// The next request that brings the managed routes to `percent`, from whatever form another writer left them in.
///
/// Call it again on what is then read until it returns `None`. It never gives a candidate more than `percent`, lowers
/// before it raises, and enters at 0 first.
pub fn correct(
    virtual_service: &Value,
    scope: &Scope<'_>,
    percent: u8,
    stamp: &Stamp,
) -> Result<Option<Correction>, Refusal> {
    let set = read(virtual_service, scope)?;
    let wanted = |route: &Route, pair: &Pair| route.candidate_at(pair, percent);
    let with = |kind: Kind| move |patch: Patch| Correction { kind, patch };
    let less = |route: &Route, pair: &Pair| route.candidate_weight(pair).min(wanted(route, pair));
    // Before anything else, since it needs neither the version nor the epoch.
    if let Some(patch) = reduce(virtual_service, &set, stamp, less) {
        return Ok(Some(with(Kind::Lower)(patch)));
    }
    if !set.is_entered() {
        let patch = enter_up_to(virtual_service, &set, stamp, percent, Unrecorded::Ours)?;
        return Ok(patch.map(with(Kind::Enter)));
    }
    Ok(raise(virtual_service, &set, stamp, wanted)?.map(with(Kind::Raise)))
}

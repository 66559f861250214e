//! Naming the candidate in a `VirtualService`, and remembering how its owner wrote it.

use std::collections::BTreeSet;

use json_patch::Patch;
use serde_json::{Value, json};

use crate::draft::{Draft, Path};
use crate::moved::Moved;
use crate::order::Order;
use crate::ownership::{add_unknown, merge, owners, writers};
use crate::read::{pairs, read};
use crate::saved::{beside, record};
use crate::weigh::{is_at, weigh};
use crate::{Pair, Refusal, Route, RouteKind, RouteSet, Saved, SavedRoute, Scope, Stamp, mirror};

/// Names the candidate at weight 0 in every managed route, and records how to undo that.
///
/// To be called at rest and again until it returns `None`; a wait must follow before the first weight (rule 3). Routes
/// whose owner already names the candidate get weight 0 there, and their own weights back in [`crate::leave`].
pub fn enter(virtual_service: &Value, scope: &Scope<'_>, stamp: &Stamp) -> Result<Option<Patch>, Refusal> {
    let set = read(virtual_service, scope)?;
    let mut draft = Draft::default();
    for route in &set.routes {
        let mut edits = Draft::default();
        for pair in &route.pairs {
            if pair.candidate.is_none() {
                add_candidate(&mut edits, virtual_service, route, pair);
            } else if !is_at(route, pair, 0) {
                weigh(&mut edits, route, pair, 0);
            }
        }
        if !edits.changes_nothing() {
            draft.guard_exactly(virtual_service, route);
        }
        draft.append(edits);
    }
    let known = Saved::of(virtual_service, &stamp.rollout);
    if draft.changes_nothing() && known.is_some() {
        return Ok(None);
    }
    draft.guard_version(virtual_service, &set.object)?;
    draft.stamp(virtual_service, &set.object, stamp)?;
    draft.save(virtual_service, stamp, &remember(virtual_service, scope, (&set, stamp), known));
    Ok(draft.finish())
}

/// The record after entering: the earlier one, with what was found in the owner's form written anew.
fn remember(
    virtual_service: &Value,
    scope: &Scope<'_>,
    (set, stamp): (&RouteSet, &Stamp),
    known: Option<Saved>,
) -> Saved {
    let kinds: BTreeSet<RouteKind> = set.routes.iter().map(|route| route.kind).collect();
    let mut saved = known.unwrap_or_else(|| begun(virtual_service, scope, set, stamp));
    merge(&mut saved.owners, owners(virtual_service, &stamp.manager, &kinds));
    let before = saved.clone();
    let order = Order::of(virtual_service);
    let moved = Moved::of(virtual_service, scope, std::slice::from_ref(&before));
    for (route, pair) in pairs(set) {
        // A candidate that stands there without a record is its owner's, who exported the object during an earlier rollout.
        let known = before.find((&order, &moved), virtual_service, route, pair);
        if pair.candidate.is_none() || known.is_none() {
            // One that came since the route was entered is Teal's: another hand took the candidate out, and left it.
            let mirrors =
                known.is_none_or(|known| known.mirrors) && mirror::leads(virtual_service, route, pair, scope);
            saved.set(SavedRoute { mirrors, ..record(&order, virtual_service, route, pair) });
        }
    }
    saved
}

/// A first record. Where another Rollout has entered before, its list of routes is Teal's, and its owner may stand in no entry any
/// more: whoever leaves last gives the claim back, so each must know whose it was.
fn begun(virtual_service: &Value, scope: &Scope<'_>, set: &RouteSet, stamp: &Stamp) -> Saved {
    let mut begun = Saved {
        writers: writers(virtual_service, &stamp.manager),
        beside: beside(virtual_service, scope, set),
        ..Saved::default()
    };
    for other in Saved::all(virtual_service) {
        add_unknown(&mut begun.owners, other.owners);
        begun.writers.extend(other.writers);
    }
    begun.writers.sort_unstable();
    begun.writers.dedup();
    begun
}

/// Appends a copy of the live destination, in the same spelling and with all that belongs to it (rule 10).
fn add_candidate(edits: &mut Draft, virtual_service: &Value, route: &Route, pair: &Pair) {
    let path = format!("/route/{}", pair.live);
    let live = route.of(virtual_service).and_then(|value| value.pointer(&path));
    let mut entry = live.cloned().unwrap_or_default();
    if let Some(host) = entry.pointer_mut("/destination/host") {
        *host = json!(pair.service.respell(host.as_str().unwrap_or_default()));
    }
    if let Some(fields) = entry.as_object_mut() {
        fields.insert("weight".into(), json!(0));
    }
    // Beside a second destination an absent weight would mean 0.
    edits.weight(
        route,
        pair.live,
        Some(route.live_weight(pair)).filter(|weight| *weight > 0 || written(route, pair)),
    );
    edits.add(Path::list(route).then("-"), entry);
}

fn written(route: &Route, pair: &Pair) -> bool {
    route.destinations.get(pair.live).is_some_and(|live| live.written.is_some())
}

//! Copies of requests for the candidate, in a step that asks for them: entries of a route's `mirrors`, whose answers nobody gets.
//!
//! They have no name. One that leads to the candidate of its route is Teal's unless it stood there when the route was entered, which
//! is noted beside the weights.

use serde_json::{Map, Value, json};

use crate::draft::{Draft, Path};
use crate::moved::Moved;
use crate::object::{list, namespace, text};
use crate::order::Order;
use crate::preview::is_preview;
use crate::read::survey;
use crate::{Pair, Refusal, RoleService, Route, RouteKind, RouteSet, Saved, Scope};

const MIRRORS: &str = "mirrors";
const MIRROR: &str = "mirror";

/// Teal's entries of one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ours {
    /// The position of the route in the list of http routes.
    route: usize,
    /// The positions in its `mirrors`.
    entries: Vec<usize>,
}

/// Why a `VirtualService` that can be read can have no mirrors to the candidate, if it can't. `owners` says that Teal has no part in it,
/// so that all that is there is its owner's.
pub fn mirror_problem(
    virtual_service: &Value,
    set: &RouteSet,
    scope: &Scope<'_>,
    owners: bool,
) -> Option<Refusal> {
    let ours = if owners { Vec::new() } else { all(virtual_service, scope) };
    set.routes.iter().filter(|route| route.kind == RouteKind::Http).find_map(|route| {
        let there = route.of(virtual_service)?;
        let object = set.object.boxed();
        if there.get(MIRROR).is_some_and(|own| !own.is_null()) {
            return Some(Refusal::MirrorTaken { object, field: format!("{}.{MIRROR}", route.field()) });
        }
        let own = of(&ours, route.index);
        let candidates = places(there, namespace(virtual_service), scope, &route.pairs);
        let foreign = candidates.into_iter().find(|place| !own.contains(place))?;
        let field = format!("{}.{MIRRORS}[{foreign}]", route.field());
        Some(Refusal::MirrorsCandidate { object, field })
    })
}

/// Where Teal's mirrors stand: a route is named by its position.
pub(crate) fn routes(virtual_service: &Value, scope: &Scope<'_>) -> Vec<usize> {
    all(virtual_service, scope).into_iter().map(|ours| ours.route).collect()
}

/// Whether they are those that are asked for.
pub(crate) fn fits(virtual_service: &Value, set: &RouteSet, scope: &Scope<'_>) -> bool {
    let ours = all(virtual_service, scope);
    let managed = |index: usize| set.routes.iter().any(|r| r.kind == RouteKind::Http && r.index == index);
    let fitting = |route: &Route| {
        let there = entries(virtual_service, route.index);
        let own: Vec<&Value> = of(&ours, route.index).iter().filter_map(|place| there.get(*place)).collect();
        let wanted = wanted(virtual_service, route, scope);
        own.len() == wanted.len() && own.iter().zip(&wanted).all(|(own, wanted)| same(own, wanted))
    };
    ours.iter().all(|one| managed(one.route))
        && set.routes.iter().filter(|route| route.kind == RouteKind::Http).all(fitting)
}

/// Brings them to what is asked for, to be guarded by the object's version; nothing where they are so.
pub(crate) fn settle(
    virtual_service: &Value,
    set: &RouteSet,
    scope: &Scope<'_>,
) -> Result<Option<Draft>, Refusal> {
    if fits(virtual_service, set, scope) {
        return Ok(None);
    }
    if scope.mirror.is_some()
        && let Some(refusal) = mirror_problem(virtual_service, set, scope, false)
    {
        return Err(refusal);
    }
    let ours = all(virtual_service, scope);
    let mut draft = Draft::default();
    for route in set.routes.iter().filter(|route| route.kind == RouteKind::Http) {
        let mut wanted_here = others(entries(virtual_service, route.index), of(&ours, route.index));
        wanted_here.extend(wanted(virtual_service, route, scope));
        write(&mut draft, virtual_service, route.index, &wanted_here);
    }
    let managed = |index: usize| set.routes.iter().any(|r| r.kind == RouteKind::Http && r.index == index);
    for stray in ours.iter().filter(|one| !managed(one.route)) {
        let rest = others(entries(virtual_service, stray.route), &stray.entries);
        write(&mut draft, virtual_service, stray.route, &rest);
    }
    Ok(Some(draft))
}

/// Takes all of them out. Refuses if others have come or gone beside them by now.
pub(crate) fn take_out(draft: &mut Draft, virtual_service: &Value, scope: &Scope<'_>) {
    for ours in all(virtual_service, scope) {
        let there = entries(virtual_service, ours.route);
        draft.test(path(ours.route), json!(there));
        write(draft, virtual_service, ours.route, &others(there, &ours.entries));
    }
}

/// A route without Teal's mirrors.
pub(crate) fn without(virtual_service: &Value, ours: &[Ours], route: &Route) -> Map<String, Value> {
    let mut made = route.of(virtual_service).and_then(Value::as_object).cloned().unwrap_or_default();
    let own = of(ours, route.index);
    if !own.is_empty() {
        let rest = others(entries(virtual_service, route.index), own);
        if rest.is_empty() {
            made.remove(MIRRORS);
        } else {
            made.insert(MIRRORS.into(), json!(rest));
        }
    }
    made
}

/// Whether a route leads copies to the candidate of a pair, whoever wrote that.
pub(crate) fn leads(virtual_service: &Value, route: &Route, pair: &Pair, scope: &Scope<'_>) -> bool {
    let there = route.of(virtual_service).filter(|_| route.kind == RouteKind::Http);
    there.is_some_and(|there| !led(there, namespace(virtual_service), scope, &[&pair.service]).is_empty())
}

/// All that are Teal's. A route that lost its live destination by another hand is meant, too, where the Rollout lists it or a record has its name.
pub(crate) fn all(virtual_service: &Value, scope: &Scope<'_>) -> Vec<Ours> {
    let http = RouteKind::Http.routes(virtual_service);
    // Most routes have none at all, and are looked at often.
    if http.iter().all(|route| list(route, "/mirrors").is_empty()) {
        return Vec::new();
    }
    let namespace = namespace(virtual_service);
    let managed = survey(virtual_service, scope).map(|set| set.routes).unwrap_or_default();
    let records = Saved::all(virtual_service);
    let (order, moved) = (Order::of(virtual_service), Moved::of(virtual_service, scope, &records));
    // Without a record it goes by the candidate's destination, as that itself does.
    let is_ours = |route: &Route, pair: &&Pair| {
        let mut known =
            records.iter().filter_map(|saved| saved.find((&order, &moved), virtual_service, route, pair));
        known.next().map_or(pair.candidate.is_some(), |saved| !saved.mirrors)
    };
    let lists = |route: &Value| {
        let listed = scope.routes.is_some_and(|all| all.iter().any(|one| one.means(RouteKind::Http, route)));
        let name = format!("name:{}", text(route, "/name").unwrap_or_default());
        let entered = || {
            records.iter().flat_map(|saved| &saved.routes).any(|saved| saved.route == name && !saved.mirrors)
        };
        (listed && !records.is_empty() || entered()) && !is_preview(route, namespace, scope)
    };
    let mut found = Vec::new();
    for (index, route) in http.iter().enumerate() {
        let known = managed.iter().find(|known| known.kind == RouteKind::Http && known.index == index);
        let entries = match known {
            Some(known) => {
                let services =
                    known.pairs.iter().filter(|pair| is_ours(known, pair)).map(|pair| &pair.service);
                led(route, namespace, scope, &services.collect::<Vec<_>>())
            }
            None if lists(route) => led(route, namespace, scope, &scope.services.iter().collect::<Vec<_>>()),
            None => Vec::new(),
        };
        if !entries.is_empty() {
            found.push(Ours { route: index, entries });
        }
    }
    found
}

fn of(ours: &[Ours], route: usize) -> &[usize] {
    ours.iter().find(|one| one.route == route).map_or(&[], |one| &one.entries)
}

/// Where mirrors lead to a candidate of these pairs.
fn places(route: &Value, namespace: &str, scope: &Scope<'_>, pairs: &[Pair]) -> Vec<usize> {
    led(route, namespace, scope, &pairs.iter().map(|pair| &pair.service).collect::<Vec<_>>())
}

fn led(route: &Value, namespace: &str, scope: &Scope<'_>, services: &[&RoleService]) -> Vec<usize> {
    let leads = |entry: &Value| {
        let host = text(entry, "/destination/host").map(|host| scope.mesh.expand(host, namespace));
        host.is_some_and(|full| services.iter().any(|service| service.candidate_host(scope.mesh) == full))
    };
    list(route, "/mirrors").iter().enumerate().filter(|(_, entry)| leads(entry)).map(|(at, _)| at).collect()
}

/// What is asked for in a route: of each Service as many copies as it has of the route's requests, in the spelling of live.
fn wanted(virtual_service: &Value, route: &Route, scope: &Scope<'_>) -> Vec<Value> {
    let Some(percent) = scope.mirror else { return Vec::new() };
    let made = |pair: &Pair| {
        let total = route.total(pair);
        let live = route.of(virtual_service)?.pointer(&format!("/route/{}/destination", pair.live))?;
        let mut destination = live.clone();
        let host = destination.get_mut("host")?;
        *host = json!(pair.service.respell(host.as_str()?));
        let hundredths = i64::from(percent.min(100)) * total.clamp(0, 100);
        (hundredths > 0)
            .then(|| json!({"destination": destination, "percentage": {"value": number(hundredths)}}))
    };
    route.pairs.iter().filter_map(made).collect()
}

/// Hundredths as a number that is whole where it can be.
#[expect(clippy::cast_precision_loss, reason = "it is 10,000 at most")]
fn number(hundredths: i64) -> Value {
    if hundredths % 100 == 0 { json!(hundredths / 100) } else { json!(hundredths as f64 / 100.0) }
}

/// Whether an entry is as wanted; of numbers, 20 and 20.0 are the same.
fn same(own: &Value, wanted: &Value) -> bool {
    match (own, wanted) {
        (Value::Object(own), Value::Object(wanted)) => {
            own.len() == wanted.len()
                && wanted.iter().all(|(key, value)| own.get(key).is_some_and(|there| same(there, value)))
        }
        (Value::Number(own), Value::Number(wanted)) => own.as_f64() == wanted.as_f64(),
        (own, wanted) => own == wanted,
    }
}

fn entries(virtual_service: &Value, route: usize) -> &[Value] {
    RouteKind::Http.routes(virtual_service).get(route).map_or(&[], |route| list(route, "/mirrors"))
}

fn others(there: &[Value], ours: &[usize]) -> Vec<Value> {
    let kept = there.iter().enumerate().filter(|(place, _)| !ours.contains(place));
    kept.map(|(_, entry)| entry.clone()).collect()
}

fn path(route: usize) -> Path {
    Path::route(RouteKind::Http, route).then(MIRRORS)
}

fn write(draft: &mut Draft, virtual_service: &Value, route: usize, wanted: &[Value]) {
    let there = entries(virtual_service, route);
    if there == wanted {
        return;
    }
    if wanted.is_empty() {
        draft.remove(path(route));
    } else {
        draft.add(path(route), json!(wanted));
    }
}

//! Routes for people who ask for the candidate: whoever's request bears what the Rollout says is led to it, whatever weight it has.
//!
//! Each stands directly above the managed route that it was made from and differs from it in what it asks for and where it leads,
//! and in nothing else. A request reaches it only where it would have reached that route, so that routes above keep theirs.

mod condition;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::condition::Unclear;
use crate::callers::delegate_of;
use crate::draft::{Draft, Path};
use crate::object::{list, namespace, text};
use crate::{ObjectName, Pair, Refusal, RoleService, Route, RouteKind, RouteSet, Scope, mirror};

/// What the names of such routes begin with.
pub const PREVIEW_PREFIX: &str = "preview.teal.dev/";

/// What a request must bear, all of it, to be led to the candidate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Headers by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Cookies.
    pub cookies: BTreeMap<String, String>,
    /// Labels of the caller's pod.
    pub source_labels: BTreeMap<String, String>,
}

/// Why there can be no such routes in a `VirtualService` that can be read, if there can't.
pub fn preview_problem(virtual_service: &Value, set: &RouteSet, scope: &Scope<'_>) -> Option<Refusal> {
    wanted(virtual_service, set, scope).err()
}

/// Why there can be no such routes in a delegate because of a `VirtualService` that delegates to it, if there can't: conditions that
/// lead there are joined with the delegate's own, and of those that name gateways Istio doesn't read labels of callers.
pub fn preview_problem_of_root(root: &Value, delegate: &ObjectName, preview: &Preview) -> Option<Refusal> {
    if preview.source_labels.is_empty() {
        return None;
    }
    let object = ObjectName::of(root, "VirtualService").ok()?;
    let to = (delegate.namespace.as_str(), delegate.name.as_str());
    let names_gateways = |condition: &Value| !list(condition, "/gateways").is_empty();
    let http = RouteKind::Http.routes(root).iter().enumerate();
    let (place, _) = http
        .filter(|(_, route)| delegate_of(root, route) == Some(to))
        .find(|(_, route)| list(route, "/match").iter().any(names_gateways))?;
    Some(Refusal::PreviewByCallers { object: object.boxed(), field: format!("spec.http[{place}].match") })
}

/// Whether a route is one of a preview: by its name, and by leading nowhere but to the Services of the Rollout. An older operator
/// may have led one to live.
pub(crate) fn is_preview(route: &Value, namespace: &str, scope: &Scope<'_>) -> bool {
    let named = text(route, "/name").is_some_and(|name| name.starts_with(PREVIEW_PREFIX));
    let entries = list(route, "/route");
    let is_role = |service: &RoleService, full: &str| {
        full == service.candidate_host(scope.mesh) || full == service.live_host(scope.mesh)
    };
    let ours = |entry: &Value| {
        let host = text(entry, "/destination/host").map(|host| scope.mesh.expand(host, namespace));
        host.is_some_and(|full| scope.services.iter().any(|service| is_role(service, &full)))
    };
    named && !entries.is_empty() && entries.iter().all(ours)
}

/// Where they stand in the list of http routes.
pub(crate) fn places(virtual_service: &Value, scope: &Scope<'_>) -> Vec<usize> {
    let namespace = namespace(virtual_service);
    let routes = RouteKind::Http.routes(virtual_service).iter().enumerate();
    routes.filter(|(_, route)| is_preview(route, namespace, scope)).map(|(place, _)| place).collect()
}

/// Takes all of them out. Refuses if they stand elsewhere by now.
pub(crate) fn take_out(draft: &mut Draft, virtual_service: &Value, scope: &Scope<'_>) {
    for place in places(virtual_service, scope).into_iter().rev() {
        let name = RouteKind::Http.routes(virtual_service).get(place).and_then(|route| route.get("name"));
        let path = Path::route(RouteKind::Http, place);
        draft.test(path.clone().then("name"), name.cloned().unwrap_or_default());
        draft.take_route(path);
    }
}

/// Brings them to what is asked for, to be guarded by the object's version; nothing where they are so.
pub(crate) fn settle(
    virtual_service: &Value,
    set: &RouteSet,
    scope: &Scope<'_>,
) -> Result<Option<Draft>, Refusal> {
    let there = places(virtual_service, scope);
    let wanted = wanted(virtual_service, set, scope)?;
    if stand(virtual_service, &there, &wanted) {
        return Ok(None);
    }
    let mut draft = Draft::default();
    take_out(&mut draft, virtual_service, scope);
    for (above, route) in wanted.into_iter().rev() {
        let place = above - there.partition_point(|place| *place < above);
        draft.put_route(Path::route(RouteKind::Http, place), route);
    }
    Ok(Some(draft))
}

/// Whether they are those that are asked for.
pub(crate) fn fits(virtual_service: &Value, set: &RouteSet, scope: &Scope<'_>) -> bool {
    let there = places(virtual_service, scope);
    wanted(virtual_service, set, scope).is_ok_and(|wanted| stand(virtual_service, &there, &wanted))
}

/// Whether each stands directly above its route, as it should be, and no other is there.
fn stand(virtual_service: &Value, there: &[usize], wanted: &[(usize, Value)]) -> bool {
    let routes = RouteKind::Http.routes(virtual_service);
    let above = |(place, route): &(usize, Value)| {
        place.checked_sub(1).is_some_and(|place| routes.get(place) == Some(route))
    };
    there.len() == wanted.len() && wanted.iter().all(above)
}

/// The routes that are asked for, each with the place of the one that it was made from.
fn wanted(
    virtual_service: &Value,
    set: &RouteSet,
    scope: &Scope<'_>,
) -> Result<Vec<(usize, Value)>, Refusal> {
    let Some(preview) = scope.preview else { return Ok(Vec::new()) };
    let mirrors = mirror::all(virtual_service, scope);
    let mut wanted = Vec::new();
    let http = set.routes.iter().filter(|route| route.kind == RouteKind::Http);
    for (number, route) in http.enumerate() {
        // Whoever asked for the candidate is not copied to it besides.
        let there = mirror::without(virtual_service, &mirrors, route);
        let destinations = destinations(&there, route);
        let conditions = conditions(&set.object, route, &there, preview)?;
        let Some(first) = route.pairs.first().filter(|_| !destinations.is_empty() && !conditions.is_empty())
        else {
            continue;
        };
        let label = route.name.clone().unwrap_or_else(|| number.to_string());
        let mut made = there;
        made.insert("name".into(), json!(format!("{PREVIEW_PREFIX}{}/{label}", first.service.name)));
        made.insert("match".into(), json!(conditions));
        made.insert("route".into(), json!(destinations));
        wanted.push((route.index, Value::Object(made)));
    }
    Ok(wanted)
}

/// The candidates of a route, in the shares that their Services have of it among each other; none where it leads nobody to them.
fn destinations(there: &Map<String, Value>, route: &Route) -> Vec<Value> {
    let totals = route.pairs.iter().map(|pair| (pair, route.total(pair)));
    let led: Vec<(&Pair, i64)> = totals.filter(|(_, total)| *total > 0).collect();
    let sum = led.iter().map(|(_, total)| total).fold(0_i64, |sum, total| sum.saturating_add(*total));
    let mut left = 100;
    let mut made = Vec::new();
    for (pair, total) in led.iter().rev() {
        let live = there.get("route").and_then(|entries| entries.get(pair.live));
        let mut entry = live.cloned().unwrap_or_default();
        if let Some(host) = entry.pointer_mut("/destination/host") {
            *host = json!(pair.service.respell(host.as_str().unwrap_or_default()));
        }
        // What rounding leaves is the first one's.
        let weight = if made.len() + 1 == led.len() { left } else { total.saturating_mul(100) / sum.max(1) };
        left -= weight;
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("weight");
            if led.len() > 1 {
                fields.insert("weight".into(), json!(weight));
            }
        }
        made.push(entry);
    }
    made.reverse();
    made
}

/// The conditions of a route, each together with what is asked for; without those that it contradicts.
fn conditions(
    object: &ObjectName,
    route: &Route,
    there: &Map<String, Value>,
    preview: &Preview,
) -> Result<Vec<Value>, Refusal> {
    let written = there.get("match").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let none = [json!({})];
    let each = if written.is_empty() { &none[..] } else { written };
    let mut conditions = Vec::new();
    for condition in each {
        match condition::with(condition, preview) {
            Ok(joined) => conditions.extend(joined),
            Err(unclear) => {
                let (object, field) = (object.boxed(), format!("{}.match", route.field()));
                return Err(match unclear {
                    Unclear::Header(header) => Refusal::PreviewUnclear { object, field, header },
                    Unclear::Callers => Refusal::PreviewByCallers { object, field },
                    Unclear::Cookies => Refusal::PreviewCookiesLong { object, field },
                });
            }
        }
    }
    Ok(conditions)
}

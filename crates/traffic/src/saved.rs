//! What must be remembered in order to give a `VirtualService` back exactly as it was.
//!
//! It is an annotation on the `VirtualService` itself, written in the same request as the candidate's destination. So
//! the two can't part by a crash, status need not hold it, and a writer who replaces the object takes both away.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::moved::{Likeness, Moved, Named, unordered};
use crate::object::{annotation, map, namespace};
use crate::order::{Order, key};
use crate::read::pairs;
use crate::{Pair, Refusal, RoleService, Route, RouteKind, RouteOwner, RouteSet, Scope};

/// Prefix of the annotation; the Rollout's uid follows.
pub const SAVED_PREFIX: &str = "saved.teal.dev/";

/// How large all annotations of an object may be together, keys and values.
const MOST_BYTES: usize = 256 * 1024;

/// Of so many routes beside at most it is noted that they are not Teal's.
const MOST_BESIDE: usize = 100;

/// Refuses routes of which the record would have no room among the annotations that are there. `besides` is the size of
/// annotations that were taken out of the object on its way here.
pub fn record_fits(
    virtual_service: &Value,
    set: &RouteSet,
    rollout: &str,
    besides: usize,
) -> Result<(), Refusal> {
    if annotation(virtual_service, &Saved::annotation(rollout)).is_some() {
        return Ok(());
    }
    let notes = map(virtual_service, "/metadata/annotations").into_iter().flatten();
    let there: usize = notes.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    // The names of fields, the owner's two weights, and a digest where there is no name.
    let entry = |route: &Route, pair: &Pair| {
        100 + route.name.as_ref().map_or(0, String::len) + pair.service.name.len()
    };
    let record: usize = pairs(set).map(|(route, pair)| entry(route, pair)).sum();
    // The epoch, the names of field managers, and routes beside.
    let bytes = besides + there + record + 2_000 + MOST_BESIDE * 20;
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(Refusal::RecordTooLarge { object: set.object.boxed(), bytes })
}

/// The record of one `VirtualService`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// One entry per route and Service.
    #[serde(default)]
    pub routes: Vec<SavedRoute>,
    /// The field managers that owned the lists of routes (rule 19).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<RouteOwner>,
    /// Names of all field managers that had written the object: a change by any other is a person's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writers: Vec<String>,
    /// Tls and tcp routes that named the candidate by their owner's will when the first was entered: whatever becomes of that, they are
    /// not it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
}

/// How the owner wrote the weights of one Service in one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRoute {
    /// The route: `name:primary`, or `match:` and a digest for one without a name, since its position may change. Of a tls or tcp
    /// route it is `tls:` or `tcp:` and the same digest.
    pub route: String,
    /// What else a route that has a name is known by, should it get another one: a digest of its conditions and of live's
    /// destination; and a tls or tcp route, should its conditions change: a digest of live's destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// Name of the live Service.
    pub service: String,
    /// `weight` of the live destination; `None` if it was absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<i64>,
    /// Set if the owner's own manifest names the candidate (it was exported during a rollout).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<SavedWeight>,
    /// The owner's own manifest leads copies to the candidate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mirrors: bool,
}

/// The weight of a candidate's destination that the owner wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedWeight {
    /// `None` if it was absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
}

impl SavedRoute {
    /// The list that the route stands in.
    pub(crate) fn kind(&self) -> RouteKind {
        let of = |kind: &RouteKind| {
            self.route.strip_prefix(kind.as_str()).is_some_and(|rest| rest.starts_with(':'))
        };
        [RouteKind::Tls, RouteKind::Tcp].into_iter().find(of).unwrap_or(RouteKind::Http)
    }

    /// The digest that a route without a name is called by.
    pub(crate) fn digest(&self) -> Option<&str> {
        let (kind, digest) = unordered(&self.route).split_once(':')?;
        ["match", "tls", "tcp"].contains(&kind).then_some(digest)
    }
}

impl Saved {
    /// Key of the annotation of a Rollout.
    pub fn annotation(rollout: &str) -> String {
        format!("{SAVED_PREFIX}{rollout}")
    }

    /// The record on an object. A malformed one reads as lost: [`crate::leave`] then goes by the form of the route.
    pub fn of(object: &Value, rollout: &str) -> Option<Self> {
        serde_json::from_str(annotation(object, &Self::annotation(rollout))?).ok()
    }

    /// Whether a rollout of these Services has begun to edit an object and not given it back: then a candidate in its routes
    /// need not be its owner's. A record that can't be read still says so, and one of a Rollout that is gone does.
    pub fn is_on(object: &Value, rollout: &str, services: &[RoleService]) -> bool {
        annotation(object, &Self::annotation(rollout)).is_some()
            || Self::left_behind(object, rollout, services).is_some()
    }

    /// The record of an earlier Rollout of the same Services, and the annotation that it stands in. Another one's Services
    /// are its own, and so are its records.
    pub(crate) fn left_behind(
        object: &Value,
        rollout: &str,
        services: &[RoleService],
    ) -> Option<(String, Self)> {
        let own = Self::annotation(rollout);
        let ours = |saved: &SavedRoute| services.iter().any(|service| service.name == saved.service);
        let notes = map(object, "/metadata/annotations").into_iter().flatten();
        let records = notes.filter(|(key, _)| key.starts_with(SAVED_PREFIX) && **key != own);
        let mut read = records.filter_map(|(key, text)| {
            let saved: Self = serde_json::from_str(text.as_str()?).ok()?;
            Some((key.clone(), saved))
        });
        read.find(|(_, saved)| !saved.routes.is_empty() && saved.routes.iter().all(ours))
    }

    /// Its text for the annotation.
    pub fn text(&self) -> String {
        json!(self).to_string()
    }

    /// Its entry of a pair; `moved` are those of its routes that have another name now.
    pub(crate) fn find<'a>(
        &'a self,
        (order, moved): (&Order<'_>, &Moved<'a>),
        virtual_service: &Value,
        route: &Route,
        pair: &Pair,
    ) -> Option<&'a SavedRoute> {
        let key = order.key(virtual_service, route, pair);
        let own = self.routes.iter().find(|saved| saved.route == key && saved.service == pair.service.name);
        own.or_else(|| moved.find(route, pair))
    }

    /// All records on an object, of whichever Rollout.
    pub(crate) fn all(object: &Value) -> Vec<Self> {
        Self::noted(object).map(|(_, saved)| saved).collect()
    }

    /// They, with the annotations that they stand in.
    pub(crate) fn noted(object: &Value) -> impl Iterator<Item = (&str, Self)> {
        let notes = map(object, "/metadata/annotations").into_iter().flatten();
        let records = notes.filter(|(key, _)| key.starts_with(SAVED_PREFIX));
        records.filter_map(|(key, text)| Some((key.as_str(), serde_json::from_str(text.as_str()?).ok()?)))
    }

    /// A record without a route is of no candidate.
    pub(crate) fn has_entered(&self) -> bool {
        !self.routes.is_empty()
    }

    /// Whether it has entries of any of these Services.
    pub(crate) fn is_of(&self, services: &[RoleService]) -> bool {
        self.routes.iter().any(|saved| services.iter().any(|service| service.name == saved.service))
    }

    pub(crate) fn set(&mut self, saved: SavedRoute) {
        self.routes.retain(|other| other.route != saved.route || other.service != saved.service);
        self.routes.push(saved);
    }
}

/// The record of a pair as it stands in the object now.
pub(crate) fn record(order: &Order<'_>, virtual_service: &Value, route: &Route, pair: &Pair) -> SavedRoute {
    let written = |at: usize| route.destinations.get(at).and_then(|destination| destination.written);
    SavedRoute {
        route: order.key(virtual_service, route, pair),
        like: like(virtual_service, route, pair),
        service: pair.service.name.clone(),
        live: written(pair.live),
        candidate: pair.candidate.map(|at| SavedWeight { weight: written(at) }),
        mirrors: false,
    }
}

/// The record of a pair whose own is lost: the candidate was none of its owner's, and the rest is as a person would write
/// it, without a weight where there is no other.
pub(crate) fn lost(order: &Order<'_>, virtual_service: &Value, route: &Route, pair: &Pair) -> SavedRoute {
    let alone = route.destinations.len() == 2;
    SavedRoute {
        route: order.key(virtual_service, route, pair),
        like: like(virtual_service, route, pair),
        service: pair.service.name.clone(),
        live: Some(route.total(pair)).filter(|_| !alone),
        candidate: None,
        mirrors: false,
    }
}

fn live_destination<'a>(virtual_service: &'a Value, route: &Route, pair: &Pair) -> Option<&'a Value> {
    route.of(virtual_service)?.pointer(&format!("/route/{}/destination", pair.live))
}

fn like(virtual_service: &Value, route: &Route, pair: &Pair) -> Option<String> {
    let destination = live_destination(virtual_service, route, pair);
    let there = route.of(virtual_service).unwrap_or(&Value::Null);
    let is_told = route.kind != RouteKind::Http || route.name.is_some();
    is_told.then(|| Likeness::beside_key(route.kind, there).with(destination))
}

/// Whether a route was entered for a Service, under the name or for the conditions that it has, when this destination was its live
/// one. What became of a route under another name says [`Moved`].
pub(crate) fn is_recorded(
    records: &[Saved],
    moved: &Moved<'_>,
    (kind, route): (RouteKind, &Value),
    destination: &Value,
    service: &RoleService,
) -> bool {
    let name = kind.name(route);
    let like = Likeness::beside_key(kind, route).with(Some(destination));
    let own = own_key(kind, route, destination);
    // A name that stands there once says enough, whatever else became of the route.
    let once = kind == RouteKind::Http && moved.is_once(name);
    let is = |saved: &SavedRoute| {
        let is_like = once || saved.like.as_ref().is_none_or(|other| *other == like);
        saved.service == service.name && is_like && (saved.route == own || unordered(&saved.route) == own)
    };
    records.iter().any(|saved| saved.routes.iter().any(is))
}

/// What the first of the routes is called in a record that are alike.
pub(crate) fn own_key(kind: RouteKind, route: &Value, live: &Value) -> String {
    match kind.name(route) {
        Some(name) => format!("name:{name}"),
        None => key(kind, &Likeness::of(route).with(Some(live))),
    }
}

/// What tls and tcp routes are called that name a candidate and are none of these, nor what became of any that was entered.
pub(crate) fn beside(virtual_service: &Value, scope: &Scope<'_>, set: &RouteSet) -> Vec<String> {
    let managed: BTreeSet<(RouteKind, usize)> =
        set.routes.iter().map(|route| (route.kind, route.index)).collect();
    let kinds: BTreeSet<RouteKind> =
        managed.iter().map(|(kind, _)| *kind).filter(|kind| *kind != RouteKind::Http).collect();
    if kinds.is_empty() {
        return Vec::new();
    }
    let records = Saved::all(virtual_service);
    let moved = Moved::of(virtual_service, scope, &records);
    let mut found = BTreeSet::new();
    for kind in kinds {
        for (index, route) in kind.routes(virtual_service).iter().enumerate() {
            for service in scope.services {
                let is_ours =
                    managed.contains(&(kind, index)) || moved.get(kind, index, &service.name).is_some();
                let named = Named::of(scope, namespace(virtual_service), route, service);
                found
                    .extend(named.filter(|_| !is_ours).map(|named| own_key(kind, route, &named.destination)));
            }
        }
    }
    found.into_iter().take(MOST_BESIDE).collect()
}

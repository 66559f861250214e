//! What a route is known by for the length of a rollout: its name, or else its conditions and live's destination. Of several that
//! are alike it is their order that tells them apart, so that routes put in elsewhere don't matter.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::moved::Likeness;
use crate::object::list;
use crate::{Pair, Route, RouteKind};

/// Where the routes of a `VirtualService` stand that are alike. Made out for all at once, since there may be thousands.
pub(crate) struct Order<'a>(BTreeMap<Id<'a>, Vec<usize>>);

/// The list, a name, or a digest of the conditions; and a destination.
type Id<'a> = (RouteKind, Option<&'a str>, [u8; 32]);

impl<'a> Order<'a> {
    pub(crate) fn of(virtual_service: &'a Value) -> Self {
        let mut alike: BTreeMap<Id<'a>, Vec<usize>> = BTreeMap::new();
        for kind in RouteKind::ALL {
            for (index, route) in kind.routes(virtual_service).iter().enumerate() {
                let id = Ids::of(kind, route);
                for entry in list(route, "/route") {
                    let places = alike.entry(id.with(entry.get("destination"))).or_default();
                    if places.last() != Some(&index) {
                        places.push(index);
                    }
                }
            }
        }
        Self(alike)
    }

    /// What a pair's route is called in a record.
    pub(crate) fn key(&self, virtual_service: &Value, route: &Route, pair: &Pair) -> String {
        let there = route.of(virtual_service).unwrap_or(&Value::Null);
        let destination = there.pointer(&format!("/route/{}/destination", pair.live));
        let alike: &BTreeMap<Id<'_>, Vec<usize>> = &self.0;
        let places = alike.get(&Ids::of(route.kind, there).with(destination));
        let earlier = places.map_or(0, |places| places.partition_point(|place| *place < route.index));
        let order = if earlier == 0 { String::new() } else { format!("#{earlier}") };
        match &route.name {
            Some(name) => format!("name:{name}{order}"),
            None => key(route.kind, &format!("{}{order}", Likeness::of(there).with(destination))),
        }
    }
}

/// What a route without a name is called.
pub(crate) fn key(kind: RouteKind, digest: &str) -> String {
    match kind {
        RouteKind::Http => format!("match:{digest}"),
        RouteKind::Tls | RouteKind::Tcp => format!("{}:{digest}", kind.as_str()),
    }
}

/// The identities that one route has, by its destinations.
struct Ids<'a> {
    kind: RouteKind,
    name: Option<&'a str>,
    likeness: Likeness,
}

impl<'a> Ids<'a> {
    fn of(kind: RouteKind, route: &'a Value) -> Self {
        let name = kind.name(route);
        // A name says enough, whatever the conditions are.
        let likeness = if name.is_some() { Likeness::of(&Value::Null) } else { Likeness::of(route) };
        Self { kind, name, likeness }
    }

    fn with(&self, destination: Option<&Value>) -> Id<'a> {
        (self.kind, self.name, self.likeness.whole(destination))
    }
}

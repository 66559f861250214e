//! Candidates that stand where live stood: a hand that took live's destination out of a route gave them all of its traffic.

use std::cell::OnceCell;

use serde_json::{Value, json};

use crate::draft::{Draft, Path};
use crate::moved::{Moved, as_live};
use crate::object::{list, namespace, text};
use crate::preview::is_preview;
use crate::read::{live_of, said};
use crate::saved::is_recorded;
use crate::{ObjectName, Refusal, RoleService, RouteKind, Saved, Scope};

/// A candidate's destination with weight in a route that doesn't name live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alone {
    kind: RouteKind,
    route: usize,
    place: usize,
    service: String,
    candidate: String,
    /// Live's host, in the spelling that the candidate's has there.
    live: String,
}

/// All of them in routes that the Rollout lists or had entered. Other routes may lead to the candidate by their owner's will,
/// unless the Rollout means every http route, none is left that leads to any of its Services, and nothing says what was entered.
pub(crate) fn alone(virtual_service: &Value, scope: &Scope<'_>) -> Vec<Alone> {
    let namespace = namespace(virtual_service);
    let (records, http) = (Saved::all(virtual_service), RouteKind::Http.routes(virtual_service));
    let names_any =
        |route: &Value| list(route, "/route").iter().any(|entry| live_of(entry, namespace, scope).is_some());
    let known = records.iter().any(|saved| saved.is_of(scope.services));
    let bereft = scope.routes.is_none() && !known && !http.iter().any(names_any);
    let moved = OnceCell::new();
    let mut found = Vec::new();
    for service in scope.services {
        let look = Look { virtual_service, scope, namespace, service, records: &records, moved: &moved };
        for kind in RouteKind::ALL {
            let each = kind.routes(virtual_service).iter().enumerate();
            let each =
                each.filter(|(_, route)| !look.names_live(route) && !is_preview(route, namespace, scope));
            let ours = bereft && kind == RouteKind::Http;
            found.extend(each.flat_map(|(index, route)| look.at((kind, index), route, ours)));
        }
    }
    found
}

/// The first route in which a candidate has taken live's place, also where [`crate::read`] manages others: a route without live is
/// not among them, so that what they say is not all. It is led home by [`crate::lower`].
pub fn left_alone(virtual_service: &Value, scope: &Scope<'_>) -> Option<Refusal> {
    let first = alone(virtual_service, scope).into_iter().next()?;
    let object = ObjectName::of(virtual_service, "VirtualService").ok()?.boxed();
    let name = first.kind.routes(virtual_service).get(first.route).and_then(|route| first.kind.name(route));
    let field = first.kind.field(first.route, name);
    Some(Refusal::LiveTakenOut { object, field, live: first.service, candidate: first.candidate })
}

/// For one Service in one `VirtualService`.
struct Look<'a> {
    virtual_service: &'a Value,
    scope: &'a Scope<'a>,
    namespace: &'a str,
    service: &'a RoleService,
    records: &'a [Saved],
    /// Made out when it is asked for: seldom is a candidate alone.
    moved: &'a OnceCell<Moved<'a>>,
}

impl Look<'_> {
    fn names(&self, entry: &Value, full: &str) -> bool {
        let host = text(entry, "/destination/host");
        host.is_some_and(|host| self.scope.mesh.expand(host, self.namespace) == full)
    }

    fn names_live(&self, route: &Value) -> bool {
        let live = self.service.live_host(self.scope.mesh);
        list(route, "/route").iter().any(|entry| self.names(entry, &live))
    }

    fn at(&self, (kind, index): (RouteKind, usize), route: &Value, ours: bool) -> Vec<Alone> {
        let entries = list(route, "/route");
        let candidate = self.service.candidate_host(self.scope.mesh);
        let sole = entries.len() == 1;
        let weighted = |entry: &Value| {
            let written = entry.get("weight").and_then(Value::as_i64);
            said(written, sole).map_or(sole, |weight| weight > 0)
        };
        let there = entries.iter().enumerate();
        let there = there.filter(|(_, entry)| self.names(entry, &candidate) && weighted(entry));
        let found = there.filter_map(|(place, entry)| {
            let destination = as_live(entry.get("destination")?, self.service)?;
            let moved =
                || self.moved.get_or_init(|| Moved::of(self.virtual_service, self.scope, self.records));
            let recorded = || is_recorded(self.records, moved(), (kind, route), &destination, self.service);
            let is_claimed = || moved().get(kind, index, &self.service.name).is_some();
            let is_meant = ours || self.lists(kind, route) || recorded() || is_claimed();
            let (service, candidate) = (self.service.name.clone(), self.service.candidate.clone());
            let live = text(&destination, "/host")?.to_owned();
            is_meant.then_some(Alone { kind, route: index, place, service, candidate, live })
        });
        found.collect()
    }

    fn lists(&self, kind: RouteKind, route: &Value) -> bool {
        self.scope.routes.is_some_and(|routes| routes.iter().any(|selector| selector.means(kind, route)))
    }
}

impl Alone {
    /// Refuses if the route's list has changed meanwhile.
    pub(crate) fn lead_to_live(&self, draft: &mut Draft, virtual_service: &Value) {
        let entries = self.kind.routes(virtual_service).get(self.route).and_then(|route| route.get("route"));
        let list = Path::route(self.kind, self.route).then("route");
        draft.test(list.clone(), entries.cloned().unwrap_or_default());
        let entry = list.at(self.place);
        draft.replace(entry.clone().then("destination").then("host"), json!(self.live));
        // The weight that it had beside live, which nobody could read as a sole destination's.
        let entries = entries.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let weight = entries.get(self.place).and_then(|entry| entry.get("weight")?.as_i64());
        if entries.len() == 1 && weight.is_some_and(|weight| weight != 100) {
            draft.replace(entry.then("weight"), json!(100));
        }
    }
}

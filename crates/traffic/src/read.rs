//! From a `VirtualService` to its managed routes, or to a refusal that says how to mend it.

mod alone;
mod missing;

use serde_json::Value;

pub(crate) use alone::alone;
pub use alone::left_alone;

use crate::draft::MOST_OPERATIONS;
use crate::moved::Moved;
use crate::object::list;
use crate::{Destination, Mesh, ObjectName, Pair, Refusal, Role, RoleService, Route, RouteSelector, Saved};

/// What a Rollout manages in one `VirtualService`.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Names of the mesh.
    pub mesh: &'a Mesh,
    /// The Services of the Rollout.
    pub services: &'a [RoleService],
    /// The routes named in the Rollout, or `None` for every http route that has one of the Services as destination.
    pub routes: Option<&'a [RouteSelector]>,
}

/// The managed routes of one `VirtualService`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSet {
    /// The `VirtualService`.
    pub object: ObjectName,
    /// In the order of `spec.http`; never empty.
    pub routes: Vec<Route>,
}

impl RouteSet {
    /// The largest share of a candidate in any route, in percent of its pair's weight.
    pub fn candidate_weight(&self) -> u8 {
        let shares = self.routes.iter().map(|route| match route.form() {
            crate::Form::Entered { candidate_weight } => candidate_weight,
            crate::Form::Owner => 0,
        });
        shares.max().unwrap_or(0)
    }

    /// Whether every managed route names the candidate.
    pub fn is_entered(&self) -> bool {
        self.routes.iter().all(|route| matches!(route.form(), crate::Form::Entered { .. }))
    }
}

/// Reads the managed routes and refuses what can't be managed safely.
pub fn read(virtual_service: &Value, scope: &Scope<'_>) -> Result<RouteSet, Refusal> {
    let reader = Reader::new(virtual_service, scope)?;
    let mut routes = Vec::new();
    for index in reader.selected()? {
        let route = reader.route(index)?;
        reader.check(&route)?;
        routes.push(route);
    }
    if routes.is_empty() {
        return Err(reader.nothing());
    }
    let set = RouteSet { object: reader.object, routes };
    if operations(&set) > MOST_OPERATIONS {
        return Err(Refusal::TooManyRoutes { object: set.object.boxed(), routes: set.routes.len() });
    }
    Ok(set)
}

/// The most that any of our requests needs: tests of a name and of a list, and two writes for each Service; and what is
/// noted on the object, with a test of its version.
fn operations(set: &RouteSet) -> usize {
    let of = |route: &Route| usize::from(route.name.is_some()) + 1 + 2 * route.pairs.len();
    set.routes.iter().map(of).sum::<usize>() + 5
}

/// Reads what can be read, leaving out routes that are missing, malformed or unsupported, and minding no weights.
///
/// For going back, which must not be stopped by the state in which another writer left the object. A route that was entered
/// under a name that the Rollout lists, and bears another one now, is still led home.
pub(crate) fn survey(virtual_service: &Value, scope: &Scope<'_>) -> Result<RouteSet, Refusal> {
    let reader = Reader { lenient: true, ..Reader::new(virtual_service, scope)? };
    let all = 0..reader.http.len();
    let lacks =
        !scope.routes.is_none_or(|selectors| selectors.iter().all(|one| reader.find(&one.name).is_ok()));
    let records = if lacks { Saved::all(virtual_service) } else { Vec::new() };
    let moved = Moved::of(virtual_service, &records);
    let is_moved =
        |route: &Route| route.pairs.iter().any(|pair| moved.find(virtual_service, route, pair).is_some());
    let routes = all.filter(|index| lacks || reader.lists(*index)).filter_map(|index| {
        let route = reader.route(index).ok()?;
        (reader.lists(index) || is_moved(&route)).then_some(route)
    });
    let routes = routes.collect();
    Ok(RouteSet { object: reader.object, routes })
}

/// The candidate's highest share of what can be made out in a `VirtualService` that [`read`] refuses, at least 1 where it has any
/// weight; none where no route names it. What is there can be taken away by [`crate::lower`] and [`crate::leave`]. A candidate that
/// has taken live's place in a route has all of it.
pub fn made_out(virtual_service: &Value, scope: &Scope<'_>) -> Option<u8> {
    let set = survey(virtual_service, scope).ok()?;
    let named = pairs(&set).filter(|(_, pair)| pair.candidate.is_some());
    let shares = named.map(|(route, pair)| match route.candidate_weight(pair) {
        ..=0 => 0,
        _ => route.share(pair).clamp(1, 100),
    });
    let all = (!alone(virtual_service, scope).is_empty()).then_some(100);
    shares.chain(all).max().and_then(|share| u8::try_from(share).ok())
}

/// All Services in all routes.
pub(crate) fn pairs(set: &RouteSet) -> impl Iterator<Item = (&Route, &Pair)> {
    set.routes.iter().flat_map(|route| route.pairs.iter().map(move |pair| (route, pair)))
}

/// The http routes of a `VirtualService`; an absent list is empty.
pub(crate) fn http(virtual_service: &Value) -> &[Value] {
    list(virtual_service, "/spec/http")
}

struct Reader<'a> {
    scope: &'a Scope<'a>,
    object: ObjectName,
    http: &'a [Value],
    /// Takes weights as they are, also negative ones, which the `VirtualService`'s own schema lets through; and of several
    /// destinations of one host that with the most, so that one after another comes to 0.
    lenient: bool,
    /// Other kinds of route that name a Service, for a better hint.
    tcp_or_tls: bool,
}

impl<'a> Reader<'a> {
    fn new(virtual_service: &'a Value, scope: &'a Scope<'a>) -> Result<Self, Refusal> {
        let object = ObjectName::of(virtual_service, "VirtualService")?;
        match virtual_service.pointer("/spec/http") {
            None | Some(Value::Null | Value::Array(_)) => {}
            Some(_) => return Err(object.malformed("spec.http", "a list of routes")),
        }
        let tcp_or_tls = ["tcp", "tls"].iter().any(|kind| {
            list(virtual_service, &format!("/spec/{kind}"))
                .iter()
                .flat_map(|route| list(route, "/route"))
                .any(|entry| live_of(entry, &object.namespace, scope).is_some())
        });
        Ok(Self { scope, http: http(virtual_service), object, lenient: false, tcp_or_tls })
    }

    fn name(&self, index: usize) -> Option<&'a str> {
        self.http.get(index)?.get("name")?.as_str().filter(|name| !name.is_empty())
    }

    /// Whether the Rollout lists it; without a list it means every route.
    fn lists(&self, index: usize) -> bool {
        let named = |selectors: &[RouteSelector]| {
            selectors.iter().any(|selector| self.name(index) == Some(&selector.name))
        };
        self.scope.routes.is_none_or(named)
    }

    fn field(&self, index: usize) -> String {
        self.name(index)
            .map_or_else(|| format!("spec.http[{index}]"), |name| format!("spec.http[{index}] ({name})"))
    }

    /// Positions of the routes that the Rollout means.
    fn selected(&self) -> Result<Vec<usize>, Refusal> {
        let Some(selectors) = self.scope.routes else {
            return Ok((0..self.http.len()).filter(|index| self.names_live(*index)).collect());
        };
        let mut found =
            selectors.iter().map(|selector| self.find(&selector.name)).collect::<Result<Vec<_>, _>>()?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn names_live(&self, index: usize) -> bool {
        let entries = self.http.get(index).map_or(&[][..], |route| list(route, "/route"));
        entries.iter().any(|entry| live_of(entry, &self.object.namespace, self.scope).is_some())
    }

    fn find(&self, wanted: &str) -> Result<usize, Refusal> {
        let mut places = (0..self.http.len()).filter(|index| self.name(*index) == Some(wanted));
        match (places.next(), places.next()) {
            (Some(first), None) => Ok(first),
            (Some(first), Some(second)) => Err(Refusal::RouteAmbiguous {
                object: self.object.boxed(),
                route: wanted.to_owned(),
                first,
                second,
            }),
            (None, _) => Err(Refusal::RouteNotFound {
                object: self.object.boxed(),
                route: wanted.to_owned(),
                known: missing::words(
                    (0..self.http.len()).filter_map(|index| self.name(index)),
                    "none with a name",
                ),
            }),
        }
    }

    /// Reads the structure of one route: everything but whether its weights and subsets are acceptable.
    fn route(&self, index: usize) -> Result<Route, Refusal> {
        let value = self.http.get(index).unwrap_or(&Value::Null);
        if !value.is_object() {
            return Err(self.object.malformed(self.field(index), "an object"));
        }
        self.must_forward(index, value)?;
        let entries = match value.get("route") {
            Some(Value::Array(entries)) => entries.as_slice(),
            None | Some(Value::Null) => &[],
            Some(_) => {
                let field = format!("{}.route", self.field(index));
                return Err(self.object.malformed(field, "a list of destinations"));
            }
        };
        let mut destinations = Vec::new();
        for (place, entry) in entries.iter().enumerate() {
            destinations.push(self.destination(index, place, entry, entries.len() == 1)?);
        }
        let pairs = self.pairs(index, &mut destinations)?;
        if pairs.is_empty() {
            return Err(self.no_live(index, &destinations));
        }
        Ok(Route { index, name: self.name(index).map(str::to_owned), destinations, pairs })
    }

    fn must_forward(&self, index: usize, value: &Value) -> Result<(), Refusal> {
        let Some(what) =
            ["delegate", "redirect", "directResponse"].into_iter().find(|key| value.get(key).is_some())
        else {
            return Ok(());
        };
        let hint = match value.pointer("/delegate/name").and_then(Value::as_str) {
            Some(name) => {
                let namespace = value.pointer("/delegate/namespace").and_then(Value::as_str);
                format!(", in VirtualService {}/{name}", namespace.unwrap_or(&self.object.namespace))
            }
            None => String::new(),
        };
        Err(Refusal::NotForwarding {
            object: self.object.boxed(),
            field: self.field(index),
            what: what.to_owned(),
            hint,
        })
    }

    fn destination(
        &self,
        index: usize,
        place: usize,
        entry: &Value,
        sole: bool,
    ) -> Result<Destination, Refusal> {
        let field = || format!("{}.route[{place}]", self.field(index));
        let Some(host) = entry.pointer("/destination/host").and_then(Value::as_str) else {
            return Err(self.object.malformed(format!("{}.destination.host", field()), "the name of a host"));
        };
        let written = entry.get("weight").and_then(Value::as_i64);
        let unfit = match entry.get("weight") {
            None | Some(Value::Null) => false,
            Some(_) => !written.is_some_and(|weight| (0..=100).contains(&weight)),
        };
        if unfit && !self.lenient {
            return Err(self.object.malformed(format!("{}.weight", field()), "a whole number from 0 to 100"));
        }
        let weight = said(written, sole).unwrap_or(if sole { 100 } else { 0 });
        Ok(Destination { host: host.to_owned(), written, weight, role: Role::Other })
    }

    /// Finds the Services among the destinations and marks these.
    fn pairs(&self, index: usize, destinations: &mut [Destination]) -> Result<Vec<Pair>, Refusal> {
        let mut pairs = Vec::new();
        for service in self.scope.services {
            let live = self.only(index, destinations, &service.live_host(self.scope.mesh))?;
            let candidate = self.only(index, destinations, &service.candidate_host(self.scope.mesh))?;
            let Some(live) = live else { continue };
            let place = pairs.len();
            let mut mark = |at: usize, role: Role| {
                if let Some(destination) = destinations.get_mut(at) {
                    destination.role = role;
                }
            };
            mark(live, Role::Live(place));
            if let Some(candidate) = candidate {
                mark(candidate, Role::Candidate(place));
            }
            pairs.push(Pair { service: service.clone(), live, candidate });
        }
        Ok(pairs)
    }

    fn only(&self, index: usize, destinations: &[Destination], host: &str) -> Result<Option<usize>, Refusal> {
        let namespace = &self.object.namespace;
        let same = |at: &usize| {
            destinations.get(*at).is_some_and(|to| self.scope.mesh.expand(&to.host, namespace) == host)
        };
        let mut places = (0..destinations.len()).filter(same);
        match (places.next(), places.next()) {
            (first, None) => Ok(first),
            (Some(first), Some(second)) if self.lenient => {
                let weight = |at: &usize| destinations.get(*at).map(|to| to.weight);
                Ok(places.chain([second, first]).max_by_key(weight))
            }
            (first, Some(second)) => {
                let first = first.unwrap_or_default();
                let of_subset = [first, second].into_iter().find_map(|place| self.subset(index, place));
                Err(of_subset.unwrap_or_else(|| Refusal::TwoDestinations {
                    object: self.object.boxed(),
                    field: self.field(index),
                    host: host.to_owned(),
                    first,
                    second,
                    remedy: self.apart(index, first, second),
                }))
            }
        }
    }

    /// Destinations at two ports can't become one.
    fn apart(&self, index: usize, first: usize, second: usize) -> &'static str {
        let port = |place: usize| self.http.get(index)?.pointer(&format!("/route/{place}/destination/port"));
        if port(first) == port(second) {
            "join them into one destination"
        } else {
            "give each port a route of its own"
        }
    }

    /// The refusal of a destination that names a subset. An empty name is none: templates leave it behind, and Istio takes it for that.
    fn subset(&self, index: usize, place: usize) -> Option<Refusal> {
        let subset = self.http.get(index)?.pointer(&format!("/route/{place}/destination/subset"))?.as_str();
        let subset = subset.filter(|name| !name.is_empty())?;
        Some(Refusal::Subset {
            object: self.object.boxed(),
            field: format!("{}.route[{place}]", self.field(index)),
            subset: subset.to_owned(),
        })
    }

    /// Refuses what would make a weight mean something else than it says.
    fn check(&self, route: &Route) -> Result<(), Refusal> {
        let managed = |to: &Destination| matches!(to.role, Role::Live(_) | Role::Candidate(_));
        let places = route.destinations.iter().enumerate().filter(|(_, to)| managed(to)).map(|(at, _)| at);
        for place in places {
            if let Some(refusal) = self.subset(route.index, place) {
                return Err(refusal);
            }
        }
        let sum = route.sum();
        if sum == 100 {
            return Ok(());
        }
        Err(Refusal::WeightsNotHundred { object: self.object.boxed(), field: route.field(), sum })
    }
}

/// Istio can't tell 0 from absent: a sole destination has all even then.
pub(crate) fn said(written: Option<i64>, sole: bool) -> Option<i64> {
    written.filter(|weight| !sole || *weight != 0)
}

/// Whether a `VirtualService` has an http route, of this name where one is given, with one of the Services as destination.
pub fn leads_to(virtual_service: &Value, route: Option<&str>, mesh: &Mesh, services: &[RoleService]) -> bool {
    let Ok(object) = ObjectName::of(virtual_service, "VirtualService") else { return false };
    let scope = Scope { mesh, services, routes: None };
    let meant = |value: &&Value| route.is_none_or(|name| value.get("name").is_some_and(|own| own == name));
    let mut entries = http(virtual_service).iter().filter(meant).flat_map(|value| list(value, "/route"));
    entries.any(|entry| live_of(entry, &object.namespace, &scope).is_some())
}

/// Which of the Services a destination names as live.
pub(crate) fn live_of<'a>(entry: &Value, namespace: &str, scope: &Scope<'a>) -> Option<&'a RoleService> {
    let host = entry.pointer("/destination/host")?.as_str()?;
    let full = scope.mesh.expand(host, namespace);
    scope.services.iter().find(|service| service.live_host(scope.mesh) == full)
}

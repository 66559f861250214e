//! From a `VirtualService` to its managed routes, or to a refusal that says how to mend it.

mod alone;
mod missing;

use serde_json::Value;

pub(crate) use alone::alone;
pub use alone::left_alone;

use crate::draft::MOST_OPERATIONS;
use crate::moved::Moved;
use crate::object::list;
use crate::preview::is_preview;
use crate::saved::is_recorded;
use crate::{
    Destination, Mesh, ObjectName, Pair, Preview, Refusal, Role, RoleService, Route, RouteKind,
    RouteSelector, Saved, Subset, subset,
};

/// What a Rollout manages in one `VirtualService`.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Names of the mesh.
    pub mesh: &'a Mesh,
    /// The Services of the Rollout.
    pub services: &'a [RoleService],
    /// The routes named in the Rollout, or `None` for every http route that has one of the Services as destination: tls and tcp
    /// routes are moved only where somebody asks for it, because what their connections do is for their owner to judge.
    pub routes: Option<&'a [RouteSelector]>,
    /// What a request must bear to be led to the candidate whatever its weight; none where nobody may ask for it.
    pub preview: Option<&'a Preview>,
    /// Subsets that the routes name, as far as it was made out whether they hold for the candidate.
    pub subsets: &'a [Subset],
    /// How many of a hundred requests of a route are copied to the candidate; none outside of a step that asks for it.
    pub mirror: Option<u8>,
}

impl<'a> Scope<'a> {
    /// What is managed, with nothing beside the weights and no subset known.
    pub const fn of(
        mesh: &'a Mesh,
        services: &'a [RoleService],
        routes: Option<&'a [RouteSelector]>,
    ) -> Self {
        Self { mesh, services, routes, preview: None, mirror: None, subsets: &[] }
    }
}

/// The managed routes of one `VirtualService`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSet {
    /// The `VirtualService`.
    pub object: ObjectName,
    /// By their lists, and in the order of these; never empty.
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
    for at in reader.selected()? {
        let route = reader.route(at)?;
        reader.check(&route)?;
        routes.push(route);
    }
    if routes.is_empty() {
        return Err(reader.nothing());
    }
    let set = RouteSet { object: reader.object, routes };
    if operations(&set, scope) > MOST_OPERATIONS {
        return Err(Refusal::TooManyRoutes { object: set.object.boxed(), routes: set.routes.len() });
    }
    Ok(set)
}

/// The most that any of our requests needs: tests of a name and of a list, and two writes for each Service; and what is
/// noted on the object, with a test of its version.
fn operations(set: &RouteSet, scope: &Scope<'_>) -> usize {
    let of = |route: &Route| usize::from(route.name.is_some()) + 1 + 2 * route.pairs.len();
    // A route of a preview is tested, taken out and put in, and mirrors are tested and written.
    let each = if scope.preview.is_some() { 3 } else { 0 } + if scope.mirror.is_some() { 2 } else { 0 };
    let beside = |route: &Route| if route.kind == RouteKind::Http { each } else { 0 };
    set.routes.iter().map(|route| of(route) + beside(route)).sum::<usize>() + 5
}

/// Reads what can be read, leaving out routes that are missing, malformed or unsupported, and minding no weights.
///
/// For going back, which must not be stopped by the state in which another writer left the object. A route that was entered
/// under a name that the Rollout lists, or for a port, and bears another one now, is still led home.
pub(crate) fn survey(virtual_service: &Value, scope: &Scope<'_>) -> Result<RouteSet, Refusal> {
    let reader = Reader { lenient: true, ..Reader::new(virtual_service, scope)? };
    // Of several routes for one port one may be for another now, though the others are still found.
    let found = |selector: &RouteSelector| match selector {
        RouteSelector::Name(name) => reader.find(name).is_ok(),
        RouteSelector::Tls(_) | RouteSelector::Tcp(_) => false,
    };
    // A list that names nothing is what a definition without tls and tcp leaves of one that named them.
    let lacks = scope.routes.is_some_and(|selectors| selectors.is_empty() || !selectors.iter().all(found));
    let records = if lacks { Saved::all(virtual_service) } else { Vec::new() };
    let moved = Moved::of(virtual_service, scope, &records);
    let is_moved = |route: &Route| route.pairs.iter().any(|pair| moved.find(route, pair).is_some());
    let names_nothing = scope.routes.is_some_and(<[RouteSelector]>::is_empty);
    let is_entered = |route: &Route| {
        let Some(there) = route.of(virtual_service) else { return false };
        let mut live = route
            .pairs
            .iter()
            .filter_map(|pair| Some((pair, there.pointer(&format!("/route/{}/destination", pair.live))?)));
        live.any(|(pair, live)| is_recorded(&records, &moved, (route.kind, there), live, &pair.service))
    };
    let routes = reader.all().filter(|at| lacks || reader.lists(*at)).filter_map(|at| {
        let route = reader.route(at).ok()?;
        (reader.lists(at) || is_moved(&route) || names_nothing && is_entered(&route)).then_some(route)
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
    RouteKind::Http.routes(virtual_service)
}

/// The place of a route: its list, and its position in it.
type At = (RouteKind, usize);

struct Reader<'a> {
    scope: &'a Scope<'a>,
    object: ObjectName,
    virtual_service: &'a Value,
    /// Takes weights as they are, also negative ones, which the `VirtualService`'s own schema lets through; and of several
    /// destinations of one host that with the most, so that one after another comes to 0.
    lenient: bool,
}

impl<'a> Reader<'a> {
    fn new(virtual_service: &'a Value, scope: &'a Scope<'a>) -> Result<Self, Refusal> {
        let object = ObjectName::of(virtual_service, "VirtualService")?;
        let reader = Self { scope, virtual_service, object, lenient: false };
        reader.must_be_list(RouteKind::Http)?;
        Ok(reader)
    }

    fn must_be_list(&self, kind: RouteKind) -> Result<(), Refusal> {
        match self.virtual_service.pointer("/spec").and_then(|spec| spec.get(kind.as_str())) {
            None | Some(Value::Null | Value::Array(_)) => Ok(()),
            Some(_) => Err(self.object.malformed(format!("spec.{}", kind.as_str()), "a list of routes")),
        }
    }

    fn get(&self, (kind, index): At) -> Option<&'a Value> {
        kind.routes(self.virtual_service).get(index)
    }

    /// The places of all routes.
    fn all(&self) -> impl Iterator<Item = At> + use<'a> {
        let virtual_service = self.virtual_service;
        RouteKind::ALL.into_iter().flat_map(move |kind| places(virtual_service, kind))
    }

    fn of(&self, kind: RouteKind) -> impl Iterator<Item = At> + use<'a> {
        places(self.virtual_service, kind)
    }

    fn name(&self, at: At) -> Option<&'a str> {
        at.0.name(self.get(at)?)
    }

    /// Whether the Rollout lists it; without a list it means every http route.
    fn lists(&self, at: At) -> bool {
        let (kind, _) = at;
        let means = |selector: &RouteSelector| self.get(at).is_some_and(|route| selector.means(kind, route));
        self.scope.routes.map_or(kind == RouteKind::Http, |selectors| selectors.iter().any(means))
    }

    fn field(&self, at: At) -> String {
        let (kind, index) = at;
        kind.field(index, self.name(at))
    }

    /// Positions of the routes that the Rollout means.
    fn selected(&self) -> Result<Vec<At>, Refusal> {
        let Some(selectors) = self.scope.routes else {
            return Ok(self.of(RouteKind::Http).filter(|at| self.names_live(*at)).collect());
        };
        let mut found = Vec::new();
        for selector in selectors {
            self.must_be_list(selector.kind())?;
            match selector {
                RouteSelector::Name(name) => found.push(self.find(name)?),
                RouteSelector::Tls(_) | RouteSelector::Tcp(_) => found.extend(self.matching(selector)?),
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn names_live(&self, at: At) -> bool {
        let route = self.get(at).filter(|route| !is_preview(route, &self.object.namespace, self.scope));
        let entries = route.map_or(&[][..], |route| list(route, "/route"));
        entries.iter().any(|entry| live_of(entry, &self.object.namespace, self.scope).is_some())
    }

    fn find(&self, wanted: &str) -> Result<At, Refusal> {
        let mut places = self.of(RouteKind::Http).filter(|at| self.name(*at) == Some(wanted));
        match (places.next(), places.next()) {
            (Some(first), None) => Ok(first),
            (Some((_, first)), Some((_, second))) => Err(Refusal::RouteAmbiguous {
                object: self.object.boxed(),
                route: wanted.to_owned(),
                first,
                second,
            }),
            (None, _) => Err(Refusal::RouteNotFound {
                object: self.object.boxed(),
                route: wanted.to_owned(),
                known: missing::words(
                    self.of(RouteKind::Http).filter_map(|at| self.name(at)),
                    "none with a name",
                ),
            }),
        }
    }

    /// The routes that a selector by conditions means. One port may have several, for different callers, and those that lead to
    /// others are none of the Rollout's; where all do, that is said of the first.
    fn matching(&self, selector: &RouteSelector) -> Result<Vec<At>, Refusal> {
        let kind = selector.kind();
        let is_meant = |at: &At| self.get(*at).is_some_and(|route| selector.means(kind, route));
        let mut meant: Vec<At> = self.of(kind).filter(is_meant).collect();
        if meant.is_empty() {
            return Err(self.unmatched(selector));
        }
        if meant.iter().any(|at| self.names_live(*at)) {
            meant.retain(|at| self.names_live(*at));
        }
        Ok(meant)
    }

    /// Reads the structure of one route: everything but whether its weights and subsets are acceptable.
    fn route(&self, at: At) -> Result<Route, Refusal> {
        let value = self.get(at).unwrap_or(&Value::Null);
        if !value.is_object() {
            return Err(self.object.malformed(self.field(at), "an object"));
        }
        let (kind, index) = at;
        if kind == RouteKind::Http {
            self.must_forward(at, value)?;
        }
        let entries = match value.get("route") {
            Some(Value::Array(entries)) => entries.as_slice(),
            None | Some(Value::Null) => &[],
            Some(_) => {
                let field = format!("{}.route", self.field(at));
                return Err(self.object.malformed(field, "a list of destinations"));
            }
        };
        let mut destinations = Vec::new();
        for (place, entry) in entries.iter().enumerate() {
            destinations.push(self.destination(at, place, entry, entries.len() == 1)?);
        }
        let pairs = self.pairs(at, &mut destinations)?;
        if pairs.is_empty() {
            return Err(self.no_live(at, &destinations));
        }
        Ok(Route { kind, index, name: self.name(at).map(str::to_owned), destinations, pairs })
    }

    fn must_forward(&self, at: At, value: &Value) -> Result<(), Refusal> {
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
            field: self.field(at),
            what: what.to_owned(),
            hint,
        })
    }

    fn destination(&self, at: At, place: usize, entry: &Value, sole: bool) -> Result<Destination, Refusal> {
        let field = || format!("{}.route[{place}]", self.field(at));
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
    fn pairs(&self, at: At, destinations: &mut [Destination]) -> Result<Vec<Pair>, Refusal> {
        let mut pairs = Vec::new();
        for service in self.scope.services {
            let live = self.only(at, destinations, &service.live_host(self.scope.mesh))?;
            let candidate = self.only(at, destinations, &service.candidate_host(self.scope.mesh))?;
            let Some(live) = live else { continue };
            let place = pairs.len();
            let mut mark = |entry: usize, role: Role| {
                if let Some(destination) = destinations.get_mut(entry) {
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

    fn only(&self, at: At, destinations: &[Destination], host: &str) -> Result<Option<usize>, Refusal> {
        let namespace = &self.object.namespace;
        let same = |entry: &usize| {
            destinations.get(*entry).is_some_and(|to| self.scope.mesh.expand(&to.host, namespace) == host)
        };
        let mut places = (0..destinations.len()).filter(same);
        match (places.next(), places.next()) {
            (first, None) => Ok(first),
            (Some(first), Some(second)) if self.lenient => {
                let weight = |entry: &usize| destinations.get(*entry).map(|to| to.weight);
                Ok(places.chain([second, first]).max_by_key(weight))
            }
            (first, Some(second)) => {
                let first = first.unwrap_or_default();
                let named =
                    [first, second].into_iter().find_map(|place| Some((place, self.subset(at, place)?)));
                let of_subset = named.map(|(place, name)| self.refuse(at, place, name, subset::divided()));
                Err(of_subset.unwrap_or_else(|| Refusal::TwoDestinations {
                    object: self.object.boxed(),
                    field: self.field(at),
                    host: host.to_owned(),
                    first,
                    second,
                    remedy: self.apart(at, first, second),
                }))
            }
        }
    }

    /// Destinations at two ports can't become one.
    fn apart(&self, at: At, first: usize, second: usize) -> &'static str {
        let port = |place: usize| self.get(at)?.pointer(&format!("/route/{place}/destination/port"));
        if port(first) == port(second) {
            "join them into one destination"
        } else {
            "give each port a route of its own"
        }
    }

    /// The subset that a destination names.
    fn subset(&self, at: At, place: usize) -> Option<&'a str> {
        subset::name_of(list(self.get(at)?, "/route").get(place)?)
    }

    fn refuse(&self, at: At, place: usize, subset: &str, problem: String) -> Refusal {
        let field = format!("{}.route[{place}]", self.field(at));
        Refusal::Subset { object: self.object.boxed(), field, subset: subset.to_owned(), problem }
    }

    /// Refuses subsets that live and candidate don't share.
    fn check_subsets(&self, route: &Route) -> Result<(), Refusal> {
        let at = (route.kind, route.index);
        for pair in &route.pairs {
            let live = self.subset(at, pair.live);
            if let Some(name) = live {
                let service = &pair.service.name;
                let known = self.scope.subsets.iter().find(|one| one.service == *service && one.name == name);
                let problem = known.map_or_else(|| Some(subset::unknown(service)), |one| one.problem.clone());
                problem.map_or(Ok(()), |problem| Err(self.refuse(at, pair.live, name, problem)))?;
            }
            let Some(candidate) = pair.candidate else { continue };
            let other = self.subset(at, candidate);
            if other != live {
                let (place, name) = if other.is_some() { (candidate, other) } else { (pair.live, live) };
                return Err(self.refuse(at, place, name.unwrap_or_default(), subset::unequal()));
            }
        }
        Ok(())
    }

    /// Refuses what would make a weight mean something else than it says.
    fn check(&self, route: &Route) -> Result<(), Refusal> {
        self.check_subsets(route)?;
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

/// Whether a `VirtualService` has an http route, or one that is meant where something is said of it, with one of the Services as
/// destination.
pub fn leads_to(
    virtual_service: &Value,
    route: Option<&RouteSelector>,
    mesh: &Mesh,
    services: &[RoleService],
) -> bool {
    let Ok(object) = ObjectName::of(virtual_service, "VirtualService") else { return false };
    let scope = Scope::of(mesh, services, None);
    let kind = route.map_or(RouteKind::Http, RouteSelector::kind);
    let meant = |value: &&Value| route.is_none_or(|selector| selector.means(kind, value));
    let routes = kind.routes(virtual_service).iter().filter(meant);
    let mut entries = routes.flat_map(|value| list(value, "/route"));
    entries.any(|entry| live_of(entry, &object.namespace, &scope).is_some())
}

fn places(virtual_service: &Value, kind: RouteKind) -> impl Iterator<Item = At> + use<'_> {
    (0..kind.routes(virtual_service).len()).map(move |index| (kind, index))
}

/// Which of the Services a destination names as live.
pub(crate) fn live_of<'a>(entry: &Value, namespace: &str, scope: &Scope<'a>) -> Option<&'a RoleService> {
    let host = entry.pointer("/destination/host")?.as_str()?;
    let full = scope.mesh.expand(host, namespace);
    scope.services.iter().find(|service| service.live_host(scope.mesh) == full)
}

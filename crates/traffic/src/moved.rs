//! Routes that bear another name than when they were entered, or none, or are for another port. A `VirtualService` may have
//! thousands of them and its record as many entries, and others may write both: what each is known by is made out once, and not
//! for each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::object::{list, namespace, text};
use crate::read::http;
use crate::saved::own_key;
use crate::{Pair, RoleService, Route, RouteKind, Saved, SavedRoute, Scope};

/// The entries of records whose routes are there under that name, or for that port, no more; each by the route that claims it.
pub(crate) struct Moved<'a> {
    names: BTreeMap<Option<&'a str>, usize>,
    claims: BTreeMap<(RouteKind, usize, &'a str), &'a SavedRoute>,
}

/// By list and Service, and by what else the route is known by; in the order in which they were entered.
type Gone<'a> = BTreeMap<(RouteKind, &'a str, &'a str), Vec<&'a SavedRoute>>;

impl<'a> Moved<'a> {
    pub(crate) fn of(virtual_service: &'a Value, scope: &Scope<'_>, records: &'a [Saved]) -> Self {
        let mut moved = Self { names: BTreeMap::new(), claims: BTreeMap::new() };
        for route in http(virtual_service) {
            *moved.names.entry(text(route, "/name")).or_default() += 1;
        }
        let saved = || records.iter().flat_map(|record| &record.routes);
        let kinds: BTreeSet<RouteKind> =
            saved().filter(|saved| saved.digest().is_some()).map(SavedRoute::kind).collect();
        let unnamed = without_names(virtual_service, scope, &kinds);
        let mut gone = Gone::new();
        for saved in saved() {
            let kind = saved.kind();
            let is_gone = || match saved.digest() {
                Some(digest) => !unnamed.contains(&(kind, digest.to_owned())),
                None => moved.is_gone(&saved.route),
            };
            // What else a route without a name is known by: of http nothing, since it may have got one.
            let like = match (saved.like.as_deref(), saved.digest()) {
                (None, digest) => digest,
                (like, _) => like,
            };
            if let Some(like) = like.filter(|_| is_gone()) {
                gone.entry((kind, &saved.service, like)).or_default().push(saved);
            }
        }
        if !gone.is_empty() {
            moved.claims = Claimants::of(virtual_service, scope, records).of_each(&gone);
        }
        moved
    }

    fn is_gone(&self, key: &str) -> bool {
        let bears =
            |key: &str| key.strip_prefix("name:").is_some_and(|name| self.names.contains_key(&Some(name)));
        key.starts_with("name:") && !bears(key) && !bears(unordered(key))
    }

    /// The entry of a route under another name, or for another port; the rest of it is the same.
    pub(crate) fn find(&self, route: &Route, pair: &Pair) -> Option<&'a SavedRoute> {
        self.get(route.kind, route.index, &pair.service.name)
    }

    /// The entry that the route at this place claims for a Service.
    pub(crate) fn get(&self, kind: RouteKind, index: usize, service: &str) -> Option<&'a SavedRoute> {
        let claims: &BTreeMap<(RouteKind, usize, &str), &'a SavedRoute> = &self.claims;
        claims.get(&(kind, index, service)).copied()
    }

    /// Whether one route alone has this name.
    pub(crate) fn is_once(&self, name: Option<&str>) -> bool {
        let names: &BTreeMap<Option<&str>, usize> = &self.names;
        names.get(&name) == Some(&1)
    }
}

/// Routes that name a candidate and have no entry of their own. An entry speaks for one route, and others to the same destination
/// are their owner's: where several are like it, those come first that the Rollout lists, and then those that name live as well.
struct Claimants<'v> {
    virtual_service: &'v Value,
    scope: &'v Scope<'v>,
    /// Services and keys of routes that have entries, or that named the candidate before there was any.
    known: BTreeSet<(&'v str, &'v str)>,
    beside: BTreeSet<&'v str>,
}

/// What comes first is lower.
type Rank = (bool, bool);
/// The places of those that are alike, for a Service.
type Found<'v> = BTreeMap<(RouteKind, &'v str, String), Vec<(Rank, usize)>>;

impl<'v> Claimants<'v> {
    fn of(virtual_service: &'v Value, scope: &'v Scope<'v>, records: &'v [Saved]) -> Self {
        let saved = records.iter().flat_map(|record| &record.routes);
        let known = saved.map(|saved| (saved.service.as_str(), unordered(&saved.route))).collect();
        let beside = records.iter().flat_map(|record| &record.beside).map(String::as_str).collect();
        Self { virtual_service, scope, known, beside }
    }

    fn of_each<'a>(&self, gone: &Gone<'a>) -> BTreeMap<(RouteKind, usize, &'a str), &'a SavedRoute> {
        let mut found = Found::new();
        let kinds: BTreeSet<RouteKind> = gone.keys().map(|(kind, ..)| *kind).collect();
        for kind in kinds {
            for (index, route) in kind.routes(self.virtual_service).iter().enumerate() {
                for service in self.scope.services {
                    if let Some((rank, like)) = self.claimant(kind, route, service) {
                        found.entry((kind, &service.name, like)).or_default().push((rank, index));
                    }
                }
            }
        }
        let mut claims = BTreeMap::new();
        for ((kind, service, like), entries) in gone {
            let Some(claimants) = found.get_mut(&(*kind, *service, (*like).to_owned())) else { continue };
            claimants.sort_unstable();
            claimants.truncate(entries.len());
            claimants.sort_unstable_by_key(|(_, index)| *index);
            let each = claimants.iter().zip(entries);
            claims.extend(each.map(|((_, index), entry)| ((*kind, *index, *service), *entry)));
        }
        claims
    }

    fn claimant(&self, kind: RouteKind, route: &Value, service: &RoleService) -> Option<(Rank, String)> {
        let named = Named::of(self.scope, namespace(self.virtual_service), route, service)?;
        let own = own_key(kind, route, &named.destination);
        if self.known.contains(&(service.name.as_str(), own.as_str())) || self.beside.contains(own.as_str()) {
            return None;
        }
        let listed = self.scope.routes.is_some_and(|routes| routes.iter().any(|one| one.means(kind, route)));
        let like = Likeness::beside_key(kind, route).with(Some(&named.destination));
        Some(((!listed, !named.beside_live), like))
    }
}

/// A candidate in a route.
pub(crate) struct Named {
    /// Live's destination, also where the candidate has taken its place.
    pub(crate) destination: Value,
    /// Whether live is named, too.
    beside_live: bool,
}

impl Named {
    pub(crate) fn of(
        scope: &Scope<'_>,
        namespace: &str,
        route: &Value,
        service: &RoleService,
    ) -> Option<Self> {
        let to = |host: &str| {
            let is = |to: &&Value| {
                text(to, "/host").is_some_and(|name| scope.mesh.expand(name, namespace) == host)
            };
            list(route, "/route").iter().filter_map(|entry| entry.get("destination")).find(is)
        };
        let candidate = to(&service.candidate_host(scope.mesh))?;
        if let Some(live) = to(&service.live_host(scope.mesh)) {
            return Some(Self { destination: live.clone(), beside_live: true });
        }
        Some(Self { destination: as_live(candidate, service)?, beside_live: false })
    }
}

/// A candidate's destination as live's would be in its place.
pub(crate) fn as_live(candidate: &Value, service: &RoleService) -> Option<Value> {
    let live = service.respell_live(text(candidate, "/host")?);
    let mut destination = candidate.clone();
    *destination.get_mut("host")? = json!(live);
    Some(destination)
}

/// What all routes without a name are known by, in the lists that are asked for; also those in which a candidate has taken live's place.
fn without_names(
    virtual_service: &Value,
    scope: &Scope<'_>,
    kinds: &BTreeSet<RouteKind>,
) -> BTreeSet<(RouteKind, String)> {
    let all = kinds.iter().flat_map(|kind| kind.routes(virtual_service).iter().map(|route| (*kind, route)));
    let unnamed = all.filter(|(kind, route)| kind.name(route).is_none());
    let each = unnamed.flat_map(|(kind, route)| {
        let likeness = Likeness::of(route);
        let written = list(route, "/route").iter().map(|entry| likeness.with(entry.get("destination")));
        let led = scope.services.iter().filter_map(|service| {
            let named = Named::of(scope, namespace(virtual_service), route, service)?;
            Some(likeness.with(Some(&named.destination)))
        });
        written.chain(led).map(|digest| (kind, digest)).collect::<Vec<_>>()
    });
    each.collect()
}

/// A key without the order among routes that are alike.
pub(crate) fn unordered(key: &str) -> &str {
    let order = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    key.rsplit_once('#').filter(|(_, digits)| order(digits)).map_or(key, |(before, _)| before)
}

/// The beginning of a digest of a route's conditions and of a destination in it.
pub(crate) struct Likeness(Sha256);

impl Likeness {
    pub(crate) fn of(route: &Value) -> Self {
        Self(Sha256::new_with_prefix(format!("[{},", json!(route.get("match")))))
    }

    /// What a route is known by beside its key: where that is a name, its conditions; where it is made of these, nothing but the
    /// destination.
    pub(crate) fn beside_key(kind: RouteKind, route: &Value) -> Self {
        match kind {
            RouteKind::Http => Self::of(route),
            RouteKind::Tls | RouteKind::Tcp => Self::of(&Value::Null),
        }
    }

    /// Its first eight digits.
    pub(crate) fn with(&self, destination: Option<&Value>) -> String {
        let [first, second, third, fourth, ..] = self.whole(destination);
        format!("{:08x}", u32::from_be_bytes([first, second, third, fourth]))
    }

    /// All of it.
    pub(crate) fn whole(&self, destination: Option<&Value>) -> [u8; 32] {
        self.0.clone().chain_update(format!("{}]", json!(destination))).finalize().into()
    }
}

//! Routes that bear another name than when they were entered, or none, or are for another port. A `VirtualService` may have
//! thousands of them and its record as many entries, and others may write both: what each is known by is made out once, and not
//! for each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::object::{list, text};
use crate::read::http;
use crate::{Pair, Route, RouteKind, Saved, SavedRoute};

/// The entries of records whose routes are there under that name, or for that port, no more.
pub(crate) struct Moved<'a> {
    /// By list and Service, and by what else the route is known by.
    entries: BTreeMap<(RouteKind, &'a str, &'a str), &'a SavedRoute>,
    names: BTreeMap<Option<&'a str>, usize>,
}

impl<'a> Moved<'a> {
    pub(crate) fn of(virtual_service: &'a Value, records: &'a [Saved]) -> Self {
        let mut moved = Self { entries: BTreeMap::new(), names: BTreeMap::new() };
        for route in http(virtual_service) {
            *moved.names.entry(text(route, "/name")).or_default() += 1;
        }
        let saved = || records.iter().flat_map(|record| &record.routes);
        let kinds: BTreeSet<RouteKind> =
            saved().filter(|saved| saved.digest().is_some()).map(SavedRoute::kind).collect();
        let unnamed = without_names(virtual_service, &kinds);
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
                moved.entries.entry((kind, &saved.service, like)).or_insert(saved);
            }
        }
        moved
    }

    fn is_gone(&self, key: &str) -> bool {
        let bears =
            |key: &str| key.strip_prefix("name:").is_some_and(|name| self.names.contains_key(&Some(name)));
        key.starts_with("name:") && !bears(key) && !bears(unordered(key))
    }

    /// The entry of a route under another name, or for another port; the rest of it is the same.
    pub(crate) fn find(&self, virtual_service: &Value, route: &Route, pair: &Pair) -> Option<&'a SavedRoute> {
        if self.entries.is_empty() {
            return None;
        }
        let there = route.of(virtual_service)?;
        let destination = there.pointer(&format!("/route/{}/destination", pair.live));
        self.get(route.kind, &pair.service.name, &Likeness::beside_key(route.kind, there).with(destination))
    }

    /// The entry of a route that is like this.
    pub(crate) fn get(&self, kind: RouteKind, service: &str, like: &str) -> Option<&'a SavedRoute> {
        let entries: &BTreeMap<(RouteKind, &str, &str), &'a SavedRoute> = &self.entries;
        entries.get(&(kind, service, like)).copied()
    }

    /// Whether one route alone has this name.
    pub(crate) fn is_once(&self, name: Option<&str>) -> bool {
        let names: &BTreeMap<Option<&str>, usize> = &self.names;
        names.get(&name) == Some(&1)
    }
}

/// What all routes without a name are known by, in the lists that are asked for.
fn without_names(virtual_service: &Value, kinds: &BTreeSet<RouteKind>) -> BTreeSet<(RouteKind, String)> {
    let all = kinds.iter().flat_map(|kind| kind.routes(virtual_service).iter().map(|route| (*kind, route)));
    let unnamed = all.filter(|(kind, route)| kind.name(route).is_none());
    let each = unnamed.flat_map(|(kind, route)| {
        let likeness = Likeness::of(route);
        list(route, "/route").iter().map(move |entry| (kind, likeness.with(entry.get("destination"))))
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

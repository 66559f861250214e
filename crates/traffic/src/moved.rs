//! Routes that bear another name than when they were entered, or none. A `VirtualService` may have thousands of them and its
//! record as many entries, and others may write both: what each is known by is made out once, and not for each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::object::{list, text};
use crate::read::http;
use crate::{Pair, Route, Saved, SavedRoute};

/// The entries of records whose routes are there under that name no more.
pub(crate) struct Moved<'a> {
    /// By Service, and by what else the route is known by.
    entries: BTreeMap<(&'a str, &'a str), &'a SavedRoute>,
    names: BTreeMap<Option<&'a str>, usize>,
}

impl<'a> Moved<'a> {
    pub(crate) fn of(virtual_service: &'a Value, records: &'a [Saved]) -> Self {
        let mut moved = Self { entries: BTreeMap::new(), names: BTreeMap::new() };
        for route in http(virtual_service) {
            *moved.names.entry(text(route, "/name")).or_default() += 1;
        }
        let saved = || records.iter().flat_map(|record| &record.routes);
        let asked = saved().any(|saved| saved.like.is_none());
        let unnamed = if asked { without_names(virtual_service) } else { BTreeSet::new() };
        for saved in saved() {
            let like = match saved.like.as_deref() {
                Some(like) => Some(like).filter(|_| moved.is_gone(&saved.route)),
                None => {
                    unordered(&saved.route).strip_prefix("match:").filter(|like| !unnamed.contains(*like))
                }
            };
            if let Some(like) = like {
                moved.entries.entry((&saved.service, like)).or_insert(saved);
            }
        }
        moved
    }

    fn is_gone(&self, key: &str) -> bool {
        let bears =
            |key: &str| key.strip_prefix("name:").is_some_and(|name| self.names.contains_key(&Some(name)));
        key.starts_with("name:") && !bears(key) && !bears(unordered(key))
    }

    /// The entry of a route under another name; the rest of it is the same.
    pub(crate) fn find(&self, virtual_service: &Value, route: &Route, pair: &Pair) -> Option<&'a SavedRoute> {
        if self.entries.is_empty() {
            return None;
        }
        let there = http(virtual_service).get(route.index)?;
        let destination = there.pointer(&format!("/route/{}/destination", pair.live));
        self.get(&pair.service.name, &Likeness::of(there).with(destination))
    }

    /// The entry of a route that is like this.
    pub(crate) fn get(&self, service: &str, like: &str) -> Option<&'a SavedRoute> {
        let entries: &BTreeMap<(&str, &str), &'a SavedRoute> = &self.entries;
        entries.get(&(service, like)).copied()
    }

    /// Whether one route alone has this name.
    pub(crate) fn is_once(&self, name: Option<&str>) -> bool {
        let names: &BTreeMap<Option<&str>, usize> = &self.names;
        names.get(&name) == Some(&1)
    }
}

/// What all routes without a name are known by.
fn without_names(virtual_service: &Value) -> BTreeSet<String> {
    let routes = http(virtual_service).iter();
    let unnamed = routes.filter(|route| text(route, "/name").is_none_or(str::is_empty));
    let each = unnamed.flat_map(|route| {
        let likeness = Likeness::of(route);
        list(route, "/route").iter().map(move |entry| likeness.with(entry.get("destination")))
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

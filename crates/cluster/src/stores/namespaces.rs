//! What must be known of namespaces: which are being deleted (the API server makes nothing in them any more, and what was
//! there need not be kept in order), and which are in Istio's ambient mode. Watched by phase and by label, so that a cluster
//! of ten thousand namespaces costs no more than those that are meant.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use futures::StreamExt;
use kube::api::DynamicObject;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use teal_traffic::{DATAPLANE_MODE, USE_WAYPOINT};

use super::watch::{is_refused, name};
use super::{Poke, Pokes};
use crate::kinds::Known;

const NAMESPACE: Known =
    Known { group: "", version: "v1", kind: "Namespace", plural: "namespaces", built_in: true };

/// Which namespaces are being deleted.
#[derive(Default)]
pub(crate) struct Going(Picked);

/// Which namespaces are in ambient mode, and the waypoint that each names, or [`NO_WAYPOINT`].
#[derive(Default)]
pub(crate) struct Ambient(Picked);

/// What a label says that names no waypoint.
pub(crate) const NO_WAYPOINT: &str = "none";

impl Going {
    /// Whether it is known, or known that it will not be.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    /// Whether a namespace is being deleted; nothing where that isn't known.
    pub(crate) fn goes(&self, namespace: &str) -> Option<bool> {
        self.0.look(|names| names.contains_key(namespace))
    }

    /// Follows them until it is dropped.
    pub(crate) async fn follow(&self, client: Client, pokes: &Pokes) {
        self.0
            .follow(client, Config::default().fields("status.phase=Terminating"), pokes, |_| String::new())
            .await;
    }

    #[cfg(test)]
    pub(crate) fn let_go(&self, namespace: &str) {
        self.0.set(State::Known(BTreeMap::from([(namespace.to_owned(), String::new())])));
    }
}

impl Ambient {
    /// Whether it is known, or known that it will not be.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    /// Where a namespace is known to be in ambient mode: the waypoint that it names.
    pub(crate) fn waypoint(&self, namespace: &str) -> Option<String> {
        self.0.look(|names| names.get(namespace).cloned()).flatten()
    }

    /// Follows them until it is dropped.
    pub(crate) async fn follow(&self, client: Client, pokes: &Pokes) {
        let config = Config::default().labels(&format!("{DATAPLANE_MODE}=ambient"));
        self.0.follow(client, config, pokes, waypoint).await;
    }

    #[cfg(test)]
    pub(crate) fn put(&self, namespace: &str, waypoint: &str) {
        self.0.set(State::Known(BTreeMap::from([(namespace.to_owned(), waypoint.to_owned())])));
    }
}

fn waypoint(metadata: &ObjectMeta) -> String {
    let named = metadata.labels.as_ref().and_then(|labels| labels.get(USE_WAYPOINT));
    named.map_or(NO_WAYPOINT, String::as_str).to_owned()
}

/// Namespaces that a watch picks out, and what is kept of each.
#[derive(Default)]
struct Picked(RwLock<State>);

#[derive(Default)]
enum State {
    /// The first list isn't there yet.
    #[default]
    Unlisted,
    /// The account may not look: whoever must know asks for one namespace.
    Unknown,
    Known(BTreeMap<String, String>),
}

impl Picked {
    fn is_ready(&self) -> bool {
        !matches!(*self.0.read().unwrap_or_else(PoisonError::into_inner), State::Unlisted)
    }

    fn look<R>(&self, look: impl FnOnce(&BTreeMap<String, String>) -> R) -> Option<R> {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            State::Unlisted | State::Unknown => None,
            State::Known(names) => Some(look(names)),
        }
    }

    async fn follow(
        &self,
        client: Client,
        config: Config,
        pokes: &Pokes,
        read: impl Fn(&ObjectMeta) -> String,
    ) {
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client, &NAMESPACE.resource());
        let mut events = watcher(api, config).default_backoff().boxed();
        let mut fresh = BTreeMap::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => fresh.clear(),
                Ok(Event::InitApply(object)) => {
                    fresh.insert(name(&object.metadata), read(&object.metadata));
                }
                Ok(Event::InitDone) => {
                    let names = std::mem::take(&mut fresh);
                    // What is gone since the last list matters as much as what is there.
                    let mut all: Vec<String> =
                        self.look(|old| old.keys().cloned().collect()).unwrap_or_default();
                    all.extend(names.keys().cloned());
                    self.set(State::Known(names));
                    all.into_iter().for_each(|name| pokes.poke(Poke::Namespace(name)));
                }
                Ok(Event::Apply(object)) => {
                    let name = name(&object.metadata);
                    self.change(|names| drop(names.insert(name.clone(), read(&object.metadata))));
                    pokes.poke(Poke::Namespace(name));
                }
                Ok(Event::Delete(object)) => {
                    let name = name(&object.metadata);
                    self.change(|names| drop(names.remove(&name)));
                    pokes.poke(Poke::Namespace(name));
                }
                Err(error) => {
                    tracing::warn!(kind = "Namespace", %error, "can't be watched");
                    if is_refused(&error) && !self.is_ready() {
                        self.set(State::Unknown);
                    }
                }
            }
        }
    }

    fn set(&self, state: State) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) {
        if let State::Known(names) = &mut *self.0.write().unwrap_or_else(PoisonError::into_inner) {
            change(names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_listed_is_not_known() {
        let going = Going::default();
        assert_eq!((going.is_ready(), going.goes("shop")), (false, None));
        going.0.set(State::Unknown);
        assert_eq!((going.is_ready(), going.goes("shop")), (true, None));
        going.0.set(State::Known(BTreeMap::from([("shop".to_owned(), String::new())])));
        assert_eq!((going.goes("shop"), going.goes("play")), (Some(true), Some(false)));
        going.0.change(BTreeMap::clear);
        assert_eq!(going.goes("shop"), Some(false));
    }

    #[test]
    fn of_a_namespace_in_ambient_mode_its_waypoint_is_known() {
        let ambient = Ambient::default();
        assert_eq!((ambient.is_ready(), ambient.waypoint("shop")), (false, None));
        ambient.put("shop", &waypoint(&ObjectMeta::default()));
        assert_eq!(ambient.waypoint("shop").as_deref(), Some(NO_WAYPOINT));
        let labels = BTreeMap::from([(USE_WAYPOINT.to_owned(), "edge".to_owned())]);
        ambient.put("shop", &waypoint(&ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }));
        assert_eq!(ambient.waypoint("shop").as_deref(), Some("edge"));
        assert_eq!(ambient.waypoint("play"), None);
    }
}

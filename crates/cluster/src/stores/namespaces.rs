//! Namespaces that are being deleted: the API server makes nothing in them any more, and what was there need not be
//! kept in order. Watched by their phase, so that a cluster of ten thousand namespaces costs no more than one that goes.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use futures::StreamExt;
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};

use super::watch::{is_refused, name};
use super::{Poke, Pokes};
use crate::kinds::Known;

const NAMESPACE: Known =
    Known { group: "", version: "v1", kind: "Namespace", plural: "namespaces", built_in: true };

/// Which namespaces are being deleted.
#[derive(Default)]
pub(crate) struct Going(RwLock<State>);

#[derive(Default)]
enum State {
    /// The first list isn't there yet.
    #[default]
    Unlisted,
    /// The account may not look: whoever must know asks for one namespace.
    Unknown,
    Known(BTreeSet<String>),
}

impl Going {
    /// Whether it is known, or known that it will not be.
    pub(crate) fn is_ready(&self) -> bool {
        !matches!(*self.0.read().unwrap_or_else(PoisonError::into_inner), State::Unlisted)
    }

    /// Whether a namespace is being deleted; nothing where that isn't known.
    pub(crate) fn goes(&self, namespace: &str) -> Option<bool> {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            State::Unlisted | State::Unknown => None,
            State::Known(names) => Some(names.contains(namespace)),
        }
    }

    /// Follows them until it is dropped.
    pub(crate) async fn follow(&self, client: Client, pokes: &Pokes) {
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client, &NAMESPACE.resource());
        let config = Config::default().fields("status.phase=Terminating");
        let mut events = watcher(api, config).default_backoff().boxed();
        let mut fresh = BTreeSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => fresh.clear(),
                Ok(Event::InitApply(object)) => {
                    fresh.insert(name(&object.metadata));
                }
                Ok(Event::InitDone) => {
                    let names = std::mem::take(&mut fresh);
                    names.iter().for_each(|name| pokes.poke(Poke::Namespace(name.clone())));
                    self.set(State::Known(names));
                }
                Ok(Event::Apply(object)) => {
                    let name = name(&object.metadata);
                    self.change(|names| names.insert(name.clone()));
                    pokes.poke(Poke::Namespace(name));
                }
                Ok(Event::Delete(object)) => {
                    self.change(|names| names.remove(&name(&object.metadata)));
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

    fn change(&self, change: impl FnOnce(&mut BTreeSet<String>) -> bool) {
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
        going.set(State::Unknown);
        assert_eq!((going.is_ready(), going.goes("shop")), (true, None));
        going.set(State::Known(BTreeSet::from(["shop".to_owned()])));
        assert_eq!((going.goes("shop"), going.goes("play")), (Some(true), Some(false)));
        going.change(|names| names.remove("shop"));
        assert_eq!(going.goes("shop"), Some(false));
    }
}

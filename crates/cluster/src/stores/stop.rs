//! The switch that stops all Rollouts: a ConfigMap that is there.
//!
//! It is watched by its name alone, so that the account needs to read no other. Its being there counts, whatever it says: who is in
//! a hurry must not have to know a key.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};

use super::watch::is_refused;
use super::{Poke, Pokes};
use crate::config::StopSwitch;

/// The key under which somebody may say why.
const REASON: &str = "reason";
/// More of a reason isn't repeated in every status.
const LONGEST: usize = 200;

/// Whether the switch is there, and why.
#[derive(Default)]
pub(crate) struct Stop(RwLock<State>);

#[derive(Clone, Default, PartialEq, Eq, Debug)]
enum State {
    /// Nobody looked yet.
    #[default]
    Unlisted,
    /// There is none, or none can be seen.
    Off,
    /// Why, as far as it was said.
    On(String),
}

impl Stop {
    /// Whether it is known, or known that it will not be.
    pub(crate) fn is_ready(&self) -> bool {
        self.state() != State::Unlisted
    }

    /// Why all Rollouts are stopped, where they are; empty where nobody said why.
    pub(crate) fn reason(&self) -> Option<String> {
        match self.state() {
            State::On(reason) => Some(reason),
            State::Off | State::Unlisted => None,
        }
    }

    /// Follows it until it is dropped. Without a switch there is nothing to follow.
    pub(crate) async fn follow(&self, client: Client, switch: Option<&StopSwitch>, pokes: &Pokes) {
        let Some(StopSwitch { namespace, name }) = switch else { return self.set(State::Off, pokes) };
        let api: Api<ConfigMap> = Api::namespaced(client, namespace);
        let config = Config::default().fields(&format!("metadata.name={name}"));
        let mut events = watcher(api, config).default_backoff().boxed();
        let mut fresh = State::Off;
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => fresh = State::Off,
                Ok(Event::InitApply(object)) => fresh = on(&object),
                Ok(Event::InitDone) => self.set(std::mem::take(&mut fresh), pokes),
                Ok(Event::Apply(object)) => self.set(on(&object), pokes),
                Ok(Event::Delete(_)) => self.set(State::Off, pokes),
                Err(error) => {
                    tracing::warn!(%namespace, %name, %error, "the stop switch can't be watched");
                    if is_refused(&error) && !self.is_ready() {
                        self.set(State::Off, pokes);
                    }
                }
            }
        }
    }

    fn state(&self) -> State {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, state: State, pokes: &Pokes) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let first = *known == State::Unlisted && state == State::Off;
        if *known != state {
            *known = state;
            drop(known);
            if !first {
                pokes.poke(Poke::All);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn put(&self, reason: Option<&str>) {
        let state = reason.map_or(State::Off, |reason| State::On(reason.to_owned()));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

fn on(object: &ConfigMap) -> State {
    let said = object.data.as_ref().and_then(|data: &BTreeMap<String, String>| data.get(REASON));
    let line = said.map_or("", |said| said.trim()).split_whitespace().collect::<Vec<_>>().join(" ");
    State::On(teal_api::names::shortened(&line, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(reason: Option<&str>) -> ConfigMap {
        let data = reason.map(|reason| BTreeMap::from([(REASON.to_owned(), reason.to_owned())]));
        ConfigMap { data, ..ConfigMap::default() }
    }

    #[test]
    fn its_being_there_stops_whatever_it_says() {
        let (pokes, mut looks) = Pokes::new();
        let stop = Stop::default();
        assert_eq!((stop.is_ready(), stop.reason()), (false, None));
        stop.set(State::Off, &pokes);
        assert_eq!((stop.is_ready(), stop.reason()), (true, None));
        assert!(looks.try_recv().is_err(), "nothing changed by knowing it");
        for (said, reason) in [(None, ""), (Some(" incident\n 4711 "), "incident 4711")] {
            stop.set(on(&map(said)), &pokes);
            assert_eq!(stop.reason().as_deref(), Some(reason));
            assert_eq!(looks.try_recv().ok(), Some(Poke::All));
        }
        stop.set(State::Off, &pokes);
        assert_eq!((stop.reason(), looks.try_recv().ok()), (None, Some(Poke::All)));
    }

    #[test]
    fn a_long_reason_is_cut() {
        let State::On(reason) = on(&map(Some(&"x".repeat(5_000)))) else { panic!("off") };
        assert_eq!(reason.chars().count(), LONGEST);
    }
}

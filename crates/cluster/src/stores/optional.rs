//! Kinds that come with a CRD: watched as soon as that is there, and let go when it goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::core::ObjectMeta;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::watch::{Watches, name};
use super::wire::{Nothing, Wire};
use super::{Cache, Poke};
use crate::error::{Class, Error};
use crate::kinds::{self, Known};

/// A watch of a kind that may be absent: for its routes and rules, or as a kind of a release.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Optional {
    Mesh(Known),
    Release(Known),
}

impl Optional {
    const fn kind(self) -> Known {
        match self {
            Self::Mesh(kind) | Self::Release(kind) => kind,
        }
    }

    fn key(self) -> String {
        match self {
            Self::Mesh(kind) => format!("mesh {}", kind.plural),
            Self::Release(kind) => kind.plural.to_owned(),
        }
    }
}

/// How soon what is served is asked for again.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    first: Duration,
    /// Each failure doubles the pause up to this one.
    longest: Duration,
    /// A definition may be there before it is served: so often in a row it must be missing to be absent.
    tries: u32,
}

impl Pace {
    pub(super) const USUAL: Self =
        Self { first: Duration::from_millis(200), longest: Duration::from_secs(30), tries: 50 };

    fn after(self, pause: Duration) -> Duration {
        (pause * 2).min(self.longest)
    }
}

/// Which definition it is, and which edit of it: only another one can serve other versions.
type Edition = (Option<String>, Option<i64>);

fn edition(definition: &ObjectMeta) -> Edition {
    (definition.uid.clone(), definition.generation)
}

/// The tasks that follow what is defined.
#[derive(Default)]
struct Following {
    running: BTreeMap<String, (Edition, AbortHandle)>,
    tasks: JoinSet<()>,
}

impl Watches {
    /// Kinds that come with a CRD are watched as soon as that is there, and let go when it goes. Seen by a watch of the
    /// CRDs, so that waiting for Istio costs no request.
    pub(super) async fn follow_optional(self: Arc<Self>, pace: Pace) {
        let crd = Known {
            group: "apiextensions.k8s.io",
            version: "v1",
            kind: "CustomResourceDefinition",
            plural: "customresourcedefinitions",
            built_in: true,
        };
        let client = self.access.client();
        let api: Api<Wire<Nothing>> = Api::all_with(client, &crd.resource());
        let mut events = watcher(api, Config::default()).default_backoff().boxed();
        let mut following = Following::default();
        let mut seen: Option<BTreeMap<String, Edition>> = None;
        while let Some(event) = events.next().await {
            match event {
                Err(error) => tracing::warn!(%error, "definitions can't be watched"),
                Ok(Event::Init) => seen = Some(BTreeMap::new()),
                Ok(Event::InitApply(object)) => {
                    seen.get_or_insert_default().insert(name(&object.metadata), edition(&object.metadata));
                }
                Ok(Event::InitDone) => {
                    let there = seen.take().unwrap_or_default();
                    for kind in self.optional() {
                        let found = there.get(&definition(kind.kind())).cloned();
                        self.set(kind, found, pace, &mut following);
                    }
                }
                Ok(Event::Apply(object)) => {
                    for kind in self.defined(&name(&object.metadata)) {
                        self.set(kind, Some(edition(&object.metadata)), pace, &mut following);
                    }
                }
                Ok(Event::Delete(object)) => {
                    for kind in self.defined(&name(&object.metadata)) {
                        self.set(kind, None, pace, &mut following);
                    }
                }
            }
        }
    }

    fn optional(&self) -> Vec<Optional> {
        let release = self.stores.objects.iter().map(|(kind, _)| *kind).filter(|kind| !kind.built_in);
        let mesh = [kinds::VIRTUAL_SERVICE, kinds::DESTINATION_RULE].into_iter().chain(kinds::AROUND);
        mesh.map(Optional::Mesh).chain(release.map(Optional::Release)).collect()
    }

    fn defined(&self, definition_name: &str) -> Vec<Optional> {
        self.optional().into_iter().filter(|kind| definition(kind.kind()) == definition_name).collect()
    }

    fn set(&self, optional: Optional, there: Option<Edition>, pace: Pace, following: &mut Following) {
        let key = optional.key();
        let known = following.running.get(&key);
        if known.is_some_and(|(edition, task)| !task.is_finished() && there.as_ref() == Some(edition)) {
            return;
        }
        if known.is_none() && there.is_none() && self.is_known(optional) {
            return;
        }
        if let Some((_, task)) = following.running.remove(&key) {
            task.abort();
        }
        while following.tasks.try_join_next().is_some() {}
        if let Some(edition) = there {
            // What is known stays until something else is.
            let task = following.tasks.spawn(Arc::new(self.share()).serve(optional, pace));
            following.running.insert(key, (edition, task));
        } else {
            self.let_go(optional);
        }
    }

    /// Whether there is a list of it, or it is known that there is none.
    fn is_known(&self, optional: Optional) -> bool {
        match optional {
            Optional::Mesh(kind) => self.stores.mesh(kind).is_some_and(Cache::is_ready),
            Optional::Release(kind) => self.stores.released(kind).is_some_and(Cache::is_ready),
        }
    }

    fn let_go(&self, optional: Optional) {
        self.stores.set_served(optional.kind(), None);
        self.stores.set_refused(optional.kind(), false);
        self.clear(optional);
        self.pokes.poke(Poke::All);
    }

    fn clear(&self, optional: Optional) {
        match optional {
            Optional::Mesh(kind) => self.stores.mesh(kind).into_iter().for_each(Cache::set_absent),
            Optional::Release(kind) => self.stores.released(kind).into_iter().for_each(Cache::set_absent),
        }
    }

    /// Watches a kind at the version that is served, and at another one when that ends, until it is served no longer.
    async fn serve(self: Arc<Self>, optional: Optional, pace: Pace) {
        let kind = optional.kind();
        let mut pause = pace.first;
        while let Some(version) = self.version(optional, pace).await {
            if self.stores.served(kind).as_ref() != Some(&version) {
                self.stores.set_served(kind, Some(version.clone()));
                self.pokes.poke(Poke::All);
            }
            let (watches, resource) = (Arc::clone(&self), kind.at(&version));
            let began = Instant::now();
            match optional {
                Optional::Mesh(kind) => watches.json_objects(kind, resource).await,
                Optional::Release(kind) => {
                    let place = self.stores.objects.iter().position(|(known, _)| *known == kind);
                    watches.release_objects(place.unwrap_or(usize::MAX), resource).await;
                }
            }
            // It is served at that version no longer.
            pause = if began.elapsed() > pace.longest { pace.first } else { pace.after(pause) };
            tokio::time::sleep(pause).await;
        }
        self.let_go(optional);
    }

    /// The version that the server prefers for this group; nothing where it says again and again that there is no such kind.
    /// That it says nothing is no word about what there is.
    async fn version(&self, optional: Optional, pace: Pace) -> Option<String> {
        let kind = optional.kind();
        let (mut missing, mut pause) = (0, pace.first);
        loop {
            match self.listed(kind).await {
                Ok(Some(version)) => return Some(version),
                Ok(None) => {
                    missing += 1;
                    pause = pace.first;
                }
                Err(error) => {
                    tracing::warn!(%error, group = kind.group, "what the group has can't be read");
                    if error.class() == Class::Denied {
                        self.refuse(kind, || self.is_known(optional), || self.clear(optional));
                    }
                    pause = pace.after(pause);
                }
            }
            if missing >= pace.tries {
                return None;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// The version that the server prefers for this group, if the kind has it.
    async fn listed(&self, kind: Known) -> Result<Option<String>, Error> {
        let path = format!("/apis/{}", kind.group);
        let Some(group) = self.access.path(&path).await? else { return Ok(None) };
        let preferred = crate::json::text(&group, "/preferredVersion/version").to_owned();
        let found = self.access.path(&format!("{path}/{preferred}")).await?;
        Ok(lists(found.as_ref(), kind).then_some(preferred))
    }

    /// What may not be read is taken for absent, so that it doesn't keep everything else from starting. But it is remembered:
    /// to whoever reads it, that it doesn't exist would be wrong.
    pub(super) fn refuse(&self, kind: Known, is_known: impl FnOnce() -> bool, clear: impl FnOnce()) {
        if !is_known() {
            clear();
        }
        if !self.stores.refused(kind) {
            self.stores.set_refused(kind, true);
            self.pokes.poke(Poke::All);
        }
    }
}

fn lists(found: Option<&Value>, kind: Known) -> bool {
    let resources = found.and_then(|list| list.get("resources")).and_then(Value::as_array);
    resources.into_iter().flatten().any(|resource| resource["name"] == kind.plural)
}

fn definition(kind: Known) -> String {
    format!("{}.{}", kind.plural, kind.group)
}

#[cfg(test)]
mod tests;

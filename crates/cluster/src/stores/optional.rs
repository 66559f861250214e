//! Kinds that come with a CRD: watched as soon as that is there, and let go when it goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use kube::Api;
use kube::core::ApiResource;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;
use tokio::task::{AbortHandle, JoinSet};

use super::watch::{Watches, name};
use super::wire::{Nothing, Wire};
use super::{Cache, Poke};
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

impl Watches {
    /// Kinds that come with a CRD are watched as soon as that is there, and let go when it goes. Seen by a watch of the
    /// CRDs, so that waiting for Istio costs no request.
    pub(super) async fn follow_optional(self: Arc<Self>) {
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
        let mut running: BTreeMap<String, AbortHandle> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        let mut seen: Option<Vec<String>> = None;
        while let Some(event) = events.next().await {
            match event {
                Err(error) => tracing::warn!(%error, "definitions can't be watched"),
                Ok(Event::Init) => seen = Some(Vec::new()),
                Ok(Event::InitApply(object)) => seen.get_or_insert_default().push(name(&object.metadata)),
                Ok(Event::InitDone) => {
                    let there = seen.take().unwrap_or_default();
                    for kind in self.optional() {
                        self.set(kind, there.contains(&definition(kind.kind())), &mut running, &mut tasks)
                            .await;
                    }
                }
                Ok(Event::Apply(object)) => {
                    for kind in self.defined(&name(&object.metadata)) {
                        self.set(kind, true, &mut running, &mut tasks).await;
                    }
                }
                Ok(Event::Delete(object)) => {
                    for kind in self.defined(&name(&object.metadata)) {
                        self.set(kind, false, &mut running, &mut tasks).await;
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

    async fn set(
        &self,
        optional: Optional,
        there: bool,
        running: &mut BTreeMap<String, AbortHandle>,
        tasks: &mut JoinSet<()>,
    ) {
        let kind = optional.kind();
        if there == running.contains_key(&optional.key()) && (there || self.is_known_absent(optional)) {
            return;
        }
        if let Some(task) = running.remove(&optional.key()) {
            task.abort();
        }
        let version = if there { self.version(kind).await } else { None };
        if let Some(version) = version {
            self.stores.set_served(kind, Some(version.clone()));
            running.insert(optional.key(), self.start(optional, kind.at(&version), tasks));
        } else {
            self.stores.set_served(kind, None);
            self.clear(optional);
        }
        self.pokes.poke(Poke::All);
    }

    fn is_known_absent(&self, optional: Optional) -> bool {
        match optional {
            Optional::Mesh(kind) => self.stores.mesh(kind).is_some_and(Cache::is_ready),
            Optional::Release(kind) => self.stores.released(kind).is_some_and(Cache::is_ready),
        }
    }

    fn clear(&self, optional: Optional) {
        match optional {
            Optional::Mesh(kind) => self.stores.mesh(kind).into_iter().for_each(Cache::set_absent),
            Optional::Release(kind) => self.stores.released(kind).into_iter().for_each(Cache::set_absent),
        }
    }

    fn start(&self, optional: Optional, resource: ApiResource, tasks: &mut JoinSet<()>) -> AbortHandle {
        let watches = Arc::new(self.share());
        match optional {
            Optional::Mesh(kind) => tasks.spawn(watches.json_objects(kind, resource)),
            Optional::Release(kind) => {
                let place = self.stores.objects.iter().position(|(known, _)| *known == kind);
                tasks.spawn(watches.release_objects(place.unwrap_or(usize::MAX), resource))
            }
        }
    }

    /// The version that the server prefers for this group. A definition may be there before it is served.
    async fn version(&self, kind: Known) -> Option<String> {
        for _ in 0..50 {
            let path = format!("/apis/{}", kind.group);
            match self.access.path(&path).await {
                Ok(Some(group)) => {
                    let preferred = crate::json::text(&group, "/preferredVersion/version").to_owned();
                    if self
                        .access
                        .path(&format!("{path}/{preferred}"))
                        .await
                        .is_ok_and(|found| lists(found.as_ref(), kind))
                    {
                        return Some(preferred);
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, group = kind.group, "what the group has can't be read"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        None
    }
}

fn lists(found: Option<&Value>, kind: Known) -> bool {
    let resources = found.and_then(|list| list.get("resources")).and_then(Value::as_array);
    resources.into_iter().flatten().any(|resource| resource["name"] == kind.plural)
}

fn definition(kind: Known) -> String {
    format!("{}.{}", kind.plural, kind.group)
}

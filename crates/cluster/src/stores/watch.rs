//! The watches: one per kind for the process, each with its own backoff, feeding caches and pokes.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, PoisonError};

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::api::DynamicObject;
use kube::core::{ApiResource, DynamicResourceScope, ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use teal_api::names::label;
use tokio::task::{AbortHandle, JoinSet};

use super::cache::Touched;
use super::objects::{DecisionView, JsonView, RolloutView};
use super::pokes::{Poke, Pokes, What};
use super::shapes::{Pod, Slice, Workload};
use super::views::ObjectView;
use super::{Cache, ObjectId, Stores, View};
use crate::access::Access;
use crate::kinds::{self, Known};

/// What a watch is about.
#[derive(Clone, Copy)]
struct Watched {
    kind: Known,
    labels: &'static str,
}

/// Starts watches and keeps track of those whose kinds come and go.
pub(crate) struct Watches {
    pub(crate) access: Arc<Access>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) pokes: Pokes,
    pub(crate) namespace: Option<String>,
    pub(crate) instance: String,
}

const OPTIONAL: [Known; 2] = [kinds::VIRTUAL_SERVICE, kinds::DESTINATION_RULE];

impl Watches {
    /// Runs all of them until it is dropped.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        for run in self.always() {
            tasks.spawn(run);
        }
        tasks.spawn(Arc::clone(&self).follow_optional());
        tasks.spawn(Arc::clone(&self).admission());
        while tasks.join_next().await.is_some() {}
    }

    async fn admission(self: Arc<Self>) {
        self.stores.admission.follow(self.access.client(), &self.pokes).await;
    }

    fn always(self: &Arc<Self>) -> Vec<futures::future::BoxFuture<'static, ()>> {
        let mut runs: Vec<futures::future::BoxFuture<'static, ()>> = vec![
            Box::pin(Arc::clone(self).rollouts()),
            Box::pin(Arc::clone(self).decisions()),
            Box::pin(Arc::clone(self).services()),
            Box::pin(Arc::clone(self).slices()),
            Box::pin(Arc::clone(self).pods()),
            Box::pin(Arc::clone(self).revisions()),
        ];
        for (index, (kind, _)) in self.stores.objects.iter().enumerate() {
            if kind.built_in {
                runs.push(Box::pin(Arc::clone(self).release_objects(index, kind.resource())));
            }
        }
        runs
    }

    fn stream<K>(&self, watched: Watched, resource: &ApiResource) -> BoxStream<'static, Event<K>>
    where
        K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        let client = self.access.client();
        let api: Api<K> = match &self.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, resource),
            None => Api::all_with(client, resource),
        };
        let config = if watched.labels.is_empty() {
            Config::default()
        } else {
            Config::default().labels(watched.labels)
        };
        let kind = watched.kind.kind;
        watcher(api, config)
            .default_backoff()
            .filter_map(move |event| {
                let told = event.inspect_err(|error| tracing::warn!(kind, %error, "a watch begins anew"));
                std::future::ready(told.ok())
            })
            .boxed()
    }

    async fn rollouts(self: Arc<Self>) {
        let watched = Watched { kind: kinds::ROLLOUT, labels: "" };
        let mut events = self.stream::<DynamicObject>(watched, &watched.kind.resource());
        while let Some(event) = events.next().await {
            let touched =
                self.stores.rollouts.take(event, |object| RolloutView::of(value(&object)?, &self.instance));
            self.pokes.note(
                &touched,
                || self.stores.rollouts.all(),
                |id| self.stores.rollouts.get(&id.namespace, &id.name),
            );
            self.pokes.touched(touched, |pokes, view: &RolloutView| {
                pokes.one(&view.id.namespace, &view.id.name);
                // Whoever stood behind it in line for a Service may come forward.
                for service in &view.services {
                    pokes.referrers(What::Service, &ObjectId::new(&view.id.namespace, service));
                }
            });
        }
    }

    async fn decisions(self: Arc<Self>) {
        let watched = Watched { kind: kinds::DECISION, labels: "" };
        let mut events = self.stream::<DynamicObject>(watched, &watched.kind.resource());
        while let Some(event) = events.next().await {
            let touched = self.stores.decisions.take(event, |object| DecisionView::of(value(&object)?));
            self.pokes
                .touched(touched, |pokes, view: &DecisionView| pokes.one(&view.id.namespace, view.group()));
        }
    }

    async fn services(self: Arc<Self>) {
        let watched = Watched { kind: kinds::SERVICE, labels: "" };
        let mut events = self.stream::<DynamicObject>(watched, &watched.kind.resource());
        while let Some(event) = events.next().await {
            let touched =
                self.stores.services.take(event, |object| JsonView::of(value(&object)?, "v1", "Service"));
            self.pokes.touched(touched, |pokes, view: &JsonView| {
                let id = view.id();
                match view.rollout() {
                    Some(rollout) => pokes.one(&id.namespace, rollout),
                    None if pokes.referrers(What::Service, &id) => {}
                    // Any Service may select a candidate's pods.
                    None => pokes.poke(Poke::Namespace(id.namespace)),
                }
            });
        }
    }

    async fn slices(self: Arc<Self>) {
        let watched = Watched { kind: kinds::ENDPOINT_SLICE, labels: label::ROLE };
        let mut events = self.stream::<Slice>(watched, &watched.kind.resource());
        while let Some(event) = events.next().await {
            let touched = self.stores.slices.take(event, Slice::view);
            self.pokes.touched(touched, |pokes, view| pokes.one(&view.id.namespace, &view.rollout));
        }
    }

    async fn pods(self: Arc<Self>) {
        let kind = Known { group: "", version: "v1", kind: "Pod", plural: "pods", built_in: true };
        let mut events = self.stream::<Pod>(Watched { kind, labels: label::ROLLOUT }, &kind.resource());
        while let Some(event) = events.next().await {
            let touched = self.stores.pods.take(event, Pod::view);
            self.pokes.touched(touched, |pokes, view| pokes.one(&view.id.namespace, &view.rollout));
        }
    }

    async fn revisions(self: Arc<Self>) {
        let watched = Watched { kind: kinds::CONTROLLER_REVISION, labels: label::ROLLOUT };
        let mut events = self.stream::<PartialObjectMeta<DynamicObject>>(watched, &watched.kind.resource());
        while let Some(event) = events.next().await {
            let read =
                |object: PartialObjectMeta<DynamicObject>| ObjectView::of(watched.kind, &object.metadata);
            let touched = self.stores.revisions.take(event, read);
            self.poke_objects(touched);
        }
    }

    async fn release_objects(self: Arc<Self>, index: usize, resource: ApiResource) {
        let Some((kind, cache)) = self.stores.objects.get(index) else { return };
        let watched = Watched { kind: *kind, labels: label::ROLLOUT };
        if *kind == kinds::DEPLOYMENT || *kind == kinds::STATEFUL_SET {
            let mut events = self.stream::<Workload>(watched, &resource);
            while let Some(event) = events.next().await {
                self.poke_objects(cache.take(event, |object| object.view(*kind)));
            }
        } else {
            let mut events = self.stream::<PartialObjectMeta<DynamicObject>>(watched, &resource);
            while let Some(event) = events.next().await {
                self.poke_objects(cache.take(event, |object| ObjectView::of(*kind, &object.metadata)));
            }
        }
    }

    fn poke_objects(&self, touched: Touched<ObjectView>) {
        self.pokes.touched(touched, |pokes, view| pokes.one(&view.id.namespace, &view.rollout));
    }

    async fn json_objects(self: Arc<Self>, kind: Known, resource: ApiResource) {
        let mut events = self.stream::<DynamicObject>(Watched { kind, labels: "" }, &resource);
        let cache = self.json_cache(kind);
        let api_version = resource.api_version.clone();
        while let Some(event) = events.next().await {
            let touched = cache.take(event, |object| JsonView::of(value(&object)?, &api_version, kind.kind));
            self.pokes.touched(touched, |pokes, view: &JsonView| {
                let id = view.id();
                if kind == kinds::VIRTUAL_SERVICE && pokes.referrers(What::VirtualService, &id) {
                    return;
                }
                pokes.poke(Poke::Namespace(id.namespace));
            });
        }
    }

    fn json_cache(&self, kind: Known) -> &Cache<JsonView> {
        if kind == kinds::VIRTUAL_SERVICE {
            &self.stores.virtual_services
        } else {
            &self.stores.destination_rules
        }
    }

    /// Kinds that come with a CRD are watched as soon as that is there, and let go when it goes. Seen by a watch of the
    /// CRDs, so that waiting for Istio costs no request.
    async fn follow_optional(self: Arc<Self>) {
        let crd = Known {
            group: "apiextensions.k8s.io",
            version: "v1",
            kind: "CustomResourceDefinition",
            plural: "customresourcedefinitions",
            built_in: true,
        };
        let client = self.access.client();
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client, &crd.resource());
        let mut events = watcher(api, Config::default()).default_backoff().boxed();
        let mut running: BTreeMap<&'static str, AbortHandle> = BTreeMap::new();
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
                        self.set(kind, there.contains(&definition(kind)), &mut running, &mut tasks).await;
                    }
                }
                Ok(Event::Apply(object)) => {
                    if let Some(kind) =
                        self.optional().into_iter().find(|kind| definition(*kind) == name(&object.metadata))
                    {
                        self.set(kind, true, &mut running, &mut tasks).await;
                    }
                }
                Ok(Event::Delete(object)) => {
                    if let Some(kind) =
                        self.optional().into_iter().find(|kind| definition(*kind) == name(&object.metadata))
                    {
                        self.set(kind, false, &mut running, &mut tasks).await;
                    }
                }
            }
        }
    }

    fn optional(&self) -> Vec<Known> {
        let kinds = self.stores.objects.iter().map(|(kind, _)| *kind).filter(|kind| !kind.built_in);
        OPTIONAL.into_iter().chain(kinds).collect()
    }

    async fn set(
        &self,
        kind: Known,
        there: bool,
        running: &mut BTreeMap<&'static str, AbortHandle>,
        tasks: &mut JoinSet<()>,
    ) {
        if there == running.contains_key(kind.plural) && (there || self.is_known_absent(kind)) {
            return;
        }
        if let Some(task) = running.remove(kind.plural) {
            task.abort();
        }
        let version = if there { self.version(kind).await } else { None };
        let mut optional = self.stores.optional.write().unwrap_or_else(PoisonError::into_inner);
        match version {
            Some(version) => {
                optional.insert(kind.plural, version.clone());
                running.insert(kind.plural, self.start(kind, kind.at(&version), tasks));
            }
            None => {
                optional.remove(kind.plural);
                self.clear(kind);
            }
        }
        self.pokes.poke(Poke::All);
    }

    fn is_known_absent(&self, kind: Known) -> bool {
        match self.stores.objects.iter().find(|(known, _)| *known == kind) {
            Some((_, cache)) => cache.is_ready(),
            None => self.json_cache(kind).is_ready(),
        }
    }

    fn clear(&self, kind: Known) {
        match self.stores.objects.iter().find(|(known, _)| *known == kind) {
            Some((_, cache)) => cache.set_absent(),
            None => self.json_cache(kind).set_absent(),
        }
    }

    fn start(&self, kind: Known, resource: ApiResource, tasks: &mut JoinSet<()>) -> AbortHandle {
        let watches = Arc::new(self.share());
        match self.stores.objects.iter().position(|(known, _)| *known == kind) {
            Some(index) => tasks.spawn(watches.release_objects(index, resource)),
            None => tasks.spawn(watches.json_objects(kind, resource)),
        }
    }

    fn share(&self) -> Self {
        Self {
            access: Arc::clone(&self.access),
            stores: Arc::clone(&self.stores),
            pokes: self.pokes.clone(),
            namespace: self.namespace.clone(),
            instance: self.instance.clone(),
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

fn name(metadata: &ObjectMeta) -> String {
    metadata.name.clone().unwrap_or_default()
}

fn value(object: &DynamicObject) -> Option<Value> {
    serde_json::to_value(object).ok()
}

/// From the answer to a write: metadata alone.
pub(super) fn read_metadata(kind: Known, object: &Value) -> Option<ObjectView> {
    let metadata: ObjectMeta = serde_json::from_value(object.get("metadata")?.clone()).ok()?;
    ObjectView::of(kind, &metadata)
}

/// From the answer to a write: as the watch would show it.
pub(super) fn read_object(kind: Known, object: &Value) -> Option<ObjectView> {
    if kind == kinds::DEPLOYMENT || kind == kinds::STATEFUL_SET {
        serde_json::from_value::<Workload>(object.clone()).ok()?.view(kind)
    } else {
        read_metadata(kind, object)
    }
}

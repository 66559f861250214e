//! The watches: one per kind for the process, each with its own backoff, feeding caches and pokes.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::Api;
use kube::core::{ApiResource, ObjectMeta, Status};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;
use teal_api::names::label;
use tokio::task::JoinSet;

use super::cache::Touched;
use super::objects::JsonView;
use super::optional::Pace;
use super::pokes::{Poke, Pokes, What};
use super::rollouts::{DecisionView, RolloutView};
use super::shapes::{Job, Pod, Slice, Workload};
use super::views::ObjectView;
use super::wire::{self, Nothing, Rest, Whole, Wire};
use super::{ObjectId, Stores, View};
use crate::access::Access;
use crate::config::StopSwitch;
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
    pub(crate) stop: Option<StopSwitch>,
}

impl Watches {
    /// Runs all of them until it is dropped.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        for run in self.always() {
            tasks.spawn(run);
        }
        tasks.spawn(Arc::clone(&self).follow_optional(Pace::USUAL));
        tasks.spawn(Arc::clone(&self).admission());
        tasks.spawn(Arc::clone(&self).namespaces());
        tasks.spawn(Arc::clone(&self).ambient());
        tasks.spawn(Arc::clone(&self).stop());
        while tasks.join_next().await.is_some() {}
    }

    async fn admission(self: Arc<Self>) {
        self.stores.admission.follow(self.access.client(), &self.pokes).await;
    }

    async fn namespaces(self: Arc<Self>) {
        self.stores.namespaces.follow(self.access.client(), &self.pokes).await;
    }

    async fn ambient(self: Arc<Self>) {
        self.stores.ambient.follow(self.access.client(), &self.pokes).await;
    }

    async fn stop(self: Arc<Self>) {
        self.stores.stop.follow(self.access.client(), self.stop.as_ref(), &self.pokes).await;
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

    fn events<T: Rest>(
        &self,
        watched: Watched,
        resource: &ApiResource,
    ) -> BoxStream<'static, watcher::Result<Event<Wire<T>>>> {
        let client = self.access.client();
        let api: Api<Wire<T>> = match &self.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, resource),
            None => Api::all_with(client, resource),
        };
        let config = Config::default();
        let config = if watched.labels.is_empty() { config } else { config.labels(watched.labels) };
        let optional = is_optional(watched.kind);
        // At another version there may be what is gone at this one.
        let goes_on = move |event: &watcher::Result<Event<Wire<T>>>| {
            std::future::ready(
                !optional || !event.as_ref().is_err_and(|error| says(error, Status::is_not_found)),
            )
        };
        watcher(api, config).default_backoff().take_while(goes_on).boxed()
    }

    fn stream<T: Rest>(
        &self,
        watched: Watched,
        resource: &ApiResource,
    ) -> BoxStream<'static, Event<Wire<T>>> {
        let kind = watched.kind.kind;
        let told = move |event: watcher::Result<Event<Wire<T>>>| {
            let event = event.inspect_err(|error| tracing::warn!(kind, %error, "a watch begins anew"));
            std::future::ready(event.ok())
        };
        self.events(watched, resource).filter_map(told).boxed()
    }

    async fn rollouts(self: Arc<Self>) {
        let watched = Watched { kind: kinds::ROLLOUT, labels: "" };
        let mut events = self.stream::<Whole>(watched, &watched.kind.resource());
        while let Some(event) = events.next().await {
            let touched =
                self.stores.rollouts.take(event, |object| RolloutView::seen(object, &self.instance));
            self.pokes.note(
                &touched,
                || self.stores.rollouts.all(),
                |id| self.stores.rollouts.get(&id.namespace, &id.name),
            );
            let claims = self.claims_anew(&touched);
            let promises = claims || promises_anew(&touched);
            self.pokes.touched(touched, |pokes, view: &RolloutView| {
                pokes.one(&view.id.namespace, &view.id.name);
                // What one promises is what the others of its group wait for.
                for group in view.groups.iter().filter(|_| promises) {
                    pokes.referrers(What::Group, &ObjectId::new(&view.id.namespace, group));
                }
                if !claims {
                    return;
                }
                // Whoever stood behind it in line for a Service or route may come forward.
                for service in &view.services {
                    pokes.referrers(What::Service, &ObjectId::new(&view.id.namespace, service));
                }
                for virtual_service in &view.virtual_services {
                    pokes
                        .referrers(What::VirtualService, &ObjectId::new(&view.id.namespace, virtual_service));
                }
            });
        }
    }

    /// Whether a Rollout came, went, has another spec or lets go of what it began with: any other status claims nothing, and many
    /// may share one VirtualService.
    fn claims_anew(&self, touched: &Touched<RolloutView>) -> bool {
        let (Touched::Views(views) | Touched::Own(views)) = touched else { return true };
        let [old, new] = views.as_slice() else { return true };
        let there = self.stores.rollouts.get(&new.id.namespace, &new.id.name).is_some();
        !there || old.uid != new.uid || old.generation != new.generation || !old.claims_as(new)
    }

    async fn decisions(self: Arc<Self>) {
        let watched = Watched { kind: kinds::DECISION, labels: "" };
        let mut events = self.stream::<Whole>(watched, &watched.kind.resource());
        while let Some(event) = events.next().await {
            let touched =
                self.stores.decisions.take(event, |object| DecisionView::of(object.value("Decision")?));
            self.pokes.touched(touched, |pokes, view: &DecisionView| {
                pokes.urgent(&view.id.namespace, view.group());
            });
        }
    }

    async fn services(self: Arc<Self>) {
        let watched = Watched { kind: kinds::SERVICE, labels: "" };
        let mut events = self.stream::<Whole>(watched, &watched.kind.resource());
        while let Some(event) = events.next().await {
            let read = |object: Wire<Whole>| JsonView::of(object.value("Service")?, "v1", "Service");
            let touched = self.stores.services.take(event, read);
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
        let mut events = self.stream(watched, &watched.kind.resource());
        while let Some(event) = events.next().await {
            let touched = self.stores.slices.take(event, Slice::view);
            self.pokes.touched(touched, |pokes, view| pokes.one(&view.id.namespace, &view.rollout));
        }
    }

    async fn pods(self: Arc<Self>) {
        let kind = Known { group: "", version: "v1", kind: "Pod", plural: "pods", built_in: true };
        let mut events = self.stream(Watched { kind, labels: label::ROLLOUT }, &kind.resource());
        while let Some(event) = events.next().await {
            let touched = self.stores.pods.take(event, Pod::view);
            self.pokes.touched(touched, |pokes, view| pokes.one(&view.id.namespace, &view.rollout));
        }
    }

    async fn revisions(self: Arc<Self>) {
        let watched = Watched { kind: kinds::CONTROLLER_REVISION, labels: label::ROLLOUT };
        let mut events = self.stream::<Nothing>(watched, &watched.kind.resource());
        while let Some(event) = events.next().await {
            let read = |object: Wire<Nothing>| ObjectView::of(watched.kind, &object.metadata);
            let touched = self.stores.revisions.take(event, read);
            self.poke_objects(touched);
        }
    }

    pub(super) async fn release_objects(self: Arc<Self>, index: usize, resource: ApiResource) {
        let Some((kind, cache)) = self.stores.objects.get(index) else { return };
        let watched = Watched { kind: *kind, labels: label::ROLLOUT };
        if *kind == kinds::DEPLOYMENT || *kind == kinds::STATEFUL_SET {
            let mut events = self.stream(watched, &resource);
            while let Some(event) = events.next().await {
                self.poke_objects(cache.take(event, |object: Workload| object.view(*kind)));
            }
        } else if *kind == kinds::JOB {
            let mut events = self.stream(watched, &resource);
            while let Some(event) = events.next().await {
                self.poke_objects(cache.take(event, |object: Job| object.view(*kind)));
            }
        } else {
            let mut events = self.stream::<Nothing>(watched, &resource);
            while let Some(event) = events.next().await {
                self.poke_objects(cache.take(event, |object| ObjectView::of(*kind, &object.metadata)));
            }
        }
    }

    fn poke_objects(&self, touched: Touched<ObjectView>) {
        self.pokes.touched(touched, |pokes, view| pokes.one(&view.id.namespace, &view.rollout));
    }

    pub(super) async fn json_objects(self: Arc<Self>, kind: Known, resource: ApiResource) {
        let Some(cache) = self.stores.mesh(kind) else { return };
        let api_version = resource.api_version.clone();
        let mut events = self.events::<Whole>(Watched { kind, labels: "" }, &resource);
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    tracing::warn!(kind = kind.kind, %error, "can't be watched");
                    if says(&error, Status::is_forbidden) {
                        self.refuse(kind, || cache.is_ready(), || cache.set_absent());
                    }
                    continue;
                }
            };
            if !matches!(event, Event::Init) && self.stores.refused(kind) {
                self.stores.set_refused(kind, false);
            }
            let read = |object: Wire<Whole>| JsonView::of(object.value(kind.kind)?, &api_version, kind.kind);
            let touched = cache.take(event, |object| read(object).filter(|view| concerns(kind, view)));
            self.pokes.touched(touched, |pokes, view: &JsonView| {
                let id = view.id();
                // Callers in other namespaces are ruled by objects of theirs.
                for to in view.refers() {
                    pokes.referrers(What::Service, &to);
                    pokes.referrers(What::VirtualService, &to);
                }
                if kind == kinds::VIRTUAL_SERVICE && pokes.referrers(What::VirtualService, &id) {
                    return;
                }
                pokes.poke(Poke::Namespace(id.namespace));
            });
        }
    }

    pub(super) fn share(&self) -> Self {
        Self {
            access: Arc::clone(&self.access),
            stores: Arc::clone(&self.stores),
            pokes: self.pokes.clone(),
            namespace: self.namespace.clone(),
            instance: self.instance.clone(),
            stop: self.stop.clone(),
        }
    }
}

/// Of the kinds around routes, those that can say something of a role Service or of pods.
fn concerns(kind: Known, view: &JsonView) -> bool {
    let value = view.value();
    let says = |pointer: &str| value.pointer(pointer).is_some();
    if kind == kinds::SERVICE_ENTRY {
        says("/spec/workloadSelector")
    } else if kind == kinds::AUTHORIZATION_POLICY || kind == kinds::REQUEST_AUTHENTICATION {
        says("/spec/targetRefs") || says("/spec/targetRef")
    } else {
        true
    }
}

/// Whether what other members of its groups read of a Rollout is another than before: each event of one wakes all of them.
fn promises_anew(touched: &Touched<RolloutView>) -> bool {
    let (Touched::Views(views) | Touched::Own(views)) = touched else { return true };
    let [old, new] = views.as_slice() else { return true };
    old.groups != new.groups || old.member != new.member
}

/// Whether it comes with a CRD that others install.
fn is_optional(kind: Known) -> bool {
    !kind.built_in && kind.group != teal_api::names::GROUP
}

/// Whether the account may not do it, or there is no such kind.
pub(super) fn is_refused(error: &watcher::Error) -> bool {
    says(error, |status| status.is_forbidden() || status.is_not_found())
}

/// Whether it is an answer of the API server such as this.
fn says(error: &watcher::Error, so: impl Fn(&Status) -> bool) -> bool {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) = error else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if so(status))
}

pub(super) fn name(metadata: &ObjectMeta) -> String {
    metadata.name.clone().unwrap_or_default()
}

/// From the answer to a write: metadata alone.
pub(super) fn read_metadata(kind: Known, object: &Value) -> Option<ObjectView> {
    ObjectView::of(kind, &wire::metadata(&object.get("metadata")?.to_string()))
}

/// From the answer to a write: as the watch would show it.
pub(crate) fn read_object(kind: Known, object: &Value) -> Option<ObjectView> {
    if kind == kinds::DEPLOYMENT || kind == kinds::STATEFUL_SET {
        Workload::of(&object.to_string()).view(kind)
    } else if kind == kinds::JOB {
        Job::of(&object.to_string()).view(kind)
    } else {
        read_metadata(kind, object)
    }
}

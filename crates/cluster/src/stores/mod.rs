//! What is known of the cluster: one watch per kind for the whole process, and a cache each.
//!
//! Pods are watched by metadata and conditions only, and only those of Rollouts: their uid says to which revision an
//! address of an EndpointSlice belongs, and before a Service selects a candidate nothing else counts its ready pods.

mod admission;
mod cache;
mod member;
mod named;
mod namespaces;
mod objects;
mod optional;
mod pokes;
mod rollouts;
mod shapes;
mod stop;
mod views;
mod watch;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use kube::core::ApiResource;
use serde_json::Value;
use teal_traffic::{Mesh, RoleService};

pub(crate) use admission::Admission;
#[cfg(test)]
pub(crate) use cache::Touched;
pub(crate) use cache::{Cache, ObjectId, View};
pub(crate) use member::Member;
pub(crate) use named::{Named, Shown};
pub(crate) use namespaces::{Ambient, Going, NO_WAYPOINT};
pub(crate) use objects::{JsonView, points, selects_both, strangers};
pub(crate) use pokes::{Poke, Pokes, What};
pub(crate) use rollouts::{DecisionView, RolloutView};
pub(crate) use stop::Stop;
pub(crate) use views::{Endpoint, ObjectView, PodView, SliceView, WorkloadState, read_epoch};
pub(crate) use watch::{Watches, read_object};
pub(crate) use wire::{value as read_value, version_in, why_unread};

use crate::kinds::{self, Known};

/// All caches.
#[derive(Default)]
pub(crate) struct Stores {
    pub(crate) rollouts: Cache<RolloutView>,
    pub(crate) decisions: Cache<DecisionView>,
    pub(crate) services: Cache<JsonView>,
    pub(crate) slices: Cache<SliceView>,
    pub(crate) pods: Cache<PodView>,
    pub(crate) virtual_services: Cache<JsonView>,
    pub(crate) destination_rules: Cache<JsonView>,
    /// What else of the mesh decides about reaching the candidate.
    around: Vec<(Known, Cache<JsonView>)>,
    pub(crate) revisions: Cache<ObjectView>,
    pub(crate) objects: Vec<(Known, Cache<ObjectView>)>,
    /// Kinds that only some clusters have: which are there, at which version.
    optional: RwLock<BTreeMap<&'static str, String>>,
    /// Those of them that the account may not read: what they have is not known.
    refused: RwLock<BTreeSet<&'static str>>,
    /// Whether the admission policy that proves who decides is in force.
    pub(crate) admission: Admission,
    /// Namespaces that are being deleted.
    pub(crate) namespaces: Going,
    /// Namespaces in ambient mode.
    pub(crate) ambient: Ambient,
    /// The switch that stops all Rollouts.
    pub(crate) stop: Stop,
}

impl Stores {
    pub(crate) fn new() -> Self {
        let workloads = [kinds::DEPLOYMENT, kinds::STATEFUL_SET];
        let objects = kinds::RELEASE.iter().copied().chain(workloads);
        Self {
            objects: objects.map(|kind| (kind, Cache::default())).collect(),
            around: kinds::AROUND.iter().map(|kind| (*kind, Cache::default())).collect(),
            ..Self::default()
        }
    }

    /// Every object with this Rollout's label, of every kind of a release but Services.
    pub(crate) fn objects_of(&self, namespace: &str, rollout: &str) -> Vec<Arc<ObjectView>> {
        self.objects.iter().flat_map(|(_, cache)| cache.group(namespace, rollout)).collect()
    }

    /// The cached object of a release.
    pub(crate) fn object(
        &self,
        group: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<ObjectView>> {
        let (_, cache) = self.objects.iter().find(|(known, _)| known.group == group && known.kind == kind)?;
        cache.get(namespace, name)
    }

    /// The version at which an optional kind is served, if it is there.
    pub(crate) fn served(&self, kind: Known) -> Option<String> {
        let optional = self.optional.read().unwrap_or_else(PoisonError::into_inner);
        optional.get(kind.plural).cloned()
    }

    /// For requests: the kind at the version at which it is served.
    pub(crate) fn resource(&self, kind: Known) -> ApiResource {
        match self.served(kind) {
            Some(version) => kind.at(&version),
            None => kind.resource(),
        }
    }

    pub(crate) fn set_served(&self, kind: Known, version: Option<String>) {
        let mut optional = self.optional.write().unwrap_or_else(PoisonError::into_inner);
        match version {
            Some(version) => drop(optional.insert(kind.plural, version)),
            None => drop(optional.remove(kind.plural)),
        }
    }

    /// Whether the account may not read an optional kind: its cache is empty, or as it was when it last might.
    pub(crate) fn refused(&self, kind: Known) -> bool {
        self.refused.read().unwrap_or_else(PoisonError::into_inner).contains(kind.plural)
    }

    pub(crate) fn set_refused(&self, kind: Known, is: bool) {
        let mut refused = self.refused.write().unwrap_or_else(PoisonError::into_inner);
        if is {
            refused.insert(kind.plural);
        } else {
            refused.remove(kind.plural);
        }
    }

    fn released(&self, kind: Known) -> Option<&Cache<ObjectView>> {
        self.objects.iter().find(|(known, _)| *known == kind).map(|(_, cache)| cache)
    }

    /// The cache of a kind that comes with the mesh.
    fn mesh(&self, kind: Known) -> Option<&Cache<JsonView>> {
        if kind == kinds::VIRTUAL_SERVICE {
            Some(&self.virtual_services)
        } else if kind == kinds::DESTINATION_RULE {
            Some(&self.destination_rules)
        } else {
            self.around.iter().find(|(known, _)| *known == kind).map(|(_, cache)| cache)
        }
    }

    /// The objects of a kind around the routes in a namespace.
    pub(crate) fn around(&self, kind: Known, namespace: &str) -> Vec<Value> {
        let cache = self.around.iter().find(|(known, _)| *known == kind).map(|(_, cache)| cache);
        let views = cache.map(|cache| cache.group(namespace, "")).unwrap_or_default();
        views.iter().map(|view| view.value()).collect()
    }

    /// Those of the Service's namespace, and those of others that name it in full.
    pub(crate) fn all_around(&self, kind: Known, service: &ObjectId) -> Vec<Arc<JsonView>> {
        let Some((_, cache)) = self.around.iter().find(|(known, _)| *known == kind) else {
            return Vec::new();
        };
        let mut views = cache.group(&service.namespace, "");
        views.extend(cache.referring(service));
        views
    }

    /// An object around the routes, as a watch would bring it.
    #[cfg(test)]
    pub(crate) fn offer_around(&self, kind: Known, object: &Value) {
        if let Some(cache) = self.mesh(kind) {
            offer(cache, JsonView::of(object.clone(), &kind.api_version(), kind.kind));
        }
    }

    /// Whether every first list is complete: planning on less would take what isn't listed yet for gone.
    pub(crate) fn is_ready(&self) -> bool {
        self.rollouts.is_ready()
            && self.decisions.is_ready()
            && self.services.is_ready()
            && self.slices.is_ready()
            && self.pods.is_ready()
            && self.virtual_services.is_ready()
            && self.destination_rules.is_ready()
            && self.around.iter().all(|(_, cache)| cache.is_ready())
            && self.revisions.is_ready()
            && self.admission.is_ready()
            && self.namespaces.is_ready()
            && self.ambient.is_ready()
            && self.stop.is_ready()
            && self.objects.iter().all(|(_, cache)| cache.is_ready())
    }

    /// Takes the answer to a write of our own, or a fresh read, into its cache.
    pub(crate) fn offer(&self, kind: Known, object: &Value) {
        if kind == kinds::SERVICE {
            offer(&self.services, JsonView::of(object.clone(), "v1", "Service"));
        } else if kind == kinds::VIRTUAL_SERVICE {
            offer(&self.virtual_services, JsonView::of(object.clone(), &kind.api_version(), kind.kind));
        } else if kind == kinds::DESTINATION_RULE {
            offer(&self.destination_rules, JsonView::of(object.clone(), &kind.api_version(), kind.kind));
        } else if kind == kinds::DECISION {
            offer(&self.decisions, DecisionView::of(object.clone()));
        } else if kind == kinds::CONTROLLER_REVISION {
            offer(&self.revisions, watch::read_metadata(kind, object));
        } else if let Some(cache) = self.released(kind) {
            offer(cache, read_object(kind, object));
        }
    }

    /// The uid that the cache has under a name, before a fresh read of it.
    pub(crate) fn uid(&self, kind: Known, id: &ObjectId) -> Option<String> {
        self.cache(kind)?.uid(id)
    }

    /// Takes note that a fresh read found none where there had been one of this uid.
    pub(crate) fn forget(&self, kind: Known, id: &ObjectId, uid: &str) {
        if let Some(cache) = self.cache(kind) {
            cache.forget_gone(id, uid);
        }
    }

    fn cache(&self, kind: Known) -> Option<&dyn Forgets> {
        Some(if kind == kinds::ROLLOUT {
            &self.rollouts
        } else if kind == kinds::SERVICE {
            &self.services
        } else if kind == kinds::VIRTUAL_SERVICE {
            &self.virtual_services
        } else if kind == kinds::DESTINATION_RULE {
            &self.destination_rules
        } else if kind == kinds::DECISION {
            &self.decisions
        } else if kind == kinds::CONTROLLER_REVISION {
            &self.revisions
        } else {
            self.released(kind)?
        })
    }

    /// Takes the answer to a write of a Rollout.
    pub(crate) fn offer_rollout(&self, object: Value, instance: &str) {
        offer(&self.rollouts, RolloutView::of(object, instance));
    }
}

/// A cache, whatever it keeps.
trait Forgets {
    fn uid(&self, id: &ObjectId) -> Option<String>;
    fn forget_gone(&self, id: &ObjectId, uid: &str);
}

impl<V: View> Forgets for Cache<V> {
    fn uid(&self, id: &ObjectId) -> Option<String> {
        self.get(&id.namespace, &id.name).map(|view| view.uid().to_owned())
    }
    fn forget_gone(&self, id: &ObjectId, uid: &str) {
        self.forget_gone(id, uid);
    }
}

fn offer<V: View>(cache: &Cache<V>, view: Option<V>) {
    if let Some(view) = view {
        cache.offer(view);
    }
}

/// EndpointSlices from a fresh list.
pub(crate) fn slices_of(list: Vec<Value>) -> Vec<SliceView> {
    list.into_iter().filter_map(|object| shapes::Slice::of(&object.to_string()).view()).collect()
}

/// The DestinationRules for these Services and their candidates that can hold for clients in these namespaces, of which one is
/// the Services'. There may be thousands for others, which are not even read.
pub(crate) fn rules<'a>(
    stores: &Stores,
    clients: &[String],
    mesh: &Mesh,
    services: impl IntoIterator<Item = &'a RoleService>,
) -> Vec<Value> {
    let hosts = |service: &RoleService| [service.live_host(mesh), service.candidate_host(mesh)];
    let hosts: Vec<String> = services.into_iter().flat_map(hosts).collect();
    let covers = |host: &str, namespace: &str| {
        let full = mesh.expand(host, namespace);
        hosts.iter().any(|host| teal_traffic::covers(&full, host))
    };
    let mut namespaces: Vec<&str> =
        clients.iter().map(String::as_str).chain([&*mesh.root_namespace]).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let views = namespaces.into_iter().flat_map(|namespace| stores.destination_rules.group(namespace, ""));
    let views = views.filter(|view| view.hosts().any(|host| covers(host, view.namespace())));
    views.map(|view| view.value()).collect()
}

//! The state of everything at one version.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use serde_json::Value;
use teal_api::names::{candidate_service, label};
use teal_testbed::history::Key;

use super::aims::Aims;
use super::clock::Moment;
use super::gauge::Gauge;
use super::json::{is_deleting, label as label_of, list, text};
use super::rollout::Rollout;

/// Everything as it is after a version.
#[derive(Debug)]
pub(super) struct World<'h> {
    /// By resource, namespace and name.
    objects: BTreeMap<(&'h str, &'h str, &'h str), (&'h Key, &'h Value)>,
    /// By namespace and name.
    pub(super) rollouts: BTreeMap<(&'h str, &'h str), Rc<Rollout<'h>>>,
    /// The namespaces of all Rollouts that ever were, by uid.
    pub(super) homes: HashMap<&'h str, &'h str>,
    /// The revisions of all pods that ever were, by uid: slices outlive them.
    pods: HashMap<&'h str, &'h str>,
    /// Serving endpoints in the slices of a Service, by revision.
    slices: Gauge<Behind>,
    /// Ready pods that a Service's own labels select, by revision.
    ready: Gauge<Behind>,
    pub(super) moments: Vec<Moment>,
    /// Where requests are aimed, by uid of the Rollout.
    pub(super) aims: HashMap<&'h str, Rc<Aims>>,
    /// The index of the version that was taken in last.
    pub(super) now: usize,
}

/// Endpoints of a revision behind a Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Behind {
    namespace: String,
    service: String,
    revision: String,
}

impl<'h> World<'h> {
    pub(super) fn new(moments: Vec<Moment>) -> Self {
        Self {
            objects: BTreeMap::new(),
            rollouts: BTreeMap::new(),
            homes: HashMap::new(),
            pods: HashMap::new(),
            slices: Gauge::default(),
            ready: Gauge::default(),
            moments,
            aims: HashMap::new(),
            now: 0,
        }
    }

    /// An object by its resource, whatever its group: no two that are looked at share a name.
    pub(super) fn find(&self, resource: &str, namespace: &str, name: &str) -> Option<&'h Value> {
        self.objects.get(&(resource, namespace, name)).map(|(_, value)| *value)
    }

    /// All objects of a resource in a namespace.
    pub(super) fn all<'a>(
        &'a self,
        resource: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'h Value> + 'a {
        let from = self.objects.range((resource, namespace, "")..);
        from.take_while(move |((r, n, _), _)| *r == resource && *n == namespace).map(|(_, (_, value))| *value)
    }

    /// The Rollout with this uid.
    pub(super) fn rollout(&self, uid: &str) -> Option<&Rc<Rollout<'h>>> {
        self.rollouts.values().find(|rollout| rollout.uid == uid)
    }

    /// Whether a namespace is being deleted, and with it everything in it.
    pub(super) fn is_ending(&self, namespace: &str) -> bool {
        self.find("namespaces", "", namespace).is_some_and(is_deleting)
    }

    /// Takes in a version, and returns what was there before.
    pub(super) fn apply(
        &mut self,
        index: usize,
        key: &'h Key,
        after: Option<&'h Value>,
    ) -> Option<&'h Value> {
        self.now = index;
        let id = (key.resource.as_str(), key.namespace.as_str(), key.name.as_str());
        let before = match after {
            Some(value) => self.objects.insert(id, (key, value)),
            None => self.objects.remove(&id),
        };
        let before = before.map(|(_, value)| value);
        match key.resource.as_str() {
            "rollouts" if key.group == teal_api::names::GROUP => self.take_rollout(key, after),
            "pods" => self.take_pod(index, key, before, after),
            "endpointslices" => self.take_slice(index, key, before, after),
            _ => {}
        }
        before
    }

    fn take_rollout(&mut self, key: &'h Key, after: Option<&'h Value>) {
        let id = (key.namespace.as_str(), key.name.as_str());
        let Some(value) = after else {
            self.rollouts.remove(&id);
            return;
        };
        let rollout = Rollout::read(key, value, self.rollouts.get(&id).map(Rc::as_ref));
        self.homes.insert(rollout.uid, rollout.namespace);
        self.rollouts.insert(id, Rc::new(rollout));
    }

    fn take_pod(&mut self, index: usize, key: &'h Key, before: Option<&'h Value>, after: Option<&'h Value>) {
        let Some(value) = after.or(before) else { return };
        let (Some(rollout), Some(revision)) =
            (label_of(value, label::ROLLOUT), label_of(value, label::REVISION))
        else {
            return;
        };
        if let Some(uid) = text(value, "/metadata/uid") {
            self.pods.insert(uid, revision);
        }
        let Some(owner) = self.rollouts.get(&(key.namespace.as_str(), rollout)).cloned() else { return };
        for service in &owner.traffic.services {
            let count = self.count_ready(&key.namespace, rollout, revision, service);
            let behind = behind(&key.namespace, service, revision);
            self.ready.set(behind, index, count);
        }
    }

    fn count_ready(&self, namespace: &str, rollout: &str, revision: &str, service: &str) -> u32 {
        let selector = self.find("services", namespace, service).and_then(|s| s.pointer("/spec/selector"));
        let own: Vec<(&String, &Value)> = selector
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(key, _)| !key.starts_with("teal.dev/"))
            .collect();
        let fits = |value: &Value| {
            label_of(value, label::ROLLOUT) == Some(rollout)
                && label_of(value, label::REVISION) == Some(revision)
                && own.iter().all(|(key, wanted)| label_of(value, key) == wanted.as_str())
        };
        let ready = self.all("pods", namespace).filter(|pod| fits(pod) && is_ready(pod)).count();
        u32::try_from(ready).unwrap_or(u32::MAX)
    }

    fn take_slice(
        &mut self,
        index: usize,
        key: &'h Key,
        before: Option<&'h Value>,
        after: Option<&'h Value>,
    ) {
        let Some(value) = after.or(before) else { return };
        let Some(service) = label_of(value, "kubernetes.io/service-name") else { return };
        let of_service = |slice: &&Value| label_of(slice, "kubernetes.io/service-name") == Some(service);
        let all = self.all("endpointslices", &key.namespace).filter(of_service);
        let mut serving: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for endpoint in all.flat_map(|slice| list(slice, "/endpoints")) {
            let Some(uid) = text(endpoint, "/targetRef/uid").filter(|_| serves(endpoint)) else { continue };
            if let Some(revision) = self.pods.get(uid) {
                serving.entry(*revision).or_default().insert(uid);
            }
        }
        let counts: BTreeMap<&str, usize> =
            serving.iter().map(|(revision, pods)| (*revision, pods.len())).collect();
        // Revisions that are gone from the slices are at 0.
        let namespace = key.namespace.as_str();
        let known: BTreeSet<&str> = self.pods.values().copied().collect();
        for revision in known {
            let count = counts.get(revision).copied().unwrap_or(0);
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.slices.set(behind(namespace, service, revision), index, count);
        }
    }

    /// How many endpoints of a revision the writer of version `now` may have seen in a Service's slices.
    pub(super) fn serving(&self, namespace: &str, service: &str, revision: &str, now: usize) -> Vec<u32> {
        self.slices.readable(&behind(namespace, service, revision), now, &self.moments)
    }

    /// The same for going by pods as well: before a Service selects a revision there is no slice of it.
    pub(super) fn most_serving(&self, namespace: &str, service: &str, revision: &str, now: usize) -> u32 {
        let candidate = candidate_service(service);
        let slices = [service, candidate.as_str()].map(|name| self.serving(namespace, name, revision, now));
        let pods = self.ready.readable(&behind(namespace, service, revision), now, &self.moments);
        slices.into_iter().flatten().chain(pods).max().unwrap_or(0)
    }

    /// The least that any of a Service's slices had of a revision lately.
    pub(super) fn least_serving(&self, namespace: &str, service: &str, revision: &str, now: usize) -> u32 {
        self.serving(namespace, service, revision, now).into_iter().min().unwrap_or(0)
    }
}

fn behind(namespace: &str, service: &str, revision: &str) -> Behind {
    Behind { namespace: namespace.to_owned(), service: service.to_owned(), revision: revision.to_owned() }
}

/// What counts is serving and not terminating, whatever `ready` says; absent means ready.
fn serves(endpoint: &Value) -> bool {
    let condition = |name: &str| endpoint.pointer(&format!("/conditions/{name}")).and_then(Value::as_bool);
    let serving = condition("serving").or_else(|| condition("ready")).unwrap_or(true);
    serving && !condition("terminating").unwrap_or(false)
}

fn is_ready(pod: &Value) -> bool {
    let ready = |condition: &Value| {
        text(condition, "/type") == Some("Ready") && text(condition, "/status") == Some("True")
    };
    !is_deleting(pod) && list(pod, "/status/conditions").iter().any(ready)
}

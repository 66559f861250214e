//! What controllers and kubelets make of objects that are there.

use serde_json::{Value, json};
use teal_api::names::{label, manager};
use teal_plan::{Color, Time};

use super::Hand;
use crate::kinds::{self, Known};
use crate::stores::{ObjectId, ObjectView, PodView, SliceView, Stores};

impl Hand {
    /// Puts more into the caches.
    pub(crate) fn with_stores(&self, put: impl FnOnce(&Stores)) {
        put(&self.stores);
    }

    /// Nothing usable is kept of the revision in a color.
    pub(crate) fn lose_content(&mut self, color: Color) {
        let revision = self.slot(color).revision;
        self.memory.lost.insert(revision);
    }

    /// The second revision is up in green and reached the weight of its step: only its gates are waited for.
    pub(crate) fn at_step(&mut self, weight: u8, reached: Time) {
        self.start_candidate(weight);
        let (slot, hash) = (self.slot(Color::Green), self.hash());
        self.deploy(slot, hash);
        self.pods(Color::Green, &[true; 3]);
        self.point_candidate();
        self.endpoints("web-candidate", &["green-0", "green-1", "green-2"].map(|pod| (pod, true, false)));
        let destinations = json!([{"destination": {"host": "web"}, "weight": 100 - weight},
            {"destination": {"host": "web-candidate"}, "weight": weight}]);
        self.route(&destinations, manager::TRAFFIC);
        self.reach(reached.0);
    }

    /// A Deployment is seen as something else.
    pub(in crate::observe::tests) fn alter(&mut self, name: &str, change: impl FnOnce(&mut ObjectView)) {
        self.alter_any(kinds::DEPLOYMENT, name, change);
    }

    /// The same of any kind.
    pub(crate) fn alter_any(&mut self, kind: Known, name: &str, change: impl FnOnce(&mut ObjectView)) {
        let version = self.next();
        let (_, cache) = self.stores.objects.iter().find(|(known, _)| *known == kind).expect("a cache");
        let view = cache.get("shop", name).expect("an object");
        let mut view = ObjectView { version, ..(*view).clone() };
        change(&mut view);
        cache.offer(view);
    }

    /// The second revision, in green, is as it should be while it isn't live.
    pub(crate) fn rest_second(&mut self) {
        let (slot, hash) = (self.slot(Color::Green), self.hash());
        self.deploy_as(slot, hash, false);
    }

    /// What is tried is led back.
    pub(crate) fn lead_back(&mut self) {
        self.record("phase", json!({"name": "Returning", "cause": "Superseded", "since": 0}));
    }

    /// It was, and is kept to be looked at.
    pub(crate) fn keep_failed(&mut self) {
        self.record("phase", json!({"name": "Rest", "outcome": "Superseded"}));
        self.record("keptUntil", json!(9_000_000));
    }

    /// A Deployment is not seen any more.
    pub(crate) fn lose(&mut self, name: &str) {
        self.lose_any(kinds::DEPLOYMENT, name);
    }

    /// The same of any kind.
    pub(crate) fn lose_any(&mut self, kind: Known, name: &str) {
        let (_, cache) = self.stores.objects.iter().find(|(known, _)| *known == kind).expect("a cache");
        cache.forget(&ObjectId::new("shop", name));
    }

    /// A pod is seen as something else.
    pub(in crate::observe::tests) fn alter_pod(&mut self, name: &str, change: impl FnOnce(&mut PodView)) {
        let version = self.next();
        let view = self.stores.pods.get("shop", name).expect("a pod");
        let mut view = PodView { version, ..(*view).clone() };
        change(&mut view);
        self.stores.pods.offer(view);
    }

    /// The ports of a Service, and those of them that its pods open.
    pub(in crate::observe::tests) fn opens(&mut self, service: &str, ports: &[&str], open: &[&str]) {
        let all: Vec<_> =
            ports.iter().zip(80..).map(|(name, port)| json!({"name": name, "port": port})).collect();
        self.edit(service, |service| service["spec"]["ports"] = json!(all));
        let version = self.next();
        for slice in self.stores.slices.group("shop", service) {
            let ports = open.iter().map(|name| (*name).into()).collect();
            self.stores.slices.offer(SliceView { version, ports, ..(*slice).clone() });
        }
    }

    /// A further slice of a Service, with one pod that opens these ports alone.
    pub(in crate::observe::tests) fn beside(&mut self, service: &str, pod: &str, open: &[&str]) {
        let version = self.next();
        let ports: Vec<_> = open.iter().map(|name| json!({"name": name, "port": 1})).collect();
        let name = format!("{service}-beside");
        let slice = json!({
            "metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": version.to_string(),
                "labels": {"kubernetes.io/service-name": service, label::ROLLOUT: "web"}},
            "endpoints": [{"targetRef": {"uid": pod}, "conditions": {"ready": true, "serving": true, "terminating": false}}],
            "ports": ports,
        });
        for view in crate::stores::slices_of(vec![slice]) {
            self.stores.slices.offer(view);
        }
    }

    /// A claim in a color, as the controller of a `StatefulSet` makes it, or of a revision.
    pub(in crate::observe::tests) fn claim(&mut self, color: Color, revision: Option<&str>) {
        let version = self.next().to_string();
        let kind = kinds::find("", "PersistentVolumeClaim").expect("a kind");
        let mut labels = json!({label::ROLLOUT: "web", label::COLOR: color.as_str()});
        if let Some(revision) = revision {
            labels[label::REVISION] = json!(revision);
        }
        self.stores.offer(
            kind,
            &json!({"metadata": {"name": format!("disk-web-{color}-0"), "namespace": "shop",
            "uid": "claim", "resourceVersion": version, "labels": labels}}),
        );
    }

    /// A Deployment turns out to be another Rollout's.
    pub(crate) fn give_away(&mut self, name: &str, rollout: &str) {
        let version = self.next();
        let view = self.stores.object("apps", "Deployment", "shop", name).expect("a Deployment");
        let view =
            ObjectView { rollout: rollout.into(), rollout_uid: rollout.into(), version, ..(*view).clone() };
        let (_, cache) =
            self.stores.objects.iter().find(|(kind, _)| *kind == kinds::DEPLOYMENT).expect("a cache");
        cache.offer(view);
    }

    /// Another hand takes a field of a Deployment.
    pub(crate) fn take_field(&mut self, name: &str, pointer: &str) {
        let version = self.next();
        let view = self.stores.object("apps", "Deployment", "shop", name).expect("a Deployment");
        let mut owned: Value =
            serde_json::from_str(view.owned.as_deref().unwrap_or_default()).expect("a set of fields");
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        let parent = owned.pointer_mut(parent).and_then(Value::as_object_mut).expect("a parent");
        assert!(parent.remove(field).is_some(), "{field} in {parent:?}");
        let view = ObjectView { owned: Some(owned.to_string().into()), version, ..(*view).clone() };
        let (_, cache) =
            self.stores.objects.iter().find(|(kind, _)| *kind == kinds::DEPLOYMENT).expect("a cache");
        cache.offer(view);
    }
}

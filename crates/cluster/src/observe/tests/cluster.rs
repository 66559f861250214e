//! A cluster by hand.

mod altered;
mod around;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use teal_api::Rollout;
use teal_api::names::{annotation, label};
use teal_plan::{Color, ContentHash, Slot, Time};
use teal_release::Kept;
use teal_release::chart::Manifests;

use crate::charts::ChartSeen;
use crate::config::Config;
use crate::kinds;
use crate::memory::{Memory, Packed};
use crate::observe::{Scene, Seen, observe};
use crate::rendering::{For, RenderKey, render};
use crate::stores::{ObjectId, ObjectView, PodView, Pokes, Stores, Touched};

const UID: &str = "1234-5678";

/// Caches, a Rollout and the memory of looks.
pub(crate) struct Hand {
    pub(super) stores: Stores,
    pokes: Pokes,
    rollout: Value,
    pub(super) memory: Memory,
    /// What came of the chart, where the release is one.
    pub(crate) chart: ChartSeen,
    version: u64,
}

impl Hand {
    /// A Rollout that was just applied, and its route.
    pub(crate) fn new() -> Self {
        let (pokes, _) = Pokes::new();
        let mut hand = Self {
            stores: Stores::new(),
            pokes,
            rollout: json!({
                "apiVersion": "teal.dev/v1alpha1", "kind": "Rollout",
                "metadata": {"name": "web", "namespace": "shop", "uid": UID, "generation": 1, "resourceVersion": "1"},
                "spec": {
                    "release": {"manifests": [
                        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
                            "replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {
                                "metadata": {"labels": {"app": "web"}},
                                "spec": {"containers": [{"name": "web", "image": "web:1"}]}}}},
                        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}},
                    ]},
                    "traffic": {"services": [{"name": "web"}], "virtualServices": [{"name": "web"}]},
                    "steps": [{"name": "canary", "weight": 10, "approval": {}}, {"name": "full", "weight": 100}],
                },
            }),
            memory: Memory::default(),
            chart: ChartSeen::None,
            version: 1,
        };
        hand.stores.set_served(kinds::VIRTUAL_SERVICE, Some("v1".into()));
        hand.route(&json!([{"destination": {"host": "web"}}]), "owner");
        hand
    }

    /// For a look of the whole: the caches, who refers to what, and the Rollout, which is in no cache.
    pub(crate) fn into_parts(self) -> (Stores, Pokes, Value) {
        (self.stores, self.pokes, self.rollout)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    pub(crate) fn rollout(&self) -> Rollout {
        serde_json::from_value(self.rollout.clone()).expect("a Rollout")
    }

    fn hash(&self) -> ContentHash {
        teal_release::hash(&self.rollout["spec"]["release"])
    }

    /// The slot of the first revision in blue, of the second in green.
    pub(crate) fn slot(&self, color: Color) -> Slot {
        let counter = if color == Color::Blue { 1 } else { 2 };
        let hash = if color == Color::Blue { installed_hash(&self.rollout) } else { self.hash() };
        Slot { color, revision: hash.revision(counter) }
    }

    pub(crate) fn look(&mut self, at: i64) -> Seen {
        let rollout = self.rollout();
        observe(Scene {
            stores: &self.stores,
            pokes: &self.pokes,
            config: &Config::default(),
            rollout: &rollout,
            memory: &mut self.memory,
            checks: Vec::new(),
            now: Time(at),
            nonce: "nonce".into(),
            problems: Vec::new(),
            chart: self.chart.clone(),
        })
    }

    pub(crate) fn spec(&mut self, pointer: &str, value: Value) {
        match self.rollout["spec"].pointer_mut(pointer) {
            Some(field) => *field = value,
            None => self.rollout["spec"][pointer.trim_start_matches('/')] = value,
        }
        self.rollout["metadata"]["generation"] = json!(self.version);
    }

    /// One more manifest.
    pub(crate) fn manifest(&mut self, manifest: Value) {
        if let Some(all) = self.rollout["spec"]["release"]["manifests"].as_array_mut() {
            all.push(manifest);
        }
    }

    /// The release that the spec has now, as it is kept of a revision that had these traffic Services.
    pub(crate) fn keep(&mut self, color: Color, services: &[&str]) {
        let release = self.rollout["spec"]["release"].clone();
        let services = services.iter().map(|name| (*name).to_owned()).collect();
        let kept = Kept { hash: self.hash(), services, release, body: None };
        self.memory.contents.insert(self.slot(color).revision, Packed::of(&kept));
    }

    /// A VirtualService with one route to a host.
    pub(super) fn second_route(&mut self, name: &str, host: &str) {
        let version = self.next().to_string();
        self.stores.offer(kinds::VIRTUAL_SERVICE, &json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": version, "generation": 1},
            "spec": {"hosts": [host], "http": [{"name": "all", "route": [{"destination": {"host": host}}]}]},
        }));
    }

    /// A field of the spec, whether it was there or not.
    pub(crate) fn field(&mut self, name: &str, value: Value) {
        self.rollout["spec"][name] = value;
    }

    /// The Service goes with the Rollout.
    pub(super) fn own(&mut self, name: &str) {
        let version = self.next();
        let mut object = self.stores.services.get("shop", name).expect("a Service").value();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        object["metadata"]["ownerReferences"] = json!([{"kind": "Rollout", "name": "web", "uid": UID}]);
        self.stores.offer(kinds::SERVICE, &object);
    }

    pub(super) fn commit(&mut self, record: &Value) {
        self.rollout["status"] = json!({"commit": record});
    }

    /// A field of what was committed.
    pub(crate) fn record(&mut self, name: &str, value: Value) {
        self.rollout["status"]["commit"][name] = value;
    }

    /// The first revision is live in blue with three pods.
    pub(crate) fn install(&mut self) {
        let slot = self.slot(Color::Blue);
        let hash = self.hash();
        self.deploy(slot, hash);
        self.pods(Color::Blue, &[true; 3]);
        for (name, role) in [("web", "live"), ("web-candidate", "candidate")] {
            self.service(name, role, slot);
            self.endpoints(name, &[("pod-0", true, false), ("pod-1", true, false), ("pod-2", true, false)]);
        }
        self.commit(&json!({
            "epoch": 1, "counter": 1, "started": 0, "phase": {"name": "Rest", "outcome": "Promoted"},
            "live": {"color": "blue", "revision": slot.revision, "hash": hash, "since": 0, "attempt": 1},
            "wanted": {"hash": hash, "revision": slot.revision, "rejected": false, "attempts": 1},
        }));
    }

    /// The second revision is tried in green; nothing of it is there yet.
    pub(crate) fn start_candidate(&mut self, weight: u8) {
        self.spec("/release/manifests/0/spec/template/spec/containers/0/image", json!("web:2"));
        let (slot, hash) = (self.slot(Color::Green), self.hash());
        let commit = &mut self.rollout["status"]["commit"];
        commit["candidate"] =
            json!({"color": "green", "revision": slot.revision, "hash": hash, "since": 0, "attempt": 1});
        commit["phase"] =
            json!({"name": "Step", "step": "canary", "weight": weight, "deadline": 9_000_000, "terms": 0});
        commit["baseline"] = json!([3]);
        let route = self.stores.virtual_services.get("shop", "web");
        if route.is_some_and(|route| route.value()["metadata"]["annotations"] == json!({})) {
            self.annotate_route("saved", r#"{"routes":[],"writers":["owner"]}"#);
        }
    }

    /// The step is to be reached by then.
    pub(crate) fn deadline(&mut self, at: Time) {
        self.rollout["status"]["commit"]["phase"]["deadline"] = json!(at.0);
    }

    /// The second revision is live in green, the first is kept, and of its content nothing is known.
    pub(crate) fn promote_second(&mut self) {
        self.start_candidate(100);
        let (slot, hash) = (self.slot(Color::Green), self.hash());
        self.pods(Color::Green, &[true; 3]);
        for (name, role) in [("web", "live"), ("web-candidate", "candidate")] {
            self.service(name, role, slot);
            self.endpoints(name, &[("green-0", true, false)]);
        }
        let commit = &mut self.rollout["status"]["commit"];
        commit["previous"] = commit["live"].take();
        commit["live"] =
            json!({"color": "green", "revision": slot.revision, "hash": hash, "since": 0, "attempt": 1});
        commit["candidate"] = Value::Null;
        commit["phase"] = json!({"name": "Rest", "outcome": "Promoted"});
        commit["keptUntil"] = json!(9_000_000);
    }

    /// The second revision is up in green, its role points there, and promotion was committed.
    pub(super) fn begin_promotion(&mut self) {
        self.start_candidate(100);
        let (slot, hash) = (self.slot(Color::Green), self.hash());
        self.deploy(slot, hash);
        self.pods(Color::Green, &[true; 3]);
        self.service("web-candidate", "candidate", slot);
        self.placed("web-candidate", &[("green-0", "n1"), ("green-1", "n1"), ("green-2", "n1")]);
        self.rollout["status"]["commit"]["phase"] = json!({"name": "Promoting", "deadline": 9_000_000});
    }

    /// A pod turns out to be of another workload.
    pub(super) fn relabel(&mut self, pod: &str, app: &str) {
        let version = self.next();
        let mut view = (*self.stores.pods.get("shop", pod).expect("a pod")).clone();
        view.version = version;
        for (_, value) in view.labels.iter_mut().filter(|(name, _)| name == "app") {
            app.clone_into(value);
        }
        self.stores.pods.offer(view);
    }

    fn deploy(&mut self, slot: Slot, hash: ContentHash) {
        self.deploy_as(slot, hash, true);
    }

    fn deploy_as(&mut self, slot: Slot, hash: ContentHash, active: bool) {
        let key = RenderKey {
            generation: 1,
            uid: UID.into(),
            slot,
            hash,
            active,
            sizes: BTreeMap::new(),
            hold: Vec::new(),
            started: Vec::new(),
            beside: BTreeMap::new(),
            services: vec!["web".into()],
            owned: false,
        };
        let whom = For { rollout: "web", namespace: "shop", instance: "", key: &key };
        let manifests = super::super::manifests_of(&self.rollout["spec"]["release"]);
        let rendering = render(Manifests::listed(manifests), &whom).expect("a release");
        for piece in &rendering.pieces {
            let mut object = piece.object.clone();
            let version = self.next();
            object["metadata"]["uid"] = json!(format!("uid-{version}"));
            object["metadata"]["resourceVersion"] = json!(version.to_string());
            object["metadata"]["generation"] = json!(1);
            object["metadata"]["annotations"][annotation::epoch(UID)] = json!("1");
            object["metadata"]["managedFields"] = json!([{"manager": "teal/release", "operation": "Apply",
                "fieldsType": "FieldsV1", "fieldsV1": fields(&piece.object)}]);
            object["status"] = json!({"observedGeneration": 1, "updatedReplicas": 3, "availableReplicas": 3});
            self.stores.offer(piece.kind, &object);
        }
    }

    /// The weight of the step under way was observed.
    pub(crate) fn reach(&mut self, at: i64) {
        self.rollout["status"]["commit"]["phase"]["reached"] = json!(at);
    }

    /// The autoscaler that KEDA makes from a ScaledObject of a slot, with its labels and annotations.
    pub(super) fn derive_autoscaler(&mut self, slot: Slot) {
        let version = self.next().to_string();
        let kind = kinds::find("autoscaling", "HorizontalPodAutoscaler").expect("a kind");
        self.stores.offer(kind, &json!({
            "metadata": {"name": format!("keda-hpa-web-{}", slot.color), "namespace": "shop", "uid": "hpa",
                "resourceVersion": version,
                "labels": {label::ROLLOUT: "web", label::ROLLOUT_UID: UID, label::COLOR: slot.color.as_str(),
                    label::REVISION: slot.revision.to_string()},
                "ownerReferences": [{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "web",
                    "uid": "scaled", "controller": true, "blockOwnerDeletion": true}]},
        }));
    }

    /// A Job of a slot, made under this epoch.
    pub(super) fn job(&mut self, name: &str, slot: Slot, epoch: u64, ended: Option<bool>) {
        let version = self.next().to_string();
        let condition = ended.map(|well| if well { "Complete" } else { "Failed" });
        let conditions: Vec<Value> =
            condition.into_iter().map(|kind| json!({"type": kind, "status": "True"})).collect();
        self.stores.offer(kinds::JOB, &json!({
            "metadata": {"name": format!("{name}-{}", slot.color), "namespace": "shop", "uid": name,
                "resourceVersion": version, "annotations": {annotation::epoch(UID): epoch.to_string()},
                "labels": {label::ROLLOUT: "web", label::ROLLOUT_UID: UID, label::COLOR: slot.color.as_str(),
                    label::REVISION: slot.revision.to_string()}},
            "status": {"conditions": conditions},
        }));
    }

    /// A Job that ended well and is being deleted, of a Rollout of this name that was here before; the only one.
    pub(super) fn leave_job(&mut self, name: &str, slot: Slot) {
        let (_, cache) = self.stores.objects.iter().find(|(kind, _)| *kind == kinds::JOB).expect("a cache");
        for view in cache.group("shop", "web") {
            cache.forget(&view.id);
        }
        self.job(name, slot, 7, Some(true));
        let version = self.next();
        let (_, cache) = self.stores.objects.iter().find(|(kind, _)| *kind == kinds::JOB).expect("a cache");
        let view = cache.get("shop", &format!("{name}-{}", slot.color)).expect("a Job");
        let former = "8765-4321".into();
        cache.offer(ObjectView { rollout_uid: former, deleting: true, epoch: 0, version, ..(*view).clone() });
    }

    pub(crate) fn pods(&mut self, color: Color, ready: &[bool]) {
        let revision = self.slot(color).revision.to_string();
        self.pods_of(color, &revision, ready);
    }

    pub(super) fn pods_of(&mut self, color: Color, revision: &str, ready: &[bool]) {
        for (number, ready) in ready.iter().enumerate() {
            let version = self.next();
            let name = if color == Color::Blue { format!("pod-{number}") } else { format!("green-{number}") };
            let labels = [
                ("app", "web"),
                (label::ROLLOUT, "web"),
                (label::COLOR, color.as_str()),
                (label::REVISION, revision),
            ];
            let pod = PodView {
                id: ObjectId::new("shop", &name),
                uid: name,
                version,
                rollout: "web".into(),
                color: Some(color),
                revision: revision.parse().ok(),
                labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
                ready: *ready,
                turned: None,
                terminating: None,
                ended: false,
                trouble: None,
                runs: true,
            };
            self.stores.pods.offer(pod);
        }
    }

    pub(super) fn service(&mut self, name: &str, role: &str, slot: Slot) {
        let version = self.next();
        self.stores.offer(kinds::SERVICE, &json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": version.to_string(),
                "labels": {label::ROLLOUT: "web", label::ROLLOUT_UID: UID, label::ROLE: role},
                "annotations": {annotation::epoch(UID): "1"}},
            "spec": {"ports": [{"port": 80}], "selector": {"app": "web", label::ROLLOUT: "web",
                label::COLOR: slot.color.as_str(), label::REVISION: slot.revision.to_string()}},
        }));
    }

    /// The same Service, written again.
    pub(super) fn touch(&mut self, name: &str) {
        self.edit(name, |_| {});
    }

    /// A Service, written by somebody.
    pub(crate) fn edit(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let version = self.next();
        let mut object = self.stores.services.get("shop", name).expect("a Service").value();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        change(&mut object);
        self.stores.offer(kinds::SERVICE, &object);
    }

    /// Another hand writes what a Service selects.
    pub(super) fn select(&mut self, name: &str, selector: &Value) {
        let version = self.next();
        let mut object = self.stores.services.get("shop", name).expect("a Service").value();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        object["spec"]["selector"] = selector.clone();
        self.stores.offer(kinds::SERVICE, &object);
    }

    /// Name of the pod, whether it serves, whether it terminates.
    pub(crate) fn endpoints(&mut self, service: &str, pods: &[(&str, bool, bool)]) {
        let endpoint = |(pod, serving, terminating): &(&str, bool, bool)| json!({"targetRef": {"uid": pod}, "conditions": {"ready": true, "serving": serving, "terminating": terminating}});
        self.slice(service, &pods.iter().map(endpoint).collect::<Vec<_>>());
    }

    /// Name of the pod, and its node.
    pub(super) fn placed(&mut self, service: &str, pods: &[(&str, &str)]) {
        let endpoint = |(pod, node): &(&str, &str)| json!({"targetRef": {"uid": pod}, "nodeName": node, "conditions": {"ready": true}});
        self.slice(service, &pods.iter().map(endpoint).collect::<Vec<_>>());
    }

    fn slice(&mut self, service: &str, endpoints: &[Value]) {
        let version = self.next();
        let slice = json!({
            "metadata": {"name": service, "namespace": "shop", "uid": service, "resourceVersion": version.to_string(),
                "labels": {"kubernetes.io/service-name": service, label::ROLLOUT: "web"}},
            "endpoints": endpoints,
        });
        for view in crate::stores::slices_of(vec![slice]) {
            self.stores.slices.offer(view);
        }
    }

    /// Writes the route as the given hand. While a rollout is under way the owner had written it before the first write by Teal.
    pub(crate) fn route(&mut self, destinations: &Value, manager: &str) {
        let commit = &self.rollout["status"]["commit"];
        let noted = !(commit["candidate"].is_null() && commit["previous"].is_null());
        self.noted_route(destinations, manager, noted);
    }

    /// The same, with or without what Teal notes.
    pub(super) fn noted_route(&mut self, destinations: &Value, manager: &str, noted: bool) {
        let version = self.next();
        let saved = json!({"routes": [], "writers": ["owner"]}).to_string();
        let notes = if noted { json!({format!("saved.teal.dev/{UID}"): saved}) } else { json!({}) };
        let route = json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": "web", "namespace": "shop", "uid": "vs", "resourceVersion": version.to_string(),
                "generation": version, "annotations": notes,
                "managedFields": [{"manager": manager, "operation": "Update", "time": "2026-01-01T00:00:00Z",
                    "fieldsV1": {"f:spec": {"f:http": {}}}}]},
            "spec": {"hosts": ["web"], "http": [{"name": "primary", "route": destinations}]},
        });
        self.stores.offer(kinds::VIRTUAL_SERVICE, &route);
    }

    /// The route as its owner wrote it, on which Teal has noted nothing, or on which a record stands.
    pub(super) fn own_route(&mut self, destinations: &Value, record: Option<(&str, &str)>) {
        self.route(destinations, "owner");
        let version = self.next();
        let mut object = self.stores.virtual_services.get("shop", "web").expect("a route").value();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        object["metadata"]["annotations"] = json!({"team": "shop"});
        if let Some((uid, text)) = record {
            object["metadata"]["annotations"][format!("saved.teal.dev/{uid}")] = json!(text);
        }
        self.stores.offer(kinds::VIRTUAL_SERVICE, &object);
    }

    /// Two routes as Teal has entered them: one of a prefix, and the rest.
    pub(super) fn two_routes(&mut self, api: &Value, rest: &Value) {
        self.route(rest, "owner");
        let saved = json!({"routes": [
            {"route": "name:api", "service": "web"}, {"route": "name:primary", "service": "web"},
        ]});
        self.annotate_route("saved", &saved.to_string());
        self.put_first(&json!({"name": "api", "match": [{"uri": {"prefix": "/api"}}], "route": api}));
    }

    /// One more http route before the others.
    pub(super) fn put_first(&mut self, route: &Value) {
        let version = self.next();
        let mut object = self.stores.virtual_services.get("shop", "web").expect("a route").value();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        object["metadata"]["generation"] = json!(version);
        object["spec"]["http"].as_array_mut().expect("routes").insert(0, route.clone());
        self.stores.offer(kinds::VIRTUAL_SERVICE, &object);
    }

    /// The candidate's role selects the candidate.
    pub(crate) fn point_candidate(&mut self) {
        let slot = self.slot(Color::Green);
        self.service("web-candidate", "candidate", slot);
    }

    /// The Rollout's namespace is in ambient mode, and names this waypoint, or "none".
    pub(super) fn ambient(&mut self, waypoint: &str) {
        self.stores.ambient.put("shop", waypoint);
    }

    /// One more ready pod of blue, with a label of its own.
    pub(super) fn pod(&mut self, key: &str, value: &str) {
        self.pods(Color::Blue, &[true; 4]);
        let version = self.next();
        let mut pod = (*self.stores.pods.get("shop", "pod-3").expect("a pod")).clone();
        pod.version = version;
        pod.labels.push((key.to_owned(), value.to_owned()));
        self.stores.pods.offer(pod);
    }

    /// The route belongs to these gateways.
    pub(super) fn gateways(&mut self, gateways: &Value) {
        let version = self.next();
        let mut object = self.stores.virtual_services.get("shop", "web").expect("a route").value();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        object["spec"]["gateways"] = gateways.clone();
        self.stores.offer(kinds::VIRTUAL_SERVICE, &object);
    }

    /// The owner applied the route by `kubectl apply`, which keeps this much of it.
    pub(super) fn last_applied(&mut self, bytes: usize) {
        let version = self.next();
        let mut object = self.stores.virtual_services.get("shop", "web").expect("a route").value();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
            json!("x".repeat(bytes));
        self.stores.offer(kinds::VIRTUAL_SERVICE, &object);
    }

    /// Others delegate to the route, which has no hosts of its own, from the namespaces that it is exported to.
    pub(super) fn delegate(&mut self, export_to: &Value) {
        let version = self.next();
        let mut object = self.stores.virtual_services.get("shop", "web").expect("a route").value();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        object["spec"].as_object_mut().expect("a spec").remove("hosts");
        object["spec"]["exportTo"] = export_to.clone();
        self.stores.offer(kinds::VIRTUAL_SERVICE, &object);
    }

    /// Routes are written against what other hands left there.
    pub(super) fn corrects(&mut self, at: i64) {
        self.memory.corrections.tried(Time(at));
    }

    /// An annotation of the route, by another hand.
    pub(super) fn annotate_route(&mut self, key: &str, text: &str) {
        self.annotate_any_route("web", key, text);
    }

    /// The same on another one.
    pub(super) fn annotate_any_route(&mut self, name: &str, key: &str, text: &str) {
        let version = self.next();
        let mut object = self.stores.virtual_services.get("shop", name).expect("a route").value();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        object["metadata"]["annotations"][format!("{key}.teal.dev/{UID}")] = json!(text);
        self.stores.offer(kinds::VIRTUAL_SERVICE, &object);
    }

    /// Another Rollout, made at that time, with these Services and the same VirtualService.
    pub(super) fn rival(&mut self, created: &str, services: &Value) {
        let version = self.next().to_string();
        let mut own = self.rollout.clone();
        own["metadata"]["creationTimestamp"] = json!("2026-06-01T00:00:00Z");
        let mut other = own.clone();
        other["metadata"] = json!({"name": "other", "namespace": "shop", "uid": "other", "generation": 1,
            "resourceVersion": version, "creationTimestamp": created});
        other["spec"]["traffic"]["services"] = services.clone();
        self.stores.offer_rollout(own, "");
        self.neighbor(other);
    }

    /// Another Rollout.
    pub(crate) fn neighbor(&mut self, mut other: Value) {
        other["metadata"]["resourceVersion"] = json!(self.next().to_string());
        self.stores.offer_rollout(other, "");
        let all = || self.stores.rollouts.all();
        self.pokes.note(&Touched::All, all, |_| None);
    }

    pub(super) fn without_route(&mut self) {
        self.stores.virtual_services.forget(&ObjectId::new("shop", "web"));
    }
}

fn installed_hash(rollout: &Value) -> ContentHash {
    let mut release = rollout["spec"]["release"].clone();
    if let Some(image) = release.pointer_mut("/manifests/0/spec/template/spec/containers/0/image") {
        *image = json!("web:1");
    }
    teal_release::hash(&release)
}

/// The set of all fields of a value, in the API server's notation, with containers and their like by name.
pub(crate) fn fields(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.iter().map(|(name, value)| (format!("f:{name}"), fields(value)));
            Value::Object(entries.collect())
        }
        Value::Array(items) => {
            let entries = items.iter().map(|item| {
                let key = json!({"name": item["name"]}).to_string();
                (format!("k:{key}"), fields(item))
            });
            Value::Object(entries.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json!({}),
    }
}

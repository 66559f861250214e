//! A namespace of its own on a real API server, with Teal looking after it and somebody who makes pods ready.

pub(crate) mod bad;
pub(crate) mod case;
pub(crate) mod definitions;
pub(crate) mod history;
mod kubelet;
pub(crate) mod objects;
mod people;
pub(crate) mod setup;

use std::time::{Duration, Instant};

use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config, ResourceExt};
use serde_json::{Value, json};
use teal_cluster::{Cluster, Config as TealConfig, Probe, Requests, StopSwitch};
use teal_plan::Span;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio_util::sync::CancellationToken;

use setup::Setup;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long Kubernetes may take for a namespace, while those of ended tests go, too: each takes it hundreds of requests.
const FOR_NAMESPACES: Duration = Duration::from_mins(5);
/// How often Kubernetes is told to look at a namespace that is being deleted; it does so five seconds later.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A label of the namespaces that benches make.
const OURS: &str = "teal.dev/bench";

pub(crate) struct Bench {
    client: Client,
    setup: Setup,
    namespace: String,
    probe: Probe,
    stop: CancellationToken,
    cluster: Option<Cluster>,
    kubelet: tokio::task::JoinHandle<()>,
    /// The specs of VirtualServices that tests wrote.
    written: std::sync::Mutex<Vec<Value>>,
    /// Kept as long as this runs.
    _together: Option<RwLockReadGuard<'static, ()>>,
}

/// Held by all benches together, or by one test that changes the whole server and must be alone.
static TOGETHER: RwLock<()> = RwLock::const_new(());

/// Waits until no bench runs; none begins while the guard is held.
pub(crate) async fn alone() -> RwLockWriteGuard<'static, ()> {
    TOGETHER.write().await
}

impl Bench {
    /// Fails where no API server is given, so that no test passes that did nothing.
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, Setup::default()).await
    }

    /// The same with another Teal than usual.
    pub(crate) async fn start_with(name: &str, setup: Setup) -> Self {
        Self::begin(name, setup, Some(TOGETHER.read().await)).await
    }

    /// While nobody else runs, which the caller made sure of.
    pub(crate) async fn start_alone(name: &str, _: &RwLockWriteGuard<'static, ()>) -> Self {
        Self::begin(name, Setup::default(), None).await
    }

    async fn begin(name: &str, setup: Setup, together: Option<RwLockReadGuard<'static, ()>>) -> Self {
        let client = client().await;
        let namespace = format!("{name}-{:08x}", rand::random::<u32>());
        let namespaces = api(&client, None, "", "v1", "Namespace", "namespaces");
        let object = object(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {OURS: ""}}}),
        );
        namespaces.create(&PostParams::default(), &object).await.expect("a namespace");
        objects::prepare(&client).await;
        let stop = CancellationToken::new();
        let kubelet = tokio::spawn(kubelet::run(client.clone(), namespace.clone()));
        let (cluster, probe) = teal(&client, &setup, &namespace, &stop);
        Self {
            client,
            setup,
            namespace,
            probe,
            stop,
            cluster: Some(cluster),
            kubelet,
            written: std::sync::Mutex::default(),
            _together: together,
        }
    }

    /// With a route, and at rest after the first install of version 1.
    pub(crate) async fn installed(name: &str) -> Self {
        let bench = Self::start(name).await;
        bench.apply_route().await;
        bench.apply(&objects::rollout("1")).await;
        bench.phase("Complete").await;
        bench
    }

    /// With version 2 at 10 %, where it asks for an approval.
    pub(crate) async fn at_ten(name: &str) -> Self {
        let bench = Self::installed(name).await;
        bench.apply(&objects::rollout("2")).await;
        bench.phase("Waiting").await;
        bench
    }

    /// Stops Teal and takes the namespace away, with what would hold it up: a namespace that stays is looked at again and again
    /// by Kubernetes, and a few hundred of them keep it from those that a test waits for.
    pub(crate) async fn end(mut self) {
        self.pause_teal().await;
        let rollouts = self.api("rollouts");
        let free = Patch::Merge(json!({"metadata": {"finalizers": []}}));
        for rollout in rollouts.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default()
        {
            drop(rollouts.patch(&rollout.name_any(), &PatchParams::default(), &free).await);
        }
        let namespaces = api(&self.client, None, "", "v1", "Namespace", "namespaces");
        drop(namespaces.delete(&self.namespace, &DeleteParams::background()).await);
        self.kubelet.abort();
        kubelet::let_go(&self.client, &self.namespace).await;
    }

    pub(crate) async fn delete_namespace(&self) {
        let namespaces = api(&self.client, None, "", "v1", "Namespace", "namespaces");
        namespaces.delete(&self.namespace, &DeleteParams::background()).await.expect("deleted");
    }

    /// Waits until the namespace is gone that is being deleted; says what is left in it if it stays. Kubernetes looks again after
    /// what it guesses that pods and finalizers take, which is longer each time, up to a minute: it is told to look.
    pub(crate) async fn gone(&self) {
        let namespaces = api(&self.client, None, "", "v1", "Namespace", "namespaces");
        let (begun, mut told) = (Instant::now(), Instant::now());
        while let Some(there) = namespaces.get_opt(&self.namespace).await.expect("an answer") {
            assert!(begun.elapsed() < FOR_NAMESPACES, "it stays: {:#}", there.data["status"]);
            if told.elapsed() > LOOK_AGAIN {
                let patch = json!({"metadata": {"annotations": {"test.teal.dev/look": begun.elapsed().as_secs().to_string()}}});
                // It may be gone by now.
                drop(namespaces.patch(&self.namespace, &PatchParams::default(), &Patch::Merge(patch)).await);
                told = Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Lets the pod of a Job end well.
    pub(crate) async fn finish_job(&self, name: &str) {
        self.end_job(name, "Succeeded", "/status/succeeded").await;
    }

    /// Lets the pod of a Job fail.
    pub(crate) async fn fail_job(&self, name: &str) {
        self.end_job(name, "Failed", "/status/failed").await;
    }

    async fn end_job(&self, name: &str, phase: &str, count: &str) {
        let pods = self.api("pods");
        let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"));
        let status = json!({"status": {"phase": phase}});
        self.until("a Job at its end", async || {
            let list = pods.list(&of_job).await.expect("a list");
            for pod in &list.items {
                let name = pod.metadata.name.clone().unwrap_or_default();
                drop(pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await);
            }
            let job = self.value("jobs", name).await;
            job.pointer(count) == Some(&json!(1))
        })
        .await;
    }

    /// Stops Teal.
    pub(crate) async fn pause_teal(&mut self) {
        self.stop.cancel();
        if let Some(cluster) = self.cluster.take() {
            cluster.ended().await;
        }
    }

    /// Starts another one.
    pub(crate) fn resume_teal(&mut self) {
        self.stop = CancellationToken::new();
        let (cluster, probe) = teal(&self.client, &self.setup, &self.namespace, &self.stop);
        (self.cluster, self.probe) = (Some(cluster), probe);
    }

    pub(crate) fn api(&self, plural: &str) -> Api<DynamicObject> {
        let (group, version, kind) = match plural {
            "rollouts" => ("teal.dev", "v1alpha1", "Rollout"),
            "decisions" => ("teal.dev", "v1alpha1", "Decision"),
            "deployments" => ("apps", "v1", "Deployment"),
            "controllerrevisions" => ("apps", "v1", "ControllerRevision"),
            "virtualservices" => ("networking.istio.io", "v1", "VirtualService"),
            "services" => ("", "v1", "Service"),
            "pods" => ("", "v1", "Pod"),
            "configmaps" => ("", "v1", "ConfigMap"),
            "resourcequotas" => ("", "v1", "ResourceQuota"),
            "cronjobs" => ("batch", "v1", "CronJob"),
            "jobs" => ("batch", "v1", "Job"),
            "horizontalpodautoscalers" => ("autoscaling", "v2", "HorizontalPodAutoscaler"),
            "poddisruptionbudgets" => ("policy", "v1", "PodDisruptionBudget"),
            "serviceaccounts" => ("", "v1", "ServiceAccount"),
            "networkpolicies" => ("networking.k8s.io", "v1", "NetworkPolicy"),
            "persistentvolumeclaims" => ("", "v1", "PersistentVolumeClaim"),
            "destinationrules" => ("networking.istio.io", "v1", "DestinationRule"),
            "sidecars" => ("networking.istio.io", "v1", "Sidecar"),
            "serviceentries" => ("networking.istio.io", "v1", "ServiceEntry"),
            "authorizationpolicies" => ("security.istio.io", "v1", "AuthorizationPolicy"),
            "endpointslices" => ("discovery.k8s.io", "v1", "EndpointSlice"),
            "events" => ("events.k8s.io", "v1", "Event"),
            other => panic!("{other}"),
        };
        api(&self.client, Some(&self.namespace), group, version, kind, plural)
    }

    /// Applies with a forced server-side apply, as the given hand.
    pub(crate) async fn apply_as(&self, hand: &str, plural: &str, value: &Value) {
        let name = value["metadata"]["name"].as_str().expect("a name");
        let params = PatchParams::apply(hand).force();
        let answer = self.api(plural).patch(name, &params, &Patch::Apply(value)).await.expect("applied");
        self.note(plural, &answer);
    }

    pub(crate) async fn apply(&self, rollout: &Value) {
        self.apply_as("user", "rollouts", rollout).await;
    }

    /// The VirtualService as its owner writes it: always the whole of it, by a plain update.
    pub(crate) async fn apply_route(&self) {
        let value = objects::virtual_service();
        let routes = self.api("virtualservices");
        if routes.get_opt("web").await.expect("an answer").is_none() {
            let params = PostParams { field_manager: Some("owner".into()), ..PostParams::default() };
            self.note("virtualservices", &routes.create(&params, &object(value)).await.expect("created"));
        } else {
            let patch = json!({"spec": value["spec"]});
            let params = PatchParams { field_manager: Some("owner".into()), ..PatchParams::default() };
            let answer = routes.patch("web", &params, &Patch::Merge(patch)).await.expect("patched");
            self.note("virtualservices", &answer);
        }
    }

    /// Takes note of what a test wrote itself.
    fn note(&self, plural: &str, answer: &DynamicObject) {
        if plural == "virtualservices" {
            self.written.lock().expect("a list").push(answer.data["spec"].clone());
        }
    }

    /// What a test wrote into VirtualServices itself.
    pub(crate) fn written_routes(&self) -> Vec<Value> {
        self.written.lock().expect("a list").clone()
    }

    pub(crate) async fn value(&self, plural: &str, name: &str) -> Value {
        let found = self.api(plural).get_opt(name).await.expect("an answer");
        found.map_or(Value::Null, |object| serde_json::to_value(object).expect("JSON"))
    }

    pub(crate) async fn exists(&self, plural: &str, name: &str) -> Option<bool> {
        Some(self.api(plural).get_opt(name).await.ok()?.is_some())
    }

    pub(crate) async fn status(&self, pointer: &str) -> String {
        let rollout = self.value("rollouts", "web").await;
        let found = rollout.pointer(&format!("/status{pointer}"));
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(crate) async fn finalizers(&self) -> usize {
        let rollout = self.value("rollouts", "web").await;
        rollout.pointer("/metadata/finalizers").and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// Waits for a phase that is of the present generation.
    pub(crate) async fn phase(&self, phase: &str) {
        self.until(phase, async || {
            let rollout = self.value("rollouts", "web").await;
            let seen =
                rollout.pointer("/status/observedGeneration") == rollout.pointer("/metadata/generation");
            seen && rollout.pointer("/status/phase") == Some(&json!(phase))
        })
        .await;
    }

    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let begun = Instant::now();
        while !holds().await {
            if begun.elapsed() > PATIENCE {
                let rollout = self.value("rollouts", "web").await;
                panic!("waited too long for: {what}\n{:#}", rollout["status"]);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until no request was made for two seconds.
    pub(crate) async fn quiet(&self) {
        let mut last = self.requests();
        let mut since = Instant::now();
        self.until("silence", async || {
            if self.requests() != last {
                (last, since) = (self.requests(), Instant::now());
            }
            since.elapsed() > Duration::from_secs(2)
        })
        .await;
    }

    /// The revision that a Service selects.
    pub(crate) async fn selected(&self, service: &str) -> String {
        let service = self.value("services", service).await;
        let revision = service.pointer("/spec/selector/teal.dev~1revision");
        revision.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(crate) async fn route_spec(&self) -> Value {
        self.value("virtualservices", "web").await["spec"].clone()
    }

    /// Hosts and weights of the route.
    pub(crate) async fn weights(&self) -> Vec<(String, i64)> {
        let spec = self.route_spec().await;
        let route = spec.pointer("/http/0/route").and_then(Value::as_array).cloned().unwrap_or_default();
        let sole = route.len() == 1;
        route
            .iter()
            .map(|entry| {
                let host = entry.pointer("/destination/host").and_then(Value::as_str).unwrap_or_default();
                (host.to_owned(), entry["weight"].as_i64().unwrap_or(if sole { 100 } else { 0 }))
            })
            .collect()
    }

    pub(crate) async fn decide(&self, action: &str) {
        self.decide_on(&self.value("rollouts", "web").await, action).await;
    }

    /// Decides on a Rollout as it was read.
    pub(crate) async fn decide_on(&self, rollout: &Value, action: &str) {
        let status = &rollout["status"];
        let revision = status.pointer("/candidate/revision").or_else(|| status.pointer("/live/revision"));
        let mut spec = json!({
            "rollout": {"name": rollout["metadata"]["name"]}, "action": action, "revision": revision,
            "decidedBy": {"user": "admin"}, "reason": "a test says so",
        });
        if let Some(gate) = status.get("gate") {
            spec["step"] = gate["step"].clone();
            spec["nonce"] = gate["nonce"].clone();
        }
        let decision = json!({"apiVersion": "teal.dev/v1alpha1", "kind": "Decision",
            "metadata": {"generateName": "web-"}, "spec": spec});
        self.api("decisions").create(&PostParams::default(), &object(decision)).await.expect("decided");
    }

    /// Status, reason and message of a condition; empty where it is absent.
    pub(crate) async fn condition(&self, kind: &str) -> (String, String, String) {
        let rollout = self.value("rollouts", "web").await;
        let all =
            rollout.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        let found = all.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default();
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    /// Waits until `Accepted` is False for this reason, and checks that its message names what it must.
    pub(crate) async fn refused(&self, reason: &str, names: &[&str]) {
        self.until(reason, async || self.condition("Accepted").await.1 == reason).await;
        let (_, _, message) = self.condition("Accepted").await;
        for name in names {
            assert!(message.contains(name), "{name:?} in {message:?}");
        }
    }

    pub(crate) async fn create(&self, plural: &str, hand: &str, value: Value) {
        let params = PostParams { field_manager: Some(hand.to_owned()), ..PostParams::default() };
        let answer = self.api(plural).create(&params, &object(value)).await.expect("created");
        self.note(plural, &answer);
    }

    /// A merge patch as the given hand.
    pub(crate) async fn merge_as(&self, hand: &str, plural: &str, name: &str, patch: Value) {
        let params = PatchParams { field_manager: Some(hand.to_owned()), ..PatchParams::default() };
        let answer = self.api(plural).patch(name, &params, &Patch::Merge(patch)).await.expect("patched");
        self.note(plural, &answer);
    }

    /// Says something in the status of an object, as a controller does.
    pub(crate) async fn tell_status(&self, plural: &str, name: &str, status: Value) {
        let patch = Patch::Merge(json!({"status": status}));
        self.api(plural).patch_status(name, &PatchParams::default(), &patch).await.expect("told");
    }

    pub(crate) async fn lose_status(&self) {
        let patch = Patch::Merge(json!({"status": null}));
        self.api("rollouts").patch_status("web", &PatchParams::default(), &patch).await.expect("lost");
    }

    pub(crate) async fn set_image(&self, deployment: &str, image: &str) {
        let patch =
            json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]);
        let patch: json_patch::Patch = serde_json::from_value(patch).expect("a patch");
        let params = PatchParams { field_manager: Some("somebody".into()), ..PatchParams::default() };
        self.api("deployments").patch(deployment, &params, &Patch::Json::<()>(patch)).await.expect("edited");
    }

    pub(crate) async fn image(&self, deployment: &str) -> String {
        let deployment = self.value("deployments", deployment).await;
        let image = deployment.pointer("/spec/template/spec/containers/0/image");
        image.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(crate) async fn delete(&self, plural: &str, name: &str) {
        self.api(plural).delete(name, &DeleteParams::background()).await.expect("deleted");
    }

    pub(crate) fn requests(&self) -> Requests {
        self.probe.figures().requests
    }

    /// What was asked since then, by verb and kind.
    pub(crate) fn difference(&self, before: &Requests) -> Vec<(&'static str, String, u64)> {
        let now = self.requests();
        now.iter()
            .map(|(key, count)| (key.0, key.1.clone(), count - before.get(key).copied().unwrap_or(0)))
            .filter(|(.., count)| *count > 0)
            .collect()
    }

    /// Writes, without those of the release's objects and Events, and reads since then.
    pub(crate) fn since(&self, before: &Requests) -> (u64, u64) {
        let (mut writes, mut reads) = (0, 0);
        for (verb, kind, count) in self.difference(before) {
            match verb {
                "get" | "list" => reads += count,
                _ if kind == "Deployment" || kind == "Event" => {}
                _ => writes += count,
            }
        }
        (writes, reads)
    }
}

fn teal(client: &Client, setup: &Setup, namespace: &str, stop: &CancellationToken) -> (Cluster, Probe) {
    let client = setup.teal.as_ref().unwrap_or(client);
    let config = TealConfig {
        namespace: Some(namespace.to_owned()),
        propagation: Span(500),
        drain: Span::seconds(1),
        decision_grace: Span::seconds(2),
        gather: Span::seconds(1),
        stop: Some(StopSwitch { namespace: namespace.to_owned(), name: "teal-stop".to_owned() }),
        charts: setup.charts.as_ref().map(|make| make()),
        ..TealConfig::default()
    };
    let cluster = Cluster::start(client.clone(), config, |poker| (setup.measuring)(poker, stop), None, stop);
    let probe = cluster.probe();
    (cluster, probe)
}

/// For the API server that is given.
async fn client() -> Client {
    Client::try_from(config().await).expect("a client")
}

/// How the API server that is given is reached.
async fn config() -> Config {
    let path = std::env::var("TEAL_TEST_KUBECONFIG").expect(
        "an API server in TEAL_TEST_KUBECONFIG, as `cargo xtask server` gives one to tests that are marked \
         #[ignore = \"needs an API server\"]",
    );
    let kubeconfig = Kubeconfig::read_from(path).expect("TEAL_TEST_KUBECONFIG can be read");
    let options = KubeConfigOptions::default();
    Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a usable kubeconfig")
}

pub(crate) fn api(
    client: &Client,
    namespace: Option<&str>,
    group: &str,
    version: &str,
    kind: &str,
    plural: &str,
) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

pub(crate) fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).expect("an object")
}

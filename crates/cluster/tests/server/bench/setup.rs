//! What is other than usual about the Teal of a test: who measures for it, whom it is to the API server, and by which way
//! it reaches it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::api::{DeleteParams, PostParams};
use kube::{Client, Config};
use serde_json::{Value, json};
use teal_api::defaults::FilledCheck;
use teal_api::rollout::CheckStatus;
use teal_cluster::{Charts, Measuring, Poker, Questions, Unmeasured};
use teal_plan::snapshot::{CheckSeen, Standing};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{api, config, object};

/// Makes whoever measures.
pub(crate) type Measures = Arc<dyn Fn(Poker, &CancellationToken) -> Arc<dyn Measuring> + Send + Sync>;

/// Makes whoever renders charts.
pub(crate) type Renders = Arc<dyn Fn() -> Charts + Send + Sync>;

/// What is other than usual.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) measuring: Measures,
    /// The client of Teal, where it isn't that of the test.
    pub(crate) teal: Option<Client>,
    /// Who renders charts, where they are on.
    pub(crate) charts: Option<Renders>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { measuring: Arc::new(|_, _| Arc::new(Unmeasured)), teal: None, charts: None }
    }
}

impl Setup {
    /// With metrics that have an answer to every question, and no data in it.
    pub(crate) fn without_data() -> Self {
        let measuring = |poker, _: &CancellationToken| -> Arc<dyn Measuring> {
            Arc::new(WithoutData { poker, asked: Mutex::default() })
        };
        Self { measuring: Arc::new(measuring), ..Self::default() }
    }

    /// With another client.
    pub(crate) fn with_client(client: Client) -> Self {
        Self { teal: Some(client), ..Self::default() }
    }
}

/// Knows of each check that it can be asked, and nothing else.
struct WithoutData {
    poker: Poker,
    asked: Mutex<HashMap<String, Vec<String>>>,
}

impl Measuring for WithoutData {
    fn ask(&self, questions: Questions) {
        let Questions { uid, namespace, name, checks, .. } = questions;
        let names: Vec<String> = checks.into_iter().map(|question| question.check.name).collect();
        let before = self.asked.lock().expect("the questions").insert(uid, names.clone());
        if before.unwrap_or_default() != names {
            self.poker.poke(&namespace, &name);
        }
    }
    fn standing(&self, uid: &str) -> Vec<(String, CheckSeen)> {
        let asked = self.asked.lock().expect("the questions").get(uid).cloned().unwrap_or_default();
        let seen = CheckSeen {
            standing: Standing::Pending,
            place: None,
            detail: String::new(),
            trouble: None,
            good: false,
            answered: true,
        };
        asked.into_iter().map(|check| (check, seen.clone())).collect()
    }
    fn statuses(&self, _: &str) -> Vec<CheckStatus> {
        Vec::new()
    }
    fn forget(&self, uid: &str) {
        self.asked.lock().expect("the questions").remove(uid);
    }
    fn problem(&self, _: &FilledCheck) -> Option<(&'static str, String)> {
        None
    }
}

/// The right to see admission policies, to be given later.
pub(crate) struct Grant {
    client: Client,
    name: String,
}

/// An account that may do everything but see the policies that prove who decides: to Teal they are not there.
pub(crate) async fn without_policies() -> (Client, Grant) {
    let name = format!("teal-test-{:08x}", rand::random::<u32>());
    let mut config = config().await;
    let client = Client::try_from(config.clone()).expect("a client");
    let groups = [
        "",
        "apps",
        "batch",
        "autoscaling",
        "policy",
        "discovery.k8s.io",
        "events.k8s.io",
        "apiextensions.k8s.io",
        "rbac.authorization.k8s.io",
        "networking.k8s.io",
        "networking.istio.io",
        "security.istio.io",
        "teal.dev",
        "monitoring.coreos.com",
        "keda.sh",
        "autoscaling.k8s.io",
        "external-secrets.io",
    ];
    let grant = Grant { client, name };
    grant.allow(&grant.name, &groups).await;
    config.auth_info.impersonate = Some(grant.name.clone());
    (Client::try_from(config).expect("a client"), grant)
}

impl Grant {
    pub(crate) async fn give(&self) {
        self.allow(&format!("{}-policies", self.name), &["admissionregistration.k8s.io"]).await;
    }

    /// Takes all rights of the account away again.
    pub(crate) async fn take(&self) {
        for name in [self.name.clone(), format!("{}-policies", self.name)] {
            for (kind, plural) in
                [("ClusterRole", "clusterroles"), ("ClusterRoleBinding", "clusterrolebindings")]
            {
                let api = api(&self.client, None, "rbac.authorization.k8s.io", "v1", kind, plural);
                drop(api.delete(&name, &DeleteParams::default()).await);
            }
        }
    }

    async fn allow(&self, name: &str, groups: &[&str]) {
        let group = "rbac.authorization.k8s.io";
        let role = json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": name},
            "rules": [{"apiGroups": groups, "resources": ["*"], "verbs": ["*"]}]});
        let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": group, "kind": "User", "name": self.name}]});
        for (kind, plural, value) in
            [("ClusterRole", "clusterroles", role), ("ClusterRoleBinding", "clusterrolebindings", binding)]
        {
            let api = api(&self.client, None, group, "v1", kind, plural);
            api.create(&PostParams::default(), &object(value)).await.expect("a right");
        }
    }
}

/// The way to the API server, which can be closed.
pub(crate) struct Door {
    open: watch::Sender<bool>,
    frozen: watch::Sender<()>,
}

impl Door {
    /// Cuts all connections, and lets no new one in.
    pub(crate) fn shut(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// From now on nothing passes on the connections that there are, and nobody is told. New ones are let in.
    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(());
    }
}

/// A client that reaches the API server through a door, and holds a connection for dead on which nothing has come for so long.
pub(crate) async fn through_a_door(silence: Option<Duration>) -> (Door, Client) {
    let mut config: Config = config().await;
    let host = config.cluster_url.host().expect("a host").to_owned();
    let server = format!("{host}:{}", config.cluster_url.port_u16().unwrap_or(443));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (open, is_open) = watch::channel(true);
    let (frozen, is_frozen) = watch::channel(());
    tokio::spawn(attend(listener, server, is_open, is_frozen));
    config.read_timeout = silence;
    config.cluster_url = at(address);
    config.tls_server_name.get_or_insert(host);
    (Door { open, frozen }, Client::try_from(config).expect("a client"))
}

fn at(address: SocketAddr) -> http::Uri {
    format!("https://{address}").parse().expect("an address")
}

async fn attend(
    listener: TcpListener,
    server: String,
    is_open: watch::Receiver<bool>,
    is_frozen: watch::Receiver<()>,
) {
    while let Ok((mut inside, _)) = listener.accept().await {
        let (server, mut is_open, mut is_frozen) = (server.clone(), is_open.clone(), is_frozen.clone());
        is_frozen.mark_unchanged();
        tokio::spawn(async move {
            if !*is_open.borrow_and_update() {
                return;
            }
            let Ok(mut outside) = TcpStream::connect(server).await else { return };
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut inside, &mut outside) => {}
                // Also where it is opened again at once.
                _ = is_open.changed() => {}
                // Held open, until the other end gives it up or the test ends.
                _ = is_frozen.changed() => until_closed(&mut inside).await,
            }
        });
    }
}

/// Reads nothing of what comes, but for the end.
async fn until_closed(inside: &mut TcpStream) {
    let mut rest = [0; 4096];
    while inside.read(&mut rest).await.is_ok_and(|count| count > 0) {}
}

/// A node of a pool of its own, which is ready as long as this is there.
pub(crate) struct Pool {
    client: Client,
    pub(crate) name: String,
    beats: tokio::task::JoinHandle<()>,
}

impl Pool {
    pub(crate) async fn start(client: Client, cpus: &str) -> Self {
        let name = format!("teal-test-{:08x}", rand::random::<u32>());
        let node = json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"test.teal.dev/pool": name}}});
        nodes(&client).create(&PostParams::default(), &object(node)).await.expect("a node");
        let pool = Self { beats: tokio::spawn(beat(client.clone(), name.clone())), client, name };
        pool.resize(cpus).await;
        pool.untainted().await;
        pool
    }

    pub(crate) async fn resize(&self, cpus: &str) {
        let room = json!({"cpu": cpus, "memory": "64Gi", "pods": "100000"});
        let status = json!({"status": {"capacity": room, "allocatable": room}});
        self.patch(status).await;
    }

    /// The controllers take the taint of a new node away once it is ready.
    async fn untainted(&self) {
        let begun = std::time::Instant::now();
        loop {
            let node = nodes(&self.client).get(&self.name).await.expect("the node");
            let taints = node.data.pointer("/spec/taints").and_then(Value::as_array).map_or(0, Vec::len);
            if taints == 0 {
                return;
            }
            assert!(begun.elapsed() < super::PATIENCE, "{:#}", node.data);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn patch(&self, status: Value) {
        let patch = kube::api::Patch::Merge(status);
        let params = kube::api::PatchParams::default();
        nodes(&self.client).patch_status(&self.name, &params, &patch).await.expect("patched");
    }

    pub(crate) async fn end(self) {
        self.beats.abort();
        drop(nodes(&self.client).delete(&self.name, &DeleteParams::default()).await);
    }
}

fn nodes(client: &Client) -> kube::Api<kube::api::DynamicObject> {
    api(client, None, "", "v1", "Node", "nodes")
}

/// A node that isn't heard of is tainted after a while.
async fn beat(client: Client, name: String) {
    loop {
        let now = jiff::Timestamp::now().to_string();
        let ready = json!({"type": "Ready", "status": "True", "reason": "Test", "lastHeartbeatTime": now,
            "lastTransitionTime": now});
        let status = kube::api::Patch::Merge(json!({"status": {"conditions": [ready]}}));
        let params = kube::api::PatchParams::default();
        drop(nodes(&client).patch_status(&name, &params, &status).await);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

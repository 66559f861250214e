//! etcd, the API server, the controller manager and the scheduler.

use http_body_util::Empty;
use hyper::body::Bytes;
use serde_json::json;
use tokio::process::Command;

use super::keys::API_PORT;
use super::{Bed, PATIENCE, Profile};
use crate::error::{At, Result};
use crate::namespaces::NODE_ADDRESS;

pub(super) const ETCD: &str = "http://127.0.0.1:2379";
const SERVICES: &str = "10.96.0.0/16";
pub(super) const PODS: &str = "10.244.0.0/16";

impl Bed {
    /// Starts etcd and the API server and waits until it answers.
    pub(super) async fn start_api(&self) -> Result<()> {
        self.start_etcd()?;
        self.ready_when_ok("etcd", &format!("{ETCD}/readyz")).await?;
        self.start_apiserver()?;
        let http = self.cluster().quiet_http().await?;
        let url = format!("https://{NODE_ADDRESS}:{API_PORT}/readyz");
        let ready = async || {
            let request =
                http::Request::get(&url).body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
            let answer = http.request(request).await.map_err(|error| error.to_string())?;
            if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
        };
        self.processes.until("kube-apiserver", PATIENCE, ready).await?;
        self.note("kube-apiserver");
        Ok(())
    }

    fn start_etcd(&self) -> Result<()> {
        let mut command = self.command("etcd", "etcd")?;
        command
            .arg("--data-dir")
            .arg(self.volatile("etcd"))
            .args(["--listen-client-urls", ETCD, "--advertise-client-urls", ETCD])
            .args(["--listen-peer-urls", "http://127.0.0.1:2380", "--unsafe-no-fsync", "--log-level", "warn"])
            // A member without others waits for the election all the same, up to a second by default.
            .args(["--heartbeat-interval", "10", "--election-timeout", "50"])
            // A long history of thousands of objects must not meet the default of 2 GB.
            .args(["--quota-backend-bytes", "8589934592"]);
        self.launch("etcd", &mut command).map(drop)
    }

    fn start_apiserver(&self) -> Result<()> {
        let mut command = self.command("kubernetes", "kube-apiserver")?;
        let keys = |name: &str| self.keys.path(name).display().to_string();
        command.args([
            format!("--etcd-servers={ETCD}"),
            "--bind-address=0.0.0.0".into(),
            format!("--advertise-address={NODE_ADDRESS}"),
            format!("--secure-port={API_PORT}"),
            format!("--service-cluster-ip-range={SERVICES}"),
            format!("--tls-cert-file={}", keys("server.crt")),
            format!("--tls-private-key-file={}", keys("server.key")),
            format!("--token-auth-file={}", keys("tokens.csv")),
            "--authorization-mode=RBAC".into(),
            "--allow-privileged=true".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-key-file={}", keys("account.pub")),
            format!("--service-account-signing-key-file={}", keys("account.key")),
            "--kubelet-preferred-address-types=InternalIP".into(),
            // What an aggregated API server (an APIService) knows its caller by.
            format!("--requestheader-client-ca-file={}", keys("ca.crt")),
            "--requestheader-allowed-names=front-proxy-client".into(),
            "--requestheader-username-headers=X-Remote-User".into(),
            "--requestheader-group-headers=X-Remote-Group".into(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
            format!("--proxy-client-cert-file={}", keys("front-proxy-client.crt")),
            format!("--proxy-client-key-file={}", keys("front-proxy-client.key")),
            format!("--cert-dir={}", self.volatile("apiserver").display()),
        ]);
        if let Some(version) = &self.config.emulated_version {
            command.arg(format!("--emulated-version={version}"));
        }
        if self.config.history {
            command.args(["--storage-media-type=application/json", "--etcd-compaction-interval=0"]);
        }
        if self.config.audit {
            self.audit_arguments(&mut command)?;
        }
        self.launch("kube-apiserver", &mut command).map(drop)
    }

    fn audit_arguments(&self, command: &mut Command) -> Result<()> {
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived", "ResponseStarted"],
            "rules": [{"level": "Metadata"}],
        });
        let path = self.folder.join("audit-policy.json");
        std::fs::write(&path, policy.to_string()).at("write", &path)?;
        command.arg(format!("--audit-policy-file={}", path.display()));
        command.arg(format!("--audit-log-path={}", self.audit_log_path().display()));
        Ok(())
    }

    /// Starts what turns objects into other objects and gives pods their nodes.
    pub(super) fn start_controllers(&self) -> Result<()> {
        let mut manager = self.command("kubernetes", "kube-controller-manager")?;
        manager
            .arg(format!("--kubeconfig={}", self.keys.kubeconfig("kube-controller-manager").display()))
            .arg(format!("--root-ca-file={}", self.keys.path("ca.crt").display()))
            .arg(format!("--service-account-private-key-file={}", self.keys.path("account.key").display()))
            .arg(format!("--cluster-cidr={PODS}"))
            .args([
                "--controllers=*,-nodeipam,-cloud-node-lifecycle",
                "--use-service-account-credentials=false",
            ])
            .args(["--leader-elect=false", "--bind-address=127.0.0.1", "--allocate-node-cidrs=false"])
            // The default of 20 requests a second would be the bottleneck of every measurement.
            .args(["--kube-api-qps=1000", "--kube-api-burst=2000"])
            // Each namespace that goes takes hundreds of requests, one after the other: with the default of 10 at a time those of ended
            // tests stand in line for minutes before the one that a test waits for.
            .arg("--concurrent-namespace-syncs=40");
        self.launch("kube-controller-manager", &mut manager)?;
        let mut scheduler = self.command("kubernetes", "kube-scheduler")?;
        scheduler
            .arg(format!("--kubeconfig={}", self.keys.kubeconfig("kube-scheduler").display()))
            .args(["--leader-elect=false", "--bind-address=127.0.0.1"])
            .args(["--kube-api-qps=1000", "--kube-api-burst=2000"]);
        self.launch("kube-scheduler", &mut scheduler).map(drop)
    }

    /// Starts pretended nodes.
    pub(super) async fn start_kwok(&self, nodes: u32) -> Result<()> {
        let mut kwok = self.command("kwok", "kwok")?;
        kwok.arg(format!("--kubeconfig={}", self.keys.kubeconfig("kubelet").display()))
            .arg("--manage-all-nodes=false")
            .arg("--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake")
            .arg(format!("--cidr={PODS}"))
            .arg("--node-lease-duration-seconds=40");
        for stage in ["node-initialize", "node-heartbeat", "pod-ready", "pod-complete", "pod-delete"] {
            kwok.arg("--config").arg(self.parts.file("kwok", &format!("{stage}.yaml"))?);
        }
        self.launch("kwok", &mut kwok)?;
        let objects: Vec<_> = (0..nodes).map(pretended_node).collect();
        self.cluster().apply_all(&objects).await?;
        self.ready_nodes(nodes as usize).await
    }

    /// Whether there is a kubelet.
    pub(super) fn has_node(&self) -> bool {
        self.config.profile == Profile::Full
    }
}

fn pretended_node(index: u32) -> serde_json::Value {
    let name = format!("kwok-{index}");
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"},
        },
        "status": {
            "allocatable": {"cpu": "1000", "memory": "1Ti", "pods": "1000"},
            "capacity": {"cpu": "1000", "memory": "1Ti", "pods": "1000"},
        },
    })
}

//! The node: containerd, the kubelet, kube-proxy and cluster DNS.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::Bed;
use super::control_plane::PODS;
use crate::cgroup;
use crate::error::{At, Error, Result, invalid};
use crate::image::{Image, write_archive};
use crate::namespaces::{DNS_SERVICE, NODE_ADDRESS};
use crate::parts::find_program;

/// The image that holds a pod's namespaces open.
const PAUSE: &str = "teal.dev/bed/pause:1";
pub(super) const NODE: &str = "bed";
const CNI: &str = "/usr/lib/cni";

impl Bed {
    /// Starts containerd and imports the images; needs no API server.
    pub(super) async fn start_containerd(&self) -> Result<()> {
        let network = self.write("cni/10-bed.conflist", &network().to_string())?;
        let folder = network.parent().unwrap_or(Path::new("/")).display().to_string();
        let text = containerd_config(&self.volatile("containerd"), &self.socket(), &folder)?;
        let config = self.write("containerd.toml", &text)?;
        cgroup::take_containers(&self.name)?;
        let mut command = self.command("containerd", "containerd")?;
        command.arg("--config").arg(config);
        let pid = self.launch("containerd", &mut command)?;
        // Shims are started by containerd, and so are in the group too.
        cgroup::adopt(&self.name, cgroup::PARTS, pid).at("join", "control group of the bed")?;
        let socket = self.socket();
        let listening = async || {
            tokio::net::UnixStream::connect(&socket).await.map(drop).map_err(|error| error.to_string())
        };
        self.processes.until("containerd", Duration::from_secs(30), listening).await?;
        self.note("containerd");
        self.import_image(&self.pause_image()?).await?;
        for archive in &self.config.images {
            self.import_image(archive).await?;
        }
        self.note("images");
        Ok(())
    }

    fn pause_image(&self) -> Result<PathBuf> {
        let archive = self.folder.join("pause.tar");
        let image = Image::of_binary(PAUSE, &self.parts.file("images", "pause")?, "/pause");
        write_archive(&image, &archive)?;
        Ok(archive)
    }

    /// Gives the node an image archive, under the name that its index says.
    pub async fn import_image(&self, archive: &Path) -> Result<()> {
        let mut command = self.command("containerd", "ctr")?;
        command.arg("--address").arg(self.socket()).args(["-n", "k8s.io", "images", "import"]).arg(archive);
        let output = command.output().await;
        let output = output.map_err(|source| Error::Spawn { program: "ctr".into(), source })?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(invalid(archive.display().to_string(), format!("containerd does not import it: {text}")))
    }

    /// Starts the kubelet and kube-proxy.
    pub(super) fn start_kubelet(&self) -> Result<()> {
        cgroup::create(&self.name).at("make", "control group of the bed")?;
        let config = self.write("kubelet.json", &self.kubelet_config().to_string())?;
        let mut kubelet = self.command("kubernetes", "kubelet")?;
        kubelet
            .arg(format!("--config={}", config.display()))
            .arg(format!("--kubeconfig={}", self.keys.kubeconfig("kubelet").display()))
            .arg(format!("--root-dir={}", self.volatile("kubelet").display()))
            .arg(format!("--cert-dir={}", self.volatile("kubelet-pki").display()))
            .arg(format!("--hostname-override={NODE}"))
            .arg(format!("--node-ip={NODE_ADDRESS}"));
        self.launch("kubelet", &mut kubelet)?;
        let config = self.write("kube-proxy.json", &self.proxy_config().to_string())?;
        let mut proxy = self.command("kubernetes", "kube-proxy")?;
        proxy.arg(format!("--config={}", config.display()));
        self.launch("kube-proxy", &mut proxy).map(drop)
    }

    fn kubelet_config(&self) -> Value {
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": "0.0.0.0",
            "tlsCertFile": self.keys.path("server.crt"),
            "tlsPrivateKeyFile": self.keys.path("server.key"),
            "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": format!("unix://{}", self.socket().display()),
            "clusterDNS": [DNS_SERVICE],
            "clusterDomain": "cluster.local",
            "resolvConf": "",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{}", self.name),
            "cgroupsPerQOS": false,
            "enforceNodeAllocatable": [],
            "failCgroupV1": false,
            "failSwapOn": false,
            "podLogsDir": self.folder.join("pods"),
            "volumePluginDir": self.volatile("volume-plugins"),
            "maxPods": 250,
            "serializeImagePulls": false,
            // A nearly full disk of the machine is no reason to evict.
            "evictionHard": {
                "memory.available": "1Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
                "imagefs.available": "0%", "imagefs.inodesFree": "0%",
            },
            "imageGCHighThresholdPercent": 100,
            "kubeAPIQPS": 500,
            "kubeAPIBurst": 1000,
        })
    }

    fn proxy_config(&self) -> Value {
        json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": self.keys.kubeconfig("kube-proxy")},
            "clusterCIDR": PODS,
            "hostnameOverride": NODE,
            "mode": "iptables",
            "conntrack": {"maxPerCore": 0},
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
        })
    }

    /// Starts DNS beside the node and makes it the Service that pods ask.
    pub(super) async fn start_dns(&self) -> Result<()> {
        let text = format!(
            ".:53 {{\n  bind {NODE_ADDRESS}\n  errors\n  health 127.0.0.1:8080\n  ready 127.0.0.1:8181\n  kubernetes cluster.local in-addr.arpa {{\n    \
             kubeconfig {} bed\n    pods insecure\n    ttl 5\n  }}\n  cache 5\n}}\n",
            self.keys.kubeconfig("coredns").display()
        );
        let config = self.write("Corefile", &text)?;
        let mut command = self.command("coredns", "coredns")?;
        command.arg("-conf").arg(config);
        self.launch("coredns", &mut command)?;
        self.cluster().apply_all(&dns_objects()).await?;
        self.ready_when_ok("coredns", "http://127.0.0.1:8181/ready").await
    }

    fn socket(&self) -> PathBuf {
        self.volatile("containerd.sock")
    }
}

/// Each pod gets a link of its own to the node, not a port of a bridge: a packet to a
/// Service whose pod is on the same node then passes the rules in both directions.
fn network() -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "bed",
        "plugins": [{
            "type": "ptp",
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni",
                "ranges": [[{"subnet": PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    })
}

fn containerd_config(root: &Path, socket: &Path, network: &str) -> Result<String> {
    let runc = find_program("runc")
        .ok_or_else(|| Error::Missing { programs: "runc".into(), packages: "runc".into() })?;
    let runtime = json!({
        "restrict_oom_score_adj": true,
        "containerd": {
            "default_runtime_name": "runc",
            "runtimes": {"runc": {
                "runtime_type": "io.containerd.runc.v2",
                "options": {"SystemdCgroup": false, "BinaryName": runc},
            }},
        },
        "cni": {"bin_dirs": [CNI], "conf_dir": network},
    });
    let config = json!({
        "version": 3,
        "root": root.join("root"),
        "state": root.join("state"),
        "grpc": {"address": socket},
        "ttrpc": {"address": root.join("ttrpc.sock")},
        "plugins": {
            "io.containerd.cri.v1.images": {"snapshotter": "overlayfs", "pinned_images": {"sandbox": PAUSE}},
            "io.containerd.cri.v1.runtime": runtime,
        },
    });
    toml::to_string(&config).map_err(|error| invalid("configuration of containerd", error.to_string()))
}

fn dns_objects() -> Vec<Value> {
    let ports = |target: bool| -> Vec<Value> {
        let number = |name: &str, protocol: &str| {
            let mut port = json!({"name": name, "port": 53, "protocol": protocol});
            if target {
                port["targetPort"] = json!(53);
            }
            port
        };
        vec![number("dns", "UDP"), number("dns-tcp", "TCP")]
    };
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": DNS_SERVICE, "ports": ports(true)},
    });
    let endpoints = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns", "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns", "endpointslice.kubernetes.io/managed-by": "teal-bed"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": true}}],
        "ports": ports(false),
    });
    vec![service, endpoints]
}

//! Istio: its kinds, istiod, and Envoy as ingress gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Bed;
use super::process::Processes;
use crate::cgroup;
use crate::error::{At, Result, invalid};
use crate::namespaces::NODE_ADDRESS;

const XDS_PORT: u16 = 15010;
const ADMIN_PORT: u16 = 15000;
const SIDECAR_ADMIN_PORT: u16 = 15100;
/// Of no pod and no endpoint, so that nobody's Service is behind that proxy.
const SIDECAR_ADDRESS: &str = "10.0.0.99";
const NAMESPACE: &str = "istio-system";
const GATEWAY: &str = "istio-ingress";
const SIDECAR: &str = "sidecar";
/// Ports of the Service that stands for the gateway.
const GATEWAY_PORTS: [(&str, u16); 3] = [("http2", 80), ("http-alt", 8080), ("tcp", 9000)];

/// Envoy's admin page.
pub(super) fn admin() -> String {
    format!("http://{NODE_ADDRESS}:{ADMIN_PORT}")
}

impl Bed {
    /// Applies Istio's kinds and waits until they are served.
    pub(super) async fn apply_istio_kinds(&self) -> Result<()> {
        let path = self.parts.file("istio-crds", "istio-crds.yaml")?;
        let text = std::fs::read_to_string(&path).at("read", &path)?;
        let documents: std::result::Result<Vec<Value>, _> =
            serde_yaml::Deserializer::from_str(&text).map(Value::deserialize).collect();
        let documents = documents.map_err(|error| invalid(path.display().to_string(), error.to_string()))?;
        let objects: Vec<Value> = documents.into_iter().filter(|object| !object.is_null()).collect();
        self.cluster().apply_all(&objects).await?;
        let client = self.cluster().client().await?;
        for version in ["networking.istio.io/v1", "security.istio.io/v1"] {
            let served = async || {
                let list = client.list_api_group_resources(version).await;
                list.map(drop).map_err(|error| error.to_string())
            };
            self.processes
                .until(&format!("Istio's kinds {version}"), Duration::from_secs(30), served)
                .await?;
        }
        self.note("istio kinds");
        Ok(())
    }

    /// Starts istiod and the gateway, and waits until the gateway has its configuration.
    pub(super) async fn start_mesh(&self) -> Result<()> {
        self.cluster()
            .apply_all(&[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})])
            .await?;
        self.start_istiod(&self.config.istiod_environment)?;
        let objects = gateway_objects();
        let objects = self.cluster().apply_all(&objects);
        let istiod = self.ready_when_ok("istiod", "http://127.0.0.1:15080/ready");
        tokio::try_join!(self.apply_istio_kinds(), objects, istiod)?;
        self.start_envoy()?;
        self.ready_when_ok("envoy", &format!("{}/ready", admin())).await
    }

    /// Starts istiod anew with this environment in place of the one that it was given, and waits until the gateway has taken its
    /// configuration from it. Meanwhile the gateway goes on with the one that it has.
    pub async fn restart_istiod(&self, environment: &BTreeMap<String, String>) -> Result<()> {
        let taken = |stats: &str| stats.rsplit_once(": ").and_then(|(_, count)| count.trim().parse().ok());
        let url = format!("{}/stats?filter=^cluster_manager.cds.update_success$", admin());
        let count = async || -> std::result::Result<u64, String> {
            let answer = reqwest::get(&url).await.and_then(reqwest::Response::error_for_status);
            let text = answer.map_err(|error| error.to_string())?.text().await;
            let text = text.map_err(|error| error.to_string())?;
            taken(&text).ok_or(text)
        };
        let before = self.processes.until("envoy's counters", Duration::from_secs(10), count).await?;
        self.processes.kill("istiod").await?;
        self.start_istiod(environment)?;
        self.ready_when_ok("istiod", "http://127.0.0.1:15080/ready").await?;
        let anew = async || match count().await? {
            now if now > before => Ok(()),
            _ => Err("no new configuration".to_owned()),
        };
        self.processes.until("configuration from the new istiod", Duration::from_secs(30), anew).await
    }

    fn start_istiod(&self, environment: &BTreeMap<String, String>) -> Result<()> {
        // Automatic mutual TLS would make clusters wait for certificates nobody gives.
        let mesh =
            self.write("mesh.json", &json!({"enableAutoMtls": false, "accessLogFile": ""}).to_string())?;
        let mut istiod = self.command("istiod", "istiod")?;
        istiod
            .envs([
                ("POD_NAMESPACE", NAMESPACE),
                ("POD_NAME", "istiod-bed"),
                ("REVISION", "default"),
                // Envoy as released lacks Istio's own filters.
                ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
                ("PILOT_ENABLE_TELEMETRY_LABEL", "false"),
                ("PILOT_ENABLE_ALPN_FILTER", "false"),
                // No proxy asks for a certificate, and making an authority takes a while.
                ("ENABLE_CA_SERVER", "false"),
            ])
            .envs(environment)
            .current_dir(&self.folder)
            .arg("discovery")
            .arg("--kubeconfig")
            .arg(self.keys.kubeconfig("istiod"))
            .arg("--meshConfig")
            .arg(mesh)
            .arg(format!("--grpcAddr=127.0.0.1:{XDS_PORT}"))
            .args(["--httpAddr=127.0.0.1:15080", "--monitoringAddr=127.0.0.1:15014"])
            .args(["--httpsAddr=", "--secureGRPCAddr=", "--ctrlz_port=0"]);
        self.launch("istiod", &mut istiod).map(drop)
    }

    fn start_envoy(&self) -> Result<()> {
        let labels = json!({"istio": "ingress", "app": GATEWAY});
        let node = node("router", NODE_ADDRESS, GATEWAY, NAMESPACE, &labels);
        let pid = self.launch_envoy("envoy", &bootstrap(&node, ADMIN_PORT))?;
        cgroup::adopt(&self.name, cgroup::GATEWAY, pid).at("join", "control group of the bed")
    }

    /// Starts a proxy as it is beside a pod with these labels, but that nobody calls through it: what istiod tells it is to be
    /// looked at. There is one at a time, and it ends with what is given.
    pub async fn start_sidecar(&self, namespace: &str, labels: &Value) -> Result<Sidecar<'_>> {
        let node = node("sidecar", SIDECAR_ADDRESS, SIDECAR, namespace, labels);
        self.launch_envoy(SIDECAR, &bootstrap(&node, SIDECAR_ADMIN_PORT))?;
        let admin = format!("http://{NODE_ADDRESS}:{SIDECAR_ADMIN_PORT}");
        let sidecar = Sidecar { processes: &self.processes, admin };
        self.ready_when_ok(SIDECAR, &format!("{}/ready", sidecar.admin)).await?;
        Ok(sidecar)
    }

    fn launch_envoy(&self, name: &str, bootstrap: &Value) -> Result<u32> {
        let bootstrap = self.write(&format!("{name}.json"), &bootstrap.to_string())?;
        let mut envoy = self.command("envoy", "envoy")?;
        envoy
            .arg("--config-path")
            .arg(bootstrap)
            .args(["--concurrency", &self.config.gateway_concurrency.to_string()])
            .args(["--disable-hot-restart", "--log-level", "warning", "--drain-time-s", "1"]);
        self.launch(name, &mut envoy)
    }
}

/// A proxy of [`Bed::start_sidecar`]. However whoever asked for it ends, it doesn't outlive that.
#[derive(Debug)]
pub struct Sidecar<'a> {
    processes: &'a Processes,
    admin: String,
}

impl Sidecar<'_> {
    /// The address of its admin page.
    pub fn admin(&self) -> &str {
        &self.admin
    }
}

impl Drop for Sidecar<'_> {
    fn drop(&mut self) {
        self.processes.abandon(SIDECAR);
    }
}

/// A proxy's identity, which istiod decides its configuration by.
fn node(kind: &str, address: &str, name: &str, namespace: &str, labels: &Value) -> Value {
    json!({
        "id": format!("{kind}~{address}~{name}.{namespace}~{namespace}.svc.cluster.local"),
        "cluster": format!("{name}.{namespace}"),
        "metadata": {
            "NAMESPACE": namespace,
            "NAME": name,
            "LABELS": labels,
            "CLUSTER_ID": "Kubernetes",
            "INSTANCE_IPS": address,
            "ISTIO_VERSION": "1.31.1",
            "SERVICE_ACCOUNT": "default",
        },
    })
}

fn bootstrap(node: &Value, admin_port: u16) -> Value {
    let source = |cluster: &str| {
        json!({
            "api_config_source": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {
                    "cluster_name": cluster,
                    // istiod may be restarted by a test; the default waits up to 30 s.
                    "retry_policy": {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}},
                }}],
            },
        })
    };
    let ads = json!({"ads": {}, "resource_api_version": "V3"});
    json!({
        "node": node,
        "stats_config": {"use_all_default_tags": false, "stats_tags": stats_tags()},
        "admin": {"address": {"socket_address": {"address": NODE_ADDRESS, "port_value": admin_port}}},
        "dynamic_resources": {
            "ads_config": source("xds")["api_config_source"],
            "lds_config": ads,
            "cds_config": ads,
        },
        "static_resources": {"clusters": [
            local_cluster("xds", XDS_PORT),
            // Nobody gives certificates here, but whoever names their source must find it.
            local_cluster("sds-grpc", XDS_PORT),
        ]},
    })
}

fn local_cluster(name: &str, port: u16) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {
                "address": "127.0.0.1", "port_value": port,
            }}}}]}],
        },
    })
}

/// Which parts of a counter's name become labels. Under Envoy's usual names, for example
/// `envoy_cluster_upstream_rq_xx{envoy_cluster_name="outbound|80||web.shop.svc.cluster.local",
/// envoy_response_code_class="2"}`; but its usual rules would cut a cluster's name at the first dot.
fn stats_tags() -> Value {
    let tag = |name: &str, regex: &str| json!({"tag_name": format!("envoy.{name}"), "regex": regex});
    json!([
        // istiod ends the names of clusters by a semicolon for this purpose.
        tag("cluster_name", r"^cluster\.((.+?);\.)"),
        tag("response_code", r"_rq(_(\d{3}))$"),
        tag("response_code_class", r"_rq_((\d))xx$"),
        tag("http_conn_manager_prefix", r"^http\.((.+?);?\.)"),
        tag("listener_address", r"^listener\.((\d+\.\d+\.\d+\.\d+_\d+);?\.)"),
    ])
}

/// The gateway is no pod, so its Service has no selector and says itself where it is.
fn gateway_objects() -> Vec<Value> {
    let ports = |with_target: bool| -> Vec<Value> {
        let port = |(name, number): &(&str, u16)| {
            let mut port = json!({"name": name, "port": number, "protocol": "TCP"});
            if with_target {
                port["targetPort"] = json!(number);
            }
            port
        };
        GATEWAY_PORTS.iter().map(port).collect()
    };
    let labels = json!({"istio": "ingress", "app": GATEWAY});
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": GATEWAY, "namespace": NAMESPACE, "labels": labels},
        "spec": {"ports": ports(true)},
    });
    let endpoints = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": GATEWAY, "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": GATEWAY, "endpointslice.kubernetes.io/managed-by": "teal-bed"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": true}}],
        "ports": ports(false),
    });
    vec![service, endpoints]
}

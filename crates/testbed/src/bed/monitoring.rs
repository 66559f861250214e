//! Prometheus, reading the applications and the gateway.

use serde_json::{Value, json};

use super::{Bed, Istio, mesh};
use crate::error::Result;
use crate::namespaces::NODE_ADDRESS;

const PORT: u16 = 9090;

/// Where Prometheus answers.
pub(super) fn address() -> String {
    format!("{NODE_ADDRESS}:{PORT}")
}

impl Bed {
    /// Starts Prometheus and waits until it answers.
    pub(super) async fn start_prometheus(&self) -> Result<()> {
        let config = self.write("prometheus.json", &self.prometheus_config().to_string())?;
        let mut command = self.command("prometheus", "prometheus")?;
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", self.volatile("prometheus").display()))
            .arg(format!("--web.listen-address={}", address()))
            // New pods are to be read at once; the default waits for 5 s.
            .args(["--scrape.discovery-reload-interval=200ms", "--log.level=warn"]);
        self.launch("prometheus", &mut command)?;
        self.ready_when_ok("prometheus", &format!("http://{}/-/ready", address())).await
    }

    fn prometheus_config(&self) -> Value {
        let mut jobs = vec![self.pods_job()];
        if self.config.istio == Istio::Mesh {
            let target = mesh::admin().replace("http://", "");
            jobs.push(json!({
                "job_name": "envoy",
                "metrics_path": "/stats/prometheus",
                "static_configs": [{"targets": [target]}],
            }));
        }
        json!({
            // Windows in tests are seconds, so samples must be closer than in a real cluster.
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "scrape_configs": jobs,
        })
    }

    fn pods_job(&self) -> Value {
        let meta = |name: &str| format!("__meta_kubernetes_pod_{name}");
        let keep = |source: String, regex: &str| json!({"source_labels": [source], "action": "keep", "regex": regex});
        let label = |from: &str, to: &str| json!({"source_labels": [meta(from)], "target_label": to});
        json!({
            "job_name": "pods",
            "kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": self.keys.kubeconfig("prometheus")}],
            "relabel_configs": [
                keep(meta("annotation_prometheus_io_scrape"), "true"),
                keep(meta("phase"), "Running"),
                {"source_labels": [meta("annotation_prometheus_io_path")], "regex": "(.+)", "target_label": "__metrics_path__"},
                {
                    "source_labels": [meta("ip"), meta("annotation_prometheus_io_port")],
                    "separator": ":", "regex": "(.+:[0-9]+)", "target_label": "__address__",
                },
                label("label_app", "app"),
                label("label_teal_dev_color", "teal_dev_color"),
                label("label_teal_dev_rollout", "teal_dev_rollout"),
                label("label_teal_dev_revision", "teal_dev_revision"),
                {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
                label("name", "pod"),
            ],
        })
    }
}

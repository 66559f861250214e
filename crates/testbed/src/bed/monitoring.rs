//! Prometheus, reading the applications and the gateway.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Bed, Istio, mesh, targets};
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
        targets::write(&self.targets_file(), &json!([]))?;
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
        let mut jobs =
            vec![json!({"job_name": "pods", "file_sd_configs": [{"files": [self.targets_file()]}]})];
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

    /// Keeps Prometheus's list of pods up to date.
    pub(super) async fn follow_pods(&self) -> Result<JoinHandle<()>> {
        let client = self.cluster().client().await?;
        Ok(tokio::spawn(targets::follow(client, self.targets_file())))
    }

    fn targets_file(&self) -> PathBuf {
        self.folder.join("targets.json")
    }
}

//! A registry of charts inside of a bed, with the chart of the examples. It is asked without TLS, as the operator is told when it is installed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use teal_testbed::NODE_ADDRESS;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{World, checkout};
use crate::error::{Error, Result};

/// The port that no other part of a bed has.
const PORT: u16 = 5001;
/// What a Job asks that is to be counted.
const RAN: &str = "/ran";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BYTES: &str = "application/octet-stream";

/// The chart in it.
const CHART: &str = "charts/shop";

/// Its host.
pub(super) fn host() -> String {
    format!("{NODE_ADDRESS}:{PORT}")
}

/// Where the chart of the examples is.
pub fn address() -> String {
    format!("oci://{}/{CHART}", host())
}

/// What kind it is, and its bytes.
type File = (&'static str, Vec<u8>);

/// A registry, until the process ends.
#[derive(Clone, Default)]
pub struct Registry {
    files: Arc<Mutex<BTreeMap<String, File>>>,
    ran: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    /// Serves the chart of the examples.
    pub(super) async fn open(world: &World) -> Result<Self> {
        let unusable = |source| Error::Local { action: "listen as a registry of charts", source };
        let listener = TcpListener::bind(host()).await.map_err(unusable)?;
        let registry = Self::default();
        registry.put(CHART, "0.1.0", &packed(world).await?);
        let served = registry.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = served.clone();
                // Whoever goes away meanwhile asks again.
                tokio::spawn(async move { served.answer(stream).await.ok() });
            }
        });
        Ok(registry)
    }

    /// What Jobs have asked for that are to be counted, such as `web-blue/v1`.
    pub fn ran(&self) -> Vec<String> {
        self.ran.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, name: &str, version: &str, archive: &[u8]) {
        let config = json!({"name": name, "version": version, "apiVersion": "v2"}).to_string();
        let blob = |bytes: &[u8], kind: &str| json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": blob(config.as_bytes(), "application/vnd.cncf.helm.config.v1+json"),
            "layers": [blob(archive, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
        })
        .to_string();
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        for reference in [version, &digest(manifest.as_bytes())] {
            files.insert(format!("/v2/{name}/manifests/{reference}"), (MANIFEST, manifest.clone().into()));
        }
        for bytes in [config.as_bytes(), archive] {
            files.insert(format!("/v2/{name}/blobs/{}", digest(bytes)), (BYTES, bytes.to_vec()));
        }
    }

    fn file(&self, path: &str) -> Option<File> {
        if let Some(whose) = path.strip_prefix(RAN) {
            let mut ran = self.ran.lock().unwrap_or_else(PoisonError::into_inner);
            ran.push(whose.trim_start_matches('/').to_owned());
            return Some(("text/plain", b"well done\n".to_vec()));
        }
        self.files.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    async fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut first = String::new();
        stream.read_line(&mut first).await?;
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 && line != "\r\n" {
            line.clear();
        }
        let mut words = first.split_whitespace();
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let found = self.file(path);
        let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
        let (kind, body) = found.unwrap_or(("text/plain", Vec::new()));
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\nConnection: close\r\n\r\n",
            body.len(),
            digest(&body)
        );
        stream.write_all(head.as_bytes()).await?;
        if method != "HEAD" {
            stream.write_all(&body).await?;
        }
        stream.flush().await
    }
}

/// A Rollout of the examples made one of the chart, with the environment that its version has as settings, and a Job before it.
pub fn charted(rollout: &mut Value) {
    let environment = rollout.pointer("/spec/release/manifests/0/spec/template/spec/containers/0/env");
    let set = environment.and_then(Value::as_array).into_iter().flatten();
    let settings: serde_json::Map<String, Value> = set
        .filter_map(|variable| Some((variable["name"].as_str()?.to_owned(), variable.get("value")?.clone())))
        .collect();
    rollout["spec"]["release"] = json!({"chart": {
        "oci": address(),
        "version": "0.1.0",
        "values": {"settings": settings, "migrate": {"url": format!("http://{}{RAN}", host())}},
    }});
    rollout["spec"]["traffic"]["services"] = json!([{"name": super::NAME, "from": "web-$(color)"}]);
}

/// As `helm package` makes it.
async fn packed(world: &World) -> Result<Vec<u8>> {
    let failed =
        |path: &Path, error: &dyn ToString| Error::File { path: path.to_owned(), why: error.to_string() };
    let chart = checkout().join("examples/chart");
    let folder = tempfile::tempdir().map_err(|error| failed(&std::env::temp_dir(), &error))?;
    let (from, to) = (chart.to_string_lossy(), folder.path().to_string_lossy());
    world.helm(&["package", from.as_ref(), "--destination", to.as_ref()]).await?;
    let archive = folder.path().join("shop-0.1.0.tgz");
    std::fs::read(&archive).map_err(|error| failed(&archive, &error))
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::manifests;

    #[test]
    fn a_version_becomes_the_settings_of_the_chart() {
        let mut rollout = manifests::rollout("v3", "shop").unwrap();
        charted(&mut rollout);
        let settings = rollout.pointer("/spec/release/chart/values/settings").unwrap();
        assert_eq!((settings["VERSION"].as_str(), settings["ERRORS"].as_str()), (Some("v3"), Some("0.2")));
        assert!(settings.get("COLOR").is_none(), "that is the pod's");
        let read: teal_api::Rollout = serde_json::from_value(rollout).unwrap();
        assert!(teal_api::defaults::filled(&read.spec).is_ok());
    }
}

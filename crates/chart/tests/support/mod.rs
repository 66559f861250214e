//! Charts made on the spot, and a server on loopback that offers them.
#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up must fail")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};
use tokio::net::TcpListener;

/// A file of a chart, without the folder that all are in.
pub(crate) type File<'a> = (&'a str, &'a str);

pub(crate) const CHART: File<'_> = ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.8.2\n");

/// An archive of these files in the folder `web`.
pub(crate) fn archive(files: &[File<'_>]) -> Vec<u8> {
    let files: Vec<(String, Vec<u8>)> =
        files.iter().map(|(name, text)| (format!("web/{name}"), text.as_bytes().to_vec())).collect();
    packed(&files)
}

pub(crate) fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, content) in files {
        entry(&mut builder, name.as_bytes(), EntryType::Regular, content);
    }
    zipped(&builder.into_inner().unwrap())
}

/// As it is, without what a careful writer would refuse.
pub(crate) fn entry(builder: &mut Builder<Vec<u8>>, name: &[u8], kind: EntryType, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    if matches!(kind, EntryType::Symlink | EntryType::Link) {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

pub(crate) fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

type Answers = Arc<Mutex<BTreeMap<String, (u16, String, Vec<u8>)>>>;

/// What is offered by path, and which paths were asked for.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    answers: Answers,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Shelf {
    /// Serves it until the test ends, and gives its host.
    pub(crate) async fn open(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let root = |State(shelf): State<Self>| async move { shelf.answer("") };
        let other = |State(shelf): State<Self>, Path(path): Path<String>| async move {
            if path.ends_with("hangs.tgz") {
                std::future::pending::<()>().await;
            }
            shelf.answer(&path)
        };
        let app = Router::new().route("/", get(root)).route("/{*path}", get(other)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        host
    }

    pub(crate) fn put(&self, path: &str, status: u16, kind: &str, body: impl Into<Vec<u8>>) {
        self.answers.lock().unwrap().insert(path.to_owned(), (status, kind.to_owned(), body.into()));
    }

    /// A chart in the manner of a registry; gives its manifest's digest.
    pub(crate) fn put_oci(&self, name: &str, version: &str, archive: &[u8]) -> String {
        let config = json!({"name": "web", "version": version, "apiVersion": "v2"}).to_string();
        let blob = |bytes: &[u8], kind: &str| json!({"mediaType": kind, "digest": sha256(bytes), "size": bytes.len()});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": blob(config.as_bytes(), "application/vnd.cncf.helm.config.v1+json"),
            "layers": [blob(archive, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
        })
        .to_string();
        let digest = sha256(manifest.as_bytes());
        for reference in [version, &digest] {
            self.put(&format!("v2/{name}/manifests/{reference}"), 200, MANIFEST, manifest.clone());
        }
        for bytes in [config.as_bytes(), archive] {
            self.put(&format!("v2/{name}/blobs/{}", sha256(bytes)), 200, "application/octet-stream", bytes);
        }
        digest
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn answer(&self, path: &str) -> Response {
        self.asked.lock().unwrap().push(path.to_owned());
        match self.answers.lock().unwrap().get(path).cloned() {
            Some((status, kind, body)) => {
                let status = StatusCode::from_u16(status).unwrap();
                if status.is_redirection() {
                    return (status, [(header::LOCATION, kind)]).into_response();
                }
                (
                    status,
                    [
                        (header::CONTENT_TYPE, kind),
                        (header::HeaderName::from_static("docker-content-digest"), sha256(&body)),
                    ],
                    body,
                )
                    .into_response()
            }
            None => (StatusCode::NOT_FOUND, "there is nothing of that name").into_response(),
        }
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What a text in base64 says.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|byte| *byte != b'=').map(digit).collect();
    let bits = |chunk: &[u32]| chunk.iter().fold(0, |sum, digit| sum << 6 | digit) << (6 * (4 - chunk.len()));
    let bytes = digits.chunks(4).flat_map(|chunk| bits(chunk).to_be_bytes()[1..chunk.len()].to_vec());
    bytes.collect()
}

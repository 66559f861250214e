//! What is kept of each revision.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use teal_plan::{ContentHash, Revision};

use crate::chart::Body;
use crate::content::hash;

/// The shape of a kept release that this program writes.
const FORMAT: u32 = 1;

/// The release of one revision, as it lies in the `data` of a `ControllerRevision`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// The hash it had when it was kept.
    pub hash: ContentHash,
    /// Names of the traffic Services at that time: they decide what is colored.
    pub services: Vec<String>,
    /// `spec.release` as the server returned it.
    pub release: Value,
    /// What Helm made of it, where it is a chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    #[serde(flatten)]
    kept: Value,
}

/// A kept release that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Not what [`store`] writes.
    #[error("the data of the ControllerRevision is no kept release: {0}")]
    Read(#[source] serde_json::Error),
    /// Somebody else's, or changed.
    #[error("the kept release isn't what its name says: delete it, or bring it back from a backup")]
    Another,
    /// It can't be made into JSON.
    #[error("the release can't be written as JSON: {0}")]
    Write(#[source] serde_json::Error),
    /// Written by another version.
    #[error(
        "the kept release has format {0}, and this operator reads format {FORMAT}: run the version that wrote it"
    )]
    Format(u32),
}

/// A release for the `data` of a `ControllerRevision`. Secrets are refused in manifests; should one be there, its
/// values are not kept.
pub fn store(kept: &Kept) -> Result<Value, KeepError> {
    let mut kept = kept.clone();
    for manifest in kept.release.get_mut("manifests").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(secret) =
            manifest.as_object_mut().filter(|m| m.get("kind").is_some_and(|kind| kind == "Secret"))
        {
            secret.remove("data");
            secret.remove("stringData");
        }
    }
    let kept = serde_json::to_value(kept).map_err(KeepError::Write)?;
    serde_json::to_value(Stored { format: FORMAT, kept }).map_err(KeepError::Write)
}

/// Reads what [`store`] wrote.
pub fn from_store(data: &Value) -> Result<Kept, KeepError> {
    let stored = Stored::deserialize(data).map_err(KeepError::Read)?;
    if stored.format != FORMAT {
        return Err(KeepError::Format(stored.format));
    }
    serde_json::from_value(stored.kept).map_err(KeepError::Read)
}

impl Kept {
    /// Whether it is the content of a revision. Of one that was kept under another recipe of the hash the name alone says so.
    pub fn check(&self, revision: Revision) -> Result<(), KeepError> {
        let own = hash(&self.release);
        let is_whole = own.version != self.hash.version || own == self.hash;
        let is_its = self.hash.revision(revision.counter) == revision;
        if is_whole && is_its { Ok(()) } else { Err(KeepError::Another) }
    }

    /// Names of all Services that it has, traffic Services or not.
    pub fn all_services(&self) -> impl Iterator<Item = &str> {
        let is_service = |manifest: &&Value| manifest["apiVersion"] == "v1" && manifest["kind"] == "Service";
        self.manifests()
            .iter()
            .filter(is_service)
            .filter_map(|service| service.pointer("/metadata/name")?.as_str())
    }

    /// Its manifests; empty for other kinds of releases.
    pub fn manifests(&self) -> &[Value] {
        self.release.get("manifests").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

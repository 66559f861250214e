//! The examples of this repository, valid and refused.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// One file of examples.
pub(crate) struct Example {
    pub(crate) path: PathBuf,
    /// A part of the message by which its last document is refused. Absent in valid ones.
    pub(crate) refused: Option<String>,
    /// Whether it must be sent by server-side apply to be refused.
    pub(crate) server_side: bool,
    pub(crate) documents: Vec<Value>,
}

impl Example {
    pub(crate) fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(kind)
}

/// All that must be accepted.
pub(crate) fn valid() -> Vec<Example> {
    read(&folder("valid"))
}

/// All whose last document must be refused.
pub(crate) fn invalid() -> Vec<Example> {
    read(&folder("invalid"))
}

fn read(folder: &Path) -> Vec<Example> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    assert!(!paths.is_empty(), "no examples in {}", folder.display());
    paths.into_iter().map(example).collect()
}

fn example(path: PathBuf) -> Example {
    let text = fs::read_to_string(&path).expect("readable");
    let refused = text.lines().next().and_then(|line| line.strip_prefix("# refused: ")).map(str::to_owned);
    let server_side =
        text.lines().nth(1).is_some_and(|line| line.starts_with("# sent by: kubectl apply --server-side"));
    let documents = serde_yaml::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .collect();
    Example { path, refused, server_side, documents }
}

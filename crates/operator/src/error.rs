//! Why the operator can't start or go on.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A failed start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The log filter can't be read.
    #[error("--log {filter:?} can't be read: {source}")]
    Log { filter: String, source: tracing_subscriber::filter::ParseError },
    /// How to reach the API server is not known.
    #[error("the API server can't be found: {0}")]
    Kubernetes(#[source] Box<kube::config::InferConfigError>),
    /// The address of the API server is none.
    #[error("--server {server:?} is no address: write one like https://10.0.0.1:6443")]
    Server { server: String },
    /// No client can be made.
    #[error("no client for the API server can be made: {0}")]
    Client(#[source] Box<kube::Error>),
    /// The sources can't be read.
    #[error("--sources {} can't be read: {source}", path.display())]
    SourcesUnreadable { path: PathBuf, source: std::io::Error },
    /// The sources are not as they should be.
    #[error("--sources {}: {source}", path.display())]
    SourcesInvalid { path: PathBuf, source: serde_yaml::Error },
    /// The address of the probes and metrics is taken.
    #[error("--metrics-address {address} can't be listened on: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
}

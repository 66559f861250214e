//! Why the operator can't start or go on.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::connect::ConnectError;

/// A failed start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The log filter can't be read.
    #[error("--log {filter:?} can't be read: {source}")]
    Log { filter: String, source: tracing_subscriber::filter::ParseError },
    /// The API server can't be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The sources can't be read.
    #[error("--sources {} can't be read: {source}", path.display())]
    SourcesUnreadable { path: PathBuf, source: std::io::Error },
    /// The sources are not as they should be.
    #[error("--sources {}: {source}", path.display())]
    SourcesInvalid { path: PathBuf, source: serde_yaml::Error },
    /// Helm or the folder of charts can't be used.
    #[error("charts can't be rendered: {0}")]
    Charts(#[from] teal_chart::ChartError),
    /// There is no such program.
    #[error("--helm {} is no file: give the path of Helm, or leave it out, and charts are off", path.display())]
    NoHelm { path: PathBuf },
    /// The address of the probes and metrics is taken.
    #[error("--metrics-address {address} can't be listened on: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
}

//! How the API server is reached: from within the cluster or by a kubeconfig, unless an address is given.

use std::time::Duration;

use kube::{Client, Config};

/// How long the API server may say nothing on a connection before it counts as dead. It sends a bookmark every minute on each watch; a
/// connection whose other end is gone without a word would leave a leader deaf to Decisions for five minutes.
const SILENCE: Duration = Duration::from_secs(75);

/// Why it can't be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// How to reach the API server is not known.
    #[error("the API server can't be found: {0}")]
    Kubernetes(#[source] Box<kube::config::InferConfigError>),
    /// The address of the API server is none.
    #[error("--server {server:?} is no address: write one like https://10.0.0.1:6443")]
    Server { server: String },
    /// No client can be made.
    #[error("no client for the API server can be made: {0}")]
    Client(#[source] Box<kube::Error>),
}

/// What is known of it. One call does not go on by itself for minutes: who makes it decides what is tried again.
pub(crate) async fn config(server: Option<&str>) -> Result<Config, ConnectError> {
    let mut config = Config::infer().await.map_err(|source| ConnectError::Kubernetes(Box::new(source)))?;
    if let Some(server) = server {
        config.cluster_url =
            server.parse().map_err(|_| ConnectError::Server { server: server.to_owned() })?;
    }
    config.default_retry = false;
    config.read_timeout = Some(SILENCE);
    // A connection that waited in the pool has its whole time for the next answer.
    config.reset_reader_on_write = true;
    Ok(config)
}

pub(crate) fn client(config: Config) -> Result<Client, ConnectError> {
    Client::try_from(config).map_err(|source| ConnectError::Client(Box::new(source)))
}

//! From flags, kubeconfig and environment to a client.

use std::time::Duration;

use kube::api::DynamicObject;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::ApiResource;
use kube::{Api, Client, Config, Resource};

use crate::arguments::Connection;
use crate::error::CliError;

/// Who is asked, where, and how patiently.
#[derive(Clone)]
pub struct Cluster {
    /// The API server.
    pub client: Client,
    /// The namespace of flags or context.
    pub namespace: String,
    /// How long one request may take.
    pub patience: Duration,
}

impl Cluster {
    /// Objects of this kind in the namespace at hand, as they are stored: of many, one that can't be read is to hide no other.
    pub fn stored<K: Resource<DynamicType = ()>>(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &ApiResource::erase::<K>(&()))
    }

    /// The answer to one request, or that there is none in time.
    pub async fn answer<T>(
        &self,
        doing: &str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<kube::Result<T>, CliError> {
        tokio::time::timeout(self.patience, request)
            .await
            .map_err(|_| CliError::Silent { doing: doing.to_owned(), after: self.patience })
    }
}

/// Reads the configuration and makes a client. Nothing is sent yet.
pub async fn connect(connection: &Connection) -> Result<Cluster, CliError> {
    let mut config = configuration(connection).await?;
    // A person sees a busy server's answer and decides; hidden repetition would only look like a hang.
    config.default_retry = false;
    config.connect_timeout = Some(connection.request_timeout);
    if let Some(user) = &connection.impersonate {
        config.auth_info.impersonate = Some(user.clone());
    }
    if !connection.impersonate_groups.is_empty() {
        config.auth_info.impersonate_groups = Some(connection.impersonate_groups.clone());
    }
    let host = config.cluster_url.host().unwrap_or_default();
    if goes_direct(host, &environment("NO_PROXY")) {
        config.proxy_url = None;
    }
    let namespace = connection.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).map_err(|source| CliError::Client { source: Box::new(source) })?;
    Ok(Cluster { client, namespace, patience: connection.request_timeout })
}

async fn configuration(connection: &Connection) -> Result<Config, CliError> {
    let options = KubeConfigOptions {
        context: connection.context.clone(),
        cluster: connection.cluster.clone(),
        user: connection.user.clone(),
    };
    let chosen = options.context.is_some() || options.cluster.is_some() || options.user.is_some();
    if let Some(path) = &connection.kubeconfig {
        let file = Kubeconfig::read_from(path).map_err(unusable)?;
        return Config::from_custom_kubeconfig(file, &options).await.map_err(unusable);
    }
    if chosen {
        return Config::from_kubeconfig(&options).await.map_err(unusable);
    }
    Config::infer().await.map_err(unusable)
}

fn unusable(source: impl std::error::Error + Send + Sync + 'static) -> CliError {
    CliError::Config { source: Box::new(source) }
}

fn environment(name: &str) -> String {
    std::env::var(name).or_else(|_| std::env::var(name.to_lowercase())).unwrap_or_default()
}

/// Whether a host is reached without a proxy, as kubectl has it: loopback always, else what `NO_PROXY` lists. The
/// client library compares that list with the proxy's own address, so it is done here.
fn goes_direct(host: &str, no_proxy: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    loopback || no_proxy.split(',').map(str::trim).any(|entry| covers(entry, bare))
}

fn covers(entry: &str, host: &str) -> bool {
    let domain = entry.trim_start_matches('.');
    entry == "*"
        || (!domain.is_empty()
            && (host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))))
}

#[cfg(test)]
mod tests {
    use super::goes_direct;

    #[test]
    fn loopback_and_what_no_proxy_lists_go_direct() {
        for (host, no_proxy, direct) in [
            ("127.0.0.1", "", true),
            ("[::1]", "", true),
            ("localhost", "", true),
            ("api.example.com", "", false),
            ("api.example.com", "example.com", true),
            ("api.example.com", ".example.com, other", true),
            ("api.badexample.com", "example.com", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "*", true),
            ("10.1.2.3", ",", false),
        ] {
            assert_eq!(goes_direct(host, no_proxy), direct, "{host} with {no_proxy:?}");
        }
    }
}

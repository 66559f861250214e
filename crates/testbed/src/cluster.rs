//! A cluster to work with: a bed, or one that somebody else has.

use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

use crate::error::{Error, Result, invalid};

/// The name that objects applied here are managed under.
const MANAGER: &str = "teal-bed";

/// How many objects are applied at the same time.
const PARALLEL: usize = 16;

/// An HTTP client as kube builds it, without the layers around it.
pub(crate) type QuietHttp =
    hyper_util::client::legacy::Client<hyper_rustls::HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// How to reach a cluster and what belongs to it. What the cluster does not have is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// A kubeconfig of an administrator.
    pub kubeconfig: PathBuf,
    /// The address of the ingress gateway, for example `http://10.0.0.1`.
    pub gateway: Option<String>,
    /// The address of Prometheus.
    pub prometheus: Option<String>,
    /// The address of Envoy's admin page.
    pub envoy_admin: Option<String>,
    /// The address of etcd; only a bed's can be read.
    pub etcd: Option<String>,
    /// The API server's audit log.
    pub audit_log: Option<PathBuf>,
    /// The kubectl to use.
    pub kubectl: PathBuf,
    /// The helm to use.
    pub helm: PathBuf,
}

impl Cluster {
    /// A cluster that is there already, with the programs found on PATH.
    pub fn existing(kubeconfig: &Path, gateway: Option<String>, prometheus: Option<String>) -> Self {
        Self {
            kubeconfig: kubeconfig.to_owned(),
            gateway,
            prometheus,
            envoy_admin: None,
            etcd: None,
            audit_log: None,
            kubectl: "kubectl".into(),
            helm: "helm".into(),
        }
    }

    /// A client with the administrator's rights.
    pub async fn client(&self) -> Result<kube::Client> {
        kube::Client::try_from(self.config().await?).map_err(|error| self.unusable(error))
    }

    /// A client that acts as somebody else, by the administrator's right to impersonate.
    pub async fn client_as(&self, user: &str, groups: &[String]) -> Result<kube::Client> {
        let mut config = self.config().await?;
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(groups.to_vec());
        kube::Client::try_from(config).map_err(|error| self.unusable(error))
    }

    /// A bare client without credentials. Unlike the other it logs no error for each
    /// answer that a starting server gives.
    pub(crate) async fn quiet_http(&self) -> Result<QuietHttp> {
        let connector =
            self.config().await?.rustls_https_connector().map_err(|error| self.unusable(error))?;
        Ok(hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector))
    }

    async fn config(&self) -> Result<kube::Config> {
        let file = Kubeconfig::read_from(&self.kubeconfig).map_err(|error| self.unusable(error))?;
        let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
        config.map_err(|error| self.unusable(error))
    }

    fn unusable(&self, why: impl std::fmt::Display) -> Error {
        Error::Kubeconfig { path: self.kubeconfig.clone(), why: why.to_string() }
    }

    /// kubectl for this cluster, to be given its arguments.
    pub fn kubectl(&self) -> tokio::process::Command {
        self.command(&self.kubectl)
    }

    /// helm for this cluster, to be given its arguments.
    pub fn helm(&self) -> tokio::process::Command {
        self.command(&self.helm)
    }

    fn command(&self, program: &Path) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program);
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// Applies one object server-side, taking fields over from other managers.
    ///
    /// For kinds with a regular plural; anything else goes through kubectl.
    pub async fn apply(&self, object: &Value) -> Result<DynamicObject> {
        apply(&self.client().await?, object).await
    }

    /// Applies objects that do not depend on each other, several at a time.
    pub async fn apply_all(&self, objects: &[Value]) -> Result<()> {
        let client = self.client().await?;
        let applied =
            futures::stream::iter(objects).map(|object| apply(&client, object)).buffer_unordered(PARALLEL);
        applied.try_for_each(async |_| Ok(())).await
    }
}

async fn apply(client: &kube::Client, object: &Value) -> Result<DynamicObject> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let (kind, name) = (text("/kind").unwrap_or_default(), text("/metadata/name").unwrap_or_default());
    if kind.is_empty() || name.is_empty() {
        return Err(invalid("object to apply", "it needs kind and metadata.name"));
    }
    let (group, version) = split(text("/apiVersion").unwrap_or_default());
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = match text("/metadata/namespace") {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let applied = api.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(object)).await;
    applied.map_err(|source| Error::Api { action: format!("apply {kind} {name}"), source: Box::new(source) })
}

fn split(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_group_has_no_name() {
        assert_eq!(split("v1"), ("", "v1"));
        assert_eq!(split("apps/v1"), ("apps", "v1"));
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_missing_is_named() {
        let cluster = Cluster::existing(Path::new("/nowhere/config"), None, None);
        assert!(cluster.client().await.err().unwrap().to_string().contains("/nowhere/config"));
    }
}

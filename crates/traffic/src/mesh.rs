//! Hosts: how Istio reads a name, and how the candidate's name is spelled like the live one's (rule 10).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What Istio takes from its mesh configuration and this crate needs in order to read names as istiod does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mesh {
    /// The cluster's DNS domain (`cluster.local`).
    pub cluster_domain: String,
    /// Istio's root namespace (`istio-system`), whose rules hold for everyone who has none of their own.
    pub root_namespace: String,
}

impl Default for Mesh {
    fn default() -> Self {
        Self { cluster_domain: "cluster.local".into(), root_namespace: "istio-system".into() }
    }
}

impl Mesh {
    /// The full name istiod gives to `host` written in an object of `namespace`.
    ///
    /// Only a name without a dot expands: `web.shop` stays `web.shop` and then matches no Service.
    pub fn expand(&self, host: &str, namespace: &str) -> String {
        let literal = host.is_empty() || host == "*" || host.contains('.') || host.parse::<IpAddr>().is_ok();
        if literal { host.to_owned() } else { self.service_host(host, namespace) }
    }

    /// The full name of a Service.
    pub fn service_host(&self, name: &str, namespace: &str) -> String {
        format!("{name}.{namespace}.svc.{}", self.cluster_domain)
    }
}

/// A Service whose pods are exchanged by a rollout, and its permanent companion for the candidate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoleService {
    /// Namespace of both Services.
    pub namespace: String,
    /// The Service that always selects live (`web`).
    pub name: String,
    /// The Service that selects the candidate, or live where there is none (`web-candidate`).
    pub candidate: String,
}

impl RoleService {
    /// The Service `name` with the usual name for its companion, `<name>-candidate`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { namespace: namespace.into(), candidate: format!("{name}-candidate"), name }
    }

    /// Full host name of the live Service.
    pub fn live_host(&self, mesh: &Mesh) -> String {
        mesh.service_host(&self.name, &self.namespace)
    }

    /// Full host name of the candidate's Service.
    pub fn candidate_host(&self, mesh: &Mesh) -> String {
        mesh.service_host(&self.candidate, &self.namespace)
    }

    /// The live host in the spelling in which the candidate's was `written`.
    pub(crate) fn respell_live(&self, written: &str) -> String {
        match written.strip_prefix(&self.candidate) {
            Some(rest) => format!("{}{rest}", self.name),
            None => written.to_owned(),
        }
    }

    /// The candidate's host in the spelling in which the live one was `written`: short stays short, full stays full.
    pub(crate) fn respell(&self, written: &str) -> String {
        match written.strip_prefix(&self.name) {
            Some(rest) => format!("{}{rest}", self.candidate),
            None => written.to_owned(),
        }
    }
}

/// Whether `pattern`, a host that may begin with a wildcard, covers the full name `host`.
pub fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => pattern == host,
    }
}

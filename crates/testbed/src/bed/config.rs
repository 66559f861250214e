//! What a caller chooses.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// How much of a cluster is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Everything, with a kubelet that runs containers, DNS and Prometheus.
    #[default]
    Full,
    /// etcd, API server, controller manager and scheduler; no node.
    ControlPlane,
    /// A control plane with nodes whose pods are pretended to run.
    ControlPlaneWithKwok {
        /// How many nodes.
        nodes: u32,
    },
}

/// How much of Istio is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Istio {
    /// Not even its kinds.
    None,
    /// Its kinds, so that objects can be written; nobody acts on them.
    Kinds,
    /// Its kinds, istiod, and Envoy as ingress gateway.
    #[default]
    Mesh,
}

/// What kind of bed is wanted.
#[derive(Debug, Clone)]
pub struct Config {
    /// How much of a cluster.
    pub profile: Profile,
    /// How much of Istio.
    pub istio: Istio,
    /// Makes the API server behave as an older minor version, for example `1.34`.
    pub emulated_version: Option<String>,
    /// Writes an audit log, see [`crate::audit`].
    pub audit: bool,
    /// Keeps every version of every object as JSON, see [`crate::history`].
    pub history: bool,
    /// Further environment of istiod.
    pub istiod_environment: BTreeMap<String, String>,
    /// Has helm ready also where there is no node to install something for.
    pub helm: bool,
    /// Image archives for the node, see [`crate::image`].
    pub images: Vec<PathBuf>,
    /// Worker threads of the gateway.
    pub gateway_concurrency: u16,
    /// Further arguments by part, for example for `kube-controller-manager`.
    pub extra_arguments: BTreeMap<String, Vec<String>>,
    /// A folder for logs and files that stays; without it they go when the bed does.
    pub state: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            istio: Istio::default(),
            emulated_version: None,
            audit: false,
            history: false,
            helm: false,
            istiod_environment: BTreeMap::new(),
            images: Vec::new(),
            gateway_concurrency: 1,
            extra_arguments: BTreeMap::new(),
            state: None,
        }
    }
}

/// Every part some bed can need.
pub const ALL_PARTS: [&str; 11] = [
    "etcd",
    "images",
    "istio-crds",
    "envoy",
    "prometheus",
    "kubernetes",
    "containerd",
    "helm",
    "istiod",
    "coredns",
    "kwok",
];

impl Config {
    /// A control plane without node and without Istio.
    pub fn control_plane() -> Self {
        Self { profile: Profile::ControlPlane, istio: Istio::None, ..Self::default() }
    }

    /// The parts this bed is made of.
    pub fn parts(&self) -> Vec<&'static str> {
        ALL_PARTS.into_iter().filter(|part| self.needs(part)).collect()
    }

    fn needs(&self, part: &str) -> bool {
        match part {
            "etcd" | "kubernetes" => true,
            "istio-crds" => self.istio != Istio::None,
            "istiod" | "envoy" => self.istio == Istio::Mesh,
            "helm" => self.helm || self.profile == Profile::Full,
            "kwok" => matches!(self.profile, Profile::ControlPlaneWithKwok { .. }),
            _ => self.profile == Profile::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bed_asks_only_for_the_parts_it_needs() {
        assert_eq!(Config::control_plane().parts(), ["etcd", "kubernetes"]);
        let kinds = Config { istio: Istio::Kinds, ..Config::control_plane() };
        assert_eq!(kinds.parts(), ["etcd", "istio-crds", "kubernetes"]);
        let helm = Config { helm: true, ..Config::control_plane() };
        assert_eq!(helm.parts(), ["etcd", "kubernetes", "helm"]);
        let kwok = Config { profile: Profile::ControlPlaneWithKwok { nodes: 3 }, ..Config::control_plane() };
        assert_eq!(kwok.parts(), ["etcd", "kubernetes", "kwok"]);
        let full = Config::default().parts();
        assert_eq!(full.len(), ALL_PARTS.len() - 1);
        assert!(!full.contains(&"kwok"));
    }
}

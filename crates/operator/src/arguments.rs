//! What the operator is told at its start, by flags or environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::traffic_job::Traffic;

/// Teal: blue-green releases with canary stages.
#[derive(Parser, Debug)]
#[command(name = "teal", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Looks after the Rollouts of a cluster.
    Operator(Box<Operator>),
    /// Looks at the weights of a VirtualService, or changes them once, without a Rollout.
    #[command(subcommand)]
    Traffic(Traffic),
}

/// Settings of the operator. Every timer has its scale here.
#[derive(Args, Debug)]
pub(crate) struct Operator {
    /// Only objects whose label teal.dev/instance has this value are looked after.
    #[arg(long, env = "TEAL_INSTANCE", default_value = "")]
    pub(crate) instance: String,

    /// The only namespace to look after. Default: all.
    #[arg(long, env = "TEAL_NAMESPACE")]
    pub(crate) namespace: Option<String>,

    /// Where /healthz, /readyz and /metrics are served.
    #[arg(long, env = "TEAL_METRICS_ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) metrics_address: SocketAddr,

    /// Address of the API server, in place of the one in the kubeconfig or the pod's environment.
    #[arg(long, env = "TEAL_SERVER")]
    pub(crate) server: Option<String>,

    /// File that names the metrics sources (YAML).
    #[arg(long, env = "TEAL_SOURCES")]
    pub(crate) sources: Option<PathBuf>,

    /// How long proxies may lag behind the API server. No weight follows another sooner.
    #[arg(long, env = "TEAL_PROPAGATION", default_value = "2s", value_parser = duration)]
    pub(crate) propagation: Duration,

    /// How long a color stays untouched after its last traffic.
    #[arg(long, env = "TEAL_DRAIN", default_value = "30s", value_parser = duration)]
    pub(crate) drain: Duration,

    /// How long too few endpoints are borne before going back.
    #[arg(long, env = "TEAL_ENDPOINT_GRACE", default_value = "10s", value_parser = duration)]
    pub(crate) endpoint_grace: Duration,

    /// Bound on every request to the API server.
    #[arg(long, env = "TEAL_REQUEST_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub(crate) request_timeout: Duration,

    /// Rollouts that are worked on at the same time.
    #[arg(long, env = "TEAL_CONCURRENCY", default_value_t = 20)]
    pub(crate) concurrency: u16,

    /// Namespace of the leader lease. Without it this process acts alone.
    #[arg(long, env = "TEAL_LEASE_NAMESPACE")]
    pub(crate) lease_namespace: Option<String>,

    /// Name of the leader lease.
    #[arg(long, env = "TEAL_LEASE_NAME", default_value = "teal")]
    pub(crate) lease_name: String,

    /// Who this process is in the lease. Default: the name of the pod, or a random one.
    #[arg(long, env = "POD_NAME")]
    pub(crate) identity: Option<String>,

    /// Name of the ConfigMap that stops all Rollouts while it is there: nothing moves forward, going back works. What it has under
    /// the key reason is shown.
    #[arg(long, env = "TEAL_STOP_NAME", default_value = "teal-stop")]
    pub(crate) stop_name: String,

    /// Namespace of that ConfigMap. Default: that of the lease. Without either there is no such switch.
    #[arg(long, env = "TEAL_STOP_NAMESPACE")]
    pub(crate) stop_namespace: Option<String>,

    /// How long the lease holds without renewal.
    #[arg(long, env = "TEAL_LEASE_DURATION", default_value = "15s", value_parser = duration)]
    pub(crate) lease_duration: Duration,

    /// Time between renewals of the lease.
    #[arg(long, env = "TEAL_LEASE_RENEW", default_value = "5s", value_parser = duration)]
    pub(crate) lease_renew: Duration,

    /// The cluster's DNS domain, as the mesh has it.
    #[arg(long, env = "TEAL_CLUSTER_DOMAIN", default_value = "cluster.local")]
    pub(crate) cluster_domain: String,

    /// Namespace whose rules hold for the whole mesh.
    #[arg(long, env = "TEAL_MESH_ROOT_NAMESPACE", default_value = "istio-system")]
    pub(crate) mesh_root_namespace: String,

    /// Path of Helm, by which charts are rendered. Without it charts are off: whoever may write a Rollout with a chart has the operator
    /// fetch any https address that it can reach, also inside of the cluster.
    #[arg(long, env = "TEAL_HELM")]
    pub(crate) helm: Option<PathBuf>,

    /// Folder of charts, which is emptied at the start.
    #[arg(long, env = "TEAL_CHARTS_FOLDER", default_value = "/tmp/teal-charts")]
    pub(crate) charts_folder: PathBuf,

    /// Charts that are rendered or read at one time.
    #[arg(long, env = "TEAL_CHARTS_AT_ONCE", default_value_t = 1)]
    pub(crate) charts_at_once: u8,

    /// Charts that are fetched at one time, beside those. With more than one, charts of one namespace never take all of them.
    #[arg(long, env = "TEAL_CHARTS_FETCHED_AT_ONCE", default_value_t = 2)]
    pub(crate) charts_fetched_at_once: u8,

    /// MiB of memory that one call of Helm may take, beside the operator's own.
    #[arg(long, env = "TEAL_CHARTS_MEMORY", default_value_t = 256, value_parser = clap::value_parser!(u64).range(96..=8192))]
    pub(crate) charts_memory: u64,

    /// File of certificate authorities for the servers of charts, in place of the machine's.
    #[arg(long, env = "TEAL_CHARTS_CA_FILE")]
    pub(crate) charts_ca_file: Option<PathBuf>,

    /// A host, with its port, that may be asked for charts without TLS. May be given several times.
    #[arg(long, env = "TEAL_CHARTS_PLAIN_HOST", value_delimiter = ',')]
    pub(crate) charts_plain_host: Vec<String>,

    /// What is logged: error, warn, info, debug, or a filter such as info,teal_cluster=debug.
    #[arg(long, env = "TEAL_LOG", default_value = "info")]
    pub(crate) log: String,
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}: write a duration like 2s or 500ms"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_sound_and_have_their_defaults() {
        Arguments::command().debug_assert();
        let Command::Operator(operator) = Arguments::parse_from(["teal", "operator"]).command else {
            panic!("another command")
        };
        assert_eq!(operator.propagation, Duration::from_secs(2));
        assert_eq!(operator.drain, Duration::from_secs(30));
        assert!(Arguments::try_parse_from(["teal", "operator", "--drain", "soon"]).is_err());
    }

    #[test]
    fn the_chart_passes_flags_that_there_are_and_the_names_of_the_mesh_among_them() {
        let deployment = include_str!("../../../charts/teal/templates/deployment.yaml");
        let flags: Vec<&str> = deployment
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- --")?.split_once('=').map(|(flag, _)| flag))
            .collect();
        let command = Arguments::command();
        let operator = command.find_subcommand("operator").unwrap();
        for flag in &flags {
            assert!(operator.get_arguments().any(|known| known.get_long() == Some(flag)), "{flag}");
        }
        for (flag, value) in [("mesh-root-namespace", "rootNamespace"), ("cluster-domain", "clusterDomain")] {
            assert!(flags.contains(&flag), "mesh.{value} goes nowhere: {flags:?}");
        }
    }
}

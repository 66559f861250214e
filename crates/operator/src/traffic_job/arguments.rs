//! What `teal traffic` is told.

use std::time::Duration;

use clap::{Args, Subcommand};
use teal_traffic::{Share, Wish};

use super::error;
use crate::arguments::duration;

/// Look at the weights of a VirtualService, or change them once, without a Rollout.
#[derive(Subcommand, Debug)]
#[command(after_help = error::HELP)]
pub(crate) enum Traffic {
    /// Print what each http route gives to whom, as one line of JSON
    #[command(after_help = error::HELP)]
    Get(Get),
    /// Divide the weights of http routes between destinations that stand in them already
    #[command(after_help = error::HELP)]
    Set(Set),
}

/// Where the VirtualService is.
#[derive(Args, Debug)]
pub(crate) struct Connection {
    /// Its namespace [default: that of the pod, or of the kubeconfig's context]
    #[arg(long, short)]
    pub(crate) namespace: Option<String>,

    /// Its name
    #[arg(long, alias = "virtualservice")]
    pub(crate) virtual_service: String,

    /// Address of the API server, in place of the one in the kubeconfig or the pod's environment
    #[arg(long, env = "TEAL_SERVER")]
    pub(crate) server: Option<String>,

    /// Bound on every request to the API server
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub(crate) request_timeout: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) connection: Connection,

    /// Name of an http route; may be given several times [default: all that forward]
    #[arg(long = "route", value_name = "ROUTE")]
    pub(crate) routes: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Set {
    #[command(flatten)]
    pub(crate) connection: Connection,

    /// Name of an http route; may be given several times [default: each that names one of the destinations]
    #[arg(long = "route", value_name = "ROUTE")]
    pub(crate) routes: Vec<String>,

    /// Percent of a destination, such as web=90, or web+v2=10 for a subset; once for each that is to change
    #[arg(long = "weight", value_name = "HOST[+SUBSET]=WEIGHT", num_args = 1.., required_unless_present = "more")]
    pub(crate) weights: Vec<Share>,

    /// The same as --weight
    #[arg(value_name = "HOST[+SUBSET]=WEIGHT")]
    pub(crate) more: Vec<Share>,

    /// Have the API server check everything, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Stay until proxies have had time to follow, and fail if another hand changes the weights meanwhile [2s where no time is
    /// given]
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2s",
        value_parser = duration,
        conflicts_with = "dry_run"
    )]
    pub(crate) wait: Option<Duration>,

    /// How often it is tried, where others write at the same time or the API server doesn't answer
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) attempts: u32,

    /// The cluster's DNS domain, as the mesh has it
    #[arg(long, env = "TEAL_CLUSTER_DOMAIN", default_value = "cluster.local")]
    pub(crate) cluster_domain: String,
}

impl Set {
    /// In the form of the room that divides.
    pub(crate) fn wish(&self) -> Wish {
        let shares = self.weights.iter().chain(&self.more).cloned().collect();
        Wish { routes: self.routes.clone(), shares }
    }
}

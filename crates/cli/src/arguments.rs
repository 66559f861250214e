//! The command line.

mod verb;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use teal_api::duration;
use teal_release::ObjectKey;

pub use verb::{Verb, Wish};

use crate::exit;
use crate::standing::Goal;

/// See rollouts of Teal, decide about them, and go back.
#[derive(Clone, Debug, Parser)]
#[command(name = "kubectl-teal", bin_name = "kubectl teal", version, after_help = exit::HELP, max_term_width = 100)]
pub struct Arguments {
    /// How to reach the cluster.
    #[command(flatten)]
    pub connection: Connection,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How to reach the cluster: kubectl's flags.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Namespace; the one of the context if left out
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The kubeconfig file; $KUBECONFIG or ~/.kube/config if left out
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Cluster of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,
    /// User of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub user: Option<String>,
    /// Act as this user, which needs the right to impersonate
    #[arg(long = "as", global = true, value_name = "USER")]
    pub impersonate: Option<String>,
    /// Act as a member of this group; may be repeated
    #[arg(long = "as-group", global = true, value_name = "GROUP", requires = "impersonate")]
    pub impersonate_groups: Vec<String>,
    /// How long one request may take
    #[arg(long, global = true, value_name = "DURATION", default_value = "30s", value_parser = duration_of)]
    pub request_timeout: Duration,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List rollouts, with phase, step, weight and what each waits for
    Get(Get),
    /// Show where a rollout is; with --wait, until its outcome is known
    #[command(after_help = exit::HELP)]
    Status(Status),
    /// Say why a rollout waits, what happens next and when, and what can be done now
    Explain(Explain),
    /// Print the commands that lead to one release's pods: logs, ports, a shell, a JVM's tools, traces
    Debug(Debug),
    /// Go back further: ask for the content of a kept revision again, as a rollout of its own
    #[command(after_help = exit::HELP)]
    Undo(Undo),
    /// Look at an application that runs without Teal: print a Rollout that takes it over, and what is left to do
    Adopt(Adopt),
    /// Decide.
    #[command(flatten)]
    Decide(Verb),
}

/// `get`.
#[derive(Args, Clone, Debug, Default)]
pub struct Get {
    /// Only these
    #[arg(value_name = "NAME", value_parser = rollout_name, conflicts_with_all = ["selector", "all_namespaces"])]
    pub names: Vec<String>,
    /// In all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only those with these labels, such as team=shop
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,
    /// wide: with the live color and the message
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// Forms of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// More columns.
    Wide,
}

/// `status`.
#[derive(Args, Clone, Debug)]
pub struct Status {
    /// The rollout
    #[arg(value_name = "NAME", value_parser = rollout_name)]
    pub name: String,
    /// Wait for the outcome. A release that is taken back or stalls ends each of them
    #[arg(long, value_name = "FOR", num_args = 0..=1, require_equals = true, default_missing_value = "promoted")]
    pub wait: Option<Goal>,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration_of)]
    pub timeout: Duration,
}

/// `explain`.
#[derive(Args, Clone, Debug)]
pub struct Explain {
    /// The rollout
    #[arg(value_name = "NAME", value_parser = rollout_name)]
    pub name: String,
}

/// `debug`.
#[derive(Args, Clone, Debug)]
pub struct Debug {
    /// The rollout
    #[arg(value_name = "NAME", value_parser = rollout_name)]
    pub name: String,
    /// Whose pods; the candidate's if there is one, else the live release's
    #[arg(long, value_name = "RELEASE")]
    pub of: Option<Release>,
}

/// A release of a rollout, by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Release {
    /// The one that is tried, or that was taken back and is kept to be looked at.
    Candidate,
    /// The one that serves.
    Live,
    /// The one that served before and is kept.
    Previous,
}

/// `undo`.
#[derive(Args, Clone, Debug)]
pub struct Undo {
    /// The rollout
    #[arg(value_name = "NAME", value_parser = rollout_name)]
    pub name: String,
    /// The revision whose workload and config are wanted again, such as r5-77aa01ff, or r5 where that is one alone. The last ten are
    /// kept: kubectl get controllerrevisions -l teal.dev/rollout=NAME
    #[arg(long, value_name = "REVISION")]
    pub to: String,
    /// Print what would be written, as a merge patch, and have the API server check it
    #[arg(long)]
    pub dry_run: bool,
    /// Don't ask on a terminal whether this is meant; needed elsewhere if GitOps owns the Rollout
    #[arg(short, long)]
    pub yes: bool,
}

/// `adopt`.
#[derive(Args, Clone, Debug)]
pub struct Adopt {
    /// The Rollout to be
    #[arg(value_name = "NAME", value_parser = rollout_name)]
    pub name: String,
    /// A Service that leads to it and is to be traffic's; may be repeated. The one called NAME if left out
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<String>,
    /// A Deployment or StatefulSet that is taken over, such as deployment/web; may be repeated. Those to whose pods the Services lead if
    /// left out
    #[arg(long = "workload", value_name = "KIND/NAME", value_parser = workload)]
    pub workloads: Vec<ObjectKey>,
    /// A VirtualService whose weights are to be moved; may be repeated. None if left out
    #[arg(long = "virtual-service", value_name = "NAME")]
    pub virtual_services: Vec<String>,
    /// Write nothing. Has to be said, because nothing else can be done so far
    #[arg(long, required = true)]
    pub dry_run: bool,
}

impl Adopt {
    /// The traffic Services.
    pub fn services(&self) -> Vec<String> {
        if self.services.is_empty() { vec![self.name.clone()] } else { self.services.clone() }
    }
}

/// A workload as kubectl names it.
fn workload(text: &str) -> Result<ObjectKey, String> {
    let example = "write deployment/NAME or statefulset/NAME";
    let (kind, name) = text.split_once('/').ok_or(example)?;
    let kind = match kind.split('.').next().unwrap_or_default().to_lowercase().as_str() {
        "deployment" | "deployments" | "deploy" => "Deployment",
        "statefulset" | "statefulsets" | "sts" => "StatefulSet",
        _ => return Err(format!("{kind} can't be adopted: {example}")),
    };
    if name.is_empty() { Err(example.to_owned()) } else { Ok(ObjectKey::new("apps", kind, name)) }
}

fn duration_of(text: &str) -> Result<Duration, duration::DurationError> {
    duration::parse(text).map(Duration::from_millis)
}

/// A name, also as kubectl prints it (`rollout.teal.dev/web`).
fn rollout_name(text: &str) -> Result<String, String> {
    let name = match text.split_once('/') {
        Some(("rollout.teal.dev" | "rollouts.teal.dev" | "tro", name)) => name,
        Some((kind, _)) => return Err(format!("{kind} is no kind of Teal's: give the name of a Rollout")),
        None => text,
    };
    if name.is_empty() { Err("give the name of a Rollout".to_owned()) } else { Ok(name.to_owned()) }
}

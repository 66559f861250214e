//! `teal-bed`: the test bed for a person's hands.

mod check;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use teal_testbed::bed::ALL_PARTS;
use teal_testbed::parts::{Parts, Terminal};
use teal_testbed::{Bed, Config, Enter, Error, Istio, Profile, Result, enter_with};

/// A whole single-node Kubernetes cluster with Istio in one process tree.
#[derive(Debug, Parser)]
#[command(name = "teal-bed", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build or fetch parts into the cache, and say where they lie.
    Parts {
        /// Which ones; all if none is named.
        names: Vec<String>,
    },
    /// Start a bed and leave it up until Ctrl-C.
    Up(Up),
    /// Run a command inside a running bed.
    Exec {
        /// Which bed, by its name; needed if several run.
        #[arg(long)]
        bed: Option<String>,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Start beds, say how long that takes, use all they have, kill them, and see that nothing is left.
    Check,
    /// The part of `check` that runs inside.
    #[command(hide = true)]
    CheckInside,
    /// The control plane alone that `check` starts.
    #[command(hide = true)]
    CheckControlPlane,
    /// The one that `check` kills while a bed hangs on it.
    #[command(hide = true)]
    CheckStarter,
}

#[derive(Debug, Args)]
struct Up {
    /// How much of a cluster.
    #[arg(long, value_enum, default_value_t = Size::Full)]
    profile: Size,
    /// Pretended nodes, for the profile `kwok`.
    #[arg(long, default_value_t = 1)]
    nodes: u32,
    /// How much of Istio.
    #[arg(long, value_enum, default_value_t = IstioSize::Mesh)]
    istio: IstioSize,
    /// Behave as an older API server, for example 1.34.
    #[arg(long)]
    emulated_version: Option<String>,
    /// Write an audit log.
    #[arg(long)]
    audit: bool,
    /// Keep every version of every object as JSON.
    #[arg(long)]
    history: bool,
    /// Import an image archive.
    #[arg(long)]
    image: Vec<PathBuf>,
    /// Keep logs and files in this folder.
    #[arg(long)]
    state: Option<PathBuf>,
    /// End as soon as the bed is usable, to see how long that takes.
    #[arg(long)]
    once: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Size {
    Full,
    ControlPlane,
    Kwok,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum IstioSize {
    None,
    Kinds,
    Mesh,
}

impl Up {
    fn config(&self) -> Config {
        let profile = match self.profile {
            Size::Full => Profile::Full,
            Size::ControlPlane => Profile::ControlPlane,
            Size::Kwok => Profile::ControlPlaneWithKwok { nodes: self.nodes },
        };
        let istio = match self.istio {
            IstioSize::None => Istio::None,
            IstioSize::Kinds => Istio::Kinds,
            IstioSize::Mesh => Istio::Mesh,
        };
        Config {
            profile,
            istio,
            emulated_version: self.emulated_version.clone(),
            audit: self.audit,
            history: self.history,
            images: self.image.clone(),
            state: self.state.clone(),
            ..Config::default()
        }
    }
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).init();
    match run(Cli::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("teal-bed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Parts { names } => parts(&names)?,
        Verb::Up(options) => up(&options)?,
        Verb::Exec { bed, command } => {
            return teal_testbed::exec(bed.as_deref(), &command).map(ExitCode::from);
        }
        Verb::Check => check::check()?,
        Verb::CheckInside => check::inside()?,
        Verb::CheckControlPlane => check::control_plane_inside()?,
        Verb::CheckStarter => check::starter()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn parts(names: &[String]) -> Result<()> {
    let names: Vec<&str> =
        if names.is_empty() { ALL_PARTS.to_vec() } else { names.iter().map(String::as_str).collect() };
    let parts = Parts::provide(&names, &mut Terminal)?;
    parts.folders().values().for_each(|folder| print(&folder.display().to_string()));
    Ok(())
}

fn up(options: &Up) -> Result<()> {
    let config = options.config();
    enter_with(&Enter { parts: config.parts(), reachable_from_outside: true })?;
    runtime()?.block_on(async {
        let bed = Bed::start(config).await?;
        introduce(&bed);
        if !options.once {
            tokio::signal::ctrl_c()
                .await
                .map_err(|source| Error::Enter { action: "wait for Ctrl-C", source })?;
        }
        bed.stop().await
    })
}

fn introduce(bed: &Bed) {
    for (part, after) in bed.timings() {
        say(&format!("{:>7.3} s  {part}", after.as_secs_f64()));
    }
    let outside = |name| bed.address_outside(name).map(|address| format!("http://{address}"));
    let cluster = bed.cluster();
    let gateway = cluster.gateway.as_ref().and_then(|_| outside("gateway"));
    let prometheus = cluster.prometheus.as_ref().and_then(|_| outside("prometheus"));
    let ways = Ways { gateway, prometheus, to_pods: cluster.prometheus.clone() };
    ways.lines(&bed.kubeconfig_outside()).iter().for_each(|line| print(line));
    if let Some(hint) = ways.hint() {
        say(&hint);
    }
    say("Inside it, with everything reachable: teal-bed exec -- COMMAND. Ctrl-C ends the bed.");
}

/// Where a bed's parts are reached, those that it has.
struct Ways {
    /// The gateway, from this machine.
    gateway: Option<String>,
    /// Prometheus, from this machine.
    prometheus: Option<String>,
    /// Prometheus, from the bed's pods.
    to_pods: Option<String>,
}

impl Ways {
    fn lines(&self, kubeconfig: &Path) -> Vec<String> {
        let there = [
            ("gateway", &self.gateway),
            ("prometheus", &self.prometheus),
            ("prometheus for pods", &self.to_pods),
        ];
        let there = there.into_iter().filter_map(|(name, address)| Some((name, address.as_ref()?)));
        let mut lines = vec![format!("export KUBECONFIG={}", kubeconfig.display())];
        lines.extend(there.map(|(name, address)| format!("{name}: {address}")));
        lines
    }

    /// What is run on it from here as on any cluster. Teal asks Prometheus from a pod, where this machine's loopback address is
    /// another one.
    fn hint(&self) -> Option<String> {
        let (gateway, prometheus) = (self.gateway.as_ref()?, self.to_pods.as_ref()?);
        Some(format!(
            "With the images imported (--image), as on a cluster of one's own:\n  cargo xtask demo --kubeconfig $KUBECONFIG \
             --gateway {gateway} --prometheus {prometheus}"
        ))
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Runtime::new().map_err(|source| Error::Enter { action: "start the runtime", source })
}

/// For the person; a closed terminal is no error.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// For programs that read us.
fn print(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_is_told_as_this_machine_reaches_it_and_as_pods_do() {
        let ways = Ways {
            gateway: Some("http://127.0.0.1:41000".into()),
            prometheus: Some("http://127.0.0.1:42000".into()),
            to_pods: Some("http://10.0.0.1:9090".into()),
        };
        let lines = [
            "export KUBECONFIG=/run/bed/kubeconfig",
            "gateway: http://127.0.0.1:41000",
            "prometheus: http://127.0.0.1:42000",
            "prometheus for pods: http://10.0.0.1:9090",
        ];
        assert_eq!(ways.lines(Path::new("/run/bed/kubeconfig")), lines);
        let hint = ways.hint().unwrap();
        let options = "--gateway http://127.0.0.1:41000 --prometheus http://10.0.0.1:9090";
        assert!(hint.contains(options), "Teal's pods can't reach the other one: {hint}");
    }

    #[test]
    fn of_a_control_plane_alone_nothing_else_is_told() {
        let ways = Ways { gateway: None, prometheus: None, to_pods: None };
        assert_eq!(ways.lines(Path::new("/k")), ["export KUBECONFIG=/k"]);
        assert_eq!(ways.hint(), None);
    }
}

//! Tests that need an API server with its controllers, and nothing behind it: neither node nor mesh.
//!
//! `cargo xtask server` builds them, since inside a bed no registry can be reached, and starts this. One control plane is
//! started for all of them; they run one program after another and wait most of the time, so several tests at once.

mod programs;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use teal_testbed::{Cluster, Config, Istio, enter};

use crate::error::{Error, Result};
use crate::world::{World, checkout};
use programs::Program;

/// Names a cluster to be used instead of a bed, to this and to every test program.
const KUBECONFIG: &str = "TEAL_TEST_KUBECONFIG";

/// Tests on a real API server.
#[derive(Clone, Debug, Parser)]
#[command(name = "server", bin_name = "cargo xtask server")]
struct Arguments {
    /// Use this cluster instead of a control plane started here. It has Istio's kinds, and nothing of Teal's that matters
    /// [default: what TEAL_TEST_KUBECONFIG names]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// How many tests run at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = programs::AT_ONCE)]
    test_threads: usize,
    /// A built test program and the room it is from
    #[arg(long = "program", value_name = "ROOM=PATH", hide = true)]
    programs: Vec<Program>,
    /// Run tests with this in their name only
    filter: Vec<String>,
}

impl Arguments {
    fn kubeconfig(&self) -> Option<PathBuf> {
        self.kubeconfig.clone().or_else(|| std::env::var_os(KUBECONFIG).map(PathBuf::from))
    }
}

/// Runs what the command line asks for. To be called first thing in `main`.
pub fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let theirs = arguments.kubeconfig();
    let config = bed_config();
    if theirs.is_none() {
        enter(&config)?;
    }
    let runtime = tokio::runtime::Runtime::new();
    let runtime = runtime.map_err(|source| Error::Local { action: "start the runtime", source })?;
    runtime.block_on(all(arguments, config, theirs.as_deref()))
}

/// Everything that these tests need. History and audit are for whoever looks for the cause of a failure, and for the
/// invariants.
fn bed_config() -> Config {
    Config { istio: Istio::Kinds, audit: true, history: true, ..Config::control_plane() }
}

async fn all(arguments: &Arguments, config: Config, theirs: Option<&Path>) -> Result<bool> {
    let world = match theirs {
        Some(kubeconfig) => World::existing(Cluster::existing(kubeconfig, None, None)).await?,
        None => World::start(config).await?,
    };
    let crds = checkout().join("crds").display().to_string();
    world.kubectl(&["apply", "-f", &crds]).await?;
    let kinds = ["crd/rollouts.teal.dev", "crd/decisions.teal.dev"];
    world.kubectl(&[&["wait", "--for=condition=Established", "--timeout=30s"], &kinds[..]].concat()).await?;
    let passed = programs::run(&world.cluster, arguments).await?;
    world.stop().await?;
    Ok(passed)
}

fn say(line: &str) {
    // Whoever closed the output doesn't want to know.
    writeln!(std::io::stdout(), "{line}").unwrap_or_default();
}

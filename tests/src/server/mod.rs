//! Tests that need an API server with its controllers, and nothing behind it, neither node nor mesh; or a program that beds are
//! made of, and start it themselves.
//!
//! `cargo xtask server` builds them, since inside a bed no registry can be reached, and starts this. One control plane is
//! started for all of them; they run one program after another and wait most of the time, so several tests at once.

mod invariants;
mod policies;
mod programs;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use teal_testbed::parts::{Parts, Terminal};
use teal_testbed::{Cluster, Config, Enter, Istio, enter_with};

use crate::error::{Error, Result};
use crate::world::{World, checkout};
use programs::Program;

/// What the cases of policies are called in a filter.
const POLICIES: &str = "policies";

/// How long the server may take to serve what was made.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it does.
const PAUSE: Duration = Duration::from_millis(200);

/// Names a cluster to be used instead of a bed, to this and to every test program.
const KUBECONFIG: &str = "TEAL_TEST_KUBECONFIG";

/// The oldest server that the chart is for, as a newer one pretends to be it.
const OLDER: &str = "1.33";

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
    /// Run tests with this in their name only; `policies` are the cases of `tests/policies`
    filter: Vec<String>,
}

impl Arguments {
    fn kubeconfig(&self) -> Option<PathBuf> {
        self.kubeconfig.clone().or_else(|| std::env::var_os(KUBECONFIG).map(PathBuf::from))
    }

    fn wants_policies(&self) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|part| part == POLICIES)
    }

    fn wants_programs(&self) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|part| part != POLICIES)
    }

    /// What a bed of ours is made of, and what is started in it.
    fn parts(&self) -> Vec<&'static str> {
        let bed = Config { helm: self.wants_policies(), ..bed_config() };
        let started: &[_] = if self.wants_programs() { &programs::PARTS } else { &[] };
        [&bed.parts(), started].concat()
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
    match theirs {
        None => enter_with(&Enter { parts: arguments.parts(), ..Enter::default() })?,
        Some(_) if arguments.wants_programs() => Parts::provide(&programs::PARTS, &mut Terminal).map(drop)?,
        Some(_) => {}
    }
    let runtime = tokio::runtime::Runtime::new();
    let runtime = runtime.map_err(|source| Error::Local { action: "start the runtime", source })?;
    runtime.block_on(all(arguments, theirs.as_deref()))
}

/// A control plane with Istio's kinds. History and audit are for whoever looks for the cause of a failure.
fn bed_config() -> Config {
    Config { istio: Istio::Kinds, audit: true, history: true, ..Config::control_plane() }
}

async fn all(arguments: &Arguments, theirs: Option<&Path>) -> Result<bool> {
    match theirs {
        Some(kubeconfig) => on_theirs(arguments, kubeconfig).await,
        None => on_ours(arguments).await,
    }
}

async fn on_theirs(arguments: &Arguments, kubeconfig: &Path) -> Result<bool> {
    let world = World::existing(Cluster::existing(kubeconfig, None, None)).await?;
    let mut passed = true;
    if arguments.wants_programs() {
        passed &= rooms(&world, arguments).await?;
    }
    if arguments.wants_policies() {
        passed &= policies::run(&world, None).await?;
    }
    Ok(passed)
}

/// A bed for the programs, and fresh ones for the policies, of which one pretends to be older.
async fn on_ours(arguments: &Arguments) -> Result<bool> {
    let mut passed = true;
    if arguments.wants_programs() {
        let world = World::start(bed_config()).await?;
        passed &= rooms(&world, arguments).await?;
        world.stop().await?;
    }
    if arguments.wants_policies() {
        for older in [None, Some(OLDER)] {
            let emulated_version = older.map(str::to_owned);
            let world = World::start(Config { emulated_version, helm: true, ..bed_config() }).await?;
            passed &= policies::run(&world, older).await?;
            world.stop().await?;
        }
    }
    Ok(passed)
}

/// The test programs of the rooms, on a cluster with the definitions; then the history of what they did.
async fn rooms(world: &World, arguments: &Arguments) -> Result<bool> {
    let crds = checkout().join("crds").display().to_string();
    world.kubectl(&["apply", "-f", &crds]).await?;
    served(world, "rollouts.teal.dev,decisions.teal.dev").await?;
    let passed = programs::run(&world.cluster, arguments).await?;
    let holds = invariants::hold(&world.cluster, arguments.filter.is_empty(), say).await?;
    Ok(passed && holds)
}

/// A kind is served a moment after its definition was made.
async fn served(world: &World, kinds: &str) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        match world.kubectl(&["get", kinds, "--all-namespaces"]).await {
            Err(_) if Instant::now() < end => tokio::time::sleep(PAUSE).await,
            ended => return ended.map(drop),
        }
    }
}

fn say(line: &str) {
    // Whoever closed the output doesn't want to know.
    writeln!(std::io::stdout(), "{line}").unwrap_or_default();
}

//! `cargo xtask`: the verbs of the project.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "speaks to the person at the terminal")]

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

use xtask::error::Error;
use xtask::workspace::Workspace;
use xtask::{chain, generate, image, rooms, server, stories, test};

/// The verbs of the project
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Ship two versions through a real cluster, a good one and a bad one (see `demo --help`)
    #[command(disable_help_flag = true)]
    Demo(Passed),
    /// Run everything that checks this checkout
    Test(test::Choice),
    /// Measure latency, requests and memory on a real API server (see `bench --help`)
    #[command(disable_help_flag = true)]
    Bench(Passed),
    /// Run the tests that need an API server, and nothing else (see `server --help`)
    #[command(disable_help_flag = true)]
    Server(Passed),
    /// Build the container images as OCI archives
    Image(image::Choice),
    /// Write the generated files
    Generate {
        /// Write nothing; fail and show a diff where a committed file is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Refuse imports and calls that cross a wall between rooms, and files that grew too long
    Rooms,
}

/// Arguments that belong to another program.
#[derive(clap::Args)]
struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match Workspace::load().and_then(|workspace| run(&workspace, &arguments.verb)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", chain::render(&error));
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all is well.
fn run(workspace: &Workspace, verb: &Verb) -> Result<bool, Error> {
    match verb {
        Verb::Demo(passed) => stories::run(workspace, "demo", &passed.arguments).map(|()| true),
        Verb::Bench(passed) => stories::run(workspace, "bench", &passed.arguments).map(|()| true),
        Verb::Server(passed) => server::run(workspace, &passed.arguments).map(|()| true),
        Verb::Test(choice) => test::all(workspace, choice),
        Verb::Image(choice) => image::all(workspace, choice).map(|()| true),
        Verb::Generate { check } => generate::delegate(*check).map(|()| true),
        Verb::Rooms => rooms::look(workspace).map(|report| show(&report)),
    }
}

fn show(report: &rooms::Report) -> bool {
    for (lines, path) in &report.long_files {
        println!("long: {lines:>4} lines  {}", path.display());
    }
    for violation in &report.violations {
        println!("refused: {violation}");
    }
    println!("count: {}, {} refused", report.looked_at, report.violations.len());
    report.violations.is_empty()
}

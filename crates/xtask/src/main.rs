//! `cargo xtask`: the verbs of the project.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "speaks to the person at the terminal")]

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

use xtask::error::Error;
use xtask::workspace::Workspace;
use xtask::{chain, generate, image, rights, rooms, server, stories, test};

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
    let done = Workspace::load().and_then(|workspace| {
        allowed(&workspace, &arguments.verb, rights::is_root(), test::is_given())?;
        run(&workspace, &arguments.verb)
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", chain::render(&error));
            ExitCode::FAILURE
        }
    }
}

/// Refuses, before anything is built, what can't be done in the end. `given`: a cluster for tests is named already.
fn allowed(workspace: &Workspace, verb: &Verb, root: bool, given: bool) -> Result<(), Error> {
    const THEIRS: &str = "\nOr give it a cluster: see --help.";
    const QUICK: &str = "\n`cargo xtask test --quick` does all that needs no cluster.";
    let (name, starts, other) = match verb {
        Verb::Demo(passed) => ("demo", rights::start_a_cluster(&passed.arguments), THEIRS),
        Verb::Bench(passed) => ("bench", rights::start_a_cluster(&passed.arguments), ""),
        Verb::Server(passed) => ("server", !given && rights::start_a_cluster(&passed.arguments), THEIRS),
        Verb::Test(choice) => ("test", choice.starts_a_cluster(given), QUICK),
        Verb::Image(_) | Verb::Generate { .. } | Verb::Rooms => return Ok(()),
    };
    match (starts, root) {
        (false, _) => Ok(()),
        (true, false) => rights::refuse(workspace.root(), name, other),
        (true, true) => rights::have_go(workspace.root()),
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

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    /// Read once: each reading is a run of cargo.
    static WORKSPACE: LazyLock<Workspace> = LazyLock::new(|| Workspace::load().unwrap());

    fn refused(words: &[&str]) -> bool {
        let words = std::iter::once("xtask").chain(words.iter().copied());
        let verb = Arguments::try_parse_from(words).unwrap().verb;
        assert!(allowed(&WORKSPACE, &verb, true, false).is_ok(), "root may do all");
        matches!(allowed(&WORKSPACE, &verb, false, false), Err(Error::NotRoot { .. }))
    }

    #[test]
    fn without_root_a_cluster_is_refused_before_anything_is_built() {
        for words in [
            &["demo", "--yes"][..],
            &["bench"],
            &["server", "life::"],
            &["test"],
            &["test", "--long"],
            &["test", "--only", "unit", "--only", "stories"],
            &["test", "--only", "bed"],
        ] {
            assert!(refused(words), "{words:?}");
        }
    }

    #[test]
    fn without_root_all_that_starts_no_cluster_is_done() {
        for words in [
            &["demo", "--help"][..],
            &["demo", "--kubeconfig", "k", "--gateway", "g"],
            &["server", "--kubeconfig", "k"],
            &["test", "--quick"],
            &["test", "--list"],
            &["test", "--only", "unit"],
            &["test", "--only", "server", "--kubeconfig", "k"],
            &["test", "--kubeconfig", "k", "--gateway", "http://g"],
            &["image"],
            &["rooms"],
        ] {
            assert!(!refused(words), "{words:?}");
        }
    }
}

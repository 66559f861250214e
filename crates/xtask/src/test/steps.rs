//! The steps of `cargo xtask test`, cheapest first.

use std::path::PathBuf;
use std::process::Command;

use super::{deny, heard};
use crate::command::cargo;
use crate::server::NAME as SERVER;
use crate::stories::PACKAGE as STORIES;
use crate::workspace::Workspace;

/// The package of the explorer.
const EXPLORER: &str = "teal-sim";

/// The package of the test bed.
const BED: &str = "teal-testbed";

/// Packages with a plain HTTP client.
const PLAIN: [&str; 2] = ["teal-example-app", "teal-load"];

/// Programs behind features, so that lints and tests reach them too.
const FEATURES: &str = "xtask/generate,xtask/image";

/// The step that tells stories, and the program that does.
pub(super) const STORIES_STEP: &str = "stories";

/// The step that plays the demo.
const DEMO_STEP: &str = "demo";

/// The step that explores.
pub(super) const EXPLORED: &str = "explorer";

/// Refuses lines of standard output that aren't as programs count on, in words.
pub(super) type Listener = fn(&[String]) -> Result<(), String>;

/// What a step does in this checkout and on this machine.
#[derive(Debug)]
pub(super) enum Work {
    /// Runs these, one after another, until one fails.
    Run(Vec<Command>),
    /// Runs this, and holds its standard output against what programs that read it count on.
    Hear(Command, Listener),
    /// Can't be done here; the summary says why.
    NotChecked(String),
}

/// What a step runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// This machine as it is.
    Nothing,
    /// A cluster, started here or given.
    Cluster,
    /// A cluster that is started here, which is what it is about.
    Bed,
}

/// One step.
pub(super) struct Step {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What it finds out, for `--list`.
    pub about: &'static str,
    /// What it runs on.
    pub needs: Needs,
    /// Finds out what is to be done.
    pub work: fn(&Workspace) -> Work,
}

/// All steps in their order.
pub(super) const STEPS: [Step; 12] = [
    Step { name: "fmt", about: "layout of the source", needs: Needs::Nothing, work: fmt },
    Step {
        name: "rooms",
        about: "walls between rooms, lengths of files",
        needs: Needs::Nothing,
        work: rooms,
    },
    Step { name: "clippy", about: "lints, warnings refused", needs: Needs::Nothing, work: clippy },
    Step {
        name: "deny",
        about: "dependencies: bans, licences, sources",
        needs: Needs::Nothing,
        work: deny::bans,
    },
    Step {
        name: "advisories",
        about: "known holes in dependencies",
        needs: Needs::Nothing,
        work: deny::advisories,
    },
    Step { name: "unit", about: "tests of every room by itself", needs: Needs::Nothing, work: unit },
    Step {
        name: "generate",
        about: "generated files are the committed ones",
        needs: Needs::Nothing,
        work: generate,
    },
    Step { name: EXPLORED, about: "every way the planner can go", needs: Needs::Nothing, work: explorer },
    Step { name: "bed", about: "beds start, work and leave nothing behind", needs: Needs::Bed, work: bed },
    Step {
        name: SERVER,
        about: "tests against a real API server, and a real Prometheus",
        needs: Needs::Cluster,
        work: server,
    },
    Step {
        name: DEMO_STEP,
        about: "the demo, with nobody at the terminal, is as promised",
        needs: Needs::Bed,
        work: demo,
    },
    Step { name: STORIES_STEP, about: "stories on a real cluster", needs: Needs::Cluster, work: stories },
];

fn just(command: Command) -> Work {
    Work::Run(vec![command])
}

fn fmt(_: &Workspace) -> Work {
    just(cargo(&["fmt", "--all", "--check", "--", "--color", "never"]))
}

fn rooms(_: &Workspace) -> Work {
    just(this_program(&["rooms"]))
}

fn clippy(_: &Workspace) -> Work {
    let arguments =
        ["clippy", "--workspace", "--all-targets", "--features", FEATURES, "--", "-D", "warnings"];
    just(cargo(&arguments))
}

/// The rooms whose tests are built together.
pub(crate) fn together() -> Vec<&'static str> {
    let mut arguments =
        vec!["--workspace", "--features", FEATURES, "--exclude", STORIES, "--exclude", EXPLORER];
    // What speaks plain HTTP is built alone, as its users build it: together with the operator's rooms it would get their
    // features of the HTTP client, which want a TLS provider to be installed.
    arguments.extend(PLAIN.iter().flat_map(|package| ["--exclude", *package]));
    arguments
}

fn unit(_: &Workspace) -> Work {
    let mut rooms = cargo(&["test", "--no-fail-fast"]);
    rooms.args(together()).args(["--", "--show-output"]);
    let mut plain = cargo(&["test", "--no-fail-fast"]);
    plain.args(PLAIN.iter().flat_map(|package| ["--package", *package]));
    plain.args(["--", "--show-output"]);
    // The history checker and the helpers of stories are tested without a cluster.
    let helpers = cargo(&["test", "--package", STORIES, "--lib", "--bins", "--", "--show-output"]);
    Work::Run(vec![rooms, plain, helpers])
}

fn generate(_: &Workspace) -> Work {
    just(this_program(&["generate", "--check"]))
}

fn explorer(workspace: &Workspace) -> Work {
    if !workspace.has_test_files(EXPLORER) {
        return Work::NotChecked(format!("{EXPLORER} explores nothing yet"));
    }
    // The workspace's profiles optimise this package and the planner also for tests.
    just(cargo(&["test", "--package", EXPLORER, "--", "--show-output"]))
}

/// What every step after it stands on.
fn bed(_: &Workspace) -> Work {
    just(cargo(&["run", "--quiet", "--package", BED, "--bin", "teal-bed", "--", "check"]))
}

/// Builds the tests that need an API server, and runs them on a control plane.
fn server(_: &Workspace) -> Work {
    just(this_program(&[SERVER]))
}

/// As a program calls it that only wants to know. Built as the stories are.
fn demo(_: &Workspace) -> Work {
    let arguments = ["run", "--quiet", "--package", STORIES, "--bin", DEMO_STEP, "--", "--yes", "--json"];
    Work::Hear(cargo(&arguments), heard::demo)
}

fn stories(_: &Workspace) -> Work {
    // Built as the tests of its package are, which the step `unit` has done already; only the images are optimised. One bed at a
    // time, because stories measure, and two cores are all they may count on.
    just(cargo(&["run", "--quiet", "--package", STORIES, "--bin", STORIES_STEP, "--"]))
}

fn this_program(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| PathBuf::from("xtask")));
    command.args(arguments);
    command
}

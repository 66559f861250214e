//! `cargo xtask test`: the one test command.
//!
//! Steps run cheapest first and the first failure ends the run. Each step's output is in a log
//! of its own; a line that begins with a mark (`counts::MARKS`) also stands in the summary.

mod counts;
mod deny;
mod run;
mod steps;
mod summary;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::server::NAME as SERVER;
use crate::workspace::Workspace;
use counts::Counts;
pub(crate) use steps::together;
use steps::{STEPS, Step, Work};
use summary::{Line, Outcome};

/// Names the cluster to tests that need an API server.
const KUBECONFIG: &str = "TEAL_TEST_KUBECONFIG";

/// Tells programs of steps to leave nothing out.
const LONG: &str = "TEAL_TEST_LONG";

/// How much of a failed step's log is shown.
const LINES_SHOWN: usize = 60;

/// Which steps to run.
#[derive(Debug, Default, clap::Args)]
pub struct Choice {
    /// Leave out what needs a cluster
    #[arg(long)]
    pub quick: bool,
    /// Do at length too what is bounded otherwise: stories that take long and tell nearly what others do
    #[arg(long, conflicts_with = "quick")]
    pub long: bool,
    /// Use this cluster for the step `server`, instead of a control plane started for it
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Run this step alone (may be given several times)
    #[arg(long, value_name = "STEP", value_parser = names())]
    pub only: Vec<String>,
    /// Say which steps there are
    #[arg(long)]
    pub list: bool,
}

fn names() -> clap::builder::PossibleValuesParser {
    STEPS.map(|step| step.name).into()
}

impl Choice {
    fn names(&self, step: &Step) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == step.name)
    }

    fn leaves_out(&self, step: &Step) -> bool {
        self.quick && step.needs_bed
    }
}

impl Choice {
    /// Whether any chosen step starts a cluster of its own; `given`: one for tests is named in the environment.
    pub fn starts_a_cluster(&self, given: bool) -> bool {
        let given = |step: &Step| step.name == SERVER && (given || self.kubeconfig.is_some());
        let starts =
            |step: &Step| step.needs_bed && self.names(step) && !self.leaves_out(step) && !given(step);
        !self.list && STEPS.iter().any(starts)
    }
}

/// Whether the environment names a cluster to tests that need an API server.
pub fn is_given() -> bool {
    std::env::var_os(KUBECONFIG).is_some()
}

/// Runs the chosen steps and prints the summary. Returns whether all is well.
pub fn all(workspace: &Workspace, choice: &Choice) -> Result<bool, Error> {
    if choice.list {
        for step in &STEPS {
            println!("{:<12}{}", step.name, step.about);
        }
        return Ok(true);
    }
    let logs = workspace.logs();
    std::fs::create_dir_all(&logs).map_err(|source| Error::Write { path: logs.clone(), source })?;
    let mut lines: Vec<Line> = Vec::new();
    for step in STEPS.iter().filter(|step| choice.names(step)) {
        lines.push(match summary::is_good(&lines) {
            _ if choice.leaves_out(step) => not_run(step, Outcome::LeftOut),
            true => one(workspace, choice, step, &logs)?,
            false => not_run(step, Outcome::NotReached),
        });
    }
    print!("{}", summary::render(&lines));
    Ok(summary::is_good(&lines))
}

fn not_run(step: &Step, outcome: Outcome) -> Line {
    Line { step: step.name, outcome, took: Duration::ZERO, counts: Counts::default() }
}

fn one(workspace: &Workspace, choice: &Choice, step: &Step, logs: &Path) -> Result<Line, Error> {
    eprintln!("{}: {}", step.name, step.about);
    let started = Instant::now();
    let mut counts = Counts::default();
    let outcome = match (step.work)(workspace) {
        Work::NotChecked(reason) => Outcome::NotChecked(reason),
        Work::Run(mut commands) => {
            if choice.long && step.needs_bed {
                commands.iter_mut().for_each(|command| {
                    command.env(LONG, "true");
                });
            }
            // Steps run in the root of the checkout.
            if let Some(kubeconfig) =
                choice.kubeconfig.as_ref().and_then(|path| std::path::absolute(path).ok())
            {
                commands.iter_mut().for_each(|command| {
                    command.env(KUBECONFIG, &kubeconfig);
                });
            }
            let path = logs.join(format!("{}.log", step.name));
            let mut log =
                File::create(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
            let passed = in_turn(workspace, step.name, commands, &mut log, &mut counts)?;
            if !passed {
                show_failure(&path)?;
            }
            if passed { Outcome::Passed } else { Outcome::Failed }
        }
    };
    Ok(Line { step: step.name, outcome, took: started.elapsed(), counts })
}

fn in_turn(
    workspace: &Workspace,
    step: &str,
    commands: Vec<std::process::Command>,
    log: &mut File,
    counts: &mut Counts,
) -> Result<bool, Error> {
    for mut command in commands {
        if !run::run(step, command.current_dir(workspace.root()), log, counts)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn show_failure(log: &Path) -> Result<(), Error> {
    eprintln!("FAILED; the last lines of {}:", log.display());
    run::tail(log, LINES_SHOWN)?.iter().for_each(|line| eprintln!("  {line}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Choice, STEPS};

    fn taken(choice: &Choice) -> Vec<&'static str> {
        let taken = STEPS.iter().filter(|step| choice.names(step) && !choice.leaves_out(step));
        taken.map(|step| step.name).collect()
    }

    #[test]
    fn without_a_choice_every_step_runs() {
        assert_eq!(taken(&Choice::default()).len(), STEPS.len());
    }

    #[test]
    fn quick_leaves_out_the_bed_and_nothing_else() {
        let quick = taken(&Choice { quick: true, ..Choice::default() });
        assert!(["bed", "server", "stories"].iter().all(|step| !quick.contains(step)));
        assert_eq!(quick.len(), STEPS.len() - 3);
    }

    #[test]
    fn only_takes_what_it_names() {
        let only = Choice { only: vec!["unit".to_owned(), "fmt".to_owned()], ..Choice::default() };
        assert_eq!(taken(&only), ["fmt", "unit"]);
    }
}

//! `cargo xtask test`: the one test command.
//!
//! Steps run cheapest first and the first failure ends the run. Each step's output is in a log
//! of its own; a line that begins with a mark (`counts::MARKS`) also stands in the summary.

mod counts;
mod deny;
mod heard;
mod run;
mod steps;
mod summary;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::server::NAME as SERVER;
use crate::workspace::Workspace;
use counts::Counts;
pub(crate) use steps::together;
use steps::{EXPLORED, Listener, Needs, STEPS, STORIES_STEP, Step, Work};
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
    /// Do at length too what is bounded otherwise: stories that take long and tell nearly what others do, and the explorer's
    /// mixtures of several kinds of trouble
    #[arg(long, conflicts_with = "quick")]
    pub long: bool,
    /// Use this cluster with Istio for the steps `server` and `stories`, instead of clusters started for them. It has nothing of
    /// Teal's that matters, and can run the images teal.dev/teal and teal.dev/shop (`cargo xtask image` makes them)
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Address of that cluster's ingress gateway (label istio=ingress), such as http://192.0.2.10, for the step `stories`. Sessions
    /// of raw TCP go to its port 9000, and are left out where nothing answers there
    #[arg(long, value_name = "URL", requires = "kubeconfig")]
    pub gateway: Option<String>,
    /// Address of that cluster's Prometheus, as its pods reach it, for the step `stories`
    #[arg(long, value_name = "URL", requires = "kubeconfig")]
    pub prometheus: Option<String>,
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

    /// Why a step is left out, if so.
    fn leaves_out(&self, step: &Step) -> Option<&'static str> {
        match step.needs {
            Needs::Cluster | Needs::Bed if self.quick => Some("--quick leaves out what needs a cluster"),
            Needs::Bed if self.kubeconfig.is_some() => {
                Some("--kubeconfig names a cluster, so none is started")
            }
            Needs::Nothing | Needs::Cluster | Needs::Bed => None,
        }
    }

    fn takes(&self, step: &Step) -> bool {
        self.names(step) && self.leaves_out(step).is_none()
    }

    /// Whether any chosen step starts a cluster of its own; `given`: one for tests is named in the environment.
    pub fn starts_a_cluster(&self, given: bool) -> bool {
        let given = |step: &Step| self.kubeconfig.is_some() || (given && step.name == SERVER);
        let starts = |step: &Step| step.needs != Needs::Nothing && self.takes(step) && !given(step);
        !self.list && STEPS.iter().any(starts)
    }

    /// Refuses, before anything is built, what a step would refuse in the end.
    fn check(&self) -> Result<(), Error> {
        let told = STEPS.iter().any(|step| step.name == STORIES_STEP && self.takes(step));
        if told && self.kubeconfig.is_some() && self.gateway.is_none() {
            return Err(Error::NoGateway);
        }
        Ok(())
    }

    /// Says to the programs of a step what was chosen for it.
    fn direct(&self, step: &Step, commands: &mut [Command]) {
        // Steps run in the root of the checkout.
        let kubeconfig = self.kubeconfig.as_ref().and_then(|path| std::path::absolute(path).ok());
        for command in commands {
            if self.long && step.needs != Needs::Nothing {
                command.env(LONG, "true");
            }
            if self.long && step.name == EXPLORED {
                // Its mixtures of several kinds of trouble.
                command.arg("--include-ignored");
            }
            let Some(kubeconfig) = &kubeconfig else { continue };
            command.env(KUBECONFIG, kubeconfig);
            if step.name == STORIES_STEP {
                command.arg("--kubeconfig").arg(kubeconfig);
                command.args(self.gateway.iter().flat_map(|url| ["--gateway", url]));
                command.args(self.prometheus.iter().flat_map(|url| ["--prometheus", url]));
            }
        }
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
    choice.check()?;
    let logs = workspace.logs();
    std::fs::create_dir_all(&logs).map_err(|source| Error::Write { path: logs.clone(), source })?;
    let mut lines: Vec<Line> = Vec::new();
    for step in STEPS.iter().filter(|step| choice.names(step)) {
        lines.push(match (choice.leaves_out(step), summary::is_good(&lines)) {
            (Some(why), _) => not_run(step, Outcome::LeftOut(why)),
            (None, true) => one(workspace, choice, step, &logs)?,
            (None, false) => not_run(step, Outcome::NotReached),
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
    let mut carry_out = |mut commands: Vec<Command>, listener: Option<Listener>| {
        choice.direct(step, &mut commands);
        in_turn(workspace, step.name, commands, listener, logs, &mut counts)
    };
    let outcome = match (step.work)(workspace) {
        Work::NotChecked(reason) => Outcome::NotChecked(reason),
        Work::Run(commands) => carry_out(commands, None)?,
        Work::Hear(command, listener) => carry_out(vec![command], Some(listener))?,
    };
    Ok(Line { step: step.name, outcome, took: started.elapsed(), counts })
}

fn in_turn(
    workspace: &Workspace,
    step: &str,
    commands: Vec<Command>,
    listener: Option<Listener>,
    logs: &Path,
    counts: &mut Counts,
) -> Result<Outcome, Error> {
    let path = logs.join(format!("{step}.log"));
    let mut log = File::create(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
    for mut command in commands {
        if !run::run(step, command.current_dir(workspace.root()), listener, &mut log, counts)? {
            show_failure(&path)?;
            return Ok(Outcome::Failed);
        }
    }
    Ok(Outcome::Passed)
}

fn show_failure(log: &Path) -> Result<(), Error> {
    eprintln!("FAILED; the last lines of {}:", log.display());
    run::tail(log, LINES_SHOWN)?.iter().for_each(|line| eprintln!("  {line}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Choice, Command, Error, STEPS};

    fn taken(choice: &Choice) -> Vec<&'static str> {
        let taken = STEPS.iter().filter(|step| choice.takes(step));
        taken.map(|step| step.name).collect()
    }

    #[test]
    fn without_a_choice_every_step_runs() {
        assert_eq!(taken(&Choice::default()).len(), STEPS.len());
    }

    #[test]
    fn quick_leaves_out_the_bed_and_nothing_else() {
        let quick = taken(&Choice { quick: true, ..Choice::default() });
        assert!(["bed", "server", "demo", "stories"].iter().all(|step| !quick.contains(step)));
        assert_eq!(quick.len(), STEPS.len() - 4);
    }

    #[test]
    fn only_takes_what_it_names() {
        let only = Choice { only: vec!["unit".to_owned(), "fmt".to_owned()], ..Choice::default() };
        assert_eq!(taken(&only), ["fmt", "unit"]);
    }

    #[test]
    fn at_length_the_explorer_walks_its_mixtures_too() {
        let step = STEPS.iter().find(|step| step.name == "explorer").unwrap();
        let mixes = |long: bool| {
            let mut commands = [Command::new("x")];
            Choice { long, ..Choice::default() }.direct(step, &mut commands);
            commands.iter().flat_map(Command::get_args).any(|word| word == "--include-ignored")
        };
        assert!(mixes(true) && !mixes(false));
    }

    #[test]
    fn the_demo_is_played_before_the_stories_as_a_program_calls_it_and_what_it_writes_is_read() {
        let names = STEPS.map(|step| step.name);
        let place = |name: &str| names.iter().position(|step| *step == name).unwrap();
        assert!(place("demo") < place("stories"));
        let workspace = super::Workspace::load().unwrap();
        let super::Work::Hear(command, listener) = (STEPS[place("demo")].work)(&workspace) else {
            unreachable!("what it writes is for programs")
        };
        let words = crate::command::words(&command);
        assert!(words.ends_with("--bin demo -- --yes --json"), "{words}");
        assert!(listener(&["no JSON".to_owned()]).is_err());
    }

    fn on_theirs(gateway: Option<&str>, only: &[&str]) -> Choice {
        let only = only.iter().map(|step| (*step).to_owned()).collect();
        let gateway = gateway.map(str::to_owned);
        Choice { kubeconfig: Some("/k".into()), gateway, only, ..Choice::default() }
    }

    #[test]
    fn one_option_leads_every_step_that_needs_a_cluster_to_that_one() {
        let choice = on_theirs(Some("http://g"), &[]);
        assert!(choice.check().is_ok() && !choice.starts_a_cluster(false));
        let words = |step: &str| {
            let step = STEPS.iter().find(|one| one.name == step).unwrap();
            let mut commands = [Command::new("x")];
            choice.direct(step, &mut commands);
            let [command] = commands;
            let arguments = command.get_args().map(|word| word.to_string_lossy().into_owned());
            let named = command.get_envs().any(|(name, value)| name == super::KUBECONFIG && value.is_some());
            (named, arguments.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(words("server"), (true, String::new()));
        assert_eq!(words("stories"), (true, "--kubeconfig /k --gateway http://g".to_owned()));
        let here = taken(&choice).iter().any(|step| ["bed", "demo"].contains(step));
        assert!(!here, "they are about clusters that are started here");
    }

    #[test]
    fn stories_on_a_cluster_whose_gateway_is_not_named_are_refused_at_once() {
        assert!(matches!(on_theirs(None, &[]).check(), Err(Error::NoGateway)));
        assert!(matches!(on_theirs(None, &["stories"]).check(), Err(Error::NoGateway)));
        assert!(on_theirs(None, &["server"]).check().is_ok());
        let quick = Choice { quick: true, ..on_theirs(None, &[]) };
        assert!(quick.check().is_ok());
    }
}

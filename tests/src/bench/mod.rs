//! `cargo xtask bench`: what Teal costs and how fast it is, on a real API server with pretended pods.
//!
//! Times begin and end with versions in etcd ([`clock`]), requests are counted by the API server's audit log ([`tally`]), and
//! memory and CPU time are the kernel's ([`process`]). Nothing is judged by what Teal says of itself but when to go on.

mod apps;
mod arguments;
mod clock;
mod gathered;
mod ledger;
mod operator;
mod origin;
mod page;
mod process;
mod profile;
mod report;
mod rolling;
mod rounds;
mod stage;
mod statistics;
mod tally;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use teal_api::Action;
use teal_testbed::{Enter, enter_with, is_inside};

pub use arguments::Arguments;

use crate::error::{Error, Result};
use crate::world::images;
use gathered::Gathered;
use origin::Origin;
use profile::Single;
use report::{Report, Setting};
use rounds::{Owner, Rounds};
use stage::Stage;
use statistics::rounded;

/// Set by the bed in every process but the first.
const IN_BED: &str = "TEAL_BED_ROLE";
/// Applications whose VirtualServices are applied server-side, beside the others: what is counted on them doesn't vary.
const APPLIED: u32 = 8;
/// After this the whole bench is given up.
const WHOLE: Duration = Duration::from_secs(3600);

/// Runs the bench as its command line says. To be called first thing in `main`.
pub fn main(arguments: &Arguments) -> ExitCode {
    let done = prepare(arguments).and_then(|()| {
        let runtime = tokio::runtime::Runtime::new();
        let runtime = runtime.map_err(|source| Error::Local { action: "start the runtime", source })?;
        runtime.block_on(bounded(arguments))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// For the person; a closed terminal is no error.
fn note(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

fn print(text: &str) {
    write!(std::io::stdout(), "{text}").ok();
}

/// Outside: builds the operator and enters a bed.
fn prepare(arguments: &Arguments) -> Result<()> {
    if std::env::var_os(IN_BED).is_none() {
        // The same build as for the images of demo and stories; what is run is the program beside this one.
        if let Some(page) = &arguments.page {
            page::has_place(page, section(arguments))?;
        }
        images::build(&images::PROGRAMS)?;
        operator::program()?;
    }
    enter_with(&Enter { parts: stage::parts(arguments), ..Enter::default() })?;
    if arguments.against_rolling && is_inside() {
        stage::write_slow_start(rolling::START)?;
    }
    Ok(())
}

async fn bounded(arguments: &Arguments) -> Result<()> {
    tokio::select! {
        done = tokio::time::timeout(WHOLE, perform(arguments)) => {
            done.unwrap_or_else(|_| Err(Error::Unmet(format!("not done within {} s", WHOLE.as_secs()))))
        }
        _ = tokio::signal::ctrl_c() => Err(Error::Unmet("interrupted".into())),
    }
}

async fn perform(arguments: &Arguments) -> Result<()> {
    note("starting a control plane with pretended nodes, and the operator …");
    let mut stage = Stage::set(arguments).await?;
    let shown = if arguments.against_rolling {
        let against = rolling::compare(&stage, note).await;
        against.and_then(|against| {
            show(arguments, &against, &against.table(), &page::against_rolling(&against)).map(|()| None)
        })
    } else {
        let report = measure(&mut stage, arguments).await;
        report.and_then(|report| {
            show(arguments, &report, &report.table(), &page::measured(&report)).map(|()| report.missed())
        })
    };
    match shown {
        Err(error) => Err(stage.operator.last_words(&error)),
        Ok(missed) => stage.strike().await.and(missed.map_or(Ok(()), |missed| Err(Error::Unmet(missed)))),
    }
}

/// The section of the page that this measurement writes.
const fn section(arguments: &Arguments) -> &'static str {
    if arguments.against_rolling { page::AGAINST_ROLLING } else { page::MEASURED }
}

fn show(arguments: &Arguments, value: &impl Serialize, table: &str, on_page: &str) -> Result<()> {
    match serde_json::to_string(value) {
        Ok(json) if arguments.json => print(&format!("{json}\n")),
        _ => print(table),
    }
    arguments.page.as_deref().map_or(Ok(()), |page| page::put(page, section(arguments), on_page))
}

async fn measure(stage: &mut Stage, arguments: &Arguments) -> Result<Report> {
    let Arguments { apps, replicas, .. } = *arguments;
    let mut report = Report { setting: setting(stage, arguments).await, ..Report::default() };
    let mut gathered = Gathered::default();
    let mut rounds = Rounds::new(stage, 0..apps, replicas, Owner::Updates);
    note(&format!("installing {apps} applications …"));
    let phase = rounds.stage().begin("install all")?;
    rounds.install().await?;
    report.phases.push(rounds.stage().end(&phase)?);
    rounds.until_rest().await?;
    rest(&mut rounds, arguments, &mut report, &mut gathered).await?;
    promote(&mut rounds, arguments, &mut report, &mut gathered).await?;
    take_back(&mut rounds, arguments, &mut report, &mut gathered).await?;
    let further = apps..apps.saturating_add(APPLIED);
    let mut rounds = Rounds::new(stage, further, replicas, Owner::Applies);
    ship_applied(&mut rounds, &mut report, &mut gathered).await?;
    finish(stage, arguments, report, &gathered)
}

/// Counts what is asked while nothing happens. The wait is the measurement.
async fn rest(
    rounds: &mut Rounds<'_>,
    arguments: &Arguments,
    report: &mut Report,
    gathered: &mut Gathered,
) -> Result<()> {
    note(&format!("at rest for {} s …", arguments.rest));
    let pid = rounds.stage().operator.pid();
    let before = process::cpu_seconds(pid).unwrap_or_default();
    let phase = rounds.stage().begin("rest")?;
    rounds.stage().auditor.since_last()?;
    tokio::time::sleep(Duration::from_secs(arguments.rest)).await;
    gathered.at_rest = rounds.stage().auditor.since_last()?;
    report.phases.push(rounds.stage().end(&phase)?);
    gathered.cpu_at_rest = rounded(process::cpu_seconds(pid).unwrap_or_default() - before);
    gathered.memory[0] = rounds.stage().operator.memory()?.0;
    Ok(())
}

/// An update of all to 10 %, approvals to 100 %, and the end of the former color.
async fn promote(
    rounds: &mut Rounds<'_>,
    arguments: &Arguments,
    report: &mut Report,
    gathered: &mut Gathered,
) -> Result<()> {
    update(rounds, "v2", report, gathered).await?;
    let (singly, together) = rounds.split(arguments.singles());
    note(&format!("approving {} one at a time, then {} at once …", singly.len(), together.len()));
    gathered.approved[0] =
        decide_singly(rounds, Action::Approve, &singly, "approve → 100 %, one at a time", report).await?;
    let phase = rounds.stage().begin("approve → 100 %, all at once")?;
    gathered.approved[1] = rounds.at_once(Action::Approve, &together).await?;
    report.phases.push(rounds.stage().end(&phase)?);
    let phase = rounds.stage().begin("promote and retire")?;
    rounds.all_complete().await?;
    report.phases.push(rounds.stage().end(&phase)?);
    gathered.promoted = rounds.until_rest().await?;
    gathered.memory[1] = rounds.stage().operator.memory()?.0;
    Ok(())
}

/// An update of all to 10 %, and all of them taken back.
async fn take_back(
    rounds: &mut Rounds<'_>,
    arguments: &Arguments,
    report: &mut Report,
    gathered: &mut Gathered,
) -> Result<()> {
    update(rounds, "v3", report, gathered).await?;
    let (singly, together) = rounds.split(arguments.singles());
    note(&format!("rolling back {} one at a time, then {} at once …", singly.len(), together.len()));
    gathered.returned[0] =
        decide_singly(rounds, Action::Rollback, &singly, "rollback → 0 %, one at a time", report).await?;
    let phase = rounds.stage().begin("rollback → 0 %, all at once")?;
    gathered.returned[1] = rounds.at_once(Action::Rollback, &together).await?;
    report.phases.push(rounds.stage().end(&phase)?);
    rounds.all_returned().await?;
    gathered.rolled_back = rounds.until_rest().await?;
    gathered.memory[2] = rounds.stage().operator.memory()?.0;
    Ok(())
}

/// Some further applications, whose owner applies their VirtualServices server-side, from installation to promotion.
async fn ship_applied(rounds: &mut Rounds<'_>, report: &mut Report, gathered: &mut Gathered) -> Result<()> {
    note(&format!("installing and shipping {} more, applied server-side …", rounds.count()));
    let phase = rounds.stage().begin("the same, applied server-side")?;
    rounds.install().await?;
    rounds.until_rest().await?;
    let from = rounds.stage().auditor.position();
    let singles = rounds.update_one_at_a_time("v2").await?;
    gathered.updated_singly = explain(rounds, "update → 10 %, one at a time", &singles, from, report)?;
    let (all, _) = rounds.split(rounds.count());
    rounds.at_once(Action::Approve, &all).await?;
    rounds.all_complete().await?;
    report.phases.push(rounds.stage().end(&phase)?);
    gathered.applied = rounds.until_rest().await?;
    report.per_promoted_update_of_applied = gathered.applied.shares(rounds.count());
    Ok(())
}

/// Decides on some one at a time, and says where the time went.
async fn decide_singly(
    rounds: &mut Rounds<'_>,
    action: Action,
    names: &[String],
    name: &'static str,
    report: &mut Report,
) -> Result<Vec<Duration>> {
    let phase = rounds.stage().begin(name)?;
    let from = rounds.stage().auditor.position();
    let singles = rounds.one_at_a_time(action, names).await?;
    report.phases.push(rounds.stage().end(&phase)?);
    explain(rounds, name, &singles, from, report)
}

/// Lays the requests since a position of the log beside what was done singly, and gives how long each took.
fn explain(
    rounds: &mut Rounds<'_>,
    name: &'static str,
    singles: &[Single],
    from: u64,
    report: &mut Report,
) -> Result<Vec<Duration>> {
    let Stage { auditor, user, .. } = rounds.stage();
    let requests = auditor.requests_since(from)?;
    report.profiles.push(profile::profile(name, singles, &requests, &operator::user(), user));
    Ok(singles.iter().map(|single| single.took).collect())
}

async fn update(
    rounds: &mut Rounds<'_>,
    version: &str,
    report: &mut Report,
    gathered: &mut Gathered,
) -> Result<()> {
    note(&format!("updating all to {version} at once …"));
    let phase = rounds.stage().begin("update → 10 %, all at once")?;
    let writes = rounds.update(version).await?;
    report.phases.push(rounds.stage().end(&phase)?);
    let phase = rounds.stage().begin("10 % → a person is asked, all at once")?;
    gathered.updated.push(rounds.updated(&writes).await?);
    report.phases.push(rounds.stage().end(&phase)?);
    Ok(())
}

async fn setting(stage: &Stage, arguments: &Arguments) -> Setting {
    let further = if arguments.operator.is_empty() {
        String::new()
    } else {
        format!(", with {}", arguments.operator.join(" "))
    };
    Setting {
        apps: arguments.apps,
        replicas: arguments.replicas,
        origin: Origin::of(stage).await,
        clock: clock::DESCRIPTION,
        operator: format!(
            "a process beside the cluster with a token of its chart's ServiceAccount and that account's rights; counted in the audit log by its user {}{further}",
            operator::user()
        ),
        routes: format!(
            "their owner writes by updates, as kubectl apply and Helm 3 do; of {APPLIED} more it applies server-side, and \
             gets its claim back by one more write"
        ),
        timers: format!(
            "propagation 2s (default), drain {}, keep {}, hold 0s at 100 %",
            operator::DRAIN,
            apps::KEEP
        ),
    }
}

fn finish(stage: &Stage, arguments: &Arguments, mut report: Report, gathered: &Gathered) -> Result<Report> {
    report.latencies = gathered::latencies(gathered);
    report.figures = gathered::figures(stage, arguments, gathered)?;
    report.per_promoted_update = gathered.promoted.shares(arguments.apps);
    report.per_rolled_back_update = gathered.rolled_back.shares(arguments.apps);
    Ok(report)
}

//! `status`: where a rollout is, at once or when its outcome is known.

use teal_api::Rollout;

use crate::arguments::Status;
use crate::connect::Cluster;
use crate::error::CliError;
use crate::exit::Exit;
use crate::find;
use crate::render;
use crate::standing::{Goal, full_name, standing};
use crate::terminal::Terminal;
use crate::wait::{Waited, wait};

/// Prints where the rollout is.
pub async fn status(
    wanted: &Status,
    cluster: &Cluster,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, CliError> {
    let rollout = find::rollout(cluster, &wanted.name).await?;
    let Some(goal) = wanted.wait else {
        summarize(&rollout, terminal)?;
        return Ok(standing(&rollout).exit());
    };
    let mut last = rollout;
    let ended = watched(wanted, goal, &mut last, cluster, terminal).await?;
    summarize(&last, terminal)?;
    match ended {
        Waited::Found(exit) => Ok(exit),
        Waited::TimedOut => Err(CliError::NotInTime {
            rollout: full_name(&last),
            after: wanted.timeout,
            state: render::does(&last),
        }),
    }
}

/// Writes a line for each change until the goal is reached.
async fn watched(
    wanted: &Status,
    goal: Goal,
    last: &mut Rollout,
    cluster: &Cluster,
    terminal: &mut Terminal<'_>,
) -> Result<Waited<Exit>, CliError> {
    let mut said = String::new();
    wait(cluster, &wanted.name, wanted.timeout, |rollout: &Rollout| {
        let line = render::progress(rollout);
        if line != said {
            let clock = terminal.clock();
            writeln!(terminal.out, "{} {line}", clock.time(clock.now))?;
            said = line;
        }
        *last = rollout.clone();
        Ok(goal.outcome(standing(rollout)))
    })
    .await
}

fn summarize(rollout: &Rollout, terminal: &mut Terminal<'_>) -> Result<(), CliError> {
    write!(terminal.out, "{}", render::summary(rollout, &terminal.clock(), terminal.paint))?;
    Ok(())
}

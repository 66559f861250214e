//! Spans in which nothing may be written.

use std::time::{Duration, Instant};

use super::play::Play;
use crate::error::{Error, Result, expect};
use crate::history::{History, Invariant, Options, Quiet, check};
use crate::world::{OPERATOR_NAMESPACE, RELEASE, World, quick};

/// Teal counts as at rest once it has written nothing for so long.
const CALM: Duration = Duration::from_secs(3);
/// What it may take to get there: the longest that a status may differ before it is told, and a bit.
const UNTIL_CALM: Duration = Duration::from_secs(40);
/// How long the silence of a whole cluster is listened to.
const SILENCE: Duration = Duration::from_secs(8);

/// Where nothing happens nothing is written, nowhere, and no line is logged: at rest, and while people are asked.
pub(super) async fn silence(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    settled(world, None).await?;
    listened(world, "at rest").await?;
    let second = play.to_10("v2").await?;
    play.gate().await?;
    settled(world, None).await?;
    listened(world, "while people are asked").await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.end(None).await
}

async fn listened(world: &World, when: &str) -> Result<()> {
    let (from, lines) = (world.revision().await? + 1, log_lines(world).await?);
    tokio::time::sleep(SILENCE).await;
    let logged = log_lines(world).await?;
    expect(logged == lines, || {
        let new = logged.iter().filter(|line| !lines.contains(line)).cloned().collect::<Vec<_>>();
        format!("{} lines were logged {when}: {}", new.len(), new.join(" | "))
    })?;
    was_silent(world, when, span(world, None, from, &[]).await?).await
}

/// All lines of all operators, whichever comes first.
async fn log_lines(world: &World) -> Result<Vec<String>> {
    let selector = format!("app.kubernetes.io/instance={RELEASE}");
    let arguments = ["logs", "-n", OPERATOR_NAMESPACE, "-l", &selector, "--tail=-1", "--prefix"];
    let mut lines: Vec<String> = world.kubectl(&arguments).await?.lines().map(str::to_owned).collect();
    lines.sort();
    expect(!lines.is_empty(), || "the operator has logged nothing at all".into())?;
    Ok(lines)
}

/// Waits until Teal has written nothing for a while: in a namespace, or anywhere.
pub(super) async fn settled(world: &World, namespace: Option<&str>) -> Result<()> {
    let begun = Instant::now();
    loop {
        let from = world.revision().await? + 1;
        tokio::time::sleep(CALM).await;
        let noise = noise(world, span(world, namespace, from, &[]).await?).await?;
        let Some(first) = noise.first() else { return Ok(()) };
        if begun.elapsed() > UNTIL_CALM {
            let (what, seconds) = ("an operator at rest".to_owned(), UNTIL_CALM.as_secs());
            return Err(Error::Late { what, seconds, state: first.clone() });
        }
    }
}

/// A span from a revision until now.
pub(super) async fn span(world: &World, namespace: Option<&str>, from: u64, but: &[&str]) -> Result<Quiet> {
    let but = but.iter().map(|resource| (*resource).to_owned()).collect();
    Ok(Quiet { namespace: namespace.map(str::to_owned), revisions: from..=world.revision().await?, but })
}

/// Fails if Teal wrote in this span, and has the history checker look at it too.
pub(super) async fn was_silent(world: &World, when: &str, span: Quiet) -> Result<()> {
    world.notes().quiet(span.clone());
    let noise = noise(world, span).await?;
    expect(noise.is_empty(), || format!("{} writes {when}: {}", noise.len(), noise.join(" | ")))
}

/// How often Rollouts of a namespace were written by anyone since a revision.
pub(super) async fn rollout_writes(world: &World, namespace: &str, from: u64) -> Result<usize> {
    let versions = world.versions_from(from).await?.unwrap_or_default();
    let written =
        versions.iter().filter(|one| one.key.resource == "rollouts" && one.key.namespace == namespace);
    Ok(written.count())
}

/// What Teal wrote in a span.
async fn noise(world: &World, span: Quiet) -> Result<Vec<String>> {
    let Some(versions) = world.versions_from(*span.revisions.start()).await? else { return Ok(Vec::new()) };
    let options =
        Options { quiet: vec![span], install_namespace: OPERATOR_NAMESPACE.into(), ..Options::default() };
    // Of a history without its beginning nothing else can be judged.
    let found = check(&History::new(versions), &options).violations.into_iter();
    Ok(found.filter(|one| one.invariant == Invariant::I9).map(|one| one.to_string()).collect())
}

//! Players who stay: what is open outlives every weight, and the color that it is open to.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use teal_api::rollout::DrainingStatus;
use teal_load::{SessionReport, SessionTarget, Sessions};

use super::play::{PATIENCE, Play};
use super::runner::say;
use crate::error::{Result, expect};
use crate::observe::Journal;
use crate::world::{World, quick};

const WEBSOCKETS: usize = 200;
const STREAMS: usize = 20;
/// How long they are awaited that leave before: metrics of a busy machine may take a quarter of a minute to count them.
const LONG: Duration = Duration::from_mins(2);
/// How long those are that stay.
const SHORT: Duration = Duration::from_secs(25);
/// How long after the last one has left its color may still be asked to stay: a question every five seconds, the time between two
/// scrapes, and the deletion of the pods.
const SOON: Duration = Duration::from_secs(15);
/// The application leaves sessions most of its pods' grace of 30 seconds.
const ENDED: Duration = Duration::from_secs(40);
/// How long is looked whether anything is cut while it is awaited.
const WATCHED: Duration = Duration::from_secs(6);

/// 200 WebSockets and 20 gRPC streams through the gateway stay open from before the first weight until their color is to be removed,
/// and keep it there: none is cut. When the clients leave, the color goes at once. Those that stay, the next time, stay until the
/// deadline that the status gives, and not longer.
pub(super) async fn awaited(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open_without_sessions(world, namespace, drained).await?;
    let first = play.live();
    let sessions = Sessions::new();
    open(&play, &sessions, WEBSOCKETS, STREAMS).await?;
    let second = play.to_10("v2").await?;
    play.approve().await?;
    play.promoted(&second).await?;
    let told = draining(&play, &first, &(WEBSOCKETS + STREAMS).to_string()).await?;
    let until = deadline(&told)?;
    play.says("awaits the open connections of").await?;
    tokio::time::sleep(WATCHED).await;
    none_cut(&sessions)?;
    let left = Instant::now();
    sessions.leave_version("v1");
    play.gone(&first).await?;
    let took = left.elapsed();
    expect(took < SOON && Instant::now() < until, || {
        format!("the color went {took:?} after the last client had left")
    })?;
    none_cut(&sessions)?;

    open(&play, &sessions, STREAMS, STREAMS).await?;
    let third = play.to_10("v2-mended").await?;
    // Whoever applies the release applies the longer time with it.
    play.shop.edit(json!({"spec": {"traffic": {"drain": {"timeout": seconds(SHORT)}}}})).await?;
    play.approve().await?;
    play.promoted(&third).await?;
    let told = draining(&play, &second, &(2 * STREAMS).to_string()).await?;
    let until = deadline(&told)?;
    play.gone(&second).await?;
    let of_second = |report: &SessionReport| report.version == "v2";
    let reports: Vec<SessionReport> = sessions.reports().into_iter().filter(of_second).collect();
    let ended: Vec<Instant> = reports.iter().filter_map(|report| Some(report.ended.as_ref()?.0)).collect();
    expect(ended.len() == 2 * STREAMS, || {
        format!("{} of {} that stayed have ended with their color", ended.len(), reports.len())
    })?;
    let early = ended.iter().filter(|at| **at < until).count();
    expect(early == 0, || format!("{early} were cut before the deadline {:?}", told.until))?;
    let late = ended.iter().map(|at| at.saturating_duration_since(until)).max().unwrap_or_default();
    expect(late < ENDED, || format!("the last one ended {late:?} after the deadline"))?;
    say(&format!(
        "sessions: left {took:?} before their color went; those that stayed ended up to {late:?} after the deadline"
    ));
    drop(sessions);
    play.end(None).await
}

fn drained(rollout: &mut Value) {
    quick(rollout);
    let query = "sum(connections_open{namespace=\"$(namespace)\",teal_dev_revision=\"$(revision)\",kind=~\"websocket|grpc\"})";
    rollout["spec"]["traffic"]["drain"] = json!({"timeout": seconds(LONG), "query": query});
}

fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs())
}

/// So many of each, all at what is live.
async fn open(play: &Play<'_>, sessions: &Sessions, websockets: usize, streams: usize) -> Result<()> {
    let both = play.shop.sessions(false)?;
    let websocket = SessionTarget { grpc: None, ..both.clone() };
    let grpc = SessionTarget { websocket: None, ..both };
    for (target, count) in [(websocket, websockets), (grpc, streams)] {
        for _ in 0..count {
            sessions.open(&target, "to stay").await?;
        }
    }
    Ok(())
}

/// Waits until it is told that so many connections of a revision are awaited.
async fn draining(play: &Play<'_>, revision: &str, open: &str) -> Result<DrainingStatus> {
    let told = |journal: &Journal| {
        let draining = journal.status()?.draining.clone()?;
        let all = draining.revision.as_deref() == Some(revision) && draining.open.as_deref() == Some(open);
        all.then_some(draining)
    };
    play.observer.until(&format!("{open} open connections of {revision}"), PATIENCE, told).await
}

/// When the color goes whatever is open.
fn deadline(told: &DrainingStatus) -> Result<Instant> {
    let left = told.until.map(|until| until.duration_since(Timestamp::now()));
    let left = left.and_then(|left| Duration::try_from(left).ok());
    expect(left.is_some(), || format!("{told:?} is over already"))?;
    Ok(Instant::now() + left.unwrap_or_default())
}

fn none_cut(sessions: &Sessions) -> Result<()> {
    let cut = sessions.cut_connections();
    let first =
        cut.first().map(|report| format!("{} on {}: {:?}", report.kind, report.version, report.ended));
    expect(cut.is_empty(), || format!("{} sessions were cut, the first {first:?}", cut.len()))
}

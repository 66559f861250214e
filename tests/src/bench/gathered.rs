//! What was gathered on the way, and the numbers that are made of it.

use std::time::Duration;

use super::APPLIED;
use super::arguments::Arguments;
use super::process;
use super::rounds::Updated;
use super::stage::Stage;
use super::statistics::{Figure, Latency, per, rounded};
use super::tally::Tally;
use crate::error::Result;

/// What was gathered on the way.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) updated: Vec<Updated>,
    pub(super) updated_singly: Vec<Duration>,
    pub(super) approved: [Vec<Duration>; 2],
    pub(super) returned: [Vec<Duration>; 2],
    pub(super) promoted: Tally,
    pub(super) rolled_back: Tally,
    pub(super) at_rest: Tally,
    /// Of those whose owner applies server-side.
    pub(super) applied: Tally,
    pub(super) cpu_at_rest: f64,
    /// In MiB, once all is done and silent: after the installation, after one rollout of each and after two.
    pub(super) memory: [f64; 3],
}

/// How long things took, against the design's targets.
pub(super) fn latencies(gathered: &Gathered) -> Vec<Latency> {
    let all = |part: fn(&Updated) -> &Vec<Duration>| -> Vec<Duration> {
        gathered.updated.iter().flat_map(|updated| part(updated).iter().copied()).collect()
    };
    let Gathered { approved, returned, .. } = gathered;
    vec![
        Latency::new(
            "update → candidate named at 0 %, all at once",
            &all(|updated| &updated.entered),
            None,
            None,
        ),
        Latency::new(
            "update → candidate's pods available, all at once",
            &all(|updated| &updated.available),
            None,
            None,
        ),
        Latency::new("update → 10 %, all at once", &all(|updated| &updated.at_10), Some(4000.0), None),
        Latency::new("update → 10 %, one at a time", &gathered.updated_singly, None, None),
        Latency::new("approve → 100 %, one at a time", &approved[0], Some(20.0), Some(60.0)),
        Latency::new("approve → 100 %, all at once", &approved[1], Some(300.0), None),
        Latency::new("rollback → 0 %, one at a time", &returned[0], Some(15.0), None),
        Latency::new("rollback → 0 %, all at once", &returned[1], Some(200.0), None),
    ]
}

/// Object writes of an update at most, as the design has it.
const WRITES: f64 = 16.0;
/// An owner who applies server-side costs one more: `docs/decisions/0023-an-apply-of-the-owner-costs-a-write-more.md`.
const WRITES_APPLIED: f64 = WRITES + 1.0;

/// Counts, memory and CPU time, against the design's targets.
pub(super) fn figures(stage: &Stage, arguments: &Arguments, gathered: &Gathered) -> Result<Vec<Figure>> {
    let Gathered { promoted, rolled_back, applied, at_rest, cpu_at_rest, memory, .. } = gathered;
    let (_, most) = stage.operator.memory()?;
    let each = |count: u64| per(count, arguments.apps);
    let (update, back, idle) = ("per update", "per rollback", "requests");
    let memory_target = Some(if arguments.apps <= 100 { 30.0 } else { 300.0 });
    // What comes with a first rollout is there for each; what comes with every further one would be a leak.
    let growth = (memory[2] - memory[1]) * 1024.0 / f64::from(arguments.apps);
    let cpu = process::cpu_seconds(stage.operator.pid()).unwrap_or_default();
    Ok(vec![
        Figure::new("object writes, promoted", each(promoted.writes()), update, Some(WRITES)),
        Figure::new("the release's own objects, promoted", each(promoted.own_writes()), update, None),
        Figure::new("Events, promoted", each(promoted.events()), update, Some(4.0)),
        Figure::new("reads, promoted", each(promoted.reads()), update, Some(10.0)),
        Figure::new("answered with an error, promoted", each(promoted.refused()), update, None),
        Figure::new(
            "object writes, promoted, applied server-side",
            per(applied.writes(), APPLIED),
            update,
            Some(WRITES_APPLIED),
        ),
        Figure::new("object writes, update and rollback", each(rolled_back.writes()), back, None),
        Figure::new("the release's own, update and rollback", each(rolled_back.own_writes()), back, None),
        Figure::new("Events, update and rollback", each(rolled_back.events()), back, None),
        Figure::new("reads, update and rollback", each(rolled_back.reads()), back, None),
        Figure::new("at rest, all but watches and the lease", per(at_rest.moving(), 1), idle, Some(0.0)),
        Figure::new("at rest, the leader's lease", per(at_rest.leases(), 1), idle, None),
        Figure::new("at rest, CPU of the operator", *cpu_at_rest, "s", None),
        Figure::new("memory at rest (RSS), installed", memory[0], "MiB", memory_target),
        // The target is for what the peers were measured at: each updated once.
        Figure::new("memory at rest, one rollout of each finished", memory[1], "MiB", memory_target),
        Figure::new("memory at rest, two rollouts of each finished", memory[2], "MiB", None),
        Figure::new("growth by the second, for each rollout", rounded(growth), "KiB", None),
        // While all are installed at once; the target is for what 100 or 10,000 need that are there.
        Figure::new("memory, the most there was (peak RSS)", most, "MiB", None),
        Figure::new("CPU of the operator, whole run", rounded(cpu), "s", None),
    ])
}

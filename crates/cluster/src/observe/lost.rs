//! Releases of which nobody knows any more what they are made of: after a Rollout was made anew, or its record was lost, while
//! its spec asks for something else, and what had been kept is gone too.

use teal_plan::record::Release;
use teal_plan::snapshot::{Obstacle, Stops};

use super::{Facts, obstacle};
use crate::memory::Memory;

/// Told from the first look on, for as long as it is so.
pub(super) fn contents(facts: &Facts<'_>, memory: &Memory) -> Option<Obstacle> {
    let record = &facts.record;
    let is_lost =
        |release: &&Release| release.hash != facts.hash && memory.lost.contains(&release.slot.revision);
    let live = record.live.as_ref().filter(is_lost);
    let release =
        live.or_else(|| [&record.previous, &record.candidate].into_iter().flatten().find(is_lost))?;
    let (role, remedy) = if live.is_some() {
        (
            "live",
            "apply spec.release once as it was for that revision, which keeps it, and then what you want",
        )
    } else {
        ("the other color's", "nothing else is to be done, for it ends when that color is removed")
    };
    let message = format!(
        "revision {revision} ({color}), which is {role}, is neither what spec.release says nor kept as ControllerRevision \
         {namespace}/{rollout}-{revision}: it serves as it stands and can be gone back to, and its CronJobs and LiveOnly workloads rest \
         and wake as they stand, but what is edited or deleted of it is not mended, and sizes and autoscalers of the spec don't reach it; \
         bring that ControllerRevision back from a backup, or {remedy}",
        revision = release.slot.revision,
        color = release.slot.color,
        namespace = facts.names.namespace,
        rollout = facts.names.name,
    );
    Some(obstacle("ContentLost", message, Stops::Nothing))
}

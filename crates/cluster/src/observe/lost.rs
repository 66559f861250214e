//! Releases of which nobody knows any more what they are made of: after a Rollout was made anew, or its record was lost, while
//! its spec asks for something else, and what had been kept is gone too.

use teal_plan::record::Release;
use teal_plan::snapshot::{Obstacle, Stops};

use super::{Facts, Renderings, obstacle};
use crate::execute::ports::leads_elsewhere;
use crate::memory::Memory;

/// Told from the first look on, for as long as it is so.
pub(super) fn contents(facts: &Facts<'_>, memory: &Memory) -> Option<Obstacle> {
    let record = &facts.record;
    let is_lost = |release: &&Release| is_lost(facts, release, memory);
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

fn is_lost(facts: &Facts<'_>, release: &Release, memory: &Memory) -> bool {
    release.hash != facts.hash && memory.lost.contains(&release.slot.revision)
}

/// A release under which a Service leads where no pod of live listens: its promotion would leave nothing that says where live's do, and
/// going back would lead everybody to nobody.
pub(super) fn ports(facts: &Facts<'_>, renderings: &Renderings, memory: &Memory) -> Option<Obstacle> {
    let live = facts.record.live.filter(|live| is_lost(facts, live, memory))?.slot;
    let wanted = renderings.wanted.as_ref()?;
    let turns = facts.services.iter().find(|service| {
        let view = facts.stores.services.get(&facts.names.namespace, &service.name);
        let view = view.filter(|view| view.points(&facts.names.name) == Some(live));
        let asked = wanted.role_service(&service.name);
        view.zip(asked).is_some_and(|(view, asked)| leads_elsewhere(&view.value(), &asked.ports))
    })?;
    let message = format!(
        "spec.release leads ports of Service {namespace}/{name} elsewhere than they lead now, and of {revision} ({color}), which is live, \
         nothing is kept that says where: after a promotion nobody could go back; apply spec.release once as it was for that revision, \
         bring ControllerRevision {namespace}/{rollout}-{revision} back from a backup, or let spec.ports of the Service as they are",
        namespace = facts.names.namespace,
        name = turns.name,
        revision = live.revision,
        color = live.color,
        rollout = facts.names.name,
    );
    Some(obstacle("ContentLost", message, Stops::Rollout))
}

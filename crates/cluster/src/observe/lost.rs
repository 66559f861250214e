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
    if release.hash == facts.hash {
        return Some(of_chart(facts, release));
    }
    let (role, remedy) = if live.is_some() {
        (
            "live",
            "where it is made of manifests, apply spec.release once as it was for that revision, which keeps it, and then what you want",
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

/// A chart may be rendered to something else by now, so that the spec doesn't say what it is.
fn of_chart(facts: &Facts<'_>, release: &Release) -> Obstacle {
    let is_tried = facts.record.is_tried(release.slot);
    let remedy = if is_tried {
        "roll back, or change something in spec.release.chart, a value is enough, which makes another revision"
    } else {
        "change something in spec.release.chart, a value is enough, which makes another revision that takes its place by its steps"
    };
    let message = format!(
        "revision {revision} ({color}) was rendered from spec.release.chart, and what it was rendered to is not kept any more as \
         ControllerRevision {namespace}/{rollout}-{revision}: it serves as it stands and can be gone back to, but what is edited or deleted \
         of it is not mended, and it is not rendered anew, because the chart may hold something else by now; bring that ControllerRevision \
         back from a backup, or {remedy}",
        revision = release.slot.revision,
        color = release.slot.color,
        namespace = facts.names.namespace,
        rollout = facts.names.name,
    );
    obstacle("ContentLost", message, if is_tried { Stops::Rollout } else { Stops::Nothing })
}

/// Of manifests the spec says what a release is, where it is that. Of a chart only what is kept does.
pub(super) fn is_lost(facts: &Facts<'_>, release: &Release, memory: &Memory) -> bool {
    let is_chart = || facts.rollout.spec.release.raw().get("chart").is_some();
    memory.lost.contains(&release.slot.revision) && (release.hash != facts.hash || is_chart())
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

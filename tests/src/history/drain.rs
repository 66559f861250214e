//! I15: no pod of a revision goes within the drain of its last share.

use std::collections::HashMap;

use serde_json::Value;
use teal_api::names::label;

use super::Options;
use super::clock::Moment;
use super::json::{is_deleting, label as label_of};
use super::replay::{Change, Check, Moved};
use super::rollout::{Rollout, at};
use super::tally::{Invariant, Summary};
use super::world::World;
use super::writer::Writer;

pub(super) struct Drain<'h> {
    drain_ms: i64,
    /// When a revision of a Rollout last had a share.
    last: HashMap<(&'h str, String), Last>,
}

/// The last share of a revision.
#[derive(Clone, Copy)]
struct Last {
    /// When it was taken away; nothing while it has one.
    ended: Option<(Moment, u64)>,
}

/// What runs pods.
const WORKLOADS: [&str; 4] = ["deployments", "statefulsets", "daemonsets", "jobs"];

impl Drain<'_> {
    pub(super) fn new(options: &Options) -> Self {
        Self { drain_ms: i64::try_from(options.drain.as_millis()).unwrap_or(i64::MAX), last: HashMap::new() }
    }
}

impl<'h> Check<'h> for Drain<'h> {
    fn see(&mut self, change: &Change<'h>, world: &World<'h>, summary: &mut Summary) {
        for moved in &change.moved {
            self.shares(change, moved);
        }
        if let Some(moved) = change.own() {
            self.deadline(change, moved, summary);
        }
        let Some(object) = change.removed() else { return };
        let Some((rollout, revision)) = owner(change, world, object) else { return };
        let Some(share) = self.last.get(&(rollout.uid, revision.to_owned())) else { return };
        let ends = world.is_ending(&change.key.namespace) || rollout.takes_all_along();
        if change.writer == Writer::Other || ends {
            return summary.undecided(Invariant::I15);
        }
        let Some((ended, in_revision)) = share.ended else {
            if change.key.resource != "pods" {
                // A workload with a share is a matter of I3.
                return;
            }
            let detail = format!("is deleted while requests are aimed at {revision}");
            return summary.violated(Invariant::I15, change.revision, change.key, detail);
        };
        match (change.moment.at_most_after(ended), change.moment.at_least_after(ended)) {
            (Some(most), _) if most < self.drain_ms => {
                let detail = format!(
                    "is deleted at most {most} ms after the last share of {revision} went in revision {in_revision}, \
                     and the drain is {} ms",
                    self.drain_ms
                );
                summary.violated(Invariant::I15, change.revision, change.key, detail);
            }
            (_, Some(least)) if least >= self.drain_ms => summary.judged(Invariant::I15),
            _ => summary.undecided(Invariant::I15),
        }
    }
}

impl<'h> Drain<'h> {
    fn shares(&mut self, change: &Change<'h>, moved: &Moved<'h>) {
        let uid = moved.rollout.uid;
        for revision in moved.aims.revisions() {
            self.last.insert((uid, revision.to_owned()), Last { ended: None });
        }
        for revision in moved.aims_before.revisions().filter(|revision| moved.aims.highest(revision) == 0) {
            let ended = Some((change.moment, change.revision));
            self.last.insert((uid, revision.to_owned()), Last { ended });
        }
    }

    /// The deadline that a commit sets is after the drain of every share that ended before it: by the operator's own
    /// clock, and so finer than the stamps.
    fn deadline(&self, change: &Change<'_>, moved: &Moved<'_>, summary: &mut Summary) {
        let Some(record) = &moved.rollout.record else { return };
        let old =
            moved.before.as_ref().and_then(|before| before.record.as_ref()).and_then(|old| old.vacate_after);
        let Some(deadline) = record.vacate_after.filter(|deadline| Some(*deadline) != old) else { return };
        let of_rollout = self.last.iter().filter(|((uid, _), _)| *uid == moved.rollout.uid);
        let ended = of_rollout.filter_map(|((_, revision), last)| Some((revision, last.ended?.0.earliest?)));
        let Some((revision, ended)) = ended.max_by_key(|(_, ended)| *ended) else { return };
        let short = ended.saturating_add(self.drain_ms) - at(deadline);
        let problem = (short > 0)
            .then(|| format!("what is left of {revision} may go {short} ms before its drain has passed"));
        summary.judge(Invariant::I15, change.revision, change.key, problem);
    }
}

/// The Rollout and revision of an object that goes, if it goes with its color. A pod whose workload stays goes by itself
/// or by another hand: it is replaced.
fn owner<'a, 'h>(
    change: &Change<'h>,
    world: &'a World<'h>,
    object: &'h Value,
) -> Option<(&'a Rollout<'h>, &'h str)> {
    let revision = label_of(object, label::REVISION)?;
    let resource = change.key.resource.as_str();
    if WORKLOADS.contains(&resource) && resource != "jobs" {
        let rollout = world.rollout(label_of(object, label::ROLLOUT_UID)?)?;
        return Some((rollout, revision));
    }
    if resource != "pods" {
        return None;
    }
    let name = label_of(object, label::ROLLOUT)?;
    let rollout = world.rollouts.get(&(change.key.namespace.as_str(), name))?;
    let runs =
        WORKLOADS.iter().flat_map(|resource| world.all(resource, &change.key.namespace)).any(|workload| {
            let size = workload.pointer("/spec/replicas").and_then(Value::as_i64);
            // By name, for a Rollout made anew may have left its predecessor's as they were.
            label_of(workload, label::ROLLOUT) == Some(name)
                && label_of(workload, label::REVISION) == Some(revision)
                && !is_deleting(workload)
                && size != Some(0)
        });
    (!runs).then_some((rollout.as_ref(), revision))
}

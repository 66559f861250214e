//! I4: epochs never go back, along each object and in the record, and none is used before it is committed.

use serde_json::Value;
use teal_api::names::annotation;

use super::json::{annotations, text};
use super::replay::{Change, Check};
use super::tally::{Invariant, Summary};
use super::world::World;
use super::writer::Writer;

pub(super) struct Epochs;

impl<'h> Check<'h> for Epochs {
    fn see(&mut self, change: &Change<'h>, world: &World<'h>, summary: &mut Summary) {
        let Some(after) = change.after else { return };
        records(change, summary);
        let before = change.before.filter(|before| same_object(before, after));
        let stamped =
            annotations(after).into_iter().chain(before.and_then(annotations)).flat_map(|all| all.keys());
        let mut keys: Vec<&String> =
            stamped.filter(|key| key.starts_with(annotation::EPOCH_PREFIX)).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let (old, new) = (before.map_or(0, |before| epoch(before, key)), epoch(after, key));
            if change.writer == Writer::Other {
                if old != new {
                    summary.undecided(Invariant::I4);
                }
                continue;
            }
            let problem = if is_forged(old, new) {
                None
            } else if new < old {
                // With its Rollout an epoch has nobody left to hold back: whoever takes the object over drops it.
                let alive = key.strip_prefix(annotation::EPOCH_PREFIX).and_then(|uid| world.rollout(uid));
                alive.map(|_| format!("{key} goes from {old} to {new}"))
            } else {
                ahead(change, world, key, old, new)
            };
            summary.judge(Invariant::I4, change.revision, change.key, problem);
        }
    }
}

/// An epoch that was not committed: the effect came before the intent.
fn ahead(change: &Change<'_>, world: &World<'_>, key: &str, old: u64, new: u64) -> Option<String> {
    let uid = key.strip_prefix(annotation::EPOCH_PREFIX)?;
    let record = world.rollout(uid)?.record.as_ref()?;
    let ahead = change.writer == Writer::Teal && new > old && new > record.epoch;
    ahead.then(|| format!("{key} is {new}, and {} is committed", record.epoch))
}

/// The record changes only together with its epoch.
fn records(change: &Change<'_>, summary: &mut Summary) {
    let Some(moved) = change.own() else { return };
    let Some(former) = moved.before.as_ref().filter(|before| before.uid == moved.rollout.uid) else { return };
    let (Some(old), Some(new)) = (&former.record, &moved.rollout.record) else {
        if former.record.is_some() {
            // The record was lost; what comes next begins anew.
            summary.undecided(Invariant::I4);
        }
        return;
    };
    let problem = if new.epoch < old.epoch {
        Some(format!("the record's epoch goes from {} to {}", old.epoch, new.epoch))
    } else if new.epoch == old.epoch && new != old {
        Some(format!("the record changes within epoch {}", old.epoch))
    } else {
        None
    };
    match change.writer {
        Writer::Other if problem.is_some() => summary.undecided(Invariant::I4),
        Writer::Other | Writer::Teal | Writer::Unknown => {
            summary.judge(Invariant::I4, change.revision, change.key, problem);
        }
    }
}

fn same_object(before: &Value, after: &Value) -> bool {
    text(before, "/metadata/uid") == text(after, "/metadata/uid")
}

/// Missing and malformed read as 0.
fn epoch(value: &Value, key: &str) -> u64 {
    let text = super::json::annotation(value, key);
    text.map_or(0, |text| u64::try_from(teal_traffic::read_epoch(text)).unwrap_or(0))
}

/// Whether the former one is such as no writer of Teal that is at the new one could have met: it counts as 0.
fn is_forged(old: u64, new: u64) -> bool {
    let number = |epoch: u64| i64::try_from(epoch).unwrap_or(i64::MAX);
    old > 0 && teal_traffic::believed(number(old), Some(number(new))) == 0
}

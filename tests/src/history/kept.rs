//! I3: objects of a revision stay untouched while it is live, has a share or is kept; and a promise to keep is kept.

use std::collections::HashMap;

use serde_json::Value;
use teal_api::names::{annotation, label};
use teal_plan::record::{Phase, Release};

use super::json::{self, label as label_of};
use super::replay::{Change, Check, Moved};
use super::rollout::{Rollout, at, revision};
use super::tally::{Invariant, Summary};
use super::world::World;
use super::writer::Writer;

/// What a release was made of when its predecessor began to be kept, by uid of the Rollout.
#[derive(Default)]
pub(super) struct Kept<'h> {
    releases: HashMap<&'h str, &'h Value>,
}

/// Their owner may change or remove these at any time; Jobs end by themselves; slices follow Services.
const FREE: [&str; 7] = [
    "horizontalpodautoscalers",
    "poddisruptionbudgets",
    "scaledobjects",
    "verticalpodautoscalers",
    "jobs",
    "endpointslices",
    "endpoints",
];
/// A digest of what Teal wrote, with the size behind the last point.
const CONTENT: &str = "teal.dev/content";

impl<'h> Check<'h> for Kept<'h> {
    fn see(&mut self, change: &Change<'h>, world: &World<'h>, summary: &mut Summary) {
        if let Some(moved) = change.own() {
            self.promise(change, moved, summary);
        }
        let Some(before) = change.before else { return };
        let Some(claim) = claim(change, world, before) else { return };
        let touch = match change.removed() {
            Some(_) => Some("is deleted".to_owned()),
            None => change.after.and_then(|after| touch(before, after)),
        };
        let Some(touch) = touch else { return summary.judged(Invariant::I3) };
        if change.writer == Writer::Other || world.is_ending(&change.key.namespace) {
            summary.undecided(Invariant::I3);
        } else {
            summary.violated(
                Invariant::I3,
                change.revision,
                change.key,
                format!("{touch}, and {claim} (writer: {:?})", change.writer),
            );
        }
    }
}

impl<'h> Kept<'h> {
    /// The previous release is let go of only after its time, for another release, or because a person said so.
    fn promise(&mut self, change: &Change<'h>, moved: &Moved<'h>, summary: &mut Summary) {
        let rollout = &moved.rollout;
        let Some(before) = &moved.before else { return };
        let Some((old, new)) = before.record.as_ref().zip(rollout.record.as_ref()) else { return };
        if new.previous.is_some() && old.previous != new.previous {
            self.releases.insert(rollout.uid, rollout.release);
        }
        let (Some(previous), None, Some(until)) = (&old.previous, &new.previous, old.kept_until) else {
            return;
        };
        if matches!(new.phase, Phase::Returning { .. }) {
            // It is live again.
            return;
        }
        if rollout.was_told(before) {
            return summary.judged(Invariant::I3);
        }
        let edited = self.releases.get(rollout.uid).is_none_or(|release| *release != rollout.release);
        if edited {
            return summary.undecided(Invariant::I3);
        }
        let early = change.moment.latest.map(|latest| at(until) - latest).filter(|early| *early > 0);
        let problem =
            early.map(|early| format!("{} is let go of {early} ms before its time", revision(previous)));
        summary.judge(Invariant::I3, change.revision, change.key, problem);
    }
}

/// Why an object of a release must not be touched.
fn claim(change: &Change<'_>, world: &World<'_>, object: &Value) -> Option<String> {
    if FREE.contains(&change.key.resource.as_str()) {
        return None;
    }
    let uid = label_of(object, label::ROLLOUT_UID)?;
    let own = (label_of(object, label::COLOR)?, label_of(object, label::REVISION)?);
    let rollout = world.rollout(uid)?;
    if rollout.takes_all_along() {
        return None;
    }
    let record = rollout.record.as_ref()?;
    let is = |release: &Option<Release>| {
        release.is_some_and(|release| (release.slot.color.as_str(), revision(&release).as_str()) == own)
    };
    let revision = own.1;
    if is(&record.live) && !matches!(record.phase, Phase::Installing { .. }) {
        return Some(format!("{revision} is live"));
    }
    if is(&record.previous) {
        return Some(format!("{revision} is kept as the previous release"));
    }
    if is(&record.candidate) && matches!(record.phase, Phase::Rest { .. }) && record.kept_until.is_some() {
        return Some(format!("{revision} is kept to be looked at"));
    }
    carries(world, rollout, revision)
}

fn carries(world: &World<'_>, rollout: &Rollout<'_>, revision: &str) -> Option<String> {
    let share = world.aims.get(rollout.uid)?.highest(revision);
    (share > 0).then(|| format!("{} of the requests are aimed at {revision}", super::aims::percent(share)))
}

/// What was done to the object that its release didn't ask for.
fn touch(before: &Value, after: &Value) -> Option<String> {
    let revision = |value| label_of(value, label::REVISION);
    if revision(before) != revision(after) {
        return Some(format!("becomes an object of {}", revision(after).unwrap_or("no revision")));
    }
    let size = |value: &Value| value.pointer("/spec/replicas").and_then(Value::as_i64);
    let rests = json::annotation(after, annotation::OWNER_REPLICAS).is_some();
    if size(after) == Some(0) && size(before) != Some(0) && !rests {
        return Some("is scaled to 0".to_owned());
    }
    // The same wish written again is a repair of what another hand changed.
    let wish = |value| {
        let content = json::annotation(value, CONTENT).map(str::to_owned)?;
        Some(content.rsplit_once('.').map_or(content.clone(), |(digest, _)| digest.to_owned()))
    };
    if wish(before).is_some() && wish(before) == wish(after) {
        return None;
    }
    json::difference(&payload(before), &payload(after)).map(|path| format!("is changed at {path}"))
}

/// What an object is made of, without what has writers of its own and what changes with its role.
fn payload(value: &Value) -> Value {
    let mut payload = value.clone();
    if let Some(fields) = payload.as_object_mut() {
        fields.remove("metadata");
        fields.remove("status");
    }
    if let Some(spec) = payload.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("replicas");
        spec.remove("suspend");
    }
    payload
}

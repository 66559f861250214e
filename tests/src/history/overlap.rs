//! I14 and I5 of the live role: where callers learn of other pods late, it selects both revisions for a time before it is turned,
//! only while the candidate has the rest of the traffic, and never on the way back.

use std::collections::HashMap;

use serde_json::Value;
use teal_api::names::{annotation, label};
use teal_plan::record::Phase;
use teal_traffic::Switch;

use super::aims::ALL;
use super::clock::Moment;
use super::json;
use super::replay::{Change, Check, Moved};
use super::rollout::{Rollout, revision};
use super::tally::{Invariant, Summary};
use super::world::World;
use super::writer::Writer;

/// What lasts where nothing else is written.
const USUAL_MS: i64 = 30_000;

/// Since when live Services have selected both revisions, by uid of the Rollout and name.
#[derive(Default)]
pub(super) struct Overlaps<'h> {
    since: HashMap<(&'h str, &'h str), Moment>,
}

impl<'h> Check<'h> for Overlaps<'h> {
    fn see(&mut self, change: &Change<'h>, _world: &World<'h>, summary: &mut Summary) {
        let is_live = |rollout: &Rollout<'_>| rollout.traffic.services.contains(&change.key.name);
        if change.key.resource != "services" {
            return;
        }
        for moved in change.traffic().filter(|moved| is_live(&moved.rollout)) {
            let rollout = &moved.rollout;
            let of = |service: Option<&Value>| service.is_some_and(|service| selects_both(service, rollout));
            let (was, is) = (of(change.before), of(change.after));
            let own =
                change.writer == Writer::Teal && change.after.is_some_and(|after| rollout.is_current(after));
            if is && !was {
                self.since.insert((rollout.uid, &change.key.name), change.moment);
                if own {
                    begins(change, moved, summary);
                }
            }
            if own && !is {
                turns(
                    change,
                    moved,
                    self.since.get(&(rollout.uid, &change.key.name)).filter(|_| was),
                    summary,
                );
            }
        }
    }
}

/// Whether a Service selects pods of the Rollout of whatever revision.
pub(super) fn selects_both(service: &Value, rollout: &Rollout<'_>) -> bool {
    let Some(selector) = service.pointer("/spec/selector") else { return false };
    let own = selector.get(label::ROLLOUT).and_then(Value::as_str) == Some(rollout.name);
    own && selector.get(label::REVISION).is_none() && selector.get(label::COLOR).is_none()
}

fn begins(change: &Change<'_>, moved: &Moved<'_>, summary: &mut Summary) {
    let rollout = &moved.rollout;
    let meshed = !rollout.traffic.virtual_services.is_empty();
    let candidate = rollout.candidate().map(revision).unwrap_or_default();
    let (invariant, problem) = match rollout.phase() {
        Some(Phase::Promoting { .. }) => {
            let left = moved.aims_before.routed().any(|(to, part)| part < ALL || to != candidate);
            (Invariant::I14, left.then_some("while routes still lead to it"))
        }
        Some(Phase::Step(place)) => {
            let last = !meshed && place.weight == 100;
            (Invariant::I14, (!last).then_some("before the last step"))
        }
        Some(Phase::Returning { .. } | Phase::Rest { .. }) => {
            (Invariant::I5, Some("though nothing goes forward"))
        }
        Some(Phase::New | Phase::Installing { .. }) | None => return summary.undecided(Invariant::I14),
    };
    let problem = problem.map(|when| format!("selects both revisions {when}"));
    summary.judge(invariant, change.revision, change.key, problem);
}

/// To the candidate's pods alone.
fn turns(change: &Change<'_>, moved: &Moved<'_>, since: Option<&Moment>, summary: &mut Summary) {
    let rollout = &moved.rollout;
    let forward = matches!(rollout.phase(), Some(Phase::Step(_) | Phase::Promoting { .. }));
    let (Some(before), Some(after), Some(candidate)) = (change.before, change.after, rollout.candidate())
    else {
        return;
    };
    let to = |service: &Value| {
        let selector = service.pointer("/spec/selector")?;
        selector.get(label::REVISION)?.as_str().map(str::to_owned)
    };
    let candidate = revision(candidate);
    if !forward || to(after).as_ref() != Some(&candidate) || to(before) == to(after) || !needs_it(before) {
        return;
    }
    let Some(since) = since else {
        let detail = format!("is turned to {candidate} and never selected both revisions");
        return summary.violated(Invariant::I14, change.revision, change.key, detail);
    };
    let lasts = lasts(before);
    match (change.moment.at_most_after(*since), change.moment.at_least_after(*since)) {
        (Some(most), _) if most < lasts => {
            let detail = format!("selected both revisions for at most {most} ms, not {lasts}");
            summary.violated(Invariant::I14, change.revision, change.key, detail);
        }
        (_, Some(least)) if least >= lasts => summary.judged(Invariant::I14),
        _ => summary.undecided(Invariant::I14),
    }
}

/// As far as the Service says so: readiness gates stand in pods.
fn needs_it(service: &Value) -> bool {
    match teal_traffic::switch(service) {
        Ok(Some(switch)) => switch == Switch::Overlap,
        Ok(None) | Err(_) => teal_traffic::is_reached_late(service),
    }
}

fn lasts(service: &Value) -> i64 {
    let written =
        json::annotation(service, annotation::OVERLAP).and_then(|text| teal_api::duration::parse(text).ok());
    written.and_then(|millis| i64::try_from(millis).ok()).unwrap_or(USUAL_MS)
}

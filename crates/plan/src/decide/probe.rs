//! Metrics are asked before the first weight: no request goes to a candidate that nobody could judge. Only whether there are
//! answers counts here; what they say is evidence of nothing yet.

use super::{Next, reach};
use crate::outcome::Why;
use crate::record::{Phase, StepRecord};
use crate::settings::Step;
use crate::snapshot::{Obstacle, Snapshot, Stops};

/// Whether checks are asked only to see that they can be: on the way to a first weight. One that was there and was lost is
/// given back as it was.
pub(crate) fn is_on(s: &Snapshot) -> bool {
    let Phase::Step(place) = &s.record.phase else { return false };
    place.reached.is_none() && place.lost.is_none() && is_first(s, place) && !reach::carries(s)
}

/// No step before this one gave the candidate any weight. Without a mesh nothing but all of it is a weight.
pub(super) fn is_first(s: &Snapshot, place: &StepRecord) -> bool {
    let mut before = s.settings.steps.iter().take_while(|step| step.name != place.step);
    !s.settings.routed || before.all(|step| step.weight == 0)
}

/// The checks that will be needed: of the step that comes and of those after it, and all guards.
pub(super) fn wanted(s: &Snapshot) -> impl Iterator<Item = &str> {
    let from = match &s.record.phase {
        Phase::Step(place) if is_on(s) => s.settings.step(&place.step).map(|(index, _)| index),
        _ => None,
    };
    let steps = from.map_or(&[][..], |from| s.settings.steps.get(from..).unwrap_or_default());
    let checks = steps.iter().flat_map(|step: &Step| &step.checks).map(String::as_str);
    let guards = s.settings.guards.iter().map(|guard| guard.check.as_str());
    checks.chain(guards.filter(move |_| from.is_some()))
}

/// What keeps a candidate from its first weight: checks that metrics give no answer to. That there is no data is an answer: nobody
/// has sent the candidate anything.
pub(crate) fn obstacles(s: &Snapshot) -> Vec<Obstacle> {
    let mut found: Vec<Obstacle> = Vec::new();
    for check in wanted(s) {
        let Some(seen) = s.check(check).filter(|seen| !seen.answered) else { continue };
        let Some(trouble) = &seen.trouble else { continue };
        if found.iter().all(|known| known.message != trouble.message) {
            let (reason, message) = (trouble.reason.clone(), trouble.message.clone());
            found.push(Obstacle { reason, message, stops: Stops::Rollout });
        }
    }
    found
}

/// Whether each has been answered; what is still missing is said.
pub(super) fn is_answered(s: &Snapshot, next: &mut Next) -> bool {
    let mut checks: Vec<String> = wanted(s)
        .filter(|check| s.check(check).is_none_or(|seen| !seen.answered))
        .map(str::to_owned)
        .collect();
    checks.sort();
    checks.dedup();
    if checks.is_empty() {
        return true;
    }
    let why = Why::Probing { checks };
    if !next.why.contains(&why) {
        next.say(why);
    }
    false
}

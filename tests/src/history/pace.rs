//! I14: the candidate's share never goes above the committed step, and no step is left before its hold has passed.

use teal_plan::record::Phase;

use super::aims::percent;
use super::replay::{Change, Check, Moved};
use super::rollout::{at, revision};
use super::tally::{Invariant, Summary};
use super::world::World;
use super::writer::Writer;

pub(super) struct Pace;

impl<'h> Check<'h> for Pace {
    fn see(&mut self, change: &Change<'h>, _world: &World<'h>, summary: &mut Summary) {
        if let Some(moved) = change.own() {
            hold(change, moved, summary);
        }
        for moved in change.traffic() {
            shares(change, moved, summary);
        }
    }
}

/// Only a rise is judged: a step whose weight was edited downwards is followed, not anticipated.
fn shares(change: &Change<'_>, moved: &Moved<'_>, summary: &mut Summary) {
    let rollout = &moved.rollout;
    let (Some(Phase::Step(place)), Some(candidate)) = (rollout.phase(), rollout.candidate()) else { return };
    let (most, candidate) = (u32::from(place.weight) * 10_000, revision(candidate));
    for rise in moved.aims.rises(&moved.aims_before).filter(|rise| rise.revision == candidate) {
        let current = change.after.is_some_and(|after| rollout.is_current(after));
        if change.writer == Writer::Other || !current {
            summary.undecided(Invariant::I14);
            continue;
        }
        let problem = (rise.after > most).then(|| {
            let (place_name, share) = (rise.place, percent(rise.after));
            format!("{place_name}: {candidate} gets {share}, and step {} has {} %", place.step, place.weight)
        });
        summary.judge(Invariant::I14, change.revision, change.key, problem);
    }
}

fn hold(change: &Change<'_>, moved: &Moved<'_>, summary: &mut Summary) {
    let rollout = &moved.rollout;
    let Some(before) = moved.before.as_ref().filter(|before| before.uid == rollout.uid) else { return };
    let (Some(Phase::Step(from)), Some(now)) = (before.phase(), rollout.phase()) else { return };
    let left = match now {
        Phase::Step(to) => to.step != from.step,
        Phase::Promoting { .. } => true,
        Phase::Rest { .. } | Phase::New | Phase::Installing { .. } | Phase::Returning { .. } => false,
    };
    let (Some(reached), Some((_, step)), true) = (from.reached, before.step(&from.step), left) else {
        return;
    };
    // An approval waits for the hold, too; a Skip doesn't.
    if rollout.was_told(before) {
        return summary.undecided(Invariant::I14);
    }
    let until = at(reached).saturating_add(i64::try_from(step.hold_ms).unwrap_or(i64::MAX));
    let early = change.moment.latest.map(|latest| until - latest).filter(|early| *early > 0);
    match (early, change.moment.earliest) {
        (Some(early), _) => {
            let detail = format!("step {} is left {early} ms before its hold has passed", from.step);
            summary.violated(Invariant::I14, change.revision, change.key, detail);
        }
        (None, Some(earliest)) if earliest >= until => summary.judged(Invariant::I14),
        (None, _) => summary.undecided(Invariant::I14),
    }
}

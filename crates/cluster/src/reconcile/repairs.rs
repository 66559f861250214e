//! Repairs that were refused: of what is kept at rest, and of live also beside a candidate. Every pod that comes and goes makes
//! somebody look, and each look would try them again. What leads traffic is never among them.

use teal_plan::snapshot::Stops;
use teal_plan::{Effect, Phase, Slot, Snapshot, Span, Time};

use super::pace::pause;
use crate::error::{Class, Error};
use crate::execute::Done;
use crate::memory::Memory;

/// What is to be tried now, and when the first of the rest is.
pub(super) fn due(effects: &[Effect], snapshot: &Snapshot, memory: &Memory) -> (Vec<Effect>, Option<Time>) {
    let is_repair = |slot: Slot| match &snapshot.record.phase {
        Phase::Rest { .. } => true,
        Phase::Step(_) => is_live(snapshot, slot),
        Phase::New | Phase::Installing { .. } | Phase::Promoting { .. } | Phase::Returning { .. } => false,
    };
    let rests = |effect: &Effect| {
        let slot = applied(effect).filter(|slot| is_repair(*slot))?;
        memory.rests(slot.color, snapshot.settings.generation, snapshot.now)
    };
    let due = effects.iter().filter(|effect| rests(effect).is_none()).cloned().collect();
    (due, effects.iter().filter_map(rests).min())
}

/// The slot whose release an effect writes.
fn applied(effect: &Effect) -> Option<Slot> {
    match effect {
        Effect::ApplyRelease { slot, .. } => Some(*slot),
        _ => None,
    }
}

fn is_live(snapshot: &Snapshot, slot: Slot) -> bool {
    snapshot.record.live.is_some_and(|live| live.slot == slot)
}

/// What each refused write stops. A repair of live stops no candidate: it may be the very release in which what is refused is mended.
pub(super) fn stops(effects: &[Effect], done: &[Done], snapshot: &Snapshot, otherwise: Stops) -> Vec<Stops> {
    let mut slots = effects.iter().filter_map(applied);
    let mut of = |done: &Done| {
        let slot = (done.effect == "ApplyRelease").then(|| slots.next()).flatten();
        if slot.is_some_and(|slot| is_live(snapshot, slot)) { Stops::Nothing } else { otherwise }
    };
    done.iter().map(&mut of).collect()
}

/// Takes note of what became of those that were tried. They were done in their order.
pub(super) fn refused(effects: &[Effect], done: &[Done], snapshot: &Snapshot, memory: &mut Memory) {
    let slots = effects.iter().filter_map(applied);
    for (slot, done) in slots.zip(done.iter().filter(|done| done.effect == "ApplyRelease")) {
        let class = done.result.as_ref().err().map(Error::class);
        let class = class.filter(|class| matches!(class, Class::Denied | Class::Invalid));
        let pause = class.map(|class| {
            move |failures| Span(i64::try_from(pause(failures, class).as_millis()).unwrap_or(i64::MAX))
        });
        memory.repair(slot.color, snapshot.settings.generation, snapshot.now, pause);
    }
}

#[cfg(test)]
mod tests {
    use teal_plan::Color;

    use super::*;
    use crate::observe::tests::cluster::Hand;

    /// The candidate may be the very release in which what is refused is mended.
    #[test]
    fn a_repair_of_live_that_is_refused_stops_no_candidate_and_rests_beside_it() {
        let mut hand = Hand::new();
        hand.install();
        hand.start_candidate(10);
        let snapshot = hand.look(0).snapshot;
        let apply = |color| Effect::ApplyRelease { slot: hand.slot(color), active: color == Color::Blue };
        let both = [apply(Color::Green), apply(Color::Blue)];
        let refused = || {
            let object = "Deployment shop/web-blue".to_owned();
            Err(Error::NameTaken { object, manager: "helm".into(), serves: true })
        };
        let done = [("ApplyRelease", Ok(true)), ("ApplyRelease", refused()), ("RaiseWeight", refused())]
            .map(|(effect, result)| Done { effect, result, unsure: None });
        let each = stops(&both, &done, &snapshot, Stops::Rollout);
        assert_eq!(each, [Stops::Rollout, Stops::Nothing, Stops::Rollout]);
        let mut memory = Memory::default();
        super::refused(&both, &done, &snapshot, &mut memory);
        let (due, again) = due(&both, &snapshot, &memory);
        assert_eq!(due, [apply(Color::Green)]);
        assert!(again.is_some_and(|at| at > snapshot.now), "{again:?}");
    }
}

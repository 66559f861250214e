//! Repairs that were refused: of what is kept at rest, and of live also beside a candidate. Every pod that comes and goes makes
//! somebody look, and each look would try them again. What leads traffic is never among them.

use teal_plan::snapshot::Objects;
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

/// Takes note of a live that has all that it should: what it lacks later, by the same spec, another hand took.
pub(super) fn note_whole(snapshot: &Snapshot, memory: &mut Memory) {
    let Some(live) = snapshot.record.live.map(|live| live.slot) else { return };
    if snapshot.world.color(live.color).objects == (Objects::Present { slot: live, in_sync: true }) {
        memory.whole = Some(snapshot.settings.generation);
    }
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
pub(super) fn stops(done: &[Done], snapshot: &Snapshot, otherwise: Stops) -> Vec<Stops> {
    let live = snapshot.record.live.map(|live| live.slot.color);
    let of =
        |done: &Done| if done.color.is_some() && done.color == live { Stops::Nothing } else { otherwise };
    done.iter().map(of).collect()
}

/// Takes note of what became of those that were tried.
pub(super) fn refused(done: &[Done], snapshot: &Snapshot, memory: &mut Memory) {
    for done in done {
        let Some(color) = done.color else { continue };
        let class = done.result.as_ref().err().map(Error::class);
        let class = class.filter(|class| matches!(class, Class::Denied | Class::Invalid));
        let pause = class.map(|class| {
            move |failures| Span(i64::try_from(pause(failures, class).as_millis()).unwrap_or(i64::MAX))
        });
        memory.repair(color, snapshot.settings.generation, snapshot.now, pause);
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
        let done = [
            ("ApplyRelease", Some(Color::Green), Ok(true)),
            ("ApplyRelease", Some(Color::Blue), refused()),
            ("RaiseWeight", None, refused()),
        ]
        .map(|(effect, color, result)| Done { effect, color, result, unsure: None });
        let each = stops(&done, &snapshot, Stops::Rollout);
        assert_eq!(each, [Stops::Rollout, Stops::Nothing, Stops::Rollout]);
        let mut memory = Memory::default();
        super::refused(&done, &snapshot, &mut memory);
        let (due, again) = due(&both, &snapshot, &memory);
        assert_eq!(due, [apply(Color::Green)]);
        assert!(again.is_some_and(|at| at > snapshot.now), "{again:?}");
    }
}

//! Repairs at rest that were refused. Every pod that comes and goes makes somebody look, and each look would try them again. What
//! leads traffic is never among them.

use teal_plan::{Effect, Phase, Snapshot, Span, Time};

use super::pace::pause;
use crate::error::{Class, Error};
use crate::execute::Done;
use crate::memory::Memory;

/// What is to be tried now, and when the first of the rest is.
pub(super) fn due(effects: &[Effect], snapshot: &Snapshot, memory: &Memory) -> (Vec<Effect>, Option<Time>) {
    let rests = |effect: &Effect| match (effect, &snapshot.record.phase) {
        (Effect::ApplyRelease { slot, .. }, Phase::Rest { .. }) => {
            memory.rests(slot.color, snapshot.settings.generation, snapshot.now)
        }
        _ => None,
    };
    let due = effects.iter().filter(|effect| rests(effect).is_none()).cloned().collect();
    (due, effects.iter().filter_map(rests).min())
}

/// Takes note of what became of those that were tried. They were done in their order.
pub(super) fn refused(effects: &[Effect], done: &[Done], snapshot: &Snapshot, memory: &mut Memory) {
    let colors = effects.iter().filter_map(|effect| match effect {
        Effect::ApplyRelease { slot, .. } => Some(slot.color),
        _ => None,
    });
    for (color, done) in colors.zip(done.iter().filter(|done| done.effect == "ApplyRelease")) {
        let class = done.result.as_ref().err().map(Error::class);
        let class = class.filter(|class| matches!(class, Class::Denied | Class::Invalid));
        let pause = class.map(|class| {
            move |failures| Span(i64::try_from(pause(failures, class).as_millis()).unwrap_or(i64::MAX))
        });
        memory.repair(color, snapshot.settings.generation, snapshot.now, pause);
    }
}

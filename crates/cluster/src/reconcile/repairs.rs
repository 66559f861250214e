//! Repairs that were refused: of what is kept at rest, and of live also beside a candidate. Every pod that comes and goes makes
//! somebody look, and each look would try them again. What leads traffic is never among them.

use std::collections::BTreeSet;

use teal_plan::snapshot::{Objects, Obstacle, Stops};
use teal_plan::{Color, Effect, Phase, Slot, Snapshot, Span, Time};

use super::pace::pause;
use crate::error::{Class, Error};
use crate::execute::Done;
use crate::memory::{Memory, Written};

/// What is to be tried now, and when the first of the rest is.
pub(super) fn due(effects: &[Effect], snapshot: &Snapshot, memory: &Memory) -> (Vec<Effect>, Option<Time>) {
    let is_repair = |slot: Slot| match &snapshot.record.phase {
        Phase::Rest { .. } => true,
        Phase::Step(_) => is_live(snapshot, slot),
        Phase::New | Phase::Installing { .. } | Phase::Promoting { .. } | Phase::Returning { .. } => false,
    };
    // Another writer takes back what is written as soon as it is: the way back waits for nothing of that.
    let is_contested = |slot: Slot| {
        let back = matches!(snapshot.record.phase, Phase::Returning { .. });
        !back && memory.is_contested(slot.color, snapshot.now)
    };
    let rests = |effect: &Effect| {
        let slot = applied(effect).filter(|slot| is_repair(*slot) || is_contested(*slot))?;
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
pub(super) fn refused(
    done: &[Done],
    mut written: Vec<(Color, Written)>,
    snapshot: &Snapshot,
    memory: &mut Memory,
) {
    for done in done {
        let Some(color) = done.color else { continue };
        let own = written.extract_if(.., |(of, _)| *of == color).map(|(_, written)| written).collect();
        let contested = memory.wrote(color, own, snapshot.now);
        if !contested.is_empty() {
            memory.noted.insert(noted_as(color), (taken_back(&contested), snapshot.now));
        }
        let class = done.result.as_ref().err().map(Error::class);
        let class = class.filter(|class| matches!(class, Class::Denied | Class::Invalid));
        let class = class.or_else(|| (!contested.is_empty()).then_some(Class::Denied));
        let pause = class.map(|class| {
            move |failures| Span(i64::try_from(pause(failures, class).as_millis()).unwrap_or(i64::MAX))
        });
        memory.repair(color, snapshot.settings.generation, snapshot.now, pause);
    }
}

const fn noted_as(color: Color) -> &'static str {
    match color {
        Color::Blue => "Contested in blue",
        Color::Green => "Contested in green",
    }
}

/// What is told of objects that another writer changes as soon as they are written.
fn taken_back(objects: &BTreeSet<String>) -> Obstacle {
    let named: Vec<&str> = objects.iter().map(String::as_str).collect();
    let show = objects.first().map_or_else(String::new, |object| object.to_lowercase());
    Obstacle {
        reason: "WriteFails".into(),
        message: format!(
            "another writer changes {} as soon as it is written, again and again: compare it with spec.release, and see who \
             has the fields that differ (kubectl get {show} -o yaml --show-managed-fields)",
            named.join(", ")
        ),
        stops: Stops::Nothing,
    }
}

#[cfg(test)]
mod tests {
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
        .map(|(effect, color, result)| Done { color, ..Done::of(effect, result) });
        let each = stops(&done, &snapshot, Stops::Rollout);
        assert_eq!(each, [Stops::Rollout, Stops::Nothing, Stops::Rollout]);
        let mut memory = Memory::default();
        super::refused(&done, Vec::new(), &snapshot, &mut memory);
        let (due, again) = due(&both, &snapshot, &memory);
        assert_eq!(due, [apply(Color::Green)]);
        assert!(again.is_some_and(|at| at > snapshot.now), "{again:?}");
    }

    /// The objects of green are written once a second for a minute, if nothing holds that: how often they are, and what is remembered.
    fn written(content: impl Fn(i64) -> String) -> (usize, Snapshot, Memory) {
        let mut hand = Hand::new();
        hand.install();
        hand.start_candidate(10);
        let mut snapshot = hand.look(0).snapshot;
        let apply = [Effect::ApplyRelease { slot: hand.slot(Color::Green), active: false }];
        let mut memory = Memory::default();
        let mut written = 0;
        for second in 0..60 {
            snapshot.now = Time(second * 1_000);
            if !due(&apply, &snapshot, &memory).0.is_empty() {
                let (effect, color) = ("ApplyRelease", Some(Color::Green));
                let one = Written { object: "Deployment web-green".into(), content: content(second) };
                let done = [Done { color, ..Done::of(effect, Ok(true)) }];
                refused(&done, vec![(Color::Green, one)], &snapshot, &mut memory);
                written += 1;
            }
        }
        (written, snapshot, memory)
    }

    /// As a controller that has a note of its own in the manifest would: each would write at the other's write, for ever.
    #[test]
    fn what_another_writer_takes_back_again_and_again_is_written_less_and_less_but_on_the_way_back() {
        let (count, mut snapshot, memory) = written(|_| "the same".into());
        assert!((6..=10).contains(&count), "{count}");
        let (told, _) = &memory.noted[noted_as(Color::Green)];
        assert_eq!((told.reason.as_str(), told.stops), ("WriteFails", Stops::Nothing));
        assert!(told.message.contains("get deployment web-green -o yaml"), "{}", told.message);
        let candidate = snapshot.record.candidate.expect("a candidate").slot;
        let cause = teal_plan::record::Cause::Superseded;
        snapshot.record.phase = Phase::Returning { cause, since: Time(0) };
        let apply = [Effect::ApplyRelease { slot: candidate, active: false }];
        assert_eq!(due(&apply, &snapshot, &memory).0, apply);
    }

    /// Such as the least size of a candidate's autoscaler while live grows.
    #[test]
    fn what_is_another_content_each_time_is_taken_back_by_nobody() {
        let (count, _, memory) = written(|second| second.to_string());
        assert_eq!((count, memory.noted.len()), (60, 0));
    }
}

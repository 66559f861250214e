//! A step: reach its weight, hold it against drift, wait for its gates.

use super::gates::{self, Verdict};
use super::{Draft, Next, home, reach, returning};
use crate::outcome::{Effect, Notice, Plan, Why};
use crate::record::{Cause, Pause, Phase, Release, StepRecord};
use crate::settings::OnFailure;
use crate::snapshot::{Snapshot, Stops};
use crate::words::Time;

pub(super) fn plan(s: &Snapshot, place: &StepRecord) -> Plan {
    let Some(candidate) = &s.record.candidate else {
        // A record without the candidate that it speaks of: going home is always right.
        return returning::send_back(s, Cause::Cancelled);
    };
    if let Some(cause) = cause_to_return(s, candidate, place) {
        return returning::send_back(s, cause);
    }
    let Some((index, step)) = s.settings.step(&place.step) else { return reseat(s) };
    if step.weight != place.weight {
        return reseat(s);
    }
    if let Some(plan) = drift(s, place) {
        return plan;
    }
    let reach::Reach { mut next, reached } = reach::toward(s, candidate, place.weight);
    home::activity(s, &mut next);
    if !next.effects.is_empty() || !reached {
        return unreached(s, place, next);
    }
    let Some(since) = place.reached else { return gates::reached(s, place, step, index) };
    let mut held = None;
    if let Some((cause, then)) = gates::failed_check(s, step) {
        match then {
            OnFailure::Rollback => return returning::send_back(s, cause),
            OnFailure::Hold => held = Some(held_by(cause)),
        }
    }
    let verdict = gates::judge(s, step, place, since, &mut next);
    if let Some(why) = held {
        next.why.insert(0, why);
        return next.into();
    }
    if s.paused() {
        next.why.insert(0, gates::paused(s));
    } else if let Some(obstacle) = s.stopped(Stops::Rollout) {
        next.say(Why::Obstacle { reason: obstacle.reason.clone(), message: obstacle.message.clone() });
    } else {
        match verdict {
            Verdict::Open => return gates::advance(Draft::new(s), index, next.why),
            Verdict::Ask(needed) => return ask(s, place, needed, next.why),
            Verdict::Wait => {}
        }
    }
    next.into()
}

/// What leads back from any step, most urgent first.
fn cause_to_return(s: &Snapshot, candidate: &Release, place: &StepRecord) -> Option<Cause> {
    if let Some(cause) = gates::failed_guard(s) {
        return Some(cause);
    }
    if short(s, candidate, place).is_some_and(|since| s.age(since) >= s.settings.endpoint_grace) {
        return Some(Cause::TooFewEndpoints);
    }
    if let Some(foreign) = &s.world.routes.foreign
        && foreign.recent >= 5
    {
        return Some(Cause::ForeignWriter { manager: foreign.manager.clone() });
    }
    match s.settings.wanted {
        Some(hash) if s.record.live.is_some_and(|live| live.hash == hash) => Some(Cause::Cancelled),
        Some(hash) if hash != candidate.hash => Some(Cause::Superseded),
        Some(_) | None => None,
    }
}

/// Since when the candidate has had too few endpoints for the weight it carries.
fn short(s: &Snapshot, candidate: &Release, place: &StepRecord) -> Option<Time> {
    let carries = s.world.routes.form.highest() > 0 || (place.reached.is_some() && place.weight > 0);
    if carries { s.world.color(candidate.slot.color).short_since } else { None }
}

/// A change by another hand: towards live it is kept, if that hand is a new one; everything else is corrected.
fn drift(s: &Snapshot, place: &StepRecord) -> Option<Plan> {
    let foreign = s.world.routes.foreign.as_ref()?;
    let kept = place.reached.is_some()
        && !foreign.before
        && s.record.paused.is_none()
        && gates::towards_live(s.world.routes.form, place.weight);
    kept.then(|| {
        let mut draft = Draft::new(s);
        draft.record.paused = Some(Pause::ForeignHand { manager: foreign.manager.clone() });
        draft.tell(Notice::Paused { by: foreign.manager.clone() });
        draft.commit(vec![Why::ForeignWriter { manager: foreign.manager.clone() }])
    })
}

/// On the way to the weight, or back to it after a drift.
fn unreached(s: &Snapshot, place: &StepRecord, mut next: Next) -> Plan {
    if let Some(foreign) = &s.world.routes.foreign {
        next.say(Why::ForeignWriter { manager: foreign.manager.clone() });
    }
    let blocked = s.stopped(Stops::Rollout).is_some();
    // A person's pause stops the clock; a wait of the machine doesn't.
    if place.reached.is_none() && !s.paused() {
        if s.now > place.deadline {
            let waiting_for = waiting_for(&next);
            match s.settings.on_failure {
                OnFailure::Rollback => return returning::send_back(s, Cause::Deadline { waiting_for }),
                OnFailure::Hold => next.why.insert(0, Why::HeldByDeadline { waiting_for }),
            }
        } else {
            next.wake(Time(place.deadline.0 + 1));
        }
    }
    if blocked {
        // Nothing that raises is among the effects: `reach` asks for that itself.
        next.effects.retain(|effect| !matches!(effect, Effect::EnterRoutes));
    }
    if let Some(candidate) = &s.record.candidate
        && let Some(since) = short(s, candidate, place)
    {
        next.wake(since + s.settings.endpoint_grace);
    }
    next.into()
}

/// The first reason, as words for a deadline's message.
fn waiting_for(next: &Next) -> String {
    next.why.first().map_or_else(|| "the candidate's traffic".to_owned(), crate::report::sentence)
}

fn held_by(cause: Cause) -> Why {
    match cause {
        Cause::Blind { check } => Why::HeldByCheck { check, blind: true, detail: String::new() },
        Cause::Check { check, detail } | Cause::Guard { check, detail } => {
            Why::HeldByCheck { check, blind: false, detail }
        }
        Cause::Decision { .. }
        | Cause::TooFewEndpoints
        | Cause::Deadline { .. }
        | Cause::ForeignWriter { .. }
        | Cause::ForeignHand
        | Cause::Cancelled
        | Cause::Superseded
        | Cause::Deleted => Why::HeldByDeadline { waiting_for: String::new() },
    }
}

fn ask(s: &Snapshot, place: &StepRecord, needed: u32, why: Vec<Why>) -> Plan {
    let mut draft = Draft::new(s);
    draft.record.phase = Phase::Step(StepRecord { gate: Some(gates::opened(s, needed)), ..place.clone() });
    draft.commit(why)
}

/// The steps were edited: the place is kept by name, else at the first step that isn't below the observed weight.
/// Gates start anew, so an open question gets a new nonce.
fn reseat(s: &Snapshot) -> Plan {
    let Phase::Step(place) = &s.record.phase else { return Next::default().into() };
    let observed = s.world.routes.form.highest();
    let step = s
        .settings
        .step(&place.step)
        .map(|(_, step)| step)
        .or_else(|| s.settings.steps.iter().find(|step| step.weight >= observed))
        .or(s.settings.steps.last());
    let Some(step) = step else { return Next::default().into() };
    let mut draft = Draft::new(s);
    draft.record.phase = Phase::Step(StepRecord {
        step: step.name.clone(),
        weight: step.weight,
        deadline: s.now + s.settings.progress_deadline,
        reached: None,
        gate: None,
    });
    draft.commit(vec![Why::Shifting { weight: step.weight }])
}

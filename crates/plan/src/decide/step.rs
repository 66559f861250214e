//! A step: reach its weight, hold it against drift, wait for its gates.

use super::gates::{self, Verdict};
use super::group::{Barrier, Hold};
use super::{Draft, Next, group, home, jobs, lengths, reach, returning, step_jobs};
use crate::outcome::{Effect, Notice, Plan, Why};
use crate::record::{Cause, Held, Pause, Phase, Release, StepRecord};
use crate::settings::{Mode, OnFailure, Step};
use crate::snapshot::{Form, Snapshot, Stops, World};
use crate::words::Time;

pub(super) fn plan(s: &Snapshot, place: &StepRecord) -> Plan {
    let Some(candidate) = &s.record.candidate else {
        // A record without the candidate that it speaks of: going home is always right.
        return returning::send_back(s, Cause::Cancelled);
    };
    if let Some(cause) = cause_to_return(s, candidate) {
        return returning::send_back(s, cause);
    }
    if let Some(plan) = lengths::edited(s).or_else(|| rebase(s, candidate)).or_else(|| clock(s, place)) {
        return plan;
    }
    let Some((index, step)) = s.settings.step(&place.step) else { return reseat(s) };
    if step.weight != place.weight {
        return reseat(s);
    }
    let failed = place
        .reached
        .filter(|_| !group::is_skipped(s, place))
        .and_then(|_| gates::failed_check(s, step).or_else(|| step_jobs::failed(s, place, step)));
    if let Some((cause, OnFailure::Rollback)) = failed {
        return returning::send_back(s, cause);
    }
    if let Some(plan) = edited(s, place, step).or_else(|| drift(s, place)).or_else(|| hold(s, place, failed))
    {
        return plan;
    }
    let recorded = match place.reached {
        None => jobs::commit(s, candidate),
        Some(since) => step_jobs::commit(s, place, step, since),
    };
    if let Some(plan) = recorded {
        return plan;
    }
    let reach::Reach { mut next, reached } =
        reach::toward(s, candidate, place.weight, place.reached.is_some());
    live_role(s, candidate, place.weight, &mut next);
    let held = match group::hold(s, place, index, &mut next) {
        Some(Hold::Commit(plan)) => return *plan,
        Some(Hold::Wait) => true,
        None => false,
    };
    let mut repairs = Next::default();
    home::activity(s, &mut repairs);
    // What can't be repaired of live must not keep the candidate where it is for good: it is told, and tried again beside it.
    if !s.world.obstacles.iter().any(super::deadline::is_met) {
        next.effects.append(&mut repairs.effects);
    }
    let mut plan = if held {
        next.into()
    } else if !next.effects.is_empty() || !reached {
        unreached(s, place, next)
    } else if let Some(since) = place.reached {
        gated(s, place, (index, step), since, next)
    } else {
        gates::reached(s, place, step, index)
    };
    super::append(&mut plan, repairs.effects);
    plan
}

/// At the weight: the gates say whether it goes on.
fn gated(
    s: &Snapshot,
    place: &StepRecord,
    (index, step): (usize, &Step),
    since: Time,
    mut next: Next,
) -> Plan {
    // Of gates that were skipped nothing is said either.
    let verdict = if group::is_skipped(s, place) {
        Verdict::Open
    } else {
        gates::judge(s, step, place, since, &mut next)
    };
    if let Some(held) = &place.held {
        next.why.insert(0, gates::held(held, false));
    } else if s.paused() {
        next.why.insert(0, gates::paused(s));
    } else if let Some(obstacle) = s.stopped(Stops::Rollout) {
        next.say(Why::from(obstacle));
    } else if let Some(since) = s.record.candidate.as_ref().and_then(|candidate| short(s, candidate)) {
        next.wake(since + s.settings.endpoint_grace);
    } else {
        match verdict {
            Verdict::Open => match group::barrier(s, index) {
                Some(Barrier::Wait(why)) => group::wait(why, &mut next),
                Some(Barrier::Promise(..)) | None => {
                    return gates::advance(Draft::new(s), index, next.why);
                }
            },
            Verdict::Ask(needed) => return ask(s, place, step, needed, next),
            Verdict::Wait => step_jobs::make(s, place, &mut next),
        }
    }
    next.into()
}

/// What leads back from any step, most urgent first.
fn cause_to_return(s: &Snapshot, candidate: &Release) -> Option<Cause> {
    if let Some(cause) = gates::guard_leads_back(s) {
        return Some(cause);
    }
    if short(s, candidate).is_some_and(|since| s.age(since) >= s.settings.endpoint_grace) {
        return Some(too_few(s, candidate));
    }
    if let Some(cause) = foreign(s) {
        return Some(cause);
    }
    match s.settings.wanted {
        Some(hash) if s.record.live.is_some_and(|live| live.hash == hash) => Some(Cause::Cancelled),
        Some(hash) if hash != candidate.hash && hash.version == candidate.hash.version => {
            Some(Cause::Superseded)
        }
        Some(_) | None => group::sends_back(s),
    }
}

/// Hands that don't leave the traffic to Teal: one that keeps changing routes, or one that led everything home as the runbook
/// says for when the operator is down.
pub(super) fn foreign(s: &Snapshot) -> Option<Cause> {
    if let Some(foreign) = &s.world.routes.foreign
        && foreign.recent >= 5
    {
        return Some(Cause::ForeignWriter { manager: foreign.manager.clone() });
    }
    let live = s.record.live.map(|live| live.slot);
    let role = &s.world.candidate_service;
    // An epoch from before this attempt would only mean that the cache is old.
    let turned_back = role.points.is_some() && role.points == live && role.epoch >= s.record.started;
    (turned_back && was_pointed(s)).then_some(Cause::ForeignHand)
}

/// The candidate role was observed at the candidate.
fn was_pointed(s: &Snapshot) -> bool {
    match &s.record.phase {
        Phase::Step(place) => {
            was_reached(place) || s.settings.steps.first().is_some_and(|first| first.name != place.step)
        }
        Phase::Promoting { .. } => true,
        Phase::New | Phase::Installing { .. } | Phase::Rest { .. } | Phase::Returning { .. } => false,
    }
}

/// Whether the step's weight was there once, also if it is gone.
const fn was_reached(place: &StepRecord) -> bool {
    place.reached.is_some() || place.lost.is_some()
}

/// Since when a weight that was reached isn't there any more. Without a mesh, weight 100 is what the live role selects.
pub(super) fn gone(s: &Snapshot, place: &StepRecord) -> Option<Time> {
    place.reached?;
    let World { routes, live_service, .. } = &s.world;
    if s.settings.routed {
        return (routes.form != Form::Entered(place.weight)).then_some(routes.since);
    }
    let candidate = s.record.candidate.map(|candidate| candidate.slot);
    (place.weight == 100 && live_service.points != candidate).then_some(live_service.since)
}

/// What was held, seen and asked at a weight that is no more counts for nothing.
pub(super) fn begin_anew(s: &Snapshot, place: &mut StepRecord) {
    if let Some(since) = gone(s, place) {
        lose(place, since);
    }
}

fn lose(place: &mut StepRecord, since: Time) {
    place.reached = None;
    place.gate = None;
    place.lost = Some(since);
}

/// Since when the candidate has had too few endpoints for the weight it carries.
fn short(s: &Snapshot, candidate: &Release) -> Option<Time> {
    if reach::carries(s) { s.world.color(candidate.slot.color).short_since } else { None }
}

/// Fewer endpoints than the weight needs, with what is known of the pods.
pub(super) fn too_few(s: &Snapshot, candidate: &Release) -> Cause {
    let trouble = s.world.color(candidate.slot.color).trouble.clone();
    Cause::TooFewEndpoints { detail: trouble.unwrap_or_default() }
}

/// Another recipe of the hash came with the operator: the same content under another name.
fn rebase(s: &Snapshot, candidate: &Release) -> Option<Plan> {
    let hash = s.settings.wanted.filter(|hash| hash.version != candidate.hash.version)?;
    let mut draft = Draft::new(s);
    draft.record.candidate = Some(Release { hash, ..*candidate });
    if let Some(wanted) = &mut draft.record.wanted {
        wanted.hash = hash;
    }
    Some(draft.commit(Vec::new()))
}

/// Deadlines are for the machine: a pause by the spec, and an obstacle before the first weight, stop the clock. Their beginning
/// and end are committed, and with the end a new deadline. What a write met is tried again now and then, and is forgotten for as
/// long as that takes: so an obstacle has ended only once what it was in the way of is done.
fn clock(s: &Snapshot, place: &StepRecord) -> Option<Plan> {
    let before = !was_reached(place) && !reach::carries(s);
    let blocked = s.stopped(Stops::Rollout).map(|_| s.now);
    let mut draft = Draft::new(s);
    follow_pause(&mut draft);
    // What another hand gave is taken back before anything is committed for it.
    if reach::forestalled(s).is_none() {
        draft.record.blocked_since = s.record.blocked_since.or(blocked).filter(|_| before);
    }
    if draft.record == s.record {
        return None;
    }
    let paused = s.paused().then(|| gates::paused(s));
    Some(anew(draft, place, paused.into_iter().collect()))
}

/// What was in the way is gone, and nothing is left to write.
fn unblocked(s: &Snapshot, place: &StepRecord, next: Next) -> Plan {
    let mut draft = Draft::new(s);
    draft.record.blocked_since = None;
    anew(draft, place, next.why)
}

/// The step with all the time that it may take.
fn anew(mut draft: Draft<'_>, place: &StepRecord, why: Vec<Why>) -> Plan {
    let s = draft.s;
    let mut place = StepRecord { deadline: s.now + s.settings.progress_deadline, ..place.clone() };
    if draft.record.paused.is_none() {
        begin_anew(s, &mut place);
    }
    draft.record.phase = Phase::Step(place);
    draft.commit(why)
}

/// The spec's own pause begins and ends with the spec, its windows and the switch.
pub(super) fn follow_pause(draft: &mut Draft<'_>) {
    let by_spec = draft.s.settings.mode == Mode::Paused || draft.s.settings.halt.is_some();
    match &draft.s.record.paused {
        None if by_spec => draft.record.paused = Some(Pause::Spec),
        Some(Pause::Spec) if !by_spec => draft.record.paused = None,
        _ => {}
    }
}

/// The gates of the step were edited: an open question is asked anew, with a new nonce. What can't be used as it is written says
/// nothing of them.
fn edited(s: &Snapshot, place: &StepRecord, step: &Step) -> Option<Plan> {
    let gate = place.gate.as_ref()?;
    // What another step leaves to this one, too.
    let owed = gates::approvals(s, step).is_some_and(|needed| gate.needed < needed);
    ((place.terms != step.terms() || owed) && s.stopped(Stops::Everything).is_none()).then(|| {
        let mut draft = Draft::new(s);
        draft.record.phase = Phase::Step(StepRecord { gate: None, terms: step.terms(), ..place.clone() });
        draft.commit(Vec::new())
    })
}

/// A check failed or went blind and the spec says to wait for a person: committed, because the numbers may come back and must not
/// decide by themselves then.
fn hold(s: &Snapshot, place: &StepRecord, failed: Option<(Cause, OnFailure)>) -> Option<Plan> {
    let held = Held::of(failed?.0).filter(|_| place.held.is_none())?;
    let why = gates::held(&held, false);
    let mut draft = Draft::new(s);
    draft.record.phase = Phase::Step(StepRecord { held: Some(held), gate: None, ..place.clone() });
    Some(draft.commit(vec![why]))
}

/// A change by another hand: towards live it is kept, if that hand is a new one; everything else is corrected. What was seen at a
/// weight that is no more counts for nothing; one that was not there yet is not lost.
fn drift(s: &Snapshot, place: &StepRecord) -> Option<Plan> {
    let foreign = s.world.routes.foreign.as_ref()?;
    let form = s.world.routes.form;
    // A route that can't be managed any more is no move.
    let owners = matches!(form, Form::Owner | Form::Mixed { owner: true, .. });
    let managed = form == Form::Owner || s.stopped(Stops::Rollout).is_none();
    let kept = !foreign.before
        && s.record.paused.is_none()
        && (!owners || managed)
        && gates::towards_live(form, place.weight)
        // Before a first weight there is nothing to be taken: Teal may be about to enter the routes.
        && (was_reached(place) || foreign.lowered || is_below(form, reach::former(s, place)))
        && reach::forestalled(s).is_none();
    kept.then(|| {
        let mut draft = Draft::new(s);
        draft.record.paused = Some(Pause::ForeignHand { manager: foreign.manager.clone() });
        let mut place = place.clone();
        if was_reached(&place) {
            lose(&mut place, s.now);
        }
        draft.record.phase = Phase::Step(place);
        draft.tell(Notice::Paused { by: foreign.manager.clone() });
        draft.commit(vec![Why::ForeignWriter { manager: foreign.manager.clone() }])
    })
}

/// A route has less than all had at the weight of the step before.
fn is_below(form: Form, former: u8) -> bool {
    former > 0 && form.highest() <= former && form != Form::Entered(former)
}

/// The live role is watched like the routes: a Service that was applied anew without Teal's selector would reach both colors.
pub(super) fn live_role(s: &Snapshot, candidate: &Release, weight: u8, next: &mut Next) {
    let Some(live) = s.record.live.map(|live| live.slot) else { return };
    let points = s.world.live_service.points;
    let switching = weight == 100 && reach::switched(s, candidate.slot);
    let about_to =
        next.effects.iter().any(|effect| matches!(effect, Effect::PointLive(_) | Effect::Overlap(_)));
    if points != Some(live) && !switching && !about_to && !home::dead(s, live) {
        next.act(Effect::PointLive(live));
    }
}

/// On the way to the weight, or back to it after a drift.
fn unreached(s: &Snapshot, place: &StepRecord, mut next: Next) -> Plan {
    if let Some(foreign) = &s.world.routes.foreign {
        next.say(Why::ForeignWriter { manager: foreign.manager.clone() });
    }
    if s.paused() {
        let why = gates::paused(s);
        next.why.retain(|said| *said != why);
        next.why.insert(0, why);
    }
    let blocked = s.stopped(Stops::Rollout);
    if let Some(obstacle) = blocked {
        let why = Why::from(obstacle);
        next.why.retain(|said| *said != why);
        next.why.insert(0, why);
    }
    if let Some(plan) = lost(s, place, &mut next) {
        return plan;
    }
    // A person's pause stops the clock, and so does an obstacle before the first weight; a wait of the machine doesn't.
    if let Some(deadline) = super::deadline(s, &s.record) {
        if s.now > deadline {
            let waiting_for = super::deadline::waiting_for(s, &next.why);
            match s.settings.on_failure {
                OnFailure::Rollback => return returning::send_back(s, Cause::Deadline { waiting_for }),
                OnFailure::Hold => next.why.insert(0, Why::HeldByDeadline { waiting_for }),
            }
        } else {
            super::deadline::wake(s, deadline, &mut next);
        }
    }
    if let Some(since) = s.record.blocked_since {
        let awaited = s.record.candidate.is_some_and(|candidate| jobs::awaited(s, candidate.slot.revision));
        // While a Job is waited for the release is applied at every look, and nothing else is left to write.
        let only_waits =
            awaited && next.effects.iter().all(|effect| matches!(effect, Effect::ApplyRelease { .. }));
        // What metrics have not said yet is no end of what they were in the way of.
        let asks = next.why.iter().any(|why| matches!(why, Why::Probing { .. }));
        if blocked.is_none() && !asks && (next.effects.is_empty() || only_waits) {
            return unblocked(s, place, next);
        }
        let stalled = since + s.settings.progress_deadline;
        if s.now < stalled {
            next.wake(stalled);
        }
    }
    if let Some(candidate) = &s.record.candidate
        && let Some(since) = short(s, candidate)
    {
        next.wake(since + s.settings.endpoint_grace);
    }
    next.into()
}

/// A weight that is gone for longer than a correction takes is committed as lost, so that hold and checks begin anew with it.
/// Its deadline goes on from where it went.
fn lost(s: &Snapshot, place: &StepRecord, next: &mut Next) -> Option<Plan> {
    let since = gone(s, place).filter(|_| !s.paused())?;
    if s.age(since) < s.settings.endpoint_grace {
        next.wake(since + s.settings.endpoint_grace);
        return None;
    }
    let mut place = StepRecord { deadline: since + s.settings.progress_deadline, ..place.clone() };
    lose(&mut place, since);
    let mut draft = Draft::new(s);
    draft.record.phase = Phase::Step(place);
    Some(draft.commit(std::mem::take(&mut next.why)))
}

fn ask(s: &Snapshot, place: &StepRecord, step: &Step, needed: u32, mut next: Next) -> Plan {
    let mut draft = Draft::new(s);
    let gate = gates::opened(s, step, needed, &mut next);
    draft.record.phase = Phase::Step(StepRecord { gate: Some(gate), terms: step.terms(), ..place.clone() });
    draft.commit(next.why)
}

/// The steps were edited: the place is kept by name, else at the first step that isn't below the observed weight.
/// Gates start anew, so an open question gets a new nonce.
fn reseat(s: &Snapshot) -> Plan {
    let Phase::Step(place) = &s.record.phase else { return Next::default().into() };
    let switched = s.record.candidate.is_some_and(|candidate| reach::switched(s, candidate.slot));
    let observed = if switched { 100 } else { s.world.routes.form.highest() };
    let step = s
        .settings
        .step(&place.step)
        .map(|(_, step)| step)
        .or_else(|| s.settings.steps.iter().find(|step| step.weight >= observed))
        .or(s.settings.steps.last());
    let Some(step) = step else { return Next::default().into() };
    let mut draft = Draft::new(s);
    draft.record.phase = Phase::Step(super::place(s, step));
    draft.commit(vec![Why::Shifting { weight: step.weight }])
}

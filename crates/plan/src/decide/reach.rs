//! Bringing the candidate to a weight, in the order of writes that loses no request:
//! routes at weight 0 → pods ready → candidate role selects them → weight. Each link is observed before the next.

use super::{Next, enough, needed, overlap, probe, share};
use crate::outcome::{Effect, Why};
use crate::record::{Phase, Release, StepRecord};
use crate::settings::former_weight;
use crate::snapshot::{Form, Objects, Snapshot, Stops};
use crate::words::{Slot, Time};

/// What is still missing, and whether the weight is there and has reached the proxies.
pub(super) struct Reach {
    pub(super) next: Next,
    pub(super) reached: bool,
}

/// `held` says that the weight was there before: then a pod that restarts doesn't undo it; too few of them lead back by a rule
/// of their own.
pub(super) fn toward(s: &Snapshot, candidate: &Release, weight: u8, held: bool) -> Reach {
    let mut next = Next::default();
    objects(s, candidate.slot, &mut next);
    // What is there already asks for no more than live had at the start.
    let size = if held {
        needed(weight, &s.record.baseline, s.world.blue.serving.len())
    } else {
        share(s, candidate.slot, weight)
    };
    let ready = ready(s, candidate.slot, size, &mut next) || held;
    routes_down(s, weight, &mut next);
    let pointed = ready && point_candidate(s, candidate.slot, &mut next);
    let reached = if s.settings.routed {
        raise(s, candidate.slot, weight, pointed, &mut next)
    } else {
        switch(s, candidate.slot, weight, pointed, &mut next)
    };
    Reach { next, reached }
}

/// The release's objects, and what must stand before a route is touched.
pub(super) fn objects(s: &Snapshot, slot: Slot, next: &mut Next) {
    if s.settings.routed && !s.world.finalizer {
        next.act(Effect::Finalizer(true));
    }
    if !s.world.recorded {
        next.act(Effect::RecordRevision(slot.revision));
    }
    match s.world.color(slot.color).objects {
        Objects::Present { slot: there, in_sync } if there == slot => {
            if !in_sync {
                next.act(Effect::ApplyRelease { slot, active: false });
            }
        }
        Objects::Present { .. } | Objects::Leftover => {
            next.say(Why::Clearing(slot.color));
            next.act(Effect::Vacate { color: slot.color, except: Some(slot.revision) });
        }
        Objects::Absent => next.act(Effect::ApplyRelease { slot, active: false }),
    }
}

fn ready(s: &Snapshot, slot: Slot, needed: Vec<u32>, next: &mut Next) -> bool {
    let color = s.world.color(slot.color);
    let there = matches!(color.objects, Objects::Present { slot: there, .. } if there == slot);
    if !there || !color.available {
        next.say(Why::Starting { slot, trouble: color.trouble.clone() });
        return false;
    }
    if enough(&color.serving, &needed) {
        return true;
    }
    // Of pods that are ready and reached by nobody there is something to say.
    if color.serving.contains(&0) && color.trouble.is_some() {
        next.say(Why::Starting { slot, trouble: color.trouble.clone() });
    } else {
        next.say(Why::TooFewEndpoints { slot, needed, serving: color.serving.clone() });
    }
    false
}

/// Naming the candidate at weight 0 and lowering a weight are safe at any time; but what is in the way of a rollout may be that
/// a route can't be entered, and routes stay as they are until the candidate could be judged.
fn routes_down(s: &Snapshot, weight: u8, next: &mut Next) {
    let weight = forestalled(s).unwrap_or(weight);
    let owners = matches!(s.world.routes.form, Form::Owner | Form::Mixed { owner: true, .. });
    let judged = !owners || probe::is_answered(s, next);
    let may_enter = s.world.finalizer && s.stopped(Stops::Rollout).is_none() && judged;
    match s.world.routes.form {
        Form::Owner if may_enter => next.act(Effect::EnterRoutes),
        Form::Mixed { owner: true, highest } => {
            if highest > 0 {
                next.act(Effect::LowerWeight(0));
            }
            if may_enter {
                next.act(Effect::EnterRoutes);
            }
        }
        Form::Entered(now) | Form::Mixed { highest: now, owner: false } if now > weight => {
            next.act(Effect::LowerWeight(weight));
        }
        Form::Owner | Form::Entered(_) | Form::Mixed { owner: false, .. } | Form::Unrouted | Form::Broken => {
        }
    }
}

/// The candidate role may be turned to new pods only while no proxy routes to it.
fn point_candidate(s: &Snapshot, slot: Slot, next: &mut Next) -> bool {
    let service = &s.world.candidate_service;
    if service.points == Some(slot) {
        if !service.settled {
            next.say(Why::Settling { slot });
        }
        return service.settled;
    }
    match s.world.routes.form {
        Form::Unrouted => next.act(Effect::PointCandidate(slot)),
        // On its way to 0 by what stands before this in the same plan.
        _ if next.effects.contains(&Effect::LowerWeight(0)) => {}
        // A manifest that was exported under way brought routes of a preview, or a mirror, along.
        _ if s.world.routes.beside.any => next.act(Effect::CutOff(slot)),
        Form::Entered(0) => {
            if let Some(until) = propagating(s, s.world.routes.since) {
                next.wait(until, Why::Propagating { until });
            } else {
                next.act(Effect::PointCandidate(slot));
            }
        }
        // Somebody gave the candidate role weight while it selects other pods: it goes through 0 first.
        Form::Entered(_) | Form::Mixed { owner: false, .. } => next.act(Effect::CutOff(slot)),
        Form::Owner | Form::Mixed { owner: true, .. } | Form::Broken => {}
    }
    false
}

fn raise(s: &Snapshot, slot: Slot, weight: u8, pointed: bool, next: &mut Next) -> bool {
    let at = match s.world.routes.form {
        Form::Entered(at) => at,
        Form::Mixed { owner: false, highest } => highest.min(weight.saturating_sub(1)),
        Form::Owner | Form::Mixed { owner: true, .. } | Form::Broken | Form::Unrouted => return false,
    };
    if !pointed || forestalled(s).is_some() {
        return false;
    }
    if let Some(until) = propagating(s, s.world.routes.since)
        && (at == 0 || at == weight)
    {
        next.wait(until, Why::Propagating { until });
        return false;
    }
    let entered = matches!(s.world.routes.form, Form::Entered(_));
    // What stands beside is brought in with a raise, and by one of nothing where the weight is there.
    let lacks = at == weight && entered && !s.world.routes.beside.fits;
    if at == weight && !lacks {
        return entered;
    }
    if (at < weight || lacks) && may_advance(s, next) && probe::is_answered(s, next) {
        next.say(Why::Shifting { weight });
        let color = s.world.color(slot.color);
        if enough(&color.serving, &share(s, slot, weight)) {
            next.act(Effect::RaiseWeight(weight));
        }
    }
    false
}

/// Another hand gave the candidate more than the step before did, and Teal hasn't raised it yet: the weight that it goes back to.
/// Only a raise of Teal's has passed all that could forbid it. What was there once is given back by whoever gives it.
pub(crate) fn forestalled(s: &Snapshot) -> Option<u8> {
    let Phase::Step(place) = &s.record.phase else { return None };
    let raised = s.world.routes.foreign.as_ref().is_some_and(|foreign| foreign.raised);
    let former = former(s, place);
    let above = s.world.routes.form.highest() > former;
    (raised && above && place.reached.is_none() && place.lost.is_none()).then_some(former)
}

/// The weight of the step before.
pub(super) fn former(s: &Snapshot, place: &StepRecord) -> u8 {
    former_weight(s.settings.steps.iter().map(|step| (step.name.as_str(), step.weight)), &place.step)
}

/// Without a mesh, weight 100 is the switch of the live role itself.
fn switch(s: &Snapshot, slot: Slot, weight: u8, pointed: bool, next: &mut Next) -> bool {
    if !pointed {
        return false;
    }
    let service = &s.world.live_service;
    if weight < 100 {
        return service.points != Some(slot);
    }
    if service.points != Some(slot) {
        if may_advance(s, next) && probe::is_answered(s, next) {
            next.say(Why::Shifting { weight });
            overlap::turn(s, slot, next);
        }
        return false;
    }
    if let Some(until) = propagating(s, service.since) {
        next.wait(until, Why::Propagating { until });
        return false;
    }
    service.settled
}

/// Whether traffic may move towards the candidate at all.
pub(super) fn may_advance(s: &Snapshot, next: &mut Next) -> bool {
    if let Some(obstacle) = s.stopped(Stops::Rollout) {
        next.say(Why::from(obstacle));
        return false;
    }
    if s.paused() {
        next.say(super::gates::paused(s));
        return false;
    }
    true
}

/// Whether the candidate has any share of the traffic, as committed or as seen.
pub(super) fn carries(s: &Snapshot) -> bool {
    let Some(candidate) = s.record.candidate else { return false };
    let switched = switched(s, candidate.slot);
    let committed = match &s.record.phase {
        Phase::Step(place) => place.reached.is_some() && place.weight > 0,
        Phase::Promoting { .. } => true,
        Phase::New | Phase::Installing { .. } | Phase::Rest { .. } | Phase::Returning { .. } => false,
    };
    s.world.routes.form.highest() > 0 || switched || committed
}

/// Whether callers of the live role reach the candidate, where that is the step itself.
pub(super) fn switched(s: &Snapshot, candidate: Slot) -> bool {
    !s.settings.routed && (s.world.live_service.points == Some(candidate) || overlap::is_on(s))
}

/// Until when requests may still be under way to what has left the traffic; none once they can't. Another hand may have turned
/// a role to it for a moment since then, so its drain begins no earlier than the roles select what they do.
pub(super) fn draining(s: &Snapshot) -> Option<Time> {
    let turned = s.world.live_service.turned.max(s.world.candidate_service.turned);
    let drained = turned + s.settings.propagation + s.settings.drain;
    let until = s.record.vacate_after.map_or(drained, |after| after.max(drained));
    (s.now < until).then_some(until)
}

/// Until when proxies may still act on what was before `since`; none once they can't.
pub(super) fn propagating(s: &Snapshot, since: Time) -> Option<Time> {
    let until = since + s.settings.propagation;
    (s.now < until).then_some(until)
}

/// The same of what either role selected before.
pub(super) fn roles_propagating(s: &Snapshot) -> Option<Time> {
    propagating(s, s.world.live_service.since.max(s.world.candidate_service.since))
}

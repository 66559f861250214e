//! Promotion: the candidate has all traffic by weight; the live role is turned to it, the weights go back to 0, the
//! routes back to their owner's bytes. Between each of these proxies are given time.

use super::{Draft, Next, enough, gates, group, lengths, needed, overlap, reach, returning, step};
use crate::outcome::{Effect, Notice, Plan, Why};
use crate::record::{Cause, Outcome, Pause, Phase, Release, Watch};
use crate::settings::OnFailure;
use crate::snapshot::{Form, Snapshot};
use crate::words::ContentHash;

pub(super) fn plan(s: &Snapshot) -> Plan {
    let Some(candidate) = &s.record.candidate else {
        return returning::send_back(s, Cause::Cancelled);
    };
    if let Some(cause) = cause_to_return(s, candidate) {
        return returning::send_back(s, cause);
    }
    if let Some(plan) = lengths::edited(s).or_else(|| clock(s)) {
        return plan;
    }
    let mut next = Next::because(Why::Promoting);
    if s.world.live_service.points == Some(candidate.slot) {
        if turn_home(s, candidate, &mut next) {
            return finish(Draft::new(s));
        }
    } else {
        turn_live(s, candidate, &mut next);
        // What holds the promotion may last, and callers who come by name are live's until then.
        if !overlap::is_on(s) {
            step::live_role(s, candidate, 100, &mut next);
        }
    }
    let Some(deadline) = super::deadline(s, &s.record) else { return next.into() };
    if s.now > deadline {
        let waiting_for = super::deadline::waiting_for(s, &next.why);
        match s.settings.on_failure {
            OnFailure::Rollback => return returning::send_back(s, Cause::Deadline { waiting_for }),
            OnFailure::Hold => next.why.insert(0, Why::HeldByDeadline { waiting_for }),
        }
    } else {
        super::deadline::wake(s, deadline, &mut next);
    }
    next.into()
}

/// A pause by the spec stops the clock, as in a step.
fn clock(s: &Snapshot) -> Option<Plan> {
    let mut draft = Draft::new(s);
    step::follow_pause(&mut draft);
    if draft.record == s.record {
        return None;
    }
    draft.record.phase = Phase::Promoting { deadline: s.now + s.settings.progress_deadline };
    let paused = s.paused().then(|| gates::paused(s));
    Some(draft.commit(paused.into_iter().collect()))
}

fn cause_to_return(s: &Snapshot, candidate: &Release) -> Option<Cause> {
    if let Some(cause) = gates::guard_leads_back(s) {
        return Some(cause);
    }
    let short = s.world.color(candidate.slot.color).short_since;
    if short.is_some_and(|since| s.age(since) >= s.settings.endpoint_grace) {
        return Some(step::too_few(s, candidate));
    }
    if let Some(cause) = group::sends_back(s) {
        return Some(cause);
    }
    if s.world.live_service.points == Some(candidate.slot) {
        // Turned: the rest is a matter of seconds, and whatever is wanted else comes after it.
        return None;
    }
    let cancelled = s.settings.wanted.is_some() && s.settings.wanted == s.record.live.map(|live| live.hash);
    let other = |hash: ContentHash| hash != candidate.hash && hash.version == candidate.hash.version;
    // Until it has all traffic it is a step like any other: what is wanted no more doesn't go on.
    let overtaken = s.settings.wanted.is_some_and(other) && s.world.routes.form != Form::Entered(100);
    step::foreign(s)
        .or(cancelled.then_some(Cause::Cancelled))
        .or((s.settings.routed && overtaken).then_some(Cause::Superseded))
}

/// The live role is turned only while it has weight 0 in every route, seen long enough.
fn turn_live(s: &Snapshot, candidate: &Release, next: &mut Next) {
    let reach::Reach { next: mut missing, reached } = reach::toward(s, candidate, 100, false);
    if !reached || !missing.effects.is_empty() {
        next.effects.append(&mut missing.effects);
        next.why.append(&mut missing.why);
        if let Some(at) = missing.wake_at {
            next.wake(at);
        }
        return;
    }
    let color = s.world.color(candidate.slot.color);
    if reach::may_advance(s, next)
        && enough(&color.serving, &needed(100, &s.record.baseline, color.serving.len()))
    {
        overlap::turn(s, candidate.slot, next);
    }
}

/// Both roles are at the candidate: weights may go to 0 and then out. True once the routes are their owner's again.
fn turn_home(s: &Snapshot, candidate: &Release, next: &mut Next) -> bool {
    let world = &s.world;
    if !world.live_service.settled {
        next.say(Why::Starting { slot: candidate.slot, trouble: None });
        return false;
    }
    if world.candidate_service.points != Some(candidate.slot) {
        next.act(Effect::PointCandidate(candidate.slot));
        return false;
    }
    // Another hand may have turned either of them in the meantime.
    if let Some(until) = reach::roles_propagating(s) {
        next.wait(until, Why::Propagating { until });
        return false;
    }
    match world.routes.form {
        _ if world.routes.beside.any => next.act(Effect::LowerWeight(0)),
        Form::Owner | Form::Unrouted => return true,
        Form::Broken => {}
        Form::Entered(0) | Form::Mixed { highest: 0, .. } => {
            if let Some(until) = reach::propagating(s, world.routes.since) {
                next.wait(until, Why::Propagating { until });
            } else {
                next.act(Effect::LeaveRoutes);
            }
        }
        Form::Entered(_) | Form::Mixed { .. } => next.act(Effect::LowerWeight(0)),
    }
    false
}

/// Callers of routes that are not listed change over all at once, when the live role is turned: until then nothing was
/// measured on them, so the last step's checks go on (rule 12).
fn watch(s: &Snapshot) -> Option<Watch> {
    let step = s.settings.steps.last()?;
    let jump = s.world.obstacles.iter().any(|obstacle| obstacle.reason == "UnmanagedRoutes");
    jump.then(|| Watch { step: step.name.clone(), until: s.now + step.hold, held: None })
}

/// Commits that the candidate is live; the old release is kept untouched.
pub(super) fn finish(mut draft: Draft<'_>) -> Plan {
    let s = draft.s;
    let Some(candidate) = draft.record.candidate.take() else { return draft.commit(Vec::new()) };
    draft.remember(&candidate, Outcome::Promoted);
    // Going back from here is told as what came after the promotion.
    draft.begins = true;
    draft.record.previous = draft.record.live.take();
    draft.record.live = Some(Release { since: s.now, ..candidate });
    draft.record.vacate_after = Some(s.now + s.settings.drain);
    draft.record.watch = watch(s);
    // At rest the spec's pause is read from the spec.
    draft.record.paused = draft.record.paused.filter(|pause| *pause != Pause::Spec);
    let kept_until = lengths::previous(s, s.now, &draft.record);
    draft.record.kept_until = Some(kept_until);
    draft.record.phase = Phase::Rest { outcome: Outcome::Promoted };
    draft.tell(Notice::Promoted { revision: candidate.slot.revision });
    draft.commit(vec![Why::Keeping { until: kept_until }])
}

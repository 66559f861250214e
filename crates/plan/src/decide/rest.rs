//! Nothing is under way: keep what is, retire what was kept long enough, start what is wanted.

use super::{Draft, Next, connections, deadline, gates, group, home, jobs, lengths, reach, returning};
use crate::outcome::{Effect, Notice, Plan, Why};
use crate::record::{Cause, Held, Outcome, Phase, Release, Wanted, Watch};
use crate::settings::OnFailure;
use crate::snapshot::{Objects, Obstacle, Snapshot, Stops, is_paused};
use crate::words::{ContentHash, Slot};

pub(super) fn plan(s: &Snapshot) -> Plan {
    let Some(live) = &s.record.live else { return super::install::begin(s) };
    if let Some(cause) = cause_to_return(s) {
        return returning::send_back(s, cause);
    }
    if let Some(plan) = hold(s).or_else(|| lengths::edited(s)) {
        return plan;
    }
    let mut next = Next::default();
    let at_home = home::lead(s, live.slot, 0, &mut next);
    if at_home && s.settings.routed && s.world.finalizer && settled(s) {
        next.act(Effect::Finalizer(false));
    }
    if !at_home || !next.effects.is_empty() {
        return coming_home(s, next);
    }
    let mut plan = want(s, live).unwrap_or_else(|| retire(s, live, next));
    tell_unusable(s, &mut plan);
    // An object that can't be repaired must not keep anything else from going on.
    let mut repairs = Next::default();
    home::activity(s, &mut repairs);
    super::append(&mut plan, repairs.effects);
    plan
}

/// Roles and routes are led home before anything else. Where that waits, or meets something, a spec that can't be used is noted
/// meanwhile: it may last.
fn coming_home(s: &Snapshot, mut next: Next) -> Plan {
    let met = |obstacle: &Obstacle| obstacle.stops < Stops::Everything && deadline::is_met(obstacle);
    let lasts = next.effects.is_empty() || s.world.obstacles.iter().any(met);
    let noted = || unusable(s).filter(|_| s.stopped(Stops::Everything).is_some());
    if lasts
        && s.settings.wanted.is_none()
        && let Some(plan) = noted()
    {
        return plan;
    }
    home::activity(s, &mut next);
    let mut plan = next.into();
    tell_unusable(s, &mut plan);
    plan
}

/// Routes are their owner's, so deletion needs nothing from us.
fn settled(s: &Snapshot) -> bool {
    s.world.routes.form == crate::snapshot::Form::Owner
}

/// After promotion a guard can still lead back, and so can a hand that follows the runbook while the operator is down.
fn cause_to_return(s: &Snapshot) -> Option<Cause> {
    let previous = s.record.previous?;
    if s.world.live_service.points == Some(previous.slot) {
        return Some(Cause::ForeignHand);
    }
    if s.settings.wanted == Some(previous.hash) && !home::dead(s, previous.slot) {
        // The spec was taken back: what it asks for stands there, warm.
        return Some(Cause::Cancelled);
    }
    let failed = || gates::after_promotion(s).into_iter().find(|(_, then)| *then == OnFailure::Rollback);
    let cause = gates::failed_guard(s)
        .or_else(|| failed().map(|(cause, _)| cause))
        .or_else(|| group::sends_back(s))?;
    (!home::dead(s, previous.slot)).then_some(cause)
}

/// A check that goes on after promotion failed or went blind, and the spec says to wait for a person: the old release stays.
fn hold(s: &Snapshot) -> Option<Plan> {
    let watch = s.record.watch.as_ref().filter(|watch| watch.held.is_none())?;
    let held = gates::after_promotion(s).into_iter().find(|(_, then)| *then == OnFailure::Hold)?;
    let held = Held::of(held.0)?;
    let why = gates::held(&held, true);
    let mut draft = Draft::new(s);
    draft.record.watch = Some(Watch { held: Some(held), ..watch.clone() });
    Some(draft.commit(vec![why]))
}

/// What is wanted is neither live nor sent back: make room, then start.
fn want(s: &Snapshot, live: &Release) -> Option<Plan> {
    let Some(hash) = s.settings.wanted else { return unusable(s) };
    let known = s.record.wanted.filter(|wanted| wanted.hash == hash);
    if known.is_none() && hash == live.hash {
        return Some(at_live(s, live, hash));
    }
    if hash == live.hash || known.is_some_and(|wanted| wanted.rejected) {
        return begins_nothing(s);
    }
    // Once what was sent back has a name by today's recipe, another one is another content, though live's is still an older one's.
    let renamed = s.record.wanted.is_some_and(|wanted| wanted.hash.version == hash.version);
    if known.is_none() && hash.version != live.hash.version && !renamed {
        return Some(rebase(s, live, hash));
    }
    if let Some(wait) = gates::watching(s) {
        return Some(wait.into());
    }
    if s.record.kept_until.is_some_and(|until| s.now >= until)
        && unproven(s).or_else(|| group::keeps(s)).is_none()
    {
        return Some(make_room(Draft::new(s)));
    }
    if let Some(obstacle) = s.stopped(Stops::Rollout) {
        let mut next = Next::because(Why::from(obstacle));
        return Some(match meanwhile(s, live, &mut next) {
            Some(news) => news.commit(next.why),
            None => super::block(s, next),
        });
    }
    if let Some(why) = gates::keeps_from_starting(s).or_else(|| group::late(s)) {
        if let Some(plan) = group::keep_back(s, &why) {
            return Some(plan);
        }
        let mut next = Next::because(why);
        return Some(match meanwhile(s, live, &mut next) {
            Some(news) => news.commit(next.why),
            None => next.into(),
        });
    }
    if s.record.previous.is_some() || s.record.candidate.is_some() {
        let mut draft = Draft::new(s);
        group::announce(s, &mut draft.record);
        return Some(make_room(draft));
    }
    let other = s.world.color(live.slot.color.other());
    if other.objects != Objects::Absent {
        if group::is_unannounced(s) {
            let mut draft = Draft::new(s);
            group::announce(s, &mut draft.record);
            return Some(draft.commit(vec![Why::Clearing(live.slot.color.other())]));
        }
        if let Some(draft) = before_clearing(s) {
            return Some(draft.commit(vec![Why::Clearing(live.slot.color.other())]));
        }
        let next = clear(s, live.slot, Next::default());
        // What doesn't go by itself is in the way like any other obstacle, and becomes known as such.
        return Some(if other.trouble.is_some() { super::block(s, next) } else { next.into() });
    }
    Some(start(s, live, hash, known))
}

/// A spec that can't be used wants nobody knows what. What is kept goes on as ever; but since when it is so is noted, because who waits
/// for the spec would wait for ever.
fn unusable(s: &Snapshot) -> Option<Plan> {
    if s.stopped(Stops::Everything).is_none() {
        return unblock(s);
    }
    if s.record.blocked_since.is_some() {
        return None;
    }
    let mut draft = Draft::new(s);
    draft.record.blocked_since = Some(s.now);
    Some(draft.commit(Vec::new()))
}

/// After what live waits for itself. It is looked at again when it has lasted.
fn tell_unusable(s: &Snapshot, plan: &mut Plan) {
    let Some(obstacle) = s.stopped(Stops::Everything).filter(|_| s.settings.wanted.is_none()) else { return };
    plan.why.retain(|why| *why != Why::AtRest);
    plan.why.push(Why::from(obstacle));
    if let Some(at) = super::stalls(s) {
        plan.wake_at = Some(plan.wake_at.map_or(at, |other| other.min(at)));
    }
}

/// The spec asks for what already serves.
fn at_live(s: &Snapshot, live: &Release, hash: ContentHash) -> Plan {
    let mut draft = Draft::new(s);
    draft.record.wanted =
        Some(Wanted { hash, revision: live.slot.revision, rejected: false, attempts: live.attempt });
    draft.record.blocked_since = None;
    group::withdraw(&mut draft.record);
    draft.record.phase = Phase::Rest { outcome: Outcome::Cancelled };
    draft.commit(vec![Why::AtRest])
}

/// The recipe of the hash changed with the operator: a new base line, never a rollout. What was last asked for is now called so,
/// whether it is live or was sent back.
fn rebase(s: &Snapshot, live: &Release, hash: ContentHash) -> Plan {
    let mut draft = Draft::new(s);
    let asked = s.record.wanted.map(|wanted| Wanted { hash, ..wanted });
    if s.record.wanted.is_none_or(|wanted| wanted.hash == live.hash) {
        draft.record.live = Some(Release { hash, ..*live });
    }
    draft.record.wanted = Some(asked.unwrap_or(Wanted {
        hash,
        revision: live.slot.revision,
        rejected: false,
        attempts: live.attempt,
    }));
    draft.commit(vec![Why::AtRest])
}

fn unblock(s: &Snapshot) -> Option<Plan> {
    s.record.blocked_since?;
    let mut draft = Draft::new(s);
    draft.record.blocked_since = None;
    Some(draft.commit(Vec::new()))
}

/// What is wanted is there, or was sent back: nothing is in its way, and nobody of its group waits for it.
fn begins_nothing(s: &Snapshot) -> Option<Plan> {
    if !group::is_announced(&s.record) {
        return unblock(s);
    }
    let mut draft = Draft::new(s);
    draft.record.blocked_since = None;
    group::withdraw(&mut draft.record);
    Some(draft.commit(Vec::new()))
}

/// Going back ends being possible before anything of the old release is touched; the drain still holds.
pub(super) fn make_room(mut draft: Draft<'_>) -> Plan {
    let gone = draft.record.previous.take();
    if let Some(previous) = gone {
        draft.record.leaving = connections::leaving(draft.s, Some(previous.slot.revision));
    }
    draft.record.candidate = None;
    draft.record.kept_until = None;
    draft.record.watch = None;
    // From now on it may be cleared, and what still runs in it has its time.
    draft.record.vacate_after =
        Some(draft.record.vacate_after.map_or(draft.s.now, |after| after.max(draft.s.now)));
    if let Some(previous) = gone {
        draft.tell(Notice::Retired { revision: previous.slot.revision });
    }
    draft.commit(Vec::new())
}

/// What is wanted can't begin, maybe for long: what nothing keeps any more goes all the same, and Jobs of live that waited for
/// that run.
fn meanwhile<'a>(s: &'a Snapshot, live: &Release, next: &mut Next) -> Option<Draft<'a>> {
    if [s.record.previous, s.record.candidate].iter().any(Option::is_some) {
        return None;
    }
    if s.world.color(live.slot.color.other()).objects == Objects::Absent {
        return jobs::afterwards(s, live, next);
    }
    if let Some(draft) = before_clearing(s) {
        return Some(draft);
    }
    *next = clear(s, live.slot, std::mem::take(next));
    None
}

/// What is committed before a slot is cleared.
fn before_clearing(s: &Snapshot) -> Option<Draft<'_>> {
    jobs::ended(s).or_else(|| connections::over(s))
}

/// Deletes what is in the other slot, once its last traffic has drained.
fn clear(s: &Snapshot, live: Slot, mut next: Next) -> Next {
    let color = live.color.other();
    if let Some((until, why)) = connections::waiting(s) {
        next.wait(until, why);
        return next;
    }
    super::clearing(s, color, &mut next);
    if let Some(until) = reach::draining(s) {
        next.wake(until);
    } else if let Some((until, why)) = jobs::finishing(s, color) {
        next.wait(until, why);
    } else {
        next.act(Effect::Vacate { color, except: None });
    }
    next
}

fn start(s: &Snapshot, live: &Release, hash: ContentHash, known: Option<Wanted>) -> Plan {
    let Some(step) = s.settings.steps.first() else { return Next::default().into() };
    let mut draft = Draft::new(s);
    let counter = s.record.counter.max(s.world.highest_counter).saturating_add(1);
    let mut wanted =
        known.unwrap_or(Wanted { hash, revision: hash.revision(counter), rejected: false, attempts: 0 });
    if known.is_none() {
        draft.record.counter = counter;
    }
    wanted.attempts += 1;
    let slot = Slot { color: live.slot.color.other(), revision: wanted.revision };
    draft.record.candidate = Some(Release { slot, hash, since: s.now, attempt: wanted.attempts });
    draft.record.wanted = Some(wanted);
    draft.record.blocked_since = None;
    draft.record.vacate_after = None;
    draft.record.leaving = None;
    draft.record.sent_back = None;
    draft.record.group = group::begin(s);
    // Whoever decided and has no answer yet must not be judged a second time.
    draft.record.consumed.retain(|consumed| s.decisions.iter().any(|decision| decision.uid == consumed.uid));
    draft.begins = true;
    draft.record.started = draft.next_epoch();
    let started = draft.record.started;
    jobs::begin(&mut draft, slot.revision, started);
    draft.record.baseline.clone_from(&s.world.color(live.slot.color).serving);
    draft.record.sizes.clone_from(&s.world.sizes);
    draft.record.pinned =
        s.settings.steps.iter().filter_map(|step| Some((step.name.clone(), step.approvals?))).collect();
    draft.record.phase = Phase::Step(super::place(s, step));
    draft.tell(Notice::Started { revision: slot.revision, attempt: wanted.attempts });
    draft.commit(vec![Why::Starting { slot, trouble: None }])
}

/// Lets go of what was kept long enough, and deletes what nothing keeps.
fn retire(s: &Snapshot, live: &Release, mut next: Next) -> Plan {
    let mut news = None;
    if let Some(until) = s.record.kept_until {
        match gates::watching(s) {
            Some(wait) => {
                next.why.extend(wait.why);
                wait.wake_at.into_iter().for_each(|at| next.wake(at));
            }
            None if s.now >= until => match unproven(s).or_else(|| group::keeps(s)) {
                Some(why) => next.say(why),
                None => return make_room(Draft::new(s)),
            },
            None => next.wait(until, Why::Keeping { until }),
        }
    } else if s.world.color(live.slot.color.other()).objects != Objects::Absent {
        match before_clearing(s) {
            Some(draft) => news = Some(draft),
            None => return clear(s, live.slot, next).into(),
        }
    } else {
        news = jobs::afterwards(s, live, &mut next);
    }
    if is_paused(s.settings.mode, &s.record) {
        // Nothing waits for it yet, but what is wanted next will.
        next.say(gates::paused(s));
    }
    if let Some(wanted) = s.record.wanted.filter(|wanted| wanted.rejected) {
        next.why.insert(0, Why::Rejected { revision: wanted.revision });
    } else if next.why.is_empty() {
        next.say(Why::AtRest);
    }
    match news {
        Some(draft) => draft.commit(next.why),
        None => next.into(),
    }
}

/// A guard that should watch live until the old release goes, and is blind or has seen nothing good: the old release stays until
/// it has, or until a person says otherwise. A changed standing brings about a look.
fn unproven(s: &Snapshot) -> Option<Why> {
    let pending = || Some(gates::unproven(s)).filter(|checks| !checks.is_empty());
    gates::unseen(s).or_else(|| pending().map(|checks| Why::Checking { checks }))
}

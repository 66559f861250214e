//! What must hold before the next step, and what is measured meanwhile.

use super::{Draft, Next, connections, enough, group, overlap, probe, share, step_jobs};
use crate::outcome::{Notice, Plan, Why};
use crate::record::{Cause, Gate, Held, Pause, Phase, StepRecord};
use crate::settings::{Mode, OnFailure, Step, Until};
use crate::snapshot::{Form, Snapshot, Standing, Stops, is_paused};
use crate::words::Time;

/// The checks that should be measured now.
pub(super) fn measured(s: &Snapshot) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    if let Phase::Step(step) = &s.record.phase
        && step.reached.is_some()
        && let Some((_, wanted)) = s.settings.step(&step.step)
    {
        names.extend(wanted.checks.iter().cloned());
    }
    if let Some(step) = watched(s) {
        names.extend(step.checks.iter().cloned());
    }
    names.extend(guards(s).map(str::to_owned));
    names.extend(probe::wanted(s).map(str::to_owned));
    names.extend(connections::awaited(s).map(|_| connections::CONNECTIONS.to_owned()));
    names.sort();
    names.dedup();
    names
}

/// The guards that watch now: from the first weight on, until promotion or retirement.
fn guards(s: &Snapshot) -> impl Iterator<Item = &str> {
    let under_test =
        matches!(s.record.phase, Phase::Step(_) | Phase::Promoting { .. }) && super::reach::carries(s);
    let kept = matches!(s.record.phase, Phase::Rest { .. }) && s.record.previous.is_some();
    let watching = s.record.watch.is_some();
    s.settings
        .guards
        .iter()
        .filter(move |guard| under_test || (kept && (watching || guard.until == Until::Retired)))
        .map(|guard| guard.check.as_str())
}

/// The step whose checks go on after promotion: by its name, or the last one where that is gone.
fn watched(s: &Snapshot) -> Option<&Step> {
    let watch = s.record.watch.as_ref().filter(|_| matches!(s.record.phase, Phase::Rest { .. }))?;
    s.settings.step(&watch.step).map(|(_, step)| step).or(s.settings.steps.last())
}

/// The step that checks are asked for now, and since when what they see counts for it: since its weight was seen, or since the
/// promotion after which they go on.
pub fn evidence(s: &Snapshot) -> Option<(&Step, Time)> {
    match &s.record.phase {
        Phase::Step(place) => Some((s.settings.step(&place.step)?.1, place.reached?)),
        Phase::Rest { .. } => Some((watched(s)?, s.record.live?.since)),
        Phase::New | Phase::Installing { .. } | Phase::Promoting { .. } | Phase::Returning { .. } => None,
    }
}

/// Whether a check passed for that step. What it saw of another one, or of the whole attempt as a guard, says nothing about it.
fn passed(s: &Snapshot, check: &str) -> bool {
    let Some((step, since)) = evidence(s) else { return false };
    let here = |place: &(String, Time)| place.0 == step.name && place.1 == since;
    s.check(check)
        .is_some_and(|seen| seen.standing == Standing::Pass && seen.place.as_ref().is_some_and(here))
}

/// What the checks and guards that go on after promotion lead to.
pub(super) fn after_promotion(s: &Snapshot) -> Vec<(Cause, OnFailure)> {
    let checks = watched(s).into_iter().flat_map(|step| &step.checks).map(String::as_str);
    checks.chain(guards(s)).filter_map(|check| consequence(s, check)).collect()
}

/// The guards without a usable answer for their limit, with what that leads to.
fn blind_guards(s: &Snapshot) -> impl Iterator<Item = (Cause, OnFailure)> {
    guards(s).filter(|check| s.standing(check) == Standing::Blind).filter_map(|check| consequence(s, check))
}

/// The guards without any good answer, as after a restart or an edit: what nobody saw is no evidence.
pub(super) fn unproven(s: &Snapshot) -> Vec<String> {
    guards(s).filter(|check| s.check(check).is_none_or(|seen| !seen.good)).map(str::to_owned).collect()
}

/// A blind guard, as a reason to keep the old release.
pub(super) fn unseen(s: &Snapshot) -> Option<Why> {
    let held = Held::of(blind_guards(s).next()?.0)?;
    Some(Why::Unseen { check: held.check, detail: held.detail })
}

/// Why the old release may not go yet: callers that jumped at promotion are watched for a hold of the last step at least,
/// until its checks have passed again (rule 12).
pub(super) fn watching(s: &Snapshot) -> Option<Next> {
    let watch = s.record.watch.as_ref()?;
    if let Some(held) = &watch.held {
        return Some(Next::because(self::held(held, true)));
    }
    let passed = watched(s).is_none_or(|step| step.checks.iter().all(|check| passed(s, check)));
    // Of a spec that can't be used the checks may be unknown, and what is unknown has not passed.
    let known = s.stopped(Stops::Everything).is_none();
    if s.now >= watch.until && passed && known {
        return None;
    }
    let mut next = Next::because(Why::Watching { step: watch.step.clone(), until: watch.until });
    if s.now < watch.until {
        next.wake(watch.until);
    }
    Some(next)
}

/// What a person must decide on at a step, or after promotion, as a reason.
pub(super) fn held(held: &Held, promoted: bool) -> Why {
    let Held { check, blind, detail, job } = held.clone();
    match job {
        Some(end) => Why::HeldByJob { job: check, end },
        None => Why::HeldByCheck { check, blind, detail, promoted },
    }
}

/// A guard that failed, as a cause to go back.
pub(super) fn failed_guard(s: &Snapshot) -> Option<Cause> {
    guards(s).find(|check| s.standing(check) == Standing::Fail).map(|check| Cause::Guard {
        check: check.to_owned(),
        detail: s.check(check).map(|seen| seen.detail.clone()).unwrap_or_default(),
    })
}

/// The same, or one that went blind where that leads back.
pub(super) fn guard_leads_back(s: &Snapshot) -> Option<Cause> {
    let blind = || blind_guards(s).find(|(_, then)| *then == OnFailure::Rollback);
    failed_guard(s).or_else(|| blind().map(|(cause, _)| cause))
}

/// A check of the step that failed, or a check or guard that went blind, with what that leads to: one that leads back before any
/// that holds.
pub(super) fn failed_check(s: &Snapshot, step: &Step) -> Option<(Cause, OnFailure)> {
    let checks = step.checks.iter().map(String::as_str).chain(guards(s));
    let consequences = checks.filter_map(|check| consequence(s, check));
    consequences.min_by_key(|(_, then)| *then != OnFailure::Rollback)
}

/// What a check's standing leads to, if to anything.
fn consequence(s: &Snapshot, check: &str) -> Option<(Cause, OnFailure)> {
    match s.standing(check) {
        Standing::Fail => {
            let detail = s.check(check).map(|seen| seen.detail.clone()).unwrap_or_default();
            Some((Cause::Check { check: check.to_owned(), detail, job: None }, s.settings.on_failure))
        }
        Standing::Blind => {
            let trouble = s.check(check).and_then(|seen| seen.trouble.as_ref());
            let detail = trouble.map(|trouble| trouble.message.clone()).unwrap_or_default();
            Some((Cause::Blind { check: check.to_owned(), detail }, s.settings.on_blind(check)))
        }
        Standing::Pending | Standing::Pass => None,
    }
}

/// The approvals of a step: as pinned when the rollout started, so that taking the gate out counts from the next revision.
pub(super) fn approvals(s: &Snapshot, step: &Step) -> Option<u32> {
    let pinned = pinned(s, &step.name);
    let owed = if leaves_owed(s, &step.name) { None } else { owed(s).map(|(_, count)| *count).max() };
    pinned.or(step.approvals).max(owed)
}

fn pinned(s: &Snapshot, name: &str) -> Option<u32> {
    s.record.pinned.iter().find(|(pinned, _)| pinned == name).map(|(_, count)| *count)
}

/// Approvals of steps that were renamed, removed or moved to the front before they were passed: the next step takes them over that
/// has none of its own, or the last one.
fn owed(s: &Snapshot) -> impl Iterator<Item = &(String, u32)> {
    let present = present(s);
    let ahead = move |name: &str| place_of(s, name).is_some_and(|at| present.is_none_or(|now| at >= now));
    s.record.pinned.iter().filter(move |(name, _)| !ahead(name))
}

/// Whether a step asks for its own approvals alone.
fn leaves_owed(s: &Snapshot, name: &str) -> bool {
    let last = s.settings.steps.last().is_some_and(|step| step.name == name);
    !last && pinned(s, name).is_some()
}

/// Where a step stands among the others; less than any where it is no more.
fn place_of(s: &Snapshot, name: &str) -> Option<usize> {
    s.settings.step(name).map(|(index, _)| index)
}

/// Where the step under way stands.
fn present(s: &Snapshot) -> Option<usize> {
    match &s.record.phase {
        Phase::Step(place) => place_of(s, &place.step),
        _ => None,
    }
}

/// What the gates of a reached step say.
pub(super) enum Verdict {
    /// All hold.
    Open,
    /// Only people are missing, and they are not asked yet.
    Ask(u32),
    /// Something is waited for.
    Wait,
}

/// Judges the gates of a step that was reached at `reached`.
pub(super) fn judge(
    s: &Snapshot,
    step: &Step,
    place: &StepRecord,
    reached: Time,
    next: &mut Next,
) -> Verdict {
    let until = reached + step.hold;
    let mut open = true;
    if s.now < until {
        next.wait(until, Why::Holding { step: step.name.clone(), until });
        open = false;
    }
    open &= is_ripe(s, step, reached, next);
    // Evidence gathered before this step was reached says nothing about it.
    let fresh = place.reached == Some(reached);
    let waiting: Vec<String> =
        step.checks.iter().filter(|check| !(fresh && passed(s, check))).cloned().collect();
    if !waiting.is_empty() {
        next.say(Why::Checking { checks: waiting });
        open = false;
    }
    open &= step_jobs::have_passed(s, step, place, next);
    if !open {
        return Verdict::Wait;
    }
    match (approvals(s, step), &place.gate) {
        (None, _) => Verdict::Open,
        (Some(needed), None) => match s.settings.still_at.filter(|at| s.now < *at) {
            // Each change of the gates would make another question of it, which nobody could answer.
            Some(until) => {
                next.wait(until, Why::Unsettled { until });
                Verdict::Wait
            }
            None => Verdict::Ask(needed),
        },
        (Some(_), Some(gate)) if !gate.is_open() => Verdict::Open,
        (Some(_), Some(gate)) => {
            next.say(Why::Asking { step: step.name.clone(), have: gate.have(), needed: gate.needed });
            Verdict::Wait
        }
    }
}

/// Whether every ready pod of the candidate has been ready for as long as the step asks. A container that restarts takes its pod's
/// readiness away, so the pod starts anew; the time of its start would not show that. Where none is ready, none is old enough.
fn is_ripe(s: &Snapshot, step: &Step, reached: Time, next: &mut Next) -> bool {
    let age = step.min_pod_age;
    let Some(candidate) = s.record.candidate.filter(|_| age.0 > 0) else { return true };
    let youngest = s.world.color(candidate.slot.color).youngest.as_ref();
    let until = youngest.map(|youngest| youngest.since + age);
    if until.is_some_and(|until| s.now >= until) {
        return true;
    }
    if let Some(until) = until {
        next.wake(until);
    }
    next.say(Why::Ripening {
        step: step.name.clone(),
        age,
        youngest: youngest.map(|youngest| youngest.pod.clone()),
        late: youngest.is_some_and(|youngest| youngest.since > reached),
    });
    false
}

/// Opens the question of a step, and says so.
pub(super) fn opened(s: &Snapshot, step: &Step, needed: u32, next: &mut Next) -> Gate {
    next.say(Why::Asking { step: step.name.clone(), have: 0, needed });
    Gate { nonce: s.nonce.clone(), evidence: None, opened: s.now, needed, votes: Vec::new() }
}

/// Commits what follows a step whose gates hold: the next step, or promotion.
pub(super) fn advance(mut draft: Draft<'_>, index: usize, mut why: Vec<Why>) -> Plan {
    let s = draft.s;
    if let Some(waits) = group::pass(&mut draft, index) {
        why.extend(waits);
        return draft.commit(why);
    }
    let passed = s.settings.steps.get(index).map(|step| step.name.as_str());
    let left: Vec<&String> = match passed.filter(|name| leaves_owed(s, name)) {
        Some(_) => owed(s).map(|(name, _)| name).collect(),
        None => Vec::new(),
    };
    draft.record.pinned.retain(|(name, _)| place_of(s, name) > Some(index) || left.contains(&name));
    match s.settings.steps.get(index + 1) {
        Some(step) if !is_promotion(s, step, index + 1) => {
            draft.record.phase = Phase::Step(super::place(s, step));
            if !s.settings.routed && step.weight == 100 {
                why.extend(overlap::ahead(s));
            }
            draft.commit(why)
        }
        Some(_) | None if s.settings.routed => {
            draft.record.phase = Phase::Promoting { deadline: s.now + s.settings.progress_deadline };
            why.extend(overlap::ahead(s));
            draft.commit(why)
        }
        Some(_) | None => super::promote::finish(draft),
    }
}

/// A last step without any gate is the promotion itself, which begins with bringing all traffic to the candidate: one commit
/// less. Only where nothing keeps that from happening at once: a step waits, keeps a hand's change, and is edited; a promotion
/// goes on or back. Before a first weight metrics are waited for.
fn is_promotion(s: &Snapshot, step: &Step, index: usize) -> bool {
    let last = index + 1 == s.settings.steps.len();
    let gated = step.hold.0 > 0
        || step.min_pod_age.0 > 0
        || !step.checks.is_empty()
        || !step.jobs.is_empty()
        || approvals(s, step).is_some();
    let Some(candidate) = s.record.candidate else { return false };
    let color = s.world.color(candidate.slot.color);
    let ready = color.available && enough(&color.serving, &share(s, candidate.slot, step.weight));
    let free = s.stopped(Stops::Rollout).is_none() && s.world.routes.foreign.is_none();
    let carries = super::reach::carries(s);
    // Others of a group count the steps.
    let alone = s.record.group.is_none();
    s.settings.routed && last && step.weight == 100 && !gated && ready && free && carries && alone
}

/// Commits that a step was reached, and with it whatever follows at once: the question to people or the next step.
pub(super) fn reached(s: &Snapshot, place: &StepRecord, step: &Step, index: usize) -> Plan {
    let mut next = Next::default();
    let mut draft = Draft::new(s);
    super::jobs::done(&mut draft.record);
    // The last step is told by the promotion that follows it.
    let last = index + 1 == s.settings.steps.len();
    if let Some(candidate) = s.record.candidate.as_ref().filter(|_| !last) {
        draft.tell(Notice::StepReached {
            revision: candidate.slot.revision,
            step: step.name.clone(),
            weight: step.weight,
        });
    }
    let jobs = step_jobs::due(place, step, draft.next_epoch());
    let mut reached =
        StepRecord { reached: Some(s.now), lost: None, jobs, terms: step.terms(), ..place.clone() };
    // Judged as not reached yet: the checks start with the commit, so until then a step with checks can't be open.
    match judge(s, step, place, s.now, &mut next) {
        Verdict::Open if !s.paused() && s.stopped(Stops::Rollout).is_none() => {
            // As it stays where others of the group are not as far.
            draft.record.phase = Phase::Step(reached);
            return advance(draft, index, next.why);
        }
        Verdict::Ask(needed) if s.stopped(Stops::Everything).is_none() => {
            reached.gate = Some(opened(s, step, needed, &mut next));
        }
        Verdict::Open | Verdict::Ask(_) | Verdict::Wait => {}
    }
    // What is told with it must be what is waited for.
    if s.paused() {
        next.why.insert(0, paused(s));
    }
    draft.record.phase = Phase::Step(reached);
    draft.commit(next.why)
}

/// Who holds the Rollout back: whoever paused it before what ends by itself.
pub(super) fn paused(s: &Snapshot) -> Why {
    let person = is_paused(s.settings.mode, &s.record);
    if let Some(halt) = s.settings.halt.as_ref().filter(|_| !person) {
        return Why::Halted(halt.clone());
    }
    let by = match &s.record.paused {
        Some(Pause::Decision { user }) => user.clone(),
        Some(Pause::ForeignHand { manager }) => format!("a change of the routes by {manager}"),
        Some(Pause::Spec) => crate::report::SPEC.to_owned(),
        None if s.settings.mode == Mode::Paused => crate::report::SPEC.to_owned(),
        None => String::new(),
    };
    Why::Paused { by }
}

/// Why no rollout may start, if none may.
pub(super) fn keeps_from_starting(s: &Snapshot) -> Option<Why> {
    if s.paused() {
        return Some(paused(s));
    }
    s.settings.start.clone().map(Why::Halted)
}

/// Whether the routes carry less for the candidate than was committed.
pub(crate) fn towards_live(form: Form, intended: u8) -> bool {
    match form {
        Form::Owner => intended > 0,
        Form::Entered(now) | Form::Mixed { highest: now, owner: false } => {
            now <= intended && form != Form::Entered(intended)
        }
        // As their owner wrote them, and not entered yet or given back.
        Form::Mixed { owner: true, highest } => highest <= intended,
        Form::Unrouted | Form::Broken => false,
    }
}

//! Decisions of people: each is followed, or answered with why not. The check of who may decide lies in the API server;
//! here it is checked that the decision is for what is the case now.

use super::gates;
use super::{Draft, Next, home, jobs, rest, returning};
use crate::outcome::{Decision, Effect, Notice, Plan, Ruling};
use crate::record::{Cause, Consumed, Gate, Leaving, Pause, Phase, Release, StepRecord, Vote};
use crate::report::halted;
use crate::settings::{Mode, Step};
use crate::snapshot::{Action, DecisionSeen, Form, Objects, Snapshot};
use crate::words::{Span, Time};

/// What Decisions lead to: at most one commit, and answers to those that need none.
#[derive(Default)]
pub(super) struct Decided {
    pub(super) commit: Option<Plan>,
    pub(super) answers: Vec<Effect>,
}

enum Followed {
    Commit(Plan),
    Answer(Ruling),
    /// It can't be judged before the machine is further.
    Later,
}

/// How many are followed before the first of them is answered, and answered at a time: whoever makes many of them keeps neither
/// the machine from its work nor others from being heard.
const MOST: usize = 10;

pub(super) fn next(s: &Snapshot) -> Decided {
    let mut decided = Decided::default();
    let mut unanswered = s.decisions.iter().filter(|decision| consumed(s, decision).is_some()).count();
    // Followed already without a commit: a later one must not make them count once more.
    let mut done: Vec<&DecisionSeen> = Vec::new();
    for decision in in_order(s) {
        match follow(s, decision) {
            Followed::Commit(plan) if unanswered < MOST || goes_back(decision) => {
                decided.commit = Some(with(plan, &done));
                return decided;
            }
            Followed::Answer(ruling) => {
                let followed = matches!(ruling, Ruling::Done | Ruling::Noted { .. });
                if followed && consumed(s, decision).is_none() {
                    done.push(decision);
                    unanswered += 1;
                }
                if decided.answers.len() < MOST {
                    decided.answers.push(Effect::Answer { decision: decision.name.clone(), ruling });
                }
            }
            Followed::Commit(_) | Followed::Later => {}
        }
    }
    decided
}

/// Going back first, then what only needs its answer; else the oldest first.
fn in_order(s: &Snapshot) -> Vec<&DecisionSeen> {
    let mut all: Vec<&DecisionSeen> = s.decisions.iter().collect();
    all.sort_by_key(|decision| (!goes_back(decision), consumed(s, decision).is_none()));
    all
}

const fn goes_back(d: &DecisionSeen) -> bool {
    matches!(d.action, Action::Rollback | Action::Reject)
}

fn consumed<'a>(s: &'a Snapshot, d: &DecisionSeen) -> Option<&'a Consumed> {
    s.record.consumed.iter().find(|consumed| consumed.uid == d.uid)
}

/// The commit, with those that were followed before it.
fn with(mut plan: Plan, done: &[&DecisionSeen]) -> Plan {
    if let Decision::Commit(commit) = &mut plan.decision {
        commit.record.consumed.extend(done.iter().map(|d| proof(d, false)));
    }
    plan
}

fn proof(d: &DecisionSeen, vote: bool) -> Consumed {
    Consumed { decision: d.name.clone(), uid: d.uid.clone(), vote }
}

fn follow(s: &Snapshot, d: &DecisionSeen) -> Followed {
    if let Some(consumed) = consumed(s, d) {
        return Followed::Answer(if consumed.vote { Ruling::Counted } else { done(s, d) });
    }
    if !d.same_rollout {
        return superseded(
            "spec.rollout.uid is of another Rollout of this name, which is no more: make a new Decision for the present one",
        );
    }
    if let Some(why) = unproved(s, d).filter(|_| !matches!(d.action, Action::Rollback | Action::Pause)) {
        return refused(why);
    }
    match d.action {
        Action::Approve => approve(s, d),
        Action::Reject => reject(s, d),
        Action::Rollback => rollback(s, d),
        Action::Pause => pause(s, d),
        Action::Resume => resume(s, d),
        Action::Skip => skip(s, d),
        Action::Retry => retry(s, d),
        Action::Retire => retire(s, d),
    }
}

/// Why nothing proves that it was made by whom it names.
fn unproved(s: &Snapshot, d: &DecisionSeen) -> Option<&'static str> {
    match s.world.policies {
        None => Some(
            "the admission policies that prove who decides are not installed, so only Rollback and Pause are taken: \
             install the chart with policies.enabled=true and policies.decisions=true",
        ),
        Some(since) if d.made < since + APPLIES => Some(
            "it was made before the admission policies that prove who decides were in force, so only as Rollback or Pause would \
             it be taken: make it anew",
        ),
        Some(_) => None,
    }
}

/// An API server takes up a new policy within two seconds, and both times are cut to whole ones. Longer would refuse those
/// who decide right after an installation, which itself takes longer than this.
const APPLIES: Span = Span::seconds(3);

/// That traffic goes back is committed at once; nobody is told that it has gone while it has to wait. Nor may anybody think that the way
/// back stays open for as long as they pause.
fn done(s: &Snapshot, d: &DecisionSeen) -> Ruling {
    if let Some(previous) = goes_all_the_same(s).filter(|_| d.action == Action::Pause) {
        let message = format!(
            "it was carried out; {} ({}) is removed when its time is over all the same: go back to it before, or let spec.mode be \
             HandsOff for as long as it must stay, with which nothing at all is written",
            previous.slot.revision, previous.slot.color
        );
        return Ruling::Noted { message };
    }
    let back = goes_back(d) && matches!(s.record.phase, Phase::Returning { .. });
    match s.record.live.filter(|_| back).and_then(|live| home::blocked(s, live.slot)) {
        Some(why) => Ruling::Noted { message: format!("noted, but {}", crate::report::sentence(&why)) },
        None => Ruling::Done,
    }
}

/// What is kept until its time is over, and not until a person decides.
fn goes_all_the_same(s: &Snapshot) -> Option<Release> {
    let held = s.record.watch.as_ref().is_some_and(|watch| watch.held.is_some());
    s.record.previous.filter(|_| !held && matches!(s.record.phase, Phase::Rest { .. }))
}

fn refused(message: impl Into<String>) -> Followed {
    Followed::Answer(Ruling::Refused { message: message.into() })
}

fn superseded(message: impl Into<String>) -> Followed {
    Followed::Answer(Ruling::Superseded { message: message.into() })
}

/// A draft in which the Decision is consumed: the proof, should its status not be written.
fn consume<'a>(s: &'a Snapshot, d: &DecisionSeen, vote: bool) -> Draft<'a> {
    let mut draft = Draft::new(s);
    draft.record.consumed.insert(0, proof(d, vote));
    let mut newest = 0;
    draft.record.consumed.retain(|consumed| {
        newest += 1;
        // What has no answer yet would be followed again.
        newest <= 20 || s.decisions.iter().any(|decision| decision.uid == consumed.uid)
    });
    draft
}

/// The place of the open question, if the Decision is for it.
fn question<'a>(s: &'a Snapshot, d: &DecisionSeen) -> Result<(&'a StepRecord, &'a Gate), Followed> {
    let Phase::Step(place) = &s.record.phase else {
        return Err(superseded(NO_QUESTION));
    };
    let candidate = s.record.candidate.map(|candidate| candidate.slot.revision.to_string());
    if d.revision != candidate {
        return Err(superseded(format!(
            "spec.revision is {}, and {} is being tried: copy it from status.candidate.revision, and decide anew",
            d.revision.as_deref().unwrap_or("-"),
            candidate.as_deref().unwrap_or("none")
        )));
    }
    let Some(gate) = &place.gate else {
        return Err(superseded(NO_QUESTION));
    };
    if d.step.as_deref() != Some(&place.step) || d.nonce.as_deref() != Some(&gate.nonce) {
        return Err(superseded(format!(
            "spec.step or spec.nonce is of another question than the open one of step {}: copy both from status.gate, and \
             decide anew",
            place.step
        )));
    }
    match (&d.evidence, &gate.evidence) {
        (None, _) => Ok((place, gate)),
        (Some(seen), Some(shown)) if seen == shown => Ok((place, gate)),
        (Some(_), Some(shown)) => Err(refused(format!(
            "spec.evidence is of something else than what the open question of step {} shows, which is {shown}: look at \
             status.checks, copy status.gate.evidence, and decide anew",
            place.step
        ))),
        (Some(_), None) => Err(refused(UNKNOWN_EVIDENCE)),
    }
}

const NO_QUESTION: &str = "spec.step and spec.nonce answer no question: none is open; look at status.gate, and decide anew once one is";

/// A question that an earlier version opened doesn't say what it shows, so no evidence can be the right one.
const UNKNOWN_EVIDENCE: &str = "spec.evidence can't be compared, for status.gate has no evidence (an earlier version of Teal opened it): leave it \
                                out, and decide anew";

fn approve(s: &Snapshot, d: &DecisionSeen) -> Followed {
    let (place, gate) = match question(s, d) {
        Ok(open) => open,
        Err(followed) => return followed,
    };
    if gate.votes.iter().any(|vote| vote.user == d.user) {
        return Followed::Answer(Ruling::AlreadyCounted);
    }
    let mut place = place.clone();
    let vote = Vote { decision: d.name.clone(), user: d.user.clone(), via: d.via.clone(), at: s.now };
    if let Some(gate) = &mut place.gate {
        gate.votes.push(vote);
    }
    let mut draft = consume(s, d, true);
    draft.record.phase = Phase::Step(place.clone());
    Followed::Commit(after_vote(draft, &place))
}

/// The last missing vote and the step after it are one commit.
fn after_vote(draft: Draft<'_>, place: &StepRecord) -> Plan {
    let s = draft.s;
    let mut next = Next::default();
    let (Some((index, step)), Some(reached)) = (s.settings.step(&place.step), place.reached) else {
        return draft.commit(Vec::new());
    };
    let open = matches!(gates::judge(s, step, place, reached, &mut next), gates::Verdict::Open);
    let free = super::reach::may_advance(s, &mut next) && is_there(s, place, step) && same_content(s);
    let sound =
        gates::failed_guard(s).is_none() && gates::failed_check(s, step).is_none() && place.held.is_none();
    if open && free && sound { gates::advance(draft, index, next.why) } else { draft.commit(next.why) }
}

/// The weight that was reached is still the step's and still in the routes: what another hand changed meanwhile is looked at
/// first.
fn is_there(s: &Snapshot, place: &StepRecord, step: &Step) -> bool {
    let routes = !s.settings.routed || s.world.routes.form == Form::Entered(place.weight);
    place.reached.is_some() && step.weight == place.weight && routes
}

/// What is being tried is still what is wanted.
fn same_content(s: &Snapshot) -> bool {
    s.record.candidate.map(|candidate| candidate.hash) == s.settings.wanted
}

fn reject(s: &Snapshot, d: &DecisionSeen) -> Followed {
    match question(s, d) {
        Ok(_) => Followed::Commit(returning::commit_back(consume(s, d, false), by_person(d, true))),
        Err(followed) => followed,
    }
}

fn by_person(d: &DecisionSeen, rejected: bool) -> Cause {
    Cause::Decision { user: d.user.clone(), rejected, reason: d.reason.clone() }
}

fn rollback(s: &Snapshot, d: &DecisionSeen) -> Followed {
    let text = |release: Option<Release>| release.map(|r| r.slot.revision.to_string());
    match &s.record.phase {
        Phase::Step(_) | Phase::Promoting { .. } => {
            if d.revision != text(s.record.candidate) {
                return superseded(
                    "spec.revision is not the one being tried: copy it from status.candidate.revision, and decide anew",
                );
            }
        }
        // Only of what is sent back already can it be said that it is.
        Phase::Returning { .. } if d.revision == text(s.record.candidate) => {
            return Followed::Answer(done(s, d));
        }
        Phase::Returning { .. } => {
            return superseded(
                "spec.revision is not the one that is sent back: copy it from status.candidate.revision, and decide anew",
            );
        }
        Phase::Rest { .. } => {
            let Some(previous) = s.record.previous else {
                return refused(
                    "nothing is being tried and no previous release is kept, so there is nothing to go back to",
                );
            };
            if d.revision != text(s.record.live) {
                return superseded(
                    "spec.revision is not the live one: copy it from status.live.revision, and decide anew",
                );
            }
            if home::dead(s, previous.slot) {
                return refused(
                    "the previous release has no ready endpoint, so going back would stop all traffic: mend its pods, and decide anew",
                );
            }
        }
        Phase::New | Phase::Installing { .. } => {
            return refused("the first release is being installed: there is nothing to go back to");
        }
    }
    Followed::Commit(returning::commit_back(consume(s, d, false), by_person(d, false)))
}

fn pause(s: &Snapshot, d: &DecisionSeen) -> Followed {
    if matches!(s.record.paused, Some(Pause::Decision { .. })) {
        return Followed::Answer(done(s, d));
    }
    let mut draft = consume(s, d, false);
    draft.record.paused = Some(Pause::Decision { user: d.user.clone() });
    draft.tell(Notice::Paused { by: d.user.clone() });
    Followed::Commit(draft.commit(vec![crate::outcome::Why::Paused { by: d.user.clone() }]))
}

fn resume(s: &Snapshot, d: &DecisionSeen) -> Followed {
    if matches!(s.record.paused, None | Some(Pause::Spec)) {
        return refused(match &s.settings.halt {
            _ if s.settings.mode == Mode::Paused => "spec.mode says Paused: change it there".to_owned(),
            Some(halt) => format!("nobody paused the Rollout: {}", halted(halt)),
            None => "the Rollout is not paused".to_owned(),
        });
    }
    let mut draft = consume(s, d, false);
    draft.record.paused = None;
    super::restart(s, &mut draft.record);
    draft.tell(Notice::Resumed);
    Followed::Commit(draft.commit(Vec::new()))
}

fn skip(s: &Snapshot, d: &DecisionSeen) -> Followed {
    let Phase::Step(place) = &s.record.phase else {
        return refused("no step is under way, so there is nothing to skip");
    };
    let candidate = s.record.candidate.map(|candidate| candidate.slot.revision.to_string());
    if d.revision != candidate || d.step.as_deref() != Some(&place.step) {
        return superseded(format!(
            "spec.revision or spec.step is not what is under way, which is {} at step {}: copy both from status.candidate and \
             status.step, and decide anew",
            candidate.as_deref().unwrap_or("none"),
            place.step
        ));
    }
    let Some((index, step)) = s.settings.step(&place.step) else { return Followed::Later };
    if !is_there(s, place, step) {
        return refused("the step's weight is not reached: only its gates can be skipped");
    }
    if s.paused() {
        return refused(match gates::paused(s) {
            crate::outcome::Why::Halted(halt) => format!("nothing moves forward now: {}", halted(&halt)),
            _ => "the Rollout is paused: resume it first".to_owned(),
        });
    }
    if gates::failed_guard(s).is_some() || !same_content(s) {
        return Followed::Later;
    }
    let mut draft = consume(s, d, false);
    if let Some(pact) = &mut draft.record.group {
        pact.skipped = Some(step.name.clone());
        // Who skips the gates has answered what was asked, and what was held, also where others are waited for.
        if let Phase::Step(place) = &mut draft.record.phase {
            (place.gate, place.held) = (None, None);
        }
    }
    Followed::Commit(gates::advance(draft, index, Vec::new()))
}

/// Jobs of live that come after retirement: nothing else is tried again with them.
fn rerun(s: &Snapshot, d: &DecisionSeen) -> Option<Plan> {
    let live = s.record.live.filter(|_| matches!(s.record.phase, Phase::Rest { .. }))?;
    let mut draft = consume(s, d, false);
    let again = d.revision == Some(live.slot.revision.to_string()) && jobs::again_later(&mut draft, &live);
    again.then(|| draft.commit(Vec::new()))
}

/// Whether what is wanted was sent back after this was made, by a time that is cut to whole seconds.
fn is_overtaken(s: &Snapshot, d: &DecisionSeen) -> bool {
    s.record.sent_back.is_some_and(|at| d.made < Time(at.0 - at.0.rem_euclid(1_000)))
}

fn retry(s: &Snapshot, d: &DecisionSeen) -> Followed {
    if let Some(halt) = &s.settings.halt {
        return refused(format!("nothing moves forward now: {}", halted(halt)));
    }
    if let Some(plan) = rerun(s, d) {
        return Followed::Commit(plan);
    }
    let wanted = s.record.wanted;
    if wanted.map(|wanted| wanted.revision.to_string()) != d.revision {
        return superseded(
            "spec.revision is not the one that is wanted: copy it from status.rejected[0], or status.candidate.revision while one is \
             tried, and decide anew",
        );
    }
    if wanted.is_some_and(|wanted| wanted.rejected) && is_overtaken(s, d) {
        return refused(
            "it was made before traffic went back, so it did not mean that: look at status.history, and decide anew",
        );
    }
    let mut draft = consume(s, d, false);
    let again = jobs::again(&mut draft);
    match &mut draft.record.phase {
        Phase::Rest { .. } if wanted.is_some_and(|wanted| wanted.rejected) => {
            if let Some(wanted) = &mut draft.record.wanted {
                wanted.rejected = false;
            }
        }
        Phase::Step(place) => {
            place.deadline = s.now + s.settings.progress_deadline;
            place.reached = None;
            place.gate = None;
            place.held = None;
            place.jobs.clear();
            // Another attempt: what was measured in this one counts no more.
            let attempts = draft.record.wanted.as_mut().map(|wanted| {
                wanted.attempts += 1;
                wanted.attempts
            });
            if let (Some(candidate), Some(attempt)) = (&mut draft.record.candidate, attempts) {
                candidate.attempt = attempt;
            }
        }
        Phase::Promoting { deadline } => *deadline = s.now + s.settings.progress_deadline,
        Phase::Installing { deadline } if again => *deadline = s.now + s.settings.progress_deadline,
        // It is tried again once traffic is home.
        Phase::Returning { .. } if wanted.is_some_and(|wanted| wanted.rejected) => return Followed::Later,
        Phase::New | Phase::Installing { .. } | Phase::Returning { .. } | Phase::Rest { .. } => {
            return refused(
                "there is nothing to retry: the wanted revision was not sent back, and no Job of it failed",
            );
        }
    }
    Followed::Commit(draft.commit(Vec::new()))
}

fn retire(s: &Snapshot, d: &DecisionSeen) -> Followed {
    let kept = s.record.previous.or(s.record.candidate);
    let resting = matches!(s.record.phase, Phase::Rest { .. });
    match kept {
        Some(kept) if resting && d.revision == Some(kept.slot.revision.to_string()) => {
            // It is also the word of a person that a watch or a guard waits for.
            Followed::Commit(rest::make_room(consume(s, d, false)))
        }
        Some(kept) if resting => superseded(format!(
            "spec.revision is not the one that is kept, which is {}: copy it from status.previous.revision, or \
             status.candidate.revision after going back, and decide anew",
            kept.slot.revision
        )),
        None if resting => stop_awaiting(s, d),
        Some(_) | None => refused(NOTHING_KEPT),
    }
}

const NOTHING_KEPT: &str = "no release is kept, so there is nothing to retire";

/// Of what goes already: its open connections are awaited no more.
fn stop_awaiting(s: &Snapshot, d: &DecisionSeen) -> Followed {
    let there = s.record.live.is_some_and(|live| {
        let color = live.slot.color.other();
        s.world.color(color).objects != Objects::Absent
    });
    let awaited =
        s.record.leaving.filter(|leaving| there && !leaving.over && s.settings.connections.is_some());
    match awaited {
        None => refused(NOTHING_KEPT),
        Some(leaving) if leaving.revision.map(|revision| revision.to_string()) == d.revision => {
            let mut draft = consume(s, d, false);
            draft.record.leaving = Some(Leaving { over: true, ..leaving });
            Followed::Commit(draft.commit(Vec::new()))
        }
        Some(_) => superseded(
            "spec.revision is not the one whose connections are awaited: copy it from status.draining.revision, and decide anew",
        ),
    }
}

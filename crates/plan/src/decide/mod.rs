//! The rules, a file per phase. The most urgent comes first.

mod connections;
mod deadline;
mod decisions;
mod delete;
mod gates;
mod group;
mod home;
mod install;
mod jobs;
mod lengths;
mod overlap;
mod people;
mod probe;
mod promote;
mod reach;
mod rest;
mod returning;
mod step;
mod step_jobs;

pub use connections::CONNECTIONS;
pub(crate) use deadline::{back_late, deadline};
pub use gates::evidence;
pub(crate) use gates::towards_live;
pub(crate) use group::forestalls;
pub(crate) use home::{dead, needs as back_needs};
pub(crate) use reach::forestalled;

use crate::outcome::{Commit, Decision, Effect, Notice, Plan, Why};
use crate::record::{Attempt, Outcome, Pause, Phase, Record, Release, StepRecord};
use crate::settings::{Mode, Step};
use crate::snapshot::{Form, Obstacle, ServiceSeen, Snapshot, World};
use crate::words::{Color, Slot, Time};

/// Says what to do next. Pure: the same snapshot gives the same plan.
pub fn plan(s: &Snapshot) -> Plan {
    let mut plan = decide(s);
    wake_for_halts(s, &mut plan);
    plan.measure = if s.ends().is_some() { Vec::new() } else { gates::measured(s) };
    plan
}

/// Looks again when what keeps it from moving forward ends, and when the next such thing begins in the middle of a rollout.
fn wake_for_halts(s: &Snapshot, plan: &mut Plan) {
    let said = plan.why.iter().filter_map(|why| match why {
        Why::Halted(halt) => halt.until,
        _ => None,
    });
    // In the middle of a rollout it may be something else that is waited for, and no time counts.
    let ends = s.settings.halt.as_ref().and_then(|halt| halt.until);
    let under_way = ends.into_iter().chain(s.settings.halts_at).filter(|_| has_deadline(&s.record.phase));
    let due = said.chain(under_way).filter(|at| *at > s.now).min();
    plan.wake_at = [plan.wake_at, due].into_iter().flatten().min();
}

/// What keeps a candidate from its first weight although nothing in the cluster is in the way: checks that can't be answered.
/// Whoever makes a snapshot puts them beside its other obstacles.
pub fn unanswered(s: &Snapshot) -> Vec<Obstacle> {
    probe::obstacles(s)
}

/// Whether checks are measured only to see that they can be: before the first weight no answer is evidence.
pub fn probes(s: &Snapshot) -> bool {
    probe::is_on(s)
}

fn decide(s: &Snapshot) -> Plan {
    if s.world.stale {
        return Next::because(Why::CatchingUp).into();
    }
    if let Some(obstacle) = s.ends() {
        return ends(s, obstacle);
    }
    if s.settings.mode == Mode::HandsOff && !s.deleting {
        return hands_off(s);
    }
    if s.world.highest_epoch > s.record.epoch && !matches!(s.record.phase, Phase::New) {
        // Either this record is older than what its objects show, and the commit will be refused; or somebody forged an
        // epoch, and only a higher one can still be written.
        return Draft::new(s).commit(vec![Why::CatchingUp]);
    }
    let mut plan = phase(s);
    let decided = decisions::next(s);
    match decided.commit {
        Some(commit) if turns_back(s, &commit) || !leads_back(s, &plan) => commit,
        Some(_) | None => {
            append(&mut plan, decided.answers);
            append(&mut plan, step_jobs::end_left(s).into_iter().collect());
            plan
        }
    }
}

/// Whether it commits that traffic goes back.
fn turns_back(s: &Snapshot, plan: &Plan) -> bool {
    let back = |record: &Record| matches!(record.phase, Phase::Returning { .. });
    matches!(&plan.decision, Decision::Commit(commit) if back(&commit.record) && !back(&s.record))
}

/// Whether it brings traffic nearer to live by itself: no word of anybody but to go back holds that up.
fn leads_back(s: &Snapshot, plan: &Plan) -> bool {
    let under_way = matches!((&s.record.phase, &plan.decision), (Phase::Returning { .. }, Decision::Act(_)));
    under_way || turns_back(s, plan)
}

/// In a namespace that is being deleted nothing can be made, and what was there goes with it, in an order of its own. All
/// that is left to do is not to hold it up.
fn ends(s: &Snapshot, obstacle: &Obstacle) -> Plan {
    let Obstacle { reason, message, .. } = obstacle.clone();
    let mut next = Next::because(Why::Obstacle { reason, message });
    if s.deleting && s.world.finalizer {
        next.act(Effect::Finalizer(false));
    }
    next.into()
}

/// Nothing is written but the status, and it is said what would be: the planner is asked as if it might act again. That hands
/// are off is committed like a pause by the spec, so that its time doesn't count.
fn hands_off(s: &Snapshot) -> Plan {
    let mut draft = Draft::new(s);
    let mut s = s.clone();
    s.settings.mode = Mode::Active;
    if s.record.paused == Some(Pause::Spec) {
        let mut record = Record { paused: None, ..s.record.clone() };
        restart(&s, &mut record);
        s.record = record;
    }
    let would = decide(&s);
    let why = Why::HandsOff { would: Box::new(would.decision) };
    if draft.record.paused.is_none() && has_deadline(&s.record.phase) {
        draft.record.paused = Some(Pause::Spec);
        return draft.commit(vec![why]);
    }
    let mut next = Next::because(why);
    if let Some(at) = would.wake_at {
        next.wake(at);
    }
    next.into()
}

const fn has_deadline(phase: &Phase) -> bool {
    match phase {
        Phase::Installing { .. } | Phase::Step(_) | Phase::Promoting { .. } => true,
        Phase::New | Phase::Rest { .. } | Phase::Returning { .. } => false,
    }
}

/// After a pause the machine has its whole time again, and what was lost meanwhile begins anew.
fn restart(s: &Snapshot, record: &mut Record) {
    let deadline = s.now + s.settings.progress_deadline;
    match &mut record.phase {
        Phase::Step(place) => {
            place.deadline = deadline;
            step::begin_anew(s, place);
        }
        Phase::Installing { deadline: old } | Phase::Promoting { deadline: old } => *old = deadline,
        Phase::New | Phase::Rest { .. } | Phase::Returning { .. } => {}
    }
}

fn phase(s: &Snapshot) -> Plan {
    if s.deleting
        && let Some(plan) = delete::plan(s)
    {
        return plan;
    }
    match &s.record.phase {
        Phase::New => install::begin(s),
        Phase::Installing { deadline } => install::go_on(s, *deadline),
        Phase::Rest { .. } => rest::plan(s),
        Phase::Step(step) => step::plan(s, step),
        Phase::Promoting { .. } => promote::plan(s),
        Phase::Returning { cause, .. } => returning::plan(s, cause),
    }
}

/// Outcomes of Decisions ride along with effects, and never hold up a commit.
fn append(plan: &mut Plan, answers: Vec<Effect>) {
    if answers.is_empty() {
        return;
    }
    match &mut plan.decision {
        Decision::Commit(_) => {}
        Decision::Act(effects) => effects.extend(answers),
        Decision::Rest => plan.decision = Decision::Act(answers),
    }
}

/// Effects, reasons and the next look, gathered rule by rule.
#[derive(Default)]
struct Next {
    effects: Vec<Effect>,
    why: Vec<Why>,
    wake_at: Option<Time>,
}

impl Next {
    fn because(why: Why) -> Self {
        Self { why: vec![why], ..Self::default() }
    }

    fn act(&mut self, effect: Effect) {
        if !self.effects.contains(&effect) {
            self.effects.push(effect);
        }
    }

    fn say(&mut self, why: Why) {
        self.why.push(why);
    }

    fn wake(&mut self, at: Time) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Waits until `at`, with the reason.
    fn wait(&mut self, at: Time, why: Why) {
        self.wake(at);
        self.say(why);
    }
}

impl From<Next> for Plan {
    fn from(next: Next) -> Self {
        let decision = if next.effects.is_empty() { Decision::Rest } else { Decision::Act(next.effects) };
        Self { decision, wake_at: next.wake_at, why: next.why, measure: Vec::new() }
    }
}

/// A transition: a copy of the record that is changed and then committed under the next epoch.
struct Draft<'a> {
    s: &'a Snapshot,
    record: Record,
    notices: Vec<Notice>,
    /// An attempt begins with it, and with that the time in which people are waited for.
    begins: bool,
}

impl<'a> Draft<'a> {
    fn new(s: &'a Snapshot) -> Self {
        let mut record = s.record.clone();
        lengths::follow(s, &mut record);
        Self { s, record, notices: Vec::new(), begins: false }
    }

    /// The epoch that the commit will have.
    fn next_epoch(&self) -> u64 {
        self.s.record.epoch.max(self.s.world.highest_epoch).saturating_add(1)
    }

    fn tell(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    /// Puts an ended attempt into the history.
    fn remember(&mut self, release: &Release, outcome: Outcome) {
        let decisions = self.record.consumed.iter().map(|consumed| consumed.decision.clone()).collect();
        let attempt = Attempt {
            revision: release.slot.revision,
            attempt: release.attempt,
            outcome,
            started: release.since,
            finished: self.s.now,
            waited: people::waited(self.s),
            decisions,
        };
        self.record.history.insert(0, attempt);
        self.record.history.truncate(10);
    }

    fn commit(self, why: Vec<Why>) -> Plan {
        let epoch = self.next_epoch();
        let Self { s, mut record, notices, begins } = self;
        jobs::note(s, &mut record);
        step_jobs::note(s, &mut record);
        record.waited = people::count(s, &record, begins);
        record.lengths = lengths::of_spec(s);
        record.epoch = epoch;
        let commit = Commit { record, notices };
        Plan { decision: Decision::Commit(Box::new(commit)), wake_at: None, why, measure: Vec::new() }
    }
}

/// The place at the beginning of a step.
fn place(s: &Snapshot, step: &Step) -> StepRecord {
    StepRecord {
        step: step.name.clone(),
        weight: step.weight,
        deadline: s.now + s.settings.progress_deadline,
        reached: None,
        lost: None,
        gate: None,
        held: None,
        jobs: Vec::new(),
        terms: step.terms(),
    }
}

/// Nothing can begin or go on. Since when is committed once; what lasts longer than the deadline is told as stalled.
fn block(s: &Snapshot, mut next: Next) -> Plan {
    if s.record.blocked_since.is_none() {
        let mut draft = Draft::new(s);
        draft.record.blocked_since = Some(s.now);
        return draft.commit(next.why);
    }
    if let Some(at) = stalls(s) {
        next.wake(at);
    }
    next.into()
}

/// When what is blocked will have lasted so long that it is told as stalled.
fn stalls(s: &Snapshot) -> Option<Time> {
    let at = s.record.blocked_since? + s.settings.progress_deadline;
    (s.now < at).then_some(at)
}

/// That a slot in which nothing is to stay is cleared, and what doesn't go.
fn clearing(s: &Snapshot, color: Color, next: &mut Next) {
    next.say(Why::Clearing(color));
    if let Some(message) = s.world.color(color).trouble.clone() {
        next.say(Why::Stays { message });
    }
}

/// Endpoints that a share needs: ceil(weight/100 × live's endpoints at the start), at least one, per traffic Service.
pub fn needed(weight: u8, baseline: &[u32], services: usize) -> Vec<u32> {
    (0..services)
        .map(|i| {
            let full = u64::from(baseline.get(i).copied().unwrap_or(1));
            let share = (full * u64::from(weight)).div_ceil(100);
            u32::try_from(share).unwrap_or(u32::MAX).max(1)
        })
        .collect()
}

/// What the candidate needs for a share: of what live had at the start, or of what it has by now, where that is more and requests
/// still show it. One that grew in the middle would else hand them all to far fewer pods.
fn share(s: &Snapshot, candidate: Slot, weight: u8) -> Vec<u32> {
    let live = &s.world.color(candidate.color.other()).serving;
    let grown = if bears_all(s, candidate.color) { Vec::new() } else { needed(weight, live, live.len()) };
    let start = needed(weight, &s.record.baseline, live.len());
    start
        .iter()
        .enumerate()
        .map(|(i, start)| grown.get(i).map_or(*start, |grown| *grown.max(start)))
        .collect()
}

/// Whether every request goes to that color, so that its size is what all of them need.
fn bears_all(s: &Snapshot, color: Color) -> bool {
    let World { live_service, candidate_service, routes, .. } = &s.world;
    let there = |service: &ServiceSeen| service.points.is_some_and(|slot| slot.color == color);
    there(live_service) && (routes.form.highest() == 0 || there(candidate_service))
        || there(candidate_service) && routes.form == Form::Entered(100)
}

/// Whether every traffic Service has at least what is needed.
pub(crate) fn enough(serving: &[u32], needed: &[u32]) -> bool {
    serving.len() == needed.len() && serving.iter().zip(needed).all(|(have, need)| have >= need)
}

/// Whether every traffic Service has at least one endpoint.
pub(crate) fn serves(serving: &[u32]) -> bool {
    !serving.is_empty() && serving.iter().all(|have| *have > 0)
}

//! The reasons as sentences, phase words and conditions. Events, conditions, CLI, page and messages all say the same,
//! because they all come from here.

mod conditions;
mod halts;
mod intent;
mod sentences;

pub use conditions::WARNINGS;
pub(crate) use halts::halted;
pub(crate) use sentences::ended;
pub use sentences::{cause, notice, sentence, warns};

use crate::outcome::{Plan, Why};
use crate::record::{Outcome, Phase, Record};
use crate::settings::Mode;
use crate::snapshot::{Snapshot, Stops};
use crate::words::{Color, Revision, Time};

/// What the status says besides the record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// One word; an open set.
    pub phase: &'static str,
    /// One sentence.
    pub message: String,
    /// What is waited for, where it is people or time.
    pub waiting_for: Option<String>,
    /// The step under way.
    pub step: Option<StepReport>,
    /// What is removed once its open connections have ended.
    pub draining: Option<Draining>,
    /// When the way on will have taken too long: then traffic goes back, or a person is asked. None while no time counts.
    pub deadline: Option<Time>,
    /// Percent of requests that the candidate gets, as observed.
    pub candidate_weight: u8,
    /// Something is wrong and keeps the machine waiting, so that it must be told before its next transition.
    pub trouble: bool,
    /// All conditions that apply; `Reconciling` and `Stalled` only while true.
    pub conditions: Vec<Condition>,
}

/// What has open connections and no traffic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draining {
    /// Where.
    pub color: Color,
    /// Which, where it is known.
    pub revision: Option<Revision>,
    /// How many were open when that was last told.
    pub open: Option<String>,
    /// When it goes all the same.
    pub until: Time,
}

/// The step under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StepReport {
    /// Its name.
    pub name: String,
    /// Its place, from 1.
    pub index: usize,
    /// How many there are.
    pub count: usize,
    /// The weight wanted.
    pub weight: u8,
    /// When it was observed.
    pub reached: Option<Time>,
}

/// A condition as Kubernetes knows it, without its time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    /// Its type.
    pub kind: &'static str,
    /// True or False.
    pub status: bool,
    /// One word.
    pub reason: String,
    /// One sentence with what to do.
    pub message: String,
}

/// Who pauses where the spec does.
pub(crate) const SPEC: &str = "spec.mode";

/// Everything that a report is made of: the snapshot, the record as it is after the plan, and the plan's reasons.
pub(crate) struct View<'a> {
    pub(crate) s: &'a Snapshot,
    pub(crate) record: &'a Record,
    pub(crate) why: &'a [Why],
}

/// Reports on a plan, as things are once its commit (if it has one) is durable.
pub fn report(s: &Snapshot, plan: &Plan) -> Report {
    let record = match &plan.decision {
        crate::Decision::Commit(commit) => &commit.record,
        crate::Decision::Act(_) | crate::Decision::Rest => &s.record,
    };
    let view = View { s, record, why: &plan.why };
    Report {
        phase: phase(&view),
        message: message(&view),
        waiting_for: waiting_for(&view),
        step: step(&view),
        draining: draining(&view),
        deadline: crate::decide::deadline(s, record),
        candidate_weight: observed_weight(&view),
        trouble: plan.why.iter().any(is_trouble),
        conditions: conditions::all(&view),
    }
}

fn draining(view: &View<'_>) -> Option<Draining> {
    view.why.iter().find_map(|why| match why {
        Why::Draining { color, revision, open, until } => {
            Some(Draining { color: *color, revision: *revision, open: open.clone(), until: *until })
        }
        _ => None,
    })
}

fn observed_weight(view: &View<'_>) -> u8 {
    let world = &view.s.world;
    let under_test = view.record.candidate.filter(|_| matches!(&view.record.phase, Phase::Step(_)));
    match under_test.filter(|_| !view.s.settings.routed) {
        Some(candidate) if world.live_service.points == Some(candidate.slot) => 100,
        Some(candidate) if world.overlap.is_some_and(|overlap| overlap.selected) => {
            shared(view.s, candidate.slot.color)
        }
        Some(_) | None => world.routes.form.highest(),
    }
}

/// The part of all endpoints that one color has, in percent.
fn shared(s: &Snapshot, color: Color) -> u8 {
    let count = |color| -> u64 { s.world.color(color).serving.iter().copied().map(u64::from).sum() };
    let own = count(color);
    let percent = (own * 100).checked_div(own + count(color.other())).unwrap_or(0);
    u8::try_from(percent).unwrap_or(100)
}

fn step(view: &View<'_>) -> Option<StepReport> {
    let Phase::Step(place) = &view.record.phase else { return None };
    let index = view.s.settings.step(&place.step).map_or(0, |(index, _)| index + 1);
    Some(StepReport {
        name: place.step.clone(),
        index,
        count: view.s.settings.steps.len(),
        weight: place.weight,
        reached: place.reached,
    })
}

/// The phase as one word.
pub(crate) fn phase(view: &View<'_>) -> &'static str {
    if view.s.settings.mode == Mode::HandsOff {
        return "HandsOff";
    }
    if view.s.ends().is_some() {
        return "Blocked";
    }
    match &view.record.phase {
        Phase::Installing { .. } => "Installing",
        Phase::Promoting { .. } if paused_before_the_turn(view) => "Paused",
        Phase::Promoting { .. } => "Promoting",
        Phase::Returning { .. } => "RollingBack",
        Phase::Step(place) => step_word(view, place),
        Phase::New if view.why.iter().any(|why| matches!(why, Why::Paused { .. } | Why::Halted(_))) => {
            "Paused"
        }
        Phase::New => "Blocked",
        Phase::Rest { outcome } => rest_word(view, outcome),
    }
}

/// Whether nothing moves forward, as things are once the commit is durable.
pub(crate) fn paused(view: &View<'_>) -> bool {
    view.s.settings.halt.is_some() || crate::snapshot::is_paused(view.s.settings.mode, view.record)
}

/// Whether no rollout starts.
fn start_is_held(view: &View<'_>) -> bool {
    paused(view) || view.s.settings.start.is_some()
}

/// A pause is in the way of something: at rest only of what is wanted besides live.
pub(crate) fn pause_holds(view: &View<'_>) -> bool {
    match view.record.phase {
        Phase::Step(_) | Phase::Promoting { .. } => paused(view),
        Phase::New => start_is_held(view),
        Phase::Rest { .. } => start_is_held(view) && view.record.blocked_since.is_none() && starts_soon(view),
        Phase::Installing { .. } | Phase::Returning { .. } => false,
    }
}

/// A promotion that waits for a person; once the live role is turned the rest is a matter of seconds.
fn paused_before_the_turn(view: &View<'_>) -> bool {
    paused(view) && view.s.world.live_service.points != view.record.candidate.map(|candidate| candidate.slot)
}

fn step_word(view: &View<'_>, place: &crate::record::StepRecord) -> &'static str {
    if paused(view) {
        return "Paused";
    }
    match place.reached {
        Some(_) if place.asks() || held(view) => "Waiting",
        Some(_) => "Checking",
        None if held(view) => "Waiting",
        None if starting(view) => "Preparing",
        None => "Shifting",
    }
}

fn rest_word(view: &View<'_>, outcome: &Outcome) -> &'static str {
    if view.record.blocked_since.is_some() || view.s.stopped(Stops::Everything).is_some() {
        return "Blocked";
    }
    if rejected(view) {
        return "RolledBack";
    }
    if pause_holds(view) {
        return "Paused";
    }
    match outcome {
        Outcome::RolledBack(_) if view.record.candidate.is_some() && !starts_soon(view) => "RolledBack",
        Outcome::Promoted
        | Outcome::RolledBack(_)
        | Outcome::Cancelled
        | Outcome::Superseded
        | Outcome::Rebuilt => "Complete",
    }
}

/// What is wanted was sent back. The record says so also of what was wanted before, until the next attempt starts.
pub(crate) fn rejected(view: &View<'_>) -> bool {
    let now = view.s.settings.wanted;
    view.record.wanted.is_some_and(|wanted| wanted.rejected && now.is_none_or(|now| now == wanted.hash))
}

/// Something else than live is wanted and is neither sent back nor in the way of itself.
pub(crate) fn starts_soon(view: &View<'_>) -> bool {
    let wanted = view.s.settings.wanted;
    wanted.is_some() && wanted != view.record.live.map(|live| live.hash) && !rejected(view)
}

/// A person must act although nobody was asked.
pub(crate) fn held(view: &View<'_>) -> bool {
    let by_people = |why: &Why| {
        matches!(
            why,
            Why::HeldByCheck { .. }
                | Why::HeldByJob { .. }
                | Why::Unseen { .. }
                | Why::HeldByDeadline { .. }
                | Why::InstallLate
        )
    };
    view.why.iter().any(by_people)
}

/// What isn't expected on the way.
const fn is_trouble(why: &Why) -> bool {
    matches!(
        why,
        Why::Starting { trouble: Some(_), .. }
            | Why::TooFewEndpoints { .. }
            | Why::Settling { .. }
            | Why::Unsettled { .. }
            | Why::InstallLate
            | Why::ReturnBlocked { .. }
            | Why::ReturnShort { .. }
    )
}

fn starting(view: &View<'_>) -> bool {
    view.s.world.routes.form.highest() == 0
        && view.why.iter().any(|why| matches!(why, Why::Starting { .. } | Why::Clearing(_)))
}

fn message(view: &View<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.push(sentences::place(view));
    parts.extend(view.why.iter().filter(|why| sentences::tells(why)).take(3).map(sentence));
    parts.retain(|part| !part.is_empty());
    bounded(parts.join("; "), LONGEST)
}

/// The bytes that a message may have: what the API server takes in an Event.
pub const LONGEST: usize = 1024;

/// Cuts to this many bytes, and at a character, never in the middle of one.
pub fn bounded(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let cut = (0..=limit - 4).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push_str(" …");
    }
    text
}

fn waiting_for(view: &View<'_>) -> Option<String> {
    view.why
        .iter()
        .find_map(|why| match why {
            Why::Asking { have, needed, .. } => Some(format!("approval ({have}/{needed})")),
            Why::Paused { .. } => pause_holds(view).then(|| "resume".to_owned()),
            Why::Halted(halt) => pause_holds(view).then(|| halts::word(halt)),
            Why::HeldByCheck { check, .. } | Why::Unseen { check, .. } => {
                Some(format!("decision (check {check})"))
            }
            Why::HeldByDeadline { .. } => Some("decision (deadline passed)".to_owned()),
            Why::InstallLate => Some("pods (deadline passed)".to_owned()),
            Why::Holding { .. } => Some("hold".to_owned()),
            Why::HeldByJob { job, .. } => Some(format!("decision (job {job})")),
            Why::Testing { jobs } => {
                let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
                Some(format!("jobs ({})", names.join(", ")))
            }
            Why::Ripening { .. } => Some("pod age".to_owned()),
            Why::Unsettled { .. } => Some("edits".to_owned()),
            Why::Overlapping { .. } => Some("overlap".to_owned()),
            Why::Probing { checks } | Why::Checking { checks } => {
                Some(format!("checks ({})", checks.join(", ")))
            }
            Why::Obstacle { reason, .. } => Some(reason.clone()),
            Why::Gathering { group, .. } => Some(format!("group {group}")),
            Why::Together { members, .. } => {
                let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
                Some(format!("group ({})", names.join(", ")))
            }
            Why::Late { members, .. } => Some(format!("group ({})", members.join(", "))),
            Why::Stays { .. } => Some("deletion".to_owned()),
            Why::Draining { color, .. } => Some(format!("connections ({color})")),
            Why::Finishing { jobs, .. } => Some(format!("jobs ({})", jobs.join(", "))),
            Why::Starting { .. } => Some("pods".to_owned()),
            Why::TooFewEndpoints { .. } | Why::Settling { .. } | Why::ReturnBlocked { .. } => {
                Some("endpoints".to_owned())
            }
            Why::HandsOff { .. }
            | Why::CatchingUp
            | Why::Clearing(_)
            | Why::Propagating { .. }
            | Why::Shifting { .. }
            | Why::ForeignWriter { .. }
            | Why::Promoting
            | Why::Returning
            | Why::ReturnShort { .. }
            | Why::Watching { .. }
            | Why::Keeping { .. }
            | Why::Going { .. }
            | Why::Running { .. }
            | Why::Rejected { .. }
            | Why::AtRest => None,
        })
        .or_else(|| asked(view))
}

/// Hands are kept off, or the namespace goes: whoever decided now would be refused.
fn takes_no_decision(view: &View<'_>) -> bool {
    view.s.settings.mode == Mode::HandsOff || view.s.ends().is_some()
}

/// The question that this very commit opens.
fn asked(view: &View<'_>) -> Option<String> {
    if takes_no_decision(view) {
        return None;
    }
    let Phase::Step(place) = &view.record.phase else { return None };
    let gate = place.gate.as_ref().filter(|gate| gate.is_open())?;
    Some(format!("approval ({}/{})", gate.votes.len(), gate.needed))
}

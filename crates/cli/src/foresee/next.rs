//! What happens next, and when.

mod rest;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use teal_api::conditions::{Phase, Verdict};
use teal_api::defaults::{Filled, FilledCheck, FilledJob, FilledStep, filled, salvaged};
use teal_api::duration;
use teal_api::names::label;
use teal_api::rollout::{CheckStatus, OnFailure};
use teal_api::{Rollout, RolloutStatus};

use crate::render::Clock;
use crate::standing::{goes_with_its_namespace, is_late, is_promotion_held, paused_by, phase};
use rest::{draining, kept, pause_beside, paused, resting};

/// The things that are read together.
struct View<'a> {
    status: &'a RolloutStatus,
    spec: &'a Filled,
    clock: &'a Clock,
    /// Who paused it other than by its spec.
    paused: Option<String>,
}

/// What happens next, a sentence each.
pub fn next(rollout: &Rollout, clock: &Clock) -> Vec<String> {
    if rollout.status.as_ref().is_some_and(goes_with_its_namespace) {
        return vec!["Nothing: it goes with its namespace.".into()];
    }
    let mut lines = Vec::new();
    if is_late(rollout) {
        lines.push(
            "The operator has not seen the newest spec yet; what follows is about the one before.".into(),
        );
    }
    let Some(status) = &rollout.status else {
        return vec![taken_up(rollout)];
    };
    match filled(&rollout.spec) {
        Ok(spec) => {
            let view = View { status, spec: &spec, clock, paused: paused_by(rollout) };
            lines.extend(of_phase(&view));
            lines.extend(previewed(&view));
            lines.extend(copied(&view));
        }
        Err(error) => {
            lines.push(format!("Nothing goes forward before the spec is mended: {error}."));
            let spec = &salvaged(&rollout.spec, None);
            lines.extend(kept(&View { status, spec, clock, paused: paused_by(rollout) }));
        }
    }
    lines
}

/// Whom it waits for, so that one whose label no operator has isn't waited for in vain.
fn taken_up(rollout: &Rollout) -> String {
    let namespace = rollout.metadata.namespace.as_deref().unwrap_or("default");
    let labels = rollout.metadata.labels.as_ref();
    let whose = match labels.and_then(|labels| labels.get(label::INSTANCE)).filter(|value| !value.is_empty())
    {
        Some(value) => {
            format!("has --instance {value}, for this Rollout has the label {}={value}", label::INSTANCE)
        }
        None => format!("has no --instance, for this Rollout has no label {}", label::INSTANCE),
    };
    format!("The operator takes it up: see whether one runs that watches namespace {namespace} and {whose}.")
}

fn of_phase(view: &View<'_>) -> Vec<String> {
    match phase(view.status) {
        Some(Phase::Installing) => with_deadline(
            view,
            "When its pods are ready it serves all requests at once: a first release has nothing to be compared with.",
        ),
        Some(Phase::Preparing) => reaching(view, "the pods are ready and"),
        Some(Phase::Shifting) => reaching(view, "it is seen that"),
        Some(Phase::Checking) => checking(view),
        Some(Phase::Waiting) => waiting(view),
        Some(Phase::Paused) => paused(view),
        Some(Phase::Promoting) => with_deadline(view, &format!("{} becomes live.", candidate(view))),
        Some(Phase::Complete) => resting(view),
        Some(Phase::RollingBack) => vec![returning(view)],
        Some(Phase::RolledBack) => sent_back(view),
        Some(Phase::Blocked) => {
            let mended = "It goes on by itself when that is mended; traffic stays as it is.".to_owned();
            std::iter::once(mended).chain(kept(view)).chain(pause_beside(view)).collect()
        }
        Some(Phase::HandsOff) => {
            vec!["Nothing is written, and no decision taken, before spec.mode is Active.".into()]
        }
        None => vec!["Work is in progress.".into()],
    }
}

fn sent_back(view: &View<'_>) -> Vec<String> {
    let goes = draining(view).unwrap_or_else(|| {
        let kept = duration::format(view.spec.keep_failed_ms);
        let first = if view.spec.drain.is_some() { " and its open connections have ended" } else { "" };
        format!("Its objects are removed {kept} after going back{first}")
    });
    vec![
        format!("The same content is not tried again by itself. {goes}."),
        "A change of spec.release starts a new rollout.".into(),
    ]
}

/// What the candidate gets beside its weight while its step is judged.
fn copied(view: &View<'_>) -> Option<String> {
    let judged = matches!(phase(view.status), Some(Phase::Checking | Phase::Waiting | Phase::Paused));
    let reached = view.status.step.as_ref().is_some_and(|step| step.reached_at.is_some());
    let percent = current(view).filter(|_| judged && reached)?.1.mirror?;
    Some(format!("Of {percent} % of the requests {} gets a copy, whose answer nobody gets.", candidate(view)))
}

/// How the candidate can be looked at while its step is judged.
fn previewed(view: &View<'_>) -> Option<String> {
    let judged = matches!(phase(view.status), Some(Phase::Checking | Phase::Waiting | Phase::Paused));
    let reached = view.status.step.as_ref().is_some_and(|step| step.reached_at.is_some());
    let preview = view.spec.preview.as_ref().filter(|_| judged && reached)?;
    Some(format!("Whoever calls with {preview} reaches {}, at any weight.", candidate(view)))
}

/// What was wanted no more is not kept: nothing was wrong with it.
fn returning(view: &View<'_>) -> String {
    let record = view.status.commit.as_ref().and_then(|record| record.get("phase"));
    let cause = record.and_then(|phase| phase.get("cause")).and_then(Value::as_str);
    let then = match cause {
        Some("Cancelled" | "Deleted") => "the other color is cleared".to_owned(),
        Some("Superseded") => {
            "the other color is cleared, and what spec.release asks for now is tried".to_owned()
        }
        _ => {
            let kept = duration::format(view.spec.keep_failed_ms);
            format!("the other color stays without traffic for {kept}, to be looked at")
        }
    };
    format!("All requests go back to {}; {then}.", live(view))
}

fn candidate(view: &View<'_>) -> String {
    view.status.candidate.as_ref().map_or_else(
        || "the candidate".into(),
        |candidate| format!("{} ({})", candidate.revision, candidate.color),
    )
}

fn live(view: &View<'_>) -> String {
    view.status.live.as_ref().map_or_else(
        || "the live color".into(),
        |live| format!("{} ({})", live.revision, live.color.as_deref().unwrap_or("live")),
    )
}

/// A sentence, and what happens if it doesn't come true in time.
fn with_deadline(view: &View<'_>, sentence: &str) -> Vec<String> {
    let mut lines = vec![sentence.to_owned()];
    let deadline = view.status.candidate.as_ref().and_then(|candidate| candidate.deadline);
    // Where it has passed and holds, nothing more comes of it.
    if let Some(deadline) = deadline.filter(|_| !is_promotion_held(view.status)) {
        let then = match view.spec.on_failure {
            OnFailure::Rollback => "it goes back",
            OnFailure::Hold => "it holds and waits for a decision",
        };
        lines.push(format!("If that is not so by {}, {then}.", view.clock.at(deadline)));
    }
    lines.extend(overlap(view));
    lines
}

/// That it takes its time before the live Services are turned, and that this is meant. For how long is in the message.
fn overlap(view: &View<'_>) -> Option<String> {
    (view.status.waiting_for.as_deref() == Some("overlap")).then(|| {
        "First both revisions are selected, for the time that is said above; going back is one write all the while."
            .into()
    })
}

fn reaching(view: &View<'_>, first: &str) -> Vec<String> {
    let Some((_, step)) = current(view) else { return with_deadline(view, "The first step is reached.") };
    let gates = gates(view, step);
    let then = if gates.is_empty() { "the step is over".to_owned() } else { format!("it runs: {gates}") };
    with_deadline(
        view,
        &format!("When {first} {} % of requests reach it, step {} begins; {then}.", step.weight, step.name),
    )
}

/// The step under way, and its place.
fn current<'a>(view: &View<'a>) -> Option<(usize, &'a FilledStep)> {
    let name = &view.status.step.as_ref()?.name;
    view.spec.steps.iter().enumerate().find(|(_, step)| step.name == *name)
}

/// The gates of a step in a few words.
fn gates(view: &View<'_>, step: &FilledStep) -> String {
    let mut gates = Vec::new();
    if step.hold_ms > 0 {
        gates.push(format!("hold {}", duration::format(step.hold_ms)));
    }
    if step.min_pod_age_ms > 0 {
        gates.push(format!("pods ready for {}", duration::format(step.min_pod_age_ms)));
    }
    if !step.checks.is_empty() {
        gates.push(format!("checks {}", step.checks.join(", ")));
    }
    if !step.jobs.is_empty() {
        let names: Vec<&str> = step.jobs.iter().map(|job| job.name.as_str()).collect();
        gates.push(format!("jobs {}", names.join(", ")));
    }
    if let Some(count) = needed(view, step) {
        gates.push(format!("approval by {}", people(count)));
    }
    gates.join(", ")
}

/// How many persons must approve: what the open question says, or what was pinned when the rollout started.
fn needed(view: &View<'_>, step: &FilledStep) -> Option<u32> {
    let gate = view.status.gate.as_ref().filter(|gate| gate.step == step.name);
    let asked = gate.map(|gate| gate.needs.iter().map(|need| need.count).sum::<u32>()).filter(|sum| *sum > 0);
    asked.or_else(|| pinned(view, &step.name)).or(step.approval.map(|approval| approval.count))
}

/// Whether the step's question was answered or its gates skipped, and others are waited for: while it is open, the phase is
/// another one.
fn is_answered(view: &View<'_>, step: &str) -> bool {
    let Some(record) = &view.status.commit else { return false };
    let answered = record.pointer("/phase/gate").is_some_and(|gate| !gate.is_null());
    answered || record.pointer("/group/skipped").and_then(Value::as_str) == Some(step)
}

/// From the planner's record, whose form may be another operator's.
fn pinned(view: &View<'_>, step: &str) -> Option<u32> {
    let all = view.status.commit.as_ref()?.get("pinned")?.as_array()?;
    let mut counts = all.iter().filter(|one| one.get(0).and_then(|name| name.as_str()) == Some(step));
    counts.next()?.get(1)?.as_u64()?.try_into().ok()
}

fn people(count: u32) -> String {
    if count == 1 { "1 person".into() } else { format!("{count} people") }
}

fn checking(view: &View<'_>) -> Vec<String> {
    let Some((place, step)) = current(view) else { return vec!["Its gates are judged.".into()] };
    let mut lines = Vec::new();
    if let Some(reached) = view.status.step.as_ref().and_then(|step| step.reached_at) {
        lines.extend(hold(view, step, reached));
        lines.extend(ripe(step));
        lines.extend(step.checks.iter().filter_map(|name| check(view, name, reached)));
        lines.extend(step.jobs.iter().map(|job| tested(view, job)));
    }
    if view.status.waiting_for.as_deref() == Some("edits") {
        lines.push("Nobody is asked before the spec has been left alone for 5 s.".into());
    }
    if let Some(count) = needed(view, step).filter(|_| !is_answered(view, &step.name)) {
        lines.push(format!("Then {} must approve.", people(count)));
    }
    let together = view
        .spec
        .group
        .as_ref()
        .map(|group| format!(", once all members of group {} that went along are as far,", group.name));
    lines.push(format!("Then{} {}.", together.unwrap_or_default(), after(view, place)));
    lines
}

fn hold(view: &View<'_>, step: &FilledStep, reached: Timestamp) -> Option<String> {
    let until = later(reached, step.hold_ms);
    (step.hold_ms > 0 && until > view.clock.now)
        .then(|| format!("The hold of {} ends at {}.", duration::format(step.hold_ms), view.clock.at(until)))
}

/// Which pod is how old only the operator knows; the message names the youngest.
fn ripe(step: &FilledStep) -> Option<String> {
    let age = step.min_pod_age_ms;
    (age > 0).then(|| {
        format!(
            "Every pod must have been ready for {} without a break; one that restarts starts anew.",
            duration::format(age)
        )
    })
}

/// How it stands with a Job the message says, with where its logs are.
fn tested(view: &View<'_>, job: &FilledJob) -> String {
    let then = match view.spec.on_failure {
        OnFailure::Rollback => "it goes back",
        OnFailure::Hold => "it holds and waits for a decision",
    };
    format!("Job {} must end well within {}, else {then}.", job.name, duration::format(job.timeout_ms))
}

/// What a check still needs. One that passes needs nothing.
fn check(view: &View<'_>, name: &str, reached: Timestamp) -> Option<String> {
    let rule = view.spec.check(name)?;
    let said = view.status.checks.iter().find(|check| check.name == name);
    if said.is_some_and(|check| check.verdict == Verdict::Pass.as_str()) {
        return None;
    }
    let earliest =
        later(reached, rule.delay_ms + u64::from(rule.passes.saturating_sub(1)) * rule.interval_ms);
    let when = if earliest > view.clock.now {
        format!(", at {} at the earliest", view.clock.at(earliest))
    } else {
        String::new()
    };
    Some(format!(
        "Check {name} must pass {} times in a row ({}){when}{}.",
        rule.passes,
        rule.limit,
        so_far(said, rule)
    ))
}

fn so_far(said: Option<&CheckStatus>, rule: &FilledCheck) -> String {
    let Some(said) = said else { return String::new() };
    let value = said.value.as_deref().map_or_else(String::new, |value| format!(" with {value}"));
    let limit = duration::format(rule.blind_limit_ms);
    match Verdict::known(&said.verdict) {
        Some(Verdict::Error) => {
            let why = said.message.as_deref().unwrap_or("the question could not be asked");
            format!("; no answer so far ({why}), for {limit} at most")
        }
        _ => format!("; {}{value} when last written", said.verdict),
    }
}

fn later(from: Timestamp, millis: u64) -> Timestamp {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    from.checked_add(SignedDuration::from_millis(millis)).unwrap_or(Timestamp::MAX)
}

fn waiting(view: &View<'_>) -> Vec<String> {
    let (Some(gate), Some((place, _))) = (&view.status.gate, current(view)) else {
        let late = view.status.waiting_for.as_deref() == Some("decision (deadline passed)");
        return vec![if late {
            "It goes on by itself once what it waited for is there; until then a person can decide. A pause keeps it where it is."
                .into()
        } else {
            "Nothing by itself: a person decides how it goes on.".into()
        }];
    };
    let missing: u32 = gate.needs.iter().map(|need| need.count.saturating_sub(need.have)).sum();
    vec![
        format!("When {} approved, {}.", more(missing), after(view, place)),
        format!("One rejection sends all requests back to {}. There is no time limit.", live(view)),
        guarded(view, place),
    ]
}

fn more(missing: u32) -> String {
    match missing {
        0 => "that is".into(),
        1 => "1 more person has".into(),
        missing => format!("{missing} more people have"),
    }
}

fn guarded(view: &View<'_>, place: usize) -> String {
    let mut names: Vec<&str> = view.spec.guards.iter().map(|guard| guard.check.as_str()).collect();
    let checks = view.spec.steps.get(place).map(|step| step.checks.as_slice()).unwrap_or_default();
    names.extend(
        checks.iter().map(String::as_str).filter(|name| !view.spec.guards.iter().any(|g| g.check == *name)),
    );
    if names.is_empty() {
        return "No check watches it meanwhile; too few ready pods send it back.".into();
    }
    format!("Meanwhile {} and the number of ready pods are watched.", names.join(", "))
}

/// What follows on a step.
fn after(view: &View<'_>, place: usize) -> String {
    match view.spec.steps.get(place + 1) {
        Some(step) => format!("step {} brings {} to {} %", step.name, candidate(view), step.weight),
        None => format!(
            "{} becomes live, and {} is kept for {}",
            candidate(view),
            live(view),
            duration::format(view.spec.keep_previous_ms)
        ),
    }
}

//! `status`: where one Rollout is, on half a screen.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use teal_api::conditions::ConditionType;
use teal_api::rollout::{CheckStatus, GateStatus, HistoryEntry, StepStatus};
use teal_api::{Rollout, RolloutStatus};

use super::table::{Cell, indented, lines, text};
use super::{Clock, Paint};
use crate::standing::{full_name, is_late};

/// The summary, with a line end behind each line.
pub fn summary(rollout: &Rollout, clock: &Clock, paint: Paint) -> String {
    let mut all = heading(rollout, paint);
    let Some(status) = &rollout.status else { return text(&all) };
    let rows: Vec<Vec<Cell>> = facts(status, clock)
        .into_iter()
        .map(|(word, fact)| vec![Cell::painted(word, |word| paint.faint(word)), Cell::plain(fact)])
        .collect();
    let blocks = [lines(&rows), checks(&status.checks, clock, paint), trouble(status, paint)];
    for block in blocks.iter().filter(|block| !block.is_empty()) {
        all.push(String::new());
        all.extend(block.iter().map(indented));
    }
    text(&all)
}

/// Name, phase and message.
fn heading(rollout: &Rollout, paint: Paint) -> Vec<String> {
    let name = paint.strong(&full_name(rollout));
    let Some(status) = &rollout.status else {
        return vec![format!("{name}  not seen by an operator yet")];
    };
    let phase = status.phase.as_deref().unwrap_or("-");
    let late = if is_late(rollout) { "  (the newest spec is not seen yet)" } else { "" };
    let mut lines = vec![format!("{name}  {}{late}", paint.phase(phase, phase))];
    lines.extend(status.message.as_deref().map(indented));
    lines
}

fn facts(status: &RolloutStatus, clock: &Clock) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(step) = &status.step {
        facts.push(("step", self::step(step, clock)));
    }
    if let Some(traffic) = &status.traffic {
        let candidate = traffic.candidate_weight;
        let live = 100_u32.saturating_sub(candidate);
        let all = candidate == 0 && status.candidate.is_none();
        let split =
            if all { "100 % live".to_owned() } else { format!("{candidate} % candidate, {live} % live") };
        facts.push(("traffic", split));
    }
    if let Some(gate) = &status.gate {
        facts.push(("gate", self::gate(gate, clock)));
    }
    facts.extend(releases(status, clock));
    if let Some(entry) = status.history.first() {
        let reason = entry.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let when = entry.finished_at.map(|at| format!(" at {}", clock.at(at))).unwrap_or_default();
        facts.push(("last", format!("{} {}{when}{reason}", entry.revision, entry.outcome)));
        facts.extend(took(entry).map(|took| ("took", took)));
    }
    facts
}

/// How long it took, and how much of that a person was waited for.
fn took(entry: &HistoryEntry) -> Option<String> {
    let (machine, human) = (entry.machine_seconds?, entry.human_seconds?);
    let all = Clock::length(machine.saturating_add(human));
    Some(match human {
        0 => format!("{all}, waiting for nobody"),
        _ => format!("{all}, {} of it waiting for a person", Clock::length(human)),
    })
}

fn step(step: &StepStatus, clock: &Clock) -> String {
    let reached = match step.reached_at {
        Some(at) => format!("reached {}", clock.at(at)),
        None => "not reached yet".to_owned(),
    };
    format!("{} ({} of {}), weight {} %, {reached}", step.name, step.index, step.count, step.weight)
}

/// The question: how far it is, and since when it is asked.
pub(super) fn gate(gate: &GateStatus, clock: &Clock) -> String {
    let needs: Vec<String> =
        gate.needs.iter().map(|need| format!("{} of {}", need.have, need.count)).collect();
    let have =
        if needs.is_empty() { "approval".to_owned() } else { format!("approvals {}", needs.join(", ")) };
    let votes: Vec<String> = gate
        .votes
        .iter()
        .map(|vote| match &vote.via {
            Some(via) => format!("{} via {via}", vote.user),
            None => vote.user.clone(),
        })
        .collect();
    let by = if votes.is_empty() { String::new() } else { format!(" ({})", votes.join(", ")) };
    let open = gate.opened_at.map(|at| format!(", asked {}", clock.at(at))).unwrap_or_default();
    format!("step {}: {have}{by}{open}", gate.step)
}

fn releases(status: &RolloutStatus, clock: &Clock) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let since = |at: Option<jiff::Timestamp>| at.map(|at| format!("since {}", clock.at(at)));
    if let Some(live) = &status.live {
        rows.push((
            "live",
            release(&live.revision, live.color.as_deref(), [live.summary.clone(), since(live.since)]),
        ));
    }
    if let Some(candidate) = &status.candidate {
        let attempt = (candidate.attempt > 1).then(|| format!("attempt {}", candidate.attempt));
        let details = [candidate.summary.clone(), attempt, since(candidate.since)];
        rows.push(("candidate", release(&candidate.revision, Some(&candidate.color), details)));
    }
    if let Some(previous) = &status.previous {
        let kept = previous.kept_until.map(|at| format!("kept until {}", clock.at(at)));
        rows.push(("previous", release(&previous.revision, Some(&previous.color), [kept])));
    }
    if let Some(draining) = &status.draining {
        let open = draining.open.as_ref().map(|open| format!("open connections: {open}"));
        let until = draining.until.map(|at| format!("removed by {}", clock.at(at)));
        let revision = draining.revision.as_deref().unwrap_or("unknown");
        rows.push(("draining", release(revision, Some(&draining.color), [open, until])));
    }
    rows
}

fn release<const N: usize>(revision: &str, color: Option<&str>, details: [Option<String>; N]) -> String {
    let details: Vec<String> = details.into_iter().flatten().collect();
    let color = color.map(|color| format!(" {color}")).unwrap_or_default();
    if details.is_empty() {
        format!("{revision}{color}")
    } else {
        format!("{revision}{color}, {}", details.join(", "))
    }
}

/// The checks with their numbers, as of the last transition.
pub(super) fn checks(checks: &[CheckStatus], clock: &Clock, paint: Paint) -> Vec<String> {
    if checks.is_empty() {
        return Vec::new();
    }
    let words = ["CHECK", "VERDICT", "VALUE", "LIMIT", "SAMPLES", "SINCE", "MESSAGE"];
    let mut rows = vec![words.iter().map(|word| Cell::plain(*word)).collect::<Vec<Cell>>()];
    rows.extend(checks.iter().map(|check| {
        vec![
            Cell::plain(&check.name),
            Cell::painted(&check.verdict, |text| paint.verdict(&check.verdict, text)),
            Cell::plain(check.value.clone().unwrap_or_default()),
            Cell::plain(check.limit.clone().unwrap_or_default()),
            Cell::plain(check.samples.map(|samples| samples.to_string()).unwrap_or_default()),
            Cell::plain(check.since.map(|since| clock.age(since)).unwrap_or_default()),
            Cell::plain(check.message.clone().unwrap_or_default()),
        ]
    }));
    lines(&rows)
}

/// Conditions that say that something is wrong.
pub(super) fn wrong(status: &RolloutStatus) -> impl Iterator<Item = &Condition> {
    status.conditions.iter().filter(|condition| match ConditionType::known(&condition.type_) {
        Some(ConditionType::Accepted | ConditionType::Available) => condition.status != "True",
        Some(ConditionType::TrafficInSync) => condition.status != "True" && condition.reason != "Shifting",
        Some(ConditionType::Stalled) => true,
        Some(kind) => kind.only_while_true() && kind != ConditionType::Reconciling,
        // One of a newer operator, or of somebody else's: those that are only there while True are told so.
        None => condition.status == "True",
    })
}

/// Its type and reason, and what is said of it.
pub(super) fn told(condition: &Condition, message: &str, paint: Paint) -> String {
    format!("{} {message}", paint.bad(&format!("{} ({}):", condition.type_, condition.reason)))
}

/// The same as lines, where what repeats the message is not said again.
fn trouble(status: &RolloutStatus, paint: Paint) -> Vec<String> {
    let said = |condition: &Condition| {
        status.message.as_ref().is_some_and(|message| message.contains(&condition.message))
    };
    wrong(status)
        .map(|condition| {
            let message = if said(condition) { "see above" } else { condition.message.as_str() };
            told(condition, message, paint)
        })
        .collect()
}

/// One line about where it is, for those who wait.
pub fn progress(rollout: &Rollout) -> String {
    match &rollout.status {
        _ if is_late(rollout) => "the newest spec is not seen yet".to_owned(),
        None => "not seen by an operator yet".to_owned(),
        Some(status) => {
            let message = status.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
            format!("{}{message}", status.phase.as_deref().unwrap_or("-"))
        }
    }
}

/// Where it is, as the end of a sentence that begins with `it`.
pub fn does(rollout: &Rollout) -> String {
    match rollout.status.as_ref().and_then(|status| status.phase.as_deref()) {
        Some(_) if !is_late(rollout) => format!("is {}", progress(rollout)),
        Some(_) | None => "was not seen by an operator yet".to_owned(),
    }
}

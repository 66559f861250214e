//! Decisions in words: what is about to be done, what is open instead, what became of it.

use teal_api::conditions::DecisionReason;
use teal_api::defaults::filled;
use teal_api::{Action, DecisionSpec, Rollout};

use super::summary::{checks, does, gate};
use super::{Clock, Paint};
use crate::outcome::Outcome;
use crate::standing::full_name;

/// What a decision is about: `step canary of shop/web for r7-3f9c2a1b`.
pub fn subject(rollout: &Rollout, spec: &DecisionSpec) -> String {
    let name = full_name(rollout);
    match (&spec.step, &spec.revision) {
        (Some(step), Some(revision)) => format!("step {step} of {name} for {revision}"),
        (None, Some(revision)) => format!("{revision} of {name}"),
        (_, None) => name,
    }
}

/// What is being done, as the beginning of a sentence.
pub const fn doing(action: Action) -> &'static str {
    match action {
        Action::Approve => "Approving",
        Action::Reject => "Rejecting",
        Action::Rollback => "Rolling back",
        Action::Pause => "Pausing",
        Action::Resume => "Resuming",
        Action::Skip => "Skipping",
        Action::Retry => "Retrying",
        Action::Retire => "Retiring",
    }
}

/// What is committed by the time of the answer. Going back is then only on its way, and may have to wait.
const fn done(action: Action) -> &'static str {
    match action {
        Action::Approve => "Approved",
        Action::Reject => "Rejected, going back",
        Action::Rollback => "Going back",
        Action::Pause => "Paused",
        Action::Resume => "Resumed",
        Action::Skip => "Skipped",
        Action::Retry => "Retried",
        Action::Retire => "Retired",
    }
}

/// Asks whether it is meant.
pub const fn sure(action: Action) -> &'static str {
    match action {
        Action::Approve => "Approve?",
        Action::Reject => "Reject?",
        Action::Rollback => "Roll back?",
        Action::Pause => "Pause?",
        Action::Resume => "Resume?",
        Action::Skip => "Go on without the gates of this step?",
        Action::Retry => "Try it again?",
        Action::Retire => "Remove it, so that going back is no longer possible?",
    }
}

/// What became of it, in one sentence.
pub fn outcome(action: Action, about: &str, outcome: &Outcome) -> String {
    let message = if outcome.message.is_empty() { String::new() } else { format!(": {}", outcome.message) };
    if !outcome.taken {
        return format!("Not taken ({}): {about}{message}.", outcome.reason);
    }
    if outcome.reason == DecisionReason::AlreadyCounted.as_str() {
        return format!("{} before, which counts once: {about}{message}.", done(action));
    }
    format!("{}: {about}{message}.", done(action))
}

/// What is open, where something else was meant.
pub fn now_open(spec: &DecisionSpec) -> String {
    let parts = [("revision", &spec.revision), ("step", &spec.step), ("nonce", &spec.nonce)];
    let open: Vec<String> =
        parts.iter().filter_map(|(word, value)| Some(format!("{word} {}", value.as_ref()?))).collect();
    if open.is_empty() { "nothing is open".to_owned() } else { format!("now it is {}", open.join(", ")) }
}

/// Where the rollout is, where nothing is open.
pub fn state(rollout: &Rollout) -> String {
    format!("it {}", does(rollout))
}

/// What an approval is asked for: what goes on, from where to where, and what there is to judge it by.
pub fn question(rollout: &Rollout, clock: &Clock, paint: Paint) -> String {
    let Some(status) = &rollout.status else { return full_name(rollout) };
    let mut lines = vec![format!("{} asks: {}", paint.strong(&full_name(rollout)), asks(rollout))];
    if let Some(live) = &status.live {
        let summary = live.summary.as_deref().map(|summary| format!(", {summary}")).unwrap_or_default();
        lines.push(format!(
            "  live is {} ({}{summary})",
            live.revision,
            live.color.as_deref().unwrap_or("-")
        ));
    }
    if let Some(open) = &status.gate {
        lines.push(format!("  {}", gate(open, clock)));
    }
    lines.extend(checks(&status.checks, clock, paint).iter().map(|line| format!("  {line}")));
    lines.join("\n")
}

fn asks(rollout: &Rollout) -> String {
    let Some(status) = &rollout.status else { return String::new() };
    let who = status.candidate.as_ref().map_or_else(String::new, |candidate| {
        let summary = candidate.summary.as_deref().map(|summary| format!(", {summary}")).unwrap_or_default();
        format!("{} ({}{summary})", candidate.revision, candidate.color)
    });
    let now = status.traffic.as_ref().map(|traffic| traffic.candidate_weight).unwrap_or_default();
    let step = status.step.as_ref().map(|step| step.name.as_str()).unwrap_or_default();
    let spec = filled(&rollout.spec).ok();
    let next = spec.as_ref().and_then(|spec| {
        let place = spec.steps.iter().position(|other| other.name == step)?;
        spec.steps.get(place + 1)
    });
    match next {
        Some(next) => format!("may {who} go on from {now} % to {} % (step {})?", next.weight, next.name),
        None => format!("may {who}, which has {now} %, become live?"),
    }
}

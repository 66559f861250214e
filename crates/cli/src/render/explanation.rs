//! `explain`: why, since when, what next, what can be done.

use teal_api::{Rollout, RolloutStatus};

use super::summary::{told, wrong};
use super::table::{Cell, indented, lines, text};
use super::{Clock, Paint};
use crate::foresee::{commands, next, since};
use crate::standing::full_name;

/// The explanation, with a line end behind each line.
pub fn explanation(rollout: &Rollout, clock: &Clock, paint: Paint) -> String {
    let mut all = why(rollout, clock, paint);
    all.extend([String::new(), paint.strong("What happens next")]);
    all.extend(next(rollout, clock).iter().map(indented));
    let rows: Vec<Vec<Cell>> = commands(rollout)
        .iter()
        .map(|can| vec![Cell::plain(&can.command), Cell::painted(&can.does, |text| paint.faint(text))])
        .collect();
    if !rows.is_empty() {
        all.extend([String::new(), paint.strong("What you can do now")]);
        all.extend(lines(&rows).iter().map(indented));
    }
    text(&all)
}

fn why(rollout: &Rollout, clock: &Clock, paint: Paint) -> Vec<String> {
    let name = paint.strong(&full_name(rollout));
    let Some(status) = &rollout.status else {
        return vec![format!("{name} has not been seen by an operator yet.")];
    };
    let phase = status.phase.as_deref().unwrap_or("without a phase");
    let since = since(rollout, clock.now).map(|at| format!(" since {}", clock.at(at))).unwrap_or_default();
    let waits = status.waiting_for.as_deref().map(|what| format!(", waiting for {what}")).unwrap_or_default();
    let mut lines = vec![format!("{name} is {}{since}{waits}.", paint.phase(phase, phase))];
    lines.extend(status.message.as_deref().map(indented));
    lines.extend(trouble(status, paint));
    lines
}

/// What else is wrong, each once, where the message doesn't say it.
fn trouble(status: &RolloutStatus, paint: Paint) -> Vec<String> {
    let mut said: Vec<&str> = status.message.as_deref().into_iter().collect();
    let mut lines = Vec::new();
    for condition in wrong(status) {
        if !said.iter().any(|said| said.contains(&condition.message)) {
            lines.push(indented(told(condition, &condition.message, paint)));
            said.push(&condition.message);
        }
    }
    lines
}

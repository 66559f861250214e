//! What happens next where nothing is under way, or nothing may go on.

use teal_api::duration;
use teal_api::rollout::Mode;

use super::View;
use crate::standing::{is_other_wanted, is_watch_held};

pub(super) fn paused(view: &View<'_>) -> Vec<String> {
    let (by, until) = match &view.paused {
        Some(who) => (format!("It is paused by {who}"), "it is resumed"),
        None => ("It is paused by spec.mode".to_owned(), "that is Active"),
    };
    let works = "checks that guard it and going back still work";
    let mut lines = vec![format!("{by}: nothing moves forward until {until}; {works}.")];
    lines.extend(kept(view));
    if is_other_wanted(view.status) && view.status.step.is_none() && view.status.candidate.is_none() {
        lines.push("Then what spec.release asks for now is tried.".into());
    }
    lines
}

/// A pause that the phase doesn't say.
pub(super) fn pause_beside(view: &View<'_>) -> Option<String> {
    let who = view.paused.as_ref()?;
    Some(format!("It is paused by {who}: no change of spec.release starts a rollout until it is resumed."))
}

pub(super) fn resting(view: &View<'_>) -> Vec<String> {
    if is_other_wanted(view.status) && !is_watch_held(view.status) {
        return vec![following(view)];
    }
    let leaves = draining(view).map(|line| format!("{line}."));
    let mut lines: Vec<String> = kept(view).into_iter().chain(leaves).chain(pause_beside(view)).collect();
    if is_other_wanted(view.status) {
        lines.push("What spec.release asks for now is tried after that.".into());
    }
    if lines.is_empty() {
        let paused = if view.spec.mode == Mode::Paused { " once spec.mode is Active" } else { "" };
        lines.push(format!("Nothing. A change of spec.release starts a rollout{paused}."));
    }
    lines
}

/// Another release is wanted than the one that serves, and the other slot is still to be cleared for it.
fn following(view: &View<'_>) -> String {
    let first = match &view.status.previous {
        Some(previous) => {
            let name = format!("{} ({})", previous.revision, previous.color);
            format!("{name} is removed, after which there is no going back to it")
        }
        None => draining(view).unwrap_or_else(|| format!("What is left in {} is removed", other_color(view))),
    };
    let then = match (&view.paused, view.spec.mode) {
        (Some(_), _) => " once it is resumed",
        (None, Mode::Paused) => " once spec.mode is Active",
        (None, _) => "",
    };
    format!("{first}; then what spec.release asks for now is tried{then}.")
}

/// What of a color without traffic is awaited.
pub(super) fn draining(view: &View<'_>) -> Option<String> {
    let draining = view.status.draining.as_ref()?;
    let name = match &draining.revision {
        Some(revision) => format!("{revision} ({})", draining.color),
        None => draining.color.clone(),
    };
    let until =
        draining.until.map(|at| format!(", at {} at the latest", view.clock.at(at))).unwrap_or_default();
    Some(format!("{name} is removed once its open connections have ended{until}"))
}

/// What comes between the end of what is kept and its removal.
fn then_awaited(view: &View<'_>) -> String {
    let of = |drain: &teal_api::defaults::FilledDrain| {
        let limit = duration::format(drain.timeout_ms);
        format!(" Then its open connections are awaited, for up to {limit}, before it is removed.")
    };
    view.spec.drain.as_deref().map(of).unwrap_or_default()
}

fn other_color(view: &View<'_>) -> &'static str {
    match view.status.live.as_ref().and_then(|live| live.color.as_deref()) {
        Some("blue") => "green",
        Some("green") => "blue",
        _ => "the other color",
    }
}

/// What becomes of the color that served before.
pub(super) fn kept(view: &View<'_>) -> Option<String> {
    let previous = view.status.previous.as_ref()?;
    let name = format!("{} ({})", previous.revision, previous.color);
    if is_watch_held(view.status) {
        return Some(format!(
            "{name} stays until a person decides: a rollback goes back to it in one moment, retire lets it go."
        ));
    }
    Some(match previous.kept_until {
        Some(until) => {
            let until = view.clock.at(until);
            let verb = if view.spec.drain.is_some() { "is let go" } else { "is removed" };
            format!("{name} {verb} at {until}; until then going back takes one moment.{}", then_awaited(view))
        }
        None => format!("{name} is removed after keep.previous; until then going back takes one moment."),
    })
}

//! What is said of what keeps a Rollout from moving forward although nobody paused it.

use crate::settings::{Halt, HaltedBy};

/// As a clause, with the remedy.
pub(crate) fn halted(halt: &Halt) -> String {
    match &halt.by {
        HaltedBy::Window { window, ends } => format!(
            "nothing moves forward until {ends}, as spec.windows says ({window}): take the window out to go on before"
        ),
        HaltedBy::Switch { object, reason } => {
            let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            format!("all Rollouts are stopped by {object}{why}: they go on once it is deleted")
        }
        HaltedBy::StartAt { at } => {
            format!("starts at {at}, as spec.startAt says: take it out to start before")
        }
        HaltedBy::Queue { place, limit, namespace } => {
            let most = match namespace {
                Some(namespace) => format!("{limit} may be under way in namespace {namespace}"),
                None => format!("{limit} may be under way in the cluster"),
            };
            format!("waits in the queue at place {place}: no more than {most} at one time")
        }
    }
}

/// In a word or two, for the column.
pub(super) fn word(halt: &Halt) -> String {
    match &halt.by {
        HaltedBy::Window { .. } => "window".to_owned(),
        HaltedBy::Switch { .. } => "stop switch".to_owned(),
        HaltedBy::StartAt { .. } => "startAt".to_owned(),
        HaltedBy::Queue { place, .. } => format!("queue ({place})"),
    }
}

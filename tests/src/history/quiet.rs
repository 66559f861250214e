//! I9: where nothing happens nothing is written, but for the renewals of Leases.

use teal_api::names::{GROUP, label};

use super::json::{label as label_of, text};
use super::replay::{Change, Check};
use super::tally::{Invariant, Summary};
use super::world::World;
use super::writer::Writer;
use super::{Options, Quiet};

pub(super) struct Silence<'o> {
    options: &'o Options,
}

impl<'o> Silence<'o> {
    pub(super) const fn new(options: &'o Options) -> Self {
        Self { options }
    }
}

/// Whether a version lies in a quiet span, in which it should not have been made.
fn covers(quiet: &Quiet, change: &Change<'_>) -> bool {
    let there = quiet.namespace.as_ref().is_none_or(|namespace| *namespace == change.key.namespace);
    there && quiet.revisions.contains(&change.revision) && !quiet.but.contains(&change.key.resource)
}

impl<'h> Check<'h> for Silence<'_> {
    fn see(&mut self, change: &Change<'h>, _world: &World<'h>, summary: &mut Summary) {
        if !self.options.quiet.iter().any(|quiet| covers(quiet, change)) {
            return;
        }
        let concerns_teal = change.writer == Writer::Teal || is_teals(change);
        if change.key.resource == "leases" || !concerns_teal {
            return summary.judged(Invariant::I9);
        }
        if change.writer == Writer::Other {
            // Then it was not quiet, and that is not Teal's doing.
            return summary.undecided(Invariant::I9);
        }
        let what = if change.after.is_none() { "is deleted" } else { "is written" };
        summary.violated(
            Invariant::I9,
            change.revision,
            change.key,
            format!("{what} while nothing happened"),
        );
    }

    /// A span in which nobody at all wrote is what is hoped for, and was looked at too.
    fn finish(&mut self, _world: &World<'h>, summary: &mut Summary) {
        self.options.quiet.iter().for_each(|_| summary.judged(Invariant::I9));
    }
}

/// Objects that nobody but Teal and people write.
fn is_teals(change: &Change<'_>) -> bool {
    let Some(value) = change.after.or(change.before) else { return false };
    let resource = change.key.resource.as_str();
    if resource == "events" {
        // Events end by themselves after an hour.
        let teller = text(value, "/reportingComponent").or_else(|| text(value, "/reportingController"));
        return change.after.is_some() && teller.is_some_and(|teller| teller.starts_with(GROUP));
    }
    let follows = matches!(resource, "endpointslices" | "endpoints");
    change.key.group == GROUP || (!follows && label_of(value, label::ROLLOUT_UID).is_some())
}

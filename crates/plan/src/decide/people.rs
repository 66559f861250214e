//! How long people were waited for: counted with the commits that are made anyway, so no number costs a write.

use crate::record::{Phase, Record, Waited};
use crate::settings::OnFailure;
use crate::snapshot::Snapshot;
use crate::words::{Span, Time};

/// In the attempt under way, until now.
pub(super) fn waited(s: &Snapshot) -> Option<Span> {
    let Waited { total, since } = s.record.waited?;
    let now = since.or_else(|| overdue(s, &s.record)).map(|since| s.age(since)).unwrap_or_default();
    Some(Span(total.0.saturating_add(now.0.max(0))))
}

/// The count as it is committed with this record.
pub(super) fn count(s: &Snapshot, record: &Record, begins: bool) -> Option<Waited> {
    if !is_under_way(record) {
        return None;
    }
    let total = if begins { Span::default() } else { waited(s)? };
    let since = (are_waited_for(record) || overdue(s, record).is_some()).then_some(s.now);
    Some(Waited { total, since })
}

/// An attempt that the history will tell of: after promotion it is the one of going back again.
const fn is_under_way(record: &Record) -> bool {
    match record.phase {
        Phase::Step(_) | Phase::Promoting { .. } | Phase::Returning { .. } => true,
        Phase::Rest { .. } => record.previous.is_some(),
        Phase::New | Phase::Installing { .. } => false,
    }
}

/// A question is open, somebody paused, or a check is held for a person to decide on.
fn are_waited_for(record: &Record) -> bool {
    match &record.phase {
        Phase::Step(place) => place.asks() || place.held.is_some() || record.paused.is_some(),
        Phase::Promoting { .. } => record.paused.is_some(),
        Phase::Rest { .. } => record.watch.as_ref().is_some_and(|watch| watch.held.is_some()),
        Phase::New | Phase::Installing { .. } | Phase::Returning { .. } => false,
    }
}

/// Since when a deadline is over after which the spec wants a person to decide. Nothing is committed when it passes.
fn overdue(s: &Snapshot, record: &Record) -> Option<Time> {
    let deadline = super::deadline(s, record)?;
    (s.settings.on_failure == OnFailure::Hold && s.now > deadline).then_some(deadline)
}

//! Deadlines and keep times are committed as instants, so that they are the same for whoever looks. An edit of their lengths moves
//! them, counted from the same beginning.

use super::Draft;
use crate::outcome::Plan;
use crate::record::{Lengths, Phase, Record};
use crate::snapshot::Snapshot;
use crate::words::{Span, Time};

/// The instants as the spec has them now, where that was edited. Committed before anything is done by them: what is kept goes by the
/// time that status says.
pub(super) fn edited(s: &Snapshot) -> Option<Plan> {
    let draft = Draft::new(s);
    if draft.record == s.record {
        return None;
    }
    let lengths = of_spec(s);
    let record = Record { lengths, ..draft.record.clone() };
    let why = super::phase(&Snapshot { record, ..s.clone() }).why;
    Some(draft.commit(why))
}

/// Those that a commit is made with. Of a spec that can't be used they may be defaults, and say nothing.
pub(super) fn of_spec(s: &Snapshot) -> Option<Lengths> {
    let lengths = Lengths {
        progress_deadline: s.settings.progress_deadline,
        keep_previous: s.settings.keep_previous,
        keep_failed: s.settings.keep_failed,
    };
    if s.settings.wanted.is_some() { Some(lengths) } else { s.record.lengths }
}

/// Moves what was made with other lengths.
pub(super) fn follow(s: &Snapshot, record: &mut Record) {
    let Some((made, now)) = s.record.lengths.zip(of_spec(s)).filter(|(made, now)| made != now) else {
        return;
    };
    match &mut record.phase {
        // At its weight a step has no deadline but the one that begins where the weight is lost.
        Phase::Step(place) if place.reached.is_some() => {}
        Phase::Step(place) => moved(&mut place.deadline, made.progress_deadline, now.progress_deadline),
        Phase::Installing { deadline } | Phase::Promoting { deadline } => {
            moved(deadline, made.progress_deadline, now.progress_deadline);
        }
        Phase::Rest { .. } => {
            if let Some(until) = kept_until(s, made, now) {
                record.kept_until = Some(until);
            }
        }
        Phase::New | Phase::Returning { .. } => {}
    }
}

fn moved(deadline: &mut Time, made: Span, now: Span) {
    *deadline = Time(deadline.0.saturating_sub(made.0)) + now;
}

/// Until when what is kept stays now; none where nothing is, or nobody edited that.
fn kept_until(s: &Snapshot, made: Lengths, now: Lengths) -> Option<Time> {
    s.record.kept_until?;
    if s.record.previous.is_some() {
        let promoted = s.record.live?.since;
        return (made.keep_previous != now.keep_previous).then(|| previous(s, promoted, &s.record));
    }
    let candidate = s.record.candidate?.slot.revision;
    let ended = s.record.history.first().filter(|attempt| attempt.revision == candidate)?.finished;
    (made.keep_failed != now.keep_failed).then(|| failed(s, ended))
}

/// How long the former release is kept that was live until then.
pub(super) fn previous(s: &Snapshot, since: Time, record: &Record) -> Time {
    let until = since + s.settings.keep_previous.max(s.settings.drain);
    record.watch.as_ref().map_or(until, |watch| until.max(watch.until))
}

/// How long a candidate is kept that was sent back by then.
pub(super) fn failed(s: &Snapshot, since: Time) -> Time {
    since + s.settings.keep_failed.max(s.settings.drain)
}

//! Open connections of a color that nothing keeps any more: WebSockets, streams and sessions outlive the weight that let them in, and
//! end with their pods. They are awaited, for as long as the spec says, before the color is cleared.

use super::{Draft, probe, reach};
use crate::outcome::Why;
use crate::record::{Leaving, Phase, Record};
use crate::snapshot::{Objects, Snapshot, Standing};
use crate::words::{Color, Revision, Time};

/// The name by which metrics are asked for open connections, as checks are by theirs. No check can have it.
pub const CONNECTIONS: &str = "traffic.drain";

/// What is waited for.
pub(super) struct Awaited {
    color: Color,
    leaving: Leaving,
    until: Time,
}

/// Takes into the commit of a way back that the candidate may have connections. One that nobody was led to has none, and what never
/// got ready, with no metrics of its own, would keep its correction waiting. Its role is turned to it long before its first weight, so
/// that counts, and no weight that may have been written a moment ago.
pub(super) fn leave(s: &Snapshot, record: &mut Record) {
    let pointed = s.world.candidate_service.points;
    let was_tried = match &s.record.phase {
        Phase::Step(place) => {
            let is_led_to = pointed.is_some() && pointed == record.candidate.map(|candidate| candidate.slot);
            let had_weight = reach::carries(s) || place.reached.is_some() || place.lost.is_some();
            is_led_to || had_weight || !probe::is_first(s, place)
        }
        Phase::Promoting { .. } | Phase::Rest { .. } => true,
        Phase::New | Phase::Installing { .. } | Phase::Returning { .. } => false,
    };
    let candidate = record.candidate.filter(|_| was_tried);
    record.leaving = candidate.and_then(|candidate| leaving(s, Some(candidate.slot.revision)));
}

/// The same of any release that had traffic.
pub(super) fn leaving(s: &Snapshot, revision: Option<Revision>) -> Option<Leaving> {
    s.settings.connections.map(|_| Leaving { revision, over: false })
}

/// What is waited for in the slot beside live, once its last requests had their time; none where nothing is, or no more.
pub(super) fn awaited(s: &Snapshot) -> Option<Awaited> {
    let (limit, live) = (s.settings.connections?, s.record.live?);
    let leaving = s.record.leaving.filter(|leaving| !leaving.over)?;
    let color = live.slot.color.other();
    let kept = s.record.previous.or(s.record.candidate).is_some();
    let rests = matches!(s.record.phase, Phase::Rest { .. });
    if !rests || kept || s.world.color(color).objects == Objects::Absent || reach::draining(s).is_some() {
        return None;
    }
    // From when it would have gone: an instant that is committed, so that no restart gives it more time.
    let until = s.record.vacate_after.unwrap_or(s.now) + limit;
    Some(Awaited { color, leaving, until })
}

/// That they are awaited no more is committed before anything is deleted: what metrics say of half a color is nothing to go by.
pub(super) fn over(s: &Snapshot) -> Option<Draft<'_>> {
    let awaited = awaited(s)?;
    let gone = s.standing(CONNECTIONS) == Standing::Pass;
    (gone || s.now >= awaited.until).then(|| {
        let mut draft = Draft::new(s);
        draft.record.leaving = Some(Leaving { over: true, ..awaited.leaving });
        draft
    })
}

/// Until when, and what is said of it.
pub(super) fn waiting(s: &Snapshot) -> Option<(Time, Why)> {
    let Awaited { color, leaving, until } = awaited(s)?;
    let open = s.check(CONNECTIONS).map(|seen| seen.detail.clone()).filter(|open| !open.is_empty());
    Some((until, Why::Draining { color, revision: leaving.revision, open, until }))
}

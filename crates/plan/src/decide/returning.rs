//! Going back: committed first, then brought about in parallel and past errors, at any moment until retirement.

use super::{Draft, Next, connections, enough, group, home, lengths, reach};
use crate::outcome::{Notice, Plan, Why};
use crate::record::{Cause, Outcome, Pause, Phase, Release};
use crate::snapshot::Snapshot;

/// Commits that traffic goes back to live; at rest after a promotion, live is the previous release again.
pub(super) fn send_back(s: &Snapshot, cause: Cause) -> Plan {
    commit_back(Draft::new(s), cause)
}

/// The same for a draft that already holds what led to it.
pub(super) fn commit_back(mut draft: Draft<'_>, cause: Cause) -> Plan {
    let s = draft.s;
    if let (Phase::Rest { .. }, Some(previous)) = (&s.record.phase, s.record.previous) {
        draft.record.candidate = draft.record.live.take();
        draft.record.live = Some(previous);
        draft.record.previous = None;
        draft.record.kept_until = None;
        draft.record.watch = None;
    }
    connections::leave(s, &mut draft.record);
    if cause.rejects()
        && let Some(candidate) = draft.record.candidate
    {
        draft.record.rejected.retain(|revision| *revision != candidate.slot.revision);
        draft.record.rejected.insert(0, candidate.slot.revision);
        draft.record.rejected.truncate(10);
        if let Some(wanted) = &mut draft.record.wanted
            && wanted.hash == candidate.hash
        {
            wanted.rejected = true;
            draft.record.sent_back = Some(s.now);
        }
    }
    group::blame(s, &mut draft.record, &cause);
    draft.record.phase = Phase::Returning { cause, since: s.now };
    let why = std::iter::once(Why::Returning).chain(draft.record.live.and_then(|live| short(s, &live)));
    let why = why.collect();
    draft.commit(why)
}

/// Going back doesn't wait until all that it needs serves, if any do (rule 6); but it says so.
fn short(s: &Snapshot, live: &Release) -> Option<Why> {
    let serving = &s.world.color(live.slot.color).serving;
    let needed = home::needs(s, live.slot);
    (!home::dead(s, live.slot) && !enough(serving, &needed)).then(|| Why::ReturnShort {
        slot: live.slot,
        needed,
        serving: serving.clone(),
    })
}

pub(super) fn plan(s: &Snapshot, cause: &Cause) -> Plan {
    let mut next = Next::because(Why::Returning);
    let Some(live) = &s.record.live else { return end(s, cause) };
    next.why.extend(short(s, live));
    // What does work by itself stops in the color that goes and starts in the one that stays, apart from the traffic.
    let at_home = home::lead(s, live.slot, s.record.epoch, &mut next);
    home::activity(s, &mut next);
    // Only the traffic must be home: an object that can't be applied is repaired, or told, at rest.
    if !at_home {
        let late = super::back_late(&s.record.phase, &s.settings).filter(|at| s.now < *at);
        if let Some(at) = late.filter(|_| home::blocked(s, live.slot).is_some()) {
            next.wake(at);
        }
        return next.into();
    }
    // Proxies may still act on what was before: only after their time is nothing left of the other release, and its
    // drain begins.
    if let Some(until) = reach::roles_propagating(s) {
        next.wait(until, Why::Propagating { until });
        return next.into();
    }
    end(s, cause)
}

fn end(s: &Snapshot, cause: &Cause) -> Plan {
    let mut draft = Draft::new(s);
    let drained = s.now + s.settings.drain;
    draft.record.vacate_after = Some(s.record.vacate_after.map_or(drained, |later| later.max(drained)));
    let outcome = match cause {
        Cause::Cancelled | Cause::Deleted => Outcome::Cancelled,
        Cause::Superseded => Outcome::Superseded,
        other => Outcome::RolledBack(other.clone()),
    };
    if let Some(candidate) = draft.record.candidate {
        draft.remember(&candidate, outcome.clone());
        tell(&mut draft, &candidate, cause);
    }
    if cause.rejects() && draft.record.candidate.is_some() {
        draft.record.kept_until = Some(lengths::failed(s, s.now));
    } else {
        draft.record.candidate = None;
        draft.record.kept_until = None;
    }
    draft.record.paused = draft.record.paused.filter(|pause| matches!(pause, Pause::Decision { .. }));
    draft.record.phase = Phase::Rest { outcome };
    if matches!(cause, Cause::Superseded) {
        // In one commit with its end, so that nobody misses that it begins anew.
        group::announce(s, &mut draft.record);
    }
    let why = at_rest(&draft);
    draft.commit(why)
}

/// What the next look will say of it, so that it needs no status of its own.
fn at_rest(draft: &Draft<'_>) -> Vec<Why> {
    let rejected = draft.record.wanted.filter(|wanted| wanted.rejected);
    let rejected = rejected.map(|wanted| Why::Rejected { revision: wanted.revision });
    let kept = draft.record.kept_until.map(|until| Why::Keeping { until });
    rejected.into_iter().chain(kept).collect()
}

fn tell(draft: &mut Draft<'_>, candidate: &Release, cause: &Cause) {
    let revision = candidate.slot.revision;
    draft.tell(match cause {
        Cause::Cancelled | Cause::Deleted => Notice::Cancelled { revision },
        Cause::Superseded => Notice::Superseded { revision },
        other => Notice::RolledBack { revision, cause: other.clone() },
    });
}

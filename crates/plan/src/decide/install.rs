//! The first release goes straight to live; a lost record is made anew from what serves.

use super::{Draft, Next, connections, jobs, lengths, serves};
use crate::outcome::{Effect, Notice, Plan, Why};
use crate::record::{Outcome, Pause, Phase, Release, Wanted};
use crate::snapshot::{Found, Objects, ServiceSeen, Snapshot, Stops};
use crate::words::{Color, ContentHash, Slot, Time};

pub(super) fn begin(s: &Snapshot) -> Plan {
    match s.world.found {
        Found::Release { slot, hash } => rebuild(s, slot, hash),
        Found::Foreign => stopped(s),
        Found::Nothing => match (s.stopped(Stops::Everything), s.settings.wanted) {
            (None, Some(hash)) => match super::gates::keeps_from_starting(s) {
                Some(why) => Next::because(why).into(),
                None => install(s, hash),
            },
            (Some(_), _) | (None, None) => stopped(s),
        },
    }
}

/// Says what is in the way. Since when is committed, so that what lasts becomes known as such.
fn stopped(s: &Snapshot) -> Plan {
    let mut next = Next::default();
    for obstacle in &s.world.obstacles {
        next.say(Why::from(obstacle));
    }
    if s.world.obstacles.is_empty() { next.into() } else { super::block(s, next) }
}

/// What serves is live, whatever was being tried; the rest goes back to weight 0 and, after the drain, away.
fn rebuild(s: &Snapshot, slot: Slot, hash: ContentHash) -> Plan {
    let mut draft = Draft::new(s);
    draft.record.counter = s.world.highest_counter;
    draft.record.live = Some(Release { slot, hash, since: s.now, attempt: 1 });
    draft.record.wanted = Some(Wanted { hash, revision: slot.revision, rejected: false, attempts: 1 });
    // What was tried is kept to be looked at, but by no Rollout that goes.
    let kept = if s.deleting { s.settings.drain } else { s.settings.drain.max(s.settings.keep_failed) };
    draft.record.vacate_after = Some(s.now + kept);
    draft.record.leaving = connections::leaving(s, None);
    draft.record.phase = Phase::Returning { cause: crate::record::Cause::Cancelled, since: s.now };
    draft.tell(Notice::Rebuilt { revision: slot.revision });
    draft.commit(vec![Why::Returning])
}

fn install(s: &Snapshot, hash: ContentHash) -> Plan {
    let mut draft = Draft::new(s);
    let counter = s.world.highest_counter.saturating_add(1);
    let slot = Slot { color: Color::Blue, revision: hash.revision(counter) };
    draft.record.counter = counter;
    draft.record.live = Some(Release { slot, hash, since: s.now, attempt: 1 });
    draft.record.wanted = Some(Wanted { hash, revision: slot.revision, rejected: false, attempts: 1 });
    draft.record.blocked_since = None;
    let epoch = draft.next_epoch();
    jobs::begin(&mut draft, slot.revision, epoch);
    draft.record.phase = Phase::Installing { deadline: s.now + s.settings.progress_deadline };
    draft.tell(Notice::Started { revision: slot.revision, attempt: 1 });
    draft.commit(vec![Why::Starting { slot, trouble: None }])
}

pub(super) fn go_on(s: &Snapshot, deadline: Time) -> Plan {
    let Some(live) = s.record.live else { return begin(s) };
    if let Some(plan) = lengths::edited(s) {
        return plan;
    }
    if s.record.paused == Some(Pause::Spec) {
        // Hands were off; a pause doesn't keep what never served from being installed.
        return unblocked(s);
    }
    if let Some(hash) = s.settings.wanted.filter(|hash| *hash != live.hash)
        && s.stopped(Stops::Everything).is_none()
        && let Some(plan) = corrected(s, &live, hash, deadline)
    {
        return plan;
    }
    if let Some(obstacle) = s.stopped(Stops::Everything) {
        let why = Why::from(obstacle);
        return super::block(s, Next::because(why));
    }
    if s.record.blocked_since.is_some() {
        return unblocked(s);
    }
    if let Some(plan) = jobs::commit(s, &live) {
        return plan;
    }
    let mut next = Next::default();
    bring_up(s, live.slot, &mut next);
    let color = s.world.color(live.slot.color);
    let pointed =
        s.world.live_service.points == Some(live.slot) && s.world.candidate_service.points == Some(live.slot);
    if next.effects.is_empty() && pointed && color.available && serves(&color.serving) {
        return installed(s, &live);
    }
    next.say(Why::Starting { slot: live.slot, trouble: color.trouble.clone() });
    if s.now > deadline {
        next.why.insert(0, Why::InstallLate);
    } else {
        super::deadline::wake(s, deadline, &mut next);
    }
    next.into()
}

/// The reason where a Service can't be turned.
const SERVICE_REFUSED: &str = "ServiceUnsupported";

/// Something else is asked for. What serves nobody is replaced where it is; what serves counts as live at once, however much of
/// it is missing: it may never be complete, which is why it was corrected, and nobody waits for it any more. What is asked for
/// now is then brought up beside it like any other revision. None while the Services are on their way to it: those that can't be
/// turned, as what was wrong with them is what was corrected, never are. Where one of several leads callers to it and another
/// can't be turned, or others answer there, they are cut off only once its time is over: nothing else would ever follow the
/// correction.
fn corrected(s: &Snapshot, live: &Release, hash: ContentHash, deadline: Time) -> Option<Plan> {
    let service = &s.world.live_service;
    let serving = &s.world.color(live.slot.color).serving;
    let serves_some = serving.iter().any(|endpoints| *endpoints > 0);
    if serves_some && service.points == Some(live.slot) {
        return Some(installed(s, live));
    }
    // With another content what a write met is forgotten, and the write tried once more before this.
    let refused = s.world.obstacles.iter().any(|obstacle| obstacle.reason == SERVICE_REFUSED);
    let late = s.now > deadline;
    // Callers of one of its Services come to it.
    let reached = matches!(s.world.found, Found::Release { slot, .. } if slot == live.slot);
    if serves_some && reached && !((refused || service.selects_others) && late) {
        return None;
    }
    // Where others are selected, callers stay with those until all of it is ready.
    let turns = serves(serving) && !service.selects_others && !refused && !late;
    (!turns).then(|| install(s, hash))
}

/// What was in the way is gone, and the time that it took is the release's again.
fn unblocked(s: &Snapshot) -> Plan {
    let mut draft = Draft::new(s);
    draft.record.blocked_since = None;
    draft.record.paused = draft.record.paused.filter(|pause| *pause != Pause::Spec);
    draft.record.phase = Phase::Installing { deadline: s.now + s.settings.progress_deadline };
    draft.commit(Vec::new())
}

fn bring_up(s: &Snapshot, slot: Slot, next: &mut Next) {
    if !s.world.recorded {
        next.act(Effect::RecordRevision(slot.revision));
    }
    match s.world.color(slot.color).objects {
        Objects::Present { slot: there, in_sync: true } if there == slot => {}
        Objects::Present { slot: there, .. } if there == slot => {
            next.act(Effect::ApplyRelease { slot, active: true });
        }
        Objects::Absent => next.act(Effect::ApplyRelease { slot, active: true }),
        Objects::Present { .. } | Objects::Leftover => {
            next.say(Why::Clearing(slot.color));
            next.act(Effect::Vacate { color: slot.color, except: Some(slot.revision) });
        }
    }
    let color = s.world.color(slot.color);
    let ready = color.available && serves(&color.serving);
    // A Service that somebody consented to have taken over serves through its old pods until the new ones can.
    let may_turn = |service: &ServiceSeen| service.points != Some(slot) && (ready || !service.selects_others);
    if may_turn(&s.world.live_service) {
        next.act(Effect::PointLive(slot));
    }
    if may_turn(&s.world.candidate_service) {
        next.act(Effect::PointCandidate(slot));
    }
}

fn installed(s: &Snapshot, live: &Release) -> Plan {
    let mut draft = Draft::new(s);
    draft.record.blocked_since = None;
    jobs::done(&mut draft.record);
    draft.remember(live, Outcome::Promoted);
    draft.record.phase = Phase::Rest { outcome: Outcome::Promoted };
    draft.tell(Notice::Installed { revision: live.slot.revision });
    draft.commit(vec![Why::AtRest])
}

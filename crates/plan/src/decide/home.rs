//! What must be so whenever nothing is under test: both roles at live, routes as their owner wrote them, each color as
//! active as its role says.

use super::{Next, bears_all, jobs, needed, reach, serves};
use crate::outcome::{Effect, Why};
use crate::record::Phase;
use crate::snapshot::{Form, Objects, Snapshot};
use crate::words::{Color, Slot};

/// Leads roles and routes home to `live`. `stamp` is the epoch that each must carry before anything irreversible may
/// follow. True once all is observed.
pub(super) fn lead(s: &Snapshot, live: Slot, stamp: u64, next: &mut Next) -> bool {
    let mut home = true;
    let world = &s.world;
    if let Some(why) = blocked(s, live) {
        next.say(why);
        return false;
    }
    if world.live_service.points != Some(live) || world.live_service.epoch < stamp {
        next.act(Effect::PointLive(live));
        home = false;
    }
    if world.candidate_service.points != Some(live) || world.candidate_service.epoch < stamp {
        next.act(Effect::PointCandidate(live));
        home = false;
    }
    routes(s, stamp, home, next) && home
}

/// Why the way home has to wait, if it has to.
pub(super) fn blocked(s: &Snapshot, live: Slot) -> Option<Why> {
    (dead(s, live) && someone_serves(s, live)).then_some(Why::ReturnBlocked { slot: live })
}

/// What is gone back to serves nobody, or not at a Service where it did when the attempt began: of what it never served nothing is
/// taken by going back.
pub(crate) fn dead(s: &Snapshot, live: Slot) -> bool {
    let serving = &s.world.color(live.color).serving;
    let lost = serving.iter().enumerate().any(|(service, endpoints)| *endpoints == 0 && had(s, service));
    lost || serving.iter().all(|endpoints| *endpoints == 0)
}

/// The endpoints that what is gone back to needs for all requests, per traffic Service: as many as live had at the start, or as the
/// other color has by now, if that is more and all of them go there. It says how short going back would be, and stops it nowhere.
pub(crate) fn needs(s: &Snapshot, home: Slot) -> Vec<u32> {
    let from = home.color.other();
    let now = &s.world.color(from).serving;
    let all = needed(100, &s.record.baseline, now.len());
    let bears_all = bears_all(s, from);
    let needs = all.into_iter().zip(now).enumerate();
    needs
        .map(|(service, (start, now))| match (had(s, service), bears_all) {
            (false, _) => 0,
            (true, false) => start,
            (true, true) => start.max(*now),
        })
        .collect()
}

/// Whether live served at a Service when the attempt began, as far as is known.
fn had(s: &Snapshot, service: usize) -> bool {
    s.record.baseline.get(service).is_none_or(|endpoints| *endpoints > 0)
}

/// Whether requests have a better place than a live without endpoints: the other color serves and has some of them.
fn someone_serves(s: &Snapshot, live: Slot) -> bool {
    let has_some = s.world.live_service.points != Some(live) || s.world.routes.form.highest() > 0;
    has_some && serves(&s.world.color(live.color.other()).serving)
}

/// The same for the routes alone, which are left once the roles are home.
pub(super) fn routes(s: &Snapshot, stamp: u64, roles_home: bool, next: &mut Next) -> bool {
    let routes = &s.world.routes;
    // The candidate's role goes home in the same plan, and these with it; only then may routes stop naming it.
    if routes.beside.any {
        next.act(Effect::LowerWeight(0));
        return false;
    }
    // The owner may give the candidate's Service a share of his own, which is nobody's before proxies know that it leads to live.
    let since = routes.since.max(s.world.candidate_service.since);
    match routes.form {
        Form::Unrouted | Form::Broken => true,
        Form::Owner if routes.epoch >= stamp => true,
        Form::Owner => {
            next.act(Effect::LowerWeight(0));
            false
        }
        Form::Entered(0) if routes.epoch >= stamp => {
            if let Some(until) = reach::propagating(s, since) {
                next.wait(until, Why::Propagating { until });
            } else if roles_home {
                next.act(Effect::LeaveRoutes);
            }
            false
        }
        Form::Entered(_) => {
            next.act(Effect::LowerWeight(0));
            false
        }
        Form::Mixed { highest, .. } => {
            if highest > 0 || routes.epoch < stamp {
                next.act(Effect::LowerWeight(0));
            } else if let Some(until) = reach::propagating(s, since) {
                next.wait(until, Why::Propagating { until });
            } else if roles_home {
                next.act(Effect::LeaveRoutes);
            }
            false
        }
    }
}

/// Keeps each color as it should be for its role: what does work by itself runs in live alone. As long as the color that must
/// rest works, it is brought to rest before the other one is set to work, so that no work is done twice. Anything else in it may be
/// refused for as long as it is kept, and holds live up in nothing.
pub(super) fn activity(s: &Snapshot, next: &mut Next) {
    let Some(live) = s.record.live.map(|live| live.slot) else { return };
    keep_content(s, next);
    let other = live.color.other();
    let rest = out_of_sync(s, other, live);
    let first = rest.is_some() && s.world.color(other).works;
    let work = out_of_sync(s, live.color, live).filter(|_| !first);
    rest.into_iter().chain(work).for_each(|effect| next.act(effect));
}

/// What was kept of live may be gone, by an orphaning deletion of former times or another hand, and a Rollout made anew lacks it. Only the
/// spec can give it back, so only while it asks for live; and under the name that it had, which an older recipe may have made.
fn keep_content(s: &Snapshot, next: &mut Next) {
    if s.world.recorded || s.record.candidate.is_some() || s.deleting {
        return;
    }
    let Some(live) = s.record.live.filter(|live| s.settings.wanted == Some(live.hash)) else { return };
    let revision = live.slot.revision;
    if live.hash.revision(revision.counter) == revision {
        next.act(Effect::RecordRevision(revision));
    }
}

fn out_of_sync(s: &Snapshot, color: Color, live: Slot) -> Option<Effect> {
    let slot = s.record.releases().map(|release| release.slot).find(|slot| slot.color == color)?;
    // The candidate's objects are brought up by `reach`.
    if slot != live && matches!(s.record.phase, Phase::Step(_) | Phase::Promoting { .. }) {
        return None;
    }
    // Workloads come after their Jobs: those of a release whose Jobs are not done were never started, and aren't on the way back.
    if slot != live && jobs::undone(s, slot.revision) {
        return None;
    }
    let apply = Effect::ApplyRelease { slot, active: slot == live };
    match s.world.color(color).objects {
        Objects::Present { slot: there, in_sync } if there == slot => (!in_sync).then_some(apply),
        Objects::Absent if slot == live => Some(apply),
        Objects::Present { .. } | Objects::Leftover if slot == live => {
            Some(Effect::Vacate { color, except: Some(slot.revision) })
        }
        // What is gone from a kept slot stays gone.
        Objects::Absent | Objects::Leftover | Objects::Present { .. } => None,
    }
}

//! I5: once going back is committed, the candidate's share never rises again, and soon live has all.
//!
//! Soon is a second, but what the history alone shows is coarser. Going back has the committer's time in milliseconds; of a
//! write that follows, etcd keeps none, and the API server stamps whole seconds, cut off. Renewals of leases narrow that down
//! where one falls in between. So a way back is found late somewhere between one second and two, as its seconds fall, and one
//! that isn't found late is undecided. What two plain writes of somebody else took at that time isn't Teal's and comes on top:
//! under several stories at once, on a machine of half its speed, a commit and a turn took 1.3 s. The second itself is judged by
//! who watches: the stories of `ways_back`, and the demo.

use std::collections::HashMap;
use std::time::Duration;

use teal_api::rollout::Mode;
use teal_plan::record::Phase;
use teal_traffic::Mesh;

use super::Options;
use super::aims::{Aims, percent};
use super::clock::Moment;
use super::replay::{Change, Check, Moved};
use super::rollout::{Rollout, at, revision};
use super::routes::{Hosts, listed, managed};
use super::tally::{Invariant, Summary};
use super::world::World;
use super::writer::Writer;

pub(super) struct Back<'h, 'o> {
    options: &'o Options,
    /// By uid of the Rollout.
    returns: HashMap<&'h str, Return<'h>>,
}

/// A way back, from its commit until the next try.
struct Return<'h> {
    revision: String,
    attempt: u32,
    since: i64,
    committed: u64,
    key: &'h teal_testbed::history::Key,
    /// Whether all was aimed at live.
    home: bool,
    /// Whether anything kept Teal from leading all traffic home in time.
    excused: bool,
}

/// How long an effect that was under way at the commit may still land.
const IN_FLIGHT_MS: i64 = 1_000;

/// The writes of a way back that follow on each other: its commit, and those that lead to live, which go at the same time.
const WRITES: u32 = 2;

/// What they explain at most: one write that hangs must not switch the bound off.
const MOST_ALLOWED_MS: i64 = 3_000;

impl<'o> Back<'_, 'o> {
    pub(super) fn new(options: &'o Options) -> Self {
        Self { options, returns: HashMap::new() }
    }
}

impl<'h> Check<'h> for Back<'h, '_> {
    fn see(&mut self, change: &Change<'h>, world: &World<'h>, summary: &mut Summary) {
        if let Some(moved) = change.own() {
            self.commits(change, moved, summary);
        }
        for moved in &change.moved {
            let Some(back) = self.returns.get_mut(moved.rollout.uid) else { continue };
            if moved.aims.rises(&moved.aims_before).all(|rise| rise.revision != back.revision) {
                summary.judged(Invariant::I5);
            }
            for rise in moved.aims.rises(&moved.aims_before).filter(|rise| rise.revision == back.revision) {
                let recent = change.moment.earliest.is_none_or(|now| now - back.since <= IN_FLIGHT_MS);
                if leads_to_live(change, &moved.rollout, &self.options.mesh) {
                    summary.undecided(Invariant::I5);
                    continue;
                }
                let current = change.after.is_some_and(|after| moved.rollout.is_current(after));
                if change.writer == Writer::Other || (recent && !current) {
                    summary.undecided(Invariant::I5);
                    continue;
                }
                let (before, after) = (percent(rise.before), percent(rise.after));
                let detail = format!(
                    "{}: {} goes from {before} to {after} after going back was committed in revision {}",
                    rise.place, rise.revision, back.committed
                );
                summary.violated(Invariant::I5, change.revision, change.key, detail);
            }
            back.follow(change, moved, world, self.options, summary);
        }
    }

    fn finish(&mut self, world: &World<'h>, summary: &mut Summary) {
        let last = world.moments.last().copied().unwrap_or_default();
        for (uid, back) in self.returns.iter().filter(|(_, back)| !back.home) {
            let Some(rollout) = world.rollout(uid) else { continue };
            let late = self.options.healthy && !back.excused && back.is_late(last, self.options);
            if late && !is_excused(rollout, world) {
                let detail = format!("{} still has a share at the end of the history", back.revision);
                summary.violated(Invariant::I5, back.committed, back.key, detail);
            } else {
                summary.undecided(Invariant::I5);
            }
        }
    }
}

impl<'h> Back<'h, '_> {
    /// Begins with the commit and ends with the next try.
    fn commits(&mut self, change: &Change<'h>, moved: &Moved<'h>, summary: &mut Summary) {
        let rollout = &moved.rollout;
        let Some(phase) = rollout.phase() else {
            if self.returns.remove(rollout.uid).is_some() {
                summary.undecided(Invariant::I5);
            }
            return;
        };
        match phase {
            Phase::Returning { since, .. } => {
                let Some(candidate) = rollout.candidate() else { return };
                let same = |back: &Return<'_>| {
                    back.revision == revision(candidate) && back.attempt == candidate.attempt
                };
                if self.returns.get(rollout.uid).is_some_and(same) {
                    return;
                }
                let back = Return {
                    revision: revision(candidate),
                    attempt: candidate.attempt,
                    since: at(*since),
                    committed: change.revision,
                    key: change.key,
                    home: false,
                    excused: false,
                };
                self.returns.insert(rollout.uid, back);
            }
            Phase::Step(_) | Phase::Promoting { .. } => {
                let Some(back) = self.returns.remove(rollout.uid) else { return };
                let again = rollout.candidate().is_some_and(|candidate| {
                    revision(candidate) == back.revision && candidate.attempt <= back.attempt
                });
                let problem =
                    again.then(|| format!("{} goes forward again without a new try", back.revision));
                summary.judge(Invariant::I5, change.revision, change.key, problem);
            }
            Phase::New | Phase::Installing { .. } | Phase::Rest { .. } => {}
        }
    }
}

impl Return<'_> {
    /// Looks whether all is at live by now, and when.
    fn follow(
        &mut self,
        change: &Change<'_>,
        moved: &Moved<'_>,
        world: &World<'_>,
        options: &Options,
        summary: &mut Summary,
    ) {
        self.excused |= is_excused(&moved.rollout, world) || change.writer == Writer::Other;
        let Some(live) = moved.rollout.live().map(revision) else { return };
        if self.home || !self.is_home(&moved.aims, &live) {
            return;
        }
        self.home = true;
        let sure =
            change.moment.latest.is_some_and(|latest| latest - self.since <= millis(options.return_within));
        if self.is_late(change.moment, options) && options.healthy && !self.excused {
            let now = change.moment.earliest.unwrap_or(self.since);
            let (took, bound) = (now - self.since, self.bound(now, options));
            let detail =
                format!("live has all requests only {took} ms after going back was committed, not {bound}");
            summary.violated(Invariant::I5, change.revision, change.key, detail);
        } else if sure {
            summary.judged(Invariant::I5);
        } else {
            summary.undecided(Invariant::I5);
        }
    }

    fn is_home(&self, aims: &Aims, live: &str) -> bool {
        aims.highest(&self.revision) == 0 && aims.is_all(live)
    }

    fn is_late(&self, now: Moment, options: &Options) -> bool {
        now.earliest.is_some_and(|now| now - self.since > self.bound(now, options))
    }

    /// In milliseconds.
    fn bound(&self, now: i64, options: &Options) -> i64 {
        let meanwhile = options
            .plain_writes
            .iter()
            .filter(|write| write.begun <= now && write.begun + millis(write.took) >= self.since);
        let slowest = meanwhile.map(|write| millis(write.took)).max().unwrap_or(0);
        millis(options.return_within) + (i64::from(WRITES) * slowest).min(MOST_ALLOWED_MS)
    }
}

/// Takes weight from the candidate's role and gives it to that of live, which may not be turned home yet: the writes of the way
/// back go in parallel, in any order. How long all of them take is judged by the bound.
fn leads_to_live(change: &Change<'_>, rollout: &Rollout<'_>, mesh: &Mesh) -> bool {
    let (Some(before), Some(after)) = (change.before, change.after) else { return false };
    let Some(entry) = listed(rollout, &change.key.name).filter(|_| change.key.resource == "virtualservices")
    else {
        return false;
    };
    let hosts = Hosts { mesh, namespace: rollout.namespace };
    let weights = |value| -> Vec<(usize, i64)> {
        let routes = managed(value, entry, rollout, mesh);
        let services = |index: usize| rollout.traffic.services.iter().map(move |service| (index, service));
        let each =
            routes.iter().flat_map(|route| services(route.index).map(move |(_, service)| (route, service)));
        each.map(|(route, service)| (route.index, route.weight(&hosts.candidate(service)))).collect()
    };
    let (old, new) = (weights(before), weights(after));
    let same = old.len() == new.len();
    same && old != new && old.iter().zip(&new).all(|(old, new)| old.0 == new.0 && new.1 <= old.1)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Teal may not write, or has nowhere to send the requests.
fn is_excused(rollout: &Rollout<'_>, world: &World<'_>) -> bool {
    let hands_off = rollout.filled.as_ref().is_none_or(|filled| filled.mode == Mode::HandsOff);
    let Some(live) = rollout.live().map(revision) else { return true };
    let now = world.now;
    let dead = |service: &String| world.most_serving(rollout.namespace, service, &live, now) == 0;
    hands_off || world.is_ending(rollout.namespace) || rollout.traffic.services.iter().any(dead)
}

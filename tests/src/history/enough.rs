//! I2: no share is raised to a revision without enough endpoints.

use teal_api::names::candidate_service;
use teal_plan::record::{Phase, Release};

use super::aims::{ALL, Place, Rise, percent};
use super::replay::{Change, Check, Moved};
use super::rollout::{Rollout, revision};
use super::tally::{Invariant, Summary};
use super::world::World;
use super::writer::Writer;

pub(super) struct Enough;

/// Where a rise leads.
enum Way {
    /// To the candidate of a rollout.
    Forward,
    /// To live, when nothing is under test any more.
    Back,
}

impl<'h> Check<'h> for Enough {
    fn see(&mut self, change: &Change<'h>, world: &World<'h>, summary: &mut Summary) {
        for moved in change.traffic() {
            for rise in moved.aims.rises(&moved.aims_before) {
                let current = change.after.is_some_and(|after| moved.rollout.is_current(after));
                let way = way(&moved.rollout, &rise).filter(|_| change.writer != Writer::Other && current);
                let problem = match way {
                    Some(Way::Forward) => forward(change, &moved.rollout, &rise, world),
                    Some(Way::Back) => back(change, moved, &rise, world),
                    None => {
                        summary.undecided(Invariant::I2);
                        continue;
                    }
                };
                summary.judge(Invariant::I2, change.revision, change.key, problem);
            }
        }
    }
}

/// Nothing where it isn't to be judged: towards live in a step is the correction of another writer.
fn way(rollout: &Rollout<'_>, rise: &Rise<'_>) -> Option<Way> {
    let is = |release: Option<&Release>| release.is_some_and(|release| revision(release) == rise.revision);
    match rollout.phase()? {
        Phase::Step(_) | Phase::Promoting { .. } => is(rollout.candidate()).then_some(Way::Forward),
        Phase::Returning { .. } | Phase::Rest { .. } => is(rollout.live()).then_some(Way::Back),
        Phase::New | Phase::Installing { .. } => None,
    }
}

/// Enough is the share of live's endpoints at the start, at least one.
fn forward(change: &Change<'_>, rollout: &Rollout<'_>, rise: &Rise<'_>, world: &World<'_>) -> Option<String> {
    let service = rise.place.service();
    let full = u64::from(rollout.baseline(service));
    let needed = (full * u64::from(rise.after)).div_ceil(u64::from(ALL)).max(1);
    let (namespace, to) = (rollout.namespace, rise.revision);
    let most = match rise.place {
        Place::Route { .. } if change.key.resource == "virtualservices" => {
            let readable = world.serving(namespace, &candidate_service(service), to, change.index);
            readable.into_iter().max().unwrap_or(0)
        }
        Place::Route { .. } | Place::Service(_) => world.most_serving(namespace, service, to, change.index),
    };
    let short = u64::from(most) < needed;
    short.then(|| {
        let (place, before, after) = (rise.place, percent(rise.before), percent(rise.after));
        format!("{place}: {to} goes from {before} to {after} with {most} serving endpoints of {needed}")
    })
}

/// Going back needs somebody to serve, unless nobody serves anywhere.
fn back(change: &Change<'_>, moved: &Moved<'_>, rise: &Rise<'_>, world: &World<'_>) -> Option<String> {
    let (namespace, service) = (moved.rollout.namespace, rise.place.service());
    if world.most_serving(namespace, service, rise.revision, change.index) > 0 {
        return None;
    }
    let candidate = candidate_service(service);
    let left = moved.aims_before.revisions().find(|from| {
        let serves = |name: &str| world.least_serving(namespace, name, from, change.index) > 0;
        *from != rise.revision && (serves(service) || serves(&candidate))
    });
    left.map(|from| {
        format!(
            "{}: traffic goes back from {from}, which serves, to {}, which doesn't",
            rise.place, rise.revision
        )
    })
}

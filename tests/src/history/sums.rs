//! I1: weights of a managed route are whole, not negative, and sum to 100.

use super::Options;
use super::replay::{Change, Check};
use super::routes::{Hosts, Route, listed, managed};
use super::tally::{Invariant, Summary};
use super::world::World;
use super::writer::Writer;

pub(super) struct Sums<'o> {
    options: &'o Options,
}

impl<'o> Sums<'o> {
    pub(super) const fn new(options: &'o Options) -> Self {
        Self { options }
    }
}

impl<'h> Check<'h> for Sums<'_> {
    fn see(&mut self, change: &Change<'h>, _world: &World<'h>, summary: &mut Summary) {
        let Some(value) = change.after.filter(|_| change.key.resource == "virtualservices") else { return };
        for moved in &change.moved {
            let rollout = &moved.rollout;
            let Some(entry) = listed(rollout, &change.key.name) else { continue };
            let hosts = Hosts { mesh: &self.options.mesh, namespace: rollout.namespace };
            let entered = |route: &Route<'_>| {
                rollout.traffic.services.iter().any(|service| route.names(&hosts.candidate(service)))
            };
            for route in managed(value, entry, rollout, &self.options.mesh) {
                if change.writer == Writer::Other {
                    // What others write is theirs; whether Teal mends it is seen in its own versions.
                    summary.undecided(Invariant::I1);
                } else if entered(&route) || change.writer == Writer::Teal {
                    summary.judge(Invariant::I1, change.revision, change.key, problem(&route));
                }
            }
        }
    }
}

fn problem(route: &Route<'_>) -> Option<String> {
    let sole = route.entries.len() == 1;
    let at = route.at;
    let mut sum = 0;
    for (place, entry) in route.entries.iter().enumerate() {
        match entry.value(sole) {
            Some(weight) if weight >= 0 => sum += weight,
            Some(weight) => return Some(format!("{at}.route[{place}] has weight {weight}")),
            None => return Some(format!("{at}.route[{place}] has a weight that is no whole number")),
        }
    }
    (sum != 100).then(|| format!("the weights of {at} sum to {sum}"))
}

//! Time in the model, and what makes states repeat.

use teal_plan::Time;
use teal_plan::record::{Phase, Record, StepRecord};

use crate::model::{FAR, LINGER, NOW, TICK, TIMEOUT};
use crate::world::{DRAINED, InFlight, LEFT, PROPAGATED, Proxies, World, Write};

impl World {
    /// Forgets what no rule looks at, so that states repeat; kinds that don't lag are seen at once.
    pub fn normalise(&mut self) {
        self.see_what_does_not_lag();
        self.forget();
        self.renumber_epochs();
    }

    pub(crate) fn forget(&mut self) {
        for record in self.records() {
            forget(record);
        }
        self.forget_ages();
    }

    fn see_what_does_not_lag(&mut self) {
        let [record, routes, roles, pods] = self.budget.lags;
        if !record {
            self.caches.see_record(&self.truth);
        }
        if !routes {
            self.caches.see_routes(&self.truth);
        }
        if !roles {
            self.caches.see_roles(&self.truth);
        }
        if !pods {
            self.caches.see_pods(&self.truth);
        }
    }

    /// Beyond the propagation wait, the age of a role says something new only where its drain is not in the record anyway: another
    /// hand had turned it, or the record is lost.
    fn forget_ages(&mut self) {
        if self.budget.losses > 0 {
            return;
        }
        let (truth, caches) = (&mut self.truth, &mut self.caches);
        let seen = [
            (&truth.record, &mut truth.live.age, &mut truth.candidate.age),
            (&caches.record, &mut caches.live.age, &mut caches.candidate.age),
        ];
        for (record, live, candidate) in seen {
            for age in [live, candidate] {
                if *age >= PROPAGATED && drains(record, LEFT - *age) {
                    *age = LEFT;
                }
            }
        }
    }

    fn records(&mut self) -> impl Iterator<Item = &mut Record> {
        let late = match &mut self.in_flight {
            Some(InFlight { write: Write::Commit(record), .. }) => Some(&mut **record),
            Some(_) | None => None,
        };
        [&mut self.truth.record, &mut self.caches.record].into_iter().chain(late)
    }

    /// Rules only compare epochs: numbered anew in the same order, more states are the same state.
    fn renumber_epochs(&mut self) {
        let mut order: Vec<u64> = Vec::new();
        self.each_epoch(&mut |epoch| order.push(*epoch));
        order.sort_unstable();
        order.dedup();
        self.each_epoch(&mut |epoch| {
            let rank = order.binary_search(epoch).unwrap_or(0);
            *epoch = u64::try_from(rank).unwrap_or(0) + 1;
        });
    }

    pub(crate) fn each_epoch(&mut self, change: &mut dyn FnMut(&mut u64)) {
        for record in self.records() {
            change(&mut record.epoch);
            change(&mut record.started);
            for job in record.jobs.iter_mut().chain(&mut record.later).flat_map(|jobs| &mut jobs.each) {
                change(&mut job.after);
            }
            if let Phase::Step(place) = &mut record.phase {
                place.jobs.iter_mut().for_each(|job| change(&mut job.after));
            }
        }
        if let Some(late) = &mut self.in_flight {
            change(&mut late.epoch);
            if let Write::Test(_, after) = &mut late.write {
                change(after);
            }
        }
        let (truth, caches) = (&mut self.truth, &mut self.caches);
        for route in truth.routes.iter_mut().chain(caches.routes.iter_mut()) {
            change(&mut route.epoch);
        }
        for role in [&mut truth.live, &mut caches.live] {
            change(&mut role.epoch);
        }
        for role in [&mut truth.candidate, &mut caches.candidate] {
            change(&mut role.epoch);
        }
        for test in [&mut truth.test, &mut caches.test].into_iter().flatten() {
            change(&mut test.after);
        }
        truth.tried.iter_mut().flatten().for_each(&mut *change);
        for task in truth.tasks.iter_mut().chain(&mut caches.tasks).flatten() {
            change(&mut task.epoch);
        }
        let [cached_blue, cached_green] = &mut caches.slots;
        for pods in [&mut truth.blue, &mut truth.green, cached_blue, cached_green].into_iter().flatten() {
            change(&mut pods.epoch);
        }
    }

    /// One tick of time: everything in the record moves one tick into the past, ages grow.
    pub fn tick(&mut self) {
        for record in self.records() {
            shift(record);
        }
        let (truth, caches) = (&mut self.truth, &mut self.caches);
        let routes = truth.routes.iter_mut().chain(caches.routes.iter_mut()).map(|route| &mut route.age);
        let live = [&mut truth.live, &mut caches.live].map(|role| &mut role.age);
        let candidate = [&mut truth.candidate, &mut caches.candidate].map(|role| &mut role.age);
        for age in routes {
            *age = (*age + 1).min(PROPAGATED);
        }
        for age in live.into_iter().chain(candidate) {
            *age = (*age + 1).min(LEFT);
        }
        self.proxies = Proxies {
            routes: truth.routes.weights(),
            beside: truth.routes.beside(),
            live: truth.behind_live(),
            candidate: truth.candidate.value,
        };
        for pods in [&mut self.truth.blue, &mut self.truth.green].into_iter().flatten() {
            pods.idle = (pods.idle + 1).min(DRAINED);
        }
    }
}

/// Whether nothing is deleted for so many ticks by the record alone. Until it is at rest nothing is, and then the drain begins.
fn drains(record: &Record, ticks: u8) -> bool {
    match record.phase {
        Phase::Step(_) | Phase::Promoting { .. } | Phase::Returning { .. } => true,
        Phase::Rest { .. } => {
            record.vacate_after.is_some_and(|after| after.0 - NOW.0 >= i64::from(ticks) * TICK)
        }
        Phase::New | Phase::Installing { .. } => false,
    }
}

fn forget(record: &mut Record) {
    record.history.clear();
    record.waited = None;
    record.rejected.clear();
    record.pinned.clear();
    for release in [&mut record.live, &mut record.candidate, &mut record.previous].into_iter().flatten() {
        release.since = NOW;
        release.attempt = 1;
    }
    if let Some(wanted) = &mut record.wanted {
        wanted.attempts = 1;
    }
    if let Phase::Step(StepRecord { lost: Some(lost), .. }) = &mut record.phase {
        *lost = NOW;
    }
    if let Phase::Step(StepRecord { gate: Some(gate), .. }) = &mut record.phase {
        gate.opened = NOW;
        for vote in &mut gate.votes {
            vote.at = NOW;
        }
    }
    match &mut record.phase {
        Phase::Returning { since, .. } => *since = NOW,
        Phase::New
        | Phase::Installing { .. }
        | Phase::Rest { .. }
        | Phase::Step(_)
        | Phase::Promoting { .. } => {}
    }
}

/// Moves the instants that rules look at one tick into the past, no further than any rule looks.
fn shift(record: &mut Record) {
    let watch = record.watch.as_mut().map(|watch| &mut watch.until);
    for until in record.kept_until.iter_mut().chain(watch) {
        *until = Time((until.0 - TICK).max(NOW.0));
    }
    // Open connections are awaited from then on.
    let least = if record.leaving.is_some_and(|leaving| !leaving.over) { LINGER * TICK } else { 0 };
    if let Some(after) = &mut record.vacate_after {
        *after = Time((after.0 - TICK).max(NOW.0 - least));
    }
    if let Phase::Step(StepRecord { deadline, .. }) | Phase::Promoting { deadline } = &mut record.phase
        && deadline.0 - NOW.0 < FAR
    {
        *deadline = Time((deadline.0 - TICK).max(NOW.0 - TICK));
    }
    if let Phase::Step(StepRecord { reached: Some(reached), .. }) = &mut record.phase {
        *reached = Time((reached.0 - TICK).max(NOW.0 - TICK));
    }
    if let Phase::Step(place) = &mut record.phase {
        for since in place.jobs.iter_mut().filter_map(|job| job.since.as_mut()) {
            *since = Time((since.0 - TICK).max(NOW.0 - TIMEOUT * TICK));
        }
    }
}

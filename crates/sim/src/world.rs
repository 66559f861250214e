//! The modelled world: small, comparable, finite.

use teal_plan::record::{Phase, Record, StepRecord};
use teal_plan::settings::{Guard, Mode, OnFailure, Readiness, Settings, Step, Until};
use teal_plan::{Color, ContentHash, Effect, Revision, Slot, Span, Time};

/// One step of the model's clock, in the planner's milliseconds.
pub const TICK: i64 = 1000;
/// The model's present never moves; what lies in the past or future is moved instead, so that states repeat.
pub const NOW: Time = Time(1_000_000);
/// Ages of routes and roles beyond the propagation wait are the same.
pub const PROPAGATED: u8 = 1;
/// Ages of pods' last request beyond the drain are the same.
pub const DRAINED: u8 = 2;

/// What the API server has.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Truth {
    /// The committed record.
    pub record: Record,
    /// The content that the spec asks for.
    pub wanted: u8,
    /// The managed routes.
    pub routes: Stored<Weight>,
    /// Where the live role points.
    pub live: Stored<Option<Slot>>,
    /// Where the candidate role points.
    pub candidate: Stored<Option<Slot>>,
    /// The blue slot.
    pub blue: Option<Pods>,
    /// The green slot.
    pub green: Option<Pods>,
    /// The finalizer.
    pub finalizer: bool,
    /// The revision of the candidate is recorded.
    pub recorded: bool,
    /// The guard's check fails.
    pub guard_fails: bool,
    /// A person approved the question of this nonce; answered or not.
    pub approval: Option<(String, bool)>,
    /// A person rolled this revision back; answered or not.
    pub rollback: Option<(Revision, bool)>,
    /// Another hand wrote the routes last, and whether it had done so before the rollout.
    pub foreign: Option<bool>,
}

/// What a route says of the candidate role: nothing, or a weight.
pub type Weight = Option<u8>;

/// An object with the epoch that it carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Stored<T> {
    /// What it says.
    pub value: T,
    /// The epoch that it carries.
    pub epoch: u64,
    /// Ticks since it changed, up to [`PROPAGATED`].
    pub age: u8,
}

/// Pods of a release in a slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pods {
    /// Which revision.
    pub revision: Revision,
    /// The epoch that its objects carry.
    pub epoch: u64,
    /// They serve.
    pub ready: bool,
    /// They will never serve.
    pub broken: bool,
    /// Ticks since any proxy sent them a request, up to [`DRAINED`].
    pub idle: u8,
}

/// What writer A has in its caches: each kind on its own may be behind.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Caches {
    /// The record.
    pub record: Record,
    /// Routes, with ticks since A saw them so.
    pub routes: Stored<Weight>,
    /// The live role.
    pub live: Stored<Option<Slot>>,
    /// The candidate role.
    pub candidate: Stored<Option<Slot>>,
    /// Blue and green.
    pub slots: [Option<Pods>; 2],
    /// Kinds that A has written and not seen again: record, routes, roles, slots.
    pub unseen: [bool; 4],
}

/// What proxies act on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Proxies {
    /// Routes.
    pub routes: Weight,
    /// Pods behind the live role.
    pub live: Option<Slot>,
    /// Pods behind the candidate role.
    pub candidate: Option<Slot>,
}

/// A write between its reading and its landing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct InFlight {
    /// What is written.
    pub write: Write,
    /// The epoch under which it was planned.
    pub epoch: u64,
    /// What it read has changed since: preconditions on resourceVersion or uid will fail.
    pub outdated: bool,
}

/// What can be written.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Write {
    /// A compare-and-set of the record.
    Commit(Box<Record>),
    /// An effect.
    Effect(Effect),
}

/// How much may still go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Budget {
    /// New contents of the spec.
    pub contents: u8,
    /// Returns of the spec to the first content.
    pub cancels: u8,
    /// Pods that break.
    pub breaks: u8,
    /// Guards that fail.
    pub guards: u8,
    /// Rollbacks by a person.
    pub rollbacks: u8,
    /// Changes by foreign hands.
    pub drifts: u8,
    /// Writes that stay in flight.
    pub delays: u8,
    /// Crashes of A.
    pub crashes: u8,
    /// Which kinds lag in A's caches: record, routes, roles, pods. The others are always fresh.
    pub lags: [bool; 4],
}

/// A state of everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct World {
    /// The API server.
    pub truth: Truth,
    /// Writer A's caches.
    pub caches: Caches,
    /// The proxies.
    pub proxies: Proxies,
    /// At most one write in flight.
    pub in_flight: Option<InFlight>,
    /// What may still go wrong.
    pub budget: Budget,
}

/// The content with that number.
pub const fn content(number: u8) -> ContentHash {
    ContentHash { version: 1, digest: [number; 32] }
}

/// The steps and timings of the model.
pub fn settings(wanted: u8) -> Settings {
    let step = |name: &str, weight, hold, approvals| Step {
        name: name.to_owned(),
        weight,
        hold: Span(hold),
        checks: Vec::new(),
        approvals,
    };
    Settings {
        generation: i64::from(wanted),
        wanted: Some(content(wanted)),
        mode: Mode::Active,
        steps: vec![step("canary", 10, 0, Some(1)), step("full", 100, TICK, None)],
        guards: vec![Guard { check: "errors".to_owned(), until: Until::Promoted }],
        on_failure: OnFailure::Rollback,
        on_blind: Vec::new(),
        readiness: Readiness::OnWaiting,
        progress_deadline: Span(1_000 * TICK),
        keep_previous: Span(3 * TICK),
        keep_failed: Span(2 * TICK),
        routed: true,
        propagation: Span(TICK),
        drain: Span(2 * TICK),
        endpoint_grace: Span(TICK),
    }
}

impl World {
    /// Live in blue serves content 1; nothing else is there.
    pub fn at_rest(budget: Budget) -> Self {
        use teal_plan::record::{Outcome, Release, Wanted};
        let slot = Slot { color: Color::Blue, revision: content(1).revision(1) };
        let record = Record {
            epoch: 1,
            counter: 1,
            phase: Phase::Rest { outcome: Outcome::Promoted },
            wanted: Some(Wanted { hash: content(1), revision: slot.revision, rejected: false, attempts: 1 }),
            live: Some(Release { slot, hash: content(1), since: NOW, attempt: 1 }),
            ..Record::default()
        };
        let role = Stored { value: Some(slot), epoch: 1, age: PROPAGATED };
        let pods = Pods { revision: slot.revision, epoch: 1, ready: true, broken: false, idle: 0 };
        let truth = Truth {
            record,
            wanted: 1,
            routes: Stored { value: None, epoch: 1, age: PROPAGATED },
            live: role,
            candidate: role,
            blue: Some(pods),
            green: None,
            finalizer: false,
            recorded: true,
            guard_fails: false,
            approval: None,
            rollback: None,
            foreign: None,
        };
        let mut world = Self {
            caches: Caches::fresh(&truth),
            proxies: Proxies { routes: None, live: Some(slot), candidate: Some(slot) },
            truth,
            in_flight: None,
            budget,
        };
        world.normalise();
        world
    }

    /// Forgets what no rule looks at, so that states repeat; kinds that don't lag are seen at once.
    pub fn normalise(&mut self) {
        self.see_what_does_not_lag();
        for record in self.records() {
            forget(record);
        }
        self.renumber_epochs();
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

    fn each_epoch(&mut self, change: &mut dyn FnMut(&mut u64)) {
        for record in self.records() {
            change(&mut record.epoch);
            change(&mut record.started);
        }
        if let Some(late) = &mut self.in_flight {
            change(&mut late.epoch);
        }
        let (truth, caches) = (&mut self.truth, &mut self.caches);
        for epoch in [
            &mut truth.routes.epoch,
            &mut truth.live.epoch,
            &mut truth.candidate.epoch,
            &mut caches.routes.epoch,
            &mut caches.live.epoch,
            &mut caches.candidate.epoch,
        ] {
            change(epoch);
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
        let truth = &mut self.truth;
        for age in [
            &mut truth.routes.age,
            &mut truth.live.age,
            &mut truth.candidate.age,
            &mut self.caches.routes.age,
            &mut self.caches.live.age,
            &mut self.caches.candidate.age,
        ] {
            *age = (*age + 1).min(PROPAGATED);
        }
        self.proxies =
            Proxies { routes: truth.routes.value, live: truth.live.value, candidate: truth.candidate.value };
        for pods in [&mut self.truth.blue, &mut self.truth.green].into_iter().flatten() {
            pods.idle = (pods.idle + 1).min(DRAINED);
        }
    }
}

impl Caches {
    /// As after a start: everything is listed anew, and what is seen is seen for the first time.
    pub fn fresh(truth: &Truth) -> Self {
        let mut caches = Self {
            record: truth.record.clone(),
            routes: truth.routes,
            live: truth.live,
            candidate: truth.candidate,
            slots: [truth.blue, truth.green],
            unseen: [false; 4],
        };
        caches.routes.age = 0;
        caches.live.age = 0;
        caches.candidate.age = 0;
        caches
    }

    pub(crate) fn see_record(&mut self, truth: &Truth) {
        self.record.clone_from(&truth.record);
        self.unseen[0] = false;
    }

    pub(crate) fn see_routes(&mut self, truth: &Truth) {
        self.routes = seen(self.routes, truth.routes);
        self.unseen[1] = false;
    }

    pub(crate) fn see_roles(&mut self, truth: &Truth) {
        self.live = seen(self.live, truth.live);
        self.candidate = seen(self.candidate, truth.candidate);
        self.unseen[2] = false;
    }

    pub(crate) fn see_pods(&mut self, truth: &Truth) {
        self.slots = [truth.blue, truth.green];
        self.unseen[3] = false;
    }
}

/// What is seen has the age of its being seen, not of its being so. An object that went away and came back between two
/// looks is seen anew: its epoch says so, not its value.
fn seen<T: PartialEq + Copy>(cached: Stored<T>, there: Stored<T>) -> Stored<T> {
    let same = cached.value == there.value && cached.epoch == there.epoch;
    let age = if same { cached.age } else { 0 };
    Stored { age, ..there }
}

impl Truth {
    /// The pods in a color.
    pub const fn slot(&self, color: Color) -> &Option<Pods> {
        match color {
            Color::Blue => &self.blue,
            Color::Green => &self.green,
        }
    }

    /// The pods in a color, to change.
    pub const fn slot_mut(&mut self, color: Color) -> &mut Option<Pods> {
        match color {
            Color::Blue => &mut self.blue,
            Color::Green => &mut self.green,
        }
    }
}

fn forget(record: &mut Record) {
    record.history.clear();
    record.rejected.clear();
    record.pinned.clear();
    for release in [&mut record.live, &mut record.candidate, &mut record.previous].into_iter().flatten() {
        release.since = NOW;
        release.attempt = 1;
    }
    if let Some(wanted) = &mut record.wanted {
        wanted.attempts = 1;
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

/// Moves the instants that rules look at one tick into the past, no further than any rule looks. Deadlines are far away
/// in this model and stay there.
fn shift(record: &mut Record) {
    for until in record.kept_until.iter_mut().chain(record.vacate_after.iter_mut()) {
        *until = Time((until.0 - TICK).max(NOW.0));
    }
    if let Phase::Step(StepRecord { reached: Some(reached), .. }) = &mut record.phase {
        *reached = Time((reached.0 - TICK).max(NOW.0 - TICK));
    }
}

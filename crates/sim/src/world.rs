//! The modelled world: small, comparable, finite.

use teal_plan::record::{Phase, Record};
use teal_plan::settings::Mode;
use teal_plan::snapshot::{Action, Standing};
use teal_plan::{Color, Effect, Revision, Slot};

use crate::model::{Budget, NOW, content};

/// Ages of routes beyond the propagation wait are the same.
pub const PROPAGATED: u8 = 1;
/// Ages of roles beyond the propagation wait and the drain after it are the same.
pub const LEFT: u8 = PROPAGATED + DRAINED;
/// Ages of pods' last request beyond the drain are the same.
pub const DRAINED: u8 = 2;

/// What the API server has.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Truth {
    /// The committed record.
    pub record: Record,
    /// The content that the spec asks for.
    pub wanted: u8,
    /// Whether the spec lets Teal act.
    pub mode: Mode,
    /// The managed routes.
    pub routes: Routes,
    /// What the live role selects.
    pub live: Stored<Selects>,
    /// Where the candidate role points.
    pub candidate: Stored<Option<Slot>>,
    /// The blue slot.
    pub blue: Option<Pods>,
    /// The green slot.
    pub green: Option<Pods>,
    /// Jobs: those that run before workloads, and those that run after retirement.
    pub tasks: [Option<Task>; 2],
    /// Of which revision each was made last.
    pub made: [Option<Revision>; 2],
    /// The Job that is a gate, of its latest try.
    pub test: Option<Test>,
    /// Which try of it was made last, and which one ended well, by the epochs with which they became due.
    pub tried: [Option<u64>; 2],
    /// The finalizer.
    pub finalizer: bool,
    /// The revision of the candidate is recorded.
    pub recorded: bool,
    /// The guard's check fails.
    pub guard_fails: bool,
    /// What is known of the check in the present place.
    pub check: Standing,
    /// What a person decided last besides approvals and rollbacks.
    pub act: Option<Act>,
    /// A person approved the question of this nonce; answered or not.
    pub approval: Option<(String, bool)>,
    /// A person rolled this revision back; answered or not.
    pub rollback: Option<(Revision, bool)>,
    /// Another hand wrote the routes last.
    pub foreign: Option<Hand>,
    /// Another hand gave the first VirtualService a form that can't be managed, whatever its weights.
    pub mangled: bool,
    /// People may ask for the candidate: see the shape.
    pub previewed: bool,
    /// The first step sends the candidate copies.
    pub mirrored: bool,
    /// The Rollout is being deleted; gone once no finalizer holds it.
    pub deleting: bool,
}

/// Another writer of the routes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Hand {
    /// It had written them before the rollout.
    pub before: bool,
    /// It gave the candidate more than Teal had.
    pub raised: bool,
    /// It left the candidate less than Teal had given.
    pub lowered: bool,
}

/// What the live role selects.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Selects {
    /// One revision.
    Slot(Slot),
    /// Whatever is in blue and green.
    Both,
    /// By the words of another hand.
    Other,
}

impl Selects {
    /// The one revision.
    pub const fn slot(self) -> Option<Slot> {
        match self {
            Self::Slot(slot) => Some(slot),
            Self::Both | Self::Other => None,
        }
    }

    /// Whether pods of this slot are among those selected.
    pub fn reaches(self, slot: Slot) -> bool {
        self == Self::Both || self == Self::Slot(slot)
    }
}

/// What a route says of the candidate role: nothing, or a share in percent.
pub type Weight = Option<u8>;

/// The weights of a route's destinations as they stand there. Nothing keeps them from summing to something else than 100 but
/// what is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Weights {
    /// Of the live role.
    pub live: i16,
    /// Of the candidate role; none where it isn't named.
    pub candidate: Option<i16>,
    /// A route for those who ask for the candidate stands above.
    pub preview: bool,
    /// Copies are sent to the candidate.
    pub mirror: bool,
}

impl Weights {
    /// As their owner wrote them.
    pub const OWNERS: Self = Self { live: 100, candidate: None, preview: false, mirror: false };

    /// So much for the candidate, and the rest for live.
    pub const fn of(candidate: i16) -> Self {
        Self { live: 100 - candidate, candidate: Some(candidate), preview: false, mirror: false }
    }

    /// All together.
    pub fn sum(self) -> i16 {
        self.live + self.candidate.unwrap_or(0)
    }

    /// The candidate's share, rounded up.
    pub fn weight(self) -> Weight {
        let share =
            |own: i16| (own * 100).checked_div(self.sum()).map_or(0, |whole| whole.max(i16::from(own > 0)));
        self.candidate.map(|own| u8::try_from(share(own)).unwrap_or(100))
    }
}

/// The managed routes, one for each VirtualService.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Routes {
    /// Those beyond the count are not there.
    each: [Stored<Weights>; 2],
    count: u8,
}

impl Routes {
    /// That many, as their owner wrote them.
    pub const fn new(count: u8) -> Self {
        Self { each: [Stored { value: Weights::OWNERS, epoch: 1, age: PROPAGATED }; 2], count }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Stored<Weights>> {
        self.each.iter().take(usize::from(self.count))
    }

    /// All of them, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stored<Weights>> {
        self.each.iter_mut().take(usize::from(self.count))
    }

    /// The highest epoch.
    pub fn highest_epoch(&self) -> u64 {
        self.iter().map(|route| route.epoch).max().unwrap_or(0)
    }

    /// Whether the weights of some sum to something else than 100: such a route isn't managed as it stands.
    pub fn uneven(&self) -> bool {
        self.iter().any(|route| route.value.sum() != 100)
    }

    /// Beside the weights of which of them a preview or a mirror leads to the candidate.
    pub fn beside(&self) -> [bool; 2] {
        self.each.map(|route| route.value.preview || route.value.mirror)
    }

    /// What all of them say.
    pub fn weights(&self) -> [Weight; 2] {
        self.each.map(|route| route.value.weight())
    }
}

/// A Decision.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Act {
    /// What is wanted.
    pub action: Action,
    /// On what.
    pub revision: Option<Revision>,
    /// Of which step.
    pub step: Option<String>,
    /// The question that it answers.
    pub nonce: Option<String>,
    /// Tells it from other Decisions.
    pub number: u8,
    /// Its outcome is written.
    pub answered: bool,
}

/// An object with the epoch that it carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Stored<T> {
    /// What it says.
    pub value: T,
    /// The epoch that it carries.
    pub epoch: u64,
    /// Ticks since it changed, up to [`PROPAGATED`] for routes and [`LEFT`] for roles.
    pub age: u8,
}

impl<T> Stored<T> {
    /// The same of what can be read from its value.
    pub fn map<U>(self, read: impl FnOnce(T) -> U) -> Stored<U> {
        Stored { value: read(self.value), epoch: self.epoch, age: self.age }
    }
}

impl<T: PartialEq> Stored<T> {
    /// Whether both are the same version, as far as the model tells versions apart.
    pub fn is_version(&self, other: &Self) -> bool {
        self.value == other.value && self.epoch == other.epoch
    }
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
    /// They don't serve for a while, by no fault of the release.
    pub down: bool,
    /// Ticks since any proxy sent them a request, up to [`DRAINED`].
    pub idle: u8,
    /// A connection to them is open.
    pub open: bool,
}

/// A Job of a release.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Task {
    /// Whose.
    pub slot: Slot,
    /// The epoch under which it was made.
    pub epoch: u64,
    /// Whether it ended well; none while it runs.
    pub ended: Option<bool>,
}

/// A Job that is a gate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Test {
    /// Whose.
    pub slot: Slot,
    /// Of which try: the epoch with which it became due, which is in its name.
    pub after: u64,
    /// Whether it ended well; none while it runs.
    pub ended: Option<bool>,
}

/// What writer A has in its caches: each kind on its own may be behind.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Caches {
    /// The record.
    pub record: Record,
    /// Routes, with ticks since A saw them so.
    pub routes: Routes,
    /// The live role.
    pub live: Stored<Selects>,
    /// The candidate role.
    pub candidate: Stored<Option<Slot>>,
    /// Blue and green.
    pub slots: [Option<Pods>; 2],
    /// Jobs, which are seen together with pods.
    pub tasks: [Option<Task>; 2],
    /// The one that is a gate, too.
    pub test: Option<Test>,
    /// Kinds that A has written and not seen again: record, routes, roles, slots.
    pub unseen: [bool; 4],
}

/// What proxies act on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Proxies {
    /// Routes.
    pub routes: [Weight; 2],
    /// Previews above these, and their mirrors.
    pub beside: [bool; 2],
    /// Pods behind the live role: of one revision, or of two.
    pub live: [Option<Slot>; 2],
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
    /// The part of an effect on routes that is done to one VirtualService.
    Route(usize, Effect),
    /// A Job is made: before workloads (0) or after retirement (1).
    Job(usize, Slot),
    /// A try of the Job that is a gate is made, known by its epoch.
    Test(Slot, u64),
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
        let role = Stored { value: Some(slot), epoch: 1, age: LEFT };
        let live = Stored { value: Selects::Slot(slot), epoch: 1, age: LEFT };
        let pods = Pods {
            revision: slot.revision,
            epoch: 1,
            ready: true,
            broken: false,
            down: false,
            idle: 0,
            open: false,
        };
        let truth = Truth {
            record,
            wanted: 1,
            mode: Mode::Active,
            routes: Routes::new(budget.shape.routes),
            live,
            candidate: role,
            blue: Some(pods),
            green: None,
            tasks: [None; 2],
            made: [None; 2],
            test: None,
            tried: [None; 2],
            finalizer: false,
            recorded: true,
            guard_fails: false,
            check: Standing::Pending,
            act: None,
            approval: None,
            rollback: None,
            foreign: None,
            mangled: false,
            previewed: budget.shape.previewed,
            mirrored: budget.shape.mirrored,
            deleting: false,
        };
        let mut world = Self {
            caches: Caches::fresh(&truth),
            proxies: Proxies {
                routes: [None; 2],
                beside: [false; 2],
                live: [Some(slot), None],
                candidate: Some(slot),
            },
            truth,
            in_flight: None,
            budget,
        };
        world.normalise();
        world
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
            tasks: truth.tasks,
            test: truth.test,
            unseen: [false; 4],
        };
        caches.routes.iter_mut().for_each(|route| route.age = 0);
        caches.live.age = 0;
        caches.candidate.age = 0;
        caches
    }

    pub(crate) fn see_record(&mut self, truth: &Truth) {
        self.record.clone_from(&truth.record);
        self.unseen[0] = false;
    }

    pub(crate) fn see_routes(&mut self, truth: &Truth) {
        for (cached, there) in self.routes.iter_mut().zip(truth.routes.iter()) {
            *cached = seen(*cached, *there);
        }
        self.unseen[1] = false;
    }

    pub(crate) fn see_roles(&mut self, truth: &Truth) {
        self.live = seen(self.live, truth.live);
        self.candidate = seen(self.candidate, truth.candidate);
        self.unseen[2] = false;
    }

    pub(crate) fn see_pods(&mut self, truth: &Truth) {
        (self.slots, self.tasks, self.test) = ([truth.blue, truth.green], truth.tasks, truth.test);
        self.unseen[3] = false;
    }
}

/// What is seen has the age of its being seen, not of its being so. An object that went away and came back between two
/// looks is seen anew: its epoch says so, not its value.
fn seen<T: PartialEq + Copy>(cached: Stored<T>, there: Stored<T>) -> Stored<T> {
    let age = if cached.is_version(&there) { cached.age } else { 0 };
    Stored { age, ..there }
}

impl Truth {
    /// The revisions behind the live role.
    pub fn behind_live(&self) -> [Option<Slot>; 2] {
        // Endpoints are pods that serve: whoever selects both before the other ones do gets none of those.
        let in_color = |color| {
            let serving = self.slot(color).filter(|pods| pods.ready);
            serving.map(|pods| Slot { color, revision: pods.revision })
        };
        match self.live.value {
            Selects::Slot(slot) => [Some(slot), None],
            Selects::Both => [Color::Blue, Color::Green].map(in_color),
            Selects::Other => [None, None],
        }
    }

    /// Something about the routes is in the way of a rollout.
    pub fn unmanaged(&self) -> bool {
        self.mangled || self.routes.uneven()
    }

    /// The Rollout is no more.
    pub const fn gone(&self) -> bool {
        self.deleting && !self.finalizer
    }

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

//! Breadth first through every state that can be reached within a budget of faults.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};
use teal_plan::record::{JobState, Phase};
use teal_plan::settings::Mode;
use teal_plan::snapshot::Standing;

use crate::act::{Say, calm_round, successors};
use crate::check::{self, Broken};
use crate::fault::Fault;
use crate::model::{Budget, settings};
use crate::world::{Selects, Truth, Weights, World};

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// What may go wrong.
    pub budget: Budget,
    /// No more states than this.
    pub states: usize,
    /// Every how many states it is tried whether the world settles once faults end.
    pub settle_every: usize,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// States that were visited.
    pub states: usize,
    /// Transitions that were tried.
    pub transitions: usize,
    /// Whether there was nothing left to visit.
    pub complete: bool,
    /// States in which promotion was over, and in which a rollback was.
    pub promoted: usize,
    /// States in which a candidate had been sent back.
    pub rolled_back: usize,
    /// States in which the planner wants nothing until time alone changes that, each held against when it looks again.
    pub waits: usize,
    /// The most rounds that it took to settle.
    pub worst_settle: usize,
    /// The first invariant that was broken, with the way there.
    pub broken: Option<(Broken, Vec<String>)>,
}

/// Walks the world from rest.
pub fn explore(bounds: Bounds, fault: Option<Fault>) -> Found {
    let mut walk = Walk::new(bounds, fault);
    let start = World::at_rest(bounds.budget);
    walk.enter(&start, usize::MAX, 0);
    walk.queue.push_back((0, start));
    while let Some((index, world)) = walk.queue.pop_front() {
        if walk.found.broken.is_some() || walk.found.states >= bounds.states {
            walk.found.complete = false;
            break;
        }
        walk.visit(index, &world);
    }
    walk.found
}

struct Walk {
    bounds: Bounds,
    fault: Option<Fault>,
    known: FxHashMap<(u64, u64), usize>,
    /// For each state where it came from, and as which of what could happen there.
    parents: Vec<(usize, usize)>,
    queue: VecDeque<(usize, World)>,
    found: Found,
}

impl Walk {
    fn new(bounds: Bounds, fault: Option<Fault>) -> Self {
        let found = Found {
            states: 0,
            transitions: 0,
            complete: true,
            promoted: 0,
            rolled_back: 0,
            waits: 0,
            worst_settle: 0,
            broken: None,
        };
        Self {
            bounds,
            fault,
            known: FxHashMap::default(),
            parents: Vec::new(),
            queue: VecDeque::new(),
            found,
        }
    }

    /// True if the state is new.
    fn enter(&mut self, world: &World, parent: usize, place: usize) -> bool {
        let index = self.parents.len();
        if *self.known.entry(fingerprint(world)).or_insert(index) != index {
            return false;
        }
        self.parents.push((parent, place));
        self.found.states += 1;
        true
    }

    fn visit(&mut self, index: usize, world: &World) {
        let (left, all) = (world.budget, self.bounds.budget);
        let disturbed = left.drifts < all.drifts || left.exports < all.exports;
        if let Some(broken) = check::state(world, disturbed) {
            self.report(broken, index, None);
            return;
        }
        self.tally(world);
        if index.is_multiple_of(self.bounds.settle_every) {
            match settle(world, self.fault) {
                Ok(rounds) => self.found.worst_settle = self.found.worst_settle.max(rounds),
                Err(broken) => return self.report(broken, index, None),
            }
        }
        let after = successors(world, self.fault, Say(false));
        self.found.waits += usize::from(after.waits);
        for (place, next) in after.next.into_iter().enumerate() {
            self.found.transitions += 1;
            if let Some(broken) = next.broken {
                return self.report(broken, index, Some(place));
            }
            let new = self.parents.len();
            if self.enter(&next.world, index, place) {
                self.queue.push_back((new, next.world));
            }
        }
    }

    fn tally(&mut self, world: &World) {
        if let Phase::Rest { outcome } = &world.truth.record.phase {
            match outcome {
                teal_plan::record::Outcome::Promoted if world.truth.record.counter > 1 => {
                    self.found.promoted += 1;
                }
                teal_plan::record::Outcome::RolledBack(_) => self.found.rolled_back += 1,
                _ => {}
            }
        }
    }

    /// The way there is walked once more, for its labels.
    fn report(&mut self, broken: Broken, index: usize, last: Option<usize>) {
        let mut places: Vec<usize> = last.into_iter().collect();
        let mut at = index;
        while let Some((parent, place)) = self.parents.get(at).filter(|(parent, _)| *parent != usize::MAX) {
            places.push(*place);
            at = *parent;
        }
        let mut world = World::at_rest(self.bounds.budget);
        let mut path = Vec::new();
        for place in places.into_iter().rev() {
            let Some(next) = successors(&world, self.fault, Say(true)).next.into_iter().nth(place) else {
                break;
            };
            path.push(next.label);
            world = next.world;
        }
        self.found.broken = Some((broken, path));
    }
}

/// Two independent 64-bit hashes: a collision in a million states is less likely than a fault of the machine.
fn fingerprint(world: &World) -> (u64, u64) {
    let mut first = FxHasher::default();
    world.hash(&mut first);
    let mut second = std::hash::DefaultHasher::new();
    world.hash(&mut second);
    (first.finish(), second.finish())
}

/// Without further faults the machine comes to rest, or to a question to people.
fn settle(world: &World, fault: Option<Fault>) -> Result<usize, Broken> {
    const ROUNDS: usize = 120;
    /// Longer than every wait of the model together.
    const QUIET: usize = 8;
    let mut world = world.clone();
    let mut quiet = 0;
    for round in 0..ROUNDS {
        quiet = if calm_round(&mut world, fault)? { quiet + 1 } else { 0 };
        if quiet >= QUIET {
            return settled(&world).map(|()| round);
        }
    }
    Err(Broken {
        invariant: "settles",
        detail: format!("not within {ROUNDS} rounds: {:?}", world.truth.record.phase),
    })
}

fn settled(world: &World) -> Result<(), Broken> {
    let (truth, record) = (&world.truth, &world.truth.record);
    // Nothing moves while hands are off.
    if truth.gone() || (truth.mode == Mode::HandsOff && !truth.deleting) {
        return Ok(());
    }
    let paused = record.paused.is_some() || truth.mode == Mode::Paused;
    let resting = match &record.phase {
        _ if truth.deleting => false,
        Phase::Rest { .. } => {
            let home = record.live.map(|live| live.slot);
            truth.live.value.slot() == home
                && truth.candidate.value == home
                && truth.routes.iter().all(|route| route.value == Weights::OWNERS)
        }
        Phase::Step(_) if forestalled(world) => false,
        Phase::Step(place) => {
            let people = place.gate.is_some() || place.held.is_some() || paused;
            people || truth.mangled || waits(world)
        }
        // Another hand may have turned a promotion into something that only a person can decide on.
        Phase::Promoting { .. } => {
            // Whoever calls by name is led somewhere meanwhile, whatever another hand made of the Service.
            let led = truth.live.value != Selects::Other;
            led && (paused || truth.mangled || (world.budget.shape.holds && stuck_pods(truth)))
        }
        Phase::New | Phase::Installing { .. } | Phase::Returning { .. } => false,
    };
    if resting {
        return Ok(());
    }
    Err(Broken { invariant: "settles", detail: format!("stands still in {:?}", record.phase) })
}

/// The candidate keeps what another hand gave it before Teal raised it.
fn forestalled(world: &World) -> bool {
    let (record, shape) = (&world.truth.record, &world.budget.shape);
    let Phase::Step(place) = &record.phase else { return false };
    let settings = settings(world.truth.wanted, shape);
    let before = settings.steps.iter().take_while(|step| step.name != place.step).last();
    let former = before.map_or(0, |step| step.weight);
    let kept = world.truth.routes.weights().into_iter().flatten().any(|weight| weight > former);
    let raised = world.truth.foreign.is_some_and(|hand| hand.raised);
    raised && kept && !check::was_there(record)
}

/// For numbers, or for a candidate that never gets ready until a deadline that lies beyond the model's time, or after which a
/// person is waited for.
fn waits(world: &World) -> bool {
    let shape = &world.budget.shape;
    let measured = crate::apply::place(&world.truth.record).is_some();
    let numbers = measured && world.truth.check == Standing::Pending && (shape.checked || shape.jumps);
    numbers || stuck_job(&world.truth) || (stuck_pods(&world.truth) && (!shape.hurried || shape.holds))
}

/// A Job that failed or is gone has a person decide, or the deadline.
fn stuck_job(truth: &Truth) -> bool {
    let Some(candidate) = truth.record.candidate else { return false };
    let revision = candidate.slot.revision;
    let begun = crate::jobs::recorded(&truth.record, 0, revision) == Some(JobState::Begun);
    let runs =
        truth.tasks.iter().flatten().any(|task| task.slot == candidate.slot && task.ended != Some(false));
    begun && !runs
}

fn stuck_pods(truth: &Truth) -> bool {
    [truth.blue, truth.green].iter().flatten().any(|pods| pods.broken)
}

//! What writers may do next in a state.

use teal_plan::record::{JobState, Phase, Record};
use teal_plan::{Decision, Effect, Snapshot, Time, lint, plan};

use crate::apply::{Kind, kind, land, may_issue};
use crate::check::{self, Broken};
use crate::events;
use crate::fault::Fault;
use crate::gate_jobs;
use crate::jobs;
use crate::model::TICK;
use crate::view::{Writer, shares, snapshot};
use crate::wakes::{self, Rest};
use crate::world::{Caches, InFlight, Routes, World, Write};

/// A state that may follow, with what leads there and what it breaks.
pub(crate) struct Next {
    pub(crate) label: String,
    pub(crate) world: World,
    pub(crate) broken: Option<Broken>,
}

/// Whether labels are wanted: among millions of transitions only those of one path are read.
#[derive(Clone, Copy)]
pub(crate) struct Say(pub(crate) bool);

impl Say {
    fn it(self, label: impl FnOnce() -> String) -> String {
        if self.0 { label() } else { String::new() }
    }
}

/// What may happen next, gathered.
pub(crate) struct Gather<'a> {
    pub(crate) world: &'a World,
    pub(crate) say: Say,
    pub(crate) out: Vec<Next>,
    /// The planner wants nothing now, and time alone changes that.
    pub(crate) waits: bool,
}

/// All that may happen next.
pub(crate) struct After {
    pub(crate) next: Vec<Next>,
    /// The planner wants nothing now, and time alone changes that.
    pub(crate) waits: bool,
}

impl Gather<'_> {
    pub(crate) fn push(&mut self, label: &str, change: impl FnOnce(&mut World)) {
        let mut world = self.world.clone();
        change(&mut world);
        let label = self.say.it(|| label.to_owned());
        self.out.push(Next { label, world, broken: None });
    }
}

/// A plan's writes, and the epoch that they carry.
struct Planned {
    writes: Vec<Write>,
    epoch: u64,
    broken: Option<Broken>,
    /// Nothing is wanted now.
    rests: bool,
    /// When to look again.
    wake_at: Option<Time>,
}

fn ask_planner(world: &World, by: Writer, fault: Option<Fault>) -> Planned {
    let snapshot = snapshot(world, by, fault);
    let plan = plan(&snapshot);
    let broken = lint::lint(&snapshot, &plan).into_iter().next().map(|violation| Broken {
        invariant: violation.invariant,
        detail: format!("lint: {}", violation.detail),
    });
    let epoch = snapshot.record.epoch;
    let (rests, wake_at) = (plan.decision == Decision::Rest, sow_wake(plan.wake_at, fault));
    let writes = match plan.decision {
        Decision::Rest => Vec::new(),
        Decision::Commit(commit) => {
            let early = jobs::early(&snapshot, &commit.record, fault)
                .or_else(|| gate_jobs::early(&snapshot, &commit.record, fault));
            let commit = Write::Commit(Box::new(sow_commit(commit.record, fault)));
            early.into_iter().chain([commit]).collect()
        }
        Decision::Act(effects) => {
            let effects = effects.into_iter().filter_map(|effect| sow(&snapshot, effect, fault));
            effects.flat_map(|effect| each(world, &snapshot, effect, fault)).collect()
        }
    };
    Planned { writes, epoch, broken, rests, wake_at }
}

/// An effect on routes is done to each VirtualService by itself: at the same time, but for a raise, which is done to one after
/// another on fresh reads.
pub(crate) fn each(world: &World, s: &Snapshot, effect: Effect, fault: Option<Fault>) -> Vec<Write> {
    let routes = &world.truth.routes;
    let all = 0..routes.iter().count();
    match effect {
        Effect::ApplyRelease { slot, .. }
            if jobs::come_first(s, slot) && fault != Some(Fault::WorkloadsAtOnce) =>
        {
            jobs::make(s, 0, slot).into_iter().collect()
        }
        Effect::RunJobs(slot) => jobs::make(s, 1, slot).into_iter().collect(),
        Effect::RunStepJobs(slot) => gate_jobs::due(s).map(|after| Write::Test(slot, after)).collect(),
        Effect::RaiseWeight(weight) => {
            let shape = &world.budget.shape;
            let beside = (shape.previewed, shape.mirrored && weight < 100);
            let differs = |value: crate::world::Weights| {
                value.weight() != Some(weight) || (value.preview, value.mirror) != beside
            };
            let next = routes.iter().position(|route| differs(route.value));
            next.map(|index| Write::Route(index, Effect::RaiseWeight(weight))).into_iter().collect()
        }
        effect if effect.writes_routes() => all.map(|index| Write::Route(index, effect.clone())).collect(),
        effect => vec![Write::Effect(effect)],
    }
}

/// Faults that lie in the plan itself.
fn sow(s: &Snapshot, effect: Effect, fault: Option<Fault>) -> Option<Effect> {
    use Effect::{LowerWeight, Overlap, PointCandidate, PointLive, RaiseWeight};
    let returning = matches!(s.record.phase, Phase::Returning { .. });
    let promoting = matches!(s.record.phase, Phase::Promoting { .. });
    let begins = matches!(s.record.phase, Phase::Step(_)) && s.world.routes.form.highest() == 0;
    let apart = s.world.overlap.is_some_and(|overlap| !overlap.selected);
    Some(match (fault, effect) {
        (Some(Fault::BackByWeightsAlone), PointLive(_) | PointCandidate(_)) if returning => return None,
        (Some(Fault::BackThroughOverlap), PointLive(slot)) if returning && apart => Overlap(slot),
        (Some(Fault::OverlapEarly), RaiseWeight(_)) if begins && apart => Overlap(s.record.candidate?.slot),
        (Some(Fault::OverlapEarly), PointLive(_)) if begins => return None,
        (Some(Fault::LeaveBeforeTurning), PointLive(_)) if promoting => LowerWeight(0),
        (Some(Fault::Overshoot), RaiseWeight(_)) => RaiseWeight(100),
        (Some(Fault::SwitchEarly), PointCandidate(slot)) if !returning => PointLive(slot),
        (_, effect) => effect,
    })
}

fn sow_wake(wake_at: Option<Time>, fault: Option<Fault>) -> Option<Time> {
    match fault {
        Some(Fault::Sleeps) => None,
        Some(Fault::Oversleeps) => wake_at.map(|at| Time(at.0 + TICK)),
        _ => wake_at,
    }
}

fn sow_commit(mut record: Record, fault: Option<Fault>) -> Record {
    match (fault, &mut record.phase) {
        (Some(Fault::SkipStep), Phase::Step(place)) => {
            "full".clone_into(&mut place.step);
            place.weight = 100;
        }
        (Some(Fault::HoldForgets), Phase::Step(place)) => place.held = None,
        (Some(Fault::JobForgotten), _) => {
            let all = record.jobs.iter_mut().flat_map(|jobs| &mut jobs.each);
            all.filter(|job| job.state == JobState::Begun).for_each(|job| job.state = JobState::Due);
        }
        (Some(Fault::JumpUnwatched), Phase::Rest { .. }) => record.watch = None,
        _ => {}
    }
    record
}

pub(crate) fn successors(world: &World, fault: Option<Fault>, say: Say) -> After {
    let mut gather = Gather { world, say, out: Vec::new(), waits: false };
    writers(&mut gather, fault);
    in_flight(&mut gather, fault);
    catch_up(&mut gather);
    events::gather(&mut gather);
    let mut out = gather.out;
    for next in &mut out {
        settle_ages(&mut next.world);
        next.world.normalise();
    }
    out.retain(|next| next.world != *world || next.broken.is_some());
    After { next: out, waits: gather.waits }
}

/// Each write of each writer, at once; and A's also left in flight.
fn writers(gather: &mut Gather<'_>, fault: Option<Fault>) {
    let (world, say) = (gather.world, gather.say);
    for writer in [Writer::A, Writer::B] {
        let planned = ask_planner(world, writer, fault);
        if planned.rests && writer == Writer::B {
            sleep(gather, planned.wake_at, fault);
        }
        for write in planned.writes {
            if !may_issue(&world.truth, &write, planned.epoch, fault) {
                continue;
            }
            let issued = || check::issued(world, &write, planned.epoch, writer == Writer::B);
            let broken = planned.broken.clone().or_else(issued);
            let outdated = outdated(world, writer, &write);
            let mut next = world.clone();
            let landed = land_in(&mut next, &write, planned.epoch, outdated, fault);
            if writer == Writer::A && next.truth != world.truth {
                mark_unseen(&mut next.caches, &write);
            }
            let label = say.it(|| format!("{writer:?} writes {}", brief(&write)));
            gather.out.push(Next { label, world: next, broken: broken.clone().or(landed) });
            if world.in_flight.is_none() && world.budget.delays > 0 && writer == Writer::A {
                let mut next = world.clone();
                next.budget.delays -= 1;
                let label = say.it(|| format!("A's {} stays in flight", brief(&write)));
                next.in_flight = Some(InFlight { write, epoch: planned.epoch, outdated });
                gather.out.push(Next { label, world: next, broken });
            }
        }
    }
}

/// Nothing is written, and B looks again when it was told to.
fn sleep(gather: &mut Gather<'_>, wake_at: Option<Time>, fault: Option<Fault>) {
    let Rest { ends, broken } = wakes::rest(gather.world, wake_at, fault);
    gather.waits = ends;
    if broken.is_some() {
        let label = gather.say.it(|| "B sleeps".to_owned());
        gather.out.push(Next { label, world: gather.world.clone(), broken });
    }
}

/// Whether what the writer read (its cache) is no longer what is there. Raises read afresh, and so never are when issued.
fn outdated(world: &World, writer: Writer, write: &Write) -> bool {
    if writer == Writer::B || matches!(write, Write::Route(_, Effect::RaiseWeight(_))) {
        return false;
    }
    let (caches, truth) = (&world.caches, &world.truth);
    match kind(write) {
        Kind::Route(index) => {
            let at = |routes: &Routes| routes.iter().nth(index).map(|route| (route.value, route.epoch));
            at(&caches.routes) != at(&truth.routes)
        }
        Kind::Live => !caches.live.is_version(&truth.live),
        Kind::Candidate => !caches.candidate.is_version(&truth.candidate),
        Kind::Blue => same_pods(caches.slots[0], truth.blue),
        Kind::Green => same_pods(caches.slots[1], truth.green),
        Kind::Record | Kind::Other => false,
    }
}

fn same_pods(cached: Option<crate::world::Pods>, there: Option<crate::world::Pods>) -> bool {
    cached.map(|pods| (pods.revision, pods.epoch)) != there.map(|pods| (pods.revision, pods.epoch))
}

/// Lands a write, holds it against the invariants, and outdates what is in flight for the same object.
fn land_in(
    world: &mut World,
    write: &Write,
    epoch: u64,
    outdated: bool,
    fault: Option<Fault>,
) -> Option<Broken> {
    let before = world.truth.clone();
    if !land(&mut world.truth, write, epoch, outdated, fault) {
        return None;
    }
    outdate(world, kind(write));
    check::landed(&before, world, write)
}

pub(crate) fn outdate(world: &mut World, changed: Kind) {
    if let Some(late) = &mut world.in_flight
        && kind(&late.write) == changed
    {
        late.outdated = true;
    }
}

fn mark_unseen(caches: &mut Caches, write: &Write) {
    match kind(write) {
        Kind::Record => caches.unseen[0] = true,
        Kind::Route(_) => caches.unseen[1] = true,
        Kind::Live | Kind::Candidate => caches.unseen[2] = true,
        Kind::Blue | Kind::Green => caches.unseen[3] = true,
        Kind::Other => {}
    }
}

fn in_flight(gather: &mut Gather<'_>, fault: Option<Fault>) {
    let Some(late) = &gather.world.in_flight else { return };
    gather.push("the write in flight is lost", |w| w.in_flight = None);
    let mut world = gather.world.clone();
    world.in_flight = None;
    let broken = land_in(&mut world, &late.write, late.epoch, late.outdated, fault);
    let label = gather.say.it(|| format!("late {} lands", brief(&late.write)));
    gather.out.push(Next { label, world, broken });
}

fn catch_up(gather: &mut Gather<'_>) {
    gather.push("A sees the record", |w| w.caches.see_record(&w.truth));
    gather.push("A sees the routes", |w| w.caches.see_routes(&w.truth));
    gather.push("A sees the roles", |w| w.caches.see_roles(&w.truth));
    gather.push("A sees the pods", |w| w.caches.see_pods(&w.truth));
    if gather.world.budget.crashes > 0 {
        gather.push("A crashes and starts anew", |w| {
            w.budget.crashes -= 1;
            w.caches = Caches::fresh(&w.truth);
        });
    }
}

/// Pods that a proxy may send requests to, now or by what the API server has, have not been idle.
pub(crate) fn settle_ages(world: &mut World) {
    let proxies = world.proxies;
    let count = world.truth.routes.iter().count().max(1);
    let beside = proxies.beside.into_iter().filter(|there| *there).map(|_| Some(100));
    for weight in proxies.routes.into_iter().take(count).chain(beside) {
        for (slot, share) in shares(weight, proxies.live, proxies.candidate) {
            if share > 0
                && let Some(pods) = world.truth.slot_mut(slot.color)
                && pods.revision == slot.revision
            {
                pods.idle = 0;
                pods.open = world.budget.shape.lingers;
            }
        }
    }
}

fn brief(write: &Write) -> String {
    match write {
        Write::Commit(record) => format!("commit {} {:?}", record.epoch, record.phase),
        Write::Effect(effect) => format!("{effect:?}"),
        Write::Route(index, effect) => format!("{effect:?} of route {index}"),
        Write::Job(which, slot) => format!("Job {which} of {slot:?}"),
        Write::Test(slot, after) => format!("the step's Job of {slot:?}, due since epoch {after}"),
    }
}

/// One round without faults: B plans and writes all, pods get ready, proxies follow, time passes. True if nothing was written.
/// What is written is held against the invariants here, too.
pub(crate) fn calm_round(world: &mut World, fault: Option<Fault>) -> Result<bool, Broken> {
    world.in_flight = None;
    let planned = ask_planner(world, Writer::B, fault);
    let idle = planned.writes.is_empty();
    for write in planned.writes {
        if may_issue(&world.truth, &write, planned.epoch, fault) {
            land_in(world, &write, planned.epoch, false, fault).map_or(Ok(()), Err)?;
        }
    }
    for task in world.truth.tasks.iter_mut().flatten() {
        task.ended = task.ended.or(Some(true));
    }
    gate_jobs::end(&mut world.truth, true);
    for pods in [&mut world.truth.blue, &mut world.truth.green].into_iter().flatten() {
        (pods.ready, pods.down) = (!pods.broken, false);
    }
    if idle {
        world.tick();
    }
    settle_ages(world);
    world.normalise();
    Ok(idle)
}

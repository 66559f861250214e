//! What may happen next in a state.

use teal_plan::record::Phase;
use teal_plan::{Decision, Slot, lint, plan};

use crate::apply::{Kind, kind, land, may_issue};
use crate::check::{self, Broken};
use crate::fault::Fault;
use crate::view::{Writer, shares, snapshot};
use crate::world::{Budget, Caches, InFlight, Stored, Truth, World, Write};

/// A state that may follow, with what leads there and what it breaks.
pub(crate) struct Next {
    pub(crate) label: String,
    pub(crate) world: World,
    pub(crate) broken: Option<Broken>,
}

/// A plan's writes, and the epoch that they carry.
struct Planned {
    writes: Vec<Write>,
    epoch: u64,
    broken: Option<Broken>,
}

fn ask_planner(world: &World, by: Writer, fault: Option<Fault>) -> Planned {
    let snapshot = snapshot(world, by, fault);
    let plan = plan(&snapshot);
    let broken = lint::lint(&snapshot, &plan).into_iter().next().map(|violation| Broken {
        invariant: violation.invariant,
        detail: format!("lint: {}", violation.detail),
    });
    let wanted = match plan.decision {
        Decision::Rest => Vec::new(),
        Decision::Commit(commit) => vec![Write::Commit(Box::new(commit.record))],
        Decision::Act(effects) => effects.into_iter().map(Write::Effect).collect(),
    };
    let writes = wanted.into_iter().filter_map(|one| sow(&snapshot.record.phase, one, fault)).collect();
    Planned { writes, epoch: snapshot.record.epoch, broken }
}

/// Faults that lie in the plan itself.
fn sow(phase: &Phase, write: Write, fault: Option<Fault>) -> Option<Write> {
    use teal_plan::Effect::{LowerWeight, PointCandidate, PointLive, RaiseWeight};
    let returning = matches!(phase, Phase::Returning { .. });
    Some(match (fault, write) {
        (Some(Fault::BackByWeightsAlone), Write::Effect(PointLive(_) | PointCandidate(_))) if returning => {
            return None;
        }
        (Some(Fault::LeaveBeforeTurning), Write::Effect(PointLive(_)))
            if matches!(phase, Phase::Promoting { .. }) =>
        {
            Write::Effect(LowerWeight(0))
        }
        (Some(Fault::Overshoot), Write::Effect(RaiseWeight(_))) => Write::Effect(RaiseWeight(100)),
        (Some(Fault::SkipStep), Write::Commit(mut record)) => {
            if let Phase::Step(place) = &mut record.phase {
                "full".clone_into(&mut place.step);
                place.weight = 100;
            }
            Write::Commit(record)
        }
        (_, write) => write,
    })
}

/// Everything that may happen next.
pub(crate) fn successors(world: &World, fault: Option<Fault>) -> Vec<Next> {
    let mut out = Vec::new();
    writers(world, fault, &mut out);
    in_flight(world, fault, &mut out);
    catch_up(world, &mut out);
    proxies(world, &mut out);
    environment(world, &mut out);
    people(world, &mut out);
    for next in &mut out {
        settle_ages(&mut next.world);
        next.world.normalise();
    }
    out.retain(|next| next.world != *world || next.broken.is_some());
    out
}

fn push(out: &mut Vec<Next>, world: &World, label: impl Into<String>, change: impl FnOnce(&mut World)) {
    let mut next = world.clone();
    change(&mut next);
    out.push(Next { label: label.into(), world: next, broken: None });
}

/// Each write of each writer, at once; and A's also left in flight.
fn writers(world: &World, fault: Option<Fault>, out: &mut Vec<Next>) {
    for writer in [Writer::A, Writer::B] {
        let planned = ask_planner(world, writer, fault);
        for write in planned.writes {
            if !may_issue(&world.truth, &write, planned.epoch, fault) {
                continue;
            }
            let broken = planned.broken.clone().or_else(|| check::issued(&world.truth, &write));
            let mut next = world.clone();
            let landed = land_in(&mut next, &write, planned.epoch, outdated(world, writer, &write), fault);
            if writer == Writer::A && next.truth != world.truth {
                mark_unseen(&mut next.caches, &write);
            }
            let label = format!("{writer:?} writes {}", brief(&write));
            out.push(Next { label, world: next, broken: broken.clone().or(landed) });
            if world.in_flight.is_none() && world.budget.delays > 0 && writer == Writer::A {
                let mut next = world.clone();
                next.budget.delays -= 1;
                let outdated = outdated(world, writer, &write);
                let label = format!("A's {} stays in flight", brief(&write));
                next.in_flight = Some(InFlight { write, epoch: planned.epoch, outdated });
                out.push(Next { label, world: next, broken });
            }
        }
    }
}

/// Whether what the writer read (its cache) is no longer what is there. Raises read afresh, and so never are when issued.
fn outdated(world: &World, writer: Writer, write: &Write) -> bool {
    if writer == Writer::B || matches!(write, Write::Effect(teal_plan::Effect::RaiseWeight(_))) {
        return false;
    }
    let (caches, truth) = (&world.caches, &world.truth);
    let differs = |a: Stored<Option<Slot>>, b: Stored<Option<Slot>>| (a.value, a.epoch) != (b.value, b.epoch);
    match kind(write) {
        Kind::Routes => {
            (caches.routes.value, caches.routes.epoch) != (truth.routes.value, truth.routes.epoch)
        }
        Kind::Live => differs(caches.live, truth.live),
        Kind::Candidate => differs(caches.candidate, truth.candidate),
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
    check::landed(&before, &world.truth, write)
}

fn outdate(world: &mut World, changed: Kind) {
    if let Some(late) = &mut world.in_flight
        && kind(&late.write) == changed
    {
        late.outdated = true;
    }
}

fn mark_unseen(caches: &mut Caches, write: &Write) {
    match kind(write) {
        Kind::Record => caches.unseen[0] = true,
        Kind::Routes => caches.unseen[1] = true,
        Kind::Live | Kind::Candidate => caches.unseen[2] = true,
        Kind::Blue | Kind::Green => caches.unseen[3] = true,
        Kind::Other => {}
    }
}

fn in_flight(world: &World, fault: Option<Fault>, out: &mut Vec<Next>) {
    let Some(late) = &world.in_flight else { return };
    push(out, world, "the write in flight is lost", |w| w.in_flight = None);
    let mut next = world.clone();
    next.in_flight = None;
    let broken = land_in(&mut next, &late.write, late.epoch, late.outdated, fault);
    out.push(Next { label: format!("late {} lands", brief(&late.write)), world: next, broken });
}

fn catch_up(world: &World, out: &mut Vec<Next>) {
    push(out, world, "A sees the record", |w| w.caches.see_record(&w.truth));
    push(out, world, "A sees the routes", |w| w.caches.see_routes(&w.truth));
    push(out, world, "A sees the roles", |w| w.caches.see_roles(&w.truth));
    push(out, world, "A sees the pods", |w| w.caches.see_pods(&w.truth));
    if world.budget.crashes > 0 {
        push(out, world, "A crashes and starts anew", |w| {
            w.budget.crashes -= 1;
            w.caches = Caches::fresh(&w.truth);
        });
    }
}

fn proxies(world: &World, out: &mut Vec<Next>) {
    push(out, world, "proxies see the routes", |w| w.proxies.routes = w.truth.routes.value);
    push(out, world, "proxies see the live role's endpoints", |w| w.proxies.live = w.truth.live.value);
    push(out, world, "proxies see the candidate role's endpoints", |w| {
        w.proxies.candidate = w.truth.candidate.value;
    });
    push(out, world, "time passes", World::tick);
}

fn environment(world: &World, out: &mut Vec<Next>) {
    for blue in [true, false] {
        let name = if blue { "blue" } else { "green" };
        let pods = if blue { &world.truth.blue } else { &world.truth.green };
        let Some(pods) = pods else { continue };
        if !pods.ready && !pods.broken {
            push(out, world, format!("{name} gets ready"), |w| with_pods(w, blue, |p| p.ready = true));
        }
        let candidate = world.truth.record.live.is_some_and(|live| live.slot.revision != pods.revision);
        if world.budget.breaks > 0 && !pods.broken && candidate {
            push(out, world, format!("{name} breaks"), |w| {
                w.budget.breaks -= 1;
                with_pods(w, blue, |p| (p.ready, p.broken) = (false, true));
            });
        }
    }
    drift(world, out);
}

fn with_pods(world: &mut World, blue: bool, change: impl FnOnce(&mut crate::world::Pods)) {
    let slot = if blue { &mut world.truth.blue } else { &mut world.truth.green };
    if let Some(pods) = slot {
        change(pods);
    }
}

fn drift(world: &World, out: &mut Vec<Next>) {
    if world.budget.drifts == 0 {
        return;
    }
    let mut hand = |label: &str, before: bool, change: &dyn Fn(&mut Truth), touched: Kind| {
        push(out, world, label, |w| {
            w.budget.drifts -= 1;
            change(&mut w.truth);
            if touched == Kind::Routes {
                w.truth.foreign = Some(before);
            }
            outdate(w, touched);
        });
    };
    let weight = |value| move |truth: &mut Truth| (truth.routes.value, truth.routes.age) = (value, 0);
    hand("the owner re-applies the routes", true, &weight(None), Kind::Routes);
    hand("another hand sets weight 50", false, &weight(Some(50)), Kind::Routes);
    hand("another hand sets weight 0", false, &weight(Some(0)), Kind::Routes);
    hand(
        "the owner re-applies the Service's selector",
        true,
        &|t| (t.live.value, t.live.age) = (None, 0),
        Kind::Live,
    );
}

fn people(world: &World, out: &mut Vec<Next>) {
    let Budget { contents, cancels, guards, rollbacks, .. } = world.budget;
    if contents > 0 {
        push(out, world, "the spec asks for new content", |w| {
            w.budget.contents -= 1;
            w.truth.wanted = 1 + (3 - w.budget.contents.min(2));
        });
    }
    if cancels > 0 && world.truth.wanted != 1 {
        push(out, world, "the spec asks for the first content again", |w| {
            w.budget.cancels -= 1;
            w.truth.wanted = 1;
        });
    }
    if guards > 0 && !world.truth.guard_fails && world.truth.record.candidate.is_some() {
        push(out, world, "the guard's check fails", |w| {
            w.budget.guards -= 1;
            w.truth.guard_fails = true;
        });
    }
    if rollbacks > 0 && world.truth.rollback.is_none() {
        rollback(world, out);
    }
    if let Phase::Step(place) = &world.truth.record.phase
        && let Some(gate) = &place.gate
        && world.truth.approval.as_ref().is_none_or(|(nonce, _)| *nonce != gate.nonce)
    {
        push(out, world, "a person approves", |w| w.truth.approval = Some((gate.nonce.clone(), false)));
    }
}

fn rollback(world: &World, out: &mut Vec<Next>) {
    let record = &world.truth.record;
    let target = match &record.phase {
        Phase::Rest { .. } if record.previous.is_some() => record.live,
        Phase::Step(_) | Phase::Promoting { .. } => record.candidate,
        Phase::Rest { .. } | Phase::New | Phase::Installing { .. } | Phase::Returning { .. } => None,
    };
    if let Some(target) = target {
        push(out, world, "a person rolls back", |w| {
            w.budget.rollbacks -= 1;
            w.truth.rollback = Some((target.slot.revision, false));
        });
    }
}

/// Pods that a proxy may send requests to, now or by what the API server has, have not been idle.
fn settle_ages(world: &mut World) {
    let proxies = world.proxies;
    let by_proxies = shares(proxies.routes, proxies.live, proxies.candidate);
    for (color, pods) in
        [(teal_plan::Color::Blue, &mut world.truth.blue), (teal_plan::Color::Green, &mut world.truth.green)]
    {
        if let Some(pods) = pods {
            let slot = Slot { color, revision: pods.revision };
            if by_proxies.iter().any(|(to, share)| *to == slot && *share > 0) {
                pods.idle = 0;
            }
        }
    }
}

fn brief(write: &Write) -> String {
    match write {
        Write::Commit(record) => format!("commit {} {:?}", record.epoch, record.phase),
        Write::Effect(effect) => format!("{effect:?}"),
    }
}

/// One round without faults: B plans and writes all, pods get ready, proxies follow, time passes. True if nothing was written.
pub(crate) fn calm_round(world: &mut World, fault: Option<Fault>) -> bool {
    world.in_flight = None;
    let planned = ask_planner(world, Writer::B, fault);
    let idle = planned.writes.is_empty();
    for write in planned.writes {
        if may_issue(&world.truth, &write, planned.epoch, fault) {
            land(&mut world.truth, &write, planned.epoch, false, fault);
        }
    }
    for pods in [&mut world.truth.blue, &mut world.truth.green].into_iter().flatten() {
        pods.ready = !pods.broken;
    }
    if idle {
        world.tick();
    }
    settle_ages(world);
    world.normalise();
    idle
}

//! The invariants, held against every state and every write that lands.

use teal_plan::record::{Outcome, Phase, Record};
use teal_plan::settings::Mode;
use teal_plan::snapshot::{Action, Standing};
use teal_plan::{Color, Effect, Slot};

use crate::apply::{candidate_ready, serves};
use crate::gate_jobs;
use crate::jobs;
use crate::lingering;
use crate::model::{NOW, content, settings};
use crate::view::shares;
use crate::world::{DRAINED, PROPAGATED, Selects, Truth, World, Write};

/// An invariant that doesn't hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// Its id, as in the design; `share` for the share of requests that each revision gets at the proxies.
    pub invariant: &'static str,
    /// What is wrong.
    pub detail: String,
}

#[expect(clippy::unnecessary_wraps, reason = "every caller answers with an Option")]
pub(crate) fn broken(invariant: &'static str, detail: impl Into<String>) -> Option<Broken> {
    Some(Broken { invariant, detail: detail.into() })
}

/// Holds a state against what must always be so.
pub(crate) fn state(world: &World, disturbed: bool) -> Option<Broken> {
    let routes = &world.truth.routes;
    if world.truth.gone() && routes.weights().iter().any(Option::is_some) {
        return broken(
            "gone",
            format!("routes name the candidate of a Rollout that is no more: {:?}", routes.weights()),
        );
    }
    let proxies = &world.proxies;
    if let Some(broken) = beside(world, disturbed) {
        return Some(broken);
    }
    proxies.routes.into_iter().take(routes.iter().count().max(1)).find_map(|weight| {
        let shares = shares(weight, proxies.live, proxies.candidate);
        shares
            .iter()
            .filter(|(_, share)| *share > 0)
            .find_map(|(slot, _)| nowhere(&world.truth, *slot))
            .or_else(|| if disturbed { None } else { wrong_share(world, &shares) })
    })
}

/// Whoever asks for the candidate, and every copy, reaches pods that serve, and none of what was sent back. Copies are sent in a step
/// that asks for them alone.
fn beside(world: &World, disturbed: bool) -> Option<Broken> {
    let (truth, proxies) = (&world.truth, &world.proxies);
    if truth.gone() && truth.routes.beside().contains(&true) {
        return broken("gone", "a preview or a mirror leads to the candidate of a Rollout that is no more");
    }
    let copied = truth.routes.iter().any(|route| route.value.mirror);
    let reached = matches!(&truth.record.phase, Phase::Step(place) if place.reached.is_some());
    if copied && reached && !disturbed && !crate::view::mirrors(&truth.record.phase) {
        return broken("share", "copies are sent in a step that asks for none".to_owned());
    }
    let slot = proxies.candidate.filter(|_| proxies.beside.contains(&true))?;
    let live = truth.record.live.map(|live| live.slot);
    let over =
        matches!(truth.record.phase, Phase::Rest { outcome: Outcome::Promoted | Outcome::RolledBack(_) });
    nowhere(truth, slot).or_else(|| {
        let stray = over && !disturbed && live != Some(slot);
        stray
            .then(|| format!("{slot:?} is reached by a preview or a mirror at rest"))
            .and_then(|d| broken("share", d))
    })
}

/// Requests go to a slot whose pods were taken away.
fn nowhere(truth: &Truth, slot: Slot) -> Option<Broken> {
    if slot.revision.counter == 0 {
        // A role that a foreign hand turned away: nothing of ours was taken.
        return None;
    }
    match truth.slot(slot.color) {
        Some(pods) if pods.revision == slot.revision && (pods.ready || pods.broken || pods.down) => None,
        Some(pods) if pods.revision == slot.revision => {
            broken("I2", format!("requests reach {slot:?} before it serves"))
        }
        Some(_) | None => broken("I15", format!("requests reach {slot:?}, whose pods were deleted")),
    }
}

/// Once a phase says so, proxies must agree on who answers.
fn wrong_share(world: &World, shares: &[(Slot, u8)]) -> Option<Broken> {
    let record = &world.truth.record;
    let share = |slot: Slot| {
        shares.iter().filter(|(to, _)| *to == slot).map(|(_, share)| u32::from(*share)).sum::<u32>()
    };
    match &record.phase {
        // Before the live role is turned, a writer with a lagging cache may still send traffic towards live: safe, if idle.
        Phase::Promoting { .. }
            if world.truth.live.value.slot() == record.candidate.map(|candidate| candidate.slot) =>
        {
            let old = record.live?.slot;
            (share(old) > 0)
                .then(|| format!("{old:?} answers during promotion"))
                .and_then(|d| broken("share", d))
        }
        Phase::Rest { outcome: Outcome::Promoted | Outcome::RolledBack(_) } => {
            let live = record.live?.slot;
            (share(live) < 100)
                .then(|| format!("{live:?} is live and doesn't answer all"))
                .and_then(|d| broken("share", d))
        }
        Phase::Step(place) => {
            let candidate = record.candidate?.slot;
            (share(candidate) > u32::from(place.weight))
                .then(|| format!("{candidate:?} answers more than {} %", place.weight))
                .and_then(|d| broken("I14", d))
        }
        Phase::New
        | Phase::Installing { .. }
        | Phase::Rest { .. }
        | Phase::Promoting { .. }
        | Phase::Returning { .. } => None,
    }
}

/// Holds a write against what it may do, as it is issued. `fresh` is a writer that sees everything as it is.
pub(crate) fn issued(world: &World, write: &Write, epoch: u64, fresh: bool) -> Option<Broken> {
    let truth = &world.truth;
    if let Some(broken) = unasked(truth, write) {
        return Some(broken);
    }
    match write {
        Write::Route(_, Effect::RaiseWeight(weight)) if !candidate_ready(truth) => {
            broken("I2", format!("a raise to {weight} without endpoints"))
        }
        Write::Effect(Effect::PointLive(slot)) if fresh && !serves(truth, *slot) => {
            let now = truth.behind_live().into_iter().flatten();
            let now = now.into_iter().find(|now| now != slot && serves(truth, *now))?;
            broken(
                "I2",
                format!("the live role is turned from {now:?}, which serves, to {slot:?}, which doesn't"),
            )
        }
        Write::Effect(Effect::Overlap(slot))
            if epoch == truth.record.epoch && !goes_forward(&truth.record) =>
        {
            broken("I5", format!("both revisions behind the live role on the way back, not {slot:?} alone"))
        }
        Write::Commit(record) if epoch == truth.record.epoch => {
            let given_up = || lingering::given_up(world, record);
            gates(world, record)
                .or_else(given_up)
                .or_else(|| if fresh { reached(truth, record) } else { None })
        }
        Write::Job(which, slot) if fresh => jobs::made(truth, *which, *slot),
        Write::Test(slot, after) if fresh => gate_jobs::made(truth, *slot, *after),
        Write::Effect(Effect::ApplyRelease { slot, .. }) if fresh => jobs::workloads(world, *slot),
        Write::Effect(_) | Write::Route(..) | Write::Commit(_) | Write::Job(..) | Write::Test(..) => None,
    }
}

/// What the spec's mode forbids: anything while hands are off, a move forward in a pause.
fn unasked(truth: &Truth, write: &Write) -> Option<Broken> {
    let job = Effect::RunJobs(Slot { color: Color::Blue, revision: content(0).revision(0) });
    let effect = match write {
        Write::Commit(_) => return None,
        Write::Job(..) | Write::Test(..) => &job,
        Write::Effect(effect) | Write::Route(_, effect) => effect,
    };
    let live = truth.record.live.map(|live| live.slot);
    let forward = match effect {
        _ if matches!(write, Write::Test(..)) => true,
        Effect::RaiseWeight(_) | Effect::Overlap(_) => true,
        Effect::PointLive(slot) => goes_forward(&truth.record) && Some(*slot) != live,
        _ => false,
    };
    let forbidden = match truth.mode {
        Mode::Active => false,
        Mode::Paused => forward,
        Mode::HandsOff => !truth.deleting,
    };
    forbidden
        .then(|| format!("{effect:?} while the spec says {:?}", truth.mode))
        .and_then(|d| broken("mode", d))
}

/// What was kept is given up before its time only for what is wanted instead, or by the word of a person.
fn kept(truth: &Truth, after: &Record, retired: bool) -> Option<Broken> {
    let before = &truth.record;
    let given_up = before.previous.is_some() && after.previous.is_none() && !goes_back(after);
    let early = before.kept_until.is_some_and(|until| NOW < until);
    let wanted = before.live.is_some_and(|live| live.hash != content(truth.wanted));
    (given_up && early && !wanted && !retired && !truth.deleting)
        .then(|| format!("the old release was given up before {:?}", before.kept_until))
        .and_then(|d| broken("I3", d))
}

/// A step ends with its gates alone, or by the word of a person.
fn gates(world: &World, after: &Record) -> Option<Broken> {
    let truth = &world.truth;
    let shape = &world.budget.shape;
    let said = |action| truth.act.as_ref().is_some_and(|act| !act.answered && act.action == action);
    let before = &truth.record;
    if let Phase::Rest { .. } = before.phase {
        // A person who says Retire ends the watch with the same commit that gives the old release up.
        let given_up = before.previous.is_some() && after.previous.is_none() && !goes_back(after);
        let watched = before.watch.is_some() && truth.check == Standing::Pass;
        if let Some(broken) = kept(truth, after, said(Action::Retire)) {
            return Some(broken);
        }
        return (shape.jumps && given_up && !watched && !said(Action::Retire))
            .then(|| "the old release was given up while callers that jumped were not watched".to_owned())
            .and_then(|d| broken("I3", d));
    }
    let Phase::Step(place) = &before.phase else { return None };
    let settings = settings(truth.wanted, shape);
    let (at, step) = settings.step(&place.step)?;
    let on = match &after.phase {
        Phase::Step(next) => settings.step(&next.step).is_some_and(|(next, _)| next > at),
        Phase::Promoting { .. } => true,
        Phase::Rest { outcome } => *outcome == Outcome::Promoted,
        Phase::New | Phase::Installing { .. } | Phase::Returning { .. } => false,
    };
    if !on || said(Action::Skip) {
        return None;
    }
    if truth.mode != Mode::Active {
        return broken("mode", format!("step {} ended while the spec says {:?}", place.step, truth.mode));
    }
    if place.held.is_some() {
        return broken("checks", "a step that a person must decide on went on by itself");
    }
    if !step.checks.is_empty() && (truth.check != Standing::Pass || place.reached.is_none()) {
        return broken("checks", format!("step {} ended while its check was {:?}", place.step, truth.check));
    }
    if !step.jobs.is_empty() && !gate_jobs::passed(truth, place) {
        return broken("checks", format!("step {} ended before its Job ended well", place.step));
    }
    let approved = |nonce: &str| truth.approval.as_ref().is_some_and(|(given, _)| given == nonce);
    if step.approvals.is_some() && !place.gate.as_ref().is_some_and(|gate| approved(&gate.nonce)) {
        return broken("I6", format!("step {} ended without its approval", place.step));
    }
    None
}

/// A step counts as reached when all routes are at its weight.
fn reached(truth: &Truth, after: &Record) -> Option<Broken> {
    let at = |record: &Record| match &record.phase {
        Phase::Step(place) => place.reached.map(|_| place.weight),
        _ => None,
    };
    let weight = at(after).filter(|weight| at(&truth.record) != Some(*weight))?;
    if let Some(broken) = adopted(truth) {
        return Some(broken);
    }
    let short = truth.routes.iter().any(|route| route.value.weight() != Some(weight));
    short
        .then(|| format!("a step of {weight} % counts as reached with {:?}", truth.routes.weights()))
        .and_then(|d| broken("I8", d))
}

/// A weight that another hand gave, and Teal never, counts as a raise of Teal's.
fn adopted(truth: &Truth) -> Option<Broken> {
    let raised = truth.foreign.is_some_and(|hand| hand.raised);
    (raised && !was_there(&truth.record))
        .then(|| format!("what another hand raised counts as reached: {:?}", truth.routes.weights()))
        .and_then(|d| broken("I8", d))
}

/// The weight of the step was there once.
pub(crate) fn was_there(record: &Record) -> bool {
    match &record.phase {
        Phase::Step(place) => place.reached.is_some() || place.lost.is_some(),
        _ => false,
    }
}

const fn goes_back(record: &Record) -> bool {
    matches!(record.phase, Phase::Returning { .. })
}

const fn goes_forward(record: &Record) -> bool {
    matches!(record.phase, Phase::Step(_) | Phase::Promoting { .. })
}

/// Holds a landed write against what it may change.
pub(crate) fn landed(before: &Truth, world: &World, write: &Write) -> Option<Broken> {
    let after = &world.truth;
    epochs(before, after).or_else(|| match write {
        Write::Commit(_) => steps(before, world),
        Write::Effect(Effect::Vacate { color, .. }) => vacated(before, after, *color),
        Write::Effect(effect) => turned(before, after).or_else(|| overlapped(before, world, effect)),
        Write::Job(..) | Write::Test(..) => None,
        Write::Route(index, _) => uneven(before, after, *index).or_else(|| raised(before, after, *index)),
    })
}

fn epochs(before: &Truth, after: &Truth) -> Option<Broken> {
    let routes = before.routes.iter().zip(after.routes.iter()).map(|(old, new)| (old.epoch, new.epoch));
    let pairs = [
        (before.record.epoch, after.record.epoch),
        (before.live.epoch, after.live.epoch),
        (before.candidate.epoch, after.candidate.epoch),
    ];
    pairs
        .into_iter()
        .chain(routes)
        .any(|(old, new)| new < old)
        .then(|| "an epoch went back".to_owned())
        .and_then(|d| broken("I4", d))
}

/// Steps go up by one and start at the first. After a commit that was not compared, the same step may be seen twice.
fn steps(before: &Truth, world: &World) -> Option<Broken> {
    let after = &world.truth;
    if after.record.epoch <= before.record.epoch {
        return broken("I4", "a commit without a higher epoch");
    }
    let settings = settings(after.wanted, &world.budget.shape);
    let index = |truth: &Truth| match &truth.record.phase {
        Phase::Step(place) => settings.step(&place.step).map(|(index, _)| index),
        Phase::New
        | Phase::Installing { .. }
        | Phase::Rest { .. }
        | Phase::Promoting { .. }
        | Phase::Returning { .. } => None,
    };
    let jump = match (index(before), index(after)) {
        (Some(old), Some(new)) => new > old + 1,
        (None, Some(new)) => new > 0,
        (_, None) => false,
    };
    let promoting = |truth: &Truth| matches!(truth.record.phase, Phase::Promoting { .. });
    // A last step without any gate is the promotion itself.
    let led_up = index(before) == Some(1) || (world.budget.shape.bare && index(before) == Some(0));
    let unpromoted = promoting(after) && !promoting(before) && !led_up;
    if jump || unpromoted {
        return broken("I8", format!("{:?} → {:?}", before.record.phase, after.record.phase));
    }
    None
}

/// What serves, is kept or has not drained is not deleted.
fn vacated(before: &Truth, after: &Truth, color: Color) -> Option<Broken> {
    let gone = (*before.slot(color))?;
    if after.slot(color).is_some() {
        return None;
    }
    let slot = Slot { color, revision: gone.revision };
    let record = &before.record;
    let kept = [record.live, record.previous].iter().flatten().any(|release| release.slot == slot);
    let tried = matches!(record.phase, Phase::Step(_) | Phase::Promoting { .. })
        && record.candidate.is_some_and(|candidate| candidate.slot == slot);
    if kept || tried {
        return broken("I3", format!("{slot:?} was deleted while it serves, is tried or is kept"));
    }
    if gone.open {
        return lingering::cut(record, slot);
    }
    (gone.idle < DRAINED)
        .then(|| format!("{slot:?} was deleted {} ticks after its last request", gone.idle))
        .and_then(|d| broken("I15", d))
}

/// Whatever stood there before, what Teal writes sums to 100.
fn uneven(before: &Truth, after: &Truth, index: usize) -> Option<Broken> {
    let weights = |truth: &Truth| truth.routes.iter().nth(index).map(|route| route.value);
    let (old, new) = (weights(before)?, weights(after)?);
    let fits = new.live >= 0 && new.candidate.unwrap_or(0) >= 0 && new.sum() == 100;
    (old != new && !fits)
        .then(|| format!("{old:?} became {new:?}, which sums to {}", new.sum()))
        .and_then(|d| broken("I1", d))
}

/// After a rollback that is durable and stamped, the candidate's weight never rises; a raise is never above its step.
fn raised(before: &Truth, after: &Truth, index: usize) -> Option<Broken> {
    let route = |truth: &Truth| truth.routes.iter().nth(index).copied();
    let (old, new) = (route(before)?, route(after)?);
    let (was, is) = (old.value.weight().unwrap_or(0), new.value.weight().unwrap_or(0));
    if is <= was {
        return None;
    }
    let record = &before.record;
    // A writer with old caches may do that after a promotion: both roles are the same pods, so nobody gets another answer.
    let same = record.live.is_some_and(|live| {
        before.candidate.value == Some(live.slot) && before.live.value == Selects::Slot(live.slot)
    });
    match &record.phase {
        Phase::Rest { .. } if same => None,
        Phase::Rest { .. } | Phase::New | Phase::Installing { .. } => broken("I5", "the weight rose at rest"),
        Phase::Returning { .. } if old.epoch >= record.epoch => {
            broken("I5", "the weight rose after going back")
        }
        Phase::Step(place) if is > place.weight => {
            broken("I14", format!("{is} is above step {}", place.step))
        }
        Phase::Step(_) | Phase::Promoting { .. } | Phase::Returning { .. } => None,
    }
}

/// A role that was led home stays there.
fn turned(before: &Truth, after: &Truth) -> Option<Broken> {
    let live = before.record.live?.slot;
    // What another hand widened to both colors was not turned by whoever writes something else.
    let changed = before.live.value != after.live.value;
    let away = changed && before.live.value.reaches(live) && after.live.value.slot() != Some(live);
    let back = matches!(before.record.phase, Phase::Rest { .. })
        || (matches!(before.record.phase, Phase::Returning { .. })
            && before.live.epoch >= before.record.epoch);
    if away && back {
        return broken("I5", "the live role was turned away after going back");
    }
    let blind = away && after.live.value.slot().is_some_and(|slot| !serves(after, slot));
    let lost = after
        .live
        .value
        .slot()
        .is_some_and(|slot| after.slot(slot.color).is_none_or(|pods| !pods.broken && !pods.down));
    (blind && lost)
        .then(|| "the live role was turned to pods that don't serve".to_owned())
        .and_then(|d| broken("I2", d))
}

/// Where callers learn of other pods late, both revisions were selected for long enough before the live role is turned.
fn overlapped(before: &Truth, world: &World, effect: &Effect) -> Option<Broken> {
    let Effect::PointLive(slot) = effect else { return None };
    let forward = goes_forward(&before.record)
        && before.record.candidate.is_some_and(|candidate| candidate.slot == *slot);
    let long = before.live.value == Selects::Both && before.live.age >= PROPAGATED;
    let turned = before.live.value != world.truth.live.value;
    (world.budget.shape.overlaps && forward && turned && !long)
        .then(|| format!("the live role was turned to {slot:?} from {:?}", before.live))
        .and_then(|d| broken("overlap", d))
}

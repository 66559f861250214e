//! The invariants, held against every state and every write that lands.

use teal_plan::record::{Outcome, Phase};
use teal_plan::{Color, Effect, Slot};

use crate::apply::{candidate_ready, serves};
use crate::view::shares;
use crate::world::{Truth, World, Write, settings};

/// An invariant that doesn't hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// Its id, as in the design; `share` for the share of requests that each revision gets at the proxies.
    pub invariant: &'static str,
    /// What is wrong.
    pub detail: String,
}

#[expect(clippy::unnecessary_wraps, reason = "every caller answers with an Option")]
fn broken(invariant: &'static str, detail: impl Into<String>) -> Option<Broken> {
    Some(Broken { invariant, detail: detail.into() })
}

/// Holds a state against what must always be so.
pub(crate) fn state(world: &World, disturbed: bool) -> Option<Broken> {
    if world.truth.routes.value.is_some_and(|weight| weight > 100) {
        return broken("I1", "a weight above 100");
    }
    let shares = shares(world.proxies.routes, world.proxies.live, world.proxies.candidate);
    shares
        .iter()
        .filter(|(_, share)| *share > 0)
        .find_map(|(slot, _)| nowhere(&world.truth, *slot))
        .or_else(|| if disturbed { None } else { wrong_share(world, &shares) })
}

/// Requests go to a slot whose pods were taken away.
fn nowhere(truth: &Truth, slot: Slot) -> Option<Broken> {
    if slot.revision.counter == 0 {
        // A role that a foreign hand turned away: nothing of ours was taken.
        return None;
    }
    match truth.slot(slot.color) {
        Some(pods) if pods.revision == slot.revision && (pods.ready || pods.broken) => None,
        Some(pods) if pods.revision == slot.revision => {
            broken("I2", format!("requests reach {slot:?} before it serves"))
        }
        Some(_) | None => broken("I15", format!("requests reach {slot:?}, whose pods were deleted")),
    }
}

/// Once a phase says so, proxies must agree on who answers.
fn wrong_share(world: &World, shares: &[(Slot, u8); 2]) -> Option<Broken> {
    let record = &world.truth.record;
    let share = |slot: Slot| {
        shares.iter().filter(|(to, _)| *to == slot).map(|(_, share)| u32::from(*share)).sum::<u32>()
    };
    match &record.phase {
        // Before the live role is turned, a writer with a lagging cache may still send traffic towards live: safe, if idle.
        Phase::Promoting { .. }
            if world.truth.live.value == record.candidate.map(|candidate| candidate.slot) =>
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

/// Holds a write against what it may do, as it is issued.
pub(crate) fn issued(truth: &Truth, write: &Write) -> Option<Broken> {
    match write {
        Write::Effect(Effect::RaiseWeight(weight)) if !candidate_ready(truth) => {
            broken("I2", format!("a raise to {weight} without endpoints"))
        }
        Write::Effect(_) | Write::Commit(_) => None,
    }
}

/// Holds a landed write against what it may change.
pub(crate) fn landed(before: &Truth, after: &Truth, write: &Write) -> Option<Broken> {
    epochs(before, after).or_else(|| match write {
        Write::Commit(_) => steps(before, after),
        Write::Effect(Effect::Vacate { color, .. }) => vacated(before, after, *color),
        Write::Effect(_) => raised(before, after),
    })
}

fn epochs(before: &Truth, after: &Truth) -> Option<Broken> {
    let pairs = [
        (before.record.epoch, after.record.epoch),
        (before.routes.epoch, after.routes.epoch),
        (before.live.epoch, after.live.epoch),
        (before.candidate.epoch, after.candidate.epoch),
    ];
    pairs
        .iter()
        .any(|(old, new)| new < old)
        .then(|| "an epoch went back".to_owned())
        .and_then(|d| broken("I4", d))
}

/// Steps go up by one and start at the first. After a commit that was not compared, the same step may be seen twice.
fn steps(before: &Truth, after: &Truth) -> Option<Broken> {
    if after.record.epoch <= before.record.epoch {
        return broken("I4", "a commit without a higher epoch");
    }
    let index = |truth: &Truth| match &truth.record.phase {
        Phase::Step(place) => settings(truth.wanted).step(&place.step).map(|(index, _)| index),
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
    let unpromoted = matches!(after.record.phase, Phase::Promoting { .. }) && index(before) != Some(1);
    (jump || unpromoted)
        .then(|| format!("{:?} → {:?}", before.record.phase, after.record.phase))
        .and_then(|d| broken("I8", d))
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
    (gone.idle < 2)
        .then(|| format!("{slot:?} was deleted {} ticks after its last request", gone.idle))
        .and_then(|d| broken("I15", d))
}

/// After a rollback that is durable and stamped, the candidate's weight never rises; a raise is never above its step.
fn raised(before: &Truth, after: &Truth) -> Option<Broken> {
    let candidate = |truth: &Truth| truth.routes.value.unwrap_or(0);
    if candidate(after) <= candidate(before) {
        return turned(before, after);
    }
    let record = &before.record;
    match &record.phase {
        Phase::Rest { .. } | Phase::New | Phase::Installing { .. } => broken("I5", "the weight rose at rest"),
        Phase::Returning { .. } if before.routes.epoch >= record.epoch => {
            broken("I5", "the weight rose after going back")
        }
        Phase::Step(place) if candidate(after) > place.weight => {
            broken("I14", format!("{} is above step {}", candidate(after), place.step))
        }
        Phase::Step(_) | Phase::Promoting { .. } | Phase::Returning { .. } => None,
    }
}

/// A role that was led home stays there.
fn turned(before: &Truth, after: &Truth) -> Option<Broken> {
    let live = before.record.live?.slot;
    let away = before.live.value == Some(live) && after.live.value != Some(live);
    let back = matches!(before.record.phase, Phase::Rest { .. })
        || (matches!(before.record.phase, Phase::Returning { .. })
            && before.live.epoch >= before.record.epoch);
    if away && back {
        return broken("I5", "the live role was turned away after going back");
    }
    let blind = away && after.live.value.is_some_and(|slot| !serves(after, slot));
    let lost = after.live.value.is_some_and(|slot| after.slot(slot.color).is_none_or(|pods| !pods.broken));
    (blind && lost)
        .then(|| "the live role was turned to pods that don't serve".to_owned())
        .and_then(|d| broken("I2", d))
}

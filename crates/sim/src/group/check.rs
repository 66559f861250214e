//! What must hold for members of a group in every state.

use teal_plan::pact::Pact;
use teal_plan::record::{Phase, Record};

use super::{State, Walked, raises, uid};
use crate::apply::land;
use crate::check::{self, Broken, broken};
use crate::world::{Weights, Write};

/// Lands a write, and holds it against the invariants of its own Rollout and of the group.
pub(super) fn written(
    state: &mut State,
    own: usize,
    write: &Write,
    epoch: u64,
    walked: &Walked,
) -> Option<Broken> {
    let before = state.clone();
    let (world, was) = (state.members.get_mut(own)?, before.members.get(own)?);
    let issued = check::issued(was, write, epoch, true);
    if !land(&mut world.truth, write, epoch, false, None) {
        return issued;
    }
    let landed = check::landed(&was.truth, world, write);
    note_failure(state, own, &was.truth.record);
    issued.or(landed).or_else(|| match write {
        Write::Commit(record) => promised(&before, own, record),
        write if raises(write) => raised(&before, own, walked),
        _ => None,
    })
}

fn note_failure(state: &mut State, own: usize, was: &Record) {
    let Some(world) = state.members.get(own) else { return };
    let record = &world.truth.record;
    let tried = matches!(was.phase, Phase::Step(_) | Phase::Promoting { .. });
    let list = record.group.as_ref().map(|pact| pact.members.clone());
    let Some(noted) = state.failed.get_mut(own) else { return };
    match &record.phase {
        Phase::Returning { cause, .. } if tried && cause.rejects() => *noted = list,
        Phase::Step(_) if !tried => *noted = None,
        _ => {}
    }
}

/// A first weight of a step: all others of the list have promised what comes before it, none has gone back, and those of a lower
/// order have theirs.
fn raised(before: &State, own: usize, walked: &Walked) -> Option<Broken> {
    let record = &before.members.get(own)?.truth.record;
    let Phase::Step(place) = &record.phase else { return None };
    if check::was_there(record) {
        return None;
    }
    let at = |step: &str| usize::from(step != "canary");
    let index = at(&place.step);
    let order = |of: usize| walked.orders.get(of).copied().unwrap_or(0);
    for partner in before.partners(own) {
        let Some((member, other)) = partner else {
            return broken("group", "a raise although a member is gone");
        };
        if member.went_back(other) {
            return broken("group", format!("{own} raises although {} went back", member.name));
        }
        let pact = other.group.as_ref();
        let further = match &other.phase {
            Phase::Step(theirs) => at(&theirs.step) >= index && index > 0,
            _ => true,
        };
        let promised =
            |pact: &Pact| if index == 0 { pact.ready } else { pact.passed.contains(&"canary".to_owned()) };
        if !further && !pact.is_some_and(promised) {
            return broken("group", format!("{own} raises to {} % before {} may", place.weight, member.name));
        }
        let of = (0..before.members.len()).find(|of| uid(*of) == member.uid).unwrap_or(own);
        let there = match &other.phase {
            Phase::Step(theirs) => {
                at(&theirs.step) > index || (at(&theirs.step) == index && check::was_there(other))
            }
            _ => true,
        };
        if order(of) < order(own) && !there {
            return broken("order", format!("{own} raises before {}", member.name));
        }
    }
    None
}

/// What a commit promises is so, and nothing that was promised is taken back.
fn promised(before: &State, own: usize, after: &Record) -> Option<Broken> {
    let truth = &before.members.get(own)?.truth;
    let (was, now) = (truth.record.group.as_ref(), after.group.as_ref()?);
    // With making room for the next attempt the one before is over: what it promised, others have seen live or back.
    let same = truth.record.started == after.started && !now.begins;
    let kept = was.is_none_or(|was| {
        was.passed.iter().all(|step| now.passed.contains(step)) && (now.ready || !was.ready)
    });
    if same && !kept {
        return broken("promise", format!("{was:?} → {now:?}"));
    }
    let new = now.passed.iter().find(|step| was.is_none_or(|was| !was.passed.contains(step)));
    let weight = |step: &str| if step == "canary" { 10 } else { 100 };
    if let Some(step) = new.filter(|_| same) {
        let there = truth.routes.iter().all(|route| route.value.weight() == Some(weight(step)));
        let approved = step != "canary" || truth.approval.is_some();
        if !there || !approved {
            return broken("promise", format!("{own} promises {step}, whose gates are not met"));
        }
    }
    let was = was.filter(|was| same && !was.members.is_empty())?;
    let chosen = before.partners(own).all(|partner| {
        partner.is_some_and(|(member, record)| {
            record.started == member.started && record.group.as_ref().is_some_and(|theirs| theirs.agrees(was))
        })
    });
    (chosen && !now.agrees(was))
        .then(|| format!("{own} leaves the list that all have: {:?}", now.members))
        .and_then(|d| broken("list", d))
}

/// All rest at home, and nobody is live with what one that went with it failed in.
pub(super) fn settled(state: &State) -> Result<(), Broken> {
    for (own, world) in state.members.iter().enumerate().filter(|(_, world)| !world.truth.gone()) {
        let record = &world.truth.record;
        let home = record.live.map(|live| live.slot);
        let at_rest = matches!(record.phase, Phase::Rest { .. })
            && world.truth.live.value.slot() == home
            && world.truth.routes.iter().all(|route| route.value == Weights::OWNERS);
        if !at_rest {
            let detail = format!("{own} stands still in {:?} with {:?}", record.phase, record.group);
            return Err(Broken { invariant: "settles", detail });
        }
    }
    for member in state.failed.iter().flatten().flatten() {
        let there = (0..state.members.len()).find(|of| uid(*of) == member.uid);
        let live = there.and_then(|of| state.members.get(of)?.truth.record.live);
        if live.is_some_and(|live| live.slot.revision == member.revision) {
            let detail = format!("{} stays live although one that went with it failed", member.name);
            return Err(Broken { invariant: "together", detail });
        }
    }
    Ok(())
}

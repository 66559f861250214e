//! Connections that outlive their requests: what metrics say of them, when the last one ends, and what must hold before their pods go.

use teal_plan::record::Record;
use teal_plan::snapshot::{Action, CheckSeen, Standing};
use teal_plan::{CONNECTIONS, Color, Slot, Span};

use crate::act::Gather;
use crate::check::{Broken, broken};
use crate::fault::Fault;
use crate::model::{LINGER, NOW, TICK};
use crate::world::{Truth, World};

/// What metrics say of the color beside live.
pub(crate) fn counted(truth: &Truth, fault: Option<Fault>) -> (String, CheckSeen) {
    let other = truth.record.live.map(|live| live.slot.color.other());
    let open = other.and_then(|color| *truth.slot(color)).is_some_and(|pods| pods.open);
    let standing = if open && fault != Some(Fault::OpenIsNone) { Standing::Pending } else { Standing::Pass };
    let seen =
        CheckSeen { standing, place: None, detail: String::new(), trouble: None, good: true, answered: true };
    (CONNECTIONS.to_owned(), seen)
}

/// The last one ends, once no request opens another. Before anybody asks it makes no difference.
pub(crate) fn gather(gather: &mut Gather<'_>) {
    if gather.world.truth.record.leaving.is_none_or(|leaving| leaving.over) {
        return;
    }
    for color in [Color::Blue, Color::Green] {
        if gather.world.truth.slot(color).is_some_and(|pods| pods.open && pods.idle > 0) {
            gather.push("the last connection ends", |w| {
                if let Some(pods) = w.truth.slot_mut(color) {
                    pods.open = false;
                }
            });
        }
    }
}

/// They are given up only where all have ended, their time is over, or a person says so.
pub(crate) fn given_up(world: &World, after: &Record) -> Option<Broken> {
    let truth = &world.truth;
    let over = |record: &Record| record.leaving.is_some_and(|leaving| leaving.over);
    let color = truth.record.live?.slot.color.other();
    let pods = truth.slot(color).as_ref().filter(|pods| pods.open)?;
    let late = truth.record.vacate_after.is_some_and(|from| NOW >= from + Span(LINGER * TICK));
    let said = truth.act.as_ref().is_some_and(|act| act.action == Action::Retire && !act.answered);
    let slot = Slot { color, revision: pods.revision };
    (over(after) && !over(&truth.record) && !late && !said)
        .then(|| format!("open connections of {slot:?} are given up"))
        .and_then(|d| broken("I15", d))
}

/// Pods with open connections go only once that was committed.
pub(crate) fn cut(record: &Record, slot: Slot) -> Option<Broken> {
    let over = record.leaving.is_some_and(|leaving| leaving.over);
    (!over).then(|| format!("{slot:?} was deleted with open connections")).and_then(|d| broken("I15", d))
}

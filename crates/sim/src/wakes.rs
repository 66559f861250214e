//! Whether a plan that does nothing asks to be woken before time alone would have it do something: nothing else brings about
//! the look in which it would.

use teal_plan::{Decision, Time, plan};

use crate::check::{Broken, broken};
use crate::fault::Fault;
use crate::model::{NOW, TICK};
use crate::view::{Writer, snapshot};
use crate::world::{DRAINED, World};

/// How a rest ends if nothing happens but that time passes.
pub(crate) struct Rest {
    /// Time alone ends it.
    pub(crate) ends: bool,
    /// It ends without anybody's being awake.
    pub(crate) broken: Option<Broken>,
}

/// Holds what a writer that sees everything as it is was told, when to look again, against the first tick at which the planner
/// wants something.
pub(crate) fn rest(world: &World, wake_at: Option<Time>, fault: Option<Fault>) -> Rest {
    let mut later = world.clone();
    later.in_flight = None;
    // No planner sees it, and so it needs no tick of its own.
    for pods in [&mut later.truth.blue, &mut later.truth.green].into_iter().flatten() {
        pods.idle = DRAINED;
    }
    let mut ticks = 0;
    loop {
        let before = later.truth.clone();
        later.tick();
        ticks += 1;
        // All that time changes lies at the end of what rules look at.
        if later.truth == before {
            return Rest { ends: false, broken: None };
        }
        if plan(&snapshot(&later, Writer::B, fault)).decision != Decision::Rest {
            return Rest { ends: true, broken: asleep(world, wake_at, ticks) };
        }
    }
}

fn asleep(world: &World, wake_at: Option<Time>, ticks: i64) -> Option<Broken> {
    let awake = wake_at.is_some_and(|at| at.0 <= NOW.0 + ticks * TICK);
    let phase = &world.truth.record.phase;
    (!awake)
        .then(|| format!("{ticks} ticks end the rest in {phase:?}, and the next look is at {wake_at:?} (now is {NOW:?})"))
        .and_then(|d| broken("wakes", d))
}

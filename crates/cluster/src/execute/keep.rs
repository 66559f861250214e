//! What is kept up whatever else is planned.

use teal_api::Rollout;
use teal_plan::settings::Mode;

use super::{Order, Tools, likeness, owners, policies};
use crate::error::Error;
use crate::observe::Seen;

/// What holds for a host and how it is reached, while the candidate's is named, and who goes with the Rollout. But not where
/// the spec says to write nothing.
pub(crate) async fn up(tools: &Tools, rollout: &Rollout, seen: &Seen) -> Result<(), Error> {
    let held_off = seen.snapshot.world.stale || seen.snapshot.settings.mode == Mode::HandsOff;
    let Some(filled) = seen.filled.as_ref().filter(|_| !held_off) else { return Ok(()) };
    let order = Order::of(rollout, seen, filled);
    if seen.rules_outdated {
        policies::make(tools, &order).await?;
    }
    if seen.unlike_live {
        likeness::make(tools, &order).await?;
    }
    if seen.owners_differ {
        owners::make(tools, &order).await?;
    }
    Ok(())
}

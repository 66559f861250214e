//! What is kept up whatever else is planned.

use teal_api::Rollout;
use teal_plan::settings::Mode;

use super::{Done, Order, Tools, likeness, owners, policies};
use crate::error::Error;
use crate::observe::Seen;

/// What holds for a host and how it is reached, while the candidate's is named, and who goes with the Rollout. But not where
/// the spec says to write nothing.
pub(crate) async fn up(tools: &Tools, rollout: &Rollout, seen: &Seen) -> Vec<Done> {
    if seen.snapshot.world.stale || seen.snapshot.settings.mode == Mode::HandsOff {
        return Vec::new();
    }
    let order = Order::of(rollout, seen);
    let mut done = Vec::new();
    if seen.rules_outdated {
        done.push(tried("KeepRules", policies::keep(tools, &order).await));
    }
    if seen.unlike_live {
        done.push(tried("KeepLikeness", likeness::make(tools, &order).await));
    }
    if seen.owners_differ {
        done.push(tried("KeepOwners", owners::make(tools, &order).await));
    }
    done
}

/// A write without an answer is simply tried again: it is compared with what is there.
const fn tried(effect: &'static str, result: Result<bool, Error>) -> Done {
    Done { effect, result, unsure: None }
}

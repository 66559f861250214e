//! What is kept up whatever else is planned.

use std::sync::PoisonError;

use teal_api::Rollout;
use teal_plan::settings::Mode;

use super::{Done, Order, Tools, likeness, owners, policies, ports, revision};
use crate::observe::Seen;

/// Where the ports of role Services lead; what holds for a host and how it is reached, while the candidate's is named; and who goes
/// with the Rollout. But not where the spec says to write nothing. With it what is to be told of ports that another hand changed.
pub(crate) async fn up(tools: &Tools, rollout: &Rollout, seen: &Seen) -> (Vec<Done>, Vec<String>) {
    let mut done = Vec::new();
    if seen.snapshot.world.stale || seen.snapshot.settings.mode == Mode::HandsOff {
        return (done, Vec::new());
    }
    let order = Order::of(rollout, seen);
    // First of all: requests may miss the pods meanwhile.
    if seen.ports_differ {
        done.push(Done::of("KeepPorts", ports::make(tools, &order).await));
    }
    if seen.rules_outdated {
        done.push(Done::of("KeepRules", policies::keep(tools, &order).await));
    }
    if seen.unlike_live {
        done.push(Done::of("KeepLikeness", likeness::make(tools, &order).await));
    }
    if seen.owners_differ {
        done.push(Done::of("KeepOwners", owners::make(tools, &order).await));
    }
    if seen.contents_stray {
        done.push(Done::of("KeepContents", revision::claim(tools, &order).await));
    }
    (done, order.ports.into_inner().unwrap_or_else(PoisonError::into_inner))
}

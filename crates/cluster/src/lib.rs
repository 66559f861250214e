//! Watches, stores, observing, carrying out effects, the leader lease and Events.
//!
//! ```text
//! API server ─watch→ stores ─observe→ Snapshot ─plan→ Plan ─→ either one status commit (compare-and-set)
//!      ↑               ↑ answers to our own writes, verdicts of checks    or effects of the committed phase
//!      └───────────────┴──────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! | room | holds |
//! |---|---|
//! | `stores` | one watch per kind, a cache each, and whom a change concerns |
//! | `observe` | from caches to the planner's snapshot |
//! | `rendering` | a release as it should stand, and whether it does |
//! | `reconcile`, `agenda`, `queue` | one look: observe, plan, then commit or act; whose turn it is |
//! | `orphans` | Decisions for a Rollout that is not there |
//! | `execute` | effects, a file per group, each with its precondition |
//! | `status`, `events` | what is said |
//! | `checks` | what is asked of metrics; who asks comes from outside |
//! | `charts` | which chart is to be rendered; who renders comes from outside |
//! | `values` | what a chart takes from ConfigMaps, put into the release before a look |
//! | `lease` | who acts |
//! | `access` | the one door to the API server: bounded and counted |

mod access;
mod agenda;
mod charts;
mod checks;
mod cluster;
mod config;
mod epochs;
mod error;
mod events;
mod evidence;
mod execute;
mod json;
mod kinds;
mod lease;
mod memory;
mod met;
mod metrics;
mod observe;
mod orphans;
mod queue;
mod reconcile;
mod refusals;
mod rendering;
mod room;
mod selector;
mod status;
mod stores;
#[cfg(test)]
mod tests;
mod values;

pub use access::Requests;
pub use charts::{ChartSeen, Charting, Charts, Discovery, Serves, Wanted};
pub use checks::{Measuring, Poker, Question, Questions, Subject, Unmeasured};
pub use cluster::{Cluster, Probe};
pub use config::{Config, StopSwitch};
pub use error::{Class, Error};
pub use lease::LeaseConfig;
pub use metrics::{Counter, Figures, LOOK_BUCKETS, Looks, RolloutFigures};

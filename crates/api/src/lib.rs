//! The types of the API: `Rollout` and `Decision`, names, conditions and reasons, defaults, the human verbs.
//!
//! - [`rollout`] and [`decision`]: the two kinds.
//! - [`defaults`]: a spec with everything filled in and read ([`defaults::filled`]).
//! - [`names`]: every label, annotation, field manager and limit.
//! - [`conditions`]: condition types, reasons, phases.
//! - [`verbs`]: Decisions made from what a Rollout shows.
//! - [`crd`]: the definitions as files.
#![allow(clippy::duplicated_attributes, reason = "several printer columns have the same type")]

pub mod conditions;
pub mod crd;
pub mod decision;
pub mod defaults;
pub mod duration;
pub mod names;
pub mod rollout;
mod schema;
pub mod threshold;
pub mod verbs;
pub mod window;
mod words;

pub use decision::{Action, DecidedBy, Decision, DecisionSpec, DecisionStatus, RolloutReference};
pub use rollout::{Release, Rollout, RolloutSpec, RolloutStatus};

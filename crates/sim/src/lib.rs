//! A model of the world around the planner, walked exhaustively.
//!
//! The planner in it is the very [`teal_plan::plan`] that the operator links. Around it the model has what can go wrong:
//!
//! ```text
//!   people, pods, foreign hands ──► Truth (API server) ──lags, per kind──► caches of writer A ──► plan() ─┐
//!                                     ▲   │                                                              │
//!                                     │   └─────────── always fresh ─────► writer B ──► plan() ──────────┤
//!                                     └── at once │ late, after anything else │ lost ◄── writes ─────────┘
//!   Truth ──lags by the propagation wait, per kind──► proxies
//! ```
//!
//! A writer may stop between planning and writing, and its write may land after any other. Every state that can be
//! reached within the budget of faults is held against the invariants of [`check`].

mod act;
mod apply;
pub mod check;
mod edit;
mod events;
pub mod explore;
pub mod fault;
mod gate_jobs;
pub mod group;
mod jobs;
mod lingering;
pub mod model;
mod time;
mod view;
mod wakes;
pub mod world;

pub use explore::{Bounds, Found, explore};
pub use fault::Fault;
pub use model::{Budget, Shape};

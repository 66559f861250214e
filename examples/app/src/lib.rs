//! The small application that the demo and the end-to-end tests ship: it answers with its version, counts what it answers,
//! misbehaves on request, and ends without a failed request. The binary `shop` is this library with ports; tests may also run
//! it in their own process.

mod client;
mod error;
mod metrics;
pub mod queue;
mod session;
mod settings;
mod shop;
mod state;
mod switches;
mod tls;
mod web;

pub use client::{Caller, tick, work};
pub use error::AppError;
pub use metrics::{Kind, Metrics};
pub use session::{GRPC_PATH, Note};
pub use settings::{Identity, Settings};
pub use shop::Shop;
pub use switches::{Fate, NAMES, Switches};

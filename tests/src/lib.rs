//! Everything that needs a cluster: the demo, the end-to-end stories, and what they stand on.
//!
//! - [`world`]: a bed or somebody's cluster, Teal installed by its chart, the application of `examples/shop`.
//! - [`observe`]: objects, answers and counters, watched from outside.
//! - [`bench`]: `cargo xtask bench`.
//! - [`demo`]: `cargo xtask demo`.
//! - [`history`]: every version of every object, held against the invariants.
//! - [`server`]: what runs on an API server alone.
//! - [`stories`]: what `cargo xtask test` runs on a cluster.

pub mod bench;
pub mod demo;
pub mod error;
pub mod history;
pub mod observe;
pub mod server;
pub mod stories;
pub mod world;

pub use error::{Error, Result};

//! Load and shares: what a user behind the gateway gets while a release moves.
//!
//! * [`Load`] sends requests through an HTTP gateway, from keep-alive clients and from clients that open a connection per
//!   request, at a constant rate or as fast as answers come. It never retries: whatever isn't the expected 200 in time is a
//!   [`Failure`].
//! * [`Record`] is what came back, in buckets of 10 ms by version (from the header `x-version`), so that a share, a failure or
//!   the last answer of a version can be asked for between any two instants, also while the load runs.
//! * [`Sessions`] are long-lived connections (WebSocket, gRPC stream, raw TCP) that ping all the time and notice when they are
//!   cut.
//!
//! Everything is bounded in memory and time, stops when asked to and when dropped. Dev only: nothing that ships uses it.
//!
//! ```no_run
//! # async fn example() -> Result<(), teal_load::LoadError> {
//! use std::time::Instant;
//! use teal_load::{Load, LoadOptions};
//!
//! let load = Load::start(LoadOptions::new(([127, 0, 0, 1], 80).into(), "shop.example"))?;
//! let raised = Instant::now();
//! // … the weight goes to 10 % …
//! let step = load.record().tally(raised, Instant::now());
//! assert_eq!(step.failed(), 0);
//! let candidate_percent = 100.0 * step.share("v2").unwrap_or_default();
//! let record = load.stop().await?;
//! # let _ = (record, candidate_percent);
//! # Ok(())
//! # }
//! ```

mod client;
mod error;
mod load;
mod outcome;
mod pacer;
mod record;
mod series;
mod session;

pub use error::LoadError;
pub use load::{Load, LoadOptions};
pub use outcome::{Failure, Latency, Tally, Why, Window};
pub use record::Record;
pub use series::BUCKET;
pub use session::{PING_EVERY, Route, SessionKind, SessionReport, SessionTarget, Sessions};

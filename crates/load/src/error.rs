//! What can go wrong outside of a request, whose failures are results and not errors.

use std::time::Duration;

use crate::SessionKind;

/// A failed operation of the load generator.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Host or path can't stand in a request.
    #[error("{field} {value:?} can't stand in a request: {source}")]
    Request {
        /// `host` or `path`.
        field: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        source: hyper::http::Error,
    },
    /// The thread that sends can't be started.
    #[error("can't start the load's thread: {0}")]
    Thread(std::io::Error),
    /// The thread that sends ended by a fault of its own; its record can't be trusted.
    #[error("the load's thread ended before it was asked to")]
    Died,
    /// A session can't be opened.
    #[error("{kind} session to {to}: {why}")]
    Open {
        /// Which of the three.
        kind: SessionKind,
        /// Address and host.
        to: String,
        /// What was seen.
        why: String,
    },
    /// Sessions didn't end in time.
    #[error("{open} sessions were still open {after:?} after they were asked to end")]
    Close {
        /// How many.
        open: usize,
        /// The bound.
        after: Duration,
    },
}

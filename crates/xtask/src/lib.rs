//! The project's tasks. `cargo xtask --help` is the list of verbs.
//!
//! Everything that can be judged without acting is a function over data (`rooms`, the counts in
//! `test`, the pages in `generate`); what acts is thin and starts ordinary programs.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task speaks to the person at the terminal; there is no log to write to instead"
)]

pub mod chain;
pub mod command;
pub mod error;
pub mod generate;
pub mod image;
pub mod rights;
pub mod rooms;
pub mod server;
pub mod stories;
pub mod test;
pub mod workspace;

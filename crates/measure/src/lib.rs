//! Prometheus queries to numbers.
//!
//! The operator's configuration names the [`Sources`]; checks choose one by name and give PromQL,
//! never an address ([`SourceConfig`]). [`render_query`] fills a query's placeholders so that a value
//! can't change what the query means, [`Source::query`] asks once, and [`Measurer`] asks for many
//! Rollouts at a time, each question once. What an answer is worth is said by `teal-judge`.

mod answer;
mod instant;
mod measurer;
mod placeholder;
mod prometheus;
mod source;

pub use instant::{aligned, next_aligned};
pub use measurer::{Answer, Bounds, Measurer, Request};
pub use placeholder::{PlaceholderError, Variables, check_query, render_query};
pub use prometheus::LARGEST_ANSWER;
pub use source::{Source, SourceConfig, SourceError, Sources, Usable};

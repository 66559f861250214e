//! The statistics: numbers in, a verdict out. Pure.
//!
//! A check asks a metrics source for one number at regular instants. This crate says what each
//! answer means ([`judge_sample`]), folds the answers of one step into a small state
//! ([`CheckState`]) and says what that state amounts to ([`Standing`]). It knows neither where the
//! numbers come from nor what follows from a verdict, and it has no clock: every instant is given.

mod number;
mod sample;
mod state;
mod threshold;
mod wording;

pub use number::Number;
pub use sample::{Check, NoData, OnBlind, Outcome, Problem, ProblemKind, Sample, Verdict, judge_sample};
pub use state::{CheckState, Standing};
pub use threshold::{Limit, Threshold, ThresholdError, Unit};
pub use wording::{format_duration, format_number, format_value};

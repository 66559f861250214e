//! What one answer of a metrics source means for a check.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Number, Threshold};

/// How a check is judged. What is asked, and how often, is not this crate's matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The range that values must keep to.
    pub threshold: Threshold,
    /// Milliseconds after the step's weight was observed before a good sample counts: an answer
    /// given earlier mostly speaks of the time before the step.
    pub delay_ms: u64,
    /// Good samples in a row before the check passes. Zero means one: nothing passes unasked.
    pub passes: u32,
    /// Bad samples in a row before the check fails. Zero means one.
    pub failures: u32,
    /// What an empty answer means.
    pub no_data: NoData,
    /// Milliseconds without a usable answer before the check counts as blind.
    pub blind_limit_ms: u64,
    /// What follows from being blind.
    pub on_blind: OnBlind,
}

impl Check {
    /// A check with the API's defaults beside its threshold.
    pub fn new(threshold: Threshold) -> Self {
        Self {
            threshold,
            delay_ms: 30_000,
            passes: 3,
            failures: 1,
            no_data: NoData::Wait,
            blind_limit_ms: 300_000,
            on_blind: OnBlind::Hold,
        }
    }
}

/// What an empty answer (no series, or NaN) means. There is no `Pass`: no evidence, no promotion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NoData {
    /// Nothing is known yet: neither good nor bad.
    #[default]
    Wait,
    /// The number is 0, for counters that are absent until the first error.
    Zero,
    /// The sample is bad, for numbers that must always be there.
    Fail,
}

/// What follows when a check had no usable answer for its blind limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OnBlind {
    /// The rollout stays where it is and a person decides.
    #[default]
    Hold,
    /// The rollout goes back.
    Rollback,
}

/// What came of asking a metrics source once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// One number.
    Value(Number),
    /// The source answered that it has no number: no series, or NaN.
    NoData,
    /// There is no answer that could be used.
    Error(Problem),
}

impl Outcome {
    /// The outcome of a number as a source gave it: NaN (0/0 where nothing happened) is no data.
    pub fn from_value(value: f64) -> Self {
        Number::new(value).map_or(Self::NoData, Self::Value)
    }
}

/// Why there is no usable answer, in one sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// The kind, for programs.
    pub kind: ProblemKind,
    message: String,
}

impl Problem {
    /// Longest message in bytes. Problems are part of states that must stay small.
    pub const LONGEST_MESSAGE: usize = 300;

    /// A problem with its sentence, which is cut at [`Self::LONGEST_MESSAGE`] and freed from control
    /// characters: parts of it may come from the other end of a connection.
    pub fn new(kind: ProblemKind, message: impl AsRef<str>) -> Self {
        let mut kept = String::new();
        for character in message.as_ref().chars() {
            if kept.len() + character.len_utf8() > Self::LONGEST_MESSAGE - '…'.len_utf8() {
                kept.push('…');
                break;
            }
            kept.push(if character.is_control() { ' ' } else { character });
        }
        Self { kind, message: kept }
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// Kinds of [`Problem`]. What a person must mend differs: the query, the source, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProblemKind {
    /// The source refuses the query, or a placeholder in it is unknown: the query must be mended.
    QueryInvalid,
    /// The query answers more than one series: it must aggregate.
    SeveralSeries,
    /// The check names a source that the operator's configuration doesn't have.
    SourceUnknown,
    /// The source's own configuration doesn't work, such as an unreadable token file.
    SourceMisconfigured,
    /// No connection to the source.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The source refuses Teal's credentials.
    Denied,
    /// The source answered with an HTTP status that isn't an answer.
    BadStatus,
    /// The answer isn't what a Prometheus says.
    Garbled,
    /// The answer is larger than Teal reads.
    TooLarge,
}

/// One answer, and the instant it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// The instant the source was asked about, in milliseconds since 1970; not when it answered.
    pub at_ms: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What one sample says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// The number keeps to the threshold.
    Pass,
    /// It doesn't, or there is none where there must be one.
    Fail,
    /// There is no number, which says nothing.
    Inconclusive,
    /// There is no usable answer, which says nothing either but wants mending.
    Error,
}

impl Verdict {
    /// Whether the sample says anything about the release.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Pass | Self::Fail)
    }
}

/// What an outcome means for a check, looked at alone.
pub fn judge_sample(check: &Check, outcome: &Outcome) -> Verdict {
    match (outcome, check.no_data) {
        (Outcome::Value(value), _) => judge_number(check, *value),
        (Outcome::NoData, NoData::Zero) => judge_number(check, Number::ZERO),
        (Outcome::NoData, NoData::Wait) => Verdict::Inconclusive,
        (Outcome::NoData, NoData::Fail) => Verdict::Fail,
        (Outcome::Error(_), _) => Verdict::Error,
    }
}

fn judge_number(check: &Check, value: Number) -> Verdict {
    if check.threshold.holds(value) { Verdict::Pass } else { Verdict::Fail }
}

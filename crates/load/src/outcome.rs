//! What is told about requests: failures one by one, counts, latencies.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::series::Sum;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Why {
    /// An answer, but not 200.
    Status(u16),
    /// No complete answer in time.
    Timeout,
    /// No connection.
    Connect(String),
    /// The connection ended or spoke something else than HTTP before the answer was complete.
    Broken(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(f, "answered {code}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Connect(why) => write!(f, "no connection: {why}"),
            Self::Broken(why) => write!(f, "connection broke: {why}"),
        }
    }
}

/// A request that didn't get the expected 200 in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When it was sent.
    pub sent: Instant,
    /// When it was known to have failed.
    pub at: Instant,
    /// Who answered, if anyone that said so.
    pub version: Option<String>,
    /// Whether its client keeps its connection.
    pub keep_alive: bool,
    /// What happened.
    pub why: Why,
}

/// Counts over a span.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Expected answers by version; an answer without `x-version` counts under the empty version.
    pub ok: BTreeMap<String, u64>,
    /// Failures by the version that answered; empty where nobody did.
    pub failed: BTreeMap<String, u64>,
    /// Whether the record still has the whole span.
    pub complete: bool,
}

impl Tally {
    /// Adds counts of a version.
    pub(crate) fn add(&mut self, version: &str, sum: Sum) {
        for (counts, count) in [(&mut self.ok, sum.ok), (&mut self.failed, sum.failed)] {
            if count > 0 {
                *counts.entry(version.to_owned()).or_default() += count;
            }
        }
    }

    /// All requests that came to an end.
    pub fn requests(&self) -> u64 {
        self.ok.values().sum::<u64>() + self.failed()
    }

    /// All failures.
    pub fn failed(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Answers of one version, whatever their status.
    pub fn answers(&self, version: &str) -> u64 {
        self.ok.get(version).unwrap_or(&0) + self.failed.get(version).unwrap_or(&0)
    }

    /// Which part of the answers that name a version came from this one, 0 to 1; nothing where there was none.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub fn share(&self, version: &str) -> Option<f64> {
        let named = |counts: &BTreeMap<String, u64>| {
            counts.iter().filter(|(version, _)| !version.is_empty()).map(|(_, count)| count).sum::<u64>()
        };
        let all = named(&self.ok) + named(&self.failed);
        (all > 0).then(|| self.answers(version) as f64 / all as f64)
    }
}

/// Counts of one window of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// When it begins.
    pub from: Instant,
    /// What came in it.
    pub tally: Tally,
}

/// Latencies of a version's expected answers, from sending (with connecting, where a connection was opened) to the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// How many answers.
    pub count: u64,
    /// Half took no longer.
    pub p50: Duration,
    /// 99 % took no longer.
    pub p99: Duration,
    /// None took longer.
    pub max: Duration,
}

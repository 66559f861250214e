//! Numbers from samples.

use std::time::Duration;

use serde::Serialize;

/// A sample that at least this share of all samples doesn't exceed (nearest rank): always a value that was measured.
pub(super) fn percentile(samples: &[Duration], percent: u32) -> Option<Duration> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * usize::try_from(percent.min(100)).ok()?).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The middle one of numbers, the lower one of two: always one that was measured.
pub(super) fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().div_ceil(2).max(1) - 1).copied().map(rounded)
}

/// Milliseconds with two places after the point: finer is noise.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1000.0)
}

/// Two places after the point.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// So much for each.
pub(super) fn per(total: u64, count: u32) -> f64 {
    // Counts of requests are far below the 2^53 up to which this is exact.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let total = total as f64;
    if count == 0 { 0.0 } else { rounded(total / f64::from(count)) }
}

/// How long something took, many times.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Latency {
    /// What was measured.
    pub(super) name: &'static str,
    /// How often.
    pub(super) samples: usize,
    /// Half of them took no longer.
    pub(super) p50_ms: Option<f64>,
    /// Ninety-nine of a hundred took no longer; below 100 samples this is the slowest.
    pub(super) p99_ms: Option<f64>,
    /// What the design asks for.
    pub(super) target_p50_ms: Option<f64>,
    /// What the design asks for.
    pub(super) target_p99_ms: Option<f64>,
    /// Whether it is met; absent without target.
    pub(super) met: Option<bool>,
}

impl Latency {
    /// From samples and the targets of the design.
    pub(super) fn new(
        name: &'static str,
        samples: &[Duration],
        target_p50_ms: Option<f64>,
        target_p99_ms: Option<f64>,
    ) -> Self {
        let p50_ms = percentile(samples, 50).map(milliseconds);
        let p99_ms = percentile(samples, 99).map(milliseconds);
        let within = |value: Option<f64>, target: Option<f64>| {
            target.is_none_or(|target| value.is_some_and(|value| value <= target))
        };
        let met =
            target_p50_ms.is_some().then(|| within(p50_ms, target_p50_ms) && within(p99_ms, target_p99_ms));
        Self { name, samples: samples.len(), p50_ms, p99_ms, target_p50_ms, target_p99_ms, met }
    }
}

/// A single number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figure {
    /// What was measured.
    pub(super) name: &'static str,
    /// The number.
    pub(super) value: f64,
    /// What it counts.
    pub(super) unit: &'static str,
    /// What the design allows.
    pub(super) target: Option<f64>,
    /// Whether it is met; absent without target.
    pub(super) met: Option<bool>,
}

impl Figure {
    /// A number that may not be above its target.
    pub(super) fn new(name: &'static str, value: f64, unit: &'static str, target: Option<f64>) -> Self {
        Self { name, value, unit, target, met: target.map(|target| value <= target) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        for (percent, expected) in [(0, 1), (1, 1), (50, 50), (99, 99), (100, 100)] {
            assert_eq!(
                percentile(&samples(&hundred), percent),
                Some(Duration::from_millis(expected)),
                "{percent}"
            );
        }
        assert_eq!(percentile(&samples(&[7, 3, 5]), 50), Some(Duration::from_millis(5)));
        assert_eq!(percentile(&samples(&[3, 5]), 50), Some(Duration::from_millis(3)));
        assert_eq!(
            percentile(&samples(&[3, 9, 5]), 99),
            Some(Duration::from_millis(9)),
            "few samples: the slowest"
        );
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(median(&[5.0, -1.0, 3.004]), Some(3.0));
        assert_eq!(median(&[5.0, 3.0]), Some(3.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn both_percentiles_must_meet_their_target() {
        let met = |p50, p99| Latency::new("x", &samples(&[10, 20, 30]), p50, p99).met;
        assert_eq!(met(Some(20.0), Some(30.0)), Some(true), "equal is met");
        assert_eq!(met(Some(19.9), Some(30.0)), Some(false));
        assert_eq!(met(Some(20.0), Some(29.9)), Some(false));
        assert_eq!(met(Some(20.0), None), Some(true));
        assert_eq!(met(None, None), None);
        assert_eq!(
            Latency::new("x", &[], Some(1.0), None).met,
            Some(false),
            "nothing measured is nothing met"
        );
    }

    #[test]
    fn counts_are_shared_among_updates() {
        assert_eq!(per(7, 3).to_string(), "2.33");
        assert_eq!(per(7, 0).to_string(), "0");
        assert_eq!(Figure::new("x", 16.0, "", Some(16.0)).met, Some(true));
        assert_eq!(Figure::new("x", 16.01, "", Some(16.0)).met, Some(false));
    }
}

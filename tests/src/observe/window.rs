//! The share that users got over a span, counted twice: from the version in each answer, and by Envoy.

use std::time::{Duration, Instant};

use teal_load::{Record, Tally};
use teal_testbed::Cluster;

use super::envoy::{Counters, Upstream};
use crate::error::Result;

/// The beginning of a span.
pub struct Window {
    opened: Instant,
    counters: Option<Counters>,
}

/// What was counted in a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// Requests that came to an end.
    pub requests: u64,
    /// How many of a hundred were answered by the candidate.
    pub candidate_percent: f64,
    /// How far Envoy's counters are from that, in percent.
    pub differs: Option<f64>,
}

impl Window {
    /// Begins to count.
    pub async fn open(cluster: &Cluster, upstreams: &[Upstream; 2]) -> Result<Self> {
        let counters = Counters::read(cluster, upstreams).await?;
        let opened = counters.as_ref().map_or_else(Instant::now, |counters| counters.at);
        Ok(Self { opened, counters })
    }

    /// How many requests came to an end so far.
    pub fn requests(&self, record: &Record) -> u64 {
        record.tally(self.opened, Instant::now()).requests()
    }

    /// Ends the count, of a candidate's version.
    pub async fn close(
        &self,
        cluster: &Cluster,
        upstreams: &[Upstream; 2],
        record: &Record,
        version: &str,
    ) -> Result<Counted> {
        let counters = Counters::read(cluster, upstreams).await?;
        let until = counters.as_ref().map_or_else(Instant::now, |counters| counters.at);
        let tally = record.tally(self.opened, until);
        let [live, candidate] = upstreams;
        let envoy = counters.zip(self.counters.as_ref()).map(|(now, then)| {
            let candidate = now.since(then, candidate);
            (now.since(then, live) + candidate, candidate)
        });
        Ok(compare(&tally, version, envoy))
    }
}

/// What of the past must show a weight before it is what users get.
const LATELY: Duration = Duration::from_millis(500);
/// Far above what proxies take to follow a weight.
const FOLLOWED: Duration = Duration::from_secs(30);

/// Waits until the answers of the last moments are near a weight of the candidate: proxies follow it some time after it is
/// written.
pub async fn followed(record: &Record, version: &str, weight: u32) -> Result<()> {
    let lately = async || {
        let now = Instant::now();
        let tally = record.tally(now.checked_sub(LATELY).unwrap_or(now), now);
        if is_near(&tally, version, weight) { Ok(()) } else { Err(format!("{tally:?}")) }
    };
    let what = format!("answers that are near {weight} % of {version}");
    Ok(teal_testbed::until(what, FOLLOWED, lately).await?)
}

/// Within three standard deviations of what chance makes of a weight.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn is_near(tally: &Tally, version: &str, weight: u32) -> bool {
    let (answers, requests, weight) = (tally.answers(version), tally.requests(), f64::from(weight));
    let chance = 3.0 * (weight * (100.0 - weight) / requests.max(1) as f64).sqrt();
    answers > 0 && (percent(answers, requests) - weight).abs() <= chance
}

fn compare(tally: &Tally, version: &str, envoy: Option<(u64, u64)>) -> Counted {
    let (requests, percent) = (tally.requests(), percent(tally.answers(version), tally.requests()));
    let differs = envoy.map(|(all, candidate)| {
        let in_number = self::percent(all.abs_diff(requests), all.max(1));
        let in_share = (percent - self::percent(candidate, all)).abs();
        in_number.max(in_share)
    });
    Counted { requests, candidate_percent: percent, differs }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        let ok = [("v1".to_owned(), 899), ("v2".to_owned(), 100)].into();
        Tally { ok, failed: [("v2".to_owned(), 1)].into(), complete: true }
    }

    #[test]
    fn a_weight_is_followed_once_answers_are_as_near_as_chance_lets_them_be() {
        let of = |live: u64, candidate: u64| {
            let ok = [("v1".to_owned(), live), ("v2".to_owned(), candidate)].into();
            is_near(&Tally { ok, failed: [].into(), complete: true }, "v2", 10)
        };
        assert!(of(450, 50) && of(431, 69) && of(9, 1));
        assert!(!of(420, 80) && !of(480, 20), "proxies are on their way");
        assert!(!of(500, 0) && !of(0, 0) && !of(3, 0), "nobody saw the candidate");
    }

    #[test]
    fn the_candidates_own_failures_are_its_answers_too() {
        let counted = compare(&tally(), "v2", None);
        assert_eq!(counted.requests, 1000);
        assert!((counted.candidate_percent - 10.1).abs() < 1e-9);
        assert_eq!(counted.differs, None);
    }

    #[test]
    fn envoy_differs_by_number_or_by_share_whichever_is_more() {
        let differs = |envoy| compare(&tally(), "v2", Some(envoy)).differs.unwrap();
        assert!(differs((1000, 101)) < 1e-9);
        assert!((differs((1000, 121)) - 2.0).abs() < 1e-9);
        assert!(differs((2000, 202)) > 49.0);
        assert!(differs((0, 0)) > 1.0, "an Envoy that counted nothing agrees with nobody");
    }
}

//! What came back: counts by version in buckets, failures one by one, latencies.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::outcome::{Failure, Latency, Tally, Window};
use crate::series::{self, Series, Sum};
use hdrhistogram::Histogram;

/// Failures kept one by one; those beyond are only counted.
const FAILURES: usize = 10_000;
/// Versions kept apart; those beyond are counted together, so that a broken header can't fill the memory.
const VERSIONS: usize = 64;
/// Where versions beyond [`VERSIONS`] are counted.
const OTHER: &str = "other";
/// Latencies are kept to 0.1 % in at most this range.
const LONGEST: Duration = Duration::from_mins(1);

/// What came back so far. Clones are the same record.
///
/// Spans take in every bucket of 10 ms that they touch, so that a failure at an edge is never missed; adjacent spans may
/// therefore share a bucket.
#[derive(Clone, Debug)]
pub struct Record {
    start: Instant,
    capacity: usize,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    versions: BTreeMap<String, Version>,
    failures: Vec<Failure>,
}

#[derive(Debug)]
struct Version {
    series: Series,
    total: Sum,
    latency: Option<Histogram<u64>>,
}

impl Record {
    /// An empty record: times count from `start`, and the newest `keep` of the buckets stay.
    pub fn new(start: Instant, keep: Duration) -> Self {
        let buckets = keep.as_millis() / series::BUCKET.as_millis();
        let capacity = usize::try_from(buckets).unwrap_or(usize::MAX).max(1);
        Self { start, capacity, inner: Arc::default() }
    }

    /// What times count from.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// A moment in milliseconds since the start, 0 before.
    pub fn millis(&self, at: Instant) -> u64 {
        self.micros(at) / 1000
    }

    fn micros(&self, at: Instant) -> u64 {
        in_micros(at.saturating_duration_since(self.start))
    }

    fn span(&self, from: Instant, until: Instant) -> Range<u64> {
        self.micros(from)..self.micros(until)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Counts are never left half done, so a reader that died doesn't spoil them.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an expected answer.
    pub(crate) fn answered(&self, version: &str, sent: Instant, at: Instant) {
        let micros = self.micros(at);
        let mut inner = self.lock();
        let version = inner.version(version);
        version.total.ok += 1;
        version.series.add(micros, false, self.capacity);
        if let Some(latency) = &mut version.latency {
            latency.saturating_record(in_micros(at.saturating_duration_since(sent)));
        }
    }

    /// Notes a failure.
    pub(crate) fn failed(&self, failure: Failure) {
        let micros = self.micros(failure.at);
        let mut inner = self.lock();
        let version = inner.version(failure.version.as_deref().unwrap_or_default());
        version.total.failed += 1;
        version.series.add(micros, true, self.capacity);
        if inner.failures.len() < FAILURES {
            inner.failures.push(failure);
        }
    }

    /// Counts of everything that came between two moments.
    pub fn tally(&self, from: Instant, until: Instant) -> Tally {
        self.lock().tally(&series::buckets(self.span(from, until)))
    }

    /// Counts of the whole run, however long.
    pub fn total(&self) -> Tally {
        let mut tally = Tally { complete: true, ..Tally::default() };
        for (name, version) in &self.lock().versions {
            tally.add(name, version.total);
        }
        tally
    }

    /// Counts in consecutive windows that cover a span; windows are whole buckets, at least one.
    pub fn series(&self, from: Instant, until: Instant, window: Duration) -> Vec<Window> {
        let span = series::buckets(self.span(from, until));
        let width = u64::try_from(window.as_millis() / series::BUCKET.as_millis()).unwrap_or(u64::MAX).max(1);
        let inner = self.lock();
        let starts = std::iter::successors(Some(span.start), |start| start.checked_add(width));
        let window = |start: u64| Window {
            from: self.start + series::start_of(start),
            tally: inner.tally(&(start..start.saturating_add(width).min(span.end))),
        };
        starts.take_while(|start| *start < span.end).map(window).collect()
    }

    /// When a version first answered between two moments, whatever the status.
    pub fn first_answer(&self, version: &str, from: Instant, until: Instant) -> Option<Instant> {
        self.answer(version, |series| series.first(&self.span(from, until)))
    }

    /// When a version last answered between two moments, whatever the status.
    pub fn last_answer(&self, version: &str, from: Instant, until: Instant) -> Option<Instant> {
        self.answer(version, |series| series.last(&self.span(from, until)))
    }

    fn answer(&self, version: &str, find: impl Fn(&Series) -> Option<u64>) -> Option<Instant> {
        let micros = self.lock().versions.get(version).and_then(|version| find(&version.series))?;
        Some(self.start + Duration::from_micros(micros))
    }

    /// Failures between two moments one by one, oldest first; of a run only the first 10,000 are kept. Counts are in
    /// [`Record::tally`].
    pub fn failures(&self, from: Instant, until: Instant) -> Vec<Failure> {
        let within = |failure: &&Failure| (from..until).contains(&failure.at);
        self.lock().failures.iter().filter(within).cloned().collect()
    }

    /// Latencies of a version's expected answers over the whole run; nothing where there was none.
    pub fn latency(&self, version: &str) -> Option<Latency> {
        let inner = self.lock();
        let latency = inner.versions.get(version)?.latency.as_ref().filter(|latency| !latency.is_empty())?;
        Some(Latency {
            count: latency.len(),
            p50: Duration::from_micros(latency.value_at_quantile(0.5)),
            p99: Duration::from_micros(latency.value_at_quantile(0.99)),
            max: Duration::from_micros(latency.max()),
        })
    }

    /// Versions that answered so far.
    pub fn versions(&self) -> Vec<String> {
        self.lock().versions.keys().filter(|name| !name.is_empty()).cloned().collect()
    }
}

impl Inner {
    fn tally(&self, buckets: &Range<u64>) -> Tally {
        let complete = self.versions.values().all(|version| version.series.knows(buckets));
        let mut tally = Tally { complete, ..Tally::default() };
        for (name, version) in &self.versions {
            tally.add(name, version.series.sum(buckets));
        }
        tally
    }

    fn version(&mut self, name: &str) -> &mut Version {
        let room = self.versions.len() < VERSIONS || self.versions.contains_key(name);
        self.versions.entry(if room { name } else { OTHER }.to_owned()).or_default()
    }
}

impl Default for Version {
    fn default() -> Self {
        let latency = Histogram::new_with_bounds(1, in_micros(LONGEST), 3).ok();
        Self { series: Series::default(), total: Sum::default(), latency }
    }
}

fn in_micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Why;

    const MS: Duration = Duration::from_millis(1);

    fn record() -> (Record, Instant) {
        let start = Instant::now();
        (Record::new(start, Duration::from_secs(1)), start)
    }

    fn failure(at: Instant, version: Option<&str>) -> Failure {
        let version = version.map(str::to_owned);
        Failure { sent: at, at, version, keep_alive: true, why: Why::Status(500) }
    }

    #[test]
    fn share_is_of_the_answers_that_name_a_version() {
        let (record, start) = record();
        for _ in 0..8 {
            record.answered("v1", start, start + MS);
        }
        record.answered("v2", start, start + MS);
        record.failed(failure(start + 2 * MS, Some("v2")));
        record.failed(failure(start + 3 * MS, None));
        let tally = record.tally(start, start + 10 * MS);
        assert_eq!((tally.requests(), tally.failed(), tally.answers("v2")), (11, 2, 2));
        assert_eq!((tally.share("v2"), tally.share("v9")), (Some(0.2), Some(0.0)));
        assert_eq!(record.tally(start + 10 * MS, start + 20 * MS).share("v2"), None);
        assert_eq!(record.versions(), ["v1", "v2"]);
    }

    #[test]
    fn first_and_last_answers_include_failed_ones() {
        let (record, start) = record();
        record.answered("v2", start, start + 12 * MS);
        record.failed(failure(start + 250 * MS, Some("v2")));
        let end = start + 1000 * MS;
        assert_eq!(record.first_answer("v2", start, end), Some(start + 12 * MS));
        assert_eq!(record.last_answer("v2", start, end), Some(start + 250 * MS));
        assert_eq!(record.last_answer("v2", start, start + 250 * MS), Some(start + 12 * MS));
        assert_eq!(record.first_answer("v1", start, end), None);
        assert_eq!(record.failures(start, start + 250 * MS), []);
        assert_eq!(record.failures(start, end).len(), 1);
    }

    #[test]
    fn a_series_adds_up_to_its_span() {
        let (record, start) = record();
        for ms in 0..500 {
            record.answered(if ms % 10 == 0 { "v2" } else { "v1" }, start, start + ms * MS);
        }
        let windows = record.series(start, start + 500 * MS, 200 * MS);
        let answers = windows.iter().map(|window| (window.tally.answers("v1"), window.tally.answers("v2")));
        assert_eq!(answers.collect::<Vec<_>>(), [(180, 20), (180, 20), (90, 10)]);
        assert_eq!(windows[1].from, start + 200 * MS);
        assert_eq!(record.series(start, start, MS), []);
    }

    #[test]
    fn a_span_that_was_dropped_says_so() {
        let (record, start) = record();
        record.answered("v1", start, start);
        record.answered("v1", start, start + 1995 * MS);
        let tally = record.tally(start, start + 2000 * MS);
        assert_eq!((tally.complete, tally.requests()), (false, 1));
        assert!(record.tally(start + 1000 * MS, start + 2000 * MS).complete);
        assert_eq!(record.total().requests(), 2);
    }

    #[test]
    fn latencies_are_kept_by_version() {
        let (record, start) = record();
        for ms in 1..=100 {
            record.answered("v1", start, start + ms * MS);
        }
        let latency = record.latency("v1").unwrap();
        let near = |time: Duration, ms: u32| time.abs_diff(ms * MS) <= MS;
        assert!(near(latency.p50, 50) && near(latency.p99, 99) && near(latency.max, 100), "{latency:?}");
        assert_eq!((latency.count, record.latency("v2")), (100, None));
    }

    #[test]
    fn versions_without_end_are_counted_together() {
        let (record, start) = record();
        for version in 0..1000 {
            record.answered(&version.to_string(), start, start);
        }
        assert_eq!(record.versions().len(), VERSIONS + 1);
        assert_eq!(record.total().answers(OTHER), 1000 - VERSIONS as u64);
    }
}

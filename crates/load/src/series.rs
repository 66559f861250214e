//! Counts of one version in buckets of 10 ms, bounded in length. Pure.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

/// Length of a bucket.
pub const BUCKET: Duration = Duration::from_millis(10);
const BUCKET_MICROS: u64 = 10_000;

/// What came in one bucket. First and last answer are kept to the microsecond, so that "the last answer of a version" is
/// sharper than a bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    ok: u32,
    failed: u32,
    first: u16,
    last: u16,
}

/// Counts over a run of buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) ok: u64,
    pub(crate) failed: u64,
}

/// The buckets of one version, from the first that has something.
#[derive(Debug, Default)]
pub(crate) struct Series {
    base: u64,
    forgotten: u64,
    cells: VecDeque<Cell>,
}

/// All buckets that a span touches.
pub(crate) fn buckets(micros: Range<u64>) -> Range<u64> {
    micros.start / BUCKET_MICROS..micros.end.div_ceil(BUCKET_MICROS)
}

/// When a bucket begins, since the start.
pub(crate) fn start_of(bucket: u64) -> Duration {
    Duration::from_micros(bucket.saturating_mul(BUCKET_MICROS))
}

impl Series {
    /// Counts one answer; of all buckets only the newest `capacity` stay.
    pub(crate) fn add(&mut self, micros: u64, failed: bool, capacity: usize) {
        let bucket = micros / BUCKET_MICROS;
        if self.cells.is_empty() {
            self.base = bucket;
        }
        // What came out of order from before the first bucket goes into the first.
        let index = usize::try_from(bucket.saturating_sub(self.base)).unwrap_or(usize::MAX);
        // After a gap longer than all that is kept nothing older can stay.
        if index >= self.cells.len().saturating_add(capacity) {
            self.forgotten = self.base + self.cells.len() as u64;
            self.cells.clear();
            self.base = bucket;
            return self.add(micros, failed, capacity);
        }
        while self.cells.len() <= index {
            self.cells.push_back(Cell::default());
        }
        let offset = u16::try_from(micros % BUCKET_MICROS).unwrap_or(0);
        if let Some(cell) = self.cells.get_mut(index) {
            cell.count(offset, failed);
        }
        while self.cells.len() > capacity {
            self.cells.pop_front();
            self.base += 1;
            self.forgotten = self.base;
        }
    }

    /// Whether nothing of these buckets was dropped to stay within the capacity.
    pub(crate) fn knows(&self, buckets: &Range<u64>) -> bool {
        buckets.start >= self.forgotten
    }

    fn indices(&self, buckets: &Range<u64>) -> Range<usize> {
        let index = |bucket: u64| {
            usize::try_from(bucket.saturating_sub(self.base)).unwrap_or(usize::MAX).min(self.cells.len())
        };
        let start = index(buckets.start);
        start..index(buckets.end).max(start)
    }

    /// Counts over some buckets.
    pub(crate) fn sum(&self, buckets: &Range<u64>) -> Sum {
        self.cells.range(self.indices(buckets)).fold(Sum::default(), |sum, cell| Sum {
            ok: sum.ok + u64::from(cell.ok),
            failed: sum.failed + u64::from(cell.failed),
        })
    }

    /// The first answer within a span, in microseconds since the start.
    pub(crate) fn first(&self, micros: &Range<u64>) -> Option<u64> {
        self.moments(micros).find(|at| micros.contains(at))
    }

    /// The last answer within a span, in microseconds since the start.
    pub(crate) fn last(&self, micros: &Range<u64>) -> Option<u64> {
        self.moments(micros).rev().find(|at| micros.contains(at))
    }

    /// The known moments of answers, ascending: first and last of each bucket.
    fn moments(&self, micros: &Range<u64>) -> impl DoubleEndedIterator<Item = u64> {
        let indices = self.indices(&buckets(micros.clone()));
        let base = self.base;
        indices.clone().zip(self.cells.range(indices)).filter(|(_, cell)| cell.ok + cell.failed > 0).flat_map(
            move |(index, cell)| {
                let start = (base + index as u64) * BUCKET_MICROS;
                [start + u64::from(cell.first), start + u64::from(cell.last)]
            },
        )
    }
}

impl Cell {
    fn count(&mut self, offset: u16, failed: bool) {
        if self.ok + self.failed == 0 {
            (self.first, self.last) = (offset, offset);
        }
        self.first = self.first.min(offset);
        self.last = self.last.max(offset);
        if failed {
            self.failed += 1;
        } else {
            self.ok += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(answers: &[(u64, bool)], capacity: usize) -> Series {
        let mut series = Series::default();
        for (micros, failed) in answers {
            series.add(*micros, *failed, capacity);
        }
        series
    }

    #[test]
    fn counts_by_bucket() {
        let series = series(&[(25_000, false), (29_999, true), (30_000, false), (95_000, false)], 100);
        for (range, ok, failed) in [
            (0..2, 0, 0),
            (0..3, 1, 1),
            (2..3, 1, 1),
            (3..4, 1, 0),
            (3..100, 2, 0),
            (9..9, 0, 0),
            (50..60, 0, 0),
        ] {
            assert_eq!(series.sum(&range), Sum { ok, failed }, "{range:?}");
        }
    }

    #[test]
    fn first_and_last_are_sharper_than_a_bucket() {
        let series = series(&[(25_123, false), (25_500, false), (28_456, true), (95_001, false)], 100);
        assert_eq!(series.first(&(0..u64::MAX)), Some(25_123));
        assert_eq!(series.last(&(0..u64::MAX)), Some(95_001));
        assert_eq!(series.last(&(0..95_001)), Some(28_456));
        assert_eq!(series.first(&(26_000..95_000)), Some(28_456));
        assert_eq!(series.first(&(95_002..u64::MAX)), None);
        assert_eq!(series.last(&(0..25_123)), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut series = Series::default();
        for bucket in 0..1000 {
            series.add(bucket * BUCKET_MICROS, false, 10);
            assert!(series.cells.len() <= 10);
        }
        assert_eq!(series.sum(&(0..2000)), Sum { ok: 10, failed: 0 });
        assert!(series.knows(&(990..1000)) && !series.knows(&(989..1000)));
        series.add(u64::MAX / 2, false, 10);
        assert_eq!(series.cells.len(), 1, "a long gap isn't filled");
        assert!(series.knows(&(1000..1001)) && !series.knows(&(999..1000)));
    }

    #[test]
    fn spans_take_in_every_bucket_they_touch() {
        assert_eq!(buckets(9_999..10_001), 0..2);
        assert_eq!(buckets(10_000..20_000), 1..2);
    }
}

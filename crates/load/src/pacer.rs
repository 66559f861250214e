//! A constant rate, shared by all clients of one kind.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// A client that finds its turn longer ago than this skips to now: after a pause of the machine a burst would not be a constant
/// rate, and no user's behaviour either.
const CATCH_UP: Duration = Duration::from_millis(100);

/// Hands out turns.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Time between turns; none where answers alone set the pace.
    interval: Option<Duration>,
    next: Cell<Instant>,
}

impl Pacer {
    /// `rate` turns a second from now on, or as many as are asked for.
    pub(crate) fn new(rate: Option<f64>) -> Self {
        let interval = rate.filter(|rate| *rate > 0.0).map(|rate| Duration::from_secs_f64(rate.recip()));
        Self { interval, next: Cell::new(Instant::now()) }
    }

    /// The next turn.
    fn take(&self, now: Instant) -> Option<Instant> {
        let interval = self.interval?;
        let next = self.next.get().max(now.checked_sub(CATCH_UP).unwrap_or(now));
        self.next.set(next + interval);
        Some(next)
    }

    /// Waits for the next turn.
    pub(crate) async fn turn(&self) {
        match self.take(Instant::now()) {
            Some(turn) => tokio::time::sleep_until(turn).await,
            // A closed loop whose server answers at once must still let others run.
            None => tokio::task::yield_now().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_evenly_spaced_and_late_ones_are_skipped() {
        let pacer = Pacer::new(Some(1000.0));
        let start = pacer.next.get();
        let ms = Duration::from_millis;
        assert_eq!([pacer.take(start), pacer.take(start)], [Some(start), Some(start + ms(1))]);
        assert_eq!(pacer.take(start + ms(50)), Some(start + ms(2)), "a little late is made up for");
        assert_eq!(pacer.take(start + ms(5000)), Some(start + ms(4900)), "a lot isn't");
        assert_eq!(Pacer::new(None).take(start), None);
    }
}

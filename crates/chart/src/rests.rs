//! Places that didn't answer a moment ago. Whoever else asks there is told so at once, instead of waiting with a turn for the same end.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After the first failure; twice as long after each further one.
const FIRST: Duration = Duration::from_secs(5);
/// The longest: a server that came back is asked again soon.
const LONGEST: Duration = Duration::from_secs(60);
/// Places that are remembered.
const MOST: usize = 1000;

/// By place.
#[derive(Debug, Default)]
pub(crate) struct Rests(Mutex<HashMap<String, Rest>>);

#[derive(Debug)]
struct Rest {
    failures: u32,
    until: Instant,
    said: String,
}

impl Rests {
    /// What a place that rests said last.
    pub(crate) fn of(&self, place: &str, now: Instant) -> Option<String> {
        let rests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rests.get(place).filter(|rest| now < rest.until).map(|rest| rest.said.clone())
    }

    /// Takes note of what came of asking; without words it answered.
    pub(crate) fn asked(&self, place: &str, failed: Option<String>, now: Instant) {
        let mut rests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(said) = failed else {
            rests.remove(place);
            return;
        };
        if rests.len() >= MOST {
            rests.retain(|_, rest| now < rest.until + LONGEST);
        }
        let failures = rests.get(place).map_or(0, |rest| rest.failures);
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST);
        rests.insert(
            place.to_owned(),
            Rest { failures: failures.saturating_add(1), until: now + pause, said },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_fails_rests_longer_each_time_until_it_answers() {
        let (rests, begun) = (Rests::default(), Instant::now());
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let failed = || Some("refused".to_owned());
        rests.asked("a", failed(), begun);
        assert_eq!(rests.of("a", at(4)), failed());
        assert_eq!((rests.of("a", at(5)), rests.of("b", at(0))), (None, None));
        rests.asked("a", failed(), at(5));
        assert_eq!((rests.of("a", at(14)), rests.of("a", at(15))), (failed(), None));
        (0..40).for_each(|_| rests.asked("a", failed(), at(100)));
        assert_eq!((rests.of("a", at(159)), rests.of("a", at(160))), (failed(), None), "a minute at most");
        rests.asked("a", None, at(160));
        rests.asked("a", failed(), at(160));
        assert_eq!(rests.of("a", at(165)), None, "it begins anew");
    }
}

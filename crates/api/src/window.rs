//! When windows begin and end, by the clock of their time zone.

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use jiff::{SignedDuration, Timestamp, Zoned};

/// Looks for the end of windows that touch each other stop after so many: what goes on then is found by the next look.
const JOINED: usize = 100;

/// A window whose schedule and time zone can be read.
#[derive(Clone, Debug)]
pub struct Schedule {
    crontab: Crontab,
    duration: SignedDuration,
}

/// Why a schedule can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// There is no such time zone.
    #[error(
        "there is no time zone {zone:?}: write a name of the IANA time zone database, such as Asia/Seoul"
    )]
    Zone {
        /// What was written.
        zone: String,
    },
    /// The fields can't be read.
    #[error(
        "{schedule:?} is no schedule: write minute, hour, day of the month, month and day of the week, such as 0 18 * * FRI"
    )]
    Fields {
        /// What was written.
        schedule: String,
    },
    /// No such time ever comes.
    #[error("{schedule:?} never comes: such a day is in no calendar")]
    Never {
        /// What was written.
        schedule: String,
    },
}

impl Schedule {
    /// Reads a window: five fields of a crontab, how long it lasts in milliseconds, and where the clock hangs.
    pub fn new(schedule: &str, duration_ms: u64, zone: &str) -> Result<Self, ScheduleError> {
        if jiff::tz::TimeZone::get(zone).is_err() {
            return Err(ScheduleError::Zone { zone: zone.to_owned() });
        }
        let error = || ScheduleError::Fields { schedule: schedule.to_owned() };
        if schedule.split_whitespace().count() != 5 {
            return Err(error());
        }
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::None;
        let crontab =
            cronexpr::parse_crontab_with(&format!("{schedule} {zone}"), options).map_err(|_| error())?;
        let millis = i64::try_from(duration_ms).unwrap_or(i64::MAX);
        let this = Self { crontab, duration: SignedDuration::from_millis(millis) };
        match this.next(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(this),
            None => Err(ScheduleError::Never { schedule: schedule.to_owned() }),
        }
    }

    /// When it next begins, after this instant.
    pub fn next(&self, after: Timestamp) -> Option<Zoned> {
        self.crontab.find_next(after).ok()
    }

    /// When it ends, if it lasts at this instant. Its first instant belongs to it and its end doesn't.
    pub fn ends(&self, at: Timestamp) -> Option<Zoned> {
        let begun = self.next(at.checked_sub(self.duration).ok()?)?;
        (begun.timestamp() <= at).then(|| begun.checked_add(self.duration).ok())?
    }
}

/// When nothing denies any more, of windows of which one lasts at this instant, with the place of the one that ends last; none
/// where none lasts. Windows that touch are one.
pub fn denied(windows: &[Schedule], at: Timestamp) -> Option<(usize, Zoned)> {
    let lasting = |at: Timestamp| {
        let ends = windows.iter().enumerate().filter_map(|(place, window)| Some((place, window.ends(at)?)));
        ends.max_by_key(|(_, end)| end.timestamp())
    };
    let mut last = lasting(at)?;
    for _ in 0..JOINED {
        match lasting(last.1.timestamp()) {
            Some(later) => last = later,
            None => break,
        }
    }
    Some(last)
}

/// When the next of these windows begins.
pub fn next(windows: &[Schedule], after: Timestamp) -> Option<Timestamp> {
    windows.iter().filter_map(|window| window.next(after)).map(|begins| begins.timestamp()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(schedule: &str, hours: u64, zone: &str) -> Schedule {
        Schedule::new(schedule, hours * HOUR, zone).unwrap()
    }

    fn end(windows: &[Schedule], now: &str) -> Option<String> {
        denied(windows, at(now)).map(|(_, end)| end.timestamp().to_string())
    }

    #[test]
    fn a_weekend_is_denied_from_its_first_instant_to_its_last_by_the_clock_of_its_zone() {
        let weekend = [window("0 18 * * FRI", 62, "Asia/Seoul")];
        let monday = Some("2026-11-29T23:00:00Z".to_owned());
        for (now, ends) in [
            ("2026-11-27T08:59:59.999Z", None),
            ("2026-11-27T09:00:00Z", monday.clone()),
            ("2026-11-28T12:34:56Z", monday.clone()),
            ("2026-11-29T22:59:59.999Z", monday),
            ("2026-11-29T23:00:00Z", None),
        ] {
            assert_eq!(end(&weekend, now), ends, "{now}");
        }
        assert_eq!(next(&weekend, at("2026-11-27T09:00:00Z")), Some(at("2026-12-04T09:00:00Z")));
    }

    #[test]
    fn windows_that_touch_or_overlap_are_one_and_the_last_of_them_is_named() {
        let nights =
            [window("0 22 * * *", 4, "UTC"), window("0 2 * * *", 4, "UTC"), window("0 1 * * *", 2, "UTC")];
        let (place, ends) = denied(&nights, at("2026-11-27T23:00:00Z")).unwrap();
        assert_eq!((place, ends.timestamp()), (1, at("2026-11-28T06:00:00Z")));
        assert_eq!(end(&nights, "2026-11-28T12:00:00Z"), None);
    }

    #[test]
    fn one_that_never_stops_denies_for_a_bounded_look_at_a_time() {
        let always = [window("* * * * *", 1, "UTC")];
        let (_, ends) = denied(&always, at("2026-11-27T23:00:00Z")).unwrap();
        assert!(ends.timestamp() > at("2026-11-28T00:00:00Z"));
    }

    #[test]
    fn the_clock_is_put_forward_and_back_and_a_window_lasts_as_long_as_it_says() {
        let night = [window("30 1 * * *", 3, "Europe/Berlin")];
        // 2026-03-29: 02:00 becomes 03:00. 2026-10-25: 03:00 becomes 02:00.
        assert_eq!(end(&night, "2026-03-29T01:00:00Z").as_deref(), Some("2026-03-29T03:30:00Z"));
        assert_eq!(end(&night, "2026-10-25T01:00:00Z").as_deref(), Some("2026-10-25T02:30:00Z"));
    }

    #[test]
    fn what_cannot_be_read_says_what_to_write() {
        let problem = |schedule, zone| Schedule::new(schedule, HOUR, zone).unwrap_err().to_string();
        assert!(problem("0 18 * * FRI", "Mars/Base").contains("no time zone \"Mars/Base\""));
        for schedule in ["0 18 * *", "0 25 * * FRI", "0 18 * * FRI Asia/Seoul", "soon"] {
            assert!(problem(schedule, "UTC").contains("write minute, hour"), "{schedule}");
        }
        assert!(problem("0 0 31 2 *", "UTC").contains("never comes"));
    }
}

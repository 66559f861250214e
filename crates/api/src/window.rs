//! When windows begin and end, by the clock of their time zone.

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// So many windows that touch each other are followed; of more it isn't said when they end.
const JOINED: usize = 20;
/// So many times of a schedule lie in an hour that comes twice.
const REPEATED: usize = 60;

/// A window whose schedule and time zone can be read.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// By a clock that is never put forward or back.
    crontab: Crontab,
    zone: TimeZone,
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
        let Ok(zone) = TimeZone::get(zone) else {
            return Err(ScheduleError::Zone { zone: zone.to_owned() });
        };
        let error = || ScheduleError::Fields { schedule: schedule.to_owned() };
        if schedule.split_whitespace().count() != 5 {
            return Err(error());
        }
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::None;
        let crontab =
            cronexpr::parse_crontab_with(&format!("{schedule} UTC"), options).map_err(|_| error())?;
        let millis = i64::try_from(duration_ms).unwrap_or(i64::MAX);
        let this = Self { crontab, zone, duration: SignedDuration::from_millis(millis) };
        match this.next(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(this),
            None => Err(ScheduleError::Never { schedule: schedule.to_owned() }),
        }
    }

    /// When it next begins, after this instant. What falls into an hour that the clock leaves out begins as much later as it was put
    /// forward, and of an hour that comes twice the first one counts.
    pub fn next(&self, after: Timestamp) -> Option<Zoned> {
        let mut civil = TimeZone::UTC.to_timestamp(self.zone.to_datetime(after)).ok()?;
        for _ in 0..=REPEATED {
            let found = self.crontab.find_next(civil).ok()?;
            let begins = self.zone.to_zoned(found.datetime()).ok()?;
            if begins.timestamp() > after {
                return Some(begins);
            }
            civil = found.timestamp();
        }
        None
    }

    /// When it ends, if it lasts at this instant. Its first instant belongs to it and its end doesn't.
    pub fn ends(&self, at: Timestamp) -> Option<Zoned> {
        let begun = self.next(at.checked_sub(self.duration).ok()?)?;
        (begun.timestamp() <= at).then(|| begun.checked_add(self.duration).ok())?
    }
}

/// Windows of which one lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Denied {
    /// The place of the one that ends last, of those that were followed.
    pub window: usize,
    /// When that ends.
    pub until: Zoned,
    /// Whether nothing denies any more then, as far as is known.
    pub ends: bool,
}

/// The windows that last at this instant; none where none does. Windows that touch are one.
pub fn denied(windows: &[Schedule], at: Timestamp) -> Option<Denied> {
    let lasting = |at: Timestamp| {
        let ends = windows.iter().enumerate().filter_map(|(place, window)| Some((place, window.ends(at)?)));
        ends.max_by_key(|(_, end)| end.timestamp())
    };
    let (mut window, mut until) = lasting(at)?;
    for _ in 0..JOINED {
        match lasting(until.timestamp()) {
            Some(later) => (window, until) = later,
            None => return Some(Denied { window, until, ends: true }),
        }
    }
    Some(Denied { window, until, ends: false })
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
        denied(windows, at(now)).map(|denied| denied.until.timestamp().to_string())
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
        let Denied { window, until, ends } = denied(&nights, at("2026-11-27T23:00:00Z")).unwrap();
        assert_eq!((window, until.timestamp(), ends), (1, at("2026-11-28T06:00:00Z"), true));
        assert_eq!(end(&nights, "2026-11-28T12:00:00Z"), None);
    }

    #[test]
    fn of_one_that_never_stops_no_end_is_said() {
        for always in [window("* * * * *", 1, "UTC"), window("0 0 * * *", 24, "Europe/Berlin")] {
            let Denied { until, ends, .. } = denied(&[always], at("2026-11-27T23:30:00Z")).unwrap();
            assert!(!ends && until.timestamp() > at("2026-11-27T23:30:00Z"));
        }
    }

    #[test]
    fn the_clock_is_put_forward_and_back_and_a_window_lasts_as_long_as_it_says() {
        let night = [window("30 1 * * *", 3, "Europe/Berlin")];
        // 2026-03-29: 02:00 becomes 03:00. 2026-10-25: 03:00 becomes 02:00.
        assert_eq!(end(&night, "2026-03-29T01:00:00Z").as_deref(), Some("2026-03-29T03:30:00Z"));
        assert_eq!(end(&night, "2026-10-25T01:00:00Z").as_deref(), Some("2026-10-25T02:30:00Z"));
    }

    #[test]
    fn one_that_would_begin_in_an_hour_that_is_left_out_begins_after_it_and_one_in_an_hour_that_comes_twice_begins_once()
     {
        // Friday 2026-04-24 begins in Egypt at 01:00.
        let weekend = [window("0 0 * * FRI", 48, "Africa/Cairo")];
        assert_eq!(end(&weekend, "2026-04-24T12:00:00Z").as_deref(), Some("2026-04-25T22:00:00Z"));
        let night = window("30 2 * * *", 1, "Europe/Berlin");
        let begins = |after| night.next(at(after)).map(|begins| begins.timestamp());
        assert_eq!(begins("2026-03-29T00:00:00Z"), Some(at("2026-03-29T01:30:00Z")));
        assert_eq!(begins("2026-10-25T00:00:00Z"), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(begins("2026-10-25T00:30:00Z"), Some(at("2026-10-26T01:30:00Z")), "once");
        let minutes = window("* * * * *", 1, "Europe/Berlin");
        let after = minutes.next(at("2026-10-25T01:10:00Z")).map(|begins| begins.timestamp());
        assert_eq!(after, Some(at("2026-10-25T02:00:00Z")), "the second time that it is ten past two");
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

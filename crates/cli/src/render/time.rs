//! Times and ages as people read them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The moment something is shown at, and the zone it is shown in.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Now.
    pub now: Timestamp,
    /// Zone of the reader.
    pub zone: TimeZone,
}

impl Clock {
    /// A time of day: `14:02:11`.
    pub fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }

    /// A time, with its day where that is another one, and how far away it is: `14:02:11 UTC (3m ago)`.
    pub fn at(&self, at: Timestamp) -> String {
        let (then, now) = (at.to_zoned(self.zone.clone()), self.now.to_zoned(self.zone.clone()));
        let form = if then.date() == now.date() { "%H:%M:%S %Z" } else { "%Y-%m-%d %H:%M %Z" };
        let distance = if at > self.now {
            format!("in {}", short(at.duration_since(self.now)))
        } else {
            format!("{} ago", self.age(at))
        };
        format!("{} ({distance})", then.strftime(form))
    }

    /// How long something took.
    pub fn length(seconds: u32) -> String {
        short(SignedDuration::from_secs(i64::from(seconds)))
    }

    /// How long ago, as kubectl writes it.
    pub fn age(&self, from: Timestamp) -> String {
        short(self.now.duration_since(from))
    }
}

/// A duration with the precision that kubectl gives it: the longer, the coarser.
fn short(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let with = |number: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{number}{unit}") } else { format!("{number}{unit}{rest}{small}") }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => with(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => with(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => with(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () => with(days / 365, "y", days % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_as_kubectl_writes_them() {
        for (seconds, text) in [
            (-5, "0s"),
            (119, "119s"),
            (120, "2m"),
            (215, "3m35s"),
            (3_599, "59m"),
            (10_800, "3h"),
            (12_600, "3h30m"),
            (100_000, "27h"),
            (180_000, "2d2h"),
            (86_400 * 30, "30d"),
            (86_400 * 800, "2y70d"),
        ] {
            assert_eq!(short(SignedDuration::from_secs(seconds)), text, "{seconds}");
        }
    }

    #[test]
    fn times_say_their_day_where_it_is_another_one() {
        let clock = Clock { now: "2026-03-02T12:00:00Z".parse().unwrap(), zone: TimeZone::UTC };
        let at = |text: &str| clock.at(text.parse().unwrap());
        assert_eq!(at("2026-03-02T11:58:30Z"), "11:58:30 UTC (90s ago)");
        assert_eq!(at("2026-03-02T12:06:00Z"), "12:06:00 UTC (in 6m)");
        assert_eq!(at("2026-03-01T23:00:00Z"), "2026-03-01 23:00 UTC (13h ago)");
    }
}

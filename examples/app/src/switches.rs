//! The misbehaviour that can be switched on, by environment or live. Pure: what becomes of a request is decided here from
//! counts and ages alone, so that a given share of errors is met exactly and not just on average.

use std::time::Duration;

use serde::Serialize;

use crate::AppError;

/// Names of all switches, as written in `POST /admin/switch?…`; in the environment they are upper case.
pub const NAMES: [&str; 8] = [
    "errors",
    "latency",
    "warmup_latency",
    "warmup_for",
    "warmup_requests",
    "crash_after",
    "crash_after_requests",
    "ready",
];

/// How the application misbehaves. The default is: not at all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Switches {
    /// Share of requests answered with 500, 0 to 1.
    pub errors: f64,
    /// Added to every answer.
    #[serde(serialize_with = "as_text")]
    pub latency: Duration,
    /// Added to every answer while warming up.
    #[serde(serialize_with = "as_text")]
    pub warmup_latency: Duration,
    /// Warming up lasts at least this long from start, or from when this was switched on.
    #[serde(serialize_with = "as_text")]
    pub warmup_for: Duration,
    /// Warming up lasts at least for this many requests from start, or from when this was switched on.
    pub warmup_requests: u64,
    /// The process ends itself after this time; zero is never.
    #[serde(serialize_with = "as_text")]
    pub crash_after: Duration,
    /// The process ends itself at the request after this many; zero is never.
    pub crash_after_requests: u64,
    /// Whether `/readyz` may answer 200.
    pub ready: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            errors: 0.0,
            latency: Duration::ZERO,
            warmup_latency: Duration::ZERO,
            warmup_for: Duration::ZERO,
            warmup_requests: 0,
            crash_after: Duration::ZERO,
            crash_after_requests: 0,
            ready: true,
        }
    }
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Answered, after this much added latency, with 500 if `error`.
    Answer {
        /// Added before the answer.
        delay: Duration,
        /// Answered with 500.
        error: bool,
    },
    /// The process ends at once, without an answer.
    Crash,
}

impl Switches {
    /// Sets one switch from text.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), AppError> {
        let refuse =
            |why: &str| AppError::Setting { name: name.into(), value: value.into(), why: why.into() };
        let time =
            || humantime::parse_duration(value).map_err(|_| refuse("use a duration such as 50ms or 2s"));
        let count = || value.parse::<u64>().map_err(|_| refuse("use a whole number"));
        match name {
            "errors" => {
                let share = value.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
                self.errors = share.ok_or_else(|| refuse("use a share from 0 to 1, such as 0.05"))?;
            }
            "latency" => self.latency = time()?,
            "warmup_latency" => self.warmup_latency = time()?,
            "warmup_for" => self.warmup_for = time()?,
            "warmup_requests" => self.warmup_requests = count()?,
            "crash_after" => self.crash_after = time()?,
            "crash_after_requests" => self.crash_after_requests = count()?,
            "ready" => self.ready = value.parse().map_err(|_| refuse("use true or false"))?,
            _ => return Err(AppError::UnknownSwitch { name: name.into(), known: NAMES.join(", ") }),
        }
        Ok(())
    }

    /// What becomes of the request number `nth` (counted from 0 since the switches were set), `age` after they were set.
    pub fn fate(&self, nth: u64, age: Duration) -> Fate {
        if self.crash_after_requests > 0 && nth >= self.crash_after_requests {
            return Fate::Crash;
        }
        let warming = age < self.warmup_for || nth < self.warmup_requests;
        let delay = self.latency + if warming { self.warmup_latency } else { Duration::ZERO };
        Fate::Answer { delay, error: self.errors_until(nth + 1) > self.errors_until(nth) }
    }

    /// How many of the first `count` requests fail. Errors are spread evenly: any run of requests has the wanted share, give or
    /// take one.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts stay far below 2^52 and the product is positive"
    )]
    fn errors_until(&self, count: u64) -> u64 {
        // The small addend undoes binary rounding: 20 × 0.05 must be one whole error.
        (count as f64 * self.errors + 1e-9).floor() as u64
    }
}

fn as_text<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Switches {
        let mut switches = Switches::default();
        for (name, value) in pairs {
            switches.set(name, value).unwrap();
        }
        switches
    }

    #[test]
    fn share_of_errors_is_exact() {
        for (share, of, errors) in [("0", 1000, 0), ("0.05", 1000, 50), ("0.1", 10, 1), ("1", 7, 7)] {
            let switches = with(&[("errors", share)]);
            let seen = (0..of)
                .filter(|nth| matches!(switches.fate(*nth, Duration::ZERO), Fate::Answer { error: true, .. }))
                .count();
            assert_eq!(seen, errors, "share {share} of {of}");
        }
    }

    #[test]
    fn latency_and_warmup_add_up() {
        let switches = with(&[
            ("latency", "5ms"),
            ("warmup_latency", "200ms"),
            ("warmup_for", "2s"),
            ("warmup_requests", "10"),
        ]);
        let delay = |nth, age| match switches.fate(nth, Duration::from_millis(age)) {
            Fate::Answer { delay, .. } => delay.as_millis(),
            Fate::Crash => 0,
        };
        assert_eq!([delay(0, 0), delay(9, 9000), delay(10, 1999), delay(10, 2000)], [205, 205, 205, 5]);
    }

    #[test]
    fn crash_comes_after_the_given_requests() {
        let switches = with(&[("crash_after_requests", "3")]);
        assert_ne!(switches.fate(2, Duration::ZERO), Fate::Crash);
        assert_eq!(switches.fate(3, Duration::ZERO), Fate::Crash);
        assert_ne!(Switches::default().fate(u64::MAX - 1, Duration::MAX), Fate::Crash);
    }

    #[test]
    fn bad_values_say_what_is_accepted() {
        for (name, value, expected) in [
            ("errors", "5", "errors=5: use a share from 0 to 1, such as 0.05"),
            ("errors", "NaN", "errors=NaN: use a share from 0 to 1, such as 0.05"),
            ("latency", "50", "latency=50: use a duration such as 50ms or 2s"),
            ("ready", "no", "ready=no: use true or false"),
            ("warmup_requests", "-1", "warmup_requests=-1: use a whole number"),
        ] {
            let mut switches = Switches::default();
            assert_eq!(switches.set(name, value).unwrap_err().to_string(), expected);
            assert_eq!(switches, Switches::default());
        }
        let unknown = Switches::default().set("colour", "red").unwrap_err().to_string();
        assert!(unknown.starts_with("there is no switch colour; there are errors, latency"), "{unknown}");
    }

    #[test]
    fn every_name_can_be_set() {
        for name in NAMES {
            let value = match name {
                "errors" | "warmup_requests" | "crash_after_requests" => "1",
                "ready" => "false",
                _ => "1s",
            };
            let mut switches = Switches::default();
            switches.set(name, value).unwrap();
            assert_ne!(switches, Switches::default(), "{name}");
        }
    }
}

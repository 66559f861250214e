//! Limits as people write them, and whether a value keeps them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Number;

/// Longest text of a limit; nobody needs more digits and every text in the API has a bound.
const LONGEST: usize = 32;

/// What stood behind the digits of a limit. Says how values beside it are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A bare number.
    None,
    /// `%`: the value is a ratio.
    Percent,
    /// `ms`, `s`, `m` or `h`: the value is in seconds.
    Seconds,
}

/// One limit: a whole number, a quoted decimal, or a number with a unit (`1%`, `250ms`).
///
/// Its value is in base units (seconds, ratios), the only ones a query may answer in. It remembers
/// how it was written, because people recognise `1%` and not `0.01`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limit {
    text: String,
    value: Number,
    unit: Unit,
}

impl Limit {
    /// The limit in base units.
    pub fn value(&self) -> Number {
        self.value
    }

    /// The unit it was written in.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The limit as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The units of the API. `ms` stands before `s`, since it ends like it. Each has the power of ten and
/// the factor that lead to the base unit.
const UNITS: [(&str, i32, f64, Unit); 6] = [
    ("%", -2, 1.0, Unit::Percent),
    ("ms", -3, 1.0, Unit::Seconds),
    ("s", 0, 1.0, Unit::Seconds),
    ("m", 0, 60.0, Unit::Seconds),
    ("h", 0, 3600.0, Unit::Seconds),
    ("", 0, 1.0, Unit::None),
];

/// Why a threshold can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// Not a number with a known unit.
    #[error(
        "{text:?} is not a limit: write a whole number, a quoted decimal like \"0.01\", or a number with a unit like 1% or 250ms (units: %, ms, s, m, h)"
    )]
    Unreadable {
        /// What was written, shortened.
        text: String,
    },
    /// A decimal without quotes.
    #[error("{value} is a decimal without quotes: write \"{value}\"")]
    Unquoted {
        /// The decimal.
        value: String,
    },
    /// Neither `min` nor `max`.
    #[error("a threshold needs min, max or both")]
    Empty,
    /// No value can pass.
    #[error("min {min} is above max {max}: no value could pass")]
    Crossed {
        /// The lower limit as written.
        min: String,
        /// The upper limit as written.
        max: String,
    },
}

impl FromStr for Limit {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = || ThresholdError::Unreadable { text: text.chars().take(LONGEST).collect() };
        if text.len() > LONGEST {
            return Err(unreadable());
        }
        let (digits, power, factor, unit) = UNITS
            .iter()
            .find_map(|&(suffix, power, factor, unit)| {
                Some((text.strip_suffix(suffix)?, power, factor, unit))
            })
            .ok_or_else(unreadable)?;
        if !is_decimal(digits) {
            return Err(unreadable());
        }
        // The power of ten goes into the text and not into a multiplication: "0.1%" must be the very
        // number that "0.001" is, or a value equal to the limit would not pass.
        let value: f64 = format!("{digits}e{power}").parse().map_err(|_| unreadable())?;
        let value = Number::new(value * factor).ok_or_else(unreadable)?;
        Ok(Self { text: text.to_owned(), value, unit })
    }
}

impl From<i64> for Limit {
    fn from(whole: i64) -> Self {
        let text = whole.to_string();
        // Every whole number is far below the largest double, so the fallback is never taken.
        let value = text.parse().ok().and_then(Number::new);
        Self { text, value: value.unwrap_or(Number::ZERO), unit: Unit::None }
    }
}

/// Digits with at most one point between them, perhaps with a minus in front.
fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => all_digits(text),
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LimitVisitor)
    }
}

struct LimitVisitor;

impl de::Visitor<'_> for LimitVisitor {
    type Value = Limit;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .write_str("a limit: a whole number, a quoted decimal, or a number with a unit like 1% or 250ms")
    }

    fn visit_i64<E: de::Error>(self, whole: i64) -> Result<Limit, E> {
        Ok(whole.into())
    }

    fn visit_u64<E: de::Error>(self, whole: u64) -> Result<Limit, E> {
        whole.to_string().parse().map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Limit, E> {
        Err(E::custom(ThresholdError::Unquoted { value: value.to_string() }))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Limit, E> {
        text.parse().map_err(E::custom)
    }
}

/// A range that values must keep to; a value equal to a limit keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Limits")]
pub struct Threshold {
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Limit>,
}

/// A threshold as it is written, before it is known to make sense.
#[derive(Deserialize)]
struct Limits {
    #[serde(default)]
    min: Option<Limit>,
    #[serde(default)]
    max: Option<Limit>,
}

impl TryFrom<Limits> for Threshold {
    type Error = ThresholdError;

    fn try_from(limits: Limits) -> Result<Self, Self::Error> {
        Self::new(limits.min, limits.max)
    }
}

impl Threshold {
    /// A range with at least one limit.
    pub fn new(min: Option<Limit>, max: Option<Limit>) -> Result<Self, ThresholdError> {
        match (&min, &max) {
            (None, None) => Err(ThresholdError::Empty),
            (Some(low), Some(high)) if low.value > high.value => {
                Err(ThresholdError::Crossed { min: low.text.clone(), max: high.text.clone() })
            }
            _ => Ok(Self { min, max }),
        }
    }

    /// The least value that passes.
    pub fn min(&self) -> Option<&Limit> {
        self.min.as_ref()
    }

    /// The greatest value that passes.
    pub fn max(&self) -> Option<&Limit> {
        self.max.as_ref()
    }

    /// Whether a value keeps to the range. Infinities compare like any number.
    pub fn holds(&self, value: Number) -> bool {
        self.min.as_ref().is_none_or(|limit| value >= limit.value)
            && self.max.as_ref().is_none_or(|limit| value <= limit.value)
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.min, &self.max) {
            (Some(min), Some(max)) => write!(formatter, "min {min}, max {max}"),
            (Some(min), None) => write!(formatter, "min {min}"),
            (None, Some(max)) => write!(formatter, "max {max}"),
            (None, None) => Ok(()),
        }
    }
}

//! Kubernetes quantities (`250m`, `1.5Gi`, `2e3`).
//!
//! Own code, because the parsers on crates.io pull in `k8s-openapi` at a version of theirs.

use std::fmt;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// An amount in thousandths of its unit; finer parts are rounded up, as the scheduler does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Quantity(i128);

/// A text that is no quantity.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no quantity: write a number with an optional unit, like 250m, 2 or 1.5Gi")]
pub struct NoQuantity(String);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A whole number of units.
    pub const fn whole(units: u32) -> Self {
        Self(units as i128 * 1000)
    }

    /// In thousandths (for CPU: millicores).
    pub const fn millis(self) -> i128 {
        self.0
    }

    /// In whole units, rounded up (for memory: bytes).
    pub const fn units(self) -> i128 {
        self.0.div_euclid(1000) + if self.0.rem_euclid(1000) > 0 { 1 } else { 0 }
    }

    /// What is left after taking away; negative where it doesn't suffice.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// That many times.
    #[must_use]
    pub const fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(count as i128))
    }

    /// A quantity in JSON, text or number; nothing where it is neither. The API server refuses what is no quantity.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.to_string().parse().ok(),
            _ => None,
        }
    }

    /// For people: bytes in the largest binary unit that keeps it above 1, everything else as it is written.
    pub(crate) fn shown(self, resource: &str) -> String {
        let bytes = ["memory", "storage"].iter().any(|word| resource.ends_with(word));
        let units = [("Ti", 1_i128 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
        let unit = units.iter().find(|(_, size)| bytes && self.units().abs() >= *size);
        let Some((unit, size)) = unit else {
            return self.to_string();
        };
        let tenths = self.units() * 10 / size;
        if tenths % 10 == 0 {
            format!("{}{unit}", tenths / 10)
        } else {
            format!("{}.{}{unit}", tenths / 10, tenths % 10)
        }
    }
}

impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 1000 == 0 { write!(f, "{}", self.0 / 1000) } else { write!(f, "{}m", self.0) }
    }
}

impl FromStr for Quantity {
    type Err = NoQuantity;
    fn from_str(text: &str) -> Result<Self, NoQuantity> {
        parse(text).ok_or_else(|| NoQuantity(text.to_owned()))
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn parse(text: &str) -> Option<Quantity> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let digits: i128 = format!("0{whole}{part}").parse().ok()?;
    let (times, over) = scale(unit)?;
    let over = over.checked_mul(10_i128.checked_pow(u32::try_from(part.len()).ok()?)?)?;
    let scaled = digits.checked_mul(times)?.checked_mul(1000)?;
    let millis = scaled.div_euclid(over) + i128::from(scaled.rem_euclid(over) > 0);
    Some(Quantity(if negative { -millis } else { millis }))
}

/// A unit as a fraction.
fn scale(unit: &str) -> Option<(i128, i128)> {
    Some(match unit {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => {
            let exponent: i32 = unit.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
            if exponent < 0 { (1, power) } else { (power, 1) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read() {
        for (text, millis) in [
            ("1", 1000),
            ("250m", 250),
            ("0.5", 500),
            (".5", 500),
            ("1.", 1000),
            ("1e3", 1_000_000),
            ("1E3", 1_000_000),
            ("25e-1", 2500),
            ("1E", 1_000_000_000_000_000_000_000),
            ("1Ki", 1_024_000),
            ("1.5Gi", 1_610_612_736_000),
            ("100n", 1),
            ("1500u", 2),
            ("-2", -2000),
            ("+2k", 2_000_000),
        ] {
            assert_eq!(text.parse::<Quantity>().map(Quantity::millis), Ok(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "m", "1ki", "1 Gi", "1KiB", "1.2.3", "1e", "--1", "1e99999", "1e40"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    #[test]
    fn quantities_are_shown_for_people() {
        for (text, resource, shown) in [
            ("1536Mi", "requests.memory", "1.5Gi"),
            ("2Gi", "memory", "2Gi"),
            ("100", "memory", "100"),
            ("1500m", "cpu", "1500m"),
            ("2000m", "cpu", "2"),
        ] {
            assert_eq!(text.parse::<Quantity>().unwrap().shown(resource), shown);
        }
    }
}

//! A measured number that can be compared, hashed and stored.

use std::{cmp::Ordering, fmt, hash::Hash};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A measured value: an `f64` that is never NaN.
///
/// States that hold measured values are compared and hashed (to find out whether anything changed,
/// and by the exhaustive search over the planner), which a bare `f64` allows only with traps: NaN
/// differs from itself and `-0` equals `0` but hashes differently. Neither can be held here.
/// Stored as text, because JSON has no infinity.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number(u64);

impl Number {
    /// Nothing happened.
    pub const ZERO: Self = Self(0);

    /// Takes a value as a metrics source gave it; `None` for NaN, which is the absence of a value.
    pub fn new(value: f64) -> Option<Self> {
        // Adding zero turns -0 into 0, so that equal values have equal bits.
        (!value.is_nan()).then(|| Self((value + 0.0).to_bits()))
    }

    /// The value.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().total_cmp(&other.get())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), formatter)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:?}", self.get()))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let value: f64 =
            text.parse().map_err(|_| D::Error::custom(format_args!("{text:?} is not a number")))?;
        Self::new(value).ok_or_else(|| D::Error::custom("a measured value is never NaN"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_bits_and_nan_is_no_number() {
        assert_eq!(Number::new(-0.0), Number::new(0.0));
        assert_eq!(Number::new(f64::NAN), None);
        assert_eq!(Number::new(-f64::NAN), None);
        assert!(Number::new(f64::NEG_INFINITY) < Number::new(-1.0));
        assert!(Number::new(1e300) < Number::new(f64::INFINITY));
    }

    #[test]
    fn stored_and_read_back_is_the_same() {
        for value in [0.0, 0.1, -2.5, 1e-300, 1.7e308, f64::INFINITY, f64::NEG_INFINITY] {
            let number = Number::new(value).unwrap();
            let text = serde_json::to_string(&number).unwrap();
            assert_eq!(serde_json::from_str::<Number>(&text).unwrap(), number, "{text}");
        }
        assert!(serde_json::from_str::<Number>("\"NaN\"").is_err());
        assert!(serde_json::from_str::<Number>("\"many\"").is_err());
    }
}

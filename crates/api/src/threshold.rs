//! Limits of a check: whole numbers, quoted decimals, numbers with a unit; read in base units (seconds, ratios).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::names::limit;

/// Why a value is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no limit: write a whole number, a quoted decimal such as \"0.01\", or a number with a unit: 1%, 250ms"
)]
pub struct LimitError {
    /// What was written.
    pub text: String,
}

/// A limit as written in a spec. Decimals come as text, because numbers with a fraction are rounded on their way
/// through YAML and JSON tools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Limit {
    /// A whole number.
    Whole(i64),
    /// Anything else.
    Text(String),
}

impl Limit {
    /// The limit in base units: seconds for times, ratios for percent, the number itself otherwise.
    pub fn base_units(&self) -> Result<f64, LimitError> {
        match self {
            Self::Whole(number) => parse(&number.to_string()),
            Self::Text(text) => parse(text),
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(number) => write!(formatter, "{number}"),
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

impl JsonSchema for Limit {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maxLength": limit::THRESHOLD,
            "x-kubernetes-validations": [{
                "rule": "string(self).matches('^-?[0-9]+([.][0-9]+)?(%|ms|s|m|h)?$')",
                "message": "write a whole number, a quoted decimal such as \"0.01\", or a number with a unit: 1%, 250ms",
            }],
        })
    }
}

/// The units, each with the power of ten and the factor that lead to the base unit; `ms` stands before `s` and `m`, since it ends
/// like the one.
const UNITS: [(&str, i32, f64); 6] =
    [("%", -2, 1.0), ("ms", -3, 1.0), ("s", 0, 1.0), ("m", 0, 60.0), ("h", 0, 3600.0), ("", 0, 1.0)];

/// The number in base units: the very one that judges compare with.
pub fn parse(text: &str) -> Result<f64, LimitError> {
    let error = || LimitError { text: text.to_owned() };
    let (number, power, factor) = UNITS
        .iter()
        .find_map(|(unit, power, factor)| Some((text.strip_suffix(unit)?, power, factor)))
        .ok_or_else(error)?;
    if !is_plain_decimal(number) {
        return Err(error());
    }
    // The power of ten goes into the text: 0.7 divided by 100 is less than 0.007.
    let value: f64 = format!("{number}e{power}").parse().map_err(|_| error())?;
    Ok(value * factor)
}

/// What the schema allows: digits, at most one point between digits, at most a sign in front. Rust would take `inf`.
fn is_plain_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_in_base_units() {
        for (text, value) in [
            ("1%", 0.01),
            ("0.01", 0.01),
            ("99.5%", 0.995),
            ("0.7%", 0.007),
            ("0.1%", 0.001),
            ("1.1ms", 0.0011),
            ("250ms", 0.25),
            ("2s", 2.0),
            ("1.5m", 90.0),
            ("1h", 3600.0),
            ("-3", -3.0),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
        assert_eq!(Limit::Whole(5).base_units(), Ok(5.0));
    }

    #[test]
    fn what_is_no_limit_is_refused_with_the_remedy() {
        for text in ["", "%", "1 %", "1 percent", "inf", "NaN", "1e3", ".5", "5.", "--1", "0.0.1", "1d"] {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.contains("quoted decimal"), "{message}");
        }
    }

    #[test]
    fn both_spellings_are_stored_as_written() {
        for (json, limit) in [("5", Limit::Whole(5)), ("\"1%\"", Limit::Text("1%".to_owned()))] {
            let read: Limit = serde_json::from_str(json).expect(json);
            assert_eq!(read, limit);
            assert_eq!(serde_json::to_string(&read).expect(json), json);
        }
    }
}

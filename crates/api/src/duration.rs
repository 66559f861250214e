//! Durations as people write them: `90s`, `10m`, `1h30m`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::limit;
use crate::schema::rules;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no duration: write one like 90s, 10m or 1h30m (units h, m, s, ms)")]
pub struct DurationError {
    /// What was written.
    pub text: String,
}

/// A duration as written in a spec. The text is kept, so that what is shown is what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DurationText(pub String);

impl DurationText {
    /// The duration in milliseconds.
    pub fn millis(&self) -> Result<u64, DurationError> {
        parse(&self.0)
    }
}

impl From<&str> for DurationText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl JsonSchema for DurationText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DurationText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": limit::DURATION,
            "x-kubernetes-validations": rules(&[(RULE, RULE_MESSAGE)]),
        })
    }
}

/// What the API server matches durations against.
const RULE: &str = "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$')";
/// What it says when they don't match.
const RULE_MESSAGE: &str = "write a duration like 90s, 10m or 1h30m";

/// The rules for durations that must not be nothing: these would fail every rollout at once, or never let go of a
/// processor. A malformed one is left to the first rule.
pub(crate) fn at_least_a_second() -> Value {
    let not_nothing = format!("!{RULE} || duration(self) >= duration('1s')");
    rules(&[(RULE, RULE_MESSAGE), (&not_nothing, "write at least 1s")])
}

/// Milliseconds of a duration such as `90s`, `10m` or `1h30m`.
pub fn parse(text: &str) -> Result<u64, DurationError> {
    let error = || DurationError { text: text.to_owned() };
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (part, tail) = first_part(rest).ok_or_else(error)?;
        total = total.checked_add(part).ok_or_else(error)?;
        rest = tail;
    }
    if text.is_empty() { Err(error()) } else { Ok(total) }
}

/// The first number with its unit in milliseconds, and what stands behind it.
fn first_part(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, tail) = text.split_at(digits);
    let unit_end = tail.find(|character: char| character.is_ascii_digit()).unwrap_or(tail.len());
    let (unit, tail) = tail.split_at(unit_end);
    let scale: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let millis = number.parse::<u64>().ok()?.checked_mul(scale)?;
    Some((millis, tail))
}

/// Writes milliseconds the way people do, largest unit first: 5 400 000 is `1h30m`.
pub fn format(millis: u64) -> String {
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let mut rest = millis;
    let mut text = String::new();
    for (scale, unit) in units {
        if rest >= scale {
            text.push_str(&(rest / scale).to_string());
            text.push_str(unit);
            rest %= scale;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, millis) in [
            ("90s", 90_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("0s", 0),
            ("1m5ms", 60_005),
        ] {
            assert_eq!(parse(text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_remedy() {
        for text in ["", "10", "10 m", "m", "1d", "-1m", "1.5h", "10m ", "m10", "99999999999999999999h"] {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.contains("1h30m") && message.contains(text), "{message}");
        }
    }

    #[test]
    fn durations_are_written_as_people_do() {
        for millis in [0, 250, 1_000, 90_000, 600_000, 5_400_000, 86_400_001] {
            assert_eq!(parse(&format(millis)), Ok(millis));
        }
        assert_eq!(format(5_400_000), "1h30m");
    }
}

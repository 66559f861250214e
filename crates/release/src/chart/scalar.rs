//! What an unquoted word of YAML means to Helm and to the API server's tools: YAML 1.1, as Go reads it.
//!
//! Charts rely on it: `defaultMode: 0644` is 420, `enabled: yes` is true. A reader of YAML 1.2 takes both for texts.

use serde_json::{Number, Value};

/// What a plain scalar stands for.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => true.into(),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => false.into(),
        _ => number(text).map_or_else(|| text.into(), Value::Number),
    }
}

/// What stands for a key, which JSON has as a text.
pub(super) fn key(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn number(text: &str) -> Option<Number> {
    let starts = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
    if !text.starts_with(starts) {
        return None;
    }
    // Go drops underscores from what begins with a digit or a sign, and not from what begins with a point.
    let plain = if text.starts_with('.') { text.to_owned() } else { text.replace('_', "") };
    whole(&plain).or_else(|| real(&plain))
}

/// With a sign and in the base that its beginning tells.
fn whole(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = based(digits);
    // What from_str_radix takes beyond digits.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    if !negative {
        return u64::from_str_radix(digits, base).ok().map(Number::from);
    }
    i64::from_str_radix(&format!("-{digits}"), base).ok().map(Number::from)
}

fn based(digits: &str) -> (u32, &str) {
    let after = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| digits.strip_prefix(prefix));
    if let Some(rest) = after(["0x", "0X"]) {
        (16, rest)
    } else if let Some(rest) = after(["0b", "0B"]) {
        (2, rest)
    } else if let Some(rest) = after(["0o", "0O"]) {
        (8, rest)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, digits)
    } else {
        (10, digits)
    }
}

/// Digits with a point, an exponent or both. Infinities and what is no number have no JSON.
fn real(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let shaped = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.bytes().any(|byte| byte.is_ascii_digit())
        && unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    if !shaped {
        return None;
    }
    Number::from_f64(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unquoted_words_mean_what_they_mean_to_helm() {
        for (text, meant) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("y", json!(true)),
            ("yEs", json!("yEs")),
            ("0644", json!(420)),
            ("0o644", json!(420)),
            ("-0644", json!(-420)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("0", json!(0)),
            ("08", json!(8.0)),
            ("1_000", json!(1000)),
            ("+12", json!(12)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("99999999999999999999", json!(1e20)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
            (".5_0", json!(".5_0")),
            ("1.", json!(1.0)),
            ("1.2.3", json!("1.2.3")),
            ("1.8.2-rc1", json!("1.8.2-rc1")),
            ("-", json!("-")),
            ("+-1", json!("+-1")),
            (".", json!(".")),
            ("1Gi", json!("1Gi")),
            ("250m", json!("250m")),
            ("2024-01-02", json!("2024-01-02")),
            (".inf", json!(".inf")),
            ("0x", json!("0x")),
            ("web", json!("web")),
        ] {
            assert_eq!(plain(text), meant, "{text:?}");
        }
    }
}

//! Limits as people write them.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up must fail")]

use teal_judge::{Limit, Number, Threshold, ThresholdError, Unit};

fn number(value: f64) -> Number {
    Number::new(value).unwrap()
}

#[test]
fn limits_are_read_in_base_units() {
    let rows = [
        ("5", 5.0, Unit::None),
        ("-3", -3.0, Unit::None),
        ("0.01", 0.01, Unit::None),
        ("1%", 0.01, Unit::Percent),
        ("0.1%", 0.001, Unit::Percent),
        ("99.9%", 0.999, Unit::Percent),
        ("99.95%", 0.9995, Unit::Percent),
        ("250ms", 0.25, Unit::Seconds),
        ("1.1ms", 0.0011, Unit::Seconds),
        ("2s", 2.0, Unit::Seconds),
        ("1.5m", 90.0, Unit::Seconds),
        ("1h", 3600.0, Unit::Seconds),
    ];
    for (text, value, unit) in rows {
        let limit: Limit = text.parse().unwrap();
        assert_eq!(limit.value(), number(value), "{text}");
        assert_eq!(limit.unit(), unit, "{text}");
        assert_eq!(limit.to_string(), text);
    }
}

#[test]
fn what_is_not_a_limit_is_refused_with_the_remedy() {
    let long = "1".repeat(33);
    let rows = [
        "", "%", "ms", "1 %", "1d", "1us", "1e3", "NaN", "inf", ".5", "5.", "1.2.3", "--1", "0x1", "1,5",
        "٣", &long,
    ];
    for text in rows {
        let error = text.parse::<Limit>().unwrap_err();
        assert!(matches!(error, ThresholdError::Unreadable { .. }), "{text}: {error:?}");
        assert!(error.to_string().contains("250ms"), "{error}");
    }
}

#[test]
fn json_takes_whole_numbers_and_texts_and_names_the_remedy_for_a_bare_decimal() {
    let read = |json: &str| serde_json::from_str::<Threshold>(json);
    assert_eq!(read(r#"{"max":0}"#).unwrap().to_string(), "max 0");
    assert_eq!(read(r#"{"min":"99%","max":1}"#).unwrap().to_string(), "min 99%, max 1");
    assert_eq!(read(r#"{"min":-5}"#).unwrap().min().unwrap().value(), number(-5.0));
    let error = read(r#"{"max":0.01}"#).unwrap_err().to_string();
    assert!(error.contains(r#"write "0.01""#), "{error}");
    assert!(read("{}").unwrap_err().to_string().contains("min, max or both"));
    let error = read(r#"{"min":"2%","max":"1%"}"#).unwrap_err().to_string();
    assert!(error.contains("min 2% is above max 1%"), "{error}");
    assert!(read(r#"{"min":"1%","max":"0.01"}"#).is_ok(), "one single value may pass");
}

#[test]
fn a_threshold_survives_being_stored() {
    for json in [r#"{"min":"99%"}"#, r#"{"min":"0.1","max":"250ms"}"#] {
        let threshold: Threshold = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&threshold).unwrap(), json);
    }
}

#[test]
fn equal_passes_however_it_is_written() {
    for (limit, value) in [
        ("1%", 0.01_f64),
        ("0.1%", 0.001),
        ("0.7%", 0.007),
        ("250ms", 0.25),
        ("1.1ms", 0.0011),
        ("3", 3.0),
        ("0", -0.0),
    ] {
        let limit: Limit = limit.parse().unwrap();
        let (up, down) = (number(value.next_up()), number(value.next_down()));
        let max = Threshold::new(None, Some(limit.clone())).unwrap();
        assert!(max.holds(number(value)) && max.holds(down) && !max.holds(up), "max {limit}");
        let min = Threshold::new(Some(limit.clone()), None).unwrap();
        assert!(min.holds(number(value)) && min.holds(up) && !min.holds(down), "min {limit}");
    }
}

#[test]
fn infinities_compare_like_any_number() {
    let max: Threshold = serde_json::from_str(r#"{"max":"1%"}"#).unwrap();
    let min: Threshold = serde_json::from_str(r#"{"min":"1%"}"#).unwrap();
    assert!(!max.holds(number(f64::INFINITY)) && max.holds(number(f64::NEG_INFINITY)));
    assert!(min.holds(number(f64::INFINITY)) && !min.holds(number(f64::NEG_INFINITY)));
}

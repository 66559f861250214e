//! Numbers and sentences for people.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up must fail")]

use proptest::prelude::*;
use teal_judge::{
    Check, CheckState, Number, Outcome, Problem, ProblemKind, Sample, Threshold, format_duration,
    format_number, format_value,
};

fn number(value: f64) -> Number {
    Number::new(value).unwrap()
}

fn threshold(json: &str) -> Threshold {
    serde_json::from_str(json).unwrap()
}

#[test]
fn numbers_have_few_digits() {
    let rows = [
        (0.0, "0"),
        (0.0012, "0.0012"),
        (1.0 / 3.0, "0.333"),
        (0.35, "0.35"),
        (12.0, "12"),
        (99.96, "100"),
        (123_456.7, "123457"),
        (-2.5, "-2.5"),
        (0.000_001, "0.000001"),
        (1.234e-9, "1.23e-9"),
        (1e15, "1e15"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ];
    for (value, text) in rows {
        assert_eq!(format_number(number(value)), text);
    }
}

#[test]
fn values_stand_beside_their_threshold() {
    let rows = [
        (0.0012, r#"{"max":"1%"}"#, "0.0012"),
        (0.35, r#"{"max":"250ms"}"#, "0.35 s"),
        (f64::INFINITY, r#"{"max":"250ms"}"#, "+Inf"),
        (0.010_004, r#"{"max":"1%"}"#, "0.010004"),
        (0.01, r#"{"max":"1%"}"#, "0.01"),
        (0.998_999, r#"{"min":"99.9%"}"#, "0.998999"),
        (1_000_000.25, r#"{"max":1000000}"#, "1000000.2"),
    ];
    for (value, json, text) in rows {
        assert_eq!(format_value(number(value), &threshold(json)), text);
    }
}

#[test]
fn durations() {
    let rows = [
        (0, "0 ms"),
        (850, "850 ms"),
        (45_000, "45 s"),
        (300_000, "5 min"),
        (90_000, "1 min 30 s"),
        (5_400_000, "1 h 30 min"),
    ];
    for (milliseconds, text) in rows {
        assert_eq!(format_duration(milliseconds), text);
    }
}

#[test]
fn sentences() {
    let check = Check {
        failures: 2,
        passes: 1,
        delay_ms: 0,
        blind_limit_ms: 60_000,
        ..Check::new(threshold(r#"{"max":"1%"}"#))
    };
    let problem =
        Outcome::Error(Problem::new(ProblemKind::Timeout, "source default gave no answer within 10 s"));
    let rows = [
        (vec![], "no sample yet"),
        (vec![Outcome::from_value(0.0012)], "0.0012 is within max 1%; passed, 1 good in a row"),
        (vec![Outcome::from_value(0.0231)], "0.0231 is outside max 1%; 1 of 2 bad in a row"),
        (vec![Outcome::from_value(0.02), Outcome::from_value(0.0231)], "0.0231 is outside max 1%; failed"),
        (vec![Outcome::NoData], "no data; 0 of 1 good in a row"),
        (
            vec![problem.clone(), problem],
            "source default gave no answer within 10 s; no usable answer for 1 min",
        ),
    ];
    for (outcomes, sentence) in rows {
        let mut state = CheckState::begin(0);
        for (minute, outcome) in (0..).zip(outcomes) {
            state.fold(&check, Sample { at_ms: minute * 60_000, outcome });
        }
        assert_eq!(state.sentence(&check), sentence);
    }
}

proptest! {
    #[test]
    fn a_shown_value_is_on_the_same_side_of_its_limit(value in proptest::num::f64::NORMAL, near in -3_i64..3) {
        for (json, limit) in [(r#"{"max":"1%"}"#, 0.01_f64), (r#"{"min":"99.9%"}"#, 0.999), (r#"{"max":7}"#, 7.0)] {
            let close = f64::from_bits(limit.to_bits().wrapping_add_signed(near));
            for value in [value, close] {
                let threshold = threshold(json);
                let shown = number(format_value(number(value), &threshold).parse().unwrap());
                prop_assert_eq!(threshold.holds(shown), threshold.holds(number(value)));
            }
        }
    }
}

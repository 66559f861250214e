//! Numbers and standings in words for people.

use crate::{Check, CheckState, Number, Outcome, Standing, Threshold, Unit, Verdict, judge_sample};

/// A number with few digits: at least three that matter, and never fewer than its whole part has.
pub fn format_number(value: Number) -> String {
    with_digits(value, 3)
}

/// A measured value beside its threshold: `0.0012`, or `0.35 s` where a limit is a duration.
///
/// It gets as many digits as it takes not to look like the other side of a limit: a value that
/// fails `max 1%` by a hair must not be shown as `0.01`.
pub fn format_value(value: Number, threshold: &Threshold) -> String {
    let limits = [threshold.min(), threshold.max()];
    let is_time = limits.iter().flatten().any(|limit| limit.unit() == Unit::Seconds);
    let suffix = if is_time && value.get().is_finite() { " s" } else { "" };
    // Seventeen digits tell any two doubles apart.
    let text = (3..=17)
        .map(|digits| with_digits(value, digits))
        .find(|text| {
            let shown = text.parse().ok().and_then(Number::new);
            shown.is_some_and(|shown| {
                limits.iter().flatten().all(|limit| shown.cmp(&limit.value()) == value.cmp(&limit.value()))
            })
        })
        .unwrap_or_else(|| with_digits(value, 17));
    format!("{text}{suffix}")
}

/// A number rounded to so many digits that matter, without zeros at the end.
fn with_digits(value: Number, digits: usize) -> String {
    let value = value.get();
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let rounded = format!("{value:.*e}", digits.saturating_sub(1));
    let exponent: i32 = rounded.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    if value != 0.0 && !(-6..15).contains(&exponent) {
        let (mantissa, _) = rounded.split_once('e').unwrap_or((&rounded, ""));
        return format!("{}e{exponent}", without_trailing_zeros(mantissa));
    }
    let whole_digits = exponent + 1;
    let decimals = usize::try_from(i32::try_from(digits).unwrap_or(17) - whole_digits).unwrap_or(0);
    without_trailing_zeros(&format!("{value:.decimals$}")).to_owned()
}

fn without_trailing_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// A time span in its two largest units: `850 ms`, `45 s`, `5 min`, `1 h 30 min`.
pub fn format_duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let pair = |large: u64, large_unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{large} {large_unit}")
        } else {
            format!("{large} {large_unit} {small} {small_unit}")
        }
    };
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds} s"),
        60..3600 => pair(seconds / 60, "min", seconds % 60, "s"),
        _ => pair(seconds / 3600, "h", seconds % 3600 / 60, "min"),
    }
}

impl CheckState {
    /// The last measured value as status and pages show it; `None` where there was no number.
    pub fn value_text(&self, check: &Check) -> Option<String> {
        match &self.last()?.outcome {
            Outcome::Value(value) => Some(format_value(*value, &check.threshold)),
            Outcome::NoData | Outcome::Error(_) => None,
        }
    }

    /// One sentence, without the check's name: what was seen, and what it amounts to.
    pub fn sentence(&self, check: &Check) -> String {
        let Some(last) = self.last() else {
            return "no sample yet".to_owned();
        };
        let verdict = judge_sample(check, &last.outcome);
        let seen = match &last.outcome {
            Outcome::Value(value) => against_threshold(*value, check, verdict),
            Outcome::NoData => "no data".to_owned(),
            Outcome::Error(problem) => problem.message().to_owned(),
        };
        format!("{seen}; {}", self.amounts_to(check))
    }

    fn amounts_to(&self, check: &Check) -> String {
        match self.standing(check) {
            Standing::Fail => "failed".to_owned(),
            Standing::Pass => format!("passed, {} good in a row", self.passes()),
            Standing::Blind(_) => {
                format!("no usable answer for {}", format_duration(self.blind_for_ms().unwrap_or(0)))
            }
            Standing::Pending if self.failures() > 0 => {
                format!("{} of {} bad in a row", self.failures(), check.failures.max(1))
            }
            Standing::Pending => format!("{} of {} good in a row", self.passes(), check.passes.max(1)),
        }
    }
}

fn against_threshold(value: Number, check: &Check, verdict: Verdict) -> String {
    let shown = format_value(value, &check.threshold);
    let side = if verdict == Verdict::Pass { "within" } else { "outside" };
    format!("{shown} is {side} {}", check.threshold)
}

//! The table at the end of `cargo xtask test`.

use std::fmt::Write;
use std::time::Duration;

use super::counts::Counts;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All of it passed.
    Passed,
    /// Some of it failed.
    Failed,
    /// It can't be done here, for this reason.
    NotChecked(String),
    /// An earlier step failed.
    NotReached,
    /// It was not wanted, for this reason.
    LeftOut(&'static str),
}

/// A step with its end.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The step's name.
    pub step: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// What its output said.
    pub counts: Counts,
}

impl Line {
    /// A step counts as its tests. One without tests counts as one, and so does one that
    /// failed with no test to blame, such as a build that broke.
    fn totals(&self) -> (u64, u64) {
        let Counts { passed, failed, .. } = self.counts;
        match self.outcome {
            Outcome::Passed if passed + failed == 0 => (1, 0),
            Outcome::Failed => (passed, failed.max(1)),
            Outcome::Passed => (passed, failed),
            Outcome::NotChecked(_) | Outcome::NotReached | Outcome::LeftOut(_) => (0, 0),
        }
    }

    fn row(&self) -> String {
        let ended = |words: &str| {
            format!("{:<12}{:>8.1} s  {words}  {}", self.step, self.took.as_secs_f64(), self.tests())
        };
        match &self.outcome {
            Outcome::Passed => ended("passed"),
            Outcome::Failed => ended("FAILED"),
            Outcome::NotChecked(reason) => format!("{}: NOT CHECKED ({reason})", self.step),
            Outcome::NotReached => format!("{}: not reached", self.step),
            Outcome::LeftOut(reason) => format!("{}: NOT RUN ({reason})", self.step),
        }
    }

    fn tests(&self) -> String {
        let Counts { passed, failed, ignored, reasons, .. } = &self.counts;
        match (passed + failed, ignored) {
            (0, 0) => String::new(),
            (_, 0) => format!("{passed} tests passed, {failed} failed"),
            (_, ignored) => {
                let reasons = reasons.iter().map(String::as_str).collect::<Vec<_>>().join("; ");
                format!("{passed} tests passed, {failed} failed, {ignored} not run here ({reasons})")
            }
        }
    }
}

/// Whether nothing failed.
pub(super) fn is_good(lines: &[Line]) -> bool {
    lines.iter().all(|line| !matches!(line.outcome, Outcome::Failed | Outcome::NotReached))
}

/// The table, the notes of the steps, and alone on the last line what passed and what failed.
pub(super) fn render(lines: &[Line]) -> String {
    let mut text = String::from("\n");
    for line in lines {
        push(&mut text, line.row().trim_end());
        line.counts.notes.iter().for_each(|note| push(&mut text, &format!("{:<24}{note}", "")));
    }
    let (passed, failed) = lines
        .iter()
        .map(Line::totals)
        .fold((0, 0), |(passed, failed), line| (passed + line.0, failed + line.1));
    push(&mut text, &format!("\n{passed} passed, {failed} failed"));
    text
}

fn push(text: &mut String, line: &str) {
    let _infallible = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::{Counts, Duration, Line, Outcome, is_good, render};

    fn line(step: &'static str, outcome: Outcome, passed: u64, failed: u64) -> Line {
        let counts = Counts { passed, failed, ..Counts::default() };
        Line { step, outcome, took: Duration::from_millis(1_250), counts }
    }

    fn last(lines: &[Line]) -> String {
        render(lines).lines().last().unwrap().to_owned()
    }

    #[test]
    fn tests_count_singly_and_a_step_without_tests_as_one() {
        let lines = [line("fmt", Outcome::Passed, 0, 0), line("unit", Outcome::Passed, 41, 0)];
        assert_eq!(last(&lines), "42 passed, 0 failed");
        assert!(is_good(&lines));
    }

    #[test]
    fn a_broken_build_is_one_failure_and_what_follows_is_not_reached() {
        let lines = [line("unit", Outcome::Failed, 7, 0), line("stories", Outcome::NotReached, 0, 0)];
        assert_eq!(last(&lines), "7 passed, 1 failed");
        assert!(!is_good(&lines));
    }

    #[test]
    fn what_is_not_checked_is_said_and_counts_nothing() {
        let lines = [line("advisories", Outcome::NotChecked("no database".to_owned()), 0, 0)];
        let text = render(&lines);
        assert!(text.contains("advisories: NOT CHECKED (no database)\n"), "{text}");
        assert_eq!(last(&lines), "0 passed, 0 failed");
        assert!(is_good(&lines));
    }

    #[test]
    fn what_was_left_out_is_said_with_its_reason() {
        let mut unit = line("unit", Outcome::Passed, 7, 0);
        unit.counts.ignored = 3;
        unit.counts.reasons.insert("needs an API server".to_owned());
        let lines = [unit, line("server", Outcome::LeftOut("it was not wanted"), 0, 0)];
        let text = render(&lines);
        assert!(text.contains("7 tests passed, 0 failed, 3 not run here (needs an API server)\n"), "{text}");
        assert!(text.contains("server: NOT RUN (it was not wanted)\n"), "{text}");
        assert_eq!(last(&lines), "7 passed, 0 failed");
        assert!(is_good(&lines));
    }

    #[test]
    fn notes_stand_under_their_step() {
        let mut explorer = line("explorer", Outcome::Passed, 0, 0);
        explorer.counts.notes.push("123456 states".to_owned());
        assert!(render(&[explorer]).contains("passed\n                        123456 states\n"));
    }
}

//! Why an answer can't be used, as people are told it: which check, which field, and what to do.

use teal_api::names::DRAIN;
use teal_judge::{Check, CheckState, NoData, Outcome, ProblemKind, judge_sample};
use teal_plan::snapshot::Trouble;

/// Why the last answer of a check can't be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// There is no answer.
    Problem(ProblemKind),
    /// The answer has no number.
    NoData,
}

/// Why the last answer can't be used, if so. That there is no number yet is said only once the step is old enough for
/// samples to count: before, nothing may have happened that could be measured.
pub(super) fn kind(check: &Check, state: &CheckState) -> Option<Kind> {
    let last = state.last().filter(|last| !judge_sample(check, &last.outcome).is_usable())?;
    match &last.outcome {
        Outcome::Error(problem) => Some(Kind::Problem(problem.kind)),
        Outcome::NoData if check.no_data == NoData::Wait => {
            let counts = state.observed_at_ms().saturating_add(check.delay_ms);
            (last.at_ms >= counts).then_some(Kind::NoData)
        }
        Outcome::NoData | Outcome::Value(_) => None,
    }
}

/// The same in words.
pub(super) fn told(kind: Kind, name: &str, state: &CheckState) -> Trouble {
    let (reason, field, remedy) = match words(kind) {
        ("NoData", field, _) if name == DRAIN => ("NoData", field, UNCOUNTED),
        words => words,
    };
    let said = match state.last().map(|last| &last.outcome) {
        Some(Outcome::Error(problem)) => problem.message().to_owned(),
        Some(Outcome::NoData | Outcome::Value(_)) | None => "the query has no data".to_owned(),
    };
    Trouble { reason: reason.to_owned(), message: format!("{}.{field}: {said}: {remedy}", of(name)) }
}

/// Nothing is promoted by this number, but a 0 that nobody measured would cut what is open.
const UNCOUNTED: &str = "see that the pods of the color that goes are scraped (docs/reference/metrics.md), and correct the query's labels; \
     until there is a number it stays, up to its timeout";

/// Where in the spec what is asked stands.
pub(super) fn of(name: &str) -> String {
    if name == DRAIN { format!("spec.{DRAIN}") } else { format!("spec.checks[{name}]") }
}

/// A reason of the condition, the field that leads to what must be mended, and how.
const fn words(kind: Kind) -> (&'static str, &'static str, &'static str) {
    const SERVER: &str = "mend the server, or its entry in the operator's configuration";
    match kind {
        Kind::NoData => {
            // A number for what nobody scrapes would promote unseen, so that comes last.
            const ABSENT: &str = "see that the candidate's pods are scraped (docs/reference/metrics.md), and correct the query's \
                labels; only for a counter that a scraped pod may not have yet write (… or vector(0)), or noData: Zero if it is \
                the whole query";
            ("NoData", "query", ABSENT)
        }
        Kind::Problem(problem) => match problem {
            ProblemKind::QueryInvalid => ("QueryInvalid", "query", "correct it"),
            ProblemKind::SeveralSeries => ("SeveralSeries", "query", "correct it"),
            ProblemKind::TooLarge => ("SeveralSeries", "query", "correct it"),
            ProblemKind::SourceUnknown => {
                ("SourceNotFound", "source", "correct the name, or add the source there")
            }
            ProblemKind::Denied => ("SourceDenied", "source", SERVER),
            ProblemKind::Timeout => {
                ("SourceSlow", "source", "make the query cheaper, or raise the source's timeout")
            }
            ProblemKind::Unreachable
            | ProblemKind::SourceMisconfigured
            | ProblemKind::BadStatus
            | ProblemKind::Garbled => ("SourceUnavailable", "source", SERVER),
        },
    }
}

#[cfg(test)]
mod tests {
    use teal_judge::{Limit, Problem, Sample, Threshold};

    use super::*;

    fn check() -> Check {
        Check::new(Threshold::new(None, "1%".parse::<Limit>().ok()).unwrap())
    }

    fn after(at_ms: u64, outcome: Outcome) -> CheckState {
        let mut state = CheckState::begin(1_000);
        state.fold(&check(), Sample { at_ms, outcome });
        state
    }

    #[test]
    fn an_answer_that_can_be_used_is_no_trouble() {
        assert_eq!(kind(&check(), &CheckState::begin(0)), None);
        assert_eq!(kind(&check(), &after(60_000, Outcome::from_value(0.0))), None);
        assert_eq!(kind(&check(), &after(60_000, Outcome::from_value(0.5))), None, "bad, but an answer");
        let counted = Check { no_data: NoData::Fail, ..check() };
        assert_eq!(kind(&counted, &after(60_000, Outcome::NoData)), None, "bad, as the check says");
    }

    #[test]
    fn no_data_is_trouble_once_samples_count() {
        assert_eq!(kind(&check(), &after(30_999, Outcome::NoData)), None);
        assert_eq!(kind(&check(), &after(31_000, Outcome::NoData)), Some(Kind::NoData));
    }

    /// Else a candidate that no Prometheus finds would be promoted by a number that nobody measured.
    #[test]
    fn that_pods_are_scraped_is_looked_at_before_absence_counts_as_zero() {
        let state = after(31_000, Outcome::NoData);
        let message = told(kind(&check(), &state).unwrap(), "errors", &state).message;
        assert!(
            message.starts_with("spec.checks[errors].query: the query has no data: see that"),
            "{message}"
        );
        let at = |words: &str| message.find(words).unwrap_or_else(|| panic!("{words} in {message}"));
        assert!(at("pods are scraped (docs/reference/metrics.md)") < at("only for a counter"), "{message}");
        assert!(at("only for a counter that a scraped pod may not have yet") < at("vector(0)"), "{message}");
        assert!(at("vector(0)") < at("noData: Zero"), "{message}");
    }

    #[test]
    fn each_trouble_names_check_field_and_remedy() {
        for (problem, reason, field) in [
            (ProblemKind::QueryInvalid, "QueryInvalid", "query"),
            (ProblemKind::SeveralSeries, "SeveralSeries", "query"),
            (ProblemKind::Unreachable, "SourceUnavailable", "source"),
            (ProblemKind::Timeout, "SourceSlow", "source"),
        ] {
            let state = after(2_000, Outcome::Error(Problem::new(problem, "so it is")));
            let found = kind(&check(), &state).unwrap();
            let told = told(found, "errors", &state);
            assert_eq!(told.reason, reason);
            assert!(
                told.message.starts_with(&format!("spec.checks[errors].{field}: so it is: ")),
                "{told:?}"
            );
        }
    }

    #[test]
    fn of_open_connections_the_field_that_they_stand_in_is_named_and_no_word_of_candidates() {
        let state = after(60_000, Outcome::NoData);
        let trouble = told(Kind::NoData, DRAIN, &state);
        assert_eq!(trouble.reason, "NoData");
        assert!(
            trouble.message.starts_with("spec.traffic.drain.query: the query has no data: see that"),
            "{}",
            trouble.message
        );
        assert!(!trouble.message.contains("candidate"), "{}", trouble.message);
    }
}

//! Why an answer can't be used, as people are told it: which check, which field, and what to do.

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
    let (reason, field, remedy) = words(kind);
    let said = match state.last().map(|last| &last.outcome) {
        Some(Outcome::Error(problem)) => problem.message().to_owned(),
        Some(Outcome::NoData | Outcome::Value(_)) | None => "the query has no data".to_owned(),
    };
    Trouble { reason: reason.to_owned(), message: format!("spec.checks[{name}].{field}: {said}: {remedy}") }
}

/// A reason of the condition, the field that leads to what must be mended, and how.
const fn words(kind: Kind) -> (&'static str, &'static str, &'static str) {
    const SERVER: &str = "mend the server, or its entry in the operator's configuration";
    match kind {
        Kind::NoData => {
            const ABSENT: &str = "correct its labels; where a counter that is absent means 0, write (… or vector(0)) for it, or \
                say noData: Zero if it is the whole query";
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
}

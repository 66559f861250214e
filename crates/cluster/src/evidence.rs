//! What a question shows, as a hash: whoever votes says on what, and a vote on other numbers isn't taken for one on these.
//!
//! The text that is hashed is JSON without white space, its keys in alphabetical order, checks by name, and what isn't there as
//! null. So anybody can make it from the status as it was when the question was opened (docs/runbook/reasons.md).

use serde::Serialize;
use sha2::{Digest, Sha256};
use teal_api::RolloutStatus;
use teal_api::rollout::CheckStatus;
use teal_plan::{Phase, Record};

// The fields stand in the order of their names.

/// The two hashes of content are the difference between the releases.
#[derive(Serialize)]
struct Shown<'a> {
    candidate: Option<Release<'a>>,
    checks: Vec<Check<'a>>,
    live: Option<Release<'a>>,
    step: Option<Step<'a>>,
}

#[derive(Serialize)]
struct Release<'a> {
    hash: Option<&'a str>,
    revision: &'a str,
}

#[derive(Serialize)]
struct Check<'a> {
    limit: Option<&'a str>,
    name: &'a str,
    value: Option<&'a str>,
    verdict: &'a str,
}

#[derive(Serialize)]
struct Step<'a> {
    name: &'a str,
    weight: u32,
}

/// The record with the evidence of the question that it opens; nothing where it opens none.
pub(crate) fn pinned(record: &Record, nonce: &str, shown: &RolloutStatus) -> Option<Record> {
    let mut record = record.clone();
    let Phase::Step(place) = &mut record.phase else { return None };
    let gate = place.gate.as_mut().filter(|gate| gate.nonce == nonce)?;
    gate.evidence = Some(of(shown)?);
    Some(record)
}

fn of(status: &RolloutStatus) -> Option<String> {
    let text = serde_json::to_string(&shown(status)).ok()?;
    Some(format!("sha256:{:x}", Sha256::digest(text)))
}

fn shown(status: &RolloutStatus) -> Shown<'_> {
    let mut checks: Vec<Check<'_>> = status.checks.iter().map(check).collect();
    checks.sort_by_key(|check| check.name);
    Shown {
        candidate: status
            .candidate
            .as_ref()
            .map(|release| Release { hash: Some(&release.hash), revision: &release.revision }),
        checks,
        live: status
            .live
            .as_ref()
            .map(|release| Release { hash: release.hash.as_deref(), revision: &release.revision }),
        step: status.step.as_ref().map(|step| Step { name: &step.name, weight: step.weight }),
    }
}

fn check(check: &CheckStatus) -> Check<'_> {
    Check {
        limit: check.limit.as_deref(),
        name: &check.name,
        value: check.value.as_deref(),
        verdict: &check.verdict,
    }
}

#[cfg(test)]
mod tests {
    use teal_api::rollout::{CandidateStatus, LiveStatus, StepStatus};
    use teal_plan::Time;
    use teal_plan::record::{Gate, StepRecord};

    use super::*;

    fn status() -> RolloutStatus {
        let check = |name: &str, value: Option<&str>| CheckStatus {
            name: name.to_owned(),
            verdict: "Pass".to_owned(),
            value: value.map(str::to_owned),
            limit: Some("max 1%".to_owned()),
            samples: Some(8),
            ..CheckStatus::default()
        };
        RolloutStatus {
            live: Some(LiveStatus {
                revision: "r1-01010101".to_owned(),
                hash: Some("v1:01".to_owned()),
                ..LiveStatus::default()
            }),
            candidate: Some(CandidateStatus {
                revision: "r2-02020202".to_owned(),
                hash: "v1:02".to_owned(),
                ..CandidateStatus::default()
            }),
            step: Some(StepStatus { name: "canary".to_owned(), weight: 10, ..StepStatus::default() }),
            checks: vec![check("latency", None), check("errors", Some("0.0012"))],
            ..RolloutStatus::default()
        }
    }

    fn record(nonce: &str) -> Record {
        let gate =
            Gate { nonce: nonce.to_owned(), evidence: None, opened: Time(7), needed: 1, votes: Vec::new() };
        let place = StepRecord {
            step: "canary".to_owned(),
            weight: 10,
            deadline: Time(9),
            reached: Some(Time(5)),
            lost: None,
            gate: Some(gate),
            held: None,
            jobs: Vec::new(),
            terms: 0,
        };
        Record { phase: Phase::Step(place), ..Record::default() }
    }

    fn evidence(status: &RolloutStatus) -> Option<String> {
        let pinned = pinned(&record("n1"), "n1", status)?;
        let Phase::Step(place) = pinned.phase else { return None };
        place.gate?.evidence
    }

    /// Whoever makes it from a status needs this very text.
    #[test]
    fn what_is_hashed_is_one_line_of_json_in_the_order_of_names() {
        let text = serde_json::to_string(&shown(&status())).unwrap();
        assert_eq!(
            text,
            "{\"candidate\":{\"hash\":\"v1:02\",\"revision\":\"r2-02020202\"},\"checks\":[\
             {\"limit\":\"max 1%\",\"name\":\"errors\",\"value\":\"0.0012\",\"verdict\":\"Pass\"},\
             {\"limit\":\"max 1%\",\"name\":\"latency\",\"value\":null,\"verdict\":\"Pass\"}],\
             \"live\":{\"hash\":\"v1:01\",\"revision\":\"r1-01010101\"},\"step\":{\"name\":\"canary\",\"weight\":10}}"
        );
        let mark = evidence(&status()).unwrap();
        assert_eq!(mark, format!("sha256:{:x}", Sha256::digest(text)));
        assert_eq!(mark.len(), 71, "as long as a Decision may give it");
    }

    #[test]
    fn another_verdict_number_release_or_step_is_other_evidence_and_anything_else_is_not() {
        let first = evidence(&status());
        let same = |change: fn(&mut RolloutStatus)| {
            let mut other = status();
            change(&mut other);
            evidence(&other) == first
        };
        assert!(same(|s| s.checks.reverse()), "their order says nothing");
        assert!(same(|s| s.checks[0].samples = Some(9)));
        assert!(same(|s| s.message = Some("waits".to_owned())));
        assert!(!same(|s| s.checks[1].value = Some("0.0013".to_owned())));
        assert!(!same(|s| s.checks[1].verdict = "Inconclusive".to_owned()));
        assert!(!same(|s| s.checks[1].limit = Some("max 2%".to_owned())));
        assert!(!same(|s| drop(s.checks.pop())));
        assert!(!same(|s| s.step.as_mut().unwrap().weight = 20));
        assert!(!same(|s| s.candidate.as_mut().unwrap().hash = "v1:03".to_owned()));
        assert!(!same(|s| s.live.as_mut().unwrap().revision = "r0-01010101".to_owned()));
    }

    #[test]
    fn only_the_question_that_is_opened_now_gets_it() {
        assert!(pinned(&record("n1"), "n1", &status()).is_some());
        assert_eq!(
            pinned(&record("n0"), "n1", &status()),
            None,
            "it has its own, or an earlier version opened it"
        );
        assert_eq!(pinned(&Record::default(), "n1", &status()), None);
    }
}

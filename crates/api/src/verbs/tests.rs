use super::*;
use crate::rollout::{DrainingStatus, GateStatus, LiveStatus, PreviousStatus, RolloutSpec, StepStatus};

fn rollout(status: Option<RolloutStatus>) -> Rollout {
    let spec: RolloutSpec = serde_json::from_value(serde_json::json!({
        "release": {}, "traffic": {"services": [{"name": "web"}]},
    }))
    .expect("a spec");
    let mut rollout = Rollout::new("web", spec);
    rollout.metadata.namespace = Some("shop".to_owned());
    rollout.metadata.uid = Some("8f14".to_owned());
    rollout.metadata.resource_version = Some("100".to_owned());
    rollout.status = status;
    rollout
}

fn asking() -> RolloutStatus {
    RolloutStatus {
        phase: Some("Waiting".to_owned()),
        live: Some(LiveStatus { revision: "r6-5b1d9e02".to_owned(), ..LiveStatus::default() }),
        candidate: Some(CandidateStatus { revision: "r7-3f9c2a1b".to_owned(), ..CandidateStatus::default() }),
        step: Some(StepStatus { name: "canary".to_owned(), ..StepStatus::default() }),
        gate: Some(GateStatus {
            step: "canary".to_owned(),
            nonce: "9f3cAAAABBBB".to_owned(),
            ..GateStatus::default()
        }),
        ..RolloutStatus::default()
    }
}

fn kept_after_promotion() -> RolloutStatus {
    RolloutStatus {
        phase: Some("Complete".to_owned()),
        live: Some(LiveStatus { revision: "r7-3f9c2a1b".to_owned(), ..LiveStatus::default() }),
        previous: Some(PreviousStatus { revision: "r6-5b1d9e02".to_owned(), ..PreviousStatus::default() }),
        ..RolloutStatus::default()
    }
}

fn rolled_back() -> RolloutStatus {
    RolloutStatus {
        phase: Some("RolledBack".to_owned()),
        gate: None,
        step: None,
        rejected: vec!["r7-3f9c2a1b".to_owned()],
        ..asking()
    }
}

/// One was sent back and stays to be looked at, while the next can't start yet.
fn inspected(phase: &str) -> RolloutStatus {
    let condition = serde_json::json!({
        "type": "RollbackAvailable", "status": "False", "reason": "Retired", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    RolloutStatus {
        phase: Some(phase.to_owned()),
        conditions: vec![serde_json::from_value(condition).expect("a condition")],
        ..rolled_back()
    }
}

/// Tried again, and paused before it becomes live.
fn retried_and_paused() -> RolloutStatus {
    RolloutStatus { phase: Some("Paused".to_owned()), step: None, gate: None, ..rolled_back() }
}

/// A check failed, and the spec says to hold.
fn held() -> RolloutStatus {
    let condition = serde_json::json!({
        "type": "Stalled", "status": "True", "reason": "DeadlineExceeded", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    RolloutStatus {
        gate: None,
        conditions: vec![serde_json::from_value(condition).expect("a condition")],
        ..asking()
    }
}

/// The same in the middle of promotion, where no step is under way any more.
fn held_while_promoting() -> RolloutStatus {
    RolloutStatus { phase: Some("Promoting".to_owned()), step: None, ..held() }
}

/// At rest, with a Job that failed after retirement.
fn job_failed_late(phase: &str) -> RolloutStatus {
    let condition = serde_json::json!({
        "type": "JobFailed", "status": "True", "reason": "Found", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    RolloutStatus {
        phase: Some(phase.to_owned()),
        rejected: vec!["r5-00000000".to_owned()],
        previous: None,
        conditions: vec![serde_json::from_value(condition).expect("a condition")],
        ..kept_after_promotion()
    }
}

/// One of its Jobs may have failed.
fn brought_up(phase: &str) -> RolloutStatus {
    RolloutStatus { phase: Some(phase.to_owned()), gate: None, ..asking() }
}

fn ann() -> Person {
    Person { user: "ann".to_owned(), reason: Some("seen".to_owned()), ..Person::default() }
}

#[test]
fn a_vote_carries_its_question() {
    let vote = decision(Action::Approve, &rollout(Some(asking())), &ann()).expect("a gate is open");
    assert_eq!(vote.spec.revision.as_deref(), Some("r7-3f9c2a1b"));
    assert_eq!(vote.spec.step.as_deref(), Some("canary"));
    assert_eq!(vote.spec.nonce.as_deref(), Some("9f3cAAAABBBB"));
    assert_eq!(vote.spec.evidence, None, "the operator's version gave the question none");
    assert_eq!(vote.spec.rollout, RolloutReference { name: "web".to_owned(), uid: Some("8f14".to_owned()) });
    assert_eq!(vote.metadata.namespace.as_deref(), Some("shop"));
    assert!(vote.name_any().starts_with("web-approve-9f3c-"), "{}", vote.name_any());
}

#[test]
fn a_vote_carries_the_evidence_of_the_status_that_its_question_was_read_from() {
    let mut shown = asking();
    shown.gate.as_mut().expect("open").evidence = Some("sha256:5d".to_owned());
    for action in [Action::Approve, Action::Reject] {
        let vote = decision(action, &rollout(Some(shown.clone())), &ann()).expect("a gate is open");
        assert_eq!(vote.spec.evidence.as_deref(), Some("sha256:5d"), "{action}");
    }
    let rollback = decision(Action::Rollback, &rollout(Some(shown)), &ann()).expect("it is under way");
    assert_eq!(rollback.spec.evidence, None, "going back needs none");
}

#[test]
fn the_same_vote_twice_has_one_name_and_any_other_has_another() {
    let name = |action, status, person: &Person| {
        decision(action, &rollout(Some(status)), person).expect("a gate is open").name_any()
    };
    let first = name(Action::Approve, asking(), &ann());
    assert_eq!(first, name(Action::Approve, asking(), &ann()));
    assert_ne!(first, name(Action::Reject, asking(), &ann()));
    assert_ne!(first, name(Action::Approve, asking(), &Person { user: "bob".to_owned(), ..ann() }));
    let mut other_question = asking();
    other_question.gate.as_mut().expect("open").nonce = "9f3cCCCCBBBB".to_owned();
    assert_ne!(first, name(Action::Approve, other_question, &ann()));
}

#[test]
fn going_back_and_pausing_never_meet_a_taken_name() {
    for action in [Action::Rollback, Action::Pause] {
        let made = decision(action, &rollout(Some(asking())), &ann()).expect("possible");
        assert_eq!(made.metadata.name, None);
        assert_eq!(made.metadata.generate_name, Some(format!("web-{}-", action.verb())));
    }
}

#[test]
fn resume_after_another_pause_is_another_decision() {
    let mut later = rollout(Some(asking()));
    later.metadata.resource_version = Some("101".to_owned());
    let name = |rollout: &Rollout| decision(Action::Resume, rollout, &ann()).expect("possible").name_any();
    assert_eq!(name(&rollout(Some(asking()))), name(&rollout(Some(asking()))));
    assert_ne!(name(&rollout(Some(asking()))), name(&later));
}

/// Nothing is kept any more, and open connections of the former color are awaited.
fn draining() -> RolloutStatus {
    let draining = DrainingStatus { revision: Some("r5-00000000".to_owned()), ..DrainingStatus::default() };
    RolloutStatus { previous: None, draining: Some(draining), ..kept_after_promotion() }
}

#[test]
fn each_verb_names_the_revision_it_is_about() {
    let rows = [
        (Action::Rollback, asking(), "r7-3f9c2a1b"),
        (Action::Rollback, kept_after_promotion(), "r7-3f9c2a1b"),
        (Action::Skip, asking(), "r7-3f9c2a1b"),
        (Action::Retry, rolled_back(), "r7-3f9c2a1b"),
        (Action::Retry, held(), "r7-3f9c2a1b"),
        (Action::Retry, held_while_promoting(), "r7-3f9c2a1b"),
        (Action::Retry, brought_up("Preparing"), "r7-3f9c2a1b"),
        (Action::Retry, RolloutStatus { candidate: None, ..brought_up("Installing") }, "r6-5b1d9e02"),
        (Action::Retry, job_failed_late("Complete"), "r7-3f9c2a1b"),
        (Action::Retry, job_failed_late("RolledBack"), "r5-00000000"),
        (Action::Retire, kept_after_promotion(), "r6-5b1d9e02"),
        (Action::Retire, rolled_back(), "r7-3f9c2a1b"),
        (Action::Retire, inspected("Blocked"), "r7-3f9c2a1b"),
        (Action::Retire, inspected("Complete"), "r7-3f9c2a1b"),
        (Action::Retire, inspected("Paused"), "r7-3f9c2a1b"),
        (Action::Retire, draining(), "r5-00000000"),
        (Action::Rollback, retried_and_paused(), "r7-3f9c2a1b"),
    ];
    for (action, status, revision) in rows {
        let made = decision(action, &rollout(Some(status)), &ann()).expect("possible");
        assert_eq!(made.spec.revision.as_deref(), Some(revision), "{action}");
        assert_eq!(made.spec.action, action);
    }
}

#[test]
fn what_can_not_be_done_says_why() {
    let rows = [
        (
            Action::Approve,
            kept_after_promotion(),
            "shop/web asks nobody now, so there is nothing to approve; it is Complete",
        ),
        (Action::Skip, kept_after_promotion(), "no rollout under way"),
        (Action::Rollback, rolled_back(), "no former color to go back to"),
        (Action::Rollback, inspected("Blocked"), "no former color to go back to"),
        (Action::Rollback, inspected("Complete"), "no former color to go back to"),
        (Action::Rollback, inspected("Paused"), "no former color to go back to"),
        (Action::Retire, retried_and_paused(), "keeps no color"),
        (Action::Retry, asking(), "no rejected revision"),
        (Action::Retire, asking(), "keeps no color"),
    ];
    for (action, status, part) in rows {
        let error = decision(action, &rollout(Some(status)), &ann()).expect_err("impossible").to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_rollout_that_nobody_has_seen_says_where_to_look() {
    let error = decision(Action::Rollback, &rollout(None), &ann()).expect_err("no status").to_string();
    assert!(error.contains("operator") && error.contains("no label teal.dev/instance"), "{error}");
    let mut labelled = rollout(None);
    labelled.labels_mut().insert(label::INSTANCE.to_owned(), "blue-team".to_owned());
    let error = decision(Action::Rollback, &labelled, &ann()).expect_err("no status").to_string();
    assert!(error.contains("label teal.dev/instance=blue-team"), "{error}");
    assert!(decision(Action::Pause, &rollout(None), &ann()).is_ok(), "pausing needs no status");
}

#[test]
fn rejecting_needs_a_reason() {
    let silent = Person { reason: None, ..ann() };
    let error = decision(Action::Reject, &rollout(Some(asking())), &silent).expect_err("no reason");
    assert!(matches!(error, VerbError::NoReason { .. }), "{error}");
    assert!(decision(Action::Approve, &rollout(Some(asking())), &silent).is_ok());
}

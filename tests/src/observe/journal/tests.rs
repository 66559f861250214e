use serde_json::json;

use super::*;
use crate::observe::fixture::{alone, promotion, seen, service, weights};

fn rollout(verdict: &str) -> Seen {
    let spec = json!({"release": {}, "traffic": {"services": [{"name": "web"}]}});
    let status = json!({
        "phase": "Checking", "message": verdict,
        "candidate": {"color": "green", "revision": "r2", "hash": "v1:x", "attempt": 1},
        "checks": [{"name": "errors", "verdict": verdict}],
    });
    let metadata = json!({"name": "web", "generation": 1});
    let object = json!({"apiVersion": "teal.dev/v1alpha1", "kind": "Rollout", "metadata": metadata, "spec": spec, "status": status});
    seen(Kind::Rollout, object)
}

#[test]
fn a_clean_rollout_gives_the_new_revision_0_10_100_and_stays_there() {
    let mut journal = Journal::new("web");
    let versions = promotion();
    let events: Vec<Event> = versions.iter().flat_map(|version| journal.take(version)).collect();
    assert_eq!(journal.shares_of("r2"), [0, 10, 100]);
    assert_eq!(journal.shares_of("r1"), [100, 90, 0]);
    assert_eq!(events.len(), versions.len(), "each version changed something: {events:?}");
}

#[test]
fn owners_bytes_written_again_after_promotion_take_nothing_from_the_new_revision() {
    let mut journal = Journal::new("web");
    for version in [alone(), service("web", "r2"), service("web-candidate", "r2"), weights(100, 0), alone()] {
        journal.take(&version);
    }
    assert_eq!((journal.share("r2"), journal.shares_of("r2").as_slice()), (100, [100].as_slice()));
}

#[test]
fn a_version_that_changes_no_weight_is_no_event() {
    let mut journal = Journal::new("web");
    assert_eq!(journal.take(&weights(90, 10)).len(), 1);
    assert_eq!(journal.take(&weights(90, 10)), []);
    assert_eq!(journal.take(&seen(Kind::Service, json!({"metadata": {"name": "other"}}))), []);
}

#[test]
fn a_failed_verdict_is_kept_with_its_time_though_it_is_said_again() {
    let mut journal = Journal::new("web");
    journal.take(&rollout("Pass"));
    assert_eq!(journal.failed_verdict("r2"), None);
    let fail = rollout("Fail");
    let events = journal.take(&fail);
    assert!(events.iter().any(|event| matches!(event, Event::Verdict { verdict, .. } if verdict == "Fail")));
    assert_eq!(journal.take(&rollout("Fail")), []);
    assert_eq!(journal.failed_verdict("r2").map(|change| change.at), Some(fail.at));
    assert_eq!(journal.failed_verdict("r1"), None);
}

/// A version of the Rollout whose candidate is at a step, or at none, with what its check says.
fn at_step(step: &Value, revision: &str, verdict: &str) -> Seen {
    let mut version = rollout(verdict);
    version.object["status"]["step"] = step.clone();
    version.object["status"]["candidate"]["revision"] = json!(revision);
    version
}

#[test]
fn a_verdict_that_ends_a_step_is_told_of_that_step() {
    let step = |name: &str, index: u32, weight: u32| json!({"name": name, "index": index, "count": 2, "weight": weight});
    let (canary, full) = (step("canary", 1, 10), step("full", 2, 100));
    let rows = [
        (&canary, "r2", &canary, "r2", Some("canary"), "the step goes on"),
        (&canary, "r2", &Value::Null, "r2", Some("canary"), "it goes back, or is promoted"),
        (&canary, "r2", &full, "r2", Some("canary"), "it goes on to the next step"),
        (&Value::Null, "r2", &canary, "r2", Some("canary"), "there was no step before"),
        (&full, "r2", &canary, "r3", Some("canary"), "the step before was another candidate's"),
        (&full, "r2", &Value::Null, "r3", None, "another candidate has no step yet"),
    ];
    for (before, old, after, new, told, why) in rows {
        let mut journal = Journal::new("web");
        journal.take(&at_step(before, old, "Inconclusive"));
        let events = journal.take(&at_step(after, new, "Fail"));
        let steps = events.iter().filter_map(|event| match event {
            Event::Verdict { step, .. } => Some(step.as_deref()),
            _ => None,
        });
        assert_eq!(steps.collect::<Vec<_>>(), [told], "{why}");
    }
}

#[test]
fn a_pod_ends_when_that_was_first_seen() {
    let pod = |ending: Option<&str>| {
        let labels = json!({"teal.dev/rollout": "web", "teal.dev/color": "blue", "teal.dev/revision": "r1"});
        seen(Kind::Pod, json!({"metadata": {"name": "web-1", "labels": labels, "deletionTimestamp": ending}}))
    };
    let mut journal = Journal::new("web");
    let (first, second) = (pod(Some("2026-01-01T00:00:00Z")), pod(Some("2026-01-01T00:00:00Z")));
    journal.take(&first);
    journal.take(&second);
    assert_eq!(journal.pods["web-1"].ending, Some(first.at));
    journal.take(&Seen { gone: true, ..second });
    assert!(journal.pods.is_empty());
}

#[test]
fn what_became_of_a_decision_is_told_once() {
    let mut journal = Journal::new("web");
    let spec = json!({"rollout": {"name": "web"}, "action": "Approve", "decidedBy": {"user": "ada"}});
    let decision = |status: Value| {
        seen(Kind::Decision, json!({"metadata": {"name": "web-1"}, "spec": spec, "status": status}))
    };
    let counted = || decision(json!({"conditions": [{"type": "Applied", "reason": "Counted"}]}));
    assert_eq!(journal.take(&decision(Value::Null)).len(), 1);
    let events = journal.take(&counted());
    assert!(matches!(&events[..], [Event::Decision { outcome: Some(outcome), .. }] if outcome == "Counted"));
    assert_eq!(journal.take(&counted()), []);
}

#[test]
fn a_role_that_turns_moves_traffic_also_where_no_share_changes() {
    let mut journal = Journal::new("web");
    for seen in [service("web", "r1"), service("web-candidate", "r2"), weights(0, 100)] {
        journal.take(&seen);
    }
    let (moves, shares) = (journal.moves, journal.shares.len());
    journal.take(&service("web", "r2"));
    assert_eq!(journal.shares_of("r2"), [100], "all of it had it already");
    journal.take(&service("web", "r2"));
    assert_eq!(journal.moves, moves + 1, "once, however often it is told");
    assert!(journal.shares.len() >= shares);
    journal.take(&weights(100, 0));
    assert_eq!(journal.moves, moves + 2);
}

#[test]
fn how_long_a_share_is_kept_counts_from_the_last_word_that_it_goes_back() {
    let at = |mut version: Seen, at: Instant| {
        version.at = at;
        version
    };
    let told = |phase: &str| {
        let mut version = rollout("Fail");
        version.object["status"]["phase"] = json!(phase);
        version
    };
    let begun = Instant::now();
    let after = |ms: u64| begun + Duration::from_millis(ms);
    let mut journal = Journal::new("web");
    for version in [service("web", "r1"), service("web-candidate", "r2"), weights(90, 10), told("Checking")] {
        journal.take(&at(version, begun));
    }
    assert_eq!(journal.kept_after_return("r2"), None, "nothing goes back");
    journal.take(&at(told("RollingBack"), after(500)));
    assert_eq!(journal.kept_after_return("r2"), None, "it still has its share");
    journal.take(&at(weights(90, 9), after(600)));
    journal.take(&at(told("RollingBack"), after(700)));
    journal.take(&at(weights(100, 0), after(800)));
    assert_eq!(journal.kept_after_return("r2"), Some(Duration::from_millis(300)), "told once, then again");
    // The next try of the same revision.
    journal.take(&at(told("Checking"), after(2000)));
    journal.take(&at(weights(90, 10), after(2000)));
    assert_eq!(
        journal.kept_after_return("r2"),
        Some(Duration::from_millis(300)),
        "of the way back there was"
    );
    journal.take(&at(told("RollingBack"), after(3000)));
    assert_eq!(journal.kept_after_return("r2"), None);
    journal.take(&at(service("web-candidate", "r1"), after(3040)));
    assert_eq!(
        journal.kept_after_return("r2"),
        Some(Duration::from_millis(40)),
        "a role that turns takes it"
    );
    assert_eq!(journal.kept_after_return("r1"), None);
}

#[test]
fn a_share_that_is_gone_before_its_way_back_is_told_was_not_kept() {
    let mut journal = Journal::new("web");
    for version in [service("web", "r1"), service("web-candidate", "r2"), weights(90, 10), weights(100, 0)] {
        journal.take(&version);
    }
    let mut told = rollout("Fail");
    told.object["status"]["phase"] = json!("RollingBack");
    journal.take(&told);
    assert_eq!(journal.kept_after_return("r2"), Some(Duration::ZERO));
}

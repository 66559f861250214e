//! Decisions that can't be followed: each is answered with why and what to do, and moves nothing.

use kube::api::PostParams;
use serde_json::{Value, json};

use crate::bench::case::{AT_ONCE, WINDOW};
use crate::bench::history::History;
use crate::bench::setup::{Setup, without_policies};
use crate::bench::{Bench, object, objects};

/// The Decision that would be right, by this action.
async fn right(bench: &Bench, action: &str) -> Value {
    let rollout = bench.value("rollouts", "web").await;
    let (metadata, status) = (&rollout["metadata"], &rollout["status"]);
    let mut spec = json!({
        "rollout": {"name": "web", "uid": metadata["uid"]}, "action": action,
        "revision": status["candidate"]["revision"], "decidedBy": {"user": "admin"}, "reason": "a test says so",
    });
    if let Some(gate) = status.get("gate") {
        spec["step"] = gate["step"].clone();
        spec["nonce"] = gate["nonce"].clone();
    }
    spec
}

/// Makes the Decision and waits for its answer: reason and message.
async fn answered(bench: &Bench, spec: Value) -> (String, String) {
    let decision = json!({"apiVersion": "teal.dev/v1alpha1", "kind": "Decision",
        "metadata": {"generateName": "web-"}, "spec": spec});
    let made = bench.api("decisions").create(&PostParams::default(), &object(decision)).await;
    let name = made.expect("a Decision").metadata.name.unwrap_or_default();
    answer_of(bench, &name).await
}

async fn answer_of(bench: &Bench, name: &str) -> (String, String) {
    let text = async |field: &str| {
        let decision = bench.value("decisions", name).await;
        let found = decision.pointer(&format!("/status/conditions/0/{field}")).cloned();
        found.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    bench.until("an answer", async || !text("reason").await.is_empty()).await;
    let reason = text("reason").await;
    let took_effect = if matches!(reason.as_str(), "Counted" | "Done") { "True" } else { "False" };
    assert_eq!((text("type").await.as_str(), text("status").await.as_str()), ("Applied", took_effect));
    (reason, text("message").await)
}

/// At 10 %, a Decision that `spoil` makes wrong is answered so; nothing moves, little is asked, and the right one is
/// taken afterwards.
async fn wrong(name: &str, reason: &str, names: [&str; 3], spoil: impl FnOnce(&mut Value)) {
    let bench = Bench::at_ten(name).await;
    let mut decision = right(&bench, "Approve").await;
    spoil(&mut decision);
    is_refused(&bench, decision, reason, names).await;
    bench.completes("web").await;
    bench.end().await;
}

async fn is_refused(bench: &Bench, decision: Value, reason: &str, names: [&str; 3]) {
    let history = History::begin(bench.api("virtualservices")).await;
    let asked = bench.requests();
    let answer = answered(bench, decision).await;
    assert_eq!(answer.0, reason, "{answer:?}");
    for name in names {
        assert!(answer.1.contains(name), "{name:?} in {answer:?}");
    }
    bench.quiet().await;
    bench.reacted(&asked, reason, AT_ONCE);
    bench.is_calm(WINDOW).await;
    assert_eq!(history.all().await.len(), 1, "no route was written");
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_decision_for_an_unknown_revision() {
    let names = ["spec.revision is r9-00000000", "is being tried", "copy it from status.candidate.revision"];
    wrong("unknown", "Superseded", names, |decision| decision["revision"] = json!("r9-00000000")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_decision_for_an_older_revision() {
    let bench = Bench::at_ten("older").await;
    let live = bench.status("/live/revision").await;
    let mut decision = right(&bench, "Rollback").await;
    decision["revision"] = json!(live);
    let names = ["spec.revision", "is not the one being tried", "copy it from status.candidate.revision"];
    is_refused(&bench, decision, "Superseded", names).await;
    let mut decision = right(&bench, "Approve").await;
    decision["revision"] = json!(live);
    let said = format!("spec.revision is {live}");
    is_refused(&bench, decision, "Superseded", [&said, "is being tried", "decide anew"]).await;
    bench.completes("web").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_decision_of_another_rollout_of_this_name() {
    let names = ["spec.rollout.uid", "another Rollout of this name", "make a new Decision"];
    let uid = json!("00000000-0000-4000-8000-000000000000");
    wrong("otheruid", "Superseded", names, |decision| decision["rollout"]["uid"] = uid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_decision_with_a_stale_nonce() {
    let names = ["spec.nonce", "the open one of step canary", "copy both from status.gate"];
    wrong("stale", "Superseded", names, |decision| decision["nonce"] = json!("0".repeat(32))).await;
}

/// It is answered as well, after a moment in which its Rollout may still come, and once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_decision_for_a_rollout_that_is_not_there() {
    let bench = Bench::at_ten("nowhere").await;
    let mut decision = right(&bench, "Pause").await;
    decision["rollout"] = json!({"name": "wbe"});
    let names = ["spec.rollout.name is wbe", "no such Rollout", "correct the name"];
    is_refused(&bench, decision, "Refused", names).await;
    bench.completes("web").await;
    bench.end().await;
}

/// One person counts once, however often they say it, and one Decision counts once, even if its answer was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_decision_that_is_used_twice() {
    let bench = Bench::installed("twice").await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["steps"][0]["approval"]["count"] = json!(2);
    bench.apply(&rollout).await;
    bench.phase("Waiting").await;
    let decision = right(&bench, "Approve").await;
    assert_eq!(answered(&bench, decision.clone()).await.0, "Counted");
    let names = ["spec.decidedBy.user", "has approved this question already", "another person must approve"];
    is_refused(&bench, decision.clone(), "AlreadyCounted", names).await;
    let first = bench.status("/gate/votes/0/decision").await;
    let lost = json!({"conditions": null});
    bench.merge_status("decisions", &first, lost).await;
    assert_eq!(answer_of(&bench, &first).await.0, "Counted", "answered again, and not counted again");
    let votes =
        bench.value("rollouts", "web").await.pointer("/status/gate/votes").cloned().unwrap_or_default();
    assert_eq!(votes.as_array().map(Vec::len), Some(1), "{votes}");
    bench.decide_as("ana", decision).await;
    // The second one promotes, and after that the question is gone for whoever comes late.
    bench.phase("Complete").await;
    bench.completes("web").await;
    bench.end().await;
}

/// Without proof of who decides only what leads to live, or stops, is followed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn decisions_without_the_policies() {
    let (teal, grant) = without_policies().await;
    let bench = Bench::start_with("unproved", Setup::with_client(teal)).await;
    bench.apply_route().await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    let names = ["the admission policies", "policies.decisions=true", "only Rollback and Pause are taken"];
    for action in ["Approve", "Reject", "Skip", "Retry"] {
        let decision = right(&bench, action).await;
        assert_eq!(answered(&bench, decision).await.0, "Refused", "{action}");
    }
    is_refused(&bench, right(&bench, "Approve").await, "Refused", names).await;
    assert_eq!(answered(&bench, right(&bench, "Pause").await).await.0, "Done");
    assert_eq!(answered(&bench, right(&bench, "Resume").await).await.0, "Refused");
    assert_eq!(answered(&bench, right(&bench, "Rollback").await).await.0, "Done");
    bench.phase("RolledBack").await;
    assert_eq!(bench.weights().await, [("web".into(), 100)]);
    // With the policies in sight, as after their installation.
    grant.give().await;
    bench.apply(&objects::rollout("3")).await;
    bench.until("resumed", async || answered(&bench, right(&bench, "Resume").await).await.0 == "Done").await;
    bench.completes("web").await;
    grant.take().await;
    bench.end().await;
}

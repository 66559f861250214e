//! Two members of a group on a real API server: what one waits for stands in the other's status.

use serde_json::{Value, json};

use crate::bench::{Bench, objects};

/// The same application in one name or the other, in the group.
fn member(name: &str, version: &str) -> Value {
    let text = objects::rollout(version).to_string().replace("\"web\"", &format!("{name:?}"));
    let mut rollout: Value = serde_json::from_str(&text).expect("JSON");
    rollout["spec"]["group"] = json!({"name": "checkout"});
    rollout
}

/// Both serve their first version.
async fn two(name: &str) -> Bench {
    let bench = Bench::start(name).await;
    bench.apply_route().await;
    let text = objects::virtual_service().to_string().replace("\"web\"", "\"api\"");
    let mut routes: Value = serde_json::from_str(&text).expect("JSON");
    routes["spec"]["hosts"] = json!(["api.example"]);
    bench.create("virtualservices", "owner", routes).await;
    bench.apply(&member("web", "1")).await;
    bench.apply(&member("api", "1")).await;
    for name in ["web", "api"] {
        is(&bench, name, "Complete").await;
    }
    bench.quiet().await;
    bench
}

/// Waits for a phase that is of the present generation.
async fn is(bench: &Bench, name: &str, phase: &str) {
    bench
        .until(&format!("{name} {phase}"), async || {
            let rollout = bench.value("rollouts", name).await;
            let seen =
                rollout.pointer("/status/observedGeneration") == rollout.pointer("/metadata/generation");
            seen && rollout.pointer("/status/phase") == Some(&json!(phase))
        })
        .await;
}

async fn says(bench: &Bench, name: &str, words: &str) {
    bench
        .until(&format!("{name} saying {words:?}"), async || {
            let rollout = bench.value("rollouts", name).await;
            rollout
                .pointer("/status/message")
                .and_then(Value::as_str)
                .is_some_and(|said| said.contains(words))
        })
        .await;
}

async fn decide(bench: &Bench, name: &str, action: &str) {
    bench.decide_on(&bench.value("rollouts", name).await, action).await;
}

async fn share(bench: &Bench, name: &str) -> i64 {
    let rollout = bench.value("rollouts", name).await;
    rollout.pointer("/status/traffic/candidateWeight").and_then(Value::as_i64).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn nobody_gets_a_weight_before_the_others_are_ready_and_one_that_is_changed_begins_anew_with_all() {
    let bench = two("groupready").await;
    bench.apply(&member("web", "2")).await;
    bench.apply(&member("api", "2-broken")).await;
    says(&bench, "web", "goes on together with group checkout: waits for api (step canary waits for pods)")
        .await;
    let weights = bench.weights().await;
    assert_eq!(weights, [("web".into(), 100), ("web-candidate".into(), 0)], "entered, and no more");
    bench.apply(&member("api", "2")).await;
    is(&bench, "web", "Waiting").await;
    is(&bench, "api", "Waiting").await;
    assert_eq!((share(&bench, "web").await, share(&bench, "api").await), (10, 10));
    let history = bench.value("rollouts", "web").await["status"]["history"].clone();
    assert_eq!(
        history[0]["outcome"], "Superseded",
        "it went back, and began anew with the one that was changed"
    );
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn nobody_goes_on_before_all_are_approved_also_over_a_restart_and_all_go_back_with_one() {
    let mut bench = two("grouped").await;
    bench.apply(&member("web", "2")).await;
    bench.apply(&member("api", "2")).await;
    is(&bench, "web", "Waiting").await;
    is(&bench, "api", "Waiting").await;
    decide(&bench, "web", "Approve").await;
    says(&bench, "web", "waits for api (step canary waits for approval)").await;
    assert_eq!(bench.condition("Ready").await.1, "AwaitingDecision");
    bench.pause_teal().await;
    bench.resume_teal();
    assert_eq!(share(&bench, "web").await, 10);
    decide(&bench, "api", "Approve").await;
    for name in ["web", "api"] {
        is(&bench, name, "Complete").await;
    }
    bench
        .until("both retired", async || {
            bench.exists("deployments", "web-blue").await == Some(false)
                && bench.exists("deployments", "api-blue").await == Some(false)
        })
        .await;

    bench.apply(&member("api", "3")).await;
    bench.apply(&member("web", "3")).await;
    is(&bench, "web", "Waiting").await;
    is(&bench, "api", "Waiting").await;
    decide(&bench, "api", "Rollback").await;
    is(&bench, "web", "RolledBack").await;
    is(&bench, "api", "RolledBack").await;
    let reason = bench.status("/history/0/reason").await;
    assert_eq!(reason, "rolled back by group checkout: api went back: rolled back by admin: a test says so");
    assert_eq!(bench.weights().await, [("web".to_owned(), 100)]);
    bench.quiet().await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn one_that_comes_late_waits_and_one_that_is_deleted_leaves_the_others_to_begin_anew() {
    let bench = two("grouplate").await;
    bench.apply(&member("web", "2")).await;
    is(&bench, "web", "Waiting").await;
    bench.apply(&member("api", "2")).await;
    says(
        &bench,
        "api",
        "the rollout of group checkout had begun without it: goes on once that of web has ended",
    )
    .await;
    assert_eq!(share(&bench, "api").await, 0);
    bench.delete("rollouts", "web").await;
    is(&bench, "api", "Waiting").await;
    decide(&bench, "api", "Approve").await;
    is(&bench, "api", "Complete").await;
    bench.end().await;
}

//! Services of a release that have no role: own per color, kept as they were applied, and asked about no more than the rest.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::bench::history::History;
use crate::bench::objects::with;

/// A Service through which the pods of a color reach each other.
fn api() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn while_a_job_runs_nothing_is_asked_again_for_a_service_without_a_role() {
    let bench = Bench::start("inner-job").await;
    bench.apply_route().await;
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {
        "template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "migrate", "image": "shop/migrate:1"}]}}}});
    bench.apply(&with("1", &[api(), job])).await;
    bench.until("begun", async || bench.exists("jobs", "migrate-blue").await == Some(true)).await;
    assert_eq!(bench.exists("services", "api-blue").await, Some(true));
    bench.quiet().await;
    let before = bench.requests();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(bench.difference(&before), []);
    bench.finish_job("migrate-blue").await;
    bench.phase("Complete").await;
    bench.end().await;
}

/// For as long as the CronJob of the new color waits, the color is not as it should be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_promotion_in_which_a_cron_job_waits_tells_of_no_repair() {
    let bench = Bench::start("inner-tick").await;
    bench.apply_route().await;
    let tick = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}, "spec": {
        "schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "tick", "image": "shop/tick:1"}]}}}}}});
    let release = |version: &str| with(version, &[api(), tick.clone()]);
    bench.apply(&release("1")).await;
    bench.phase("Complete").await;
    bench.apply(&release("2")).await;
    bench.phase("Waiting").await;
    let history = History::begin(bench.api("rollouts")).await;
    let before = bench.requests();
    bench.decide("Approve").await;
    bench
        .until("awake", async || bench.value("cronjobs", "tick-green").await["spec"]["suspend"] == false)
        .await;
    bench.until("retired", async || bench.exists("services", "api-blue").await == Some(false)).await;
    bench.quiet().await;
    let told = |object: &Value| object["status"]["conditions"].to_string().contains("LiveRepaired");
    let versions = history.all().await;
    assert!(!versions.iter().filter_map(|version| version.object.as_ref()).any(told));
    let applied = bench.difference(&before);
    let applied = applied.iter().filter(|(verb, kind, _)| *verb == "apply" && kind == "Service");
    assert_eq!(applied.map(|(.., count)| count).sum::<u64>(), 0, "it stands already");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_port_of_lives_inner_service_that_another_hand_changed_is_repaired_and_told() {
    let bench = Bench::start("inner-port").await;
    bench.apply_route().await;
    bench.apply(&with("1", &[api()])).await;
    bench.phase("Complete").await;
    bench.quiet().await;
    let ports = json!({"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 9}]}});
    bench.merge_as("kubectl-edit", "services", "api-blue", ports).await;
    bench
        .until("repaired", async || {
            let service = bench.value("services", "api-blue").await;
            service.pointer("/spec/ports/0/targetPort") == Some(&json!(8080))
        })
        .await;
    bench.until("told", async || bench.condition("LiveRepaired").await.0 == "True").await;
    let (.., message) = bench.condition("LiveRepaired").await;
    assert!(message.contains("Service api-blue"), "{message}");
    bench.quiet().await;
    bench.end().await;
}

//! Gates of a step besides time, checks and people: the age of pods, and Jobs.

use std::time::Duration;

use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams};
use serde_json::{Value, json};

use crate::bench::{Bench, objects};

/// Another version, of whose first step this is the only gate.
fn gated(version: &str, gate: &str, value: &Value) -> Value {
    let mut rollout = objects::rollout(version);
    rollout["spec"]["steps"][0] = json!({"name": "canary", "weight": 10, gate: value});
    rollout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_step_waits_for_the_age_of_its_pods_and_a_pod_that_comes_later_starts_anew() {
    let bench = Bench::installed("ages").await;
    bench.apply(&gated("2", "minPodAge", &json!("20s"))).await;
    bench.until("waited for", async || bench.status("/waitingFor").await == "pod age").await;
    let message = bench.status("/message").await;
    assert!(message.contains("has been ready for 20 s (minPodAge): web-green-"), "{message}");
    bench.stays_for(Duration::from_secs(3), async || bench.status("/step/name").await == "canary").await;
    bench.lose_a_pod("green").await;
    bench.until("told", async || bench.status("/message").await.contains("starts anew")).await;
    bench.until("the step's end", async || bench.status("/step/name").await != "canary").await;
    let ready = youngest(&bench, "green").await;
    assert!(ready >= 20, "{ready} s");
    bench.phase("Complete").await;
    assert!(bench.status("/live/revision").await.starts_with("r2-"));
    bench.end().await;
}

/// For how many seconds the pod of a color has been ready that became so last.
async fn youngest(bench: &Bench, color: &str) -> i64 {
    let of_color = ListParams::default().labels(&format!("teal.dev/color={color}"));
    let pods = bench.api("pods").list(&of_color).await.expect("pods").items;
    let since = |pod: &DynamicObject| {
        let all = pod.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = all.iter().find(|condition| condition["type"] == "Ready")?["lastTransitionTime"].clone();
        ready.as_str()?.parse::<jiff::Timestamp>().ok()
    };
    let last = pods.iter().filter_map(since).max().expect("pods that are ready");
    jiff::Timestamp::now().duration_since(last).as_secs()
}

/// The Jobs of the step, oldest first.
async fn jobs(bench: &Bench) -> Vec<Value> {
    let of_step = ListParams::default().labels("teal.dev/step=canary");
    let mut all = bench.api("jobs").list(&of_step).await.expect("Jobs").items;
    all.sort_by_key(|job| (job.creation_timestamp().map(|at| at.0), job.name_any()));
    all.iter().map(|job| serde_json::to_value(job).expect("JSON")).collect()
}

fn name(job: &Value) -> &str {
    job["metadata"]["name"].as_str().expect("a name")
}

/// So many of them are there.
async fn made(bench: &Bench, count: usize) -> Value {
    bench.until("the Job", async || jobs(bench).await.len() == count).await;
    jobs(bench).await.remove(count - 1)
}

fn smoke() -> Value {
    let container =
        json!({"name": "smoke", "image": "shop/smoke:1", "args": ["http://$(candidateService)/"]});
    let spec = json!({"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}});
    json!([{"name": "smoke", "spec": spec, "timeout": "10m"}])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_15_a_job_of_a_step_runs_once_for_each_try_and_its_end_decides() {
    let mut bench = Bench::installed("tests").await;
    bench.apply(&gated("2", "jobs", &smoke())).await;
    let first = made(&bench, 1).await;
    let state = async || bench.status("/commit/phase/jobs/0/state").await;
    bench.until("it was seen", async || state().await == "Begun").await;
    assert_eq!(bench.status("/waitingFor").await, "jobs (smoke)");
    let logs = format!("kubectl logs job/{}", name(&first));
    assert!(bench.status("/message").await.contains(&logs), "{}", bench.status("/message").await);
    let container = &first["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["args"], json!(["http://web-candidate/"]));
    bench.fail_job(name(&first)).await;
    bench.phase("RolledBack").await;
    let reason = bench.status("/history/0/reason").await;
    assert!(reason.contains("failed") && reason.contains(&logs), "{reason}");
    bench.decide_on_rejected("Retry").await;
    let is_another = |jobs: &[Value]| matches!(jobs, [job] if name(job) != name(&first));
    bench.until("another", async || is_another(&jobs(&bench).await)).await;
    let second = made(&bench, 1).await;
    bench.until("it was seen, too", async || state().await == "Begun").await;
    // Whoever comes anew finds it recorded.
    bench.pause_teal().await;
    bench.resume_teal();
    bench.finish_job(name(&second)).await;
    bench.phase("Complete").await;
    assert!(bench.status("/live/revision").await.starts_with("r2-"));
    bench.quiet().await;
    let kept: Vec<Value> = jobs(&bench).await;
    assert_eq!(kept.iter().map(name).collect::<Vec<_>>(), [name(&second)], "its logs can still be read");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_15_a_job_of_a_step_that_is_deleted_holds_it_where_the_spec_says_so() {
    let bench = Bench::installed("heldtest").await;
    let mut rollout = gated("2", "jobs", &smoke());
    rollout["spec"]["onFailure"] = json!("Hold");
    bench.apply(&rollout).await;
    let job = made(&bench, 1).await;
    let state = async || bench.status("/commit/phase/jobs/0/state").await;
    bench.until("it was seen", async || state().await == "Begun").await;
    bench.delete("jobs", name(&job)).await;
    bench.until("held", async || bench.condition("Stalled").await.1 == "JobFailed").await;
    assert!(bench.condition("Stalled").await.2.contains("is gone before it was seen to end"));
    bench.quiet().await;
    assert_eq!(jobs(&bench).await.len(), 0, "nobody runs it again but a person");
    bench.decide("Retry").await;
    let again = made(&bench, 1).await;
    bench.finish_job(name(&again)).await;
    bench.phase("Complete").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_job_that_the_api_server_refuses_is_told_and_made_once_it_is_mended() {
    let bench = Bench::installed("badtest").await;
    let mut jobs = smoke();
    jobs[0]["spec"]["template"]["spec"]["containers"][0]["name"] = json!("Smoke Test");
    bench.apply(&gated("2", "jobs", &jobs)).await;
    bench.refused("SpecInvalid", &["spec.steps[].jobs", "Smoke Test"]).await;
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
    bench.apply(&gated("2", "jobs", &smoke())).await;
    let job = made(&bench, 1).await;
    bench.finish_job(name(&job)).await;
    bench.phase("Complete").await;
    bench.end().await;
}

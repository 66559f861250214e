//! Releases of more than a Deployment and a Service: what works by itself, what is sized, what runs before, what holds
//! for a host.

use std::time::Duration;

use crate::bench::objects::with;
use crate::bench::{Bench, objects};
use serde_json::{Value, json};

fn deployment(name: &str, version: &str, fate: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "annotations": {"teal.dev/fate": fate}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": name, "image": format!("shop/{name}:{version}"),
                "envFrom": [{"configMapRef": {"name": "settings"}}]}]},
        }},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn what_works_by_itself_works_in_live_alone_and_configuration_comes_along() {
    let bench = Bench::start("work").await;
    bench.apply_route().await;
    let release = |version: &str| {
        with(
            version,
            &[
                deployment("worker", version, "LiveOnly"),
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
                "data": {"version": version}}),
                json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}, "spec": {
                "schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": {"spec": {
                    "restartPolicy": "Never", "containers": [{"name": "tick", "image": "shop/tick:1"}]}}}}}}),
            ],
        )
    };
    bench.apply(&release("1")).await;
    bench.phase("Complete").await;
    let size = async |name: &str| bench.value("deployments", name).await["spec"]["replicas"].clone();
    let rests = async |name: &str| bench.value("cronjobs", name).await["spec"]["suspend"].clone();
    assert_eq!((size("worker-blue").await, rests("tick-blue").await), (json!(2), json!(false)));
    bench.apply(&release("2")).await;
    bench.phase("Waiting").await;
    assert_eq!((size("worker-blue").await, rests("tick-blue").await), (json!(2), json!(false)));
    assert_eq!((size("worker-green").await, rests("tick-green").await), (json!(0), json!(true)));
    let green = bench.value("deployments", "worker-green").await;
    let settings = green.pointer("/spec/template/spec/containers/0/envFrom/0/configMapRef/name");
    assert_eq!(settings, Some(&json!("settings-green")));
    assert_eq!(bench.value("configmaps", "settings-blue").await["data"]["version"], "1");
    let last = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    bench.tell_status("cronjobs", "tick-blue", json!({"lastScheduleTime": last})).await;
    // As an autoscaler does: it stands in no manifest, and there is as much to do for the other.
    bench.merge_as("hpa", "deployments", "worker-blue", json!({"spec": {"replicas": 4}})).await;
    bench.quiet().await;
    bench.decide("Approve").await;
    bench
        .until("swapped", async || size("worker-green").await == 4 && rests("tick-green").await == false)
        .await;
    bench
        .until("ticks that go on", async || {
            bench.value("cronjobs", "tick-green").await["status"]["lastScheduleTime"] == last
        })
        .await;
    bench
        .until("at rest", async || {
            let gone = bench.exists("deployments", "worker-blue").await == Some(false);
            gone || (size("worker-blue").await == 0 && rests("tick-blue").await == true)
        })
        .await;
    bench.quiet().await;
    assert_eq!(size("worker-green").await, 4, "it stays so");
    bench.end().await;
}

/// Whoever scales it, there is as much to do for the one that works in its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn what_works_in_live_alone_takes_its_size_along_and_back() {
    let bench = Bench::start("taken").await;
    bench.apply_route().await;
    let release = |version: &str| {
        let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}});
        let mut rollout = with(version, &[deployment("worker", version, "LiveOnly"), settings]);
        rollout["spec"]["keep"] = json!({"previous": "5m", "failed": "5m"});
        rollout
    };
    let worker = async |color: &str| {
        let worker = bench.value("deployments", &format!("worker-{color}")).await;
        let note = worker["metadata"]["annotations"]["teal.dev/awake-replicas"].as_str().map(str::to_owned);
        (worker["spec"]["replicas"].as_u64().unwrap_or_default(), note)
    };
    let scale = async |color: &str, replicas: u64| {
        let name = format!("worker-{color}");
        bench.merge_as("hpa", "deployments", &name, json!({"spec": {"replicas": replicas}})).await;
        bench.quiet().await;
    };
    let note = |size: u64| Some(size.to_string());
    bench.apply(&release("1")).await;
    bench.phase("Complete").await;
    scale("blue", 4).await;
    bench.apply(&release("2")).await;
    bench.phase("Waiting").await;
    assert_eq!((worker("blue").await, worker("green").await), ((4, None), (0, None)));
    bench.decide("Approve").await;
    bench.phase("Complete").await;
    bench.until("green at work", async || worker("green").await == (4, None)).await;
    assert_eq!(worker("blue").await, (0, note(4)));
    scale("green", 7).await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    bench.until("blue at work", async || worker("blue").await == (7, None)).await;
    assert_eq!(worker("green").await, (0, note(7)));
    bench.quiet().await;
    bench.end().await;
}

/// Without a mesh all requests are at the candidate in the last step: it is live once nothing is recorded any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn what_a_lost_record_leaves_at_work_rests_before_lives_wakes() {
    let bench = Bench::start("leftwork").await;
    let release = |version: &str| {
        let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}});
        let mut rollout = with(version, &[deployment("worker", version, "LiveOnly"), settings]);
        rollout["spec"]["traffic"] = json!({"services": [{"name": "web"}]});
        rollout["spec"]["steps"] = json!([{"name": "switch", "weight": 100, "approval": {"count": 1}}]);
        rollout["spec"]["keep"] = json!({"previous": "5m", "failed": "5m"});
        rollout
    };
    let size = async |color: &str| {
        let worker = bench.value("deployments", &format!("worker-{color}")).await;
        worker["spec"]["replicas"].as_u64()
    };
    bench.apply(&release("1")).await;
    bench.phase("Complete").await;
    bench.merge_as("hpa", "deployments", "worker-blue", json!({"spec": {"replicas": 4}})).await;
    bench.apply(&release("2")).await;
    bench.phase("Waiting").await;
    let green = bench.status("/candidate/revision").await;
    bench.until("all requests at it", async || bench.selected("web").await == green).await;
    assert_eq!((size("blue").await, size("green").await), (Some(4), Some(0)));
    bench.lose_status().await;
    bench
        .until("green at work", async || {
            let works = size("green").await > Some(0);
            // Looked up after it, so that what rests did so before.
            let beside = size("blue").await;
            assert!(!works || beside == Some(0), "blue works beside it with {beside:?}");
            works
        })
        .await;
    assert_eq!(bench.status("/live/revision").await, green);
    bench.quiet().await;
    assert_eq!((size("blue").await, size("green").await), (Some(0), Some(4)), "it is kept, and rests");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_6_an_autoscaler_does_not_shrink_a_candidate_and_is_given_back() {
    let bench = Bench::start("scaler").await;
    bench.apply_route().await;
    let release = |version: &str| {
        with(
            version,
            &[json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"}, "spec": {"minReplicas": 1, "maxReplicas": 9,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 50}}}]}})],
        )
    };
    bench.apply(&release("1")).await;
    bench.phase("Complete").await;
    let scale = json!({"spec": {"replicas": 4}});
    bench.merge_as("hpa", "deployments", "web-blue", scale).await;
    bench
        .until("scaled", async || {
            bench.value("deployments", "web-blue").await.pointer("/status/availableReplicas")
                == Some(&json!(4))
        })
        .await;
    bench.quiet().await;
    assert_eq!(bench.value("deployments", "web-blue").await["spec"]["replicas"], 4, "sizes are left alone");
    bench.apply(&release("2")).await;
    bench.phase("Waiting").await;
    let least = async |color: &str| {
        bench.value("horizontalpodautoscalers", &format!("web-{color}")).await["spec"]["minReplicas"].clone()
    };
    assert_eq!((least("blue").await, least("green").await), (json!(4), json!(4)));
    let green = bench.value("deployments", "web-green").await;
    assert_eq!(green["spec"]["replicas"], 4, "a candidate starts with live's size");
    bench.decide("Approve").await;
    bench.until("given back", async || least("green").await == 1).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_15_a_job_runs_before_the_workloads_and_once() {
    let bench = Bench::start("job").await;
    bench.apply_route().await;
    let release = |version: &str| {
        with(
            version,
            &[json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {
            "template": {"spec": {"restartPolicy": "Never",
                "containers": [{"name": "migrate", "image": "shop/migrate:1"}]}}}})],
        )
    };
    bench.apply(&release("1")).await;
    bench.until("begun", async || bench.exists("jobs", "migrate-blue").await == Some(true)).await;
    // Workloads wait for it.
    let waits = async || bench.exists("deployments", "web-blue").await == Some(false);
    bench.stays_for(Duration::from_secs(1), waits).await;
    bench.finish_job("migrate-blue").await;
    bench.phase("Complete").await;
    assert_eq!(bench.exists("deployments", "web-blue").await, Some(true));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_15_a_retry_of_a_revision_runs_the_job_that_failed_and_no_other() {
    let bench = Bench::installed("jobretry").await;
    let job = |name: &str| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {
            "backoffLimit": 0, "ttlSecondsAfterFinished": 0, "template": {"spec": {"restartPolicy": "Never",
                "containers": [{"name": name, "image": "shop/job:1"}]}}}})
    };
    let mut rollout = with("2", &[job("migrate"), job("seed")]);
    rollout["spec"]["progressDeadline"] = json!("20s");
    rollout["spec"]["keep"]["failed"] = json!("1s");
    bench.apply(&rollout).await;
    let states = async || {
        let rollout = bench.value("rollouts", "web").await;
        let each = rollout.pointer("/status/commit/jobs/each").and_then(Value::as_array).cloned();
        let each = each.unwrap_or_default();
        each.iter().map(|job| job["state"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    bench.until("both were seen", async || states().await == ["Begun", "Begun"]).await;
    let first = bench.value("jobs", "seed-green").await["metadata"]["uid"].clone();
    bench.finish_job("migrate-green").await;
    bench.fail_job("seed-green").await;
    bench.phase("RolledBack").await;
    assert_eq!(states().await, ["Done", "Begun"]);
    assert_eq!(bench.exists("deployments", "web-green").await, Some(false), "workloads wait for both");
    // The second try has all the time that its Job's end by hand takes.
    rollout["spec"]["progressDeadline"] = json!("10m");
    bench.apply(&rollout).await;
    bench.phase("RolledBack").await;
    bench.decide_on_rejected("Retry").await;
    bench
        .until("the failed one again", async || {
            let seed = bench.value("jobs", "seed-green").await;
            !seed.is_null() && seed["metadata"]["uid"] != first
        })
        .await;
    bench.finish_job("seed-green").await;
    bench.phase("Waiting").await;
    assert_eq!(bench.exists("jobs", "migrate-green").await, Some(false), "it had ended well");
    assert_eq!(states().await, ["Done", "Done"]);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_15_a_job_after_retirement_is_made_once_the_former_color_is_gone_and_again_on_a_retry() {
    let bench = Bench::installed("joblate").await;
    let contract = json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "contract", "annotations": {"teal.dev/run": "after-retire"}}, "spec": {
        "backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "contract", "image": "shop/contract:1"}]}}}});
    bench.apply(&with("2", &[contract])).await;
    bench.phase("Waiting").await;
    let state = async || bench.status("/commit/later/0/each/0/state").await;
    assert_eq!(state().await, "Due", "recorded with the start");
    bench.decide("Approve").await;
    bench
        .until("the Job", async || {
            let made = bench.exists("jobs", "contract-green").await == Some(true);
            // Looked up after it, so that what is gone was gone before.
            let gone = bench.exists("deployments", "web-blue").await == Some(false);
            assert!(!made || gone, "the former color is still there");
            made
        })
        .await;
    bench.until("it was seen", async || state().await == "Begun").await;
    let first = bench.value("jobs", "contract-green").await["metadata"]["uid"].clone();
    bench.fail_job("contract-green").await;
    bench.until("told", async || bench.condition("JobFailed").await.0 == "True").await;
    let (.., message) = bench.condition("JobFailed").await;
    assert!(message.contains("Job contract-green") && message.contains("retry"), "{message}");
    assert_eq!(bench.condition("Ready").await.0, "True", "the release serves all the same");
    bench.quiet().await;
    bench.decide("Retry").await;
    bench
        .until("it again", async || {
            let job = bench.value("jobs", "contract-green").await;
            !job.is_null() && job["metadata"]["uid"] != first
        })
        .await;
    bench.finish_job("contract-green").await;
    bench.until("done", async || state().await == "Done").await;
    bench.until("told no more", async || bench.condition("JobFailed").await.0.is_empty()).await;
    bench.delete("jobs", "contract-green").await;
    bench.quiet().await;
    assert_eq!(bench.exists("jobs", "contract-green").await, Some(false), "it runs once");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn what_holds_for_the_host_holds_for_the_candidate() {
    let bench = Bench::start("rule").await;
    bench.apply_route().await;
    let policy = json!({"tls": {"mode": "ISTIO_MUTUAL"}});
    bench.create("destinationrules", "owner", rule("web", &policy)).await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    let copy = bench.value("destinationrules", "web-candidate").await;
    assert_eq!(copy["spec"]["host"], "web-candidate");
    assert_eq!(copy.pointer("/spec/trafficPolicy/tls/mode"), Some(&json!("ISTIO_MUTUAL")));
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    assert_eq!(bench.exists("destinationrules", "web-candidate").await, Some(false));
    bench.end().await;
}

fn rule(name: &str, policy: &Value) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": name},
        "spec": {"host": "web", "trafficPolicy": policy}})
}

/// The API server keeps what another manager owns, and refuses what excludes it: only here it shows how a copy is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn what_holds_for_the_host_is_followed_while_the_candidate_is_tried() {
    let bench = Bench::start("follow").await;
    bench.apply_route().await;
    let policy = json!({"tls": {"mode": "ISTIO_MUTUAL"}, "loadBalancer": {"simple": "LEAST_REQUEST"}});
    bench.create("destinationrules", "owner", rule("web", &policy)).await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    let copied = async |name: &str| {
        let copy = bench.value("destinationrules", &format!("{name}-candidate")).await;
        copy["spec"]["trafficPolicy"].clone()
    };
    assert_eq!(copied("web").await, policy);
    let edit = async |policy: Value| {
        let patch = json!({"spec": {"trafficPolicy": policy}});
        bench.merge_as("owner", "destinationrules", "web", patch).await;
    };
    let detection = json!({"consecutive5xxErrors": 5});
    edit(json!({"tls": null, "outlierDetection": detection})).await;
    bench.until("the other field", async || copied("web").await["outlierDetection"] == detection).await;
    assert!(copied("web").await.get("tls").is_none(), "{}", copied("web").await);
    bench.quiet().await;
    let before = bench.requests();
    for number in 0..3 {
        let note = json!({"metadata": {"annotations": {"looked-at": number.to_string()}}});
        bench.merge_as("owner", "destinationrules", "web", note).await;
        bench.quiet().await;
    }
    let since = bench.difference(&before);
    assert!(since.iter().all(|(_, kind, _)| kind != "DestinationRule"), "{since:?}");
    let hash = json!({"consistentHash": {"httpHeaderName": "x-user"}});
    edit(json!({"loadBalancer": {"simple": null, "consistentHash": hash["consistentHash"]}})).await;
    bench.until("another choice", async || copied("web").await["loadBalancer"] == hash).await;
    bench.quiet().await;
    let told = bench.value("rollouts", "web").await["status"]["conditions"].to_string();
    assert!(!told.contains("DestinationRule"), "{told}");
    let policy = json!({"outlierDetection": detection});
    bench.create("destinationrules", "owner", rule("anew", &policy)).await;
    bench.delete("destinationrules", "web").await;
    let exists = async |name: &str| bench.exists("destinationrules", name).await == Some(true);
    bench.until("the former copy is gone", async || !exists("web-candidate").await).await;
    assert_eq!(copied("anew").await, policy, "it was made before");
    bench.delete("destinationrules", "anew").await;
    bench.until("none is left", async || !exists("anew-candidate").await).await;
    bench.quiet().await;
    assert!(!exists("web-candidate").await && !exists("anew-candidate").await);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_sidecar_that_hides_the_candidates_host_is_found_before_any_weight() {
    let bench = Bench::installed("sidecar").await;
    let host = format!("./web.{}.svc.cluster.local", bench.namespace());
    bench
        .create(
            "sidecars",
            "owner",
            json!({
                "apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {"name": "callers"},
                "spec": {"egress": [{"hosts": [host]}]},
            }),
        )
        .await;
    bench.apply(&objects::rollout("2")).await;
    bench.refused("HostNotExported", &["Sidecar", "callers", "web-candidate"]).await;
    assert_eq!(bench.weights().await, [("web".into(), 100)]);
    bench.delete("sidecars", "callers").await;
    bench.phase("Waiting").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn everything_goes_with_a_rollout_that_says_so() {
    let bench = Bench::start("all").await;
    bench.apply_route().await;
    let mut rollout = objects::rollout("1");
    rollout["spec"]["onDelete"] = json!("DeleteAll");
    bench.apply(&rollout).await;
    bench.phase("Complete").await;
    bench.delete("rollouts", "web").await;
    bench
        .until("gone", async || {
            bench.exists("deployments", "web-blue").await == Some(false)
                && bench.exists("services", "web").await == Some(false)
                && bench.exists("services", "web-candidate").await == Some(false)
        })
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_new_rollout_of_the_same_name_takes_over_what_serves() {
    let bench = Bench::installed("again").await;
    let made = bench.value("deployments", "web-blue").await["metadata"]["uid"].clone();
    let blue = bench.status("/live/revision").await;
    bench.delete("rollouts", "web").await;
    bench.until("gone", async || bench.exists("rollouts", "web").await == Some(false)).await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    assert_eq!(bench.status("/live/revision").await, blue);
    assert_eq!(
        bench.value("deployments", "web-blue").await["metadata"]["uid"],
        made,
        "nothing was restarted"
    );
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    assert!(bench.status("/candidate/revision").await.starts_with("r2-"));
    bench.end().await;
}

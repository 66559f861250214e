//! What the progress deadline is for, and what it isn't.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::bench::case::{Case, WINDOW};
use crate::bench::history::{History, Version};
use crate::bench::setup::Setup;
use crate::bench::{Bench, objects};

/// `pods::an_image_that_never_gets_ready` shows that it covers provisioning; here it is the wait for endpoints to be
/// observed, which an address of another hand holds up for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn endpoints_that_never_settle() {
    let bench = Bench::installed("settle").await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["progressDeadline"] = json!("6s");
    rollout["spec"]["keep"]["failed"] = json!("2s");
    let labels = bench.value("services", "web-candidate").await["metadata"]["labels"].clone();
    let mut slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web-candidate-by-hand", "labels": labels},
        "ports": [{"port": 8080}], "endpoints": [{"addresses": ["10.98.255.1"], "conditions": {"ready": true}}]});
    slice["metadata"]["labels"]["kubernetes.io/service-name"] = json!("web-candidate");
    slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] = json!("a-hand");
    let case = Case::told(
        "Stalled",
        "True",
        "DeadlineExceeded",
        [
            "EndpointSlices of the candidate's Services",
            "spec.progressDeadline",
            "remove those that another hand made",
        ],
    );
    let spoil = async || {
        bench.create("endpointslices", "a-hand", slice).await;
        bench.apply(&rollout).await;
    };
    let mend = async || {
        bench.delete("endpointslices", "web-candidate-by-hand").await;
        bench.decide_on_rejected("Retry").await;
    };
    bench.bad(case.all_at_live(), spoil, mend).await;
    bench.end().await;
}

/// Longer than the deadline in each of them, one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn hold_checks_and_people_have_no_deadline() {
    let bench = Bench::start_with("patient", Setup::without_data()).await;
    bench.apply_route().await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    let deadline = Duration::from_secs(15);
    let mut rollout = objects::rollout("2");
    rollout["spec"]["progressDeadline"] = json!("15s");
    rollout["spec"]["checks"] =
        json!([{"name": "errors", "query": "up", "threshold": {"max": 0}, "interval": "1s"}]);
    rollout["spec"]["steps"] = json!([
        {"name": "held", "weight": 10, "hold": "18s", "checks": []},
        {"name": "checked", "weight": 20, "checks": ["errors"]},
        {"name": "asked", "weight": 30, "checks": [], "approval": {"count": 1}},
        {"name": "full", "weight": 100, "checks": []},
    ]);
    let history = History::begin(bench.api("virtualservices")).await;
    bench.apply(&rollout).await;
    let at = async |weight: i64| {
        bench
            .until(&format!("{weight} %"), async || {
                bench.weights().await.last().is_some_and(|(_, w)| *w == weight)
            })
            .await;
    };
    at(10).await;
    let begun = Instant::now();
    at(20).await;
    assert!(begun.elapsed() > deadline, "held for longer than the deadline");
    bench.phase("Checking").await;
    let is_well = async |phase: &str| {
        bench.status("/phase").await == phase && bench.condition("Stalled").await.0.is_empty()
    };
    // There is never any data here, so the check would wait for ever.
    bench.stays_for(deadline + Duration::from_secs(2), async || is_well("Checking").await).await;
    bench.skip().await;
    at(30).await;
    bench.phase("Waiting").await;
    bench.quiet().await;
    assert!(WINDOW.0 > deadline);
    bench.is_calm(WINDOW).await;
    assert!(is_well("Waiting").await);
    // What may take long was shown. How soon endpoints follow a promotion, where many tests run, isn't what this is about.
    rollout["spec"]["progressDeadline"] = json!("2m");
    bench.apply(&rollout).await;
    bench.completes("web").await;
    let weights: Vec<i64> = history.all().await.iter().map(Version::candidates_weight).collect();
    let mut steps = weights.clone();
    steps.dedup();
    assert_eq!(steps, [0, 10, 20, 30, 100, 0], "{weights:?}");
    bench.end().await;
}

/// The definition asks for a limit, not that a value can lie inside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_spec_that_can_not_be_used_any_more_at_ten_percent() {
    let bench = Bench::at_ten("unusable").await;
    let mut rollout = objects::rollout("2");
    let limits = json!({"min": "99%", "max": "1%"});
    rollout["spec"]["checks"] = json!([{"name": "errors", "query": "up", "threshold": limits}]);
    let case =
        Case::refused("SpecInvalid", "spec.checks[errors].threshold", "min 99% is above max 1%", "swap them");
    let mend = async || {
        assert!(bench.weights().await.contains(&("web-candidate".to_owned(), 10)), "it stays where it is");
        bench.decide("Rollback").await;
        bench.until("all at live", async || bench.weights().await == [("web".to_owned(), 100)]).await;
        assert_eq!(bench.selected("web-candidate").await, bench.status("/live/revision").await);
        bench.apply(&objects::rollout("3")).await;
    };
    bench.bad(case, async || bench.apply(&rollout).await, mend).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_window_by_a_clock_that_hangs_nowhere() {
    let bench = Bench::installed("nozone").await;
    let with = |zone: &str| {
        let mut rollout = objects::rollout("2");
        let window = json!({"effect": "Deny", "schedule": "0 0 29 2 *", "duration": "1s", "timeZone": zone});
        rollout["spec"]["windows"] = json!([window]);
        rollout
    };
    let case = Case::refused(
        "SpecInvalid",
        "spec.windows[0]",
        "no time zone \"Mars/Base\"",
        "write a name of the IANA time zone database",
    );
    bench
        .bad(
            case,
            async || bench.apply(&with("Mars/Base")).await,
            async || bench.apply(&with("Asia/Seoul")).await,
        )
        .await;
    bench.end().await;
}

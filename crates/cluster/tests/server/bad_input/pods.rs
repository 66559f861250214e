//! Pods that don't start, or don't last, and rooms too small for them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::bad::Case;
use crate::bench::history::History;
use crate::bench::setup::Pool;
use crate::bench::{Bench, objects};

fn quota(pods: &str, scopes: &[&str]) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"},
        "spec": {"hard": {"pods": pods}, "scopes": scopes}})
}

/// Once the controller has counted what is there.
async fn counted(bench: &Bench, used: &str) {
    bench
        .until("counted", async || {
            bench.value("resourcequotas", "team").await.pointer("/status/used/pods") == Some(&json!(used))
        })
        .await;
}

async fn raise(bench: &Bench) {
    bench.merge_as("admin", "resourcequotas", "team", json!({"spec": {"hard": {"pods": "20"}}})).await;
}

/// Applies a release whose pods never get ready, and waits until it is known why: that they start is told before.
pub(super) async fn broken(bench: &Bench) {
    bench.apply(&objects::rollout("broken")).await;
    let told = async || bench.status("/message").await.contains("ImagePullBackOff");
    bench.until("what is wrong with the pods", told).await;
}

/// Told while the deadline is far away.
pub(super) fn never_ready(deployment: &str) -> Case {
    let pod = format!("pod {deployment}-");
    let names =
        [pod.as_str(), "container web is in ImagePullBackOff", "correct spec.release or what its pods need"];
    Case::told("Reconciling", "True", "CandidateStarting", names)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_image_that_never_gets_ready() {
    let bench = Bench::installed("image").await;
    let mut rollout = objects::rollout("broken");
    rollout["spec"]["progressDeadline"] = json!("5s");
    rollout["spec"]["keep"]["failed"] = json!("2s");
    let case = Case::told(
        "Stalled",
        "True",
        "DeadlineExceeded",
        ["pod web-green-", "container web is in ImagePullBackOff", "change spec.release"],
    );
    let mend = async || bench.apply(&objects::rollout("2")).await;
    bench.bad(case.all_at_live(), async || bench.apply(&rollout).await, mend).await;
    bench.end().await;
}

/// The deadline is ten minutes away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_image_that_never_gets_ready_long_before_the_deadline() {
    let bench = Bench::installed("early").await;
    let mend = async || {
        assert_eq!(bench.status("/phase").await, "Preparing");
        bench.apply(&objects::rollout("2")).await;
    };
    bench.bad(never_ready("web-green").all_at_live(), async || broken(&bench).await, mend).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_crash_loop_at_ten_percent() {
    let bench = Bench::at_ten("crash").await;
    let history = History::begin(bench.api("virtualservices")).await;
    let case = Case::told(
        "Stalled",
        "True",
        "RolledBack",
        ["pod web-green-", "container web is in CrashLoopBackOff", "change spec.release"],
    );
    let begun = Instant::now();
    let spoil = async || bench.trouble("green", "CrashLoopBackOff").await;
    bench.bad(case.back_at_live(), spoil, async || bench.apply(&objects::rollout("3")).await).await;
    let home = history.all().await.into_iter().find(|version| version.candidates_weight() == 0);
    let took = home.expect("back at live").at - begun;
    let grace = Duration::from_secs(10);
    assert!(took >= grace, "borne for 10 s, not for {took:?}");
    assert!(took < grace * 2, "{took:?}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_quota_without_room() {
    let bench = Bench::installed("quota").await;
    bench.create("resourcequotas", "admin", quota("4", &[])).await;
    counted(&bench, "3").await;
    let shortage = "allows pods 4, 3 are in use and the candidate needs 3";
    let case = Case::refused("NoRoom", "ResourceQuota team", shortage, "raise the quota").tried_again();
    let spoil = async || bench.apply(&objects::rollout("2")).await;
    let mend = async || {
        assert_eq!(bench.exists("deployments", "web-green").await, Some(false), "nothing was created");
        raise(&bench).await;
    };
    bench.bad(case, spoil, mend).await;
    bench.end().await;
}

/// One that the look before the start can't judge, so that the API server refuses the pods.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_quota_that_refuses_pods_later() {
    let bench = Bench::installed("later").await;
    bench.create("resourcequotas", "admin", quota("4", &["NotTerminating"])).await;
    counted(&bench, "3").await;
    let case = Case::refused("NoRoom", "Deployment web-green", "exceeded quota: team", "raise the quota");
    let spoil = async || bench.apply(&objects::rollout("2")).await;
    bench.bad(case.all_at_live(), spoil, async || raise(&bench).await).await;
    bench.end().await;
}

/// Its controller sets no condition: it says why in an Event alone. The first pod has room, and each waits for the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_quota_that_refuses_pods_of_a_stateful_set() {
    let bench = Bench::installed("laterset").await;
    bench.create("resourcequotas", "admin", quota("4", &["NotTerminating"])).await;
    counted(&bench, "3").await;
    let case = Case::refused("NoRoom", "StatefulSet web-green", "exceeded quota: team", "raise the quota");
    let mut rollout = objects::rollout("2");
    rollout["spec"]["release"]["manifests"][0]["kind"] = json!("StatefulSet");
    let mend = async || {
        assert_eq!(bench.status("/phase").await, "Preparing");
        raise(&bench).await;
    };
    bench.bad(case.all_at_live(), async || bench.apply(&rollout).await, mend).await;
    bench.end().await;
}

/// Nor does that of a Job, for which all workloads wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_quota_that_refuses_the_pod_of_a_job() {
    let bench = Bench::installed("laterjob").await;
    bench.create("resourcequotas", "admin", quota("3", &["NotTerminating"])).await;
    counted(&bench, "3").await;
    let case = Case::refused("NoRoom", "Job migrate-green", "exceeded quota: team", "raise the quota");
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {
        "template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "migrate", "image": "shop/migrate:1"}]}}}});
    let spoil = async || bench.apply(&objects::with("2", &[job])).await;
    let mend = async || {
        assert_eq!(bench.exists("deployments", "web-green").await, Some(false), "workloads wait for it");
        raise(&bench).await;
        bench.finish_job("migrate-green").await;
    };
    bench.bad(case.all_at_live(), spoil, mend).await;
    bench.end().await;
}

/// The same before anything serves: fewer replicas are a remedy too, and they are no other content.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_quota_that_refuses_pods_of_the_first_install() {
    let bench = Bench::start("firstquota").await;
    bench.apply_route().await;
    bench.create("resourcequotas", "admin", quota("1", &["NotTerminating"])).await;
    counted(&bench, "0").await;
    let case = Case::refused("NoRoom", "Deployment web-blue", "exceeded quota: team", "raise the quota");
    let mend = async || {
        let mut smaller = objects::rollout("1");
        smaller["spec"]["release"]["manifests"][0]["spec"]["replicas"] = json!(1);
        bench.apply(&smaller).await;
    };
    bench.bad(case.once_made(), async || bench.apply(&objects::rollout("1")).await, mend).await;
    bench.end().await;
}

/// One that comes when the candidate has requests already, and lets a pod that is gone not come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_quota_that_comes_at_ten_percent() {
    let bench = Bench::at_ten("tightened").await;
    let case = Case::refused("NoRoom", "Deployment web-green", "exceeded quota: team", "raise the quota");
    let spoil = async || {
        bench.create("resourcequotas", "admin", quota("5", &[])).await;
        counted(&bench, "6").await;
        bench.lose_a_pod("green").await;
    };
    bench.bad(case.held_at(10), spoil, async || raise(&bench).await).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn nodes_without_room() {
    let bench = Bench::start("nodes").await;
    // What was seen of the nodes at the install is still known for a moment.
    let pool = Pool::start(bench.client(), "3").await;
    bench.apply_route().await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    let mut rollout = objects::rollout("2");
    let template = &mut rollout["spec"]["release"]["manifests"][0]["spec"]["template"]["spec"];
    template["nodeSelector"] = json!({"test.teal.dev/pool": pool.name});
    template["containers"][0]["resources"] = json!({"requests": {"cpu": "2"}});
    let case = Case::warned(
        "NodesShort",
        "The nodes have room for 1 of the 3 pods of Deployment web (",
        "resources.requests.cpu 2, nodeSelector test.teal.dev/pool=",
        "add nodes or free room",
    );
    bench.apply(&rollout).await;
    bench.is_told(&case).await;
    // Pods that wait are what makes an autoscaler of nodes add some; here they find a node that nobody counted.
    bench.completes("web").await;
    bench.until("it is told no more", async || bench.condition("NodesShort").await.0 != "True").await;
    pool.end().await;
    bench.end().await;
}

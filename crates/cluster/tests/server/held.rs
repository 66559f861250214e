//! What is asked while an object of a color hangs in its deletion.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::{Bench, objects};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn what_is_kept_is_read_once_while_an_object_hangs_in_its_deletion() {
    let bench = Bench::start("held").await;
    bench.apply_route().await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "clerk"}});
    bench.apply(&objects::with("1", &[account])).await;
    bench.phase("Complete").await;
    let held = |finalizers: Value| json!({"metadata": {"finalizers": finalizers}});
    bench.merge_as("somebody", "deployments", "web-blue", held(json!(["example.com/hold"]))).await;
    bench.apply(&objects::rollout("2")).await;
    let before = bench.requests();
    bench.completes("web").await;
    bench
        .until("blue is being deleted", async || {
            bench.value("deployments", "web-blue").await.pointer("/metadata/deletionTimestamp").is_some()
        })
        .await;
    // Each second there is a look, so only time shows what all of them ask.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let asked = bench.difference(&before);
    let of_revisions =
        |(verb, kind, _): &&(&str, String, u64)| *verb == "get" && kind == "ControllerRevision";
    let reads: u64 = asked.iter().filter(of_revisions).map(|(.., count)| count).sum();
    // Both revisions for what they share, and the first one to go back to.
    assert!((2..=3).contains(&reads), "{reads} reads: {asked:?}");
    assert_eq!(bench.exists("serviceaccounts", "clerk").await, Some(true));
    bench.merge_as("somebody", "deployments", "web-blue", held(json!([]))).await;
    bench.until("gone", async || bench.exists("deployments", "web-blue").await == Some(false)).await;
    bench.end().await;
}

//! Open connections of a color without traffic keep it, for as long as the spec says and no longer.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::case::Case;
use crate::bench::{Bench, objects};
use crate::prometheus::{Reply, Stand, asking};

const QUERY: &str = r#"sum(connections_open{color="$(color)",teal_dev_revision="$(revision)"})"#;

/// Nobody is asked, and what is retired is awaited.
fn drained(version: &str, timeout: &str) -> Value {
    let mut rollout = objects::rollout(version);
    rollout["spec"]["traffic"]["drain"] = json!({"query": QUERY, "timeout": timeout});
    rollout["spec"]["steps"] =
        json!([{"name": "canary", "weight": 10, "hold": "1s"}, {"name": "full", "weight": 100}]);
    rollout["spec"]["keep"] = json!({"previous": "1s", "failed": "1s"});
    rollout
}

/// The first release is live, and the second is about to be.
async fn with_two(name: &str, stand: &Stand, timeout: &str) -> Bench {
    let bench = Bench::start_with(name, asking(&stand.listen().await)).await;
    bench.apply_route().await;
    bench.apply(&drained("1", timeout)).await;
    bench.phase("Complete").await;
    bench.apply(&drained("2", timeout)).await;
    bench
}

async fn is_awaited(bench: &Bench, open: &str) {
    bench.until("told", async || bench.status("/draining/open").await == open).await;
    assert_eq!(bench.status("/draining/color").await, "blue");
    assert_eq!(bench.status("/waitingFor").await, "connections (blue)");
    assert!(bench.status("/live/revision").await.starts_with("r2-"));
}

async fn is_there(bench: &Bench) -> bool {
    bench.exists("deployments", "web-blue").await == Some(true)
}

async fn is_gone(bench: &Bench) {
    bench.until("gone", async || bench.exists("deployments", "web-blue").await == Some(false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn open_connections_keep_their_color_until_the_last_one_has_ended() {
    let stand = Stand::new(Reply::value("3"));
    let mut bench = with_two("awaited", &stand, "10m").await;
    is_awaited(&bench, "3").await;
    let revision = bench.status("/draining/revision").await;
    let query = format!(r#"sum(connections_open{{color="blue",teal_dev_revision="{revision}"}})"#);
    assert!(stand.asked().iter().all(|asked| *asked == query), "{:?}", stand.asked());
    assert!(bench.status("/message").await.contains("which were 3: it goes once they have ended"));
    let back = bench.condition("RollbackAvailable").await;
    assert_eq!((back.0.as_str(), back.1.as_str()), ("False", "Retired"));
    // Another process awaits them as the one before did, and gives them no more time.
    let until = bench.status("/draining/until").await;
    bench.pause_teal().await;
    bench.resume_teal();
    bench.stays_for(Duration::from_secs(7), async || is_there(&bench).await).await;
    assert_eq!(bench.status("/draining/until").await, until);
    stand.tell(Reply::value("0"));
    is_gone(&bench).await;
    bench.until("at rest", async || bench.status("/draining").await.is_empty()).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_new_revision_waits_for_them_and_retire_ends_that_at_once() {
    let stand = Stand::new(Reply::value("3"));
    let bench = with_two("replaced", &stand, "10m").await;
    is_awaited(&bench, "3").await;
    bench.apply(&drained("3", "10m")).await;
    bench.stays_for(Duration::from_secs(3), async || is_there(&bench).await).await;
    is_awaited(&bench, "3").await;
    assert_eq!(bench.condition("Ready").await.0, "False", "what is wanted is not there yet");
    let revision = bench.status("/draining/revision").await;
    let mut decided = bench.value("rollouts", "web").await;
    decided["status"]["candidate"] = json!({"revision": revision});
    bench.decide_on(&decided, "Retire").await;
    bench.until("the next one", async || bench.status("/live/revision").await.starts_with("r3-")).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn open_connections_that_nobody_counts() {
    let stand = Stand::new(Reply::series(&[]));
    let bench = with_two("uncounted", &stand, "30s").await;
    bench.until("told", async || bench.condition("MetricsBlind").await.1 == "NoData").await;
    let said = bench.condition("MetricsBlind").await.2;
    for words in
        ["spec.traffic.drain.query: the query has no data", "the pods of the color that goes are scraped"]
    {
        assert!(said.contains(words), "{said}");
    }
    let message = bench.status("/message").await;
    assert!(message.contains("metrics have given no number yet"), "{message}");
    assert!(is_there(&bench).await, "no number is no 0");
    // Never for longer than it may take.
    is_gone(&bench).await;
    bench.until("mended", async || bench.condition("MetricsBlind").await.0.is_empty()).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_source_of_open_connections_that_is_not_configured() {
    let stand = Stand::new(Reply::value("0"));
    let bench = Bench::start_with("elsewhere", asking(&stand.listen().await)).await;
    bench.apply_route().await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    let case = Case::refused(
        "SourceNotFound",
        "thanos is not in the operator's configuration (it has: default)",
        "spec.traffic.drain.source",
        "correct the name, or add the source there",
    );
    let spoil = async || {
        let mut rollout = drained("2", "10m");
        rollout["spec"]["traffic"]["drain"]["source"] = json!("thanos");
        bench.apply(&rollout).await;
    };
    bench.bad(case, spoil, async || bench.apply(&drained("2", "10m")).await).await;
    bench.end().await;
}

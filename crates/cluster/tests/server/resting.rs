//! The color that isn't live is brought to rest, and holds live up no longer than that; of what was sent back nothing more is made.

use serde_json::{Value, json};

use crate::bench::history::History;
use crate::bench::objects::with;
use crate::bench::{Bench, objects};

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"of": name}})
}

fn of_another() -> Value {
    json!({"metadata": {"labels": {"teal.dev/rollout": "other"}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn what_is_refused_in_the_kept_color_keeps_live_from_no_work() {
    let bench = Bench::start("resting").await;
    bench.apply_route().await;
    let release = |version: &str| {
        let tick = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}, "spec": {
            "schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "tick", "image": "shop/tick:1"}]}}}}}});
        let mut rollout = with(version, &[config_map("settings"), tick]);
        rollout["spec"]["keep"]["previous"] = json!("10m");
        rollout
    };
    bench.apply(&release("1")).await;
    bench.phase("Complete").await;
    bench.apply(&release("2")).await;
    bench.phase("Waiting").await;
    bench.decide("Approve").await;
    let rests = async |name: &str| bench.value("cronjobs", name).await["spec"]["suspend"].clone();
    bench
        .until("changed over", async || {
            rests("tick-blue").await == true && rests("tick-green").await == false
        })
        .await;
    bench.quiet().await;
    bench.merge_as("somebody", "configmaps", "settings-blue", of_another()).await;
    let object = format!("ConfigMap {}/settings-blue", bench.namespace());
    bench.refused("NameTaken", &[&object]).await;
    bench.merge_as("somebody", "cronjobs", "tick-green", json!({"spec": {"suspend": true}})).await;
    bench.until("it works again", async || rests("tick-green").await == false).await;
    assert_eq!(rests("tick-blue").await, true);
    assert_eq!(bench.condition("Accepted").await.1, "NameTaken", "what is refused is so still");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_candidate_that_was_never_whole_is_not_begun_by_sending_it_back() {
    let bench = Bench::installed("neverwhole").await;
    let workloads = History::begin(bench.api("deployments")).await;
    let mut taken = config_map("b-green");
    taken["metadata"]["labels"] = json!({"teal.dev/rollout": "other"});
    bench.create("configmaps", "somebody", taken).await;
    let mut second = with("2", &[config_map("a"), config_map("b")]);
    second["spec"]["keep"]["failed"] = json!("8s");
    bench.apply(&second).await;
    bench.refused("NameTaken", &[&format!("ConfigMap {}/b-green", bench.namespace())]).await;
    assert_eq!(bench.exists("configmaps", "a-green").await, Some(true), "what comes before it");
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    // Kept to be looked at, and then cleared.
    bench.until("cleared", async || bench.exists("configmaps", "a-green").await == Some(false)).await;
    let begun: Vec<_> =
        workloads.all().await.into_iter().filter(|version| version.name == "web-green").collect();
    assert!(begun.is_empty(), "{begun:#?}");
    assert_eq!(bench.value("configmaps", "b-green").await["data"], json!({"of": "b-green"}));
    bench.apply(&objects::rollout("3")).await;
    bench.phase("Waiting").await;
    bench.end().await;
}

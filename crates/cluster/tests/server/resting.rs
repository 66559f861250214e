//! The color that isn't live is brought to rest, and holds live up no longer than that.

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::bench::objects::with;

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

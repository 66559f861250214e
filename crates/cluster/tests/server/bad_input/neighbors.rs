//! What two Rollouts of one namespace want both.

use serde_json::{Value, json};

use crate::bench::bad::Case;
use crate::bench::{Bench, objects};

/// Two Rollouts whose releases have one object of the same kind and name: the first keeps it as it is, and the second
/// says whose it is instead of writing over it or of taking its work for done.
async fn an_object_of_another_rollout(name: &str, kind: &str, shared: &Value, renamed: &Value) {
    let bench = Bench::start(name).await;
    bench.apply_route().await;
    let named = shared["metadata"]["name"].as_str().expect("a name");
    let plural = format!("{}s", kind.to_lowercase());
    let colored = format!("{named}-blue");
    let with = |mut rollout: Value, manifest: &Value| {
        rollout["spec"]["release"]["manifests"].as_array_mut().expect("a list").push(manifest.clone());
        rollout
    };
    bench.apply(&with(other(), shared)).await;
    if kind == "Job" {
        bench.finish_job(&colored).await;
    }
    bench
        .until("the other Rollout complete", async || {
            let found = bench.value("rollouts", "other").await;
            found.pointer("/status/phase") == Some(&json!("Complete"))
        })
        .await;
    let before = bench.value(&plural, &colored).await;
    let object = format!("{kind} {}/{colored}", bench.namespace());
    bench
        .bad(
            Case::refused("NameTaken", &object, "written by Rollout other", "rename one of the two")
                .tried_again(),
            async || bench.apply(&with(objects::rollout("1"), shared)).await,
            async || {
                let now = bench.value(&plural, &colored).await;
                let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
                assert_eq!(version(&now), version(&before), "nobody wrote it");
                assert_eq!(bench.exists("deployments", "web-blue").await, Some(false));
                bench.apply(&with(objects::rollout("1"), renamed)).await;
                if kind == "Job" {
                    bench.finish_job("web-migrate-blue").await;
                }
            },
        )
        .await;
    bench.end().await;
}

/// A Rollout beside `web`, without routes.
fn other() -> Value {
    let text = objects::rollout("1").to_string().replace("\"web\"", "\"other\"");
    let mut rollout: Value = serde_json::from_str(&text).expect("JSON");
    let spec = rollout["spec"].as_object_mut().expect("a spec");
    spec.remove("steps");
    rollout["spec"]["traffic"] = json!({"services": [{"name": "other"}]});
    rollout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_config_map_of_another_rollout() {
    let config = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"of": name}});
    an_object_of_another_rollout("othersmap", "ConfigMap", &config("config"), &config("web-config")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_job_of_another_rollout() {
    let job = |name: &str| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "migrate", "image": "shop/migrate:1"}]}}}})
    };
    an_object_of_another_rollout("othersjob", "Job", &job("migrate"), &job("web-migrate")).await;
}

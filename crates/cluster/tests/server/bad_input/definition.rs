//! What the definition refuses: the message is the intended one, and neither the stored object nor traffic changes.
//! `examples/invalid` has a file for every rule of the definition, and `crates/api/tests/server/examples.rs`
//! sends them all; here are those that the list of bad input names, sent over a Rollout that is live.

use serde_json::{Value, json};

use crate::bench::{Bench, objects};

/// A change of version 1 that the API server refuses for this field with this message.
async fn refused(name: &str, field: &str, message: &str, change: impl FnOnce(&mut Value)) {
    let bench = Bench::installed(name).await;
    let mut rollout = objects::rollout("2");
    change(&mut rollout);
    bench.refused_by_the_server("rollouts", &rollout, field, message).await;
    bench.apply(&objects::rollout("2")).await;
    bench.completes("web").await;
    bench.end().await;
}

fn manifests(rollout: &mut Value) -> &mut Vec<Value> {
    rollout["spec"]["release"]["manifests"].as_array_mut().expect("a list")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn no_manifests() {
    refused(
        "empty",
        "spec.release.manifests: Invalid value",
        "list at least one object: a Deployment and its Service",
        |rollout| {
            manifests(rollout).clear();
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_manifest_twice() {
    refused(
        "double",
        "spec.release.manifests: Invalid value",
        "two entries have the same apiVersion, kind and name: keep one of them",
        |rollout| {
            let again = manifests(rollout)[0].clone();
            manifests(rollout).push(again);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_manifest_of_another_namespace() {
    refused(
        "elsewhere",
        "spec.release.manifests[0].metadata: Invalid value",
        "take metadata.namespace out",
        |rollout| {
            manifests(rollout)[0]["metadata"]["namespace"] = json!("elsewhere");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_api_version_that_leads_elsewhere() {
    refused(
        "address",
        "spec.release.manifests[2].apiVersion: Invalid value",
        "write group and version, such as apps/v1",
        |rollout| {
            manifests(rollout).push(json!({"apiVersion": "/v1/configmaps?x=", "kind": "ConfigMap",
            "metadata": {"name": "x"}}));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_manifest_with_the_data_of_a_secret() {
    refused("secret", "spec.release.manifests: Invalid value", "leave Secrets out", |rollout| {
        manifests(rollout).push(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
            "stringData": {"password": "hunter2"}}));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_service_name_that_gets_too_long() {
    refused(
        "longservice",
        "spec.traffic.services[0].name: Invalid value",
        "a traffic Service's name may have 53 characters",
        |rollout| {
            rollout["spec"]["traffic"]["services"] = json!([{"name": "s".repeat(54)}]);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn steps_that_do_not_ascend() {
    refused("descend", "spec.steps: Invalid value", "weights must not go down", |rollout| {
        rollout["spec"]["steps"] = json!([{"name": "half", "weight": 50, "hold": "1m"},
            {"name": "canary", "weight": 10, "hold": "1m"}, {"name": "full", "weight": 100}]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn steps_that_do_not_end_at_100() {
    refused("unfinished", "spec.steps: Invalid value", "the last step must have weight 100", |rollout| {
        rollout["spec"]["steps"] = json!([{"name": "canary", "weight": 10, "hold": "1m"}]);
    })
    .await;
}

/// A name can't change: another Rollout is refused, and nothing of it is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_rollout_name_that_gets_too_long() {
    refused("longname", "metadata.name may have 50 characters", "shorten it", |rollout| {
        rollout["metadata"]["name"] = json!("n".repeat(51));
    })
    .await;
}

/// The parts of the status that programs read have their types.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_status_of_the_wrong_type() {
    let bench = Bench::installed("status").await;
    bench
        .status_refused_by_the_server(
            json!({"live": {"color": 7}}),
            "status.live.color",
            "must be of type string",
        )
        .await;
    bench
        .status_refused_by_the_server(
            json!({"phase": ["Complete"]}),
            "status.phase",
            "must be of type string",
        )
        .await;
    bench.apply(&objects::rollout("2")).await;
    bench.completes("web").await;
    bench.end().await;
}

//! Stands in for scheduler and kubelet: puts every pod of a namespace on a node that isn't there, makes it ready, and
//! lets it go when it is deleted. All that a control plane without nodes lacks.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

/// Endpoints are made only of pods on nodes that exist.
const NODE: &str = "teal-test";
/// How often the node shows that it lives. Kubernetes waits 50 s.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How long the pods of a namespace may take to go; what stays is looked at by Kubernetes again and again, and fails no test.
const LET_GO: Duration = Duration::from_secs(10);

/// An annotation of a pod: why its container doesn't run, as a kubelet says it.
pub(crate) const TROUBLE: &str = "test.teal.dev/trouble";

pub(crate) async fn run(client: Client, namespace: String) {
    let nodes: Api<Node> = Api::all(client.clone());
    let node = serde_json::from_value(json!({"metadata": {"name": NODE}})).expect("a node");
    // Another test may have made it.
    drop(nodes.create(&PostParams::default(), &node).await);
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let mut next = 1_u32;
    let mut beat = None::<Instant>;
    loop {
        if beat.is_none_or(|last| last.elapsed() > HEARTBEAT) {
            let status = Patch::Strategic(node_status());
            drop(nodes.patch_status(NODE, &PatchParams::default(), &status).await);
            beat = Some(Instant::now());
        }
        if let Ok(list) = pods.list(&ListParams::default()).await {
            for pod in &list.items {
                next += 1;
                tend(&pods, pod, next).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Lets all pods of a namespace go that is being deleted, in which none is made any more: without a kubelet a deleted pod stays.
pub(crate) async fn let_go(client: &Client, namespace: &str) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let at_once = DeleteParams::default().grace_period(0);
    let begun = Instant::now();
    // One may have been made just before the namespace was known to go.
    while begun.elapsed() < LET_GO {
        drop(pods.delete_collection(&at_once, &ListParams::default()).await);
        if pods.list(&ListParams::default()).await.is_ok_and(|left| left.items.is_empty()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// With room for every test. Its time is what says that the node lives: Kubernetes taints one that falls silent.
fn node_status() -> Value {
    let now = jiff::Timestamp::now();
    let room = json!({"cpu": "1000", "memory": "1Ti", "pods": "10000"});
    json!({"status": {
        "allocatable": room, "capacity": room,
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now}],
    }})
}

async fn tend(pods: &Api<Pod>, pod: &Pod, number: u32) {
    let name = pod.name_any();
    if pod.metadata.deletion_timestamp.is_some() {
        drop(pods.delete(&name, &DeleteParams::default().grace_period(0)).await);
        return;
    }
    let spec = pod.spec.clone().unwrap_or_default();
    if spec.node_name.is_none() {
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE}});
        drop(
            pods.create_subresource::<Value, Value>("binding", &name, &PostParams::default(), &binding).await,
        );
        return;
    }
    if spec.restart_policy.as_deref() == Some("Never") {
        return;
    }
    let status = match trouble(pod) {
        Some(reason) if waits(pod) == Some(reason) => return,
        Some(reason) => failing(pod, reason),
        None if is_ready(pod) => return,
        None => running(pod, number),
    };
    drop(pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await);
}

/// Why the container of a pod is not to run.
fn trouble(pod: &Pod) -> Option<&str> {
    let annotations = pod.metadata.annotations.as_ref();
    if let Some(reason) = annotations.and_then(|annotations| annotations.get(TROUBLE)) {
        return Some(reason);
    }
    let image = pod.spec.as_ref()?.containers.first()?.image.as_deref()?;
    image.contains("broken").then_some("ImagePullBackOff")
}

fn waits(pod: &Pod) -> Option<&str> {
    let container = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    container.state.as_ref()?.waiting.as_ref()?.reason.as_deref()
}

fn failing(pod: &Pod, reason: &str) -> Value {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.clone()).unwrap_or_default();
    let statuses: Vec<Value> = containers
        .iter()
        .map(|container| {
            let image = container.image.clone().unwrap_or_default();
            json!({"name": container.name, "image": image, "imageID": "", "ready": false, "restartCount": 1,
                "state": {"waiting": {"reason": reason, "message": format!("back-off of {image}")}}})
        })
        .collect();
    let phase = if address(pod).is_some() { "Running" } else { "Pending" };
    json!({"phase": phase, "conditions": conditions("False"), "containerStatuses": statuses})
}

fn address(pod: &Pod) -> Option<String> {
    pod.status.as_ref()?.pod_ip.clone()
}

fn running(pod: &Pod, number: u32) -> Value {
    let [.., high, low] = number.to_be_bytes();
    let address = address(pod).unwrap_or_else(|| format!("10.98.{high}.{low}"));
    json!({
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": conditions("True"),
        "containerStatuses": null,
    })
}

fn conditions(ready: &str) -> Value {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!([
        {"type": "Ready", "status": ready, "lastTransitionTime": now},
        {"type": "ContainersReady", "status": ready},
        {"type": "Initialized", "status": "True"},
        {"type": "PodScheduled", "status": "True"},
    ])
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

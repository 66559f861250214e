//! Makes every pod of a namespace ready: all that a control plane without nodes lacks.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

pub(crate) async fn run(client: Client, namespace: String) {
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let mut next = 1_u32;
    loop {
        if let Ok(list) = pods.list(&ListParams::default()).await {
            for pod in list.items.iter().filter(|pod| !is_ready(pod)) {
                next += 1;
                let [.., high, low] = next.to_be_bytes();
                let image = pod.spec.as_ref().and_then(|spec| spec.containers.first()?.image.clone());
                if image.is_some_and(|image| image.contains("broken")) {
                    continue;
                }
                let address = format!("10.98.{high}.{low}");
                let status = json!({"status": {
                    "phase": "Running",
                    "podIP": address,
                    "podIPs": [{"ip": address}],
                    "conditions": [
                        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                        {"type": "ContainersReady", "status": "True"},
                        {"type": "Initialized", "status": "True"},
                        {"type": "PodScheduled", "status": "True"},
                    ],
                }});
                let patch = Patch::Merge(status);
                drop(pods.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await);
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

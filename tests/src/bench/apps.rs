//! The applications that are measured: as small as a real one can be, so that what is measured is the way and not the load.

use serde_json::{Value, json};

/// The namespace of all of them.
pub(super) const NAMESPACE: &str = "bench";
/// How long the former color and a failed one stay. Short, so that an update and its clean-up are both inside the run.
pub(super) const KEEP: &str = "1s";

/// What the names of all begin with.
pub(super) const PREFIX: &str = "app-";

/// The name of an application: of its Rollout, Deployment, Service and VirtualService.
pub(super) fn name(index: u32) -> String {
    format!("{PREFIX}{index:05}")
}

/// The VirtualService, as its owner writes it.
pub(super) fn virtual_service(name: &str) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"hosts": [name], "http": [{"name": "primary", "route": [{"destination": {"host": name}}]}]},
    })
}

/// A Deployment of so many pods.
pub(super) fn deployment(name: &str, version: &str, replicas: u32) -> Value {
    let container = json!({
        "name": "app", "image": format!("bench.example/app:{version}"), "ports": [{"name": "http", "containerPort": 8080}],
    });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    })
}

/// What is released: the same for all versions but for the image.
pub(super) fn release(name: &str, version: &str, replicas: u32) -> Value {
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    });
    json!({"manifests": [deployment(name, version, replicas), service]})
}

/// The Rollout with these steps.
pub(super) fn rollout(name: &str, version: &str, replicas: u32, steps: &Value) -> Value {
    json!({
        "apiVersion": "teal.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "release": release(name, version, replicas),
            "traffic": {"services": [{"name": name}], "virtualServices": [{"name": name}]},
            "steps": steps,
            "keep": {"previous": KEEP, "failed": KEEP},
        },
    })
}

/// 10 % until a person agrees, then all.
pub(super) fn asking() -> Value {
    json!([
        {"name": "canary", "weight": 10, "approval": {"count": 1}},
        {"name": "full", "weight": 100, "hold": "0s"},
    ])
}

/// 10 %, then all, with no wait but that for proxies.
pub(super) fn straight() -> Value {
    json!([{"name": "canary", "weight": 10, "hold": "0s"}, {"name": "full", "weight": 100, "hold": "0s"}])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rollouts_are_read_by_the_api() {
        for steps in [asking(), straight()] {
            let read: teal_api::Rollout = serde_json::from_value(rollout(&name(7), "v1", 2, &steps)).unwrap();
            let filled = teal_api::defaults::filled(&read.spec).unwrap();
            assert_eq!(filled.steps.iter().map(|step| step.weight).collect::<Vec<_>>(), [10, 100]);
        }
    }

    #[test]
    fn versions_differ_by_their_image_alone() {
        let text = |version| release("a", version, 1).to_string();
        assert_ne!(text("v1"), text("v2"));
        assert_eq!(text("v1").replace(":v1", ":v2"), text("v2"));
    }
}

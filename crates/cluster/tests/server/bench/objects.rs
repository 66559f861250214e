//! The objects of the tests.

use kube::Client;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::{OURS, api, object};

pub(crate) fn virtual_service() -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web"},
        "spec": {
            "hosts": ["web.example"],
            "http": [{"name": "primary", "route": [{"destination": {"host": "web", "port": {"number": 80}}}]}],
        },
    })
}

/// The simple case with one approval at 10 %.
pub(crate) fn rollout(version: &str) -> Value {
    json!({
        "apiVersion": "teal.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {
            "release": {"manifests": [
                {
                    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
                    "spec": {
                        "replicas": 3,
                        "selector": {"matchLabels": {"app": "web"}},
                        "template": {
                            "metadata": {"labels": {"app": "web"}},
                            "spec": {"containers": [{
                                "name": "web", "image": format!("shop/web:{version}"),
                                "ports": [{"containerPort": 8080}],
                            }]},
                        },
                    },
                },
                {
                    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
                },
            ]},
            "traffic": {"services": [{"name": "web"}], "virtualServices": [{"name": "web"}]},
            "steps": [
                {"name": "canary", "weight": 10, "approval": {"count": 1}},
                {"name": "full", "weight": 100},
            ],
            "keep": {"previous": "2s", "failed": "3s"},
        },
    })
}

/// The simple case with more manifests.
pub(crate) fn with(version: &str, more: &[Value]) -> Value {
    let mut rollout = rollout(version);
    if let Some(manifests) = rollout["spec"]["release"]["manifests"].as_array_mut() {
        manifests.extend(more.iter().cloned());
    }
    rollout
}

/// A stand-in for the chart's policy, which must be in force for approvals to be taken.
pub(crate) async fn prepare(client: &Client) {
    let group = "admissionregistration.k8s.io";
    let policies = api(client, None, group, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies");
    let bindings = api(
        client,
        None,
        group,
        "v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
    );
    let labels = json!({"teal.dev/policy": "decisions"});
    let policy = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "teal-test-decisions", "labels": labels},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["teal.dev"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["decisions"],
            }]},
            "validations": [{"expression": "object.spec.decidedBy.user == request.userInfo.username"}],
        },
    });
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "teal-test-decisions", "labels": labels},
        "spec": {
            "policyName": "teal-test-decisions", "validationActions": ["Deny"],
            // Other tests on the same server decide in the name of people who don't exist.
            "matchResources": {"namespaceSelector": {"matchExpressions": [{"key": OURS, "operator": "Exists"}]}},
        },
    });
    // Another test may have made them.
    drop(policies.create(&PostParams::default(), &object(policy)).await);
    drop(bindings.create(&PostParams::default(), &object(binding)).await);
    let bound = bindings.get("teal-test-decisions").await.expect("a binding");
    let made = bound.metadata.creation_timestamp.expect("a time").0;
    // What is decided within so long of it is proved by nobody.
    while jiff::Timestamp::now().duration_since(made) < jiff::SignedDuration::from_secs(3) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

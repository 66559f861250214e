//! What both colors share and holds for pods by their labels.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod common;

use common::context;
use serde_json::{Value, json};
use teal_plan::Color;
use teal_release::{LetGo, holds_for_pods, lets_go, render};

/// What a release is in a color.
fn rendered(app: &str, policy: &Value, color: Color) -> Vec<Value> {
    let template = json!({"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": "c:1"}]}});
    let tick = json!({"metadata": {"labels": {"app": "tick"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c:1"}]}});
    let manifests = [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": {"app": app}}, "template": template}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "cache", "annotations": {"teal.dev/fate": "Shared"}},
            "spec": {"selector": {"matchLabels": {"app": "cache"}}, "template": {"metadata": {"labels": {"app": "cache"}},
                "spec": {"containers": [{"name": "c", "image": "c:1"}]}}}}),
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"},
            "spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": tick}}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"selector": {"app": app}, "ports": [{"port": 80}]}}),
        policy.clone(),
    ];
    let rendered = render(&manifests, &context(&manifests, vec!["web".into()], color)).unwrap();
    rendered.shared.iter().chain(rendered.standing()).map(teal_release::Object::to_value).collect()
}

fn found(before: &Value, after: &Value) -> Vec<LetGo> {
    let (live, next) = (rendered("web", before, Color::Blue), rendered("shop", after, Color::Green));
    lets_go(&live.iter().collect::<Vec<_>>(), &next.iter().collect::<Vec<_>>())
}

fn network(spec: &Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": spec})
}

fn authorization(spec: &Value) -> Value {
    json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "p"}, "spec": spec})
}

fn monitor(spec: &Value) -> Value {
    json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor",
        "metadata": {"name": "p", "annotations": {"teal.dev/fate": "Shared"}}, "spec": spec})
}

#[test]
fn what_no_longer_holds_for_pods_of_live_is_found() {
    let app = |name: &str| json!({"matchLabels": {"app": name}});
    let to = json!([{"kind": "Service", "name": "web"}]);
    for (make, field, before, after, lost) in [
        (network as fn(&Value) -> Value, "podSelector", app("web"), app("shop"), Some("Deployment web-blue")),
        (network, "podSelector", json!({}), app("shop"), Some("Deployment web-blue")),
        (network, "podSelector", Value::Null, app("web"), Some("CronJob tick-blue")),
        (network, "podSelector", app("tick"), app("shop"), Some("CronJob tick-blue")),
        (network, "podSelector", app("cache"), app("shop"), None),
        (network, "podSelector", app("elsewhere"), app("shop"), None),
        (network, "podSelector", app("web"), Value::Null, None),
        (network, "podSelector", app("web"), json!({}), None),
        (authorization, "selector", app("web"), app("shop"), Some("Deployment web-blue")),
        (authorization, "selector", Value::Null, app("shop"), Some("Deployment web-blue")),
        (authorization, "selector", app("web"), Value::Null, None),
        (monitor, "selector", app("web"), app("shop"), Some("Deployment web-blue")),
    ] {
        let of = |selector: &Value| make(&json!({field: selector}));
        let found = found(&of(&before), &of(&after));
        let names: Vec<_> = found.iter().map(|lost| (lost.field, lost.workload.as_str())).collect();
        let field = format!("spec.{field}");
        let expected: Vec<_> = lost.into_iter().map(|workload| (field.as_str(), workload)).collect();
        assert_eq!(names, expected, "{before} {after}");
    }
    let attached = authorization(&json!({"targetRefs": to}));
    let by_label = authorization(&json!({"selector": app("web")}));
    assert_eq!(found(&by_label, &attached).len(), 1, "it holds for no pod by its labels any more");
    assert_eq!(found(&attached, &by_label), []);
}

/// As of a cache that both colors share: live's pods would be shut out from it.
#[test]
fn a_network_policy_that_no_longer_lets_pods_of_live_through_is_found() {
    let app = |name: &str| json!({"podSelector": {"matchLabels": {"app": name}}});
    let cache = |more: Value| {
        let mut spec = json!({"podSelector": {"matchLabels": {"app": "cache"}}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        network(&spec)
    };
    let from = |peers: Value| cache(json!({"ingress": [{"from": peers}]}));
    let to = |peers: Value| cache(json!({"egress": [{"to": peers}], "policyTypes": ["Egress"]}));
    let elsewhere = json!({"namespaceSelector": {"matchLabels": {"team": "shop"}}});
    let (way_in, way_out) = (Some("spec.ingress[].from"), Some("spec.egress[].to"));
    for (before, after, lost) in [
        (from(json!([app("web")])), from(json!([app("shop")])), way_in),
        (from(json!([app("web")])), cache(json!({"ingress": []})), way_in),
        (from(json!([elsewhere, app("web")])), from(json!([{"ipBlock": {"cidr": "10.0.0.0/8"}}])), way_in),
        (from(json!([app("web")])), from(json!([app("web"), app("shop")])), None),
        (from(json!([app("web")])), from(json!([app("shop"), elsewhere])), None),
        (from(json!([app("web")])), cache(json!({"ingress": [{}]})), None),
        (from(json!([app("web")])), to(json!([app("elsewhere")])), None),
        (from(json!([app("elsewhere")])), from(json!([app("shop")])), None),
        (cache(json!({"ingress": [{}]})), from(json!([app("shop")])), None),
        (to(json!([app("web")])), to(json!([app("shop")])), way_out),
        (to(json!([app("web")])), cache(json!({"ingress": [{}]})), None),
    ] {
        let fields: Vec<_> = found(&before, &after).iter().map(|lost| lost.field).collect();
        assert_eq!(fields, Vec::from_iter(lost), "{before} {after}");
    }
}

#[test]
fn another_object_takes_nothing_away() {
    let mut other = network(&json!({"podSelector": {"matchLabels": {"app": "shop"}}}));
    let former = network(&json!({"podSelector": {"matchLabels": {"app": "web"}}}));
    assert_eq!(found(&former, &other).len(), 1);
    other["metadata"]["name"] = json!("q");
    assert_eq!(found(&former, &other), []);
    let mut own = monitor(&json!({"selector": {"matchLabels": {"app": "web"}}}));
    own["metadata"]["annotations"] = json!({});
    let mut next = own.clone();
    next["spec"]["selector"]["matchLabels"]["app"] = json!("shop");
    assert_eq!(found(&own, &next), [], "each color has its own");
}

#[test]
fn what_selects_something_else_than_pods_is_none_of_them() {
    for (group, kind, holds) in [
        ("networking.k8s.io", "NetworkPolicy", true),
        ("security.istio.io", "AuthorizationPolicy", true),
        ("monitoring.coreos.com", "PodMonitor", true),
        ("monitoring.coreos.com", "ServiceMonitor", false),
        ("", "ServiceAccount", false),
        ("", "PersistentVolumeClaim", false),
    ] {
        assert_eq!(holds_for_pods(group, kind), holds, "{kind}");
    }
}

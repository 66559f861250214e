//! What is allowed but warned of.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod common;

use common::{context, fixture};
use serde::Deserialize;
use serde_json::{Value, json};
use teal_plan::Color;
use teal_release::{Finding, FindingKind, render};

fn findings(change: impl FnOnce(&mut Value)) -> Vec<Finding> {
    let mut manifests = Value::from(fixture("shop"));
    change(&mut manifests);
    let manifests = manifests.as_array().unwrap().clone();
    let context = context(&manifests, vec!["front".into()], Color::Blue);
    render(&manifests, &context).unwrap().findings
}

#[track_caller]
fn only(findings: &[Finding], kind: FindingKind, object: &str, remedy: &str) {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!((findings[0].kind, findings[0].object.as_str()), (kind, object));
    assert!(findings[0].message.contains(remedy), "{}", findings[0].message);
}

#[test]
fn a_release_in_order_has_none() {
    assert_eq!(findings(|_| {}), []);
}

#[test]
fn a_worker_in_both_colors_is_named() {
    let found = findings(|m| m[5]["metadata"]["annotations"] = Value::Null);
    only(&found, FindingKind::RunsInBothColors, "Deployment worker", "teal.dev/fate: LiveOnly");
    let found = findings(|m| m[4]["metadata"]["annotations"] = Value::Null);
    only(&found, FindingKind::RunsInBothColors, "Deployment api", "teal.dev/fate: Own");
}

#[test]
fn rule_14_a_call_to_a_traffic_service_is_named() {
    for text in [
        "http://front",
        "http://front/path",
        "http://front.shop-ns.svc.cluster.local",
        "front:80",
        "front.shop-ns",
    ] {
        let variable = json!([{"name": "FRONT", "value": text}]);
        let found = findings(|m| m[4]["spec"]["template"]["spec"]["containers"][0]["env"] = variable);
        only(&found, FindingKind::InnerCallToRole, "Deployment api", "call front-$(TEAL_COLOR)");
        assert!(
            found[0].message.contains("take teal.dev/revision out of its selector"),
            "{}",
            found[0].message
        );
    }
}

#[test]
fn words_that_are_no_hosts_are_left_alone() {
    for text in
        ["front", "frontend:80", "http://front-desk", "a-front:80", "front.example.com", "in front: of"]
    {
        let variable = json!([{"name": "WORD", "value": text}]);
        let found = findings(|m| m[4]["spec"]["template"]["spec"]["containers"][0]["env"] = variable);
        assert_eq!(found, [], "{text}");
    }
}

#[test]
fn rule_14_configuration_that_names_an_inner_service_without_color_is_named() {
    let found = findings(|m| m[1]["data"]["proxy.conf"] = "listen 80\nproxy_pass http://api:8080;\n".into());
    only(&found, FindingKind::NameWithoutColor, "ConfigMap settings", "api-$(TEAL_COLOR)");
}

#[test]
fn a_job_that_would_get_requests_is_named() {
    let labels = json!({"labels": {"app": "front"}});
    let found = findings(|m| {
        let job = m.as_array_mut().unwrap().iter_mut().find(|m| m["kind"] == "Job").unwrap();
        job["spec"]["template"]["metadata"] = labels;
    });
    only(&found, FindingKind::JobReceivesTraffic, "Job migrate", "give them other labels");
}

#[test]
fn a_role_that_permits_a_colored_name_is_named() {
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["settings"], "verbs": ["get"]}]});
    let found = findings(|m| m.as_array_mut().unwrap().push(role));
    only(&found, FindingKind::RoleNamesColored, "Role r", "settings-blue and settings-green");
}

#[test]
fn rule_11_readiness_gates_behind_a_traffic_service_are_named() {
    let gates = json!([{"conditionType": "target-health.elbv2.k8s.aws/web"}]);
    let gated = |index: usize| {
        let gates = gates.clone();
        findings(move |m| m[index]["spec"]["template"]["spec"]["readinessGates"] = gates)
    };
    let front = Value::from(fixture("shop"));
    let place = |name: &str| {
        let mut all = front.as_array().unwrap().iter();
        all.position(|m| m["kind"] == "Deployment" && m["metadata"]["name"] == name).unwrap()
    };
    let found = gated(place("front"));
    only(&found, FindingKind::ReadinessGates, "Deployment front", "let it look at front-candidate, too");
    assert_eq!(gated(place("api")), [], "behind no traffic Service they wait for nobody");
}

/// A warning that is always there is noise.
#[test]
fn the_examples_are_in_order() {
    let files = [
        include_str!("../../../examples/shop/v1.yaml"),
        include_str!("../../../examples/shop/v2.yaml"),
        include_str!("../../../examples/shop/v3.yaml"),
        include_str!("../../../examples/valid/simple.yaml"),
        include_str!("../../../examples/valid/canary-with-checks-and-approval.yaml"),
        include_str!("../../../examples/valid/blue-green-without-a-mesh.yaml"),
    ];
    let mut seen = 0;
    for text in files {
        let documents = serde_yaml::Deserializer::from_str(text).map(|d| Value::deserialize(d).unwrap());
        for rollout in documents.filter(|document| document["kind"] == "Rollout") {
            let manifests = rollout["spec"]["release"]["manifests"].as_array().unwrap();
            let services = rollout["spec"]["traffic"]["services"].as_array().unwrap();
            let services = services.iter().map(|service| service["name"].as_str().unwrap().to_owned());
            let context = context(manifests, services.collect(), Color::Green);
            assert_eq!(render(manifests, &context).unwrap().findings, [], "{text}");
            seen += 1;
        }
    }
    assert!(seen >= 6, "{seen} Rollouts");
}

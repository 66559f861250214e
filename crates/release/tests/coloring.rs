//! Single rules of coloring that whole releases don't show.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod common;

use common::{context, fixture};
use serde_json::{Value, json};
use teal_plan::Color;
use teal_release::{Object, Rendered, hash, render};

fn web(change: impl FnOnce(&mut Vec<Value>)) -> Rendered {
    let mut manifests = fixture("web");
    change(&mut manifests);
    render(&manifests, &context(&manifests, vec!["web".into()], Color::Green)).unwrap()
}

fn pod(manifests: &mut [Value]) -> &mut Value {
    &mut manifests[0]["spec"]["template"]["spec"]
}

fn deployment(rendered: &Rendered) -> &Object {
    rendered.own.iter().find(|object| object.key().kind == "Deployment").unwrap()
}

#[test]
fn a_reference_to_a_traffic_service_is_to_its_role_and_stays() {
    let rendered = web(|m| pod(m)["subdomain"] = "web".into());
    assert_eq!(deployment(&rendered).text("/spec/template/spec/subdomain"), "web");
    assert!(
        rendered.own.iter().all(|object| object.key().kind != "Service"),
        "a traffic Service has no color"
    );
}

#[test]
fn affinity_to_pods_of_other_namespaces_stays() {
    let term = |extra: Value| {
        let mut term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}});
        term.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
    };
    let color = "/spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/labelSelector/matchLabels/teal.dev~1color";
    for (extra, colored) in [
        (json!({}), true),
        (json!({"namespaces": ["other"]}), false),
        (json!({"namespaceSelector": {}}), false),
    ] {
        let rendered = web(|m| pod(m)["affinity"] = term(extra.clone()));
        assert_eq!(deployment(&rendered).get(color).is_some(), colored, "{extra}");
    }
}

#[test]
fn rule_16_a_grace_below_the_proxys_drain_is_raised_in_the_color_and_not_in_the_release() {
    let short = |m: &mut Vec<Value>| pod(m)["terminationGracePeriodSeconds"] = json!(1);
    let grace = "/spec/template/spec/terminationGracePeriodSeconds";
    let mut manifests = fixture("web");
    short(&mut manifests);
    let given = manifests.clone();
    let context = context(&manifests, vec!["web".into()], Color::Green);
    let rendered = render(&manifests, &context).unwrap();
    assert_eq!(deployment(&rendered).get(grace), Some(&json!(5)));
    assert_eq!(manifests, given);
    assert_eq!(deployment(&rendered).annotation("teal.dev/hash"), Some(&*context.hash.to_string()));
    assert_eq!(context.hash, hash(&json!({"manifests": given})), "what is hashed is what was written");
    assert!(deployment(&web(|_| {})).get(grace).is_none(), "what nobody wrote stays unwritten");
}

#[test]
fn rule_17_selectors_by_expressions_get_the_color_only_if_they_match() {
    let budget = |expression: Value| {
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"},
            "spec": {"selector": {"matchExpressions": [expression]}}})
    };
    for (expression, colored) in [
        (json!({"key": "app", "operator": "In", "values": ["x", "web"]}), true),
        (json!({"key": "app", "operator": "In", "values": ["x"]}), false),
        (json!({"key": "app", "operator": "NotIn", "values": ["x"]}), true),
        (json!({"key": "app", "operator": "NotIn", "values": ["web"]}), false),
        (json!({"key": "tier", "operator": "NotIn", "values": ["web"]}), true),
        (json!({"key": "app", "operator": "Exists"}), true),
        (json!({"key": "tier", "operator": "Exists"}), false),
        (json!({"key": "tier", "operator": "DoesNotExist"}), true),
        (json!({"key": "app", "operator": "DoesNotExist"}), false),
    ] {
        let rendered = web(|m| m.push(budget(expression.clone())));
        let labels = rendered.in_place[0].get("/spec/selector/matchLabels");
        assert_eq!(labels.is_some(), colored, "{expression}");
        assert!(rendered.in_place[0].get("/spec/selector/matchExpressions").is_some(), "the original stays");
    }
}

#[test]
fn an_inner_service_without_own_pods_is_shared_unless_its_owner_says_own() {
    let outer = |annotations: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "outer", "annotations": annotations},
            "spec": {"type": "ExternalName", "externalName": "x.example.com"}})
    };
    let rendered = web(|m| m.push(outer(Value::Null)));
    assert_eq!(rendered.shared[0].key().name, "outer");
    let rendered = web(|m| m.push(outer(json!({"teal.dev/fate": "Own"}))));
    assert!(
        rendered.shared.is_empty() && rendered.own.iter().any(|object| object.key().name == "outer-green")
    );
}

#[test]
fn what_a_server_added_to_an_exported_object_is_left_behind() {
    let rendered = web(|m| {
        m[0]["status"] = json!({"replicas": 3});
        let exported = json!({"uid": "u", "resourceVersion": "1", "generation": 4, "managedFields": [], "creationTimestamp": null,
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "stays",
                "deployment.kubernetes.io/revision": "7"}});
        m[0]["metadata"].as_object_mut().unwrap().extend(exported.as_object().unwrap().clone());
    });
    let object = deployment(&rendered);
    assert_eq!(object.get("/status"), None);
    let metadata: Vec<&String> = object.get("/metadata").and_then(Value::as_object).unwrap().keys().collect();
    assert_eq!(metadata, ["annotations", "labels", "name", "namespace"]);
    let annotations: Vec<&String> =
        object.get("/metadata/annotations").and_then(Value::as_object).unwrap().keys().collect();
    assert_eq!(annotations, ["mine", "teal.dev/hash"]);
}

#[test]
fn the_instance_is_a_label_where_there_is_one() {
    let manifests = fixture("web");
    let mut context = context(&manifests, vec!["web".into()], Color::Green);
    let instance = |rendered: &Rendered| {
        let labels = [
            deployment(rendered).label("teal.dev/instance"),
            rendered.role_services[0].template.label("teal.dev/instance"),
        ];
        labels.map(|label| label.map(str::to_owned))
    };
    assert_eq!(instance(&render(&manifests, &context).unwrap()), [None, None]);
    context.instance = "second".into();
    assert_eq!(
        instance(&render(&manifests, &context).unwrap()),
        [Some("second".into()), Some("second".into())]
    );
}

#[test]
fn pods_do_not_carry_the_uid() {
    let rendered = web(|_| {});
    let labels =
        deployment(&rendered).get("/spec/template/metadata/labels").and_then(Value::as_object).unwrap();
    assert!(
        !labels.contains_key("teal.dev/rollout-uid"),
        "a restored Rollout has another uid and must not restart pods"
    );
}

#[test]
fn an_autoscaler_of_something_shared_has_no_color() {
    let rendered = web(|m| {
        let mut shared = m[0].clone();
        shared["metadata"] = json!({"name": "cache", "annotations": {"teal.dev/fate": "Shared"}});
        shared["spec"]["selector"]["matchLabels"] = json!({"app": "cache"});
        shared["spec"]["template"]["metadata"]["labels"] = json!({"app": "cache"});
        m.push(shared);
        m.push(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "cache"},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cache"}}}));
    });
    let scaler = &rendered.in_place[0];
    assert_eq!((scaler.key().name.as_str(), scaler.text("/spec/scaleTargetRef/name")), ("cache", "cache"));
    assert!(
        rendered.standing().all(|object| object.key() != scaler.key()),
        "it does not leave with the color"
    );
    let cache = rendered.shared.iter().find(|object| object.key().name == "cache").unwrap();
    assert_eq!(cache.get("/spec/template/metadata/labels"), Some(&json!({"app": "cache"})));
}

//! What holds for every release.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::context;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use teal_plan::Color;
use teal_release::{Object, Rendered, hash, render};

fn object(api_version: &str, kind: &str, name: &str, body: &Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    object
}

fn deployment(name: &str, replicas: u32, image: &str, maps: &[String]) -> Value {
    let sources: Vec<Value> = maps.iter().map(|map| json!({"configMapRef": {"name": map}})).collect();
    let projected: Vec<Value> = maps.iter().map(|map| json!({"configMap": {"name": map}})).collect();
    object(
        "apps/v1",
        "Deployment",
        name,
        &json!({"spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name, "part": "shop"}},
                "spec": {
                    "containers": [{"name": "main", "image": image, "envFrom": sources}],
                    "volumes": [{"name": "v", "projected": {"sources": projected}}],
                },
            },
        }}),
    )
}

fn service(name: &str) -> Value {
    object("v1", "Service", name, &json!({"spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}))
}

fn scaler(name: &str, least: u32) -> Value {
    object(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        name,
        &json!({"spec": {
            "minReplicas": least, "maxReplicas": 50,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        }}),
    )
}

fn cron_job(name: &str, maps: &[String]) -> Value {
    let volumes: Vec<Value> =
        maps.iter().map(|map| json!({"name": map, "configMap": {"name": map}})).collect();
    let template = json!({"spec": {"containers": [{"name": "main", "image": "i"}], "volumes": volumes}});
    object(
        "batch/v1",
        "CronJob",
        name,
        &json!({"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}}),
    )
}

/// Releases of up to four servers with Services, some sized by autoscalers, with configuration and clocks.
fn releases() -> impl Strategy<Value = Vec<Value>> {
    let names = prop::collection::btree_set("[a-z][a-z0-9-]{0,44}[a-z0-9]", 2..6);
    (names, any::<[bool; 8]>(), 1_u32..9).prop_map(|(names, chosen, replicas)| {
        let names: Vec<String> = names.into_iter().collect();
        let (maps, servers) = names.split_at(names.len() / 2);
        let mut manifests: Vec<Value> =
            maps.iter().map(|map| object("v1", "ConfigMap", map, &json!({"data": {"a": "b"}}))).collect();
        for (i, name) in servers.iter().enumerate() {
            manifests.push(deployment(name, replicas, "shop:1", maps));
            manifests.push(service(name));
            if chosen[i % 8] {
                manifests.push(scaler(name, replicas));
            }
            if chosen[(i + 3) % 8] {
                manifests.push(cron_job(name, maps));
            }
        }
        manifests
    })
}

/// The first server's Service.
fn entry(manifests: &[Value]) -> Vec<String> {
    let service = manifests.iter().find(|manifest| manifest["kind"] == "Service").unwrap();
    vec![service["metadata"]["name"].as_str().unwrap().to_owned()]
}

fn rendered(manifests: &[Value], color: Color) -> Rendered {
    render(manifests, &context(manifests, entry(manifests), color)).unwrap()
}

/// Every text under a field that refers to something by name, found without knowledge of kinds.
fn referred(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (field, kind) in
                [("configMapRef", "ConfigMap"), ("configMapKeyRef", "ConfigMap"), ("configMap", "ConfigMap")]
            {
                if let Some(name) = map.get(field).and_then(|reference| reference["name"].as_str()) {
                    found.insert((kind.to_owned(), name.to_owned()));
                }
            }
            if let Some(target) = map.get("scaleTargetRef") {
                let text = |field: &str| target[field].as_str().unwrap_or("Deployment").to_owned();
                found.insert((text("kind"), text("name")));
            }
            map.values().for_each(|value| referred(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| referred(item, found)),
        _ => {}
    }
}

fn shuffled(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.iter().rev().map(|(k, v)| (k.clone(), shuffled(v))).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(shuffled).collect(),
        other => other.clone(),
    }
}

fn release(manifests: &[Value]) -> Value {
    json!({"manifests": manifests})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_two_colors_differ_only_in_color(manifests in releases()) {
        let blue = serde_json::to_value(rendered(&manifests, Color::Blue)).unwrap();
        let green = serde_json::to_value(rendered(&manifests, Color::Green)).unwrap();
        prop_assert_ne!(&blue, &green);
        let plain = |value: &Value, color: &str| {
            value.to_string().replace(&format!("-{color}\""), "-C\"").replace(&format!("\"{color}\""), "\"C\"")
        };
        prop_assert_eq!(plain(&blue, "blue"), plain(&green, "green"));
    }

    #[test]
    fn no_name_is_longer_than_its_kind_allows(manifests in releases()) {
        for object in rendered(&manifests, Color::Green).of_color() {
            let key = object.key();
            let most = match key.kind.as_str() { "Service" => 63, "CronJob" => 52, "Deployment" => 236, _ => 253 };
            prop_assert!(key.name.len() <= most, "{key}");
        }
    }

    #[test]
    fn every_reference_leads_to_an_object_of_the_same_color(manifests in releases()) {
        let rendered = rendered(&manifests, Color::Green);
        let there: BTreeSet<(String, String)> = rendered.of_color().map(|object| { let key = object.key(); (key.kind, key.name) }).collect();
        let mut found = BTreeSet::new();
        rendered.of_color().for_each(|object| referred(&object.to_value(), &mut found));
        prop_assert!(!found.is_empty());
        for reference in found {
            prop_assert!(there.contains(&reference), "{reference:?} is not among {there:?}");
        }
    }

    #[test]
    fn selectors_find_the_pods_of_their_color_and_no_others(manifests in releases()) {
        let pods = |rendered: &Rendered| -> Vec<(String, BTreeMap<String, Value>)> {
            let deployments = rendered.own.iter().filter(|object| object.key().kind == "Deployment");
            deployments.map(|d| (d.key().name, labels(d, "/spec/template/metadata/labels"))).collect()
        };
        let (blue, green) = (rendered(&manifests, Color::Blue), rendered(&manifests, Color::Green));
        for object in &green.own {
            let pointer = match object.key().kind.as_str() { "Deployment" => "/spec/selector/matchLabels", "Service" => "/spec/selector", _ => continue };
            let wanted = labels(object, pointer);
            let matches = |pod: &BTreeMap<String, Value>| wanted.iter().all(|(name, value)| pod.get(name) == Some(value));
            let matched: Vec<String> = pods(&green).into_iter().filter(|(_, pod)| matches(pod)).map(|(name, _)| name).collect();
            prop_assert_eq!(matched, vec![object.key().name]);
            prop_assert!(!pods(&blue).iter().any(|(_, pod)| matches(pod)));
            prop_assert!(!wanted.contains_key("teal.dev/revision"));
        }
    }

    #[test]
    fn the_hash_is_blind_to_order_nulls_and_in_place_parts(manifests in releases(), extra in 1_u32..9) {
        let before = hash(&release(&manifests));
        let mut changed: Vec<Value> = manifests.iter().rev().map(shuffled).collect();
        changed.retain(|manifest| manifest["kind"] != "HorizontalPodAutoscaler");
        for manifest in &mut changed {
            if manifest["kind"] == "Deployment" {
                manifest["spec"]["replicas"] = extra.into();
                manifest["spec"]["paused"] = Value::Null;
            }
        }
        changed.push(object("policy/v1", "PodDisruptionBudget", "b", &json!({"spec": {"minAvailable": 1}})));
        prop_assert_eq!(hash(&release(&changed)), before);
    }

    #[test]
    fn the_hash_sees_every_other_change(manifests in releases()) {
        let before = hash(&release(&manifests));
        for (i, manifest) in manifests.iter().enumerate() {
            let mut changed = manifests.clone();
            match manifest["kind"].as_str().unwrap() {
                "Deployment" => changed[i]["spec"]["template"]["spec"]["containers"][0]["image"] = "shop:2".into(),
                "ConfigMap" => changed[i]["data"]["a"] = "c".into(),
                "Service" => changed[i]["spec"]["ports"][0]["port"] = 81.into(),
                "CronJob" => changed[i]["spec"]["schedule"] = "1 * * * *".into(),
                _ => continue,
            }
            prop_assert_ne!(hash(&release(&changed)), before);
        }
    }
}

fn labels(object: &Object, pointer: &str) -> BTreeMap<String, Value> {
    object.get(pointer).and_then(Value::as_object).unwrap().clone().into_iter().collect()
}

//! Replicas, what rests, what reaches live in place, and holding autoscalers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod common;

use common::{candidate, context, fixture, services};
use serde_json::{Value, json};
use teal_plan::Color;
use teal_release::{
    Object, ObjectKey, Rendered, fingerprint, hold_min_replicas, render, restore_min_replicas,
    with_in_place_of,
};

fn named<'a>(objects: &'a [Object], kind: &str, name: &str) -> &'a Object {
    objects.iter().find(|object| object.key().kind == kind && object.key().name == name).unwrap()
}

fn shop(live: bool, replicas: &[(&str, u32)]) -> Rendered {
    let manifests = fixture("shop");
    let mut context = context(&manifests, services("shop"), Color::Green);
    context.live = live;
    context.replicas = replicas.iter().map(|(name, count)| (ObjectKey::deployment(name), *count)).collect();
    render(&manifests, &context).unwrap()
}

#[test]
fn a_candidate_gets_the_size_it_is_told() {
    let rendered = shop(false, &[("api", 7), ("front", 9), ("worker", 5)]);
    assert_eq!(named(&rendered.own, "Deployment", "api-green").get("/spec/replicas"), Some(&json!(7)));
    let start = |name: &str| rendered.workloads.iter().find(|w| w.key.name == name).unwrap().start_replicas;
    assert_eq!((start("api"), start("front"), start("worker")), (7, 9, 0));
}

#[test]
fn replicas_are_never_written_where_an_autoscaler_sizes() {
    for live in [true, false] {
        let rendered = shop(live, &[("front", 9)]);
        assert_eq!(named(&rendered.own, "Deployment", "front-green").get("/spec/replicas"), None);
    }
}

#[test]
fn what_is_live_only_rests_until_its_color_is_live() {
    let (resting, awake) = (shop(false, &[]), shop(true, &[]));
    let worker =
        |r: &Rendered| named(&r.live_only, "Deployment", "worker-green").get("/spec/replicas").cloned();
    assert_eq!(worker(&resting), Some(json!(0)));
    assert_eq!(worker(&awake), None, "its ScaledObject sizes it");
    let suspend = |r: &Rendered| named(&r.live_only, "CronJob", "report-green").get("/spec/suspend").cloned();
    assert_eq!((suspend(&resting), suspend(&awake)), (Some(json!(true)), Some(json!(false))));
    let paused = |r: &Rendered| {
        named(&r.in_place, "ScaledObject", "worker-green")
            .annotation("autoscaling.keda.sh/paused-replicas")
            .is_some()
    };
    assert!(paused(&resting) && !paused(&awake));
    for (kind, name) in [("Deployment", "worker-green"), ("CronJob", "report-green")] {
        let digest = |r: &Rendered| fingerprint(named(&r.live_only, kind, name));
        assert_ne!(digest(&resting), digest(&awake), "a change of role must be seen in {name}");
    }
}

#[test]
fn a_cron_job_suspended_by_its_owner_stays_so() {
    let mut manifests = fixture("shop");
    manifests.iter_mut().find(|m| m["kind"] == "CronJob").unwrap()["spec"]["suspend"] = true.into();
    let mut context = context(&manifests, services("shop"), Color::Blue);
    context.live = true;
    let rendered = render(&manifests, &context).unwrap();
    assert_eq!(named(&rendered.live_only, "CronJob", "report-blue").get("/spec/suspend"), Some(&json!(true)));
}

#[test]
fn the_content_digest_is_blind_to_sizes_alone() {
    let digest = |r: &Rendered| fingerprint(named(&r.own, "Deployment", "api-green"));
    assert_eq!(digest(&shop(false, &[("api", 2)])), digest(&shop(true, &[("api", 8)])));
    assert_ne!(
        digest(&shop(false, &[])),
        fingerprint(named(&candidate("shop", Color::Blue).own, "Deployment", "api-blue"))
    );
}

fn changed(change: impl FnOnce(&mut Vec<Value>)) -> Vec<Value> {
    let mut manifests = fixture("shop");
    change(&mut manifests);
    manifests
}

fn position(manifests: &[Value], kind: &str, name: &str) -> usize {
    manifests.iter().position(|m| m["kind"] == kind && m["metadata"]["name"] == name).unwrap()
}

#[test]
fn live_takes_sizes_from_the_spec_and_the_rest_from_its_own_revision() {
    let kept = fixture("shop");
    let spec = changed(|m| {
        let (front, api, scaler) = (
            position(m, "Deployment", "front"),
            position(m, "Deployment", "api"),
            position(m, "HorizontalPodAutoscaler", "front"),
        );
        m[front]["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/front:3".into();
        m[front]["spec"].as_object_mut().unwrap().remove("replicas");
        m[api]["spec"]["replicas"] = 5.into();
        m[scaler]["spec"]["minReplicas"] = 6.into();
        let mut of_new = m[scaler].clone();
        of_new["metadata"]["name"] = "new".into();
        of_new["spec"]["scaleTargetRef"]["name"] = "new".into();
        m.push(of_new);
    });
    let merged = with_in_place_of(&kept, &spec);
    let at = |kind: &str, name: &str| &merged[position(&merged, kind, name)];
    assert_eq!(
        at("Deployment", "front")["spec"]["template"]["spec"]["containers"][0]["image"],
        "shop/front:2"
    );
    assert_eq!(at("Deployment", "front")["spec"]["replicas"], Value::Null);
    assert_eq!(at("Deployment", "api")["spec"]["replicas"], 5);
    assert_eq!(at("HorizontalPodAutoscaler", "front")["spec"]["minReplicas"], 6);
    assert!(merged.iter().all(|m| m["metadata"]["name"] != "new"), "its target is not in the kept release");
}

/// Live serves until its successor is promoted, whatever that calls its workloads.
#[test]
fn live_keeps_what_sizes_and_guards_a_workload_that_the_spec_renames() {
    let labels = |app: &str| json!({"app": app});
    let release = |workload: &str, app: &str, budget: u32| -> Vec<Value> {
        vec![
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": workload}, "spec": {
                "selector": {"matchLabels": labels(app)},
                "template": {"metadata": {"labels": labels(app)}, "spec": {"containers": [{"name": "c"}]}}}}),
            json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": workload}, "spec": {
                "maxReplicas": 9, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload}}}),
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard"},
                "spec": {"minAvailable": budget, "selector": {"matchLabels": labels(app)}}}),
        ]
    };
    let parts = |spec: &[Value]| {
        let merged = with_in_place_of(&release("web", "web", 1), spec);
        let of = |kind: &str| -> Vec<Value> {
            merged
                .iter()
                .filter(|object| object["kind"] == kind)
                .map(|object| object["spec"].clone())
                .collect()
        };
        let guards: Vec<Value> = of("PodDisruptionBudget")
            .iter()
            .map(|spec| json!([spec["minAvailable"], spec["selector"]]))
            .collect();
        let scaled: Vec<Value> =
            of("HorizontalPodAutoscaler").iter().map(|spec| spec["scaleTargetRef"]["name"].clone()).collect();
        (scaled, guards)
    };
    let guard = |least: u32, app: &str| json!([least, {"matchLabels": labels(app)}]);
    assert_eq!(
        parts(&release("web", "web", 2)),
        (vec![json!("web")], vec![guard(2, "web")]),
        "changed in place"
    );
    assert_eq!(
        parts(&release("shop", "shop", 2)),
        (vec![json!("web")], vec![guard(1, "web")]),
        "renamed, and its labels with it"
    );
    assert_eq!(
        parts(&release("web", "shop", 2)),
        (vec![json!("web")], vec![guard(1, "web")]),
        "other labels"
    );
    assert_eq!(parts(&release("web", "web", 2)[..1]), (vec![], vec![]), "taken out");
    let mut renamed = release("shop", "shop", 2);
    renamed[2]["metadata"]["name"] = json!("other");
    assert_eq!(parts(&renamed).1, [guard(1, "web")], "one for the candidate's pods alone is none of live's");
    let mut wider = release("web", "web", 1);
    wider[2]["spec"]["selector"] = json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]});
    wider.push({
        let mut worker = release("worker", "worker", 1).remove(0);
        worker["metadata"]["name"] = json!("worker");
        worker
    });
    let mut fewer = release("web", "web", 2);
    fewer[2]["metadata"]["name"] = json!("other");
    let merged = with_in_place_of(&wider, &fewer);
    let budgets: Vec<&Value> =
        merged.iter().filter(|object| object["kind"] == "PodDisruptionBudget").collect();
    assert_eq!(budgets.len(), 1, "pods with two could not be evicted: {budgets:?}");
}

fn scaler(kind: &str, spec: &Value) -> Object {
    let version = if kind == "ScaledObject" { "keda.sh/v1alpha1" } else { "autoscaling/v2" };
    Object::from_value(&json!({"apiVersion": version, "kind": kind, "metadata": {"name": "s"}, "spec": spec}))
        .unwrap()
}

#[test]
fn a_held_minimum_is_restored_as_its_owner_wrote_it() {
    for (kind, spec, least, held) in [
        (
            "HorizontalPodAutoscaler",
            json!({"minReplicas": 2, "maxReplicas": 10}),
            6,
            json!({"minReplicas": 6, "maxReplicas": 10}),
        ),
        (
            "HorizontalPodAutoscaler",
            json!({"maxReplicas": 4}),
            6,
            json!({"minReplicas": 6, "maxReplicas": 6}),
        ),
        ("ScaledObject", json!({}), 3, json!({"minReplicaCount": 3})),
        (
            "ScaledObject",
            json!({"maxReplicaCount": 2}),
            3,
            json!({"minReplicaCount": 3, "maxReplicaCount": 3}),
        ),
    ] {
        let before = scaler(kind, &spec);
        let after = hold_min_replicas(&before, least);
        assert_eq!(after.get("/spec"), Some(&held));
        assert_eq!(restore_min_replicas(&after).get("/spec"), Some(&spec), "{kind}");
        assert_eq!(hold_min_replicas(&after, least), after, "holding twice keeps what the owner wrote");
        let lower = hold_min_replicas(&after, least - 1);
        assert_eq!(restore_min_replicas(&lower).get("/spec"), Some(&spec));
    }
}

/// KEDA goes to that number from any minimum.
#[test]
fn rule_6_what_an_idle_workload_is_left_with_is_held_too() {
    let before = scaler("ScaledObject", &json!({"minReplicaCount": 3, "idleReplicaCount": 0}));
    for least in [3, 5] {
        let held = hold_min_replicas(&before, least);
        assert_eq!(held.get("/spec/idleReplicaCount"), None, "{least}");
        assert_eq!(held.get("/spec/minReplicaCount"), Some(&json!(least)));
        assert_eq!(hold_min_replicas(&held, least), held, "held again");
        assert_eq!(restore_min_replicas(&held).get("/spec"), before.get("/spec"));
    }
}

#[test]
fn a_minimum_that_is_high_enough_is_left() {
    let before = scaler("HorizontalPodAutoscaler", &json!({"minReplicas": 8, "maxReplicas": 10}));
    assert_eq!(hold_min_replicas(&before, 8), before);
}

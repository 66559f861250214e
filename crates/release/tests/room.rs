//! What a color needs, and whether there is room for it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod common;

use common::{candidate, context, fixture};
use serde_json::{Value, json};
use teal_plan::Color;
use teal_release::{NodeRoom, PodNeed, ResourceQuotaView, Resources, Shortage, render, requirements};

/// Whether quotas or nodes lack something, and the sentence.
fn found(
    need: &Resources,
    quotas: &[ResourceQuotaView],
    nodes: &[NodeRoom],
) -> Option<(&'static str, String)> {
    teal_release::shortage(need, quotas, nodes).map(|shortage| match shortage {
        Shortage::Quota(says) => ("quota", says),
        Shortage::Nodes(says) => ("nodes", says),
    })
}

fn shortage(need: &Resources, quotas: &[ResourceQuotaView], nodes: &[NodeRoom]) -> Option<String> {
    let found = found(need, quotas, nodes);
    let quotas_alone = found.as_ref().is_some_and(|(what, _)| *what == "quota");
    assert!(found.is_none() || quotas_alone != quotas.is_empty(), "{found:?}");
    found.map(|(_, says)| says)
}

fn web() -> Resources {
    requirements(&candidate("web", Color::Green))
}

fn quota(hard: &Value, used: &Value) -> ResourceQuotaView {
    let quota = json!({"metadata": {"name": "team"}, "status": {"hard": hard, "used": used}});
    ResourceQuotaView::read(&quota).unwrap()
}

fn node(cpu: &str, memory: &str, pods: u32) -> NodeRoom {
    NodeRoom::read(
        &json!({"status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": pods.to_string()}}}),
        [],
    )
    .unwrap()
}

#[test]
fn a_color_needs_the_sum_of_its_pods() {
    let need = web();
    assert_eq!((need.pods, need.requests["cpu"].millis()), (3, 750));
    assert_eq!(need.requests["memory"].units(), 3 * 128 * 1024 * 1024);
    assert_eq!(need.limits["memory"].units(), 3 * 256 * 1024 * 1024);
    assert_eq!(need.objects["count/deployments.apps"], 1);
}

#[test]
fn what_rests_or_is_shared_needs_no_pods_but_jobs_before_do() {
    let owners: Vec<String> = requirements(&candidate("shop", Color::Blue))
        .groups
        .into_iter()
        .map(|group| format!("{} {}", group.count, group.owner))
        .collect();
    assert_eq!(owners, ["4 Deployment front", "1 Deployment api", "1 Job migrate"]);
    let stateful = requirements(&candidate("stateful", Color::Blue));
    assert_eq!((stateful.pods, stateful.groups.len()), (2, 1));
}

fn need(spec: &Value) -> (i128, i128) {
    let need = PodNeed::of_template(Some(&json!({"spec": spec})));
    let millis = |amounts: &teal_release::Amounts| amounts.get("cpu").map_or(0, |amount| amount.millis());
    (millis(&need.requests), millis(&need.limits))
}

fn cpu(request: &str) -> Value {
    json!({"resources": {"requests": {"cpu": request}}})
}

fn sidecar(request: &str) -> Value {
    json!({"resources": {"requests": {"cpu": request}}, "restartPolicy": "Always"})
}

#[test]
fn init_containers_count_one_at_a_time_and_sidecars_from_their_place_on() {
    for (spec, millis) in [
        (json!({"containers": [cpu("100m"), cpu("200m")]}), 300),
        (json!({"initContainers": [cpu("1"), cpu("500m")], "containers": [cpu("100m")]}), 1000),
        (json!({"initContainers": [sidecar("50m"), cpu("1")], "containers": [cpu("100m")]}), 1050),
        (json!({"initContainers": [cpu("1"), sidecar("50m")], "containers": [cpu("100m")]}), 1000),
        (json!({"initContainers": [sidecar("50m")], "containers": [cpu("100m")]}), 150),
        (json!({"containers": [cpu("100m")], "overhead": {"cpu": "25m"}}), 125),
        (json!({"containers": [cpu("100m")], "resources": {"requests": {"cpu": "2"}}}), 2000),
        (json!({"containers": [{"resources": {"requests": {"cpu": 2}}}]}), 2000),
    ] {
        assert_eq!(need(&spec).0, millis, "{spec}");
    }
}

/// Whoever may write a Rollout writes these; while they are read nobody else's goes on.
#[test]
fn many_containers_beside_many_resources_are_added_up_at_once() {
    let many: serde_json::Map<String, Value> =
        (0..20_000).map(|at| (format!("example.com/r{at}"), json!("1"))).collect();
    let mut init = vec![json!({"restartPolicy": "Always", "resources": {"requests": many}})];
    init.extend(vec![json!({}); 200_000]);
    let spec = json!({"spec": {"initContainers": init}});
    assert_eq!(PodNeed::of_template(Some(&spec)).requests.len(), 20_000);
}

/// As many as a field can hold, on as many nodes as a cluster may have.
#[test]
fn any_number_of_pods_is_placed_at_once() {
    let mut need = web();
    need.groups[0].count = u32::MAX;
    need.groups[0].need = PodNeed::default();
    let nodes = vec![node("4", "8Gi", 250); 5_000];
    let said = shortage(&need, &[], &nodes).unwrap();
    assert!(said.contains("room for 1250000 of the 4294967295 pods"), "{said}");
}

#[test]
fn a_request_left_out_is_the_limit() {
    assert_eq!(need(&json!({"containers": [{"resources": {"limits": {"cpu": "300m"}}}]})), (300, 300));
    assert_eq!(
        need(&json!({"containers": [cpu("100m")], "overhead": {"cpu": "25m"}})).1,
        0,
        "no limit is set"
    );
}

#[test]
fn a_short_quota_is_said_in_one_sentence() {
    let short =
        quota(&json!({"requests.cpu": "2", "pods": "100"}), &json!({"requests.cpu": "1500m", "pods": "5"}));
    assert_eq!(
        shortage(&web(), &[short], &[]).unwrap(),
        "ResourceQuota team allows requests.cpu 2, 1500m are in use and the candidate needs 750m: raise the quota or free \
         250m of it"
    );
}

#[test]
fn quotas_count_pods_limits_and_objects() {
    for (name, hard, used, short) in [
        ("pods", "5", "2", false),
        ("pods", "5", "3", true),
        ("cpu", "750m", "0", false),
        ("cpu", "749m", "0", true),
        ("limits.memory", "767Mi", "0", true),
        ("limits.memory", "768Mi", "0", false),
        ("count/deployments.apps", "1", "1", true),
        ("count/deployments.apps", "2", "1", false),
        ("count/secrets", "0", "3", false),
        ("requests.nvidia.com/gpu", "0", "0", false),
    ] {
        let found = shortage(&web(), &[quota(&json!({name: hard}), &json!({name: used}))], &[]);
        assert_eq!(found.is_some(), short, "{name} {hard} {used}: {found:?}");
    }
}

#[test]
fn a_quota_with_scopes_is_left_to_the_server() {
    assert_eq!(
        ResourceQuotaView::read(&json!({"metadata": {"name": "q"}, "spec": {"scopes": ["BestEffort"]}})),
        None
    );
}

#[test]
fn nodes_without_room_are_said_in_one_sentence() {
    assert_eq!(shortage(&web(), &[], &[node("500m", "1Gi", 10), node("300m", "1Gi", 10)]), None);
    assert_eq!(
        shortage(&web(), &[], &[node("500m", "1Gi", 10), node("200m", "1Gi", 10)]).unwrap(),
        "The nodes have room for 2 of the 3 pods of Deployment web (resources.requests.cpu 250m, \
         resources.requests.memory 128Mi each): add nodes or free room"
    );
    assert!(
        shortage(&web(), &[], &[node("8", "8Gi", 2)]).unwrap().contains("2 of the 3"),
        "places for pods are few"
    );
    assert_eq!(shortage(&web(), &[], &[]), None, "nodes that can't be read are not judged");
}

#[test]
fn nodes_are_read_with_their_pods_and_taints() {
    let node = |more: Value| {
        let mut node = json!({"metadata": {"labels": {"disk": "fast"}}, "status": {"allocatable": {"cpu": "1", "memory": "4Gi", "pods": "10"}}});
        node["spec"] = more;
        node
    };
    let pod = |phase: &str| json!({"spec": {"containers": [cpu("300m")]}, "status": {"phase": phase}});
    let room = NodeRoom::read(&node(json!({})), &[pod("Running"), pod("Succeeded")]).unwrap();
    assert_eq!((room.free["cpu"].millis(), room.pods), (700, 9));
    assert_eq!(NodeRoom::read(&node(json!({"unschedulable": true})), []), None);
    assert_eq!(
        NodeRoom::read(&json!({"metadata": {"name": "new"}}), []),
        None,
        "its kubelet has said nothing yet"
    );
    let tainted =
        NodeRoom::read(&node(json!({"taints": [{"key": "x", "effect": "NoSchedule"}]})), []).unwrap();
    assert!(shortage(&web(), &[], std::slice::from_ref(&tainted)).unwrap().contains("room for 0 of the 3"));
    let mut manifests = fixture("web");
    manifests[0]["spec"]["template"]["spec"]["tolerations"] = json!([{"key": "x", "operator": "Exists"}]);
    let rendered = render(&manifests, &context(&manifests, vec!["web".into()], Color::Green)).unwrap();
    assert_eq!(shortage(&requirements(&rendered), &[], &[tainted]), None);

    let mut manifests = fixture("web");
    manifests[0]["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "slow"});
    let rendered = render(&manifests, &context(&manifests, vec!["web".into()], Color::Green)).unwrap();
    let message = shortage(&requirements(&rendered), &[], &[room]).unwrap();
    assert!(
        message.contains("room for 0 of the 3") && message.contains("nodeSelector disk=slow"),
        "{message}"
    );
}

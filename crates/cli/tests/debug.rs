//! How to get at the pods of one release.
#![allow(clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

use serde_json::{Value, json};
use support::run::run;
use support::server::Server;
use support::{CANDIDATE, LIVE, complete, object, waiting};
use teal_cli::exit::Exit;

/// A pod of the candidate whose containers are these.
fn pod(name: &str, ready: bool, containers: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web", "teal.dev/rollout": "web",
            "teal.dev/revision": CANDIDATE, "service.istio.io/canonical-revision": CANDIDATE}},
        "spec": {"containers": containers},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
    })
}

fn shop() -> Value {
    json!([
        {"name": "shop", "image": "shop:2",
            "ports": [{"name": "http", "containerPort": 80}, {"name": "udp", "containerPort": 53, "protocol": "UDP"}],
            "env": [{"name": "JAVA_TOOL_OPTIONS", "value": "-Xmx1g -Dcom.sun.management.jmxremote.port=9010"}]},
        {"name": "istio-proxy", "image": "proxy", "ports": [{"containerPort": 15_090}]},
    ])
}

#[tokio::test]
async fn the_commands_lead_to_a_ready_pod_of_the_candidate_and_to_no_sidecar() {
    let mut crashed = pod("web-green-a", false, &shop());
    crashed["status"]["containerStatuses"] = json!([
        {"name": "shop", "image": "shop:2", "imageID": "", "ready": false, "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
        {"name": "istio-proxy", "image": "proxy", "imageID": "", "ready": true, "restartCount": 1, "state": {}},
    ]);
    let server = Server::with(object(&waiting()));
    let server = server.has("pods", crashed).has("pods", pod("web-green-b", true, &shop()));
    let ran = run(&server, "debug web").await;
    assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
    insta::assert_snapshot!("debug_candidate", ran.out);
    let asked = server.requests().pop().expect("a request");
    let selector = format!("teal.dev%2Frollout%3Dweb%2Cteal.dev%2Frevision%3D{CANDIDATE}");
    assert!(asked.contains(&selector), "{asked}");
}

/// A port that is named counts before what the options say, and what is no JVM is offered none of its tools.
#[tokio::test]
async fn the_tools_of_a_jvm_are_named_where_one_runs() {
    let says = async |container: Value| {
        let server =
            Server::with(object(&waiting())).has("pods", pod("web-green-b", true, &json!([container])));
        run(&server, "debug web").await.out
    };
    let named = says(json!({"name": "shop", "ports": [{"name": "jmx", "containerPort": 5555}],
        "args": ["-Dcom.sun.management.jmxremote.port=9010"]}))
    .await;
    assert!(named.contains("JMX: then jconsole localhost:5555;"), "{named}");
    let started = says(json!({"name": "shop", "command": ["/usr/bin/java", "-jar", "shop.jar"]})).await;
    assert!(started.contains("# JMX: no container names a port"), "{started}");
    assert!(started.contains("exec web-green-b -c shop -- jcmd 1 Thread.print"), "{started}");
    let other = says(json!({"name": "shop", "command": ["/shop"]})).await;
    assert!(!other.contains("JVM") && !other.contains("JMX"), "{other}");
    assert!(!other.contains("Traces"), "without a proxy there are none: {other}");
}

/// Those of Jobs bear the same labels.
#[tokio::test]
async fn a_pod_that_has_ended_is_not_the_one_to_look_into() {
    let mut migrated = pod("migrate-green-x", false, &json!([{"name": "migrate"}]));
    migrated["status"]["phase"] = json!("Succeeded");
    let server = Server::with(object(&waiting())).has("pods", migrated);
    let ran = run(&server.has("pods", pod("web-green-a", false, &shop())), "debug web").await;
    assert!(ran.out.contains("0 of 1 pods ready"), "{}", ran.out);
    assert!(ran.out.contains("migrate-green-x   has ended"), "{}", ran.out);
    assert!(ran.out.contains("exec -it web-green-a -c shop"), "{}", ran.out);
}

#[tokio::test]
async fn a_release_without_pods_is_looked_for_where_they_should_have_been_made() {
    let ran = run(&Server::with(object(&waiting())), "debug web --of live").await;
    assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
    assert!(ran.out.contains(&format!("is {LIVE} (blue): 0 of 0 pods ready")), "{}", ran.out);
    assert!(
        ran.out.contains("kubectl -n shop get deployments,statefulsets,replicasets,jobs -l"),
        "{}",
        ran.out
    );
}

#[tokio::test]
async fn a_release_that_is_not_there_is_told_with_those_that_are() {
    let at_rest = Server::with(object(&complete()));
    let ran = run(&at_rest, "debug web --of candidate").await;
    assert_eq!(ran.exit(), Exit::Failed);
    assert!(ran.error().starts_with("shop/web has no candidate now: there is --of live"), "{}", ran.error());
    let ran = run(&Server::with(object(&Value::Null)), "debug web").await;
    assert_eq!(ran.error(), "shop/web has no release now: nothing is installed yet");
    let ran = run(&at_rest.forbids("/pods"), "debug web").await;
    assert!(ran.error().contains("not allowed"), "{}", ran.error());
}

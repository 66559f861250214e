//! The page for when Teal is down: what its commands make of Services whose ports differ between two revisions. That requests are
//! answered all the while is the story `runbook`.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::bench::{Bench, objects};

/// Where the pods of the two versions listen.
const FIRST: u16 = 8080;
const SECOND: u16 = 9090;

fn version(version: &str, target: u16, node_port: Option<u16>) -> Value {
    let mut rollout = objects::rollout(version);
    rollout["spec"]["keep"] = json!({"previous": "5m", "failed": "5m"});
    let service = &mut rollout["spec"]["release"]["manifests"][1];
    service["spec"]["ports"] = json!([{"name": "http", "port": 80, "targetPort": target}]);
    if let Some(number) = node_port {
        service["metadata"]["annotations"] = json!({"teal.dev/switch": "AtOnce"});
        service["spec"]["type"] = json!("NodePort");
        service["spec"]["ports"][0]["nodePort"] = json!(number);
    }
    rollout
}

/// The page's second point, by the kubectl that is given, in the namespace of the test.
async fn turn_by_hand(namespace: &str, revision: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbook/teal-is-down.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let point = page.split("\n## ").find(|point| point.starts_with("2.")).expect("the second point");
    let commands = point.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("commands");
    let commands = commands.replace("-n shop", &format!("-n {namespace}"));
    let kubectl = std::env::var("TEAL_TEST_KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
    let script = format!("kubectl() {{ '{kubectl}' \"$@\"; }}\nCOLOR=blue REVISION={revision}\n{commands}");
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script]);
    bash.env("KUBECONFIG", std::env::var("TEAL_TEST_KUBECONFIG").expect("a kubeconfig"));
    let output = bash.output().await.expect("bash");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn leads_to(bench: &Bench, service: &str) -> (String, Value) {
    let found = bench.value("services", service).await;
    (bench.selected(service).await, found["spec"]["ports"][0]["targetPort"].clone())
}

async fn is_back(bench: &Bench, live: &str) {
    for service in ["web", "web-candidate"] {
        assert_eq!(leads_to(bench, service).await, (live.to_owned(), json!(FIRST)), "{service}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_11_the_runbook_leads_ports_back_along_with_the_selectors() {
    for (name, kept, node_port) in [("bookstep", false, None), ("bookkept", true, Some(30_979))] {
        let mut bench = Bench::start(name).await;
        bench.apply_route().await;
        bench.apply(&version("1", FIRST, node_port)).await;
        bench.phase("Complete").await;
        let live = bench.selected("web").await;
        bench.apply(&version("2", SECOND, node_port)).await;
        bench.phase("Waiting").await;
        if kept {
            bench.decide_on(&bench.value("rollouts", "web").await, "Approve").await;
            bench.phase("Complete").await;
        }
        assert_eq!(leads_to(&bench, "web-candidate").await.1, SECOND);
        bench.pause_teal().await;
        turn_by_hand(bench.namespace(), &live).await;
        is_back(&bench, &live).await;
        let ports = bench.value("services", "web").await["spec"]["ports"].clone();
        assert_eq!(
            ports[0].get("nodePort"),
            node_port.map(|number| json!(number)).as_ref(),
            "callers come by it"
        );
        bench.resume_teal();
        bench.phase("RolledBack").await;
        is_back(&bench, &live).await;
        bench.end().await;
    }
}

//! What two Rollouts of one namespace want both.

use serde_json::{Value, json};

use crate::bench::bad::Case;
use crate::bench::case::WINDOW;
use crate::bench::history::History;
use crate::bench::{Bench, objects};

/// Two Rollouts whose releases have one object of the same kind and name: the first keeps it as it is, and the second
/// says whose it is instead of writing over it or of taking its work for done.
async fn an_object_of_another_rollout(name: &str, kind: &str, shared: &Value, renamed: &Value) {
    let bench = Bench::start(name).await;
    bench.apply_route().await;
    let named = shared["metadata"]["name"].as_str().expect("a name");
    let plural = format!("{}s", kind.to_lowercase());
    let colored = format!("{named}-blue");
    let with = |mut rollout: Value, manifest: &Value| {
        rollout["spec"]["release"]["manifests"].as_array_mut().expect("a list").push(manifest.clone());
        rollout
    };
    bench.apply(&with(other(), shared)).await;
    if kind == "Job" {
        bench.finish_job(&colored).await;
    }
    bench
        .until("the other Rollout complete", async || {
            let found = bench.value("rollouts", "other").await;
            found.pointer("/status/phase") == Some(&json!("Complete"))
        })
        .await;
    let before = bench.value(&plural, &colored).await;
    let object = format!(
        "{kind} {}/{colored} exists and is not this Rollout's (written by Rollout other)",
        bench.namespace()
    );
    bench
        .bad(
            Case::refused(
                "NameTaken",
                &object,
                "metadata.name in spec.release",
                "it may be what that Rollout serves with",
            )
            .once_made()
            .tried_again(),
            async || bench.apply(&with(objects::rollout("1"), shared)).await,
            async || {
                let now = bench.value(&plural, &colored).await;
                let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
                assert_eq!(version(&now), version(&before), "nobody wrote it");
                assert_eq!(bench.exists("deployments", "web-blue").await, Some(false));
                bench.apply(&with(objects::rollout("1"), renamed)).await;
                if kind == "Job" {
                    bench.finish_job("web-migrate-blue").await;
                }
            },
        )
        .await;
    bench.end().await;
}

/// A Rollout beside `web`, without routes.
fn other() -> Value {
    let text = objects::rollout("1").to_string().replace("\"web\"", "\"other\"");
    let mut rollout: Value = serde_json::from_str(&text).expect("JSON");
    let spec = rollout["spec"].as_object_mut().expect("a spec");
    spec.remove("steps");
    rollout["spec"]["traffic"] = json!({"services": [{"name": "other"}]});
    rollout
}

/// A member of a group that has other steps: nobody could say which of them are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_member_of_a_group_with_other_steps() {
    let bench = Bench::installed("otherssteps").await;
    let grouped = |mut rollout: Value| {
        rollout["spec"]["group"] = json!({"name": "checkout"});
        rollout
    };
    bench.apply(&grouped(other())).await;
    let complete =
        async || bench.value("rollouts", "other").await.pointer("/status/phase") == Some(&json!("Complete"));
    bench.until("the other Rollout complete", complete).await;
    bench
        .bad(
            Case::refused(
                "GroupDiffers",
                "canary 10 %, full 100 % here and switch 100 % in Rollout other of group checkout",
                "spec.steps",
                "give all of them the same names and weights, or take spec.group out of one",
            ),
            async || bench.apply(&grouped(objects::rollout("2"))).await,
            async || bench.apply(&other()).await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_config_map_of_another_rollout() {
    let config = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"of": name}});
    an_object_of_another_rollout("othersmap", "ConfigMap", &config("config"), &config("web-config")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_job_of_another_rollout() {
    let job = |name: &str| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "migrate", "image": "shop/migrate:1"}]}}}})
    };
    an_object_of_another_rollout("othersjob", "Job", &job("migrate"), &job("web-migrate")).await;
}

/// A request whose body and answer are text, since no object of this client can hold them.
async fn send(bench: &Bench, method: &str, path: &str, kind: &str, body: String) -> String {
    let uri = path.replace("{}", bench.namespace());
    let request = http::Request::builder().method(method).uri(uri).header("content-type", kind);
    let request = request.body(body.into_bytes()).expect("a request");
    bench.client().request_text(request).await.expect("taken")
}

/// A manifest nested deeper than a parser goes, and a time of another manager that no calendar has: the API server takes
/// both, and a Teal that starts afterwards must read the lists that they are in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn objects_that_can_not_be_read() {
    const ROLLOUTS: &str = "/apis/teal.dev/v1alpha1/namespaces/{}/rollouts";
    let mut bench = Bench::start("unread").await;
    bench.pause_teal().await;
    bench.apply_route().await;
    let history = History::begin(bench.api("virtualservices")).await;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(130), "}".repeat(130));
    let mut rollout = other();
    let manifest =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "deep"}, "data": "DEEP"});
    rollout["spec"]["release"]["manifests"].as_array_mut().expect("a list").push(manifest);
    let text = rollout.to_string().replace("\"DEEP\"", &deep);
    send(&bench, "POST", ROLLOUTS, "application/json", text).await;
    let odd = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "odd"},
        "spec": {"selector": {"app": "odd"}, "ports": [{"port": 80}]}});
    bench.create("services", "somebody", odd).await;
    let time =
        json!([{"op": "replace", "path": "/metadata/managedFields/0/time", "value": "9999-12-31T23:59:59Z"}]);
    let service = "/api/v1/namespaces/{}/services/odd";
    send(&bench, "PATCH", service, "application/json-patch+json", time.to_string()).await;
    bench.resume_teal();
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    bench
        .until("told what is wrong with the other one", async || {
            let path = format!("{ROLLOUTS}/other");
            let found = send(&bench, "GET", &path, "application/json", String::new()).await;
            found.contains("ReleaseInvalid") && found.contains("(ConfigMap deep) is nested 131 levels deep")
        })
        .await;
    bench.quiet().await;
    bench.is_calm(WINDOW).await;
    assert_eq!(history.all().await.len(), 1, "no route was written");
    let mended = other();
    let path = format!("{ROLLOUTS}/other");
    send(&bench, "DELETE", &path, "application/json", String::new()).await;
    bench.until("the other one gone", async || bench.exists("rollouts", "other").await == Some(false)).await;
    bench.apply(&mended).await;
    bench.completes("other").await;
    bench.end().await;
}

//! The program `teal traffic` against a real API server, beside Teal and other hands.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::bench::{Bench, api, object};

/// A kubeconfig of the test's own, gone with it.
struct Account(PathBuf);

impl Drop for Account {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

impl Account {
    /// The test's own account.
    fn own() -> Self {
        Self::with(|_| {})
    }

    /// The ServiceAccount of the example.
    fn of_example(namespace: &str) -> Self {
        let user = format!("system:serviceaccount:{namespace}:traffic-job");
        Self::with(|config| {
            for entry in config["users"].as_array_mut().expect("users") {
                entry["user"]["as"] = json!(user);
            }
        })
    }

    fn with(edit: impl FnOnce(&mut Value)) -> Self {
        let given = std::env::var("TEAL_TEST_KUBECONFIG").expect("an API server in TEAL_TEST_KUBECONFIG");
        let text = std::fs::read_to_string(given).expect("a kubeconfig");
        let mut config: Value = serde_yaml::from_str(&text).expect("YAML");
        edit(&mut config);
        let name = format!("teal-traffic-{}-{:08x}.yaml", std::process::id(), rand::random::<u32>());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, config.to_string()).expect("a kubeconfig");
        Self(path)
    }

    /// `teal traffic` with these words about VirtualService web.
    fn command(&self, bench: &Bench, verb: &str, more: &[&str]) -> Command {
        self.command_on("web", bench, verb, more)
    }

    fn command_on(&self, name: &str, bench: &Bench, verb: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_teal"));
        command
            .args(["traffic", verb, "--namespace", bench.namespace(), "--virtual-service", name])
            .args(more);
        command.env("KUBECONFIG", &self.0).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, bench: &Bench, verb: &str, more: &[&str]) -> Ended {
        Ended::of(&self.command(bench, verb, more).output().await.expect("teal"))
    }
}

struct Ended {
    code: i32,
    line: Value,
    said: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let line = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).expect("one line of JSON")
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { code: output.status.code().expect("it ended by itself"), line, said }
    }

    #[track_caller]
    fn code(self, code: i32, says: &str) -> Value {
        assert_eq!(self.code, code, "{} {}", self.line, self.said);
        assert!(self.said.contains(says), "{says:?} is not in {}", self.said);
        self.line
    }
}

/// As a team writes it that has both versions in its routes.
fn routes() -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "web", "annotations": {"team": "shop"}},
        "spec": {"hosts": ["web.example"], "http": [
            {"name": "primary", "timeout": "5s", "retries": {"attempts": 2}, "route": [
                {"destination": {"host": "blue", "port": {"number": 80}}, "headers": {"response": {"set": {"link": "</blue.css>; a=1&b=2"}}}, "weight": 100},
                {"destination": {"host": "green", "port": {"number": 80}}}]},
            {"name": "other", "route": [{"destination": {"host": "blue"}, "weight": 50}, {"destination": {"host": "green"}, "weight": 50}]}]},
    })
}

const TEN: [&str; 3] = ["--route=primary", "--weight=blue=90", "--weight=green=10"];

/// With everything but what the API server counts and notes.
fn content(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    metadata.retain(|key, _| !matches!(key.as_str(), "managedFields" | "resourceVersion" | "generation"));
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn weights_and_nothing_else_are_written_under_a_name_of_their_own() {
    let bench = Bench::start("job").await;
    bench.create("virtualservices", "helm", routes()).await;
    let account = Account::own();
    let before = bench.value("virtualservices", "web").await;

    let dry = account.run(&bench, "set", &[&TEN[..], &["--dry-run"]].concat()).await.code(0, "");
    assert_eq!((&dry["changed"], &dry["routes"][0]["is"][1]["weight"]), (&json!(true), &json!(10)));
    assert_eq!(bench.value("virtualservices", "web").await, before, "a dry run stores nothing");

    let line = account.run(&bench, "set", &[&TEN[..], &["--wait=300ms"]].concat()).await.code(0, "");
    let after = bench.value("virtualservices", "web").await;
    let mut expected = content(before.clone());
    expected["spec"]["http"][0]["route"][0]["weight"] = json!(90);
    expected["spec"]["http"][0]["route"][1]["weight"] = json!(10);
    assert_eq!(content(after.clone()).to_string(), expected.to_string());
    assert_eq!(line["resourceVersion"], after["metadata"]["resourceVersion"]);
    let told = json!([{"route": "primary", "index": 0,
        "was": [{"host": "blue", "weight": 100}, {"host": "green", "weight": 0}],
        "is": [{"host": "blue", "weight": 90}, {"host": "green", "weight": 10}]}]);
    assert_eq!((&line["routes"], &line["kept"]), (&told, &json!(true)));
    let entries = after["metadata"]["managedFields"].as_array().expect("managers");
    let ours = entries.iter().find(|entry| entry["manager"] == "teal-traffic").expect("its own name");
    assert!(ours.pointer("/fieldsV1/f:spec/f:http").is_some(), "{ours}");

    let again = account.run(&bench, "set", &TEN).await.code(0, "");
    assert_eq!(again["changed"], false);
    assert_eq!(bench.value("virtualservices", "web").await, after, "what is so already is not written");
    let got = account.run(&bench, "get", &[]).await.code(0, "");
    assert_eq!((&got["managed"], &got["routes"][0]["destinations"][1]["weight"]), (&Value::Null, &json!(10)));

    account.run(&bench, "set", &["--route=primary", "--weight=blue=80"]).await.code(3, "would sum to 90");
    bench.end().await;
}

/// Gives the rights of the example, and returns its Role.
async fn grant(bench: &Bench) -> Value {
    let text = include_str!("../../../../examples/traffic-job/rbac.yaml");
    let mut role = Value::Null;
    for document in text.split("\n---\n") {
        let mut value: Value = serde_yaml::from_str(document).expect("YAML");
        value["metadata"]["namespace"] = json!(bench.namespace());
        for subject in value["subjects"].as_array_mut().into_iter().flatten() {
            subject["namespace"] = json!(bench.namespace());
        }
        let kind = value["kind"].as_str().expect("a kind").to_owned();
        let version = value["apiVersion"].as_str().expect("a version");
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let plural = format!("{}s", kind.to_lowercase());
        let api = api(&bench.client(), Some(bench.namespace()), group, version, &kind, &plural);
        api.create(&PostParams::default(), &object(value.clone())).await.expect("created");
        if kind == "Role" {
            role = value;
        }
    }
    role
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn the_rights_of_the_example_are_enough_and_each_of_them_is_needed() {
    let bench = Bench::start("jobrights").await;
    bench.create("virtualservices", "helm", routes()).await;
    let mut other = routes();
    other["metadata"]["name"] = json!("other");
    bench.create("virtualservices", "helm", other).await;
    let mut role = grant(&bench).await;
    let account = Account::of_example(bench.namespace());
    // The authorizer learns of a new binding a moment later.
    bench.until("rights", async || account.run(&bench, "get", &[]).await.code == 0).await;
    let line = account.run(&bench, "set", &TEN).await.code(0, "");
    assert_eq!((&line["changed"], &line["rolloutsSeen"]), (&json!(true), &json!(true)));

    let refused = account.command_on("other", &bench, "set", &TEN).output().await.expect("teal");
    Ended::of(&refused).code(6, "refuses to get it");

    // Without the right to list Rollouts it goes by the VirtualService; without that to patch it can only look.
    let roles =
        api(&bench.client(), Some(bench.namespace()), "rbac.authorization.k8s.io", "v1", "Role", "roles");
    role["rules"].as_array_mut().expect("rules").truncate(1);
    let without = async |role: &Value| {
        let patch = Patch::Merge(json!({"rules": role["rules"]}));
        roles.patch("traffic-job", &PatchParams::default(), &patch).await.expect("patched");
    };
    without(&role).await;
    bench
        .until("fewer rights", async || account.run(&bench, "get", &[]).await.line["rolloutsSeen"] == false)
        .await;
    let line = account.run(&bench, "set", &["blue=100", "green=0", "--route=primary"]).await.code(0, "");
    assert_eq!((&line["changed"], &line["rolloutsSeen"]), (&json!(true), &json!(false)));
    role["rules"][0]["verbs"] = json!(["get"]);
    without(&role).await;
    bench
        .until("no right to write", async || {
            let ended = account.run(&bench, "set", &[&TEN[..], &["--dry-run"]].concat()).await;
            ended.code == 6 && ended.said.contains("refuses to patch it")
        })
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn what_a_rollout_manages_is_left_alone_until_it_is_gone() {
    let bench = Bench::at_ten("jobheld").await;
    let account = Account::own();
    let asked = ["--weight=web=50", "--weight=web-candidate=50"];
    let before = bench.value("virtualservices", "web").await;
    account.run(&bench, "set", &asked).await.code(4, "managed by Rollout");
    let got = account.run(&bench, "get", &[]).await.code(0, "");
    assert!(got["managed"].as_str().is_some_and(|said| said.contains("by a Decision")), "{got}");
    assert_eq!(bench.value("virtualservices", "web").await, before);

    bench.decide("Approve").await;
    bench.phase("Complete").await;
    account.run(&bench, "set", &["--weight=web=100"]).await.code(4, "managed by Rollout");
    bench.delete("rollouts", "web").await;
    bench.until("gone", async || bench.exists("rollouts", "web").await == Some(false)).await;
    let left = bench.value("virtualservices", "web").await;
    assert!(left["metadata"]["annotations"].to_string().contains("epoch.teal.dev/"), "{left}");
    let line = account.run(&bench, "set", &["--weight=web=100"]).await.code(0, "");
    assert_eq!(line["changed"], false, "a sole destination has all");
    bench.end().await;
}

/// Several at once, as of pipelines that know nothing of each other, while somebody else writes the object without rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn each_of_several_at_once_writes_one_whole_state_after_the_other() {
    let bench = Bench::start("jobraces").await;
    bench.create("virtualservices", "helm", routes()).await;
    let account = Account::own();
    let wishes: Vec<[String; 3]> = [10, 20, 30, 40]
        .map(|green| {
            ["--route=primary".to_owned(), format!("blue={}", 100 - green), format!("green={green}")]
        })
        .into();
    let mut children = Vec::new();
    for wish in &wishes {
        let words: Vec<&str> = wish.iter().map(String::as_str).collect();
        children.push(account.command(&bench, "set", &words).spawn().expect("teal"));
    }
    for count in 0..10 {
        let patch = json!({"metadata": {"labels": {"count": count.to_string()}}});
        bench.merge_as("somebody", "virtualservices", "web", patch).await;
    }
    let mut told = Vec::new();
    for child in children {
        let line = Ended::of(&child.wait_with_output().await.expect("teal")).code(0, "");
        assert_eq!(line["changed"], true);
        told.push((line["routes"][0]["was"].clone(), line["routes"][0]["is"].clone()));
    }
    // What each found is what another left, or the beginning: no write was lost, and none stood on another's half.
    let beginning = json!([{"host": "blue", "weight": 100}, {"host": "green", "weight": 0}]);
    let mut at = beginning;
    while let Some(next) = told.iter().position(|(was, _)| *was == at) {
        at = told.swap_remove(next).1;
    }
    assert!(told.is_empty(), "{told:?} don't follow {at}");
    let got = account.run(&bench, "get", &["--route=primary"]).await.code(0, "");
    assert_eq!(got["routes"][0]["destinations"], at);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_hand_that_sets_the_weights_back_while_it_stays_is_named() {
    let bench = Bench::start("jobstays").await;
    bench.create("virtualservices", "helm", routes()).await;
    let account = Account::own();
    let child = account.command(&bench, "set", &[&TEN[..], &["--wait=30s"]].concat()).spawn().expect("teal");
    let ten = [("blue".to_owned(), 90), ("green".to_owned(), 10)];
    bench.until("written", async || bench.weights().await == ten).await;
    bench.merge_as("argocd", "virtualservices", "web", json!({"spec": routes()["spec"]})).await;
    let line = Ended::of(&child.wait_with_output().await.expect("teal")).code(7, "written by argocd");
    assert_eq!((&line["kept"], &line["routes"][0]["is"][0]["weight"]), (&json!(false), &json!(100)));

    bench.api("virtualservices").delete("web", &DeleteParams::default()).await.expect("deleted");
    account.run(&bench, "set", &TEN).await.code(3, "is not there");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn the_jobs_of_the_examples_have_no_field_that_the_api_server_does_not_know() {
    let bench = Bench::start("jobexamples").await;
    for text in [
        include_str!("../../../../examples/traffic-job/job.yaml"),
        include_str!("../../../../examples/traffic-job/with-a-test.yaml"),
    ] {
        let mut job: Value = serde_yaml::from_str(text).expect("YAML");
        let prefix = job["metadata"]["generateName"].take();
        job["metadata"] = json!({"name": format!("{}1", prefix.as_str().expect("a prefix")), "namespace": bench.namespace()});
        let params = PatchParams { dry_run: true, ..PatchParams::apply("test").validation_strict() };
        let name = job["metadata"]["name"].as_str().expect("a name").to_owned();
        let answer = bench.api("jobs").patch(&name, &params, &Patch::Apply(&job)).await.expect("taken");
        assert_eq!(answer.data["spec"]["backoffLimit"], job["spec"]["backoffLimit"]);
    }
    bench.end().await;
}

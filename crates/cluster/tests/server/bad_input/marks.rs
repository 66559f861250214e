//! What another hand made of Teal's own annotations and of its status.

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::bench::bad::Case;
use crate::bench::case::{WINDOW, candidates_weight};
use crate::bench::history::History;
use crate::bench::objects;

/// The key of an annotation that ends with the Rollout's uid.
async fn key(bench: &Bench, prefix: &str) -> String {
    let rollout = bench.value("rollouts", "web").await;
    format!("{prefix}.teal.dev/{}", rollout["metadata"]["uid"].as_str().unwrap_or_default())
}

async fn annotate(bench: &Bench, plural: &str, key: &str, value: &Value) {
    bench
        .merge_as("kubectl-annotate", plural, "web", json!({"metadata": {"annotations": {key: value}}}))
        .await;
}

/// At 10 %, with an epoch that another hand wrote on the VirtualService.
async fn forged(name: &str, epoch: &str) {
    let bench = Bench::at_ten(name).await;
    let key = key(&bench, "epoch").await;
    let object = format!("VirtualService {}/web", bench.namespace());
    bench
        .bad(
            Case::warned(
                "MarksEdited",
                &object,
                &format!("metadata.annotations[{key}] was {epoch}"),
                "leave it to Teal",
            ),
            async || annotate(&bench, "virtualservices", &key, &json!(epoch)).await,
            async || {},
        )
        .await;
    bench.end().await;
}

/// A number that another writer of Teal could have written: Teal goes on above it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_forged_epoch() {
    forged("forged", "99999").await;
}

/// The largest number that an epoch can be: nobody follows it to where there is none left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_forged_epoch_that_leaves_no_number() {
    forged("forgedmost", "9007199254740991").await;
}

/// The same on a Service, and going back instead of forward: nobody is locked out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_forged_epoch_does_not_hinder_going_back() {
    let bench = Bench::at_ten("forgedback").await;
    let key = key(&bench, "epoch").await;
    let object = format!("Service {}/web", bench.namespace());
    bench
        .bad(
            Case::warned(
                "MarksEdited",
                &object,
                &format!("metadata.annotations[{key}] was 99999999999"),
                "leave it to Teal",
            )
            .back_at_live(),
            async || {
                annotate(&bench, "services", &key, &json!("99999999999")).await;
                bench.decide("Rollback").await;
                bench.phase("RolledBack").await;
                assert_eq!(bench.weights().await, [("web".into(), 100)]);
                // What is kept to be looked at goes after its time: not what is counted here.
                bench
                    .until("cleared", async || bench.exists("deployments", "web-green").await == Some(false))
                    .await;
            },
            async || bench.apply(&objects::rollout("3")).await,
        )
        .await;
    bench.end().await;
}

/// More than an epoch can be: it counts as none, else there would be no number left to go on with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_epoch_that_is_none() {
    let bench = Bench::at_ten("noepoch").await;
    let key = key(&bench, "epoch").await;
    let object = format!("VirtualService {}/web", bench.namespace());
    for text in ["99999999999999999999", "soon"] {
        let field = format!("metadata.annotations[{key}] is \"{text}\"");
        bench
            .bad(
                Case::warned("MarksEdited", &object, &field, "leave it to Teal"),
                async || annotate(&bench, "virtualservices", &key, &json!(text)).await,
                async || {},
            )
            .await;
        bench.apply(&objects::rollout(text)).await;
        bench.phase("Waiting").await;
    }
    bench.end().await;
}

/// How the owner wrote the weights is lost: they are restored by the form of the routes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_saved_route_that_can_not_be_read() {
    let bench = Bench::installed("saved").await;
    let owner = bench.route_spec().await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    let key = key(&bench, "saved").await;
    let object = format!("VirtualService {}/web", bench.namespace());
    bench
        .bad(
            Case::warned("MarksEdited", &object, &format!("metadata.annotations[{key}]"), "leave it to Teal"),
            async || annotate(&bench, "virtualservices", &key, &json!("{")).await,
            async || {},
        )
        .await;
    assert_eq!(bench.route_spec().await, owner);
    bench.end().await;
}

/// In whose name routes are given back is read from the record of their owner, which anyone may write: a name that no
/// request can have must not keep them from going back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_saved_owner_that_nobody_can_be() {
    let bench = Bench::installed("owner").await;
    let owner = bench.route_spec().await;
    let history = History::begin(bench.api("virtualservices")).await;
    let asked = bench.requests();
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    let key = key(&bench, "saved").await;
    let route = bench.value("virtualservices", "web").await;
    let text = route["metadata"]["annotations"][&key].as_str().expect("a record").to_owned();
    let mut saved: Value = serde_json::from_str(&text).expect("JSON");
    saved["owners"] =
        json!([{"manager": "x".repeat(200), "operation": "Update", "apiVersion": route["apiVersion"]}]);
    annotate(&bench, "virtualservices", &key, &json!(saved.to_string())).await;
    bench.decide("Approve").await;
    bench.completes("web").await;
    assert_eq!(bench.route_spec().await, owner);
    let shares: Vec<i64> = history.all().await.iter().map(candidates_weight).collect();
    let mut rises = shares.clone();
    rises.dedup();
    assert_eq!(rises, [0, 10, 100, 0], "as without it: {shares:?}");
    bench.quiet().await;
    let requests: u64 = bench.difference(&asked).iter().map(|(.., count)| count).sum();
    assert!(requests <= 60, "{requests} requests for one rollout");
    bench.is_calm(WINDOW).await;
    bench.end().await;
}

/// The planner's record in the status is free form, so the API server takes anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_status_that_can_not_be_read_at_rest() {
    let bench = Bench::installed("statusrest").await;
    bench
        .bad(
            Case::event("Rebuilt", "status.commit", "leave the status to Teal"),
            async || bench.write_status(json!({"commit": {"epoch": "soon", "phase": 7}})).await,
            async || bench.apply(&objects::rollout("2")).await,
        )
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_status_that_can_not_be_read_at_ten() {
    let bench = Bench::at_ten("statusten").await;
    let live = bench.selected("web").await;
    bench
        .bad(
            Case::event("Rebuilt", "status.commit", "leave the status to Teal").by_way_of_live(),
            async || {
                bench.write_status(json!({"commit": {"epoch": "soon", "phase": 7}})).await;
                bench.until("back at live", async || bench.weights().await == [("web".into(), 100)]).await;
                // What it takes to begin anew by itself is not what is counted.
                bench.phase("Waiting").await;
            },
            async || assert_eq!(bench.selected("web").await, live),
        )
        .await;
    bench.end().await;
}

/// Blocked by what is applied; then the status is taken away. It is told again from what there is, and goes on by itself once
/// that is mended.
async fn lost_while_blocked(bench: &Bench, case: Case, rollout: &Value, mend: impl AsyncFnOnce()) {
    let live = bench.selected("web").await;
    bench
        .bad(
            case,
            async || {
                bench.apply(rollout).await;
                bench.phase("Blocked").await;
                bench.write_status(Value::Null).await;
                bench.phase("Blocked").await;
            },
            async || {
                assert_eq!(bench.status("/phase").await, "Blocked");
                assert_eq!(bench.selected("web").await, live, "what serves goes on");
                mend().await;
            },
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_status_that_is_taken_away_while_blocked() {
    let bench = Bench::installed("statusblocked").await;
    let mut rollout = objects::rollout("2");
    rollout["spec"]["traffic"]["virtualServices"] = json!([{"name": "front"}]);
    let object = format!("VirtualService {}/front", bench.namespace());
    let case = Case::refused("VirtualServiceNotFound", &object, "spec.traffic.virtualServices", "create it");
    let mend = async || {
        let mut route = objects::virtual_service();
        route["metadata"]["name"] = json!("front");
        bench.create("virtualservices", "owner", route).await;
    };
    lost_while_blocked(&bench, case, &rollout, mend).await;
    bench.end().await;
}

/// The same where nothing serves yet, so that nothing is left of what it knew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_status_that_is_taken_away_while_the_first_install_is_blocked() {
    let bench = Bench::start("statusfirst").await;
    bench.apply_route().await;
    let mut rollout = objects::rollout("1");
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "web"}, "rules": []});
    rollout["spec"]["release"]["manifests"].as_array_mut().expect("a list").push(role);
    let case = Case::refused("UnsupportedKind", "ClusterRole web", "kind", "apply it beside the Rollout");
    let mend = async || bench.apply(&objects::rollout("1")).await;
    lost_while_blocked(&bench, case, &rollout, mend).await;
    bench.end().await;
}

/// Times that the schema takes and no calendar has, and one of a zone that there is none of, each in another object of the status.
fn without_a_calendar() -> Value {
    const NEVER: &str = "9999-12-31T23:59:59Z";
    const NOWHERE: &str = "2026-01-01T00:00:00+99:99";
    json!({
        "previous": {"color": "blue", "revision": "r1-00000001", "keptUntil": NOWHERE},
        "candidate": {"color": "green", "revision": "r1-00000001", "hash": "v1:00", "attempt": 1, "deadline": NEVER},
        "gate": {"step": "canary", "openedAt": NEVER},
        "step": {"name": "canary", "index": 1, "count": 2, "weight": 10, "reachedAt": NEVER},
        "checks": [{"name": "errors", "verdict": "Pass", "since": NEVER}],
    })
}

/// Whether no time of these is left.
async fn is_clean(bench: &Bench) -> bool {
    let status = bench.value("rollouts", "web").await["status"].to_string();
    !status.contains("9999-12-31") && !status.contains("+99:99")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_status_with_a_time_that_no_calendar_has_at_rest() {
    let bench = Bench::installed("timerest").await;
    let record = bench.value("rollouts", "web").await["status"]["commit"].clone();
    bench.quiet().await;
    let asked = bench.requests();
    bench.write_status(without_a_calendar()).await;
    bench.until("written anew", async || is_clean(&bench).await).await;
    bench.quiet().await;
    let made: u64 = bench.difference(&asked).iter().map(|(.., count)| count).sum();
    assert_eq!(made, 1, "one write for all of it: {:?}", bench.difference(&asked));
    bench.is_calm(WINDOW).await;
    assert_eq!(bench.value("rollouts", "web").await["status"]["commit"], record, "nothing is lost");
    bench.apply(&objects::rollout("2")).await;
    bench.completes("web").await;
    bench.end().await;
}

/// Whoever decides is heeded, and nobody loses their step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_status_with_a_time_that_no_calendar_has_at_ten() {
    let bench = Bench::at_ten("timeten").await;
    let live = bench.selected("web").await;
    let record = bench.value("rollouts", "web").await["status"]["commit"].clone();
    bench.quiet().await;
    let asked = bench.requests();
    bench.write_status(without_a_calendar()).await;
    bench.until("written anew", async || is_clean(&bench).await).await;
    bench.quiet().await;
    let made: u64 = bench.difference(&asked).iter().map(|(.., count)| count).sum();
    assert_eq!(made, 1, "one write for all of it: {:?}", bench.difference(&asked));
    bench.is_calm(WINDOW).await;
    assert_eq!(bench.value("rollouts", "web").await["status"]["commit"], record, "nothing is lost");
    assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    assert_eq!(bench.weights().await, [("web".into(), 100)]);
    assert_eq!(bench.selected("web").await, live);
    bench.delete("rollouts", "web").await;
    bench.until("gone", async || bench.exists("rollouts", "web").await == Some(false)).await;
    bench.end().await;
}

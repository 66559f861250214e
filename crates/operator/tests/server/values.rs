//! Values that a chart takes from ConfigMaps, with a real Helm: a change of one is another revision, each revision stays with the values that
//! it was made with, and what can't be had is told while everything stays as it is.

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::charts::{Store, of, rollout, settings, ten};

const MAP: &str = "web-values";

fn map(text: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MAP}, "data": {"values.yaml": text}})
}

/// A good chart that says its tag itself and takes its shard from a ConfigMap.
fn taking(store: &Store, tag: &str) -> Value {
    let mut chart = store.good(tag);
    chart["values"] = json!({"tag": tag});
    chart["valuesFrom"] = json!([{"configMap": {"name": MAP}}]);
    chart
}

async fn edit(bench: &Bench, text: &str) {
    bench.merge_as("person", "configmaps", MAP, json!({"data": {"values.yaml": text}})).await;
}

/// At rest with what `a` says.
async fn installed(store: &Store, name: &str) -> Bench {
    let bench = Bench::start_with(name, store.setup.clone()).await;
    bench.apply_route().await;
    bench.create("configmaps", "person", map("shard: a-$(color)\ntag: below\n")).await;
    bench.apply(&rollout(&taking(store, "1"))).await;
    bench.phase("Complete").await;
    bench
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_changed_config_map_goes_by_10_to_100_and_each_revision_keeps_its_values() {
    let store = Store::open().await;
    let mut bench = installed(&store, "values-way").await;
    assert_eq!(settings(&bench, "web-blue-settings").await, of("1", "a-blue"));
    let generation = bench.value("rollouts", "web").await["metadata"]["generation"].clone();
    edit(&bench, "shard: b\n").await;
    bench.phase("Waiting").await;
    assert_eq!(bench.weights().await, ten());
    assert_eq!(settings(&bench, "web-green-settings").await, of("1", "b"));
    assert_eq!(bench.value("rollouts", "web").await["metadata"]["generation"], generation);
    // Live is mended with what it was made with, and a restart in the middle changes nothing.
    bench.pause_teal().await;
    let other = json!({"data": {"shard": "other"}});
    bench.merge_as("person", "configmaps", "web-blue-settings", other).await;
    bench.resume_teal();
    bench
        .until("live is mended", async || settings(&bench, "web-blue-settings").await == of("1", "a-blue"))
        .await;
    assert_eq!((bench.status("/phase").await, bench.weights().await), ("Waiting".to_owned(), ten().to_vec()));
    bench.decide("Reject").await;
    bench.until("back", async || bench.weights().await == [("web".to_owned(), 100)]).await;
    bench.phase("RolledBack").await;
    assert_eq!(settings(&bench, "web-blue-settings").await, of("1", "a-blue"));
    let tried = bench.status("/rejected/0").await;
    // What was sent back is not tried again, and what it was before is what is live.
    edit(&bench, "shard: a-$(color)\ntag: below\n").await;
    bench.phase("Complete").await;
    edit(&bench, "shard: c\n").await;
    bench.phase("Waiting").await;
    assert_ne!(bench.status("/candidate/revision").await, tried);
    bench.decide("Approve").await;
    bench.phase("Complete").await;
    assert_eq!(settings(&bench, "web-green-settings").await, of("1", "c"));
    bench.end().await;
}

/// As if they stood in the spec: whoever moves values into a ConfigMap starts nothing, nor does who labels it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn values_that_move_into_a_config_map_and_labels_of_it_start_nothing_and_rest_asks_nothing() {
    let store = Store::open().await;
    let bench = Bench::start_with("values-move", store.setup.clone()).await;
    bench.apply_route().await;
    let mut chart = store.good("1");
    chart["values"] = json!({"tag": "1", "shard": "x"});
    bench.apply(&rollout(&chart)).await;
    bench.phase("Complete").await;
    let live = bench.status("/live/revision").await;
    bench.create("configmaps", "person", map("shard: x\n")).await;
    chart["values"] = json!({"tag": "1"});
    chart["valuesFrom"] = json!([{"configMap": {"name": MAP}}]);
    bench.apply(&rollout(&chart)).await;
    let seen = async || {
        let rollout = bench.value("rollouts", "web").await;
        rollout["status"]["observedGeneration"] == rollout["metadata"]["generation"]
    };
    bench.until("the new spec is seen", seen).await;
    let asked = bench.requests();
    bench.merge_as("person", "configmaps", MAP, json!({"metadata": {"labels": {"a": "b"}}})).await;
    let reads = async || {
        let asked = bench.difference(&asked);
        asked.iter().filter(|(verb, kind, _)| (*verb, kind.as_str()) == ("get", "ConfigMap")).count() > 0
    };
    bench.until("it is read again", reads).await;
    bench.quiet().await;
    let resting = bench.requests();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(bench.difference(&resting), [], "at rest nothing is asked");
    assert_eq!(
        (bench.status("/live/revision").await, bench.status("/phase").await),
        (live, "Complete".into())
    );
    assert!(bench.value("deployments", "web-green").await.is_null());
    bench.end().await;
}

/// Each is told with what to do; live, routes and Services stay as they are; and once it is mended it goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn values_that_can_not_be_had_are_told_and_change_nothing() {
    let store = Store::open().await;
    let bench = installed(&store, "values-bad").await;
    let (routes, live) = (bench.route_spec().await, bench.selected("web").await);
    let named = |name: &str, key: &str| {
        let mut chart = taking(&store, "1");
        chart["valuesFrom"] = json!([{"configMap": {"name": name, "key": key}}]);
        rollout(&chart)
    };
    let is_told = async |what: &str, reason: &str, names: &[&str]| {
        let told = async || {
            let (_, found, message) = bench.condition("Accepted").await;
            found == reason && names.iter().all(|name| message.contains(name))
        };
        bench.until(what, told).await;
        assert_eq!(
            (bench.route_spec().await, bench.selected("web").await),
            (routes.clone(), live.clone()),
            "{what}"
        );
        assert!(bench.value("deployments", "web-green").await.is_null(), "{what}");
        assert_eq!(settings(&bench, "web-blue-settings").await, of("1", "a-blue"), "{what}");
    };
    bench.apply(&named("nowhere", "values.yaml")).await;
    is_told("no such ConfigMap", "ReferenceMissing", &["valuesFrom[0]", "ConfigMap nowhere", "isn't there"])
        .await;
    bench.apply(&named(MAP, "other.yaml")).await;
    is_told("no such entry", "ReferenceMissing", &["other.yaml", "has values.yaml"]).await;
    bench.apply(&named(MAP, "values.yaml")).await;
    bench.phase("Complete").await;
    edit(&bench, "a: [").await;
    is_told("no YAML", "ReleaseInvalid", &["ConfigMap web-values, entry values.yaml", "line "]).await;
    edit(&bench, "shard: $(revision)\n").await;
    is_told("a number that is not there yet", "ReleaseInvalid", &["valuesFrom", "write $(color)"]).await;
    bench.delete("configmaps", MAP).await;
    is_told("deleted", "ReferenceMissing", &["ConfigMap web-values", "isn't there"]).await;
    bench.create("configmaps", "person", map("shard: b\n")).await;
    bench.phase("Waiting").await;
    assert_eq!(settings(&bench, "web-green-settings").await, of("1", "b"));
    bench.end().await;
}

//! What happens around a rollout: its namespace goes, its spec doesn't come to rest, live is edited, the API server is
//! away.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::bench::case::{Case, WINDOW};
use crate::bench::history::History;
use crate::bench::setup::{Door, Setup, through_a_door};
use crate::bench::{Bench, objects};

/// In a namespace that is being deleted nothing is made, also where something holds the Rollout until the rest is gone. It
/// is told as long as there is a Rollout to tell it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_namespace_that_is_deleted_in_the_middle() {
    let bench = Bench::at_ten("going").await;
    let hold = |on: bool| json!({"metadata": {"finalizers": if on { json!(["test.teal.dev/hold"]) } else { json!([]) }}});
    let route = bench.value("virtualservices", "web").await["spec"].clone();
    let held = bench.value("rollouts", "web").await["metadata"]["finalizers"].clone();
    let mut finalizers = held.as_array().cloned().unwrap_or_default();
    finalizers.push(json!("test.teal.dev/hold"));
    bench.merge_as("test", "rollouts", "web", json!({"metadata": {"finalizers": finalizers}})).await;
    bench.merge_as("test", "virtualservices", "web", hold(true)).await;
    let history = History::begin(bench.api("virtualservices")).await;
    let before = bench.requests();
    bench.delete_namespace().await;
    bench
        .until("objects that are gone while the Rollout is there", async || {
            bench.exists("deployments", "web-blue").await == Some(false)
                && bench.exists("deployments", "web-green").await == Some(false)
                && bench.exists("services", "web").await == Some(false)
                && bench.exists("rollouts", "web").await == Some(true)
        })
        .await;
    // The namespace's controller takes one kind after another, and this one may be its last.
    bench
        .until("a Rollout that is let go", async || {
            let metadata = bench.value("rollouts", "web").await["metadata"].clone();
            metadata["deletionTimestamp"].is_string()
                && metadata["finalizers"] == json!(["test.teal.dev/hold"])
        })
        .await;
    let namespace = format!("Namespace {}", bench.namespace());
    let remedy = "make the namespace anew once it is gone";
    let case = Case::refused("NamespaceTerminating", &namespace, "metadata.deletionTimestamp", remedy);
    bench.is_told(&case).await;
    bench.quiet().await;
    bench.is_calm(WINDOW).await;
    bench.is_told(&case).await;
    assert_eq!(bench.status("/phase").await, "Blocked");
    let made = bench.difference(&before);
    let writes: Vec<_> =
        made.iter().filter(|(verb, ..)| matches!(*verb, "create" | "apply" | "replace")).collect();
    assert!(writes.is_empty(), "nothing is made in a namespace that goes: {writes:?}");
    let count: u64 = made.iter().map(|(.., count)| count).sum();
    assert!(count <= 10, "{made:?}");
    for version in history.all().await {
        assert_eq!(version.spec(), Some(&route), "routes go as they are");
    }
    let finalizers = bench.value("rollouts", "web").await["metadata"]["finalizers"].clone();
    assert_eq!(finalizers, json!(["test.teal.dev/hold"]), "Teal's own holds nothing up");
    bench.merge_as("test", "virtualservices", "web", hold(false)).await;
    bench.merge_as("test", "rollouts", "web", hold(false)).await;
    bench.gone().await;
    // The same names again, for the same operator.
    bench.make_namespace().await;
    bench.apply_route().await;
    bench.apply(&objects::rollout("1")).await;
    bench.completes("web").await;
    bench.end().await;
}

/// The most requests for the three edits that are followed at once, each of which may bring its own candidate and take the one
/// before away.
const FOLLOWED: u64 = 80;

/// A few edits are followed at once; what never comes to rest is sent back to live and waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_rollout_that_is_edited_every_second() {
    let bench = Bench::installed("busy").await;
    let history = History::begin(bench.api("virtualservices")).await;
    let owners = bench.route_spec().await;
    let object = format!("Rollout {}/web", bench.namespace());
    let names = ["spec.release of", object.as_str(), "find who writes it"];
    let case = Case::told("Accepted", "False", "ReleaseUnsettled", names).by_way_of_live();
    bench.quiet().await;
    let (asked, begun) = (bench.requests(), Instant::now());
    let mut version = 1;
    let mut edit = async |bench: &Bench| {
        version += 1;
        bench.apply(&objects::rollout(&version.to_string())).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    while bench.condition("Accepted").await.1 != "ReleaseUnsettled" {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", bench.condition("Accepted").await);
        edit(&bench).await;
    }
    let (_, _, message) = bench.condition("Accepted").await;
    for name in names {
        assert!(message.contains(name), "{name:?} in {message:?}");
    }
    // What the first edits started is led home and cleared by now.
    for _ in 0..5 {
        edit(&bench).await;
    }
    assert_eq!(bench.weights().await, [("web".into(), 100)]);
    let cleared = history.all().await.len().saturating_sub(1);
    bench.reacted(&asked, "ReleaseUnsettled", FOLLOWED);
    let (before, counted) = (bench.requests(), Instant::now());
    while counted.elapsed() < Duration::from_secs(30) {
        edit(&bench).await;
    }
    let made = bench.difference(&before);
    let count: u64 = made.iter().map(|(.., count)| count).sum();
    assert!(count <= 5, "{count} requests in 30 s: {made:?}");
    // The first edits may have had the weight of the first step, and once it is told nothing has any.
    let versions = history.all().await;
    case.check(&versions, &[owners]);
    assert!(versions.iter().skip(cleared).all(|version| version.candidates_weight() == 0), "{versions:#?}");
    // Left alone, the last content is what is rolled out.
    bench.completes("web").await;
    let live = bench.status("/live/color").await;
    assert_eq!(bench.image(&format!("web-{live}")).await, format!("shop/web:{version}"));
    bench.end().await;
}

/// Also beside a candidate; and while the spec asks for other content, which was sent back: only the kept revision knows what live
/// is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn live_objects_that_are_edited_or_deleted() {
    let bench = Bench::at_ten("repair").await;
    bench.set_image("web-blue", "shop/web:by-hand").await;
    bench.until("repaired", async || bench.image("web-blue").await == "shop/web:1").await;
    bench
        .until("told", async || bench.condition("LiveRepaired").await.2.contains("Deployment web-blue"))
        .await;
    assert_eq!(bench.status("/phase").await, "Waiting");
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    bench.quiet().await;
    let owner = bench.route_spec().await;
    let history = History::begin(bench.api("virtualservices")).await;
    for spoil in ["edited", "deleted"] {
        let before = bench.requests();
        match spoil {
            "edited" => bench.set_image("web-blue", "shop/web:by-hand").await,
            _ => bench.delete("deployments", "web-blue").await,
        }
        bench.until("repaired", async || bench.image("web-blue").await == "shop/web:1").await;
        bench.until("told", async || bench.condition("LiveRepaired").await.1 == "Found").await;
        let (status, _, message) = bench.condition("LiveRepaired").await;
        assert_eq!(status, "True");
        for name in ["Deployment web-blue", "differed from its revision", "change spec.release instead"] {
            assert!(message.contains(name), "{name:?} in {message:?}");
        }
        bench.quiet().await;
        let made = bench.difference(&before);
        let count: u64 = made.iter().map(|(.., count)| count).sum();
        assert!(count <= 10, "{made:?}");
    }
    bench.is_calm(WINDOW).await;
    for version in history.all().await {
        assert_eq!(version.spec(), Some(&owner));
    }
    bench.apply(&objects::rollout("3")).await;
    bench.completes("web").await;
    bench.end().await;
}

/// A rollout that waits at 10 %, and a Teal that reaches the API server through a door.
async fn waiting_behind_a_door(name: &str, silence: Option<Duration>) -> (Door, Bench) {
    let (door, teal) = through_a_door(silence).await;
    let bench = Bench::start_with(name, Setup::with_client(teal)).await;
    bench.apply_route().await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    bench.apply(&objects::rollout("2")).await;
    bench.phase("Waiting").await;
    bench.quiet().await;
    (door, bench)
}

/// All connections are cut, and no new one is let in for a while; what is there stays as it is. No status can tell it: what does
/// (the log, `teal_leader`) is held against an API server in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_api_server_that_is_away_for_a_while() {
    let (door, bench) = waiting_behind_a_door("away", None).await;
    let history = History::begin(bench.api("virtualservices")).await;
    door.shut();
    bench.decide("Approve").await;
    bench.is_calm(WINDOW).await;
    assert_eq!(history.all().await.len(), 1, "nothing moved meanwhile");
    door.open();
    bench.completes("web").await;
    // Watches that end while the server is there begin anew, and miss nothing.
    door.shut();
    door.open();
    bench.apply(&objects::rollout("3")).await;
    bench.completes("web").await;
    bench.end().await;
}

/// As where a node of the control plane loses its power, or a balancer what it knew: no connection is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn connections_to_the_api_server_that_die_without_a_word() {
    let (door, bench) = waiting_behind_a_door("frozen", Some(Duration::from_secs(5))).await;
    door.freeze();
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    bench.end().await;
}

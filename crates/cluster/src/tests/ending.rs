use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use teal_api::defaults::FilledCheck;
use teal_api::rollout::status::CheckStatus;
use teal_plan::snapshot::CheckSeen;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::looks::logged;
use super::server::{Manner, Server};
use crate::access::Access;
use crate::checks::{Measuring, Questions, Unmeasured};
use crate::cluster::Cluster;
use crate::config::Config;
use crate::lease::{Holder, LeaseConfig};
use crate::observe::tests::cluster::Hand;

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/teal-system/leases/teal";
/// No test takes so long, or it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn holder(server: &Server) -> Option<String> {
    let lease = server.object(LEASE)?;
    Some(lease.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn lease(renew: Duration) -> LeaseConfig {
    LeaseConfig {
        namespace: "teal-system".into(),
        name: "teal".into(),
        identity: "one".into(),
        duration: Duration::from_secs(15),
        renew,
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited too long for {what}"));
}

#[tokio::test]
async fn whoever_is_told_to_end_lets_the_lease_go_and_leaves_nothing_running() {
    let server = Server::default();
    let stop = CancellationToken::new();
    // So often that one who goes on is heard while nothing should be asked.
    let lease = lease(Duration::from_millis(50));
    let measuring = |_| -> Arc<dyn Measuring> { Arc::new(Unmeasured) };
    let cluster = Cluster::start(server.client(), Config::default(), measuring, Some(lease), &stop);
    let probe = cluster.probe();
    until("a leader", || probe.figures().leads && holder(&server).as_deref() == Some("one")).await;

    stop.cancel();
    timeout(PATIENCE, cluster.ended()).await.expect("an end");
    assert_eq!(holder(&server).as_deref(), Some(""), "the next one need not wait until it lapses");
    assert!(!probe.figures().leads);
    let asked = server.requests().len();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.requests().len(), asked, "after its end it asks nothing");
}

#[tokio::test]
async fn whoever_has_not_seen_everything_leaves_the_lease_to_others() {
    let server = Server::default();
    server.answers("GET", "/api/v1/pods", Manner::Refused(500));
    let stop = CancellationToken::new();
    let measuring = |_| -> Arc<dyn Measuring> { Arc::new(Unmeasured) };
    let renew = Duration::from_millis(50);
    let cluster = Cluster::start(server.client(), Config::default(), measuring, Some(lease(renew)), &stop);
    // It asks anew what was refused: by then all else was seen, and the lease would have been taken.
    let pods = || server.requests().iter().filter(|asked| asked.contains("/api/v1/pods")).count();
    until("pods asked for twice", || pods() >= 2).await;
    let second = LeaseConfig { identity: "two".into(), ..lease(renew) };
    let access = Arc::new(Access::new(server.client(), Duration::from_secs(1)));
    let (second, _) = Holder::new(access, second, || true);
    let end = CancellationToken::new();
    let held = tokio::spawn(second.run(end.clone()));
    until("another leader", || holder(&server).as_deref() == Some("two")).await;
    assert!(!cluster.probe().is_ready());
    end.cancel();
    timeout(PATIENCE, held).await.expect("an end").expect("no panic");
    // Nobody tells the first one that the lease is free, as a watch would.
    server.remove(LEASE);
    server.mend();
    until("a leader", || holder(&server).as_deref() == Some("one")).await;
    assert!(cluster.probe().is_ready());
    stop.cancel();
    timeout(PATIENCE, cluster.ended()).await.expect("an end");
}

/// What another test logs first, in a thread where nobody listens, may be heard nowhere later on: each of those that log it listens.
#[tokio::test]
async fn a_lease_that_can_not_be_written_is_told_once_and_asked_for_now_and_then() {
    let (lines, _logging) = logged();
    let told = |level: &str, says: &str| {
        let is = |line: &&Value| line["level"] == level && line["fields"]["message"] == says;
        lines.all().iter().filter(is).count()
    };
    let server = Server::default();
    let access = Arc::new(Access::new(server.client(), Duration::from_secs(1)));
    let (holder_of_it, leadership) = Holder::new(access, lease(Duration::from_millis(50)), || true);
    let end = CancellationToken::new();
    let held = tokio::spawn(holder_of_it.run(end.clone()));
    until("a leader", || leadership.is_leader()).await;
    let puts = || server.requests().iter().filter(|asked| asked.starts_with("PUT")).count();
    let before = puts();
    server.answers("PUT", LEASE, Manner::Refused(403));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = puts() - before;
    assert!((1..=3).contains(&asked), "{asked}");
    assert!(leadership.is_leader(), "it has not lapsed");
    assert_eq!(told("WARN", "the lease can't be written"), 1, "{:?}", lines.all());
    server.mend();
    until("news of it", || told("INFO", "the lease can be written again") == 1).await;
    end.cancel();
    timeout(PATIENCE, held).await.expect("an end").expect("no panic");
}

/// Nobody else tells it that the lease is free, as news of it would.
#[tokio::test]
async fn a_free_lease_that_was_refused_once_is_asked_for_again_soon() {
    let _logging = logged();
    let server = Server::default();
    server.put(LEASE, json!({"metadata": {"name": "teal"}, "spec": {"holderIdentity": ""}}));
    server.answers("PUT", LEASE, Manner::Refused(500));
    let access = Arc::new(Access::new(server.client(), Duration::from_secs(1)));
    let (holder_of_it, leadership) = Holder::new(access, lease(Duration::from_secs(5)), || true);
    let end = CancellationToken::new();
    let held = tokio::spawn(holder_of_it.run(end.clone()));
    until("a try", || server.requests().iter().any(|asked| asked.starts_with("PUT"))).await;
    server.mend();
    let since = Instant::now();
    until("a leader", || leadership.is_leader()).await;
    assert!(since.elapsed() < Duration::from_secs(8), "{:?} of 15 s", since.elapsed());
    end.cancel();
    timeout(PATIENCE, held).await.expect("an end").expect("no panic");
}

/// Who is asked about, and who was forgotten.
#[derive(Clone, Default)]
pub(super) struct Asked(pub(super) Arc<Mutex<(Vec<String>, Vec<String>)>>);

impl Measuring for Asked {
    fn ask(&self, questions: Questions) {
        self.0.lock().unwrap().0.push(questions.uid);
    }
    fn standing(&self, _: &str) -> Vec<(String, CheckSeen)> {
        Vec::new()
    }
    fn statuses(&self, _: &str) -> Vec<CheckStatus> {
        Vec::new()
    }
    fn forget(&self, uid: &str) {
        self.0.lock().unwrap().1.push(uid.to_owned());
    }
    fn problem(&self, _: &FilledCheck) -> Option<(&'static str, String)> {
        None
    }
}

#[tokio::test]
async fn whoever_leads_no_more_asks_and_remembers_nothing() {
    const WEB: &str = "/apis/teal.dev/v1alpha1/namespaces/shop/rollouts/web";
    let server = Server::default();
    server.put(
        WEB,
        json!({"apiVersion": "teal.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "web", "namespace": "shop", "uid": "uid-web", "generation": 1},
            "spec": {"release": {"manifests": []}, "traffic": {"services": [{"name": "web"}]}}}),
    );
    let asked = Asked::default();
    let checks = asked.clone();
    let stop = CancellationToken::new();
    let measuring = move |_| -> Arc<dyn Measuring> { Arc::new(checks) };
    let renew = Duration::from_millis(100);
    let cluster = Cluster::start(server.client(), Config::default(), measuring, Some(lease(renew)), &stop);
    let probe = cluster.probe();
    until("a look", || asked.0.lock().unwrap().0.contains(&"uid-web".to_owned())).await;

    let mut other = server.object(LEASE).expect("a lease");
    other["spec"]["holderIdentity"] = json!("two");
    server.put(LEASE, other);
    until("another leader", || !probe.figures().leads).await;
    until("nothing more to ask", || asked.0.lock().unwrap().1.contains(&"uid-web".to_owned())).await;
    stop.cancel();
    timeout(PATIENCE, cluster.ended()).await.expect("an end");
}

/// It can't renew the lease, as when the API server is away: from then on another one may look at the Rollouts.
#[tokio::test]
async fn whoever_lost_the_lease_shows_no_rollouts_any_more() {
    let _logging = logged();
    let server = Server::default();
    let (_, _, rollout) = Hand::new().into_parts();
    server.put("/apis/teal.dev/v1alpha1/namespaces/shop/rollouts/web", rollout);
    let stop = CancellationToken::new();
    let lease = LeaseConfig {
        duration: Duration::from_secs(1),
        renew: Duration::from_millis(100),
        ..lease(Duration::from_secs(5))
    };
    let measuring = |_| -> Arc<dyn Measuring> { Arc::new(Unmeasured) };
    let cluster = Cluster::start(server.client(), Config::default(), measuring, Some(lease), &stop);
    let probe = cluster.probe();
    let shows = async |some: bool| {
        while probe.figures().rollouts.is_empty() == some {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, shows(true)).await.expect("figures of the Rollout");
    server.leave();
    timeout(PATIENCE, shows(false)).await.expect("no figures");
    assert!(!probe.figures().leads);
    stop.cancel();
    timeout(PATIENCE, cluster.ended()).await.expect("an end");
}

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::server::Server;
use crate::checks::Unmeasured;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::lease::LeaseConfig;
use crate::observe::tests::cluster::Hand;

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/teal-system/leases/teal";
/// No test takes so long, or it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn holder(server: &Server) -> Option<String> {
    let lease = server.object(LEASE)?;
    Some(lease.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn lease() -> LeaseConfig {
    LeaseConfig {
        namespace: "teal-system".into(),
        name: "teal".into(),
        identity: "one".into(),
        duration: Duration::from_secs(15),
        renew: Duration::from_secs(5),
    }
}

#[tokio::test]
async fn whoever_is_told_to_end_lets_the_lease_go_and_leaves_nothing_running() {
    let server = Server::default();
    let stop = CancellationToken::new();
    let measuring = |_| -> Arc<dyn crate::checks::Measuring> { Arc::new(Unmeasured) };
    let cluster = Cluster::start(server.client(), Config::default(), measuring, Some(lease()), &stop);
    let probe = cluster.probe();
    let leads = async {
        while !probe.figures().leads || holder(&server).as_deref() != Some("one") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, leads).await.expect("a leader");

    stop.cancel();
    timeout(PATIENCE, cluster.ended()).await.expect("an end");
    assert_eq!(holder(&server).as_deref(), Some(""), "the next one need not wait until it lapses");
    assert!(!probe.figures().leads);
    let asked = server.requests().len();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.requests().len(), asked, "after its end it asks nothing");
}

/// It can't renew the lease, as when the API server is away: from then on another one may look at the Rollouts.
#[tokio::test]
async fn whoever_lost_the_lease_shows_no_rollouts_any_more() {
    let server = Server::default();
    let (_, _, rollout) = Hand::new().into_parts();
    server.put("/apis/teal.dev/v1alpha1/namespaces/shop/rollouts/web", rollout);
    let stop = CancellationToken::new();
    let lease =
        LeaseConfig { duration: Duration::from_secs(1), renew: Duration::from_millis(100), ..lease() };
    let measuring = |_| -> Arc<dyn crate::checks::Measuring> { Arc::new(Unmeasured) };
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

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

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/teal-system/leases/teal";
/// No test takes so long, or it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn holder(server: &Server) -> Option<String> {
    let lease = server.object(LEASE)?;
    Some(lease.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default().to_owned())
}

#[tokio::test]
async fn whoever_is_told_to_end_lets_the_lease_go_and_leaves_nothing_running() {
    let server = Server::default();
    let stop = CancellationToken::new();
    let lease = LeaseConfig {
        namespace: "teal-system".into(),
        name: "teal".into(),
        identity: "one".into(),
        duration: Duration::from_secs(15),
        // So often that one who goes on is heard while nothing should be asked.
        renew: Duration::from_millis(50),
    };
    let measuring = |_| -> Arc<dyn crate::checks::Measuring> { Arc::new(Unmeasured) };
    let cluster = Cluster::start(server.client(), Config::default(), measuring, Some(lease), &stop);
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

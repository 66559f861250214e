use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::server::Server;
use super::{PATH, served};
use crate::access::Access;
use crate::lease::{Holder, Leadership, LeaseConfig};
use crate::observe::tests::cluster::Hand;
use crate::reconcile::Next;
use crate::stores::ObjectId;

/// Of one that waits for another's lease.
fn standing_by(server: &Server) -> Leadership {
    let lease = LeaseConfig {
        namespace: "teal-system".into(),
        name: "teal".into(),
        identity: "one".into(),
        duration: Duration::from_secs(15),
        renew: Duration::from_secs(5),
    };
    let access = Arc::new(Access::new(server.client(), Duration::from_secs(1)));
    Holder::new(access, lease, || true).1
}

#[tokio::test]
async fn whoever_stands_by_asks_and_writes_nothing_whatever_is_to_be_done() {
    let mut hand = Hand::new();
    hand.install();
    hand.spec("/release/manifests/0/spec/template/spec/containers/0/image", json!("web:2"));
    let (server, mut reconciler) = served(hand);
    reconciler.leadership = standing_by(&server);
    let id = ObjectId::new("shop", "web");
    assert_eq!(reconciler.reconcile(&id).await, Next::Change);
    assert_eq!(server.requests(), [""; 0]);

    reconciler.leadership = Leadership::always();
    reconciler.reconcile(&id).await;
    assert_eq!(server.requests().last(), Some(&format!("PATCH {PATH}/status")));
}

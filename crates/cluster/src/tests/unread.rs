use std::time::Duration;

use serde_json::{Value, json};
use teal_api::names::{label, manager};
use teal_plan::{Color, Time};

use super::server::{Manner, Server};
use super::{recall, reconciler};
use crate::config::Config;
use crate::kinds;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::{Next, Reconciler, now};
use crate::stores::{ObjectId, View};

const SERVICES: &str = "/api/v1/namespaces/shop/services";
const ROUTE: &str = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/web";
const ROLLOUT: &str = "/apis/teal.dev/v1alpha1/namespaces/shop/rollouts/web";
const DECISION: &str = "/apis/teal.dev/v1alpha1/namespaces/shop/decisions/back";

/// A candidate at 10 %, seen by one that was just started, which may not read what is kept of live.
fn restarted() -> (Server, Reconciler, &'static str, String) {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    hand.deadline(Time(now().0 + 3_600_000));
    let (live, candidate) = (hand.slot(Color::Blue).revision, hand.slot(Color::Green).revision);
    hand.edit("web-candidate", |service| {
        service["spec"]["selector"][label::COLOR] = json!("green");
        service["spec"]["selector"][label::REVISION] = json!(candidate);
    });
    let entered = json!([{"destination": {"host": "web"}, "weight": 90},
        {"destination": {"host": "web-candidate"}, "weight": 10}]);
    hand.route(&entered, manager::TRAFFIC);
    let (stores, pokes, rollout) = hand.into_parts();
    let server = Server::default();
    for service in stores.services.all() {
        let path = format!("{SERVICES}/{}", service.id().name);
        server.put(&path, service.value());
        stores.offer(kinds::SERVICE, &server.object(&path).unwrap());
    }
    server.put(ROUTE, stores.virtual_services.get("shop", "web").expect("a route").value());
    stores.offer(kinds::VIRTUAL_SERVICE, &server.object(ROUTE).unwrap());
    server.put(ROLLOUT, rollout);
    stores.offer_rollout(server.object(ROLLOUT).unwrap(), "");
    let kept: &'static str = format!("/controllerrevisions/web-{live}").leak();
    server.answers("GET", kept, Manner::Refused(403));
    let reconciler = reconciler(&server, stores, pokes, Config::default());
    (server, reconciler, kept, candidate.to_string())
}

/// Until there is nothing to be done at once; how long it then waits.
async fn rest(reconciler: &Reconciler) -> Next {
    for _ in 0..10 {
        let next = reconciler.reconcile(&ObjectId::new("shop", "web")).await;
        if !matches!(next, Next::Urgent | Next::After(Duration::ZERO)) {
            return next;
        }
    }
    panic!("it finds no rest");
}

fn reads(server: &Server, kept: &str) -> usize {
    server.requests().iter().filter(|asked| asked.starts_with("GET") && asked.ends_with(kept)).count()
}

fn phase(server: &Server) -> Value {
    server.object(ROLLOUT).unwrap()["status"]["commit"]["phase"]["name"].clone()
}

/// Somebody wants to go back.
fn send_back(server: &Server, reconciler: &Reconciler, candidate: &str) {
    server.put(
        DECISION,
        json!({
            "apiVersion": "teal.dev/v1alpha1", "kind": "Decision",
            "metadata": {"namespace": "shop", "name": "back", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"rollout": {"name": "web"}, "action": "Rollback", "revision": candidate,
                "decidedBy": {"user": "ann"}},
        }),
    );
    reconciler.tools.stores.offer(kinds::DECISION, &server.object(DECISION).unwrap());
}

/// At 10 %, with a write that had no answer and can't be looked up, when somebody wants to go back.
async fn unanswered(kind: &str, name: &str, path: &'static str) -> (Server, Reconciler) {
    let (server, reconciler, _, candidate) = restarted();
    rest(&reconciler).await;
    server.answers("GET", path, Manner::Refused(500));
    let unsure = (kinds::by_kind(kind).unwrap(), ObjectId::new("shop", name));
    recall(&reconciler, |memory| memory.unsure.push(unsure));
    send_back(&server, &reconciler, &candidate);
    rest(&reconciler).await;
    (server, reconciler)
}

#[tokio::test]
async fn what_became_of_a_write_and_can_not_be_looked_up_does_not_hold_up_the_way_back() {
    let path = "/configmaps/web-green";
    let (server, reconciler) = unanswered("ConfigMap", "web-green", path).await;
    assert_eq!(phase(&server), "Returning", "{:#?}", server.requests());
    let route = server.object(ROUTE).unwrap()["spec"]["http"][0]["route"].clone();
    assert_eq!((&route[0]["weight"], &route[1]["weight"]), (&json!(100), &json!(0)));
    assert_eq!(reads(&server, path), 1, "it is left to the watch");
    assert_eq!(reconciler.watching.read().failures.get("transient"), Some(&1));
}

#[tokio::test]
async fn nothing_is_planned_before_it_is_known_what_became_of_what_traffic_hangs_on() {
    let (server, _) = unanswered("Service", "web-candidate", "/services/web-candidate").await;
    assert_eq!(phase(&server), "Step");
}

#[tokio::test]
async fn what_is_kept_and_can_not_be_read_does_not_hold_up_the_way_back() {
    let (server, reconciler, kept, candidate) = restarted();
    send_back(&server, &reconciler, &candidate);
    rest(&reconciler).await;
    assert_eq!(phase(&server), "Returning", "{:#?}", server.requests());
    let route = server.object(ROUTE).unwrap()["spec"]["http"][0]["route"].clone();
    assert_eq!((&route[0]["weight"], &route[1]["weight"]), (&json!(100), &json!(0)));
    let candidate = server.object(&format!("{SERVICES}/web-candidate")).unwrap();
    assert_eq!(candidate["spec"]["selector"][label::COLOR], "blue");
    assert_eq!(reads(&server, kept), 1, "it isn't asked for again before each write");
}

#[tokio::test]
async fn what_is_kept_and_can_not_be_read_holds_up_everything_else_and_is_counted() {
    let (server, reconciler, kept, _) = restarted();
    let Next::After(wait) = rest(&reconciler).await else { panic!("it isn't tried again") };
    assert!(wait <= Duration::from_secs(2), "{wait:?}");
    assert_eq!((phase(&server), reads(&server, kept)), (json!("Step"), 1));
    let noted = format!("PATCH {ROLLOUT}/status");
    let written: Vec<String> =
        server.requests().into_iter().filter(|asked| !asked.starts_with("GET") && *asked != noted).collect();
    assert_eq!(written, [""; 0], "nothing is made, moved or removed");
    let figures = reconciler.watching.read();
    assert_eq!(figures.failures.get("denied"), Some(&1));
}

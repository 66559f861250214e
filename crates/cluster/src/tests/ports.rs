//! Ports of role Services that another hand wrote: what Git had in the version before, or what was left when selectors were turned by
//! hand.

use serde_json::{Value, json};
use teal_api::names::label;
use teal_plan::{Color, Slot, Time};
use teal_release::Kept;

use super::server::Server;
use super::{patches, path_of, recall, served};
use crate::observe::tests::cluster::Hand;
use crate::reconcile::{Reconciler, now};
use crate::stores::ObjectId;

/// Where the pods of the first revision listen, those of the second, and nobody.
const FIRST: u16 = 8080;
const SECOND: u16 = 9090;
const NOBODY: u16 = 7070;

/// An application whose second revision listens elsewhere.
struct Shop {
    hand: Hand,
    kept: Kept,
    blue: Slot,
}

impl Shop {
    fn installed() -> Self {
        let mut hand = Hand::new();
        listens(&mut hand, FIRST);
        hand.install();
        for name in ["web", "web-candidate"] {
            lead(&mut hand, name, FIRST);
        }
        let release = hand.rollout().spec.release.raw().clone();
        let kept = Kept {
            hash: teal_release::hash(&release),
            services: vec!["web".to_owned()],
            release,
            body: None,
        };
        let blue = hand.slot(Color::Blue);
        Self { hand, kept, blue }
    }

    fn at_step() -> Self {
        let mut shop = Self::installed();
        listens(&mut shop.hand, SECOND);
        shop.hand.at_step(10, now());
        shop.hand.deadline(Time(now().0 + 3_600_000));
        lead(&mut shop.hand, "web-candidate", SECOND);
        shop
    }

    fn promoted() -> Self {
        let mut shop = Self::installed();
        listens(&mut shop.hand, SECOND);
        shop.hand.promote_second();
        shop.hand.record("keptUntil", json!(now().0 + 3_600_000));
        for name in ["web", "web-candidate"] {
            lead(&mut shop.hand, name, SECOND);
        }
        shop
    }

    fn served(self) -> (Server, Reconciler) {
        let kept = teal_release::store(&self.kept).unwrap();
        let (server, reconciler) = served(self.hand);
        let path = format!("/apis/apps/v1/namespaces/shop/controllerrevisions/web-{}", self.blue.revision);
        server.put(&path, json!({"metadata": {}, "data": kept}));
        (server, reconciler)
    }
}

fn listens(hand: &mut Hand, target: u16) {
    hand.spec("/release/manifests/1/spec/ports", json!([{"name": "http", "port": 80, "targetPort": target}]));
}

/// As the API server has it.
fn lead(hand: &mut Hand, service: &str, target: u16) {
    hand.edit(service, |service| {
        service["spec"]["ports"] =
            json!([{"name": "http", "port": 80, "protocol": "TCP", "targetPort": target}]);
    });
}

/// Git applies the Service as it was at some time, and somebody had added a port.
fn apply(hand: &mut Hand, service: &str) {
    hand.edit(service, |service| {
        service["metadata"]["managedFields"] = json!([{"manager": "git", "operation": "Apply",
            "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:ports": {}}}}]);
        service["spec"]["ports"] = json!([
            {"name": "http", "port": 80, "protocol": "TCP", "targetPort": NOBODY, "nodePort": 30_001},
            {"name": "admin", "port": 81, "protocol": "TCP", "targetPort": 81},
        ]);
    });
}

async fn look(reconciler: &Reconciler, times: usize) {
    for _ in 0..times {
        reconciler.reconcile(&ObjectId::new("shop", "web")).await;
    }
}

fn service(server: &Server, name: &str) -> Value {
    server.object(&path_of(name)).unwrap_or_default()
}

/// Of a Service.
fn written(server: &Server, name: &str) -> usize {
    patches(server).iter().filter(|patch| patch.ends_with(&path_of(name))).count()
}

#[tokio::test]
async fn rule_11_ports_that_another_hand_wrote_are_written_back_in_every_phase() {
    for (phase, shop, role, target) in [
        ("rest", Shop::installed as fn() -> Shop, "web", FIRST),
        ("rest", Shop::installed, "web-candidate", FIRST),
        ("step", Shop::at_step, "web", FIRST),
        ("step", Shop::at_step, "web-candidate", SECOND),
        ("keep", Shop::promoted, "web", SECOND),
        ("keep", Shop::promoted, "web-candidate", SECOND),
    ] {
        let mut shop = shop();
        apply(&mut shop.hand, role);
        let (server, reconciler) = shop.served();
        let before = service(&server, role);
        look(&reconciler, 4).await;
        let after = service(&server, role);
        let mut ports = before["spec"]["ports"].clone();
        ports[0]["targetPort"] = json!(target);
        assert_eq!(after["spec"]["ports"], ports, "{phase} {role}: what else is there stays");
        assert_eq!(after["spec"]["selector"], before["spec"]["selector"], "{phase} {role}");
        assert_eq!(written(&server, role), 1, "{phase} {role}: {:?}", patches(&server));
        let (told, _) = recall(&reconciler, |memory| memory.noted["Ports"].clone());
        assert_eq!(told.reason, "LiveRepaired");
        let instead = format!("became {NOBODY} instead of {target}");
        for word in [&format!("Service shop/{role}: spec.ports was written by git"), instead.as_str()] {
            assert!(told.message.contains(word), "{phase}: {}", told.message);
        }
    }
}

#[tokio::test]
async fn ports_that_are_as_the_revisions_have_them_are_left_alone() {
    for shop in [Shop::installed, Shop::at_step, Shop::promoted] {
        let (server, reconciler) = shop().served();
        look(&reconciler, 4).await;
        assert_eq!((written(&server, "web"), written(&server, "web-candidate")), (0, 0));
    }
}

/// Whoever follows a runbook by its selector alone leaves the ports of what was gone away from.
#[tokio::test]
async fn rule_11_where_a_hand_has_turned_roles_back_their_ports_go_along_with_the_stamp() {
    let mut shop = Shop::promoted();
    let blue = shop.blue;
    shop.hand.record("epoch", json!(5));
    for name in ["web", "web-candidate"] {
        shop.hand.edit(name, |service| {
            service["spec"]["selector"][label::COLOR] = json!("blue");
            service["spec"]["selector"][label::REVISION] = json!(blue.revision);
        });
    }
    shop.hand.endpoints("web", &["pod-0", "pod-1", "pod-2"].map(|pod| (pod, true, false)));
    let (server, reconciler) = shop.served();
    // The way back is committed, and then gone.
    look(&reconciler, 2).await;
    for name in ["web", "web-candidate"] {
        let found = service(&server, name);
        assert_eq!(found["spec"]["ports"][0]["targetPort"], FIRST, "{name}");
        assert_eq!(found["metadata"]["annotations"]["epoch.teal.dev/1234-5678"], "6", "{name}");
        assert_eq!(written(&server, name), 1, "{name}: {:?}", patches(&server));
    }
}

/// It was turned since it was looked at: ports of another revision would lead nowhere, and whom it selects is not theirs to say.
#[tokio::test]
async fn rule_1_ports_are_written_to_nothing_that_somebody_wrote_meanwhile() {
    let mut shop = Shop::installed();
    apply(&mut shop.hand, "web");
    let (server, reconciler) = shop.served();
    let mut later = service(&server, "web");
    later["spec"]["selector"] = json!({"app": "web"});
    server.put(&path_of("web"), later);
    look(&reconciler, 1).await;
    let found = service(&server, "web");
    assert_eq!(
        (&found["spec"]["selector"], &found["spec"]["ports"][0]["targetPort"]),
        (&json!({"app": "web"}), &json!(NOBODY))
    );
}

/// As a webhook makes it, or here a port that is there twice: it never is as it was written.
#[tokio::test]
async fn what_is_written_otherwise_at_once_is_told_and_not_written_again_and_again() {
    let mut shop = Shop::installed();
    let twice =
        [FIRST, SECOND].map(|target| json!({"name": target.to_string(), "port": 80, "targetPort": target}));
    shop.hand = Hand::new();
    shop.hand.spec("/release/manifests/1/spec/ports", json!(twice));
    shop.hand.install();
    let (server, reconciler) = shop.served();
    look(&reconciler, 6).await;
    assert_eq!(
        (written(&server, "web"), written(&server, "web-candidate")),
        (1, 1),
        "{:?}",
        patches(&server)
    );
    let (met, _) = recall(&reconciler, |memory| memory.met[&("KeepPorts", None)].clone());
    assert_eq!(met.reason, "ServiceUnsupported");
    assert!(met.message.contains("Service shop/web: spec.ports: what spec.release says"), "{}", met.message);
}

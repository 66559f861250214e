//! Writes of weights: what they are decided on, and what becomes of them where one fails.

use serde_json::{Value, json};
use teal_api::Rollout;
use teal_api::names::{label, manager};
use teal_plan::{Color, Effect};

use super::server::{Manner, Server};
use super::{ROUTE, patches, path_of, served};
use crate::error::Error;
use crate::execute::{Done, Order, execute};
use crate::kinds;
use crate::observe::Seen;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::Reconciler;

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
const RULES: &str = "/apis/networking.istio.io/v1/namespaces/shop/destinationrules";
const SECOND: &str = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/second";

fn weighted(weight: u8) -> Value {
    json!([{"destination": {"host": "web"}, "weight": 100 - weight},
        {"destination": {"host": "web-candidate"}, "weight": weight}])
}

/// How much goes to the candidate.
fn weight(server: &Server, path: &str) -> Value {
    server.object(path).unwrap()["spec"]["http"][0]["route"][1]["weight"].clone()
}

/// Green is tried at this weight, and three of its pods serve, as far as the caches know.
struct World {
    server: Server,
    reconciler: Reconciler,
    rollout: Rollout,
    seen: Seen,
}

impl World {
    fn at(weight: u8) -> Self {
        Self::with(weight, |_| {})
    }

    fn with(weight: u8, change: impl FnOnce(&mut Hand)) -> Self {
        let mut hand = Hand::new();
        hand.install();
        hand.start_candidate(weight);
        hand.pods(Color::Green, &[true; 3]);
        hand.point_candidate();
        hand.endpoints("web-candidate", &["green-0", "green-1", "green-2"].map(|pod| (pod, true, false)));
        hand.route(&weighted(weight), manager::TRAFFIC);
        change(&mut hand);
        let (rollout, seen) = (hand.rollout(), hand.look(0));
        assert_eq!(seen.snapshot.world.color(Color::Green).serving, [3]);
        let (server, reconciler) = served(hand);
        Self { server, reconciler, rollout, seen }
    }

    /// What the server has behind the candidate's role: all of it serves.
    fn serves(&self, pods: &[&str]) {
        self.slice("web-candidate", &pods.iter().map(|pod| (*pod, true)).collect::<Vec<_>>());
    }

    /// A slice of that, with whether each of its pods serves.
    fn slice(&self, name: &str, pods: &[(&str, bool)]) {
        let endpoint = |(pod, serving): &(&str, bool)| json!({"targetRef": {"uid": pod}, "conditions": {"ready": true, "serving": serving}});
        let labels = json!({"kubernetes.io/service-name": "web-candidate", label::ROLLOUT: "web"});
        self.server.put(
            &format!("{SLICES}/{name}"),
            json!({"metadata": {"name": name, "namespace": "shop", "labels": labels},
            "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>()}),
        );
    }

    async fn carry_out(&self, effect: Effect) -> Done {
        let order = Order::of(&self.rollout, &self.seen);
        execute(&self.reconciler.tools, &order, &[effect]).await.remove(0)
    }
}

#[tokio::test]
async fn rule_6_whether_enough_serve_for_a_raise_is_asked_of_the_server() {
    let live = ["pod-0", "pod-1", "pod-2"].map(|pod| (pod, true));
    let (one, two, gone) = (("green-0", true), ("green-1", true), ("green-0", false));
    for (what, slices, raise, serving) in [
        ("none is left", &[&[][..]][..], 10, Some(0)),
        ("they are of the other color", &[&live], 10, Some(0)),
        ("it serves no more", &[&[gone]], 10, Some(0)),
        ("one is too few for a half", &[&[one]], 50, Some(1)),
        ("one pod in two slices counts once", &[&[one], &[one]], 50, Some(1)),
        ("one serves no more, and one is too few", &[&[gone, two]], 50, Some(1)),
        ("two are enough, in whatever slices", &[&[one], &[two]], 50, None),
        ("one is enough for a tenth", &[&[one]], 10, None),
    ] {
        let world = World::at(0);
        for (number, pods) in slices.iter().enumerate() {
            world.slice(&format!("web-candidate-{number}"), pods);
        }
        let done = world.carry_out(Effect::RaiseWeight(raise)).await;
        let refused = match done.result {
            Err(Error::TooFewEndpoints { serving, .. }) => Some(serving),
            Ok(true) => None,
            other => panic!("{what}: {other:?}"),
        };
        assert_eq!(
            (refused, patches(&world.server).len()),
            (serving, usize::from(serving.is_none())),
            "{what}"
        );
    }
}

#[tokio::test]
async fn rule_4_a_raise_that_fails_at_one_route_is_taken_back_at_the_others() {
    let both = |hand: &mut Hand| {
        let traffic =
            json!({"services": [{"name": "web"}], "virtualServices": [{"name": "web"}, {"name": "second"}]});
        hand.field("traffic", traffic);
    };
    for former in [0, 10] {
        let world = World::with(former, both);
        world.serves(&["green-0", "green-1", "green-2"]);
        let mut second = world.server.object(ROUTE).unwrap();
        second["metadata"]["name"] = json!("second");
        second["metadata"]["uid"] = json!("second");
        world.server.put(SECOND, second);
        let stores = &world.reconciler.tools.stores;
        stores.offer(kinds::VIRTUAL_SERVICE, &world.server.object(SECOND).unwrap());
        world.server.answers("PATCH", "/virtualservices/second", Manner::Refused(500));
        assert!(world.carry_out(Effect::RaiseWeight(50)).await.result.is_err());
        assert_eq!(patches(&world.server), [ROUTE, SECOND, ROUTE].map(|path| format!("PATCH {path}")));
        assert_eq!(weight(&world.server, ROUTE), former);
    }
}

/// Its promises stay true however old they are; that it has gone back does not show in an old cache.
#[tokio::test]
async fn of_a_group_nobody_is_raised_once_another_one_has_gone_back_by_a_fresh_read() {
    const API: &str = "/apis/teal.dev/v1alpha1/namespaces/shop/rollouts/api";
    let member =
        |name: &str, uid: &str| json!({"name": name, "uid": uid, "revision": "r2-00000001", "started": 5});
    let step = json!({"name": "Step", "step": "canary", "weight": 10, "deadline": 0});
    let back = json!({"name": "Returning", "cause": "Superseded", "since": 0});
    for (what, phase, uid, raised) in [
        ("it goes on", &step, "api", true),
        ("it goes back", &back, "api", false),
        ("it was made anew", &step, "another", false),
    ] {
        let world = World::with(0, |hand| {
            let own = hand.rollout().metadata.uid.unwrap();
            let list = [member("api", "api"), member("web", &own)];
            hand.record("group", json!({"group": "checkout", "ready": true, "members": list}));
        });
        world.serves(&["green-0", "green-1", "green-2"]);
        let commit =
            json!({"epoch": 9, "counter": 2, "started": 5, "phase": phase, "group": {"group": "checkout"}});
        let metadata = json!({"name": "api", "namespace": "shop", "uid": uid});
        world.server.put(API, json!({"metadata": metadata, "spec": {}, "status": {"commit": commit}}));
        let done = world.carry_out(Effect::RaiseWeight(10)).await;
        assert!(world.server.requests().contains(&format!("GET {API}")), "{what}");
        match done.result {
            Ok(true) if raised => {}
            Err(Error::MemberBack { member }) if !raised => assert_eq!(member, "api"),
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(patches(&world.server).len(), usize::from(raised), "{what}");
    }
}

#[tokio::test]
async fn what_another_hand_raised_is_lowered_to_the_steps_weight_on_a_fresh_read() {
    let world = World::at(10);
    let mut route = world.server.object(ROUTE).unwrap();
    route["spec"]["http"][0]["route"] = weighted(50);
    world.server.put(ROUTE, route);
    let done = world.carry_out(Effect::LowerWeight(10)).await;
    assert!(matches!(done.result, Ok(true)), "{:?}", done.result);
    assert_eq!(world.server.requests(), [format!("GET {ROUTE}"), format!("PATCH {ROUTE}")]);
    assert_eq!(weight(&world.server, ROUTE), 10);
    // It is as it should be, whatever the plan saw.
    let done = world.carry_out(Effect::LowerWeight(10)).await;
    assert!(matches!(done.result, Ok(false)), "{:?}", done.result);
}

#[tokio::test]
async fn what_a_person_took_away_meanwhile_is_not_given_back_by_a_lowering() {
    let world = World::at(10);
    let mut route = world.server.object(ROUTE).unwrap();
    route["spec"]["http"][0]["route"] = weighted(0);
    world.server.put(ROUTE, route);
    let done = world.carry_out(Effect::LowerWeight(10)).await;
    assert!(matches!(done.result, Ok(false)), "{:?}", done.result);
    assert!(patches(&world.server).is_empty());
    assert_eq!(weight(&world.server, ROUTE), 0);
}

#[tokio::test]
async fn weight_is_cut_off_only_where_the_server_says_that_the_role_is_elsewhere() {
    for (server_says, cuts) in [(Color::Green, false), (Color::Blue, true)] {
        let world = World::at(10);
        let slot = world.seen.snapshot.record.candidate.expect("a candidate").slot;
        let live = world.seen.snapshot.record.live.expect("a live release").slot;
        let stores = &world.reconciler.tools.stores;
        let select = |slot: teal_plan::Slot| {
            let mut service = world.server.object(&path_of("web-candidate")).unwrap();
            service["spec"]["selector"][label::COLOR] = json!(slot.color.as_str());
            service["spec"]["selector"][label::REVISION] = json!(slot.revision.to_string());
            world.server.put(&path_of("web-candidate"), service);
        };
        // The cache has the other one.
        select(if cuts { slot } else { live });
        stores.offer(kinds::SERVICE, &world.server.object(&path_of("web-candidate")).unwrap());
        select(if cuts { live } else { slot });
        let done = world.carry_out(Effect::CutOff(slot)).await;
        assert!(matches!(done.result, Ok(cut) if cut == cuts), "{server_says}: {:?}", done.result);
        assert_eq!(weight(&world.server, ROUTE), if cuts { 0 } else { 10 }, "{server_says}");
        assert_eq!(patches(&world.server).len(), usize::from(cuts), "{server_says}");
    }
}

/// What somebody else called as Teal's copy would be is theirs.
#[tokio::test]
async fn the_name_of_a_copied_rule_is_taken() {
    let policy = || json!({"host": "web", "trafficPolicy": {"tls": {"mode": "SIMPLE"}}});
    for taken in [true, false] {
        let world = World::with(0, |hand| {
            hand.named_around(kinds::DESTINATION_RULE, "shop", "theirs", &policy());
            if taken {
                let spec = json!({"host": "elsewhere"});
                hand.named_around(kinds::DESTINATION_RULE, "shop", "theirs-candidate", &spec);
            }
        });
        let done = world.carry_out(Effect::EnterRoutes).await;
        let rules: Vec<String> = world
            .server
            .requests()
            .into_iter()
            .filter(|request| request.contains("destinationrules"))
            .collect();
        if taken {
            let Err(refused @ Error::NameTaken { .. }) = done.result else { panic!("{:?}", done.result) };
            let said = refused.to_string();
            assert!(said.starts_with("DestinationRule shop/theirs-candidate exists"), "{said}");
            assert_eq!(rules, [""; 0], "it is left as it is");
        } else {
            assert!(matches!(done.result, Ok(true)), "{:?}", done.result);
            assert_eq!(rules, [format!("POST {RULES}")]);
        }
    }
}

//! Copies of DestinationRules whose sources change while a candidate is tried.

use serde_json::{Value, json};
use teal_api::Rollout;
use teal_api::names::{annotation, label};
use teal_plan::Time;

use super::served;
use super::server::{Manner, Server};
use crate::error::{Class, Error};
use crate::execute::keep;
use crate::kinds;
use crate::observe::Seen;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::Reconciler;
use crate::stores::View;

const RULES: &str = "/apis/networking.istio.io/v1/namespaces/shop/destinationrules";
const COPY: &str = "/apis/networking.istio.io/v1/namespaces/shop/destinationrules/theirs-candidate";

/// Green has 10 %, and a copy as its source was when that began.
struct World {
    server: Server,
    reconciler: Reconciler,
    rollout: Rollout,
    seen: Seen,
}

impl World {
    /// With the source that there is now: its name and its policy.
    fn with(source: Option<(&str, &Value)>) -> Self {
        let mut hand = Hand::new();
        hand.install();
        hand.at_step(10, Time(0));
        if let Some((name, policy)) = source {
            let spec = json!({"host": "web", "trafficPolicy": policy});
            hand.named_around(kinds::DESTINATION_RULE, "shop", name, &spec);
        }
        hand.copied_rule(&json!({"host": "web-candidate", "exportTo": ["."], "trafficPolicy": before()}));
        let (rollout, seen) = (hand.rollout(), hand.look(0));
        let (server, reconciler) = served(hand);
        let stores = &reconciler.tools.stores;
        for rule in stores.destination_rules.group("shop", "") {
            let path = format!("{RULES}/{}", rule.id().name);
            server.put(&path, rule.value());
            stores.offer(kinds::DESTINATION_RULE, &server.object(&path).expect("a rule"));
        }
        Self { server, reconciler, rollout, seen }
    }

    async fn keep(&self) -> Result<bool, Error> {
        assert!(self.seen.rules_outdated);
        let (done, _) = keep::up(&self.reconciler.tools, &self.rollout, &self.seen).await;
        done.into_iter().find(|done| done.effect == "KeepRules").expect("rules are kept").result
    }

    /// What was asked about rules.
    fn asked(&self) -> Vec<String> {
        let all = self.server.requests().into_iter();
        all.filter(|request| request.contains("destinationrules")).collect()
    }
}

fn before() -> Value {
    json!({"tls": {"mode": "ISTIO_MUTUAL"}, "loadBalancer": {"simple": "LEAST_REQUEST"}})
}

fn after() -> Value {
    json!({"outlierDetection": {"consecutive5xxErrors": 5},
        "loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}})
}

#[tokio::test]
async fn rule_9_what_the_owner_took_out_goes_from_the_copy_and_no_further_write_follows() {
    let world = World::with(Some(("theirs", &after())));
    assert!(world.keep().await.expect("it is written"));
    let copy = world.server.object(COPY).expect("a copy");
    assert_eq!(copy["spec"], json!({"host": "web-candidate", "trafficPolicy": after()}));
    let (names, metadata) = (&world.seen.names, &copy["metadata"]);
    assert_eq!(metadata["labels"][label::ROLLOUT_UID], names.uid, "a backup had brought it back");
    assert_eq!(metadata["labels"]["team"], "edge", "what others noted stays");
    assert_eq!(metadata["annotations"][annotation::epoch(&names.uid)], "1");
    assert!(!world.keep().await.expect("nothing is to be written"));
    assert_eq!(world.asked(), [format!("PATCH {COPY}")]);
}

#[tokio::test]
async fn a_copy_that_was_touched_since_it_was_seen_is_left_to_the_next_look() {
    for field in ["note", "uid"] {
        let world = World::with(Some(("theirs", &after())));
        let mut touched = world.server.object(COPY).expect("a copy");
        touched["metadata"][field] = json!("of another");
        world.server.put(COPY, touched.clone());
        assert_eq!(world.keep().await.map_err(|error| error.class()), Err(Class::Conflict), "{field}");
        assert_eq!(world.server.object(COPY).expect("a copy")["spec"], touched["spec"], "{field}");
    }
}

#[tokio::test]
async fn rule_9_a_copy_goes_with_its_source_once_another_that_holds_has_its_own() {
    let world = World::with(None);
    assert!(world.keep().await.expect("it is removed"));
    assert_eq!(world.asked(), [format!("DELETE {COPY}")]);
    let world = World::with(Some(("anew", &after())));
    world.server.answers("POST", "/destinationrules", Manner::Refused(403));
    world.keep().await.expect_err("none can be made");
    assert_eq!(world.asked(), [format!("POST {RULES}")], "the former one holds");
    world.server.mend();
    assert!(world.keep().await.expect("made and removed"));
    assert_eq!(world.asked()[1..], [format!("POST {RULES}"), format!("DELETE {COPY}")]);
    let copy = world.server.object(&format!("{RULES}/anew-candidate")).expect("a copy");
    assert_eq!(copy["spec"], json!({"host": "web-candidate", "trafficPolicy": after()}));
}

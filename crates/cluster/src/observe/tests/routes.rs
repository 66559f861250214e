//! What is made out of managed routes.

use serde_json::json;
use teal_plan::snapshot::Form;

use super::cluster::Hand;

#[test]
fn a_route_that_can_not_be_managed_is_seen_with_what_it_sends_to_the_candidate() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    let subset = |candidate: Option<u8>| {
        let live =
            json!({"destination": {"host": "web", "subset": "v1"}, "weight": 100 - candidate.unwrap_or(0)});
        let candidate =
            candidate.map(|weight| json!({"destination": {"host": "web-candidate"}, "weight": weight}));
        json!([live].into_iter().chain(candidate).collect::<Vec<_>>())
    };
    for (candidate, form) in [
        (Some(90), Form::Mixed { highest: 90, owner: true }),
        (Some(0), Form::Mixed { highest: 0, owner: true }),
        (None, Form::Broken),
    ] {
        hand.route(&subset(candidate), "kubectl-edit");
        let world = hand.look(0).snapshot.world;
        assert_eq!(world.routes.form, form);
        assert_eq!(world.routes.foreign.map(|foreign| foreign.manager).as_deref(), Some("kubectl-edit"));
        assert!(world.obstacles.iter().any(|obstacle| obstacle.reason == "RouteUnsupported"));
    }
}

use serde_json::json;
use teal_plan::snapshot::Stops;

use super::cluster::Hand;
use crate::kinds;

/// A promotion that was begun ends also with a spec that can't be used any more, and whom it makes jump must be known then.
#[test]
fn rule_12_routes_that_are_not_listed_are_known_also_where_the_spec_can_not_be_used() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    let route = json!({"hosts": ["partner"], "http": [{"route": [{"destination": {"host": "web"}}]}]});
    hand.around(kinds::VIRTUAL_SERVICE, "shop", &route);
    let limits = json!({"min": "2%", "max": "1%"});
    hand.field("checks", json!([{"name": "errors", "query": "x", "threshold": limits}]));
    let seen = hand.look(0).snapshot;
    let told: Vec<(&str, Stops)> =
        seen.world.obstacles.iter().map(|found| (found.reason.as_str(), found.stops)).collect();
    assert_eq!(told, [("SpecInvalid", Stops::Everything), ("UnmanagedRoutes", Stops::Nothing)]);
}

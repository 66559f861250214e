//! What is made out of managed routes.

use serde_json::json;
use teal_plan::snapshot::{Form, Stops};

use super::cluster::Hand;
use super::told;
use crate::kinds;

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

/// A route without live is not among those that are managed; where others are, nothing refuses it.
#[test]
fn a_candidate_that_is_left_alone_in_one_of_two_routes_is_seen_with_all_that_the_route_gets() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    hand.point_candidate();
    let to = |host: &str, weight: u8| json!({"destination": {"host": host}, "weight": weight});
    let whole = json!([to("web", 90), to("web-candidate", 10)]);
    let home = json!([to("web", 100), to("web-candidate", 0)]);
    let alone = json!([to("web-candidate", 100)]);
    for (api, rest, form, count) in [
        (&whole, &whole, Form::Entered(10), 0),
        (&alone, &whole, Form::Mixed { highest: 100, owner: true }, 1),
        (&alone, &home, Form::Mixed { highest: 100, owner: true }, 1),
        (&home, &home, Form::Entered(0), 0),
    ] {
        hand.two_routes(api, rest);
        let world = hand.look(0).snapshot.world;
        assert_eq!(world.routes.form, form, "{api} {rest}");
        let told: Vec<_> =
            world.obstacles.iter().filter(|one| one.message.contains("spec.http[0]")).collect();
        assert_eq!(told.len(), count, "{told:?}");
        assert!(
            told.iter().all(|one| one.reason == "RouteNotFound" && one.stops == Stops::Rollout),
            "{told:?}"
        );
    }
}

/// As when Teal has noted nothing: both names are the same pods, and a preview of the candidate's is the owner's own.
#[test]
fn a_candidate_that_stands_alone_by_its_owners_will_is_the_owners_form() {
    let mut hand = Hand::new();
    hand.install();
    hand.own_route(&json!([{"destination": {"host": "web"}}]), None);
    hand.put_first(&json!({"name": "preview", "route": [{"destination": {"host": "web-candidate"}}]}));
    let world = hand.look(0).snapshot.world;
    assert_eq!((world.routes.form, world.obstacles), (Form::Owner, vec![]));
    hand.start_candidate(10);
    hand.route(&json!([{"destination": {"host": "web"}}]), "owner");
    hand.put_first(&json!({"name": "preview", "route": [{"destination": {"host": "web-candidate"}}]}));
    assert_eq!(hand.look(0).snapshot.world.routes.form, Form::Owner, "none of what was noted");
}

/// What is noted goes with the rollout, also where another hand gave the routes back before Teal did.
#[test]
fn a_note_that_outlived_its_rollout_is_taken_away() {
    let mut hand = Hand::new();
    hand.install();
    let owners = json!([{"destination": {"host": "web"}}]);
    hand.noted_route(&owners, "owner", true);
    assert_eq!(hand.look(0).snapshot.world.routes.form, Form::Mixed { highest: 0, owner: true });
    hand.own_route(&owners, None);
    assert_eq!(hand.look(0).snapshot.world.routes.form, Form::Owner);
    hand.start_candidate(10);
    hand.route(&owners, "owner");
    assert_eq!(hand.look(0).snapshot.world.routes.form, Form::Owner, "it is needed for the way back");
}

/// To create what is there would be wrong advice.
#[test]
fn a_route_that_the_account_may_not_read_is_not_said_to_be_missing() {
    let mut hand = Hand::new();
    hand.install();
    hand.without_route();
    assert_eq!(told(&mut hand, 0, "VirtualServiceNotFound").len(), 1);
    hand.stores.set_refused(kinds::VIRTUAL_SERVICE, true);
    assert_eq!(told(&mut hand, 0, "VirtualServiceNotFound"), [] as [&str; 0]);
    let found = told(&mut hand, 0, "NotPermitted");
    assert_eq!(found.len(), 1, "{found:?}");
    for words in
        ["VirtualService shop/web, named in spec.traffic.virtualServices", "grant it get, list and watch"]
    {
        assert!(found[0].contains(words), "{found:?}");
    }
}

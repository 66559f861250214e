//! What is known of a color that doesn't serve, or doesn't go.

use teal_plan::Color;

use super::cluster::Hand;

/// What is wrong with blue, which is live, where no pod of it serves.
fn of_dead_live(hand: &mut Hand) -> Option<String> {
    for service in ["web", "web-candidate"] {
        hand.endpoints(service, &[]);
    }
    let blue = hand.look(0).snapshot.world.blue;
    assert_eq!(blue.serving, [0]);
    blue.trouble
}

#[test]
fn a_deployment_that_was_told_to_have_no_pods_is_named_where_nothing_serves() {
    let mut hand = Hand::new();
    hand.install();
    hand.alter("web-blue", |view| view.state.as_mut().unwrap().replicas = 0);
    assert_eq!(hand.look(0).snapshot.world.blue.trouble, None, "its pods still serve");
    assert_eq!(of_dead_live(&mut hand).as_deref(), Some("Deployment web-blue: spec.replicas is 0"));
}

//! Releases of which nothing is kept while the spec asks for another.

use serde_json::json;
use teal_plan::snapshot::{ColorSeen, Objects, Stops};
use teal_plan::{Color, Time};

use super::cluster::Hand;
use crate::kinds;
use crate::observe::Seen;

const WORKER: &str = "worker-blue";

/// With a worker that runs in live alone.
fn installed() -> Hand {
    let mut hand = Hand::new();
    let labels = json!({"app": "worker"});
    hand.manifest(json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "worker", "annotations": {"teal.dev/fate": "LiveOnly"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "worker"}]}}}}));
    hand.install();
    hand
}

fn told(seen: &Seen) -> Option<(Stops, String)> {
    let mut all = seen.snapshot.world.obstacles.iter();
    all.find(|found| found.reason == "ContentLost").map(|found| (found.stops, found.message.clone()))
}

fn role_of(seen: &ColorSeen) -> (bool, bool) {
    (seen.works, matches!(seen.objects, Objects::Present { in_sync: true, .. }))
}

#[test]
fn live_of_which_nothing_is_kept_is_told_unless_the_spec_has_it() {
    let mut hand = installed();
    let revision = hand.slot(Color::Blue).revision.to_string();
    hand.lose_content(Color::Blue);
    assert_eq!(told(&hand.look(0)), None, "the spec has it");
    hand.spec("/release/manifests/0/spec/template/spec/containers/0/image", json!("web:2"));
    let (stops, said) = told(&hand.look(0)).expect("it is told");
    assert_eq!(stops, Stops::Nothing);
    for word in [&format!("shop/web-{revision}"), "(blue), which is live", "spec.release once", "backup"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn what_works_by_itself_in_an_unknown_release_that_is_not_live_is_out_of_its_role() {
    let mut hand = installed();
    hand.at_step(10, Time(0));
    hand.promote_second();
    assert_eq!(role_of(&hand.look(0).snapshot.world.blue), (false, true), "it may only not be read yet");
    hand.lose_content(Color::Blue);
    let seen = hand.look(0);
    assert_eq!(role_of(&seen.snapshot.world.blue), (true, false));
    let (_, said) = told(&seen).expect("it is told");
    assert!(said.contains("the other color's") && !said.contains("spec.release once"), "{said}");
    hand.alter_any(kinds::DEPLOYMENT, WORKER, |view| view.rests = true);
    assert_eq!(role_of(&hand.look(0).snapshot.world.blue), (false, true));
    hand.alter_any(kinds::DEPLOYMENT, WORKER, |view| (view.rests, view.live_only) = (false, false));
    assert_eq!(role_of(&hand.look(0).snapshot.world.blue), (false, true), "it works in both colors");
}

#[test]
fn what_rests_in_an_unknown_live_is_out_of_its_role() {
    let mut hand = installed();
    hand.spec("/release/manifests/0/spec/template/spec/containers/0/image", json!("web:2"));
    hand.lose_content(Color::Blue);
    assert_eq!(role_of(&hand.look(0).snapshot.world.blue), (false, true));
    hand.alter_any(kinds::DEPLOYMENT, WORKER, |view| view.rests = true);
    assert_eq!(role_of(&hand.look(0).snapshot.world.blue), (false, false));
}

/// A promotion would leave nothing that says where live's pods listen.
#[test]
fn a_release_that_leads_ports_elsewhere_is_not_begun_while_lives_is_lost() {
    let mut hand = installed();
    hand.lose_content(Color::Blue);
    hand.spec("/release/manifests/0/spec/template/spec/containers/0/image", json!("web:2"));
    let stops = |hand: &mut Hand| {
        let seen = hand.look(0);
        let mut all = seen.snapshot.world.obstacles.iter();
        all.find(|found| found.reason == "ContentLost" && found.stops == Stops::Rollout)
            .map(|found| found.message.clone())
    };
    assert_eq!(stops(&mut hand), None, "its ports are the same");
    hand.spec("/release/manifests/1/spec/ports", json!([{"port": 80, "targetPort": 9080}]));
    let said = stops(&mut hand).expect("it is in the way");
    assert!(said.contains("Service shop/web") && said.contains("spec.release once"), "{said}");
    hand.keep(Color::Blue, &["web"]);
    hand.memory.lost.clear();
    assert_eq!(stops(&mut hand), None, "what is kept says where they lead");
}

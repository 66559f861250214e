//! What both colors share, while the spec asks for another release than live.

use serde_json::{Value, json};
use teal_plan::Color;
use teal_plan::snapshot::{Objects, Stops};

use super::cluster::Hand;
use super::told;
use crate::kinds::{self, Known};

const LABEL: &str = "/release/manifests/0/spec/template/metadata/labels/app";
const SELECTOR: &str = "/release/manifests/2/spec/podSelector";

fn policy() -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "guard"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": []}})
}

/// Live has a policy for its pods, and an account; what it is made of is kept.
fn installed() -> Hand {
    let mut hand = Hand::new();
    hand.manifest(policy());
    hand.manifest(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "clerk"}}));
    hand.install();
    hand.keep(Color::Blue, &["web"]);
    hand
}

/// The pods of the next release have other labels.
fn relabelled() -> Hand {
    let mut hand = installed();
    for label in [
        LABEL,
        "/release/manifests/0/spec/selector/matchLabels/app",
        "/release/manifests/1/spec/selector/app",
    ] {
        hand.spec(label, json!("shop"));
    }
    hand
}

fn any(values: &[&str]) -> Value {
    json!({"matchExpressions": [{"key": "app", "operator": "In", "values": values}]})
}

#[test]
fn a_release_that_takes_a_shared_policy_from_lives_pods_does_not_start() {
    for (what, selector, lost) in [
        ("the new label", json!({"matchLabels": {"app": "shop"}}), true),
        ("a color", json!({"matchLabels": {"app": "web", "teal.dev/color": "green"}}), true),
        ("as it was", json!({"matchLabels": {"app": "web"}}), false),
        ("both labels", any(&["web", "shop"]), false),
        ("what all pods of the Rollout have", json!({"matchLabels": {"teal.dev/rollout": "web"}}), false),
        ("all pods", json!({}), false),
    ] {
        let mut hand = relabelled();
        hand.spec(SELECTOR, selector);
        let seen = hand.look(0).snapshot;
        let stopped = seen.stopped(Stops::Rollout).map(|obstacle| obstacle.reason.as_str());
        assert_eq!(stopped, lost.then_some("PolicyGap"), "{what}");
    }
}

#[test]
fn what_would_be_lost_is_named_with_what_mends_it() {
    let mut hand = relabelled();
    hand.spec(SELECTOR, any(&["shop"]));
    let found = told(&mut hand, 0, "PolicyGap");
    let message = found.first().expect("an obstacle");
    for words in [
        "NetworkPolicy guard: spec.podSelector",
        "Deployment web-blue",
        "teal.dev/rollout: web",
        "another metadata.name",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    hand.spec("/release/manifests/2/metadata/name", json!("guard-of-shop"));
    assert_eq!(told(&mut hand, 0, "PolicyGap"), [] as [&str; 0], "the former one stays");
}

/// To hold it at its weight would give live nothing back.
#[test]
fn what_is_being_tried_is_not_held_for_what_it_has_taken() {
    let mut hand = relabelled();
    hand.spec(SELECTOR, any(&["shop"]));
    hand.start_candidate(10);
    assert_eq!(told(&mut hand, 0, "PolicyGap"), [] as [&str; 0]);
}

fn is_in_sync(hand: &mut Hand) -> bool {
    matches!(hand.look(0).snapshot.world.blue.objects, Objects::Present { in_sync: true, .. })
}

fn policies() -> Known {
    kinds::find("networking.k8s.io", "NetworkPolicy").expect("a kind")
}

/// A rollback leaves an account in its new form, for others may go by that already; live's pods go by live's policies.
#[test]
fn of_what_was_sent_back_no_policy_stays_in_its_form() {
    let account = kinds::find("", "ServiceAccount").expect("a kind");
    for (kind, name, missed) in [(policies(), "guard", true), (account, "clerk", false)] {
        let mut hand = installed();
        hand.spec("/release/manifests/2/spec/ingress", json!([{}]));
        hand.start_candidate(10);
        hand.alter_any(kind, name, |view| view.content = Some("of what is tried".into()));
        assert!(is_in_sync(&mut hand), "{name}: what is tried answers for it");
        hand.lead_back();
        assert!(is_in_sync(&mut hand), "{name}: nothing is undone on the way");
        hand.keep_failed();
        assert_eq!(!is_in_sync(&mut hand), missed, "{name}");
    }
}

/// The form that it got stands after a rollback; but live can't do without it.
#[test]
fn what_live_shares_and_somebody_takes_is_missed_whatever_the_spec_asks_for() {
    let account = kinds::find("", "ServiceAccount").expect("a kind");
    let mut hand = installed();
    hand.start_candidate(10);
    hand.lead_back();
    hand.keep_failed();
    assert!(is_in_sync(&mut hand));
    hand.lose_any(account, "clerk");
    assert!(!is_in_sync(&mut hand));
}

use serde_json::json;
use teal_plan::record::Leaving;
use teal_plan::{CONNECTIONS, Color, Time};

use super::{Question, Subject, questions};
use crate::observe::tests::cluster::Hand;

/// What the placeholders of queries stand for.
fn asked(hand: &mut Hand) -> Subject {
    let seen = hand.look(0);
    questions(&hand.rollout(), &seen, &[]).subject
}

fn subject(hand: &mut Hand) -> (Option<String>, Option<String>, String) {
    let subject = asked(hand);
    (subject.color, subject.other_color, subject.role)
}

#[test]
fn queries_are_of_the_candidate_beside_live_and_after_promotion_of_live_beside_what_is_kept() {
    let some = |color: &str| Some(color.to_owned());
    let mut hand = Hand::new();
    hand.install();
    assert_eq!(subject(&mut hand), (some("blue"), None, "live".to_owned()));
    hand.start_candidate(10);
    assert_eq!(subject(&mut hand), (some("green"), some("blue"), "candidate".to_owned()));
    hand.promote_second();
    assert_eq!(
        subject(&mut hand),
        (some("green"), some("blue"), "live".to_owned()),
        "the same color is meant"
    );
}

#[test]
fn queries_name_the_first_traffic_service_its_companion_and_the_revision() {
    let mut hand = Hand::new();
    hand.manifest(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 81}]}}));
    hand.spec("/traffic/services", json!([{"name": "web"}, {"name": "api"}]));
    hand.install();
    for (color, begin) in [(Color::Blue, None), (Color::Green, Some(10))] {
        if let Some(weight) = begin {
            hand.start_candidate(weight);
        }
        let subject = asked(&mut hand);
        assert_eq!(subject.service.as_deref(), Some("web"));
        assert_eq!(subject.candidate_service.as_deref(), Some("web-candidate"));
        assert_eq!(subject.revision, Some(hand.slot(color).revision.to_string()));
    }
}

/// The one question of the check `errors`.
fn question(hand: &mut Hand) -> Question {
    let seen = hand.look(0);
    let mut questions = questions(&hand.rollout(), &seen, &["errors".to_owned()]);
    questions.checks.remove(0)
}

#[test]
fn evidence_of_a_step_begins_when_it_is_reached_and_a_guards_is_of_one_attempt() {
    let mut hand = Hand::new();
    hand.field("checks", json!([{"name": "errors", "query": "x", "threshold": {"max": "1%"}}]));
    hand.install();
    hand.start_candidate(10);
    assert_eq!(question(&mut hand).place, None, "its weight is not there yet");
    hand.reach(7_000);
    let asked = question(&mut hand);
    assert_eq!(asked.place, Some(("canary".to_owned(), Time(7_000))));
    let revision = hand.slot(Color::Green).revision;
    assert_eq!(asked.attempt, format!("{revision}#1"));
    assert_eq!(asked.max.as_deref(), Some("1%"));
    hand.promote_second();
    let after = question(&mut hand);
    assert_eq!((after.place, after.attempt), (None, asked.attempt), "a guard goes on with the same release");
}

/// The pure room repeats the name.
#[test]
fn open_connections_have_one_name_in_all_rooms() {
    assert_eq!(CONNECTIONS, teal_api::names::DRAIN);
}

#[test]
fn open_connections_are_asked_of_the_color_that_goes_and_of_nothing_else() {
    let mut hand = Hand::new();
    let mut traffic = serde_json::to_value(hand.rollout().spec.traffic).unwrap();
    traffic["drain"] = json!({"query": "open{c=\"$(color)\"}"});
    hand.spec("/traffic", traffic);
    hand.install();
    hand.start_candidate(10);
    hand.promote_second();
    let mut seen = hand.look(0);
    let former = seen.snapshot.record.previous.take().unwrap().slot;
    seen.snapshot.record.leaving = Some(Leaving { revision: Some(former.revision), over: false });
    let asked = questions(&hand.rollout(), &seen, &[CONNECTIONS.to_owned()]);
    let Subject { color, revision, other_color, .. } = asked.subject;
    assert_eq!(
        (color, other_color),
        (Some(former.color.to_string()), Some(former.color.other().to_string()))
    );
    assert_eq!(revision, Some(former.revision.to_string()));
    let question = &asked.checks[0];
    assert_eq!((question.counts, question.max.as_deref(), question.probe), (true, Some("0"), false));
    seen.snapshot.record.leaving = Some(Leaving { revision: None, over: false });
    assert_eq!(questions(&hand.rollout(), &seen, &[CONNECTIONS.to_owned()]).subject.revision, None);
}

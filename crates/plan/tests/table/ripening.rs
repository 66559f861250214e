//! Pods that must be so old before a step is over.

use teal_plan::record::{Gate, Phase};
use teal_plan::report::report;
use teal_plan::snapshot::{Action, DecisionSeen, Youngest};
use teal_plan::{Decision, Snapshot, Span, Time, Why};

use crate::fixture::*;

const AGE: Span = Span::seconds(120);

/// At 10 % for three minutes, and only the age of pods is waited for; the youngest got ready so many milliseconds ago.
fn ripening(ago: i64) -> Snapshot {
    let mut s = reached("canary", 10, Time(NOW.0 - 180_000));
    s.settings.steps[0].hold = Span(0);
    s.settings.steps[0].min_pod_age = AGE;
    s.world.green.youngest = Some(Youngest { pod: "web-green-a".to_owned(), since: Time(NOW.0 - ago) });
    s
}

fn next_step(s: &Snapshot) -> String {
    match committed(s).0.phase {
        Phase::Step(place) => place.step,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_step_ends_once_its_youngest_pod_is_old_enough() {
    let mut s = ripening(119_000);
    let plan = checked(&s);
    assert_eq!((&plan.decision, plan.wake_at), (&Decision::Rest, Some(Time(NOW.0 + 1_000))));
    let step = "canary".to_owned();
    let youngest = Some("web-green-a".to_owned());
    assert_eq!(plan.why, [Why::Ripening { step, age: AGE, youngest, late: true }]);
    s.now = Time(NOW.0 + 1_000);
    assert_eq!(next_step(&s), "full");
}

#[test]
fn message_and_waiting_for_name_the_age_and_the_youngest_pod() {
    let told = |s: &Snapshot| report(s, &checked(s));
    let mut s = ripening(190_000);
    s.settings.steps[0].min_pod_age = Span::seconds(300);
    let begins = told(&s);
    assert_eq!((begins.phase, begins.waiting_for.as_deref()), ("Checking", Some("pod age")));
    let says = "waits until every pod has been ready for 300 s (minPodAge): web-green-a is the youngest";
    assert!(begins.message.contains(says), "{}", begins.message);
    assert!(!begins.message.contains("starts anew"), "it was ready before the step began");
    let restarted = told(&ripening(1_000));
    assert!(restarted.message.contains("web-green-a got ready after the step began, and starts anew"));
    s.world.green.youngest = None;
    let plan = checked(&s);
    assert_eq!((&plan.decision, plan.wake_at), (&Decision::Rest, None), "its pods bring about a look");
    assert!(told(&s).message.contains("(minPodAge): none is ready now"));
}

#[test]
fn a_pod_that_restarts_starts_anew() {
    let mut s = ripening(121_000);
    assert_eq!(next_step(&s), "full");
    s.world.green.youngest = Some(Youngest { pod: "web-green-b".to_owned(), since: NOW });
    assert_eq!(checked(&s).wake_at, Some(NOW + AGE));
    assert_eq!(effects(&s), []);
}

#[test]
fn people_are_asked_once_the_pods_are_old_enough_and_their_votes_wait_for_them() {
    let mut s = ripening(1_000);
    s.settings.steps[0].approvals = Some(1);
    assert_eq!(effects(&s), [], "not asked yet");
    s.record.phase = seated(s.clone()).record.phase;
    if let Phase::Step(place) = &mut s.record.phase {
        let nonce = "n0".to_owned();
        place.gate = Some(Gate { nonce, evidence: None, opened: NOW, needed: 1, votes: Vec::new() });
    }
    s.decisions = vec![DecisionSeen {
        name: "web-1".to_owned(),
        uid: "1".to_owned(),
        made: NOW,
        same_rollout: true,
        action: Action::Approve,
        revision: Some(candidate().revision.to_string()),
        step: Some("canary".to_owned()),
        nonce: Some("n0".to_owned()),
        evidence: None,
        user: "ana".to_owned(),
        via: "cli".to_owned(),
        reason: String::new(),
    }];
    assert_eq!(next_step(&s), "canary", "a pod restarted since they were asked");
    s.world.green.youngest = Some(Youngest { pod: "web-green-a".to_owned(), since: LONG_AGO });
    assert_eq!(next_step(&s), "full");
}

#[test]
fn a_last_step_that_waits_for_the_age_of_pods_is_no_bare_one() {
    let mut s = ripening(121_000);
    s.settings.steps[1].hold = Span(0);
    assert!(matches!(committed(&s).0.phase, Phase::Promoting { .. }));
    s.settings.steps[1].min_pod_age = AGE;
    assert_eq!(next_step(&s), "full");
}

/// Else every open question would be asked anew when an operator comes that knows of this gate.
#[test]
fn a_step_that_does_not_ask_for_it_is_known_as_before() {
    let s = reached("canary", 10, LONG_AGO);
    let asks = teal_plan::settings::Step { min_pod_age: AGE, ..s.settings.steps[0].clone() };
    assert_eq!(s.settings.steps[0].terms(), TERMS_OF_A_MINUTES_HOLD);
    assert_ne!(asks.terms(), s.settings.steps[0].terms(), "an edit of it asks anew");
}

/// Of a hold of 60 s, no checks and nobody who is asked.
const TERMS_OF_A_MINUTES_HOLD: u32 = 0x7112_8d78;

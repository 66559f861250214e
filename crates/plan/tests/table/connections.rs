//! Open connections of a color without traffic are awaited before it goes.

use teal_plan::outcome::{Effect, Ruling};
use teal_plan::record::{Leaving, Outcome};
use teal_plan::snapshot::{Action, Form, Objects, Snapshot, Standing};
use teal_plan::{CONNECTIONS, Color, Decision, Phase, Revision, Span, Time, Why};

use super::decisions::decision;
use super::fixture::*;

const LIMIT: Span = Span::seconds(1800);

/// The number of open connections as metrics give it: none is an answer like any other.
fn open(count: &str) -> (String, teal_plan::snapshot::CheckSeen) {
    let verdict = if count == "0" { Standing::Pass } else { Standing::Pending };
    let (name, mut seen) = standing(CONNECTIONS, verdict);
    count.clone_into(&mut seen.detail);
    (name, seen)
}

fn asks(s: &Snapshot) -> bool {
    checked(s).measure.iter().any(|name| name == CONNECTIONS)
}

fn said(s: &Snapshot) -> Option<(Option<String>, Time)> {
    checked(s).why.iter().find_map(|why| match why {
        Why::Draining { color: Color::Blue, revision, open, until } => {
            assert_eq!(*revision, Some(live().revision));
            Some((open.clone(), *until))
        }
        _ => None,
    })
}

/// The former release was let go a moment ago, and its last requests have had their time.
fn leaving() -> Snapshot {
    let mut s = kept();
    s.settings.connections = Some(LIMIT);
    s.record.previous = None;
    s.record.kept_until = None;
    s.record.vacate_after = Some(NOW);
    s.record.leaving = Some(Leaving { revision: Some(live().revision), over: false });
    s.world.blue.objects = Objects::Leftover;
    s
}

#[test]
fn rule_16_what_was_kept_is_awaited_from_the_end_of_its_time_on() {
    let mut s = kept();
    s.settings.connections = Some(LIMIT);
    assert!(!asks(&s), "nobody waits for it yet");
    s.now = NOW + Span::seconds(100);
    let (record, _) = committed(&s);
    assert_eq!(record.leaving, Some(Leaving { revision: Some(live().revision), over: false }));
    s.record = record;
    assert!(asks(&s));
    assert_eq!(said(&s), Some((None, s.now + LIMIT)));
    let plan = checked(&s);
    assert_eq!((plan.decision, plan.wake_at), (Decision::Rest, Some(s.now + LIMIT)));
}

#[test]
fn without_the_field_nothing_of_it_is_committed_or_asked() {
    let mut s = kept();
    s.now = NOW + Span::seconds(100);
    let (record, _) = committed(&s);
    assert_eq!(record.leaving, None);
    s.record = record;
    assert!(!asks(&s));
    assert_eq!(effects(&s), [Effect::Vacate { color: Color::Blue, except: None }]);
}

#[test]
fn rule_16_open_connections_are_awaited_and_told() {
    let mut s = leaving();
    s.checks = vec![open("137")];
    assert_eq!(said(&s), Some((Some("137".to_owned()), NOW + LIMIT)));
    assert_eq!(effects(&s), []);
    s.checks = vec![blind(CONNECTIONS, Standing::Blind)];
    assert_eq!(effects(&s), [], "that nobody knows is no 0");
}

#[test]
fn rule_16_once_all_have_ended_it_goes_at_once_and_whatever_is_said_later() {
    let mut s = leaving();
    s.checks = vec![open("0")];
    let (record, _) = committed(&s);
    assert_eq!(record.leaving, Some(Leaving { revision: Some(live().revision), over: true }));
    s.record = record;
    s.checks = vec![open("3")];
    assert!(!asks(&s));
    assert_eq!(effects(&s), [Effect::Vacate { color: Color::Blue, except: None }]);
}

#[test]
fn rule_16_it_goes_when_its_time_is_over_and_not_before() {
    let mut s = leaving();
    s.checks = vec![open("137")];
    s.now = Time(NOW.0 + LIMIT.0 - 1);
    assert_eq!(effects(&s), []);
    s.now = NOW + LIMIT;
    s.record = committed(&s).0;
    assert_eq!(effects(&s), [Effect::Vacate { color: Color::Blue, except: None }]);
}

/// The last requests may open more of them.
#[test]
fn rule_16_nobody_counts_before_the_drain_is_over() {
    let mut s = leaving();
    s.world.live_service.turned = NOW;
    assert!(!asks(&s));
    s.checks = vec![open("0")];
    assert_eq!(effects(&s), []);
    assert_eq!(s.record.leaving.map(|leaving| leaving.over), Some(false));
}

#[test]
fn a_longer_or_shorter_time_counts_from_the_same_beginning() {
    let mut s = leaving();
    for seconds in [60, 7200] {
        s.settings.connections = Some(Span::seconds(seconds));
        assert_eq!(said(&s).map(|(_, until)| until), Some(NOW + Span::seconds(seconds)));
    }
    s.settings.connections = None;
    assert_eq!(
        effects(&s),
        [Effect::Vacate { color: Color::Blue, except: None }],
        "nobody asks for it any more"
    );
}

#[test]
fn a_new_revision_waits_for_the_slot_until_they_have_ended() {
    let mut s = leaving();
    s.settings.wanted = Some(content(3));
    s.checks = vec![open("5")];
    assert_eq!(effects(&s), []);
    assert_eq!(said(&s), Some((Some("5".to_owned()), NOW + LIMIT)));
    s.checks = vec![open("0")];
    s.record = committed(&s).0;
    assert_eq!(effects(&s), [Effect::Vacate { color: Color::Blue, except: None }]);
    s.world.blue = absent();
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Step(_)));
    assert_eq!(record.leaving, None, "the slot has another release");
}

#[test]
fn one_that_takes_the_place_of_what_is_kept_waits_too() {
    let mut s = kept();
    s.settings.connections = Some(LIMIT);
    s.settings.wanted = Some(content(3));
    let (record, _) = committed(&s);
    assert_eq!(record.vacate_after, Some(NOW));
    s.record = record;
    assert_eq!(effects(&s), []);
    assert_eq!(said(&s), Some((None, NOW + LIMIT)));
}

#[test]
fn retire_ends_it_at_once() {
    let mut s = leaving();
    s.checks = vec![open("137")];
    let mut retire = decision(Action::Retire, "ana");
    retire.revision = Some(live().revision.to_string());
    s.decisions = vec![retire.clone()];
    let (record, _) = committed(&s);
    assert_eq!(record.leaving.map(|leaving| leaving.over), Some(true));
    assert_eq!(record.consumed.first().map(|consumed| consumed.uid.clone()), Some(retire.uid));
    s.record = record;
    let acts = effects(&s);
    assert!(acts.contains(&Effect::Vacate { color: Color::Blue, except: None }), "{acts:?}");
    assert!(acts.iter().any(|act| matches!(act, Effect::Answer { ruling: Ruling::Done, .. })), "{acts:?}");
}

#[test]
fn retire_of_another_revision_or_with_nothing_there_is_answered_and_ends_nothing() {
    let mut s = leaving();
    s.checks = vec![open("137")];
    s.decisions = vec![decision(Action::Retire, "ana")];
    let ruling = |s: &Snapshot| match &effects(s)[..] {
        [Effect::Answer { ruling, .. }] => ruling.clone(),
        other => panic!("{other:?}"),
    };
    assert!(
        matches!(ruling(&s), Ruling::Superseded { message } if message.contains("status.draining.revision"))
    );
    s.decisions[0].revision = Some(live().revision.to_string());
    s.world.blue = absent();
    assert!(matches!(ruling(&s), Ruling::Refused { message } if message.contains("nothing to retire")));
}

fn sent_back(mut s: Snapshot) -> Option<Leaving> {
    s.settings.connections = Some(LIMIT);
    s.settings.wanted = Some(content(3));
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Returning { .. }), "{:?}", record.phase);
    record.leaving
}

#[test]
fn a_candidate_that_had_requests_is_awaited_and_one_that_never_had_any_is_not() {
    let of = |revision: Revision| Some(Leaving { revision: Some(revision), over: false });
    assert_eq!(
        sent_back(trying("canary", 10)),
        None,
        "its pods may never get ready, and the next one must not wait"
    );
    assert_eq!(sent_back(reached("canary", 10, LONG_AGO)), of(candidate().revision));
    let mut ready = trying("canary", 10);
    ready.world.candidate_service = points(candidate());
    assert_eq!(sent_back(ready), of(candidate().revision), "its first weight may be on its way");
    let mut on_its_way = trying("canary", 10);
    on_its_way.world.routes = routes(Form::Entered(10));
    assert_eq!(sent_back(on_its_way), of(candidate().revision));
    let mut taken_away = trying("full", 100);
    taken_away.world.routes = routes(Form::Owner);
    assert_eq!(sent_back(taken_away), of(candidate().revision), "it had the weight of the step before");
}

#[test]
fn what_was_promoted_and_sent_back_is_awaited_after_its_time() {
    let mut s = kept();
    s.settings.connections = Some(LIMIT);
    s.decisions = vec![decision(Action::Rollback, "ana")];
    let (record, _) = committed(&s);
    assert_eq!(record.leaving, Some(Leaving { revision: Some(candidate().revision), over: false }));
}

#[test]
fn what_is_left_of_a_lost_record_is_awaited_though_nobody_knows_its_revision() {
    let mut s = at_rest();
    s.settings.connections = Some(LIMIT);
    s.record = teal_plan::Record::default();
    s.world.found = teal_plan::snapshot::Found::Release { slot: live(), hash: content(1) };
    let (record, _) = committed(&s);
    assert_eq!(record.leaving, Some(Leaving { revision: None, over: false }));
}

#[test]
fn a_rollout_that_is_deleted_awaits_them_too() {
    let mut s = leaving();
    (s.deleting, s.world.finalizer) = (true, true);
    s.checks = vec![open("5")];
    assert!(asks(&s));
    let plan = checked(&s);
    assert_eq!((plan.decision, plan.wake_at), (Decision::Rest, Some(NOW + LIMIT)));
    s.checks = vec![open("0")];
    s.record = committed(&s).0;
    assert_eq!(effects(&s), [Effect::Vacate { color: Color::Blue, except: None }]);
}

#[test]
fn it_is_told_in_every_place_where_people_look() {
    let mut s = leaving();
    s.checks = vec![open("137")];
    let report = teal_plan::report::report(&s, &checked(&s));
    assert_eq!(report.phase, "Complete");
    assert_eq!(report.waiting_for.as_deref(), Some("connections (blue)"));
    let draining = report.draining.unwrap();
    assert_eq!((draining.color, draining.open.as_deref()), (Color::Blue, Some("137")));
    assert_eq!((draining.revision, draining.until), (Some(live().revision), NOW + LIMIT));
    assert!(
        report.message.contains("(blue), which were 137: it goes once they have ended, by "),
        "{}",
        report.message
    );
    let back = report.conditions.iter().find(|condition| condition.kind == "RollbackAvailable").unwrap();
    assert!(!back.status, "{}", back.message);
    s.record.phase = Phase::Rest { outcome: Outcome::Cancelled };
    s.checks.clear();
    let report = teal_plan::report::report(&s, &checked(&s));
    assert!(report.message.contains("metrics have given no number yet"), "{}", report.message);
}

/// A record as an operator without this field wrote it, and one without anything to tell.
#[test]
fn the_record_has_nothing_of_it_where_nothing_is_awaited() {
    let s = kept();
    let text = serde_json::to_string(&s.record).unwrap();
    assert!(!text.contains("leaving"), "{text}");
    let read: teal_plan::Record = serde_json::from_str(&text).unwrap();
    assert_eq!(read.leaving, None);
    let s = leaving();
    let read: teal_plan::Record = serde_json::from_str(&serde_json::to_string(&s.record).unwrap()).unwrap();
    assert_eq!(read.leaving, s.record.leaving);
}

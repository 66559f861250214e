//! What people decide, and what they are answered.

use teal_plan::outcome::Ruling;
use teal_plan::record::{Cause, Gate, Pause, Phase, Vote};
use teal_plan::settings::Until;
use teal_plan::snapshot::{Action, DecisionSeen, Foreign, Form, Standing};
use teal_plan::{Decision, Effect, Snapshot, Time};

use crate::fixture::*;

pub(crate) fn decision(action: Action, user: &str) -> DecisionSeen {
    DecisionSeen {
        name: format!("{action:?}-{user}"),
        uid: format!("uid-{action:?}-{user}"),
        made: NOW,
        same_rollout: true,
        action,
        revision: Some(candidate().revision.to_string()),
        step: Some("canary".to_owned()),
        nonce: Some("n0".to_owned()),
        evidence: None,
        user: user.to_owned(),
        via: "cli".to_owned(),
        reason: "said so".to_owned(),
    }
}

/// Two approvals are asked for at the first step.
fn asking() -> Snapshot {
    let mut s = reached("canary", 10, LONG_AGO);
    s.record.pinned = vec![("canary".to_owned(), 2)];
    if let Phase::Step(place) = &mut s.record.phase {
        place.gate = Some(Gate {
            nonce: "n0".to_owned(),
            evidence: None,
            opened: LONG_AGO,
            needed: 2,
            votes: Vec::new(),
        });
    }
    s
}

fn answer(s: &Snapshot) -> Ruling {
    match effects(s).as_slice() {
        [Effect::Answer { ruling, .. }] => ruling.clone(),
        other => panic!("{other:?}"),
    }
}

fn vote(s: &mut Snapshot, user: &str) {
    let vote =
        Vote { decision: format!("v-{user}"), user: user.to_owned(), via: "cli".to_owned(), at: LONG_AGO };
    if let Phase::Step(place) = &mut s.record.phase {
        place.gate.as_mut().unwrap().votes.push(vote);
    }
}

/// Whoever goes back in the night must not be told that it is done while callers stay where they are.
#[test]
fn going_back_to_a_live_without_endpoints_is_answered_with_what_it_waits_for() {
    for action in [Action::Rollback, Action::Reject] {
        let mut s = asking();
        s.world.blue.serving = vec![0];
        s.decisions = vec![decision(action, "ana")];
        s.record = committed(&s).0;
        let Ruling::Noted { message } = answer(&s) else { panic!("{action:?} was called done") };
        let waits = format!("noted, but going back waits: {} (blue) has no ready endpoint", live().revision);
        assert!(message.starts_with(&waits) && message.contains("look at its pods"), "{message}");
        s.world.blue.serving = vec![1];
        assert!(
            effects(&s)
                .contains(&Effect::Answer { decision: s.decisions[0].name.clone(), ruling: Ruling::Done })
        );
    }
    let mut again = asking();
    again.world.blue.serving = vec![0];
    again.record.phase = Phase::Returning { cause: Cause::Cancelled, since: NOW };
    again.decisions = vec![decision(Action::Rollback, "ben")];
    assert!(matches!(answer(&again), Ruling::Noted { .. }), "one that comes later");
}

#[test]
fn an_approval_counts_and_is_then_answered() {
    let mut s = asking();
    s.decisions = vec![decision(Action::Approve, "ana")];
    let (record, _) = committed(&s);
    assert!(matches!(&record.phase, Phase::Step(p) if p.gate.as_ref().unwrap().votes.len() == 1));
    s.record = record;
    assert_eq!(answer(&s), Ruling::Counted);
}

#[test]
fn a_vote_on_evidence_that_nothing_can_be_compared_with_is_refused() {
    for action in [Action::Approve, Action::Reject] {
        let mut s = asking();
        let claimed = Some("sha256:5d".to_owned());
        s.decisions = vec![DecisionSeen { evidence: claimed, ..decision(action, "ana") }];
        let Ruling::Refused { message } = answer(&s) else { panic!("{action:?} was taken") };
        assert!(message.contains("spec.evidence") && message.contains("leave it out"), "{message}");
    }
}

#[test]
fn a_vote_on_the_evidence_of_the_question_counts_and_one_on_other_evidence_is_refused() {
    let with = |evidence: Option<&str>, action| {
        let mut s = asking();
        if let Phase::Step(place) = &mut s.record.phase {
            place.gate.as_mut().unwrap().evidence = Some("sha256:5d".to_owned());
        }
        s.decisions = vec![DecisionSeen { evidence: evidence.map(str::to_owned), ..decision(action, "ana") }];
        s
    };
    for seen in [Some("sha256:5d"), None] {
        let (record, _) = committed(&with(seen, Action::Approve));
        let Phase::Step(place) = record.phase else { panic!("{seen:?}: {:?}", record.phase) };
        let gate = place.gate.unwrap();
        assert_eq!(
            (gate.votes.len(), gate.evidence.as_deref()),
            (1, Some("sha256:5d")),
            "and it stays: {seen:?}"
        );
        let (record, _) = committed(&with(seen, Action::Reject));
        assert!(matches!(record.phase, Phase::Returning { .. }), "{seen:?}");
    }
    for action in [Action::Approve, Action::Reject] {
        let Ruling::Refused { message } = answer(&with(Some("sha256:5e"), action)) else {
            panic!("{action:?} was taken")
        };
        for word in ["spec.evidence", "step canary", "sha256:5d", "status.gate.evidence", "decide anew"] {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
}

#[test]
fn the_last_approval_and_the_next_step_are_one_commit() {
    let mut s = asking();
    vote(&mut s, "ana");
    s.decisions = vec![decision(Action::Approve, "ben")];
    assert!(matches!(committed(&s).0.phase, Phase::Step(place) if place.step == "full"));
}

#[test]
fn a_yes_moves_nothing_where_another_hand_has_led_traffic_away() {
    let mut s = asking();
    vote(&mut s, "ana");
    s.world.routes.form = Form::Entered(0);
    s.world.routes.foreign = Some(Foreign {
        manager: "kubectl".to_owned(),
        before: false,
        raised: false,
        lowered: false,
        recent: 1,
    });
    s.decisions = vec![decision(Action::Approve, "ben")];
    let record = committed(&s).0;
    assert!(matches!(&record.phase, Phase::Step(place) if place.step == "canary" && place.weight == 10));
    s.record = record;
    s.decisions = vec![decision(Action::Skip, "ana")];
    let record = committed(&s).0;
    assert!(matches!(&record.phase, Phase::Step(place) if place.step == "canary" && place.gate.is_none()));
    assert_eq!(record.paused, Some(Pause::ForeignHand { manager: "kubectl".to_owned() }));
}

#[test]
fn the_same_person_counts_once() {
    let mut s = asking();
    vote(&mut s, "ana");
    s.decisions = vec![decision(Action::Approve, "ana")];
    assert_eq!(answer(&s), Ruling::AlreadyCounted);
}

#[test]
fn an_approval_of_anything_else_than_the_open_question_is_superseded() {
    let change: [fn(&mut DecisionSeen); 4] = [
        |d| d.revision = Some("r1-01010101".to_owned()),
        |d| d.step = Some("full".to_owned()),
        |d| d.nonce = Some("old".to_owned()),
        |d| d.same_rollout = false,
    ];
    for change in change {
        let mut s = asking();
        let mut d = decision(Action::Approve, "ana");
        change(&mut d);
        s.decisions = vec![d];
        assert!(matches!(answer(&s), Ruling::Superseded { .. }));
    }
}

#[test]
fn one_reject_sends_back() {
    let mut s = asking();
    s.decisions = vec![decision(Action::Reject, "ana")];
    let cause = Cause::Decision { user: "ana".to_owned(), rejected: true, reason: "said so".to_owned() };
    assert_eq!(committed(&s).0.phase, Phase::Returning { cause, since: NOW });
}

#[test]
fn rollback_needs_the_revision_alone() {
    let mut s = asking();
    let mut d = decision(Action::Rollback, "ana");
    (d.step, d.nonce) = (None, None);
    s.decisions = vec![d.clone()];
    assert!(matches!(committed(&s).0.phase, Phase::Returning { .. }));
    s.decisions[0].revision = Some("r9-09090909".to_owned());
    assert!(matches!(answer(&s), Ruling::Superseded { .. }));
}

#[test]
fn rollback_in_keep_time_goes_back_to_the_previous_release_if_it_serves() {
    let mut s = kept();
    s.decisions = vec![decision(Action::Rollback, "ana")];
    let (record, _) = committed(&s);
    assert_eq!(record.live.unwrap().slot, live());
    assert!(record.wanted.unwrap().rejected);
    s.world.blue.serving = vec![0];
    assert!(matches!(answer(&s), Ruling::Refused { .. }));
}

#[test]
fn without_the_policies_only_rollback_and_pause_are_taken() {
    for action in
        [Action::Approve, Action::Reject, Action::Skip, Action::Retry, Action::Resume, Action::Retire]
    {
        let mut s = asking();
        s.world.policies = None;
        s.decisions = vec![decision(action, "ana")];
        assert!(
            matches!(answer(&s), Ruling::Refused { message } if message.contains("policies")),
            "{action:?}"
        );
    }
    for action in [Action::Rollback, Action::Pause] {
        let mut s = asking();
        s.world.policies = None;
        s.decisions = vec![decision(action, "ana")];
        committed(&s);
    }
}

/// Whoever may create Decisions could have written anybody's name into one while nothing looked at it.
#[test]
fn what_was_decided_before_the_policies_were_in_force_is_proved_by_nobody() {
    let since = Time(NOW.0 - 60_000);
    let made = |made: i64, action| {
        let mut s = asking();
        s.world.policies = Some(since);
        s.decisions = vec![DecisionSeen { made: Time(since.0 + made), ..decision(action, "ana") }];
        s
    };
    for (early, action) in
        [(-1_000, Action::Approve), (0, Action::Approve), (2_000, Action::Approve), (-1_000, Action::Resume)]
    {
        let Ruling::Refused { message } = answer(&made(early, action)) else { panic!("{early} was taken") };
        assert!(message.contains("before the admission policies") && message.contains("anew"), "{message}");
    }
    for (at, action) in [(3_000, Action::Approve), (-1_000, Action::Rollback), (-1_000, Action::Pause)] {
        committed(&made(at, action));
    }
}

#[test]
fn pause_and_resume() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.decisions = vec![decision(Action::Pause, "ana")];
    let (record, _) = committed(&s);
    assert_eq!(record.paused, Some(Pause::Decision { user: "ana".to_owned() }));
    s.record = record;
    s.decisions.clear();
    assert_eq!(effects(&s), [], "the hold is over, and nothing moves");
    s.decisions = vec![decision(Action::Resume, "ana")];
    assert_eq!(committed(&s).0.paused, None);
}

#[test]
fn a_pause_keeps_no_former_release_and_says_so() {
    let mut s = kept();
    s.decisions = vec![decision(Action::Pause, "ana")];
    s.record = committed(&s).0;
    for user in ["ana", "ben"] {
        s.decisions = vec![decision(Action::Pause, user)];
        let Ruling::Noted { message } = answer(&s) else { panic!("{user} is told nothing") };
        let goes = format!("it was carried out; {} (blue) is removed when its time is over", live().revision);
        assert!(message.starts_with(&goes) && message.contains("HandsOff"), "{message}");
    }
    s.decisions.clear();
    s.now = s.record.kept_until.unwrap();
    assert_eq!(committed(&s).0.previous, None, "and so it is");
    let mut tried = reached("canary", 10, LONG_AGO);
    tried.decisions = vec![decision(Action::Pause, "ana")];
    tried.record = committed(&tried).0;
    assert_eq!(answer(&tried), Ruling::Done, "there it stops the way forward");
}

#[test]
fn a_decision_that_has_no_answer_yet_is_not_judged_again_when_the_next_attempt_starts() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    s.decisions = vec![decision(Action::Resume, "ana")];
    s.record = committed(&s).0;
    s.record = committed(&s).0;
    assert!(matches!(s.record.phase, Phase::Step(_)));
    assert!(
        effects(&s).contains(&Effect::Answer { decision: "Resume-ana".to_owned(), ruling: Ruling::Done })
    );
}

#[test]
fn skip_passes_the_gates_of_the_step_that_it_names() {
    let mut s = asking();
    s.decisions = vec![decision(Action::Skip, "ana")];
    assert!(matches!(committed(&s).0.phase, Phase::Step(place) if place.step == "full"));
    s.decisions[0].step = Some("full".to_owned());
    assert!(matches!(answer(&s), Ruling::Superseded { .. }));
}

#[test]
fn retry_tries_a_rejected_revision_again() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.record.wanted = Some(teal_plan::record::Wanted {
        hash: content(2),
        revision: candidate().revision,
        rejected: true,
        attempts: 1,
    });
    s.decisions = vec![decision(Action::Retry, "ana")];
    s.record = committed(&s).0;
    s.decisions.clear();
    let (record, _) = committed(&s);
    assert_eq!(record.candidate.unwrap().attempt, 2);
}

#[test]
fn retire_ends_the_keep_time_now() {
    let mut s = kept();
    let mut d = decision(Action::Retire, "ana");
    d.revision = Some(live().revision.to_string());
    s.decisions = vec![d];
    s.record = committed(&s).0;
    assert_eq!((s.record.previous, s.record.kept_until), (None, None), "nobody can go back to it any more");
    s.decisions.clear();
    assert_eq!(effects(&s), [Effect::Vacate { color: live().color, except: None }]);
}

#[test]
fn skip_leads_past_no_failed_guard_and_no_pause() {
    let mut s = asking();
    s.decisions = vec![decision(Action::Skip, "ana")];
    let mut failed = s.clone();
    failed.settings.guards = vec![guard("payments", Until::Promoted)];
    failed.checks = vec![standing("payments", Standing::Fail)];
    assert!(matches!(committed(&failed).0.phase, Phase::Returning { cause: Cause::Guard { .. }, .. }));
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    assert!(matches!(answer(&s), Ruling::Refused { message } if message.contains("resume it first")));
}

#[test]
fn who_resumes_gives_the_step_its_whole_time_again() {
    let mut s = trying("canary", 10);
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    s.now = Time(DEADLINE.0 + 1);
    s.decisions = vec![decision(Action::Resume, "ana")];
    s.record = committed(&s).0;
    s.decisions.clear();
    assert!(!effects(&s).is_empty(), "it goes on, and back nowhere");
    let mut s = promoting();
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    s.now = Time(DEADLINE.0 + 1);
    s.decisions = vec![decision(Action::Resume, "ana")];
    assert_eq!(committed(&s).0.phase, Phase::Promoting { deadline: s.now + s.settings.progress_deadline });
}

#[test]
fn what_was_approved_is_not_asked_again_under_another_name() {
    let mut s = asking();
    vote(&mut s, "ana");
    s.decisions = vec![decision(Action::Approve, "ben")];
    assert!(committed(&s).0.pinned.is_empty(), "of a step that was passed");
    let mut s = asking();
    s.record.pinned = vec![("gone".to_owned(), 2)];
    vote(&mut s, "ana");
    vote(&mut s, "ben");
    let (record, _) = committed(&s);
    assert!(matches!(&record.phase, Phase::Step(place) if place.step == "full"), "{:?}", record.phase);
    assert!(record.pinned.is_empty(), "of a step that is no more, once the one in its place was passed");
}

#[test]
fn a_refused_decision_holds_up_nothing() {
    let mut s = asking();
    s.decisions = vec![decision(Action::Retry, "eve"), decision(Action::Rollback, "ana")];
    s.decisions[0].revision = None;
    assert!(matches!(committed(&s).0.phase, Phase::Returning { .. }));
}

/// The owner applied the routes again in the meantime; Teal entered them and, paused, could not raise.
#[test]
fn a_pause_stops_the_clock_of_a_weight_that_was_lost_meanwhile() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.routes = routes(Form::Entered(0));
    s.world.routes.since = Time(NOW.0 - 3_600_000);
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    assert_eq!(effects(&s), []);
    s.decisions = vec![decision(Action::Resume, "ana")];
    s.record = committed(&s).0;
    s.decisions.clear();
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
}

/// Ten minutes at nothing are no ten minutes at 10 %.
#[test]
fn a_weight_that_was_lost_in_a_pause_is_held_and_judged_from_its_beginning() {
    let mut s = reached("canary", 10, Time(NOW.0 - 61_000));
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    s.checks = vec![standing("errors", Standing::Pass)];
    s.world.routes = routes(Form::Entered(0));
    s.world.routes.since = Time(NOW.0 - 60_000);
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    s.decisions = vec![decision(Action::Resume, "ana")];
    s.record = committed(&s).0;
    s.decisions.clear();
    // The weight is back for as long as proxies need.
    s.world.routes = routes(Form::Entered(10));
    s.world.routes.since = Time(NOW.0 - 2_000);
    let (record, _) = committed(&s);
    let Phase::Step(place) = &record.phase else { panic!("{:?}", record.phase) };
    assert_eq!((place.step.as_str(), place.reached, place.lost), ("canary", Some(NOW), None));
}

/// So many people, each with one wish.
fn crowd(action: Action, count: usize) -> Vec<DecisionSeen> {
    (0..count).map(|number| decision(action, &format!("{number}"))).collect()
}

/// Commits and answers until everybody has an answer; how many commits that took.
fn driven(s: &mut Snapshot) -> usize {
    let mut commits = 0;
    for _ in 0..100 {
        if s.decisions.is_empty() {
            return commits;
        }
        match checked(s).decision {
            Decision::Rest => panic!("it comes to rest over {:?}", s.decisions),
            Decision::Commit(commit) => {
                s.record = commit.record;
                commits += 1;
            }
            Decision::Act(effects) => s.decisions.retain(|decision| {
                let answered = |effect: &Effect| matches!(effect, Effect::Answer { decision: name, .. } if *name == decision.name);
                !effects.iter().any(answered)
            }),
        }
    }
    panic!("it never comes to an end");
}

/// As they gather while the operator is down, or under HandsOff.
#[test]
fn many_that_want_the_same_are_all_answered_after_one_commit() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.decisions = crowd(Action::Pause, 25);
    assert_eq!(driven(&mut s), 1);
    assert_eq!(s.decisions, []);
    assert_eq!(s.record.paused, Some(Pause::Decision { user: "0".to_owned() }));
}

#[test]
fn a_guard_fails_between_two_of_many() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.guards = vec![guard("payments", Until::Promoted)];
    s.decisions = crowd(Action::Pause, 25);
    for (number, decision) in s.decisions.iter_mut().enumerate().filter(|(number, _)| number % 2 == 1) {
        *decision = self::decision(Action::Resume, &format!("{number}"));
    }
    s.record = committed(&s).0;
    s.checks = vec![standing("payments", Standing::Fail)];
    s.record = committed(&s).0;
    assert!(matches!(s.record.phase, Phase::Returning { cause: Cause::Guard { .. }, .. }));
    assert!(effects(&s).contains(&Effect::LowerWeight(0)), "and no word of anybody comes before its writes");
}

#[test]
fn who_decides_this_and_that_on_and_on_keeps_the_machine_from_nothing() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.blue.objects = teal_plan::snapshot::Objects::Present { slot: live(), in_sync: false };
    s.decisions = crowd(Action::Pause, 60);
    for (number, decision) in s.decisions.iter_mut().enumerate().filter(|(number, _)| number % 2 == 1) {
        *decision = self::decision(Action::Resume, &format!("{number}"));
    }
    let acts = (0..=20).find_map(|_| match checked(&s).decision {
        Decision::Commit(commit) => {
            s.record = commit.record;
            None
        }
        Decision::Act(effects) => Some(effects),
        Decision::Rest => panic!("it has something to do"),
    });
    let acts = acts.expect("not only commits");
    assert!(acts.contains(&Effect::ApplyRelease { slot: live(), active: true }), "{acts:?}");
    assert!(acts.len() <= 11, "answers are written little by little: {acts:?}");
    s.world.blue = present(live());
    driven(&mut s);
    assert_eq!((&s.decisions[..], &s.record.paused), (&[][..], &None), "the last word was to resume");
}

#[test]
fn going_back_is_heard_before_all_others() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.decisions = crowd(Action::Pause, 30);
    s.decisions.insert(29, decision(Action::Rollback, "ana"));
    let (record, _) = committed(&s);
    assert!(
        matches!(record.phase, Phase::Returning { cause: Cause::Decision { .. }, .. }),
        "{:?}",
        record.phase
    );
    // Also where nobody can be answered.
    s.record = record_of_many(&s);
    assert!(matches!(committed(&s).0.phase, Phase::Returning { .. }));
}

/// All Pauses but the last have been followed, and none is answered.
fn record_of_many(s: &Snapshot) -> teal_plan::Record {
    let mut record = s.record.clone();
    record.consumed = s
        .decisions
        .iter()
        .take(29)
        .map(|d| teal_plan::record::Consumed { decision: d.name.clone(), uid: d.uid.clone(), vote: false })
        .collect();
    record
}

#[test]
fn what_was_followed_and_has_no_answer_is_followed_once_however_many_there_are() {
    let mut s = at_rest();
    s.decisions = crowd(Action::Pause, 30);
    s.decisions.push(decision(Action::Rollback, "ana"));
    s.record.consumed = record_of_many(&s).consumed;
    s.decisions.truncate(29);
    s.decisions.push(decision(Action::Pause, "ben"));
    assert!(matches!(checked(&s).decision, Decision::Act(_)), "answers first");
    s.decisions.drain(..20);
    let (record, _) = committed(&s);
    assert_eq!(record.paused, Some(Pause::Decision { user: "ben".to_owned() }));
    let proven = |d: &DecisionSeen| record.consumed.iter().any(|consumed| consumed.uid == d.uid);
    assert!(s.decisions.iter().all(proven));
    assert_eq!(record.consumed.len(), 29, "the twenty newest, and those without an answer");
}

#[test]
fn a_pause_that_changed_nothing_does_not_outlive_a_later_word() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.decisions = crowd(Action::Pause, 2);
    s.decisions.push(decision(Action::Resume, "ana"));
    assert_eq!(driven(&mut s), 2 + 1, "the pause, its end, and the next step");
    assert_eq!(s.record.paused, None);
}

#[test]
fn a_yes_moves_nothing_forward_while_a_guard_has_failed_or_is_blind_or_other_content_is_wanted() {
    let unsound: [fn(&mut Snapshot); 3] = [
        |s| s.checks = vec![standing("payments", Standing::Fail)],
        |s| s.checks = vec![standing("payments", Standing::Blind)],
        |s| s.settings.wanted = Some(content(3)),
    ];
    for (change, goes_back) in unsound.into_iter().zip([true, false, true]) {
        let mut s = asking();
        vote(&mut s, "ana");
        s.settings.guards = vec![guard("payments", Until::Promoted)];
        change(&mut s);
        s.decisions = vec![decision(Action::Approve, "ben")];
        let (record, _) = committed(&s);
        let stays = matches!(&record.phase, Phase::Step(place) if place.step == "canary");
        let back = matches!(record.phase, Phase::Returning { .. });
        assert_eq!((stays, back), (!goes_back, goes_back), "{:?}", record.phase);
    }
}

#[test]
fn who_skips_or_retires_something_else_is_told_the_field_and_what_it_should_be() {
    let mut skipped = asking();
    skipped.decisions = vec![DecisionSeen { step: Some("full".to_owned()), ..decision(Action::Skip, "ana") }];
    let mut retired = kept();
    retired.decisions =
        vec![DecisionSeen { revision: Some("r9".to_owned()), ..decision(Action::Retire, "ana") }];
    for (s, words) in [
        (skipped, ["spec.step", "at step canary", "decide anew"]),
        (retired, ["spec.revision", "which is r1-01010101", "decide anew"]),
    ] {
        let Ruling::Superseded { message } = answer(&s) else { panic!("{:?}", answer(&s)) };
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

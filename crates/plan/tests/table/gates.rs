//! Hold, checks, guards and people.

use teal_plan::record::{Cause, Gate, Phase, Vote};
use teal_plan::report::report;
use teal_plan::settings::{OnFailure, Step, Until};
use teal_plan::snapshot::{CheckSeen, Form, Standing};
use teal_plan::{Decision, Effect, Notice, Snapshot, Span, Time, Why};

use crate::fixture::*;

fn place(s: &Snapshot) -> (String, Option<Time>, Option<Gate>) {
    match committed(s).0.phase {
        Phase::Step(place) => (place.step, place.reached, place.gate),
        other => panic!("{other:?}"),
    }
}

fn unreached(mut s: Snapshot) -> Snapshot {
    if let Phase::Step(place) = &mut s.record.phase {
        place.reached = None;
    }
    s
}

/// Everything stands for the step, and the routes say something else than its weight.
fn trying_at(step: &str, weight: u8, form: Form) -> Snapshot {
    let mut s = unreached(reached(step, weight, NOW));
    s.world.routes = routes(form);
    s
}

#[test]
fn a_step_is_reached_only_after_its_weight_had_time_to_reach_the_proxies() {
    let mut s = unreached(reached("canary", 10, NOW));
    s.world.routes.since = Time(NOW.0 - 1_999);
    assert_eq!(effects(&s), []);
    s.world.routes.since = Time(NOW.0 - 2_000);
    assert_eq!(place(&s), ("canary".to_owned(), Some(NOW), None));
    let (_, notices) = committed(&s);
    assert!(matches!(notices[..], [Notice::StepReached { weight: 10, .. }]));
}

#[test]
fn the_hold_is_waited_out_and_then_the_next_step_begins() {
    let mut s = reached("canary", 10, Time(NOW.0 - 59_999));
    assert_eq!(effects(&s), []);
    assert_eq!(checked(&s).wake_at, Some(Time(NOW.0 + 1)));
    s.now = Time(NOW.0 + 1);
    assert_eq!(place(&s), ("full".to_owned(), None, None));
}

#[test]
fn reaching_the_last_step_is_no_event_of_its_own() {
    let s = unreached(reached("full", 100, NOW));
    assert_eq!(committed(&s).1, []);
}

#[test]
fn the_last_step_leads_to_promotion() {
    let s = reached("full", 100, LONG_AGO);
    assert!(matches!(committed(&s).0.phase, Phase::Promoting { .. }));
}

/// At 10 % with all gates passed, before a last step without any gate.
fn before_a_bare_last_step() -> Snapshot {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.steps[1].hold = Span(0);
    s
}

#[test]
fn a_last_step_without_gates_is_the_promotion_itself() {
    let mut s = before_a_bare_last_step();
    let phase = committed(&s).0.phase;
    assert!(matches!(phase, Phase::Promoting { .. }), "{phase:?}");
    s.record.phase = phase;
    assert_eq!(effects(&s), [Effect::RaiseWeight(100)], "which begins with bringing it all traffic");
}

#[test]
fn a_last_step_with_something_to_wait_for_is_a_step_of_its_own() {
    let own = |change: &dyn Fn(&mut Snapshot)| {
        let mut s = before_a_bare_last_step();
        change(&mut s);
        assert_eq!(place(&s).0, "full");
    };
    own(&|s| s.settings.steps[1].hold = Span(1));
    own(&|s| s.settings.steps[1].checks = vec!["errors".to_owned()]);
    own(&|s| s.settings.steps[1].approvals = Some(1));
    own(&|s| s.record.pinned = vec![("full".to_owned(), 1)]);
    own(&|s| s.world.green.serving = vec![1]);
    own(&|s| s.world.green.available = false);
    let foreign = |s: &mut Snapshot| {
        let manager = "argocd".to_owned();
        s.world.routes.foreign = Some(teal_plan::snapshot::Foreign {
            manager,
            before: true,
            raised: false,
            lowered: false,
            recent: 1,
        });
    };
    own(&foreign);
}

#[test]
fn checks_must_pass_and_their_absence_is_no_pass() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    assert_eq!(effects(&s), []);
    assert_eq!(checked(&s).measure, ["errors"]);
    s.checks = vec![standing("errors", Standing::Pending)];
    assert_eq!(effects(&s), []);
    s.checks = vec![standing("errors", Standing::Pass)];
    assert_eq!(place(&s).0, "full");
}

#[test]
fn a_step_with_checks_is_never_passed_in_the_commit_that_reaches_it() {
    let mut s = unreached(reached("canary", 10, NOW));
    s.settings.steps[0].hold = Span(0);
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    s.checks = vec![standing("errors", Standing::Pass)];
    assert_eq!(place(&s), ("canary".to_owned(), Some(NOW), None));
}

/// Nothing is written between two transitions, so what reads the status sees only what the commit says.
#[test]
fn what_is_waited_for_is_said_from_the_moment_the_weight_is_there() {
    let mut s = unreached(reached("canary", 10, NOW));
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    let why = checked(&s).why;
    assert!(
        matches!(&why[..], [Why::Holding { .. }, Why::Checking { checks }] if checks == &["errors"]),
        "{why:?}"
    );
    s.settings.steps[0].checks = Vec::new();
    s.settings.steps[0].hold = Span(0);
    s.settings.steps[0].approvals = Some(2);
    let why = checked(&s).why;
    assert!(matches!(why[..], [Why::Asking { have: 0, needed: 2, .. }]), "{why:?}");
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.steps[0].approvals = Some(1);
    let why = checked(&s).why;
    assert!(matches!(why[..], [Why::Asking { have: 0, needed: 1, .. }]), "{why:?}");
}

#[test]
fn a_failed_check_leads_back_or_holds() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    s.checks = vec![standing("errors", Standing::Fail)];
    let cause = Cause::Check { check: "errors".to_owned(), detail: "0.2, max 1%".to_owned(), job: None };
    assert_eq!(committed(&s).0.phase, Phase::Returning { cause, since: NOW });
    s.settings.on_failure = OnFailure::Hold;
    s.record = committed(&s).0;
    assert_eq!(effects(&s), []);
    let why = checked(&s).why;
    assert!(matches!(why[0], Why::HeldByCheck { blind: false, promoted: false, .. }), "{why:?}");
    let says = teal_plan::report::sentence(&why[0]);
    assert!(says.ends_with("decide (Retry, Skip, Rollback)"), "{says}");
    s.checks = vec![standing("errors", Standing::Pass)];
    assert_eq!(effects(&s), [], "numbers that come back decide nothing");
}

/// In whatever order the spec names them, and also where a person is waited for because of the one that holds.
#[test]
fn of_several_checks_the_one_counts_that_leads_back() {
    let holds = blind("latency", Standing::Blind);
    let leads_back = [standing("errors", Standing::Fail), blind("errors", Standing::Blind)];
    for (last, names) in leads_back.iter().flat_map(|last| {
        [["latency", "errors"], ["errors", "latency"]].map(|names| (last, names.map(str::to_owned)))
    }) {
        let mut s = reached("canary", 10, LONG_AGO);
        s.settings.steps[0].checks = names.to_vec();
        s.settings.on_blind = vec![("errors".to_owned(), OnFailure::Rollback)];
        s.checks = vec![holds.clone()];
        let held = Snapshot { record: committed(&s).0, ..s.clone() };
        for mut s in [s, held] {
            s.checks = vec![holds.clone(), last.clone()];
            let phase = committed(&s).0.phase;
            let Phase::Returning { cause, .. } = &phase else { panic!("{names:?}: {phase:?}") };
            let (Cause::Check { check, .. } | Cause::Blind { check, .. }) = cause else {
                panic!("{cause:?}")
            };
            assert_eq!(check, "errors", "{names:?}");
        }
    }
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.steps[0].checks = vec!["latency".to_owned()];
    s.settings.guards = vec![guard("errors", Until::Promoted)];
    s.settings.on_blind = vec![("errors".to_owned(), OnFailure::Rollback)];
    s.checks = vec![holds, blind("errors", Standing::Blind)];
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Blind { .. }, .. }), "a guard");
}

#[test]
fn a_blind_check_holds_unless_it_says_rollback() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    s.checks = vec![blind("errors", Standing::Blind)];
    let (record, _) = committed(&s);
    let held = Snapshot { record, ..s.clone() };
    assert_eq!(effects(&held), []);
    let Why::HeldByCheck { blind: true, detail, .. } = &checked(&held).why[0] else { panic!("not held") };
    assert_eq!(detail, "spec.checks[errors].query: no data: correct it", "why it is blind goes with it");
    s.settings.on_blind = vec![("errors".to_owned(), OnFailure::Rollback)];
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Blind { .. }, .. }));
}

#[test]
fn a_guard_leads_back_also_while_people_are_waited_for_and_paused() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.guards = vec![guard("payments", Until::Promoted)];
    s.settings.mode = teal_plan::settings::Mode::Paused;
    s.settings.on_failure = OnFailure::Hold;
    assert_eq!(checked(&s).measure, ["payments"]);
    s.checks = vec![standing("payments", Standing::Fail)];
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Guard { .. }, .. }));
}

/// The weight is not the step's: another hand lowered it and it is kept so, it is gone for long, or it was never there yet.
#[test]
fn a_blind_guard_leads_back_wherever_the_candidate_carries_anything() {
    let on_the_way = trying_at("full", 100, Form::Entered(10));
    let mut lowered = trying_at("canary", 10, Form::Entered(5));
    let manager = "kubectl-edit".to_owned();
    lowered.record.paused = Some(teal_plan::record::Pause::ForeignHand { manager });
    let mut lost = trying_at("canary", 10, Form::Entered(5));
    for s in [&mut lowered, &mut lost] {
        let Phase::Step(place) = &mut s.record.phase else { panic!("a step") };
        place.lost = Some(LONG_AGO);
    }
    for mut s in [on_the_way, lowered, lost] {
        s.settings.guards = vec![guard("payments", Until::Promoted)];
        s.checks = vec![blind("payments", Standing::Blind)];
        assert!(!matches!(checked(&s).decision, Decision::Commit(_)), "one that holds decides nothing yet");
        s.settings.on_blind = vec![("payments".to_owned(), OnFailure::Rollback)];
        let phase = committed(&s).0.phase;
        assert!(matches!(phase, Phase::Returning { cause: Cause::Blind { .. }, .. }), "{phase:?}");
    }
}

#[test]
fn a_guard_is_only_probed_before_the_first_weight() {
    let mut s = trying("canary", 10);
    s.settings.guards = vec![guard("payments", Until::Promoted)];
    s.world.finalizer = true;
    s.world.routes = routes(Form::Entered(0));
    assert!(teal_plan::probes(&s));
    assert_eq!(checked(&s).measure, ["payments"]);
    s.checks = vec![standing("payments", Standing::Fail)];
    assert!(!effects(&s).is_empty(), "no answer is evidence yet");
}

#[test]
fn a_guard_until_retired_leads_back_after_promotion() {
    let mut s = kept();
    s.settings.guards = vec![guard("payments", Until::Retired), guard("errors", Until::Promoted)];
    assert_eq!(checked(&s).measure, ["payments"]);
    s.checks = vec![standing("payments", Standing::Fail)];
    let (record, _) = committed(&s);
    assert_eq!(record.live.unwrap().slot, live());
    assert_eq!(record.candidate.unwrap().slot, candidate());
}

#[test]
fn people_are_asked_once_the_other_gates_hold() {
    let mut s = reached("canary", 10, Time(NOW.0 - 1_000));
    s.settings.steps[0].approvals = Some(2);
    assert_eq!(effects(&s), [], "not before the hold is over");
    s.now = Time(NOW.0 + 60_000);
    let gate = place(&s).2.expect("a question");
    assert_eq!((gate.nonce.as_str(), gate.needed, gate.votes.len()), ("n1", 2, 0));
}

#[test]
fn taking_the_approval_out_counts_from_the_next_revision() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.record.pinned = vec![("canary".to_owned(), 1)];
    s.settings.steps[0].approvals = None;
    assert!(place(&s).2.is_some());
}

#[test]
fn too_few_endpoints_for_ten_seconds_lead_back() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.world.green.serving = vec![0];
    s.world.green.short_since = Some(Time(NOW.0 - 9_999));
    s.world.green.trouble = Some("pod web-1: container web is in CrashLoopBackOff".to_owned());
    assert_eq!(effects(&s), []);
    assert_eq!(checked(&s).wake_at, Some(Time(NOW.0 + 1)));
    s.now = Time(NOW.0 + 1);
    let cause =
        Cause::TooFewEndpoints { detail: "pod web-1: container web is in CrashLoopBackOff".to_owned() };
    assert_eq!(committed(&s).0.phase, Phase::Returning { cause, since: s.now }, "and it is said why");
}

#[test]
fn other_content_supersedes_and_lives_content_cancels() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.wanted = Some(content(3));
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Superseded, .. }));
    s.settings.wanted = Some(content(1));
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Cancelled, .. }));
}

#[test]
fn a_blind_guard_holds_like_a_check() {
    let mut s = reached("full", 100, LONG_AGO);
    s.settings.guards = vec![guard("payments", Until::Promoted)];
    s.checks = vec![standing("payments", Standing::Blind)];
    assert!(matches!(committed(&s).0.phase, Phase::Step(place) if place.held.is_some()));
    s.settings.on_blind = vec![("payments".to_owned(), OnFailure::Rollback)];
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Blind { .. }, .. }));
}

#[test]
fn a_failed_check_leads_back_also_while_pods_restart() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    s.world.green.available = false;
    s.world.green.serving = vec![2];
    s.checks = vec![standing("errors", Standing::Fail)];
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Check { .. }, .. }));
}

#[test]
fn a_pinned_approval_outlives_the_name_of_its_step() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.record.pinned = vec![("canary".to_owned(), 2)];
    s.settings.steps[0].name = "first".to_owned();
    s.record = committed(&s).0;
    s.record = committed(&s).0;
    if let Phase::Step(place) = &mut s.record.phase {
        place.reached = Some(LONG_AGO);
    }
    assert_eq!(place(&s).2.expect("a question").needed, 2);
}

#[test]
fn a_pinned_approval_is_not_passed_over_by_moving_its_step_to_the_front() {
    let mut s = reached("canary", 10, LONG_AGO);
    let [canary, full] = [s.settings.steps[0].clone(), s.settings.steps[1].clone()];
    s.record.pinned = vec![("asked".to_owned(), 1)];
    s.record.phase = seated(s.clone()).record.phase;
    let asked = Step { name: "asked".to_owned(), approvals: Some(1), ..canary.clone() };
    s.settings.steps = vec![canary.clone(), Step { weight: 50, ..asked.clone() }, full.clone()];
    assert!(matches!(committed(&s).0.phase, Phase::Step(place) if place.step == "asked"), "asked there");
    s.settings.steps = vec![Step { weight: 5, ..asked }, canary, full];
    assert_eq!(place(&s).2.expect("a question").needed, 1);
}

/// An approval that was given to one step pays for no other: the next one without its own asks, or the last.
#[test]
fn an_approval_that_a_step_leaves_behind_is_owed_by_the_next_one() {
    let renamed: [fn(&mut Vec<Step>); 2] = [
        |steps| steps[1].name = "all".to_owned(),
        |steps| {
            steps.swap(0, 1);
            steps[0].weight = 5;
        },
    ];
    for (renamed, count) in renamed.into_iter().flat_map(|renamed| [(renamed, 1), (renamed, 2)]) {
        let mut s = reached("canary", 10, LONG_AGO);
        s.settings.steps[0].approvals = Some(1);
        let last = Step { name: "last".to_owned(), weight: 100, ..s.settings.steps[1].clone() };
        s.settings.steps[1] = Step { name: "asked".to_owned(), weight: 50, ..last.clone() };
        s.settings.steps.push(last);
        s.record.pinned = vec![("canary".to_owned(), 1), ("asked".to_owned(), count)];
        s.record.phase = seated(s.clone()).record.phase;
        let vote = Vote { decision: "v".to_owned(), user: "ann".to_owned(), via: String::new(), at: NOW };
        if let Phase::Step(place) = &mut s.record.phase {
            let nonce = "n0".to_owned();
            place.gate = Some(Gate { nonce, evidence: None, opened: LONG_AGO, needed: 1, votes: vec![vote] });
        }
        renamed(&mut s.settings.steps);
        s.record = committed(&s).0;
        let Phase::Step(place) = &s.record.phase else { panic!("{:?}", s.record.phase) };
        assert_ne!(place.step, "canary", "it has its own approval");
        let mut next = reached(&place.step, place.weight, LONG_AGO);
        (next.settings, next.record.pinned) = (s.settings, s.record.pinned);
        assert_eq!(self::place(&next).2.map(|gate| gate.needed), Some(count));
    }
}

/// Whoever changes the gates each second would get two commits for each change, and a question that nobody can answer.
#[test]
fn nobody_is_asked_while_the_spec_is_changed_again_and_again() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.steps[0].approvals = Some(1);
    s.record.phase = seated(s.clone()).record.phase;
    let still = NOW + Span::seconds(5);
    for hold in 1..4 {
        s.settings.still_at = Some(still);
        s.settings.steps[0].hold = Span::seconds(hold);
        let plan = checked(&s);
        assert_eq!((&plan.decision, plan.wake_at), (&Decision::Rest, Some(still)), "{hold}");
        assert_eq!(plan.why, [Why::Unsettled { until: still }], "its time is over");
        let told = report(&s, &plan);
        assert_eq!((told.phase, told.waiting_for.as_deref()), ("Checking", Some("edits")));
        assert!(told.message.contains("find who writes it"), "{}", told.message);
        assert!(told.trouble, "said at once, for what would say it never comes");
    }
    s.now = still;
    s.record = committed(&s).0;
    assert!(matches!(&s.record.phase, Phase::Step(place) if place.gate.is_some()));
    assert_eq!(effects(&s), [], "the edits are known");
}

#[test]
fn a_question_that_owes_more_by_now_is_asked_anew() {
    let mut s = reached("full", 100, LONG_AGO);
    s.settings.steps[1].approvals = Some(1);
    s.record.pinned = vec![("full".to_owned(), 1), ("gone".to_owned(), 2)];
    s.record.phase = seated(s.clone()).record.phase;
    if let Phase::Step(place) = &mut s.record.phase {
        let nonce = "n0".to_owned();
        place.gate = Some(Gate { nonce, evidence: None, opened: LONG_AGO, needed: 1, votes: Vec::new() });
    }
    s.record = committed(&s).0;
    assert!(matches!(&s.record.phase, Phase::Step(place) if place.gate.is_none()));
    assert_eq!(place(&s).2.expect("a question").needed, 2);
}

/// As a guard it had passed long ago: nobody has looked at this weight yet.
#[test]
fn what_a_check_saw_elsewhere_opens_no_step() {
    let passed = standing("errors", Standing::Pass);
    let elsewhere = [None, Some(("first".to_owned(), NOW)), Some(("canary".to_owned(), LONG_AGO))];
    let mut s = reached("canary", 10, NOW);
    s.settings.steps[0].hold = Span(0);
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    s.record.phase = seated(s.clone()).record.phase;
    for place in elsewhere {
        s.checks = vec![(passed.0.clone(), CheckSeen { place, ..passed.1.clone() })];
        let plan = checked(&s);
        assert_eq!(plan.decision, Decision::Rest);
        assert_eq!(plan.why, [Why::Checking { checks: vec!["errors".to_owned()] }]);
    }
    s.checks = vec![passed];
    assert!(matches!(committed(&s).0.phase, Phase::Step(place) if place.step == "full"));
}

#[test]
fn an_edit_of_the_gates_asks_anew_with_a_new_nonce() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.record.pinned = vec![("canary".to_owned(), 1)];
    s.record = committed(&s).0;
    s.settings.steps[0].hold = Span::seconds(61);
    s.nonce = "n2".to_owned();
    s.record = committed(&s).0;
    assert!(matches!(&s.record.phase, Phase::Step(place) if place.gate.is_none()));
    assert_eq!(place(&s).2.expect("a question").nonce, "n2");
}

/// Of a spec that can't be used the step under way is known alone, without its gates.
#[test]
fn where_something_is_in_the_way_a_step_is_reached_and_no_more() {
    let mut s = unreached(reached("canary", 10, NOW));
    s.settings.steps = vec![Step { hold: Span(0), ..s.settings.steps[0].clone() }];
    s.world.obstacles = vec![obstacle(teal_plan::snapshot::Stops::Everything)];
    assert_eq!(place(&s), ("canary".to_owned(), Some(NOW), None));
    s.record = committed(&s).0;
    assert_eq!(effects(&s), [], "and it stays there");
}

#[test]
fn an_open_question_outlives_a_spec_that_can_not_be_used() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.wanted = None;
    s.world.obstacles = vec![obstacle(teal_plan::snapshot::Stops::Everything)];
    if let Phase::Step(place) = &mut s.record.phase {
        place.gate = Some(Gate {
            nonce: "n0".to_owned(),
            evidence: None,
            opened: LONG_AGO,
            needed: 2,
            votes: Vec::new(),
        });
        place.terms += 1;
    }
    let plan = checked(&s);
    assert!(!matches!(plan.decision, Decision::Commit(_)), "{:?}", plan.decision);
}

#[test]
fn a_step_without_gates_is_not_left_while_paused() {
    let mut s = unreached(reached("canary", 10, NOW));
    s.settings.steps[0].hold = Span(0);
    s.record.paused = Some(teal_plan::record::Pause::Decision { user: "ann".to_owned() });
    assert_eq!(place(&s), ("canary".to_owned(), Some(NOW), None));
}

#[test]
fn who_skips_past_an_obstacle_comes_to_a_last_step_and_not_into_a_promotion() {
    let mut s = before_a_bare_last_step();
    s.world.obstacles = vec![obstacle(teal_plan::snapshot::Stops::Rollout)];
    s.decisions = vec![crate::decisions::decision(teal_plan::snapshot::Action::Skip, "ana")];
    assert_eq!(place(&s).0, "full");
}

#[test]
fn no_question_is_opened_by_what_is_left_of_a_spec() {
    let mut s = unreached(reached("canary", 10, NOW));
    s.settings.steps = vec![Step { hold: Span(0), ..s.settings.steps[0].clone() }];
    s.record.pinned = vec![("full".to_owned(), 2)];
    s.world.obstacles = vec![obstacle(teal_plan::snapshot::Stops::Everything)];
    assert_eq!(place(&s), ("canary".to_owned(), Some(NOW), None));
}

#[test]
fn a_guard_that_goes_blind_after_promotion_does_what_it_says() {
    let mut s = kept();
    s.settings.guards = vec![guard("payments", Until::Retired)];
    s.checks = vec![blind("payments", Standing::Blind)];
    s.settings.on_blind = vec![("payments".to_owned(), OnFailure::Rollback)];
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Blind { .. }, .. }));
    s.settings.on_blind.clear();
    s.now = s.record.kept_until.expect("it is kept");
    let said = |s: &Snapshot| report(s, &checked(s)).message;
    assert_eq!(effects(&s), [], "the old release stays while nobody sees");
    assert!(said(&s).contains("the old release goes by itself"), "{}", said(&s));
    // A restart, a new leader or an edit of the query forgets what was seen: that is no evidence either.
    for forgotten in [vec![standing("payments", Standing::Pending)], Vec::new()] {
        s.checks = forgotten;
        assert_eq!(effects(&s), []);
    }
    // Nor does it make room for a release that can't begin.
    s.settings.wanted = Some(content(3));
    s.settings.mode = teal_plan::settings::Mode::Paused;
    assert_eq!(effects(&s), []);
    s.settings.mode = teal_plan::settings::Mode::Active;
    assert_eq!(committed(&s).0.previous, None, "what is wanted next is a person's word");
    s.settings.wanted = Some(content(2));
    // With few requests good answers come seldom and never in a row: one is enough.
    for seen in [Standing::Pass, Standing::Pending] {
        let (check, of) = standing("payments", seen);
        s.checks = vec![(check, CheckSeen { good: true, ..of })];
        assert_eq!(committed(&s).0.previous, None, "once somebody sees, it goes");
    }
    s.settings.guards = vec![guard("payments", Until::Promoted)];
    s.checks = vec![blind("payments", Standing::Blind)];
    assert_eq!(committed(&s).0.previous, None, "that one watches no more");
}

#[test]
fn a_person_lets_the_old_release_go_although_a_guard_is_blind() {
    let mut s = kept();
    s.settings.guards = vec![guard("payments", Until::Retired)];
    s.checks = vec![blind("payments", Standing::Blind)];
    let retire = crate::decisions::decision(teal_plan::snapshot::Action::Retire, "ann");
    let previous = s.record.previous.expect("it is kept").slot.revision.to_string();
    s.decisions = vec![teal_plan::snapshot::DecisionSeen { revision: Some(previous), ..retire }];
    assert_eq!(committed(&s).0.previous, None);
}

#[test]
fn a_guard_that_goes_blind_while_promoting_leads_back_where_it_says_so() {
    let mut s = promoting();
    s.settings.guards = vec![guard("payments", Until::Retired)];
    s.checks = vec![blind("payments", Standing::Blind)];
    assert_eq!(
        effects(&s),
        [Effect::PointLive(candidate())],
        "what was decided while it saw is brought to its end"
    );
    // Of several the one counts that leads back.
    s.settings.guards.insert(0, guard("errors", Until::Retired));
    s.checks.insert(0, blind("errors", Standing::Blind));
    s.settings.on_blind = vec![("payments".to_owned(), OnFailure::Rollback)];
    assert!(matches!(committed(&s).0.phase, Phase::Returning { cause: Cause::Blind { .. }, .. }));
}

//! Members of a group go together, and back together.

use teal_plan::outcome::Effect;
use teal_plan::pact::{Member, Pact};
use teal_plan::record::{Cause, Gate, Held, Outcome, Pause, Vote};
use teal_plan::settings::{Group, Halt, HaltedBy, Mode};
use teal_plan::snapshot::{Action, Form, GroupSeen, Sibling, Snapshot};
use teal_plan::{Decision, Phase, Plan, Record, Revision, Span, Time, Why, report};

use super::decisions::decision;
use super::fixture::*;

const GATHER: Span = Span::seconds(10);

fn member(name: &str, revision: Revision, started: u64) -> Member {
    Member { name: name.to_owned(), uid: format!("uid-{name}"), revision, started }
}

fn own() -> Member {
    member("web", candidate().revision, 7)
}

/// What `api` tries.
fn theirs() -> Member {
    member("api", Revision { counter: 5, hash: 9 }, 40)
}

fn pact(members: &[Member]) -> Pact {
    Pact { members: members.to_vec(), ..Pact::new("checkout") }
}

fn both() -> Pact {
    Pact { ready: true, ..pact(&[theirs(), own()]) }
}

/// `api` as `web` sees it: at the first step, with this pact.
fn api(pact: Pact) -> Sibling {
    let mut record = trying("canary", 10).record;
    record.started = theirs().started;
    if let Some(candidate) = &mut record.candidate {
        candidate.slot.revision = theirs().revision;
    }
    record.group = Some(pact);
    Sibling {
        name: "api".to_owned(),
        uid: theirs().uid,
        order: 0,
        record,
        mode: Mode::Active,
        deleting: false,
        waiting_for: None,
    }
}

/// `web` with its pact, and `api` beside it.
fn grouped(mut s: Snapshot, pact: Option<Pact>, api: Sibling) -> Snapshot {
    s.settings.group = Some(Group { name: "checkout".to_owned(), gather: GATHER });
    s.record.started = own().started;
    s.record.group = pact;
    s.world.group = Some(GroupSeen { name: "web".to_owned(), uid: own().uid, order: 0, siblings: vec![api] });
    s
}

/// Everything but the first weight is done.
fn ready() -> Snapshot {
    let mut s = reached("canary", 10, NOW);
    s.world.routes = routes(Form::Entered(0));
    if let Phase::Step(place) = &mut s.record.phase {
        place.reached = None;
    }
    s
}

/// The gates of the first step are met.
fn met() -> Snapshot {
    let mut s = reached("canary", 10, NOW);
    s.now = NOW + Span::seconds(60);
    s
}

fn sibling(s: &mut Snapshot) -> &mut Sibling {
    &mut s.world.group.as_mut().unwrap().siblings[0]
}

fn promised(record: &Record) -> &Pact {
    record.group.as_ref().unwrap()
}

fn waits_for(plan: &Plan) -> Option<String> {
    let why = plan
        .why
        .iter()
        .find(|why| matches!(why, Why::Together { .. } | Why::Late { .. } | Why::Gathering { .. }));
    why.map(report::sentence)
}

fn returns(s: &Snapshot) -> (Cause, Record) {
    let (record, _) = committed(s);
    match &record.phase {
        Phase::Returning { cause, .. } => (cause.clone(), record),
        phase => panic!("{phase:?}"),
    }
}

#[test]
fn an_attempt_begins_with_an_empty_list_where_the_spec_has_a_group() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    let alone = committed(&s).0;
    assert_eq!(alone.group, None, "what has none has no word of it in its record");
    let json = serde_json::to_value(&alone).unwrap();
    assert_eq!(json.get("group"), None);
    let resting = Sibling { record: at_rest().record, ..api(Pact::default()) };
    let record = committed(&grouped(s, None, resting)).0;
    assert_eq!(record.group, Some(Pact::new("checkout")));
}

#[test]
fn who_is_ready_first_waits_a_moment_for_others_that_begin() {
    let mut s = grouped(ready(), Some(Pact::new("checkout")), api(Pact::new("checkout")));
    let since = Time(NOW.0 - 5_000);
    sibling(&mut s).record.candidate.as_mut().unwrap().since = since;
    let plan = checked(&s);
    assert_eq!(plan.decision, Decision::Rest);
    assert_eq!(plan.wake_at, Some(since + GATHER), "after whoever began last");
    s.now = since + GATHER;
    let (record, _) = committed(&s);
    assert_eq!(promised(&record), &both(), "in order of their names, and with it the promise to be ready");
}

/// However long that takes, and with the group's 10 s after it has begun.
#[test]
fn who_is_about_to_begin_is_waited_for_and_who_may_not_begin_is_not() {
    let about = |edit: fn(&mut Sibling)| {
        let mut s = grouped(ready(), Some(Pact::new("checkout")), api(Pact::announced("checkout")));
        let other = sibling(&mut s);
        (other.record.candidate, other.record.phase) = (None, Phase::Rest { outcome: Outcome::Promoted });
        edit(other);
        waits_for(&checked(&s))
    };
    let together = |does: &str| Some(format!("goes on together with group checkout: waits for api ({does})"));
    assert_eq!(about(|_| {}), together("clears its former release"));
    let anew = |other: &mut Sibling| {
        other.record.group = Some(Pact::new("checkout"));
        other.record.phase = Phase::Returning { cause: Cause::Superseded, since: NOW };
    };
    assert_eq!(about(anew), together("goes back, and begins anew"));
    let blocked = |other: &mut Sibling| {
        other.record.group = Some(Pact::new("checkout"));
        other.record.phase = Phase::Returning { cause: Cause::Superseded, since: NOW };
        other.record.blocked_since = Some(NOW);
    };
    assert_eq!(about(blocked), together("goes back, and begins anew"), "what blocked it blocks no return");
    for free in [
        |other: &mut Sibling| other.mode = Mode::Paused,
        |other: &mut Sibling| other.mode = Mode::HandsOff,
        |other: &mut Sibling| other.deleting = true,
        |other: &mut Sibling| other.record.blocked_since = Some(NOW),
        |other: &mut Sibling| other.record.paused = Some(Pause::Decision { user: "ben".to_owned() }),
        |other: &mut Sibling| other.record.group = Some(Pact::announced("other")),
        |other: &mut Sibling| other.record.group = Some(Pact::new("checkout")),
        |other: &mut Sibling| {
            let cause = Cause::Cancelled;
            other.record.phase = Phase::Returning { cause, since: NOW };
        },
    ] {
        assert_eq!(about(free), None);
    }
}

#[test]
fn that_an_attempt_begins_is_noted_before_room_is_made_and_taken_back_where_it_does_not() {
    let announced = Some(Pact::announced("checkout"));
    let resting = || {
        let mut other = api(Pact::new("checkout"));
        (other.record.candidate, other.record.phase) = (None, Phase::Rest { outcome: Outcome::Promoted });
        other
    };
    let mut s = grouped(kept(), Some(both()), resting());
    s.settings.wanted = Some(content(3));
    s.record.blocked_since = Some(NOW);
    let (record, _) = committed(&s);
    assert_eq!(
        (record.previous, &record.group),
        (None, &announced),
        "in one commit with giving up the way back"
    );
    assert_eq!(record.blocked_since, None, "what was in its way is over");
    // What is left over there is cleared by whoever noted it first.
    s.record = Record { group: None, ..record };
    let (record, _) = committed(&s);
    assert_eq!(record.group, announced);
    s.record = record;
    assert!(!effects(&s).is_empty(), "then it is cleared");
    // A time to start was set meanwhile: nobody waits for it until then.
    s.settings.start = Some(Halt { by: HaltedBy::StartAt { at: "Monday".to_owned() }, until: None });
    let stopped = Snapshot { record: committed(&s).0, ..s.clone() };
    assert_eq!(stopped.record.group, None);
    assert!(!matches!(checked(&stopped).decision, Decision::Commit(_)), "once");
    s.settings.start = None;
    // The spec asks for what is live again.
    s.settings.wanted = s.record.live.map(|live| live.hash);
    let (record, _) = committed(&s);
    assert_eq!(record.group, None);
    s.record = record;
    assert!(!matches!(checked(&s).decision, Decision::Commit(_)), "once");
}

#[test]
fn a_list_that_another_one_made_is_taken_over_as_it_is_and_at_once() {
    let mut s = grouped(ready(), Some(Pact::new("checkout")), api(Pact { round: 3, ..both() }));
    sibling(&mut s).record.candidate.as_mut().unwrap().since = s.now;
    let (record, _) = committed(&s);
    assert_eq!(promised(&record), &Pact { round: 3, ..both() });
}

#[test]
fn nobody_gets_a_first_weight_before_all_are_ready() {
    let mut s = grouped(ready(), Some(both()), api(Pact { ready: false, ..both() }));
    assert_eq!(effects(&s), []);
    sibling(&mut s).waiting_for = Some("pods".to_owned());
    let said = waits_for(&checked(&s)).unwrap();
    assert_eq!(said, "goes on together with group checkout: waits for api (step canary waits for pods)");
    sibling(&mut s).record.group = Some(both());
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
    sibling(&mut s).record.group = Some(Pact { round: 1, ..both() });
    let record = committed(&s).0;
    assert_eq!(promised(&record).round, 1, "a later list is taken over before anything moves");
}

#[test]
fn of_two_lists_of_one_round_a_later_one_is_made_of_both() {
    let third = member("pricing", candidate().revision, 3);
    let wider = Pact { members: vec![theirs(), third.clone(), own()], ..both() };
    let s = grouped(ready(), Some(both()), api(wider));
    let record = committed(&s).0;
    assert_eq!(promised(&record).members, [theirs(), third, own()]);
    assert_eq!(promised(&record).round, 1);
    let without = Pact { members: vec![theirs()], ..both() };
    let record = committed(&grouped(ready(), Some(both()), api(without))).0;
    assert_eq!(promised(&record).members, [own()], "who has one without it goes without it");
}

#[test]
fn lower_orders_go_first_within_a_step() {
    let mut s = grouped(ready(), Some(both()), api(both()));
    s.world.group.as_mut().unwrap().order = 1;
    assert_eq!(effects(&s), []);
    if let Phase::Step(place) = &mut sibling(&mut s).record.phase {
        place.reached = Some(NOW);
    }
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
}

#[test]
fn a_weight_that_was_there_is_given_back_whoever_waits() {
    let mut s = grouped(ready(), Some(both()), api(Pact { ready: false, ..both() }));
    if let Phase::Step(place) = &mut s.record.phase {
        place.lost = Some(NOW);
    }
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
}

#[test]
fn waiting_for_others_stops_the_clock_once_half_of_the_time_is_over() {
    let mut s = grouped(ready(), Some(both()), api(Pact { ready: false, ..both() }));
    let half = Time(DEADLINE.0 - s.settings.progress_deadline.0 / 2);
    assert_eq!(checked(&s).wake_at, Some(half));
    s.now = half;
    let (record, _) = committed(&s);
    assert!(promised(&record).waiting);
    s.record = record;
    s.now = DEADLINE + Span::seconds(5_000);
    let plan = checked(&s);
    assert_eq!(plan.decision, Decision::Rest, "it doesn't go back, however long that takes");
    assert_eq!(report::report(&s, &plan).deadline, None);
    sibling(&mut s).record.group = Some(both());
    let (record, _) = committed(&s);
    assert!(!promised(&record).waiting);
    let Phase::Step(place) = &record.phase else { panic!("{:?}", record.phase) };
    assert_eq!(place.deadline, s.now + s.settings.progress_deadline, "then it has its whole time again");
    s.record = record;
    assert_eq!(effects(&s), [Effect::RaiseWeight(10)]);
}

#[test]
fn gates_that_are_met_are_promised_first_and_the_next_step_waits_for_all() {
    let mut s = grouped(met(), Some(both()), api(both()));
    let (record, _) = committed(&s);
    let Phase::Step(place) = &record.phase else { panic!("{:?}", record.phase) };
    assert_eq!((place.step.as_str(), place.reached), ("canary", Some(NOW)), "it stays where it is");
    assert_eq!(promised(&record).passed, ["canary"]);
    s.record = record;
    let plan = checked(&s);
    assert_eq!(plan.decision, Decision::Rest, "what is promised is not promised again");
    sibling(&mut s).record.paused = Some(Pause::Decision { user: "ben".to_owned() });
    let plan = checked(&s);
    assert!(waits_for(&plan).unwrap().ends_with("waits for api (it is paused: resume it)"));
    let ready = report::report(&s, &plan).conditions;
    let ready = ready.iter().find(|one| one.kind == "Ready").unwrap();
    assert_eq!((ready.status, ready.reason.as_str()), (true, "AwaitingDecision"), "people are waited for");
    // A window or the switch has it paused by the spec, which no person ends by resuming.
    sibling(&mut s).record.paused = Some(Pause::Spec);
    sibling(&mut s).waiting_for = Some("window".to_owned());
    let plan = checked(&s);
    assert!(waits_for(&plan).unwrap().ends_with("waits for api (step canary waits for window)"), "{plan:?}");
    assert!(plan.why.iter().any(|why| matches!(why, Why::Together { people: false, .. })));
    sibling(&mut s).record.group = Some(Pact { passed: vec!["canary".to_owned()], ..both() });
    let (record, _) = committed(&s);
    assert!(matches!(&record.phase, Phase::Step(place) if place.step == "full"), "{:?}", record.phase);
}

#[test]
fn the_last_one_promises_and_goes_on_in_one_commit() {
    let s = grouped(met(), Some(both()), api(Pact { passed: vec!["canary".to_owned()], ..both() }));
    let (record, _) = committed(&s);
    assert!(matches!(&record.phase, Phase::Step(place) if place.step == "full"), "{:?}", record.phase);
    assert_eq!(promised(&record).passed, ["canary"]);
}

#[test]
fn nobody_becomes_live_before_the_last_gates_of_all_are_met() {
    let passed = |steps: &[&str]| Pact { passed: steps.iter().map(ToString::to_string).collect(), ..both() };
    let mut s = grouped(reached("full", 100, NOW), Some(passed(&["canary"])), api(passed(&["canary"])));
    s.now = NOW + Span::seconds(30);
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Step(_)));
    s.record = record;
    sibling(&mut s).record.group = Some(passed(&["canary", "full"]));
    assert!(matches!(committed(&s).0.phase, Phase::Promoting { .. }));
}

#[test]
fn a_skip_ends_the_gates_of_one_member_alone() {
    let mut s = grouped(reached("canary", 10, NOW), Some(both()), api(both()));
    let mut skip = decision(Action::Skip, "ana");
    skip.step = Some("canary".to_owned());
    s.decisions = vec![skip];
    let (record, _) = committed(&s);
    assert_eq!(promised(&record).passed, ["canary"]);
    assert_eq!(promised(&record).skipped.as_deref(), Some("canary"));
    assert!(matches!(&record.phase, Phase::Step(place) if place.step == "canary"));
    s.record = record;
    s.decisions.clear();
    assert_eq!(checked(&s).decision, Decision::Rest, "its hold is not over, and is waited for no more");
    sibling(&mut s).record.group = Some(Pact { passed: vec!["canary".to_owned()], ..both() });
    let (record, _) = committed(&s);
    assert!(matches!(&record.phase, Phase::Step(place) if place.step == "full"));
    assert_eq!(promised(&record).skipped, None);
}

/// The same where a person was waited for: nobody is any more, and it is left with the others.
#[test]
fn a_skip_ends_what_was_held_and_what_was_asked() {
    let held = Held { check: "errors".to_owned(), blind: false, detail: "0.2".to_owned(), job: None };
    let gate = Gate { nonce: "n".to_owned(), evidence: None, opened: NOW, needed: 1, votes: Vec::new() };
    let promised = Pact { passed: vec!["canary".to_owned()], ..both() };
    for (held, gate, pact) in
        [(Some(held.clone()), None, both()), (None, Some(gate), both()), (Some(held), None, promised)]
    {
        let mut s = grouped(reached("canary", 10, NOW), Some(pact), api(both()));
        if let Phase::Step(place) = &mut s.record.phase {
            (place.held, place.gate) = (held, gate);
        }
        let mut skip = decision(Action::Skip, "ana");
        skip.step = Some("canary".to_owned());
        s.decisions = vec![skip];
        s.record = committed(&s).0;
        s.decisions.clear();
        let plan = checked(&s);
        assert_eq!(report::report(&s, &plan).waiting_for.as_deref(), Some("group (api)"));
        let asks =
            report::report(&s, &plan).conditions.into_iter().find(|one| one.kind == "AwaitingDecision");
        assert!(asks.is_some_and(|asks| !asks.status), "nobody is asked");
        sibling(&mut s).record.group = Some(Pact { passed: vec!["canary".to_owned()], ..both() });
        let (record, _) = committed(&s);
        assert!(matches!(&record.phase, Phase::Step(place) if place.step == "full"), "{:?}", record.phase);
    }
}

#[test]
fn who_is_approved_asks_no_more_while_it_waits_for_others() {
    let mut s = grouped(met(), Some(Pact { passed: vec!["canary".to_owned()], ..both() }), api(both()));
    s.settings.steps[0].approvals = Some(1);
    let vote = Vote { decision: "d".to_owned(), user: "ana".to_owned(), via: String::new(), at: NOW };
    if let Phase::Step(place) = &mut s.record.phase {
        place.terms = s.settings.steps[0].terms();
        place.gate =
            Some(Gate { nonce: "n".to_owned(), evidence: None, opened: NOW, needed: 1, votes: vec![vote] });
    }
    let plan = checked(&s);
    let told = report::report(&s, &plan);
    assert_eq!((told.waiting_for.as_deref(), told.phase), (Some("group (api)"), "Checking"));
    let asks = told.conditions.iter().find(|one| one.kind == "AwaitingDecision").unwrap();
    assert!(!asks.status, "{}", asks.message);
}

#[test]
fn a_failure_of_one_sends_the_others_back_with_its_cause() {
    let failed = Cause::Check { check: "errors".to_owned(), detail: "0.2".to_owned(), job: None };
    let mut s = grouped(reached("canary", 10, NOW), Some(both()), api(both()));
    for phase in [
        Phase::Returning { cause: failed.clone(), since: NOW },
        Phase::Rest { outcome: Outcome::RolledBack(failed.clone()) },
    ] {
        sibling(&mut s).record.phase = phase;
        let (cause, record) = returns(&s);
        assert_eq!(
            report::cause(&cause),
            "rolled back by group checkout: api went back: check errors failed (0.2)"
        );
        assert_eq!(promised(&record).sent_back_by.as_deref(), Some("api"));
        assert!(record.wanted.unwrap().rejected, "it isn't tried again by itself");
    }
}

#[test]
fn any_other_end_of_one_has_the_others_begin_anew() {
    let mut s = grouped(reached("canary", 10, NOW), Some(both()), api(both()));
    sibling(&mut s).record.phase = Phase::Returning { cause: Cause::Superseded, since: NOW };
    let (cause, record) = returns(&s);
    assert_eq!(cause, Cause::Superseded);
    assert!(!record.wanted.unwrap().rejected);
    let message = report::report(&s, &checked(&s)).message;
    assert!(
        message.contains("api of group checkout did not go on with what it had begun, so all begin anew"),
        "{message}"
    );
    sibling(&mut s).record = Record::default();
    assert_eq!(returns(&s).0, Cause::Superseded, "also one that lost its status");
    s.world.group.as_mut().unwrap().siblings.clear();
    assert_eq!(returns(&s).0, Cause::Superseded, "or is no more");
}

#[test]
fn who_has_no_list_yet_goes_back_with_the_one_that_had_it_on_its_own() {
    let mut s = grouped(ready(), Some(Pact::new("checkout")), api(both()));
    let cause = Cause::TooFewEndpoints { detail: String::new() };
    sibling(&mut s).record.phase = Phase::Returning { cause, since: NOW };
    assert!(returns(&s).0.rejects());
}

/// `web` is live with what both tried; its former release is kept.
fn promoted(api: Sibling) -> Snapshot {
    let mut s = grouped(kept(), Some(both()), api);
    s.record.group.as_mut().unwrap().members = vec![theirs(), own()];
    s
}

#[test]
fn after_promotion_a_failure_still_takes_all_back_and_nothing_else_does() {
    let failed = Cause::Guard { check: "errors".to_owned(), detail: "0.2".to_owned() };
    let mut s = promoted(api(both()));
    sibling(&mut s).record.phase = Phase::Returning { cause: failed, since: NOW };
    assert!(returns(&s).0.rejects());
    sibling(&mut s).record.phase = Phase::Returning { cause: Cause::Cancelled, since: NOW };
    assert!(!matches!(checked(&s).decision, Decision::Commit(_)));
}

#[test]
fn the_former_release_stays_until_all_are_live() {
    let mut s = promoted(api(both()));
    sibling(&mut s).record.phase = Phase::Promoting { deadline: DEADLINE };
    s.now = NOW + Span::seconds(100);
    let plan = checked(&s);
    assert_eq!(plan.decision, Decision::Rest);
    assert!(waits_for(&plan).is_some());
    let live = &mut sibling(&mut s).record.live;
    live.as_mut().unwrap().slot.revision = theirs().revision;
    assert_eq!(committed(&s).0.previous, None);
}

#[test]
fn who_comes_late_waits_for_the_end_of_the_others() {
    let mut s = kept();
    s.settings.wanted = Some(content(3));
    let alone = Pact { members: vec![theirs()], ..both() };
    let mut s = grouped(s, None, api(alone));
    let plan = checked(&s);
    assert_eq!(plan.decision, Decision::Rest, "and gives nothing up before");
    assert_eq!(
        waits_for(&plan).as_deref(),
        Some("the rollout of group checkout had begun without it: goes on once that of api has ended")
    );
    sibling(&mut s).record.phase = Phase::Rest { outcome: Outcome::Promoted };
    assert_eq!(committed(&s).0.previous, None, "then it begins with making room");
    let mut s =
        grouped(ready(), Some(Pact::new("checkout")), api(Pact { members: vec![theirs()], ..both() }));
    assert_eq!(effects(&s), [], "also where it has begun already");
    sibling(&mut s).record.group = Some(Pact { group: "other".to_owned(), ..pact(&[theirs()]) });
    assert!(matches!(checked(&s).decision, Decision::Commit(_)), "another group is nothing to it");
}

#[test]
fn one_whose_hands_are_off_is_waited_for_with_the_remedy() {
    let mut s = grouped(met(), Some(Pact { passed: vec!["canary".to_owned()], ..both() }), api(both()));
    sibling(&mut s).mode = Mode::HandsOff;
    let said = waits_for(&checked(&s)).unwrap();
    assert!(said.contains("api (its spec.mode is HandsOff: set it to Active)"), "{said}");
    assert_eq!(report::report(&s, &checked(&s)).waiting_for.as_deref(), Some("group (api)"));
}

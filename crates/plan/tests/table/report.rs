//! What people read: phase, message and conditions of each state.

use teal_plan::record::{Cause, Gate, Held, Outcome, Pause, Phase};
use teal_plan::report::{Report, report};
use teal_plan::settings::{Mode, OnFailure, Readiness};
use teal_plan::snapshot::{Form, Overlap, Standing, Stops};
use teal_plan::{Notice, Snapshot, Span, Time};

use crate::fixture::*;

pub(crate) fn of(s: &Snapshot) -> Report {
    report(s, &checked(s))
}

pub(crate) fn condition(report: &Report, kind: &str) -> Option<(bool, String)> {
    report.conditions.iter().find(|c| c.kind == kind).map(|c| (c.status, c.reason.clone()))
}

fn asking() -> Snapshot {
    let mut s = reached("canary", 10, LONG_AGO);
    s.record.pinned = vec![("canary".to_owned(), 1)];
    if let Phase::Step(place) = &mut s.record.phase {
        place.gate = Some(Gate {
            nonce: "n0".to_owned(),
            evidence: None,
            opened: LONG_AGO,
            needed: 1,
            votes: Vec::new(),
        });
    }
    s
}

fn sent_back() -> Snapshot {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    let cause = Cause::Check { check: "errors".to_owned(), detail: "0.2, max 1%".to_owned(), job: None };
    s.record.wanted = Some(teal_plan::record::Wanted {
        hash: content(2),
        revision: candidate().revision,
        rejected: true,
        attempts: 1,
    });
    s.record.phase = Phase::Rest { outcome: Outcome::RolledBack(cause) };
    s
}

/// Whatever the phase is called, nobody must read that all is well.
#[test]
fn a_live_without_endpoints_is_not_said_to_serve() {
    for (mut s, said) in [
        (at_rest(), format!("{} (blue) is live, but has no ready endpoint", live().revision)),
        (
            sent_back(),
            format!(
                "{} (blue) is live after going back (check errors failed (0.2, max 1%)), but has no ready endpoint",
                live().revision
            ),
        ),
    ] {
        assert!(of(&s).message.contains("serves all requests"), "{}", of(&s).message);
        s.world.blue.serving = vec![0];
        let report = of(&s);
        assert!(report.message.starts_with(&said), "{}", report.message);
        assert_eq!(condition(&report, "Available"), Some((false, "NoReadyEndpoints".to_owned())));
    }
}

#[test]
fn that_the_namespace_ends_is_told_at_once_and_waits_for_nobody() {
    let mut s = asking();
    s.world.obstacles = vec![ends()];
    let report = of(&s);
    assert_eq!((report.phase, report.waiting_for.as_deref()), ("Blocked", Some("NamespaceTerminating")));
    for kind in ["Accepted", "Stalled"] {
        let expected = Some((kind == "Stalled", "NamespaceTerminating".to_owned()));
        assert_eq!(condition(&report, kind), expected);
    }
    assert_eq!(condition(&report, "Ready"), Some((false, "Blocked".to_owned())));
    assert_eq!(condition(&report, "Reconciling"), None);
}

#[test]
fn the_runbook_has_every_event() {
    let page = include_str!("../../../../docs/runbook/reasons.md");
    let revision = candidate().revision;
    for notice in [
        Notice::Installed { revision },
        Notice::Started { revision, attempt: 1 },
        Notice::StepReached { revision, step: "canary".to_owned(), weight: 10 },
        Notice::Promoted { revision },
        Notice::RolledBack { revision, cause: Cause::Cancelled },
        Notice::Retired { revision },
        Notice::Cancelled { revision },
        Notice::Superseded { revision },
        Notice::Paused { by: "ana".to_owned() },
        Notice::Resumed,
        Notice::Rebuilt { revision },
    ] {
        let (reason, _) = teal_plan::report::notice(&notice);
        assert!(page.contains(&format!("`{reason}`")), "docs/runbook/reasons.md says nothing of {reason}");
    }
}

/// One row per state of the table in the API's description: phase, Ready, Reconciling, Stalled, Promoted.
#[test]
fn each_state_is_what_kstatus_expects() {
    let yes = |reason: &str| Some((true, reason.to_owned()));
    let no = |reason: &str| Some((false, reason.to_owned()));
    let mut hands_off = at_rest();
    hands_off.settings.mode = Mode::HandsOff;
    let mut on_complete = asking();
    on_complete.settings.readiness = Readiness::OnComplete;
    let rows = vec![
        ("complete", at_rest(), "Complete", yes("Promoted"), None, None, yes("Promoted")),
        ("kept", kept(), "Complete", yes("Promoted"), None, None, yes("Promoted")),
        (
            "starting",
            trying("canary", 10),
            "Preparing",
            no("Progressing"),
            yes("CandidateStarting"),
            None,
            no("UnderWay"),
        ),
        ("asked", asking(), "Waiting", yes("AwaitingDecision"), None, None, no("UnderWay")),
        (
            "asked, OnComplete",
            on_complete,
            "Waiting",
            no("AwaitingDecision"),
            yes("GatesRunning"),
            None,
            no("UnderWay"),
        ),
        ("promoting", promoting(), "Promoting", no("Progressing"), yes("Promoting"), None, no("UnderWay")),
        ("sent back", sent_back(), "RolledBack", no("RolledBack"), None, yes("RolledBack"), no("RolledBack")),
        ("hands off", hands_off, "HandsOff", no("HandsOff"), None, yes("HandsOff"), yes("Promoted")),
    ];
    for (name, s, phase, ready, reconciling, stalled, promoted) in rows {
        let report = of(&s);
        let seen = (
            report.phase,
            condition(&report, "Ready"),
            condition(&report, "Reconciling"),
            condition(&report, "Stalled"),
            condition(&report, "Promoted"),
        );
        assert_eq!(seen, (phase, ready, reconciling, stalled, promoted), "{name}: {report:#?}");
    }
}

/// A person must act, and is told for what.
#[test]
fn what_holds_a_step_has_a_reason_of_its_own() {
    let held = |blind| {
        let mut s = reached("canary", 10, LONG_AGO);
        if let Phase::Step(place) = &mut s.record.phase {
            place.held =
                Some(Held { check: "errors".to_owned(), blind, detail: "0.2, max 1%".to_owned(), job: None });
        }
        s
    };
    let mut late = trying("canary", 10);
    late.settings.on_failure = OnFailure::Hold;
    late.now = Time(DEADLINE.0 + 1);
    let mut installing = at_rest();
    installing.record.phase = Phase::Installing { deadline: NOW };
    installing.world.blue.available = false;
    installing.now = Time(NOW.0 + 1);
    for (name, s, reason) in [
        ("a failed check", held(false), "CheckFailed"),
        ("a blind check", held(true), "ChecksBlind"),
        ("a deadline", late, "DeadlineExceeded"),
        ("a first install that takes too long", installing, "DeadlineExceeded"),
    ] {
        let report = of(&s);
        assert_eq!(condition(&report, "Stalled"), Some((true, reason.to_owned())), "{name}: {report:#?}");
        assert_eq!(
            condition(&report, "Ready"),
            Some((false, "Blocked".to_owned())),
            "{name}: nothing went back"
        );
    }
}

#[test]
fn answers_that_cannot_be_used_are_told_at_once() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    s.checks = vec![standing("errors", Standing::Pending)];
    assert_eq!(condition(&of(&s), "MetricsBlind"), None);
    s.checks = vec![blind("errors", Standing::Pending)];
    let report = of(&s);
    assert_eq!(condition(&report, "MetricsBlind"), Some((true, "NoData".to_owned())));
    assert_eq!(condition(&report, "Reconciling"), Some((true, "MetricsBlind".to_owned())));
    let told = report.conditions.iter().find(|condition| condition.kind == "MetricsBlind").unwrap();
    assert_eq!(told.message, "spec.checks[errors].query: no data: correct it");
}

#[test]
fn a_missing_reference_reconciles_first_and_stalls_after_the_deadline() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.world.obstacles = vec![obstacle(Stops::Rollout)];
    s.record.blocked_since = Some(NOW);
    let early = of(&s);
    assert_eq!(early.phase, "Blocked");
    assert_eq!(condition(&early, "Reconciling"), Some((true, "WaitingForReference".to_owned())));
    assert_eq!(condition(&early, "Accepted"), Some((false, "VirtualServiceNotFound".to_owned())));
    s.now = DEADLINE;
    let late = of(&s);
    assert_eq!(condition(&late, "Stalled"), Some((true, "ReferenceMissing".to_owned())));
    assert_eq!(condition(&late, "Reconciling"), None);
}

/// It is the old one that went back: whoever waits for the new generation must not be told that it failed.
#[test]
fn what_mends_a_release_that_was_sent_back_is_not_reported_as_sent_back() {
    let mut kept = sent_back();
    kept.settings.wanted = Some(content(3));
    kept.record.candidate = Some(release(candidate(), 2));
    kept.record.kept_until = Some(DEADLINE);
    kept.world.green = present(candidate());
    let mut clearing = kept.clone();
    clearing.record = committed(&kept).0;
    let mut blocked = kept.clone();
    blocked.world.obstacles = vec![obstacle(Stops::Rollout)];
    blocked.record.blocked_since = Some(NOW);
    let under_way = Some((false, "UnderWay".to_owned()));
    for (name, s, phase, reconciling) in [
        ("kept", kept, "Complete", "NewRevision"),
        ("clearing", clearing, "Complete", "NewRevision"),
        ("blocked", blocked, "Blocked", "WaitingForReference"),
    ] {
        let report = of(&s);
        assert_eq!(report.phase, phase, "{name}: {report:#?}");
        assert_eq!(condition(&report, "Ready"), Some((false, "Progressing".to_owned())), "{name}");
        assert_eq!(condition(&report, "Reconciling"), Some((true, reconciling.to_owned())), "{name}");
        assert_eq!(condition(&report, "Stalled"), None, "{name}");
        assert_eq!(condition(&report, "Promoted"), under_way, "{name}");
    }
    let mut paused = sent_back();
    paused.settings.wanted = Some(content(3));
    paused.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    let report = of(&paused);
    assert_eq!((report.phase, condition(&report, "Promoted")), ("Paused", under_way));
    assert_eq!(condition(&report, "Stalled"), None);
    let mut unusable = sent_back();
    unusable.settings.wanted = None;
    assert_eq!(of(&unusable).phase, "RolledBack", "as long as nothing else can be made out");
}

#[test]
fn what_is_only_in_the_way_of_the_next_rollout_stalls_nothing_before_one_is_wanted() {
    let mut s = at_rest();
    s.world.obstacles = vec![obstacle(Stops::Rollout)];
    s.world.obstacles[0].reason = "ServiceUnsupported".to_owned();
    let resting = of(&s);
    assert_eq!(condition(&resting, "Stalled"), None);
    assert_eq!(condition(&resting, "Ready"), Some((true, "Promoted".to_owned())));
    assert_eq!(condition(&resting, "Accepted"), Some((false, "ServiceUnsupported".to_owned())));
    s.settings.wanted = Some(content(2));
    assert_eq!(condition(&of(&s), "Stalled"), Some((true, "ReleaseInvalid".to_owned())));
}

#[test]
fn what_stops_nothing_is_said_all_the_same() {
    let mut s = trying("canary", 10);
    s.world.obstacles = vec![obstacle(Stops::Nothing)];
    s.world.obstacles[0].reason = "LiveRepaired".to_owned();
    let warned = of(&s);
    assert_eq!(condition(&warned, "Accepted"), Some((true, "Accepted".to_owned())), "a warning has its own");
    assert_eq!(condition(&warned, "LiveRepaired"), Some((true, "Found".to_owned())));
    for warning in [
        "HostNotExported",
        "DestinationRuleUnsupported",
        "InnerCallToRole",
        "NameWithoutColor",
        "JobReceivesTraffic",
        "RoleNamesColored",
        "ServiceInsideOnly",
    ] {
        s.world.obstacles[0].reason = warning.to_owned();
        assert_eq!(condition(&of(&s), "Accepted"), Some((true, "Accepted".to_owned())), "{warning}");
        assert_eq!(condition(&of(&s), warning), Some((true, "Found".to_owned())));
    }
    s.world.obstacles[0].reason = "NameTaken".to_owned();
    assert_eq!(condition(&of(&s), "Accepted"), Some((false, "NameTaken".to_owned())));
}

#[test]
fn an_obstacle_is_what_a_step_waits_for() {
    let mut s = trying("canary", 10);
    s.world.obstacles = vec![obstacle(Stops::Rollout)];
    s.record = committed(&s).0;
    let report = of(&s);
    assert!(report.message.contains("VirtualService web: make it"), "{}", report.message);
    assert_eq!(report.waiting_for.as_deref(), Some("VirtualServiceNotFound"));
}

#[test]
fn the_message_says_who_has_what_and_what_is_waited_for() {
    let report = of(&asking());
    assert!(report.message.starts_with("10 % of requests reach r2-02020202 (green)"), "{}", report.message);
    assert!(report.message.contains("waits for approval (0 of 1)"), "{}", report.message);
    assert_eq!(report.waiting_for.as_deref(), Some("approval (0/1)"));
    assert_eq!(report.candidate_weight, 10);
}

#[test]
fn a_rollback_says_why() {
    let report = of(&sent_back());
    assert!(report.message.contains("check errors failed (0.2, max 1%)"), "{}", report.message);
    assert!(report.message.contains("Retry"), "{}", report.message);
}

#[test]
fn what_keeps_the_machine_waiting_is_told_apart_from_its_motions() {
    let mut s = trying("canary", 10);
    s.world.green = teal_plan::snapshot::ColorSeen { available: false, ..present(candidate()) };
    assert!(!of(&s).trouble, "pods that start");
    s.world.green.trouble = Some("pod web-green-1: ImagePullBackOff".to_owned());
    assert!(of(&s).trouble);
    s.world.green = teal_plan::snapshot::ColorSeen { serving: vec![0], ..present(candidate()) };
    assert!(of(&s).trouble, "fewer endpoints than pods");
    assert!(!of(&at_rest()).trouble);
}

#[test]
fn a_pause_by_the_spec_names_the_remedy_that_works() {
    let mut s = reached("canary", 10, LONG_AGO);
    s.settings.mode = Mode::Paused;
    s.record.paused = Some(Pause::Spec);
    let message = of(&s).message;
    assert!(message.contains("set it to Active") && !message.contains("resume"), "{message}");
}

#[test]
fn a_pause_by_a_person_is_told_from_its_beginning_to_its_end() {
    let mut s = at_rest();
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
    let resting = of(&s);
    assert!(resting.message.contains("paused by ana: resume to go on"), "{}", resting.message);
    assert_eq!((resting.phase, resting.waiting_for), ("Complete", None), "nothing waits for it yet");
    assert_eq!(condition(&of(&s), "Ready"), Some((true, "Promoted".to_owned())));
    s.settings.wanted = Some(content(2));
    let held = of(&s);
    assert!(held.message.contains("paused by ana: resume to go on"), "{}", held.message);
    assert_eq!((held.phase, held.waiting_for.as_deref()), ("Paused", Some("resume")));
    assert_eq!(condition(&held, "Ready"), Some((true, "Paused".to_owned())));
    assert_eq!(condition(&held, "Promoted"), Some((false, "UnderWay".to_owned())));
    s.settings.readiness = Readiness::OnComplete;
    assert_eq!(condition(&of(&s), "Reconciling"), Some((true, "NewRevision".to_owned())));
}

fn with(mut s: Snapshot, change: impl Fn(&mut Snapshot)) -> Snapshot {
    change(&mut s);
    s
}

fn paused_by_ana(s: &mut Snapshot) {
    s.record.paused = Some(Pause::Decision { user: "ana".to_owned() });
}

fn hands_off(s: &mut Snapshot) {
    s.settings.mode = Mode::HandsOff;
}

/// Nothing is told of a going back that won't come.
/// A name, what is looked at, and the deadline that is told of it.
type Case<'a> = (&'a str, &'a dyn Fn() -> Snapshot, Option<Time>);

#[test]
fn the_deadline_of_a_step_is_told_only_while_its_time_counts() {
    let canary = || trying("canary", 10);
    let at_weight = || reached("canary", 10, NOW);
    let spec = |s: &mut Snapshot| s.settings.mode = Mode::Paused;
    let blocked = |s: &mut Snapshot| s.world.obstacles = vec![obstacle(Stops::Rollout)];
    let lost = |s: &mut Snapshot| {
        s.world.routes = routes(Form::Owner);
        s.world.routes.since = Time(NOW.0 - 1_000);
    };
    // Each is made when its turn comes: seven Snapshots at once are too much for a stack.
    let cases: [Case<'_>; 7] = [
        ("on the way", &|| canary(), Some(DEADLINE)),
        ("at its weight", &|| at_weight(), None),
        ("a weight that is gone", &|| with(at_weight(), lost), Some(Time(DEADLINE.0 - 1_000))),
        ("blocked before the first weight", &|| with(canary(), blocked), None),
        ("paused by the spec", &|| with(canary(), spec), None),
        ("paused by a person", &|| with(canary(), paused_by_ana), None),
        ("hands off", &|| with(canary(), hands_off), None),
    ];
    for (name, made, expected) in cases {
        assert_eq!(of(&made()).deadline, expected, "{name}");
    }
    assert_eq!(of(&at_rest()).deadline, None);
}

#[test]
fn the_deadline_of_a_promotion_is_told_with_the_overlap_and_not_while_that_runs() {
    let overlap =
        |since: Option<Time>| Overlap { lasts: Span::seconds(30), selected: since.is_some(), since };
    let ahead = |s: &mut Snapshot| s.world.overlap = Some(overlap(None));
    let runs = |s: &mut Snapshot| {
        s.world.live_service.points = None;
        s.world.live_service.settled = false;
        s.world.overlap = Some(overlap(Some(Time(NOW.0 - 1_000))));
    };
    for (name, s, expected) in [
        ("becoming live", promoting(), Some(DEADLINE)),
        ("before the overlap", with(promoting(), ahead), Some(DEADLINE + Span::seconds(30))),
        ("while the overlap runs", with(promoting(), runs), None),
        ("paused by a person", with(promoting(), paused_by_ana), None),
        ("hands off", with(promoting(), hands_off), None),
    ] {
        assert_eq!(of(&s).deadline, expected, "{name}");
    }
}

#[test]
fn without_a_mesh_the_deadline_of_the_switch_is_told_with_the_overlap() {
    let mut s = trying("full", 100);
    s.world.green = present(candidate());
    s.world.candidate_service = points(candidate());
    s.settings.routed = false;
    s.world.routes = routes(Form::Unrouted);
    s.world.overlap = Some(Overlap { lasts: Span::seconds(30), selected: false, since: None });
    assert_eq!(of(&s).deadline, Some(DEADLINE + Span::seconds(30)));
    s.settings.routed = true;
    s.world.routes = routes(Form::Owner);
    assert_eq!(of(&s).deadline, Some(DEADLINE), "the overlap is a part of the promotion");
}

/// The rows of the table "conditions and kstatus" of the API, one by one: Ready, Reconciling, Stalled, Promoted, and whether live
/// is Available. kstatus reads Reconciling as in progress, Stalled as failed, and neither as current.
#[test]
fn every_row_of_the_table_of_kstatus_is_kept() {
    let yes = |reason: &str| Some((true, reason.to_owned()));
    let no = |reason: &str| Some((false, reason.to_owned()));
    let readiness = |s: Snapshot, readiness| with(s, |s| s.settings.readiness = readiness);
    let paused = || with(reached("canary", 10, LONG_AGO), paused_by_ana);
    let installing = with(at_rest(), |s| {
        s.record.phase = Phase::Installing { deadline: DEADLINE };
        s.world.blue.available = false;
    });
    let returning = with(reached("canary", 10, LONG_AGO), |s| {
        s.record.phase = Phase::Returning { cause: Cause::Superseded, since: NOW };
    });
    let checking = with(reached("canary", 10, NOW), |_| {});
    let shifting = with(trying("canary", 10), |s| {
        s.world.green = present(candidate());
        s.world.candidate_service = points(candidate());
        s.world.routes = routes(Form::Entered(0));
    });
    let cancelled = with(at_rest(), |s| s.record.phase = Phase::Rest { outcome: Outcome::Cancelled });
    let under_way = || no("UnderWay");
    let rows = vec![
        ("first install", installing, no("Progressing"), yes("CandidateStarting"), None, under_way()),
        ("preparing", trying("canary", 10), no("Progressing"), yes("CandidateStarting"), None, under_way()),
        ("shifting", shifting, no("Progressing"), yes("ShiftingTraffic"), None, under_way()),
        ("checking", checking, no("Progressing"), yes("GatesRunning"), None, under_way()),
        ("promoting", promoting(), no("Progressing"), yes("Promoting"), None, under_way()),
        ("rolling back", returning, no("Progressing"), yes("RollingBack"), None, under_way()),
        ("asked", asking(), yes("AwaitingDecision"), None, None, under_way()),
        (
            "asked, OnServing",
            readiness(asking(), Readiness::OnServing),
            yes("Serving"),
            None,
            None,
            under_way(),
        ),
        (
            "asked, OnComplete",
            readiness(asking(), Readiness::OnComplete),
            no("AwaitingDecision"),
            yes("GatesRunning"),
            None,
            under_way(),
        ),
        ("paused", paused(), yes("Paused"), None, None, under_way()),
        (
            "paused, OnComplete",
            readiness(paused(), Readiness::OnComplete),
            no("Paused"),
            yes("GatesRunning"),
            None,
            under_way(),
        ),
        ("complete, old kept", kept(), yes("Promoted"), None, None, yes("Promoted")),
        ("complete, old retired", at_rest(), yes("Promoted"), None, None, yes("Promoted")),
        ("rolled back", sent_back(), no("RolledBack"), None, yes("RolledBack"), no("RolledBack")),
        (
            "hands off mid-rollout",
            with(reached("canary", 10, LONG_AGO), hands_off),
            no("HandsOff"),
            None,
            yes("HandsOff"),
            under_way(),
        ),
        ("the spec is live's again", cancelled, yes("Promoted"), None, None, yes("Cancelled")),
    ];
    for (name, s, ready, reconciling, stalled, promoted) in rows {
        let report = of(&s);
        let seen = (
            condition(&report, "Ready"),
            condition(&report, "Reconciling"),
            condition(&report, "Stalled"),
            condition(&report, "Promoted"),
        );
        assert_eq!(seen, (ready, reconciling, stalled, promoted), "{name}: {report:#?}");
        assert_eq!(condition(&report, "Available").map(|(status, _)| status), Some(true), "{name}");
    }
}

/// Whatever sent it back, it has failed for kstatus while live serves; the reason says by what.
#[test]
fn what_was_sent_back_is_failed_and_says_by_what() {
    let rejected = |cause: Cause| {
        with(sent_back(), |s| s.record.phase = Phase::Rest { outcome: Outcome::RolledBack(cause.clone()) })
    };
    let person = Cause::Decision { user: "ana".to_owned(), rejected: true, reason: String::new() };
    let late = Cause::Deadline { waiting_for: "pods".to_owned() };
    let hand = Cause::ForeignWriter { manager: "helm".to_owned() };
    let no = |reason: &str| Some((false, reason.to_owned()));
    for (cause, reason) in [(person, "Rejected"), (late, "DeadlineExceeded"), (hand, "ForeignWriter")] {
        let report = of(&rejected(cause));
        assert_eq!(condition(&report, "Stalled"), Some((true, reason.to_owned())), "{report:#?}");
        assert_eq!(condition(&report, "Reconciling"), None, "{reason}");
        assert_eq!(
            (condition(&report, "Ready"), condition(&report, "Promoted")),
            (no("RolledBack"), no("RolledBack"))
        );
        assert_eq!(condition(&report, "Available").map(|(status, _)| status), Some(true), "{reason}");
    }
}

//! A world at rest that each row changes a little, and words to say what is expected.

use teal_plan::record::{Outcome, Phase, Record, Release, StepRecord, Wanted};
use teal_plan::settings::{Guard, Mode, OnFailure, Readiness, Settings, Step, Until};
use teal_plan::snapshot::{
    Beside, CheckSeen, ColorSeen, Form, Found, NAMESPACE_TERMINATING, Objects, Obstacle, RoutesSeen,
    ServiceSeen, Standing, Stops, Trouble, World,
};
use teal_plan::{Color, ContentHash, Decision, Effect, Notice, Plan, Slot, Snapshot, Span, Time, plan};

pub(crate) const NOW: Time = Time(1_000_000);
pub(crate) const LONG_AGO: Time = Time(0);
pub(crate) const DEADLINE: Time = Time(NOW.0 + 600_000);
/// The gates that a step was committed with, where a row doesn't say otherwise: those that the row gives it. What the planner
/// commits is never this, so an edit after a commit is an edit.
const AS_GIVEN: u32 = 0xffff;
/// The step that checks are asked for, whichever that is by the time of the plan.
pub(crate) const HERE: Option<(String, Time)> = Some((String::new(), LONG_AGO));

pub(crate) fn content(number: u8) -> ContentHash {
    ContentHash { version: 1, digest: [number; 32] }
}

pub(crate) fn slot(color: Color, number: u8) -> Slot {
    Slot { color, revision: content(number).revision(u32::from(number)) }
}

/// Content 1 in blue.
pub(crate) fn live() -> Slot {
    slot(Color::Blue, 1)
}

/// Content 2 in green.
pub(crate) fn candidate() -> Slot {
    slot(Color::Green, 2)
}

pub(crate) fn release(slot: Slot, number: u8) -> Release {
    Release { slot, hash: content(number), since: LONG_AGO, attempt: 1 }
}

fn step(name: &str, weight: u8, hold: i64) -> Step {
    Step {
        name: name.to_owned(),
        weight,
        hold: Span::seconds(hold),
        mirror: None,
        min_pod_age: Span(0),
        checks: Vec::new(),
        approvals: None,
        jobs: Vec::new(),
    }
}

fn settings() -> Settings {
    Settings {
        generation: 1,
        wanted: Some(content(1)),
        jobs: Vec::new(),
        later: Vec::new(),
        still_at: None,
        mode: Mode::Active,
        halt: None,
        halts_at: None,
        start: None,
        steps: vec![step("canary", 10, 60), step("full", 100, 30)],
        guards: Vec::new(),
        on_failure: OnFailure::Rollback,
        on_blind: Vec::new(),
        readiness: Readiness::OnWaiting,
        progress_deadline: Span::seconds(600),
        keep_previous: Span::seconds(3600),
        keep_failed: Span::seconds(600),
        routed: true,
        propagation: Span::seconds(2),
        drain: Span::seconds(30),
        connections: None,
        endpoint_grace: Span::seconds(10),
        group: None,
    }
}

pub(crate) fn present(slot: Slot) -> ColorSeen {
    ColorSeen {
        objects: Objects::Present { slot, in_sync: true },
        serving: vec![3],
        available: true,
        works: false,
        trouble: None,
        short_since: None,
        ticks: Vec::new(),
        youngest: None,
    }
}

pub(crate) fn absent() -> ColorSeen {
    ColorSeen {
        objects: Objects::Absent,
        serving: vec![0],
        available: false,
        works: false,
        trouble: None,
        short_since: None,
        ticks: Vec::new(),
        youngest: None,
    }
}

pub(crate) fn points(slot: Slot) -> ServiceSeen {
    ServiceSeen {
        points: Some(slot),
        settled: true,
        since: LONG_AGO,
        turned: LONG_AGO,
        epoch: 7,
        selects_others: false,
    }
}

pub(crate) fn routes(form: Form) -> RoutesSeen {
    RoutesSeen { form, since: LONG_AGO, epoch: 7, foreign: None, beside: Beside::NONE }
}

/// Content 1 is live in blue and wanted; nothing else is there.
pub(crate) fn at_rest() -> Snapshot {
    let record = Record {
        epoch: 7,
        counter: 1,
        phase: Phase::Rest { outcome: Outcome::Promoted },
        wanted: Some(Wanted { hash: content(1), revision: live().revision, rejected: false, attempts: 1 }),
        live: Some(release(live(), 1)),
        ..Record::default()
    };
    Snapshot {
        now: NOW,
        watched_since: LONG_AGO,
        nonce: "n1".to_owned(),
        settings: settings(),
        record,
        deleting: false,
        world: World {
            stale: false,
            abandoned: false,
            finalizer: false,
            policies: Some(LONG_AGO),
            blue: present(live()),
            green: absent(),
            sizes: Vec::new(),
            live_service: points(live()),
            candidate_service: points(live()),
            group: None,
            overlap: None,
            routes: routes(Form::Owner),
            recorded: true,
            jobs: Vec::new(),
            step_jobs: Vec::new(),
            left_step_jobs: Vec::new(),
            obstacles: Vec::new(),
            found: Found::Nothing,
            highest_epoch: 7,
            highest_counter: 1,
        },
        decisions: Vec::new(),
        checks: Vec::new(),
    }
}

/// Content 2 is tried in green, at a step that was just committed; nothing is done for it yet.
pub(crate) fn trying(name: &str, weight: u8) -> Snapshot {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.record.wanted =
        Some(Wanted { hash: content(2), revision: candidate().revision, rejected: false, attempts: 1 });
    s.record.counter = 2;
    s.record.candidate = Some(release(candidate(), 2));
    s.record.baseline = vec![3];
    s.record.phase = Phase::Step(StepRecord {
        step: name.to_owned(),
        weight,
        deadline: DEADLINE,
        reached: None,
        lost: None,
        gate: None,
        held: None,
        jobs: Vec::new(),
        terms: AS_GIVEN,
    });
    s
}

/// The candidate has `weight` as committed, seen long ago, and the step was reached at `reached`.
pub(crate) fn reached(name: &str, weight: u8, reached: Time) -> Snapshot {
    let mut s = trying(name, weight);
    s.world.finalizer = true;
    s.world.green = present(candidate());
    s.world.candidate_service = points(candidate());
    s.world.routes = routes(Form::Entered(weight));
    if let Phase::Step(place) = &mut s.record.phase {
        place.reached = Some(reached);
    }
    s
}

/// All weight is at the candidate and promotion was committed.
pub(crate) fn promoting() -> Snapshot {
    let mut s = reached("full", 100, LONG_AGO);
    s.record.phase = Phase::Promoting { deadline: DEADLINE };
    s
}

/// Content 2 was promoted in green; content 1 is kept in blue for a while.
pub(crate) fn kept() -> Snapshot {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.record.wanted =
        Some(Wanted { hash: content(2), revision: candidate().revision, rejected: false, attempts: 1 });
    s.record.counter = 2;
    s.record.live = Some(release(candidate(), 2));
    s.record.previous = Some(release(live(), 1));
    s.record.kept_until = Some(NOW + Span::seconds(100));
    s.record.vacate_after = Some(LONG_AGO);
    s.world.green = present(candidate());
    s.world.live_service = points(candidate());
    s.world.candidate_service = points(candidate());
    s
}

pub(crate) fn guard(check: &str, until: Until) -> Guard {
    Guard { check: check.to_owned(), until }
}

pub(crate) fn standing(check: &str, standing: Standing) -> (String, CheckSeen) {
    (
        check.to_owned(),
        CheckSeen {
            standing,
            place: HERE,
            detail: "0.2, max 1%".to_owned(),
            trouble: None,
            good: standing == Standing::Pass,
            answered: true,
        },
    )
}

/// A check whose last answer could not be used.
pub(crate) fn blind(check: &str, standing: Standing) -> (String, CheckSeen) {
    let message = format!("spec.checks[{check}].query: no data: correct it");
    let trouble = Some(Trouble { reason: "NoData".to_owned(), message });
    (
        check.to_owned(),
        CheckSeen { standing, place: HERE, detail: String::new(), trouble, good: false, answered: false },
    )
}

pub(crate) fn obstacle(stops: Stops) -> Obstacle {
    Obstacle {
        reason: "VirtualServiceNotFound".to_owned(),
        message: "VirtualService web: make it".to_owned(),
        stops,
    }
}

/// The namespace is being deleted.
pub(crate) fn ends() -> Obstacle {
    Obstacle { reason: NAMESPACE_TERMINATING.to_owned(), ..obstacle(Stops::Everything) }
}

/// The effects of a plan that commits nothing.
pub(crate) fn effects(s: &Snapshot) -> Vec<Effect> {
    match checked(s).decision {
        Decision::Act(effects) => effects,
        Decision::Rest => Vec::new(),
        Decision::Commit(commit) => panic!("commits {:?}", commit.record.phase),
    }
}

/// The record and the notices of a plan that commits.
pub(crate) fn committed(s: &Snapshot) -> (Record, Vec<Notice>) {
    match checked(s).decision {
        Decision::Commit(commit) => {
            assert!(commit.record.epoch > s.record.epoch, "the epoch must grow");
            (commit.record, commit.notices)
        }
        other => panic!("commits nothing: {other:?}"),
    }
}

/// The same with the gates of its step as they are given by then.
pub(crate) fn seated(mut s: Snapshot) -> Snapshot {
    if let Phase::Step(place) = &mut s.record.phase
        && let Some((_, step)) = s.settings.step(&place.step)
        && place.terms == AS_GIVEN
    {
        place.terms = step.terms();
    }
    let here = teal_plan::evidence(&s).map(|(step, since)| (step.name.clone(), since));
    for (_, seen) in &mut s.checks {
        if seen.place == HERE {
            seen.place.clone_from(&here);
        }
    }
    s
}

/// The plan, after it was held against the invariants.
pub(crate) fn checked(s: &Snapshot) -> Plan {
    let s = &seated(s.clone());
    let plan = plan(s);
    assert_eq!(teal_plan::lint::lint(s, &plan), [], "{plan:?}");
    plan
}

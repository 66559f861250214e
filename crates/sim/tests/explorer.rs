//! The production planner in every state that the model reaches, and the same with a protection taken away.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken invariant fails the test; counts stand in the summary"
)]

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use teal_plan::snapshot::Action;
use teal_sim::{Bounds, Budget, Fault, Found, Shape, explore};

const NONE: Budget = Budget::NONE;
const RECORD: [bool; 4] = [true, false, false, false];
const ROUTES: [bool; 4] = [false, true, false, false];
const ROLES: [bool; 4] = [false, false, true, false];
const PODS: [bool; 4] = [false, false, false, true];

/// More states than this are not visited, unless `TEAL_EXPLORER_STATES` says so.
const STATES: usize = 270_000;

/// Kinds of trouble that have more states than that. Every other one is walked to its end: a search that was cut has shown
/// nothing of what lies behind the cut.
const BOUNDED: [&str; 2] = ["everything lags", "a bare last step while everything lags"];

/// From one state in so many it is tried whether the world settles: it takes some thirty rounds each time.
const SETTLE_EVERY: usize = 16;

fn bounds(budget: Budget, states: usize) -> Bounds {
    Bounds { budget, states, settle_every: SETTLE_EVERY }
}

const fn shaped(budget: Budget, shape: Shape) -> Budget {
    Budget { shape, ..budget }
}

/// All that is looked for. For each of them a fault is sown that it alone may notice: an invariant that nothing can break in
/// the model shows nothing.
const INVARIANTS: [&str; 17] = [
    "I1", "I2", "I3", "I4", "I5", "I6", "I8", "I14", "I15", "settles", "share", "checks", "mode", "jobs",
    "overlap", "gone", "wakes",
];

/// Each budget stresses one kind of trouble, most together with a paused writer; every cache lags in some of them.
fn budgets() -> Vec<(&'static str, Budget)> {
    vec![
        ("late writes and going back", Budget { rollbacks: 1, delays: 1, ..NONE }),
        ("the record lags", Budget { rollbacks: 1, lags: RECORD, ..NONE }),
        ("routes lag", Budget { rollbacks: 1, lags: ROUTES, ..NONE }),
        ("roles lag", Budget { rollbacks: 1, lags: ROLES, ..NONE }),
        ("pods lag", Budget { breaks: 1, lags: PODS, ..NONE }),
        ("a guard and a crash", Budget { guards: 1, crashes: 1, delays: 1, ..NONE }),
        ("superseded", Budget { contents: 2, delays: 1, ..NONE }),
        ("superseded while the record lags", Budget { contents: 2, lags: RECORD, ..NONE }),
        ("cancelled", Budget { cancels: 1, delays: 1, ..NONE }),
        ("pods break", Budget { breaks: 1, delays: 1, ..NONE }),
        ("foreign hands", Budget { drifts: 1, rollbacks: 1, ..NONE }),
        ("foreign hands and a late write", Budget { drifts: 1, delays: 1, ..NONE }),
        ("everything lags", Budget { lags: [true; 4], ..NONE }),
        ("deleted, also without a status", Budget { deletions: 1, losses: 1, ..NONE }),
        ("the status is lost", Budget { losses: 1, rollbacks: 1, guards: 1, ..NONE }),
        ("the status is lost under a newer revision", Budget { losses: 1, contents: 2, ..NONE }),
        ("the status is lost and a write is late", Budget { losses: 1, delays: 1, ..NONE }),
        ("the status is lost and the spec's mode changes", Budget { losses: 1, modes: 1, ..NONE }),
        ("the spec's mode changes", Budget { modes: 2, rollbacks: 1, ..NONE }),
        ("the spec's mode changes under a guard", Budget { modes: 2, guards: 1, ..NONE }),
        ("an export is applied in a pause", Budget { exports: 1, modes: 1, delays: 1, ..NONE }),
        ("an export is applied and a foreign hand", Budget { exports: 1, drifts: 1, ..NONE }),
        ("two crashes and a late write", Budget { crashes: 2, delays: 1, guards: 1, ..NONE }),
    ]
}

/// Other worlds: two VirtualServices or none, checks, deadlines, and what else people decide.
fn worlds() -> Vec<(&'static str, Budget)> {
    const TWO: Shape = Shape { routes: 2, ..Shape::PLAIN };
    const PLAIN: Shape = Shape { routes: 0, ..Shape::PLAIN };
    const CHECKED: Shape = Shape { checked: true, ..Shape::PLAIN };
    const HELD: Shape = Shape { checked: true, holds: true, ..Shape::PLAIN };
    const HURRIED: Shape = Shape { hurried: true, ..Shape::PLAIN };
    const JUMPS: Shape = Shape { jumps: true, ..Shape::PLAIN };
    const BARE: Shape = Shape { bare: true, ..Shape::PLAIN };
    const OVERLAPS: Shape = Shape { overlaps: true, ..Shape::PLAIN };
    const JOBS: Shape = Shape { jobs: true, ..Shape::PLAIN };
    const TESTED: Shape = Shape { tested: true, ..Shape::PLAIN };
    const PLAIN_OVERLAPS: Shape = Shape { routes: 0, ..OVERLAPS };
    const fn acts(shape: Shape, acts: &'static [Action]) -> Shape {
        Shape { acts, ..shape }
    }
    vec![
        ("two VirtualServices", shaped(Budget { rollbacks: 1, ..NONE }, TWO)),
        ("two VirtualServices and a late write", shaped(Budget { guards: 1, delays: 1, ..NONE }, TWO)),
        ("two VirtualServices lag", shaped(Budget { lags: ROUTES, ..NONE }, TWO)),
        ("one of two VirtualServices is written by another hand", shaped(Budget { drifts: 1, ..NONE }, TWO)),
        (
            "an export is applied to one of two VirtualServices",
            shaped(Budget { exports: 1, modes: 1, ..NONE }, TWO),
        ),
        ("no mesh", shaped(Budget { rollbacks: 1, delays: 1, ..NONE }, PLAIN)),
        ("no mesh, a guard and a crash", shaped(Budget { guards: 1, crashes: 1, delays: 1, ..NONE }, PLAIN)),
        ("no mesh, roles lag", shaped(Budget { rollbacks: 1, lags: ROLES, ..NONE }, PLAIN)),
        ("no mesh, superseded", shaped(Budget { contents: 2, lags: RECORD, ..NONE }, PLAIN)),
        ("a check", shaped(Budget { verdicts: 2, delays: 1, ..NONE }, CHECKED)),
        (
            "a check that holds",
            shaped(Budget { verdicts: 2, acts: 1, ..NONE }, acts(HELD, &[Action::Retry, Action::Skip])),
        ),
        ("a pause", shaped(Budget { acts: 2, ..NONE }, acts(Shape::PLAIN, &[Action::Pause, Action::Resume]))),
        (
            "a retry",
            shaped(
                Budget { guards: 1, acts: 1, ..NONE },
                acts(Shape::PLAIN, &[Action::Retry, Action::Reject, Action::Skip]),
            ),
        ),
        (
            "a retirement by hand",
            shaped(Budget { rollbacks: 1, acts: 1, ..NONE }, acts(Shape::PLAIN, &[Action::Retire])),
        ),
        ("live stops serving", shaped(Budget { downs: 1, rollbacks: 1, ..NONE }, Shape::PLAIN)),
        (
            "live stops serving while pods lag",
            shaped(Budget { downs: 1, guards: 1, lags: PODS, ..NONE }, Shape::PLAIN),
        ),
        ("a deadline", shaped(Budget { breaks: 1, ..NONE }, HURRIED)),
        ("a deadline while the record lags", shaped(Budget { lags: RECORD, ..NONE }, HURRIED)),
        ("a bare last step", shaped(Budget { rollbacks: 1, delays: 1, ..NONE }, BARE)),
        ("a bare last step, a guard and a crash", shaped(Budget { guards: 1, crashes: 1, ..NONE }, BARE)),
        ("a bare last step while pods break", shaped(Budget { breaks: 1, delays: 1, ..NONE }, BARE)),
        ("a bare last step while everything lags", shaped(Budget { lags: [true; 4], ..NONE }, BARE)),
        ("an overlap", shaped(Budget { rollbacks: 1, delays: 1, ..NONE }, OVERLAPS)),
        ("an overlap and a foreign hand", shaped(Budget { drifts: 1, rollbacks: 1, ..NONE }, OVERLAPS)),
        ("an overlap, a guard and a crash", shaped(Budget { guards: 1, crashes: 1, ..NONE }, OVERLAPS)),
        ("an overlap while roles lag", shaped(Budget { rollbacks: 1, lags: ROLES, ..NONE }, OVERLAPS)),
        ("no mesh, an overlap", shaped(Budget { rollbacks: 1, delays: 1, ..NONE }, PLAIN_OVERLAPS)),
        ("no mesh, an overlap and pods that break", shaped(Budget { breaks: 1, ..NONE }, PLAIN_OVERLAPS)),
        ("Jobs", shaped(Budget { breaks: 1, rollbacks: 1, removals: 1, ..NONE }, JOBS)),
        ("Jobs and a late write", shaped(Budget { guards: 1, delays: 1, ..NONE }, JOBS)),
        ("Jobs of a newer revision", shaped(Budget { contents: 2, crashes: 1, ..NONE }, JOBS)),
        ("a step's Job", shaped(Budget { breaks: 1, removals: 1, crashes: 1, ..NONE }, TESTED)),
        (
            "a step's Job that holds",
            shaped(
                Budget { breaks: 1, acts: 1, ..NONE },
                acts(Shape { holds: true, ..TESTED }, &[Action::Retry, Action::Skip]),
            ),
        ),
        ("a step's Job and a late write", shaped(Budget { guards: 1, delays: 1, ..NONE }, TESTED)),
        ("a step's Job while the record lags", shaped(Budget { lags: RECORD, ..NONE }, TESTED)),
        ("a step's Job while pods lag", shaped(Budget { breaks: 1, lags: PODS, ..NONE }, TESTED)),
        ("a step's Job in a pause", shaped(Budget { modes: 1, removals: 1, ..NONE }, TESTED)),
        ("callers jump", shaped(Budget { verdicts: 2, acts: 1, ..NONE }, acts(JUMPS, &[Action::Retire]))),
    ]
}

/// Worlds in which connections outlive their requests.
fn lingering() -> Vec<(&'static str, Budget)> {
    const LINGERS: Shape = Shape { lingers: true, ..Shape::PLAIN };
    vec![
        ("open connections", shaped(Budget { rollbacks: 1, ..NONE }, LINGERS)),
        ("open connections and a late write", shaped(Budget { delays: 1, ..NONE }, LINGERS)),
        (
            "open connections of what is superseded",
            shaped(Budget { contents: 2, crashes: 1, ..NONE }, LINGERS),
        ),
        ("open connections while routes lag", shaped(Budget { lags: ROUTES, ..NONE }, LINGERS)),
        ("open connections while pods lag", shaped(Budget { guards: 1, lags: PODS, ..NONE }, LINGERS)),
        (
            "open connections and a retirement by hand",
            shaped(Budget { acts: 1, ..NONE }, Shape { acts: &[Action::Retire], ..LINGERS }),
        ),
        (
            "open connections, deleted, also without a status",
            shaped(Budget { deletions: 1, losses: 1, ..NONE }, LINGERS),
        ),
        (
            "open connections without a mesh",
            shaped(Budget { rollbacks: 1, ..NONE }, Shape { routes: 0, ..LINGERS }),
        ),
    ]
}

/// All Rollouts are stopped, and go on.
fn switches() -> Vec<(&'static str, Budget)> {
    const SWITCHED: Shape = Shape { switched: true, ..Shape::PLAIN };
    vec![
        ("the stop switch", shaped(Budget { modes: 2, rollbacks: 1, ..NONE }, SWITCHED)),
        ("the stop switch under a guard", shaped(Budget { modes: 2, guards: 1, ..NONE }, SWITCHED)),
        ("the stop switch and a late write", shaped(Budget { modes: 2, delays: 1, ..NONE }, SWITCHED)),
        (
            "the stop switch without a mesh",
            shaped(Budget { modes: 2, rollbacks: 1, ..NONE }, Shape { routes: 0, ..SWITCHED }),
        ),
    ]
}

/// People may ask for the candidate.
fn previews() -> Vec<(&'static str, Budget)> {
    const PREVIEWED: Shape = Shape { previewed: true, ..Shape::PLAIN };
    const TWO_PREVIEWED: Shape = Shape { routes: 2, ..PREVIEWED };
    vec![
        ("a preview", shaped(Budget { rollbacks: 1, delays: 1, ..NONE }, PREVIEWED)),
        ("a preview and a foreign hand", shaped(Budget { drifts: 1, rollbacks: 1, ..NONE }, PREVIEWED)),
        ("a preview is exported and applied", shaped(Budget { exports: 1, modes: 1, ..NONE }, PREVIEWED)),
        ("a preview while routes lag", shaped(Budget { guards: 1, lags: ROUTES, ..NONE }, PREVIEWED)),
        ("a preview while roles lag", shaped(Budget { rollbacks: 1, lags: ROLES, ..NONE }, PREVIEWED)),
        ("a preview of a newer revision", shaped(Budget { contents: 2, crashes: 1, ..NONE }, PREVIEWED)),
        ("a preview and a deletion", shaped(Budget { deletions: 1, losses: 1, ..NONE }, PREVIEWED)),
        ("previews of two VirtualServices", shaped(Budget { rollbacks: 1, ..NONE }, TWO_PREVIEWED)),
    ]
}

/// Several kinds of trouble at once, for a search by hand: hours, if it is let.
fn combined() -> Vec<(&'static str, Budget)> {
    const TWO: Shape = Shape { routes: 2, ..Shape::PLAIN };
    const PLAIN: Shape = Shape { routes: 0, hurried: true, ..Shape::PLAIN };
    const EVERYTHING: Shape = Shape {
        checked: true,
        holds: true,
        hurried: true,
        acts: &[Action::Pause, Action::Resume, Action::Reject, Action::Skip, Action::Retry, Action::Retire],
        ..Shape::PLAIN
    };
    let lagging = Budget { lags: [true; 4], ..NONE };
    let late = Budget { delays: 1, ..NONE };
    vec![
        ("going back while everything lags", Budget { rollbacks: 1, crashes: 1, ..lagging }),
        ("superseded, cancelled, late", Budget { contents: 2, cancels: 1, rollbacks: 1, delays: 2, ..NONE }),
        ("hands, pods and late writes", Budget { drifts: 2, downs: 1, breaks: 1, ..late }),
        (
            "two VirtualServices, hands and late writes",
            shaped(Budget { rollbacks: 1, drifts: 1, ..late }, TWO),
        ),
        ("two VirtualServices while everything lags", shaped(Budget { guards: 1, ..lagging }, TWO)),
        (
            "no mesh, pods and late writes",
            shaped(Budget { rollbacks: 1, downs: 1, breaks: 1, contents: 2, ..late }, PLAIN),
        ),
        (
            "checks, deadlines and people",
            shaped(Budget { verdicts: 3, acts: 3, guards: 1, breaks: 1, ..NONE }, EVERYTHING),
        ),
    ]
}

fn all() -> Vec<(&'static str, Budget)> {
    budgets().into_iter().chain(worlds()).chain(lingering()).chain(previews()).chain(switches()).collect()
}

#[test]
fn the_planner_keeps_its_invariants_in_every_state() {
    let misnamed = BOUNDED.iter().find(|bounded| all().iter().all(|(name, _)| name != *bounded));
    assert_eq!(misnamed, None, "there is no such kind of trouble");
    let total = search(all(), STATES, |name| BOUNDED.contains(&name));
    let whole = std::env::var("TEAL_EXPLORER_ONLY").is_err();
    assert!(total >= 100_000 || !whole, "only {total} states were reached");
}

#[test]
#[ignore = "a longer search, by `cargo xtask test --long`: see CONTRIBUTING"]
fn a_longer_search_through_several_kinds_of_trouble_at_once() {
    search(combined(), 2_000_000, |_| true);
}

/// Walks each budget to its end, or as far as it goes if it is bounded, and answers how many states there were.
fn search(
    budgets: Vec<(&'static str, Budget)>,
    usual: usize,
    bounded: impl Fn(&str) -> bool + Sync,
) -> usize {
    let limit = std::env::var("TEAL_EXPLORER_STATES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let only = std::env::var("TEAL_EXPLORER_ONLY").ok();
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let left = Mutex::new(budgets.into_iter().filter(|(name, _)| wanted(name)));
    let next = || left.lock().ok()?.next();
    let total = AtomicUsize::new(0);
    let walk = || {
        while let Some((name, budget)) = next() {
            let found = walked(name, budget, limit);
            // Who bounds it more narrowly by hand knows what is cut.
            assert!(
                found.complete || bounded(name) || limit < usual,
                "{name}: cut at {limit} states: raise STATES, make the trouble smaller, or name it in BOUNDED"
            );
            total.fetch_add(found.states, Ordering::Relaxed);
        }
    };
    // The walks have nothing in common. A panic in one of them comes out of the scope.
    std::thread::scope(|scope| {
        (1..std::thread::available_parallelism().map_or(1, NonZero::get))
            .for_each(|_| drop(scope.spawn(walk)));
        walk();
    });
    let total = total.into_inner();
    println!("explorer: {total} states in all");
    total
}

/// Walks one budget, and says what there was.
fn walked(name: &str, budget: Budget, limit: usize) -> Found {
    let begun = Instant::now();
    let found = explore(bounds(budget, limit), None);
    println!(
        "explorer: {name}: {} states, {} transitions, {}, promoted in {}, rolled back in {}, wakes in {}, settles from 1 of {SETTLE_EVERY} within {} rounds ({} ms)",
        found.states,
        found.transitions,
        extent(&found),
        found.promoted,
        found.rolled_back,
        found.waits,
        found.worst_settle,
        begun.elapsed().as_millis()
    );
    if let Some((broken, path)) = &found.broken {
        panic!("{name}: {broken:?}\n{}", numbered(path));
    }
    assert!(found.promoted + found.rolled_back > 0, "{name}: the model never gets anywhere");
    found
}

fn extent(found: &Found) -> String {
    if found.complete { "complete".to_owned() } else { format!("bounded at {} states", found.states) }
}

#[test]
fn each_sown_fault_is_noticed_by_an_invariant_that_names_it() {
    let mut caught = 0;
    for (fault, trouble, by) in Fault::ALL {
        let (_, budget) =
            all().into_iter().find(|(name, _)| *name == trouble).expect("a trouble of that name");
        // Whether one is noticed must not hang on which states happen to be tried.
        let settle_every = if by.contains(&"settles") { 1 } else { SETTLE_EVERY };
        let found = explore(Bounds { settle_every, ..bounds(budget, 150_000) }, Some(fault)).broken;
        let Some((broken, path)) = found else { panic!("{fault:?} is not noticed") };
        println!(
            "faults: {fault:?} is noticed by {} after {} steps: {}",
            broken.invariant,
            path.len(),
            broken.detail
        );
        assert!(
            by.contains(&broken.invariant),
            "{fault:?} by {broken:?}, not by {by:?}\n{}",
            numbered(&path)
        );
        caught += 1;
    }
    for invariant in INVARIANTS {
        let alone = Fault::ALL.iter().filter(|(_, _, by)| *by == [invariant]);
        let alone: Vec<String> = alone.map(|(fault, ..)| format!("{fault:?}")).collect();
        assert!(!alone.is_empty(), "no fault is sown that {invariant} alone may notice");
        println!("faults: {invariant} alone notices {}", alone.join(", "));
    }
    let each = INVARIANTS.join(", ");
    println!(
        "faults: {caught} sown faults, {caught} noticed, by each of {each} at least one that no other may notice"
    );
}

fn numbered(path: &[String]) -> String {
    let lines: Vec<String> =
        path.iter().enumerate().map(|(i, step)| format!("{:3}. {step}", i + 1)).collect();
    lines.join("\n")
}

//! The production planner in every state that the model reaches, and the same with a protection taken away.

use teal_sim::world::Budget;
use teal_sim::{Bounds, Fault, explore};

const NONE: Budget = Budget {
    contents: 1,
    cancels: 0,
    breaks: 0,
    guards: 0,
    rollbacks: 0,
    drifts: 0,
    delays: 0,
    crashes: 0,
    lags: [false; 4],
};
const RECORD: [bool; 4] = [true, false, false, false];
const ROUTES: [bool; 4] = [false, true, false, false];
const ROLES: [bool; 4] = [false, false, true, false];
const PODS: [bool; 4] = [false, false, false, true];

fn bounds(budget: Budget, states: usize) -> Bounds {
    Bounds { budget, states, settle_every: 16 }
}

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
    ]
}

#[test]
fn the_planner_keeps_its_invariants_in_every_state() {
    let limit = std::env::var("TEAL_EXPLORER_STATES").ok().and_then(|n| n.parse().ok()).unwrap_or(400_000);
    let mut total = 0;
    for (name, budget) in budgets() {
        let found = explore(bounds(budget, limit), None);
        println!(
            "explorer: {name}: {} states, {} transitions, complete: {}, promoted in {}, rolled back in {}, settles within {} rounds",
            found.states,
            found.transitions,
            found.complete,
            found.promoted,
            found.rolled_back,
            found.worst_settle
        );
        if let Some((broken, path)) = found.broken {
            panic!("{name}: {broken:?}\n{}", numbered(&path));
        }
        assert!(found.promoted + found.rolled_back > 0, "{name}: the model never gets anywhere");
        total += found.states;
    }
    println!("explorer: {total} states in all");
    assert!(total >= 100_000, "only {total} states were reached");
}

#[test]
fn each_sown_fault_is_noticed_by_an_invariant_that_names_it() {
    let mut caught = 0;
    for (fault, trouble, by) in Fault::ALL {
        let (_, budget) =
            budgets().into_iter().find(|(name, _)| *name == trouble).expect("a trouble of that name");
        let found = explore(bounds(budget, 150_000), Some(fault)).broken;
        let Some((broken, path)) = found else { panic!("{fault:?} is not noticed") };
        println!(
            "explorer: {fault:?} is noticed by {} after {} steps: {}",
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
    println!("explorer: {caught} sown faults, {caught} noticed");
}

fn numbered(path: &[String]) -> String {
    let lines: Vec<String> =
        path.iter().enumerate().map(|(i, step)| format!("{:3}. {step}", i + 1)).collect();
    lines.join("\n")
}

//! Members of a group, walked together: each kind of trouble to its end, or as far as it is bounded.

#![expect(clippy::print_stdout, reason = "counts stand in the summary")]

use teal_sim::group::{Found, GroupFault, Walked, explore};
use teal_sim::{Budget, Shape};

const NONE: Budget = Budget::NONE;

fn walked(members: Vec<Budget>, lags: bool) -> Walked {
    let orders = vec![0; members.len()];
    Walked { members, lags, orders, prepared: lags, states: 25_000, settle_every: 29 }
}

const fn hurried(budget: Budget) -> Budget {
    Budget { shape: Shape { hurried: true, ..Shape::PLAIN }, ..budget }
}

/// Each with whether it may be cut.
fn troubles() -> Vec<(&'static str, Walked, bool)> {
    let guard = Budget { guards: 1, ..NONE };
    let unmeshed = Shape { routes: 0, ..Shape::PLAIN };
    let ordered = Walked { orders: vec![1, 0], ..walked(vec![NONE, guard], false) };
    vec![
        ("a group", walked(vec![NONE, NONE], false), false),
        ("a group whose members lag", walked(vec![NONE, NONE], true), true),
        ("a group and a guard", walked(vec![guard, NONE], false), false),
        ("a group and a guard while members lag", walked(vec![guard, NONE], true), true),
        ("a group and a person", walked(vec![NONE, Budget { rollbacks: 1, ..NONE }], false), false),
        (
            "a group and deadlines",
            walked(vec![hurried(Budget { breaks: 1, ..NONE }), hurried(NONE)], false),
            true,
        ),
        ("a group of which one is changed", walked(vec![Budget { contents: 2, ..NONE }, NONE], false), true),
        ("a group of which one is deleted", walked(vec![Budget { deletions: 1, ..NONE }, NONE], false), true),
        ("a group and the spec's mode", walked(vec![Budget { modes: 1, ..NONE }, NONE], false), true),
        (
            "a group of which one loses its status",
            walked(vec![Budget { losses: 1, ..NONE }, NONE], false),
            true,
        ),
        ("a group in order", ordered, false),
        (
            "a group without a mesh",
            walked(vec![Budget { shape: unmeshed, ..guard }, Budget { shape: unmeshed, ..NONE }], false),
            false,
        ),
        ("a group of three", Walked { prepared: true, ..walked(vec![guard, NONE, NONE], false) }, true),
        ("a group of three whose members lag", walked(vec![NONE, NONE, NONE], true), true),
    ]
}

fn found(name: &str, walked: &Walked, fault: Option<GroupFault>) -> Found {
    let begun = std::time::Instant::now();
    let found = explore(walked, fault);
    let extent = if found.complete { "complete" } else { "bounded" };
    println!(
        "explorer: {name}: {} states, {extent}, live together in {}, followed back in {}, lists differ in {} ({} ms)",
        found.states,
        found.promoted,
        found.followed,
        found.conflicts,
        begun.elapsed().as_millis()
    );
    found
}

#[test]
fn members_of_a_group_keep_their_invariants_in_every_state() {
    let only = std::env::var("TEAL_EXPLORER_ONLY").ok();
    let (mut promoted, mut followed, mut conflicts) = (0, 0, 0);
    for (name, walked, bounded) in troubles() {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let found = found(name, &walked, None);
        if let Some((broken, path)) = &found.broken {
            panic!("{name}: {broken:?}\n{}", path.join("\n"));
        }
        assert!(found.complete || bounded, "{name}: cut at {} states", found.states);
        promoted += found.promoted;
        followed += found.followed;
        conflicts += found.conflicts;
    }
    assert!(only.is_some() || (promoted > 0 && followed > 0 && conflicts > 0), "the model never gets there");
}

#[test]
fn each_protection_of_a_group_is_missed_where_it_is_taken_away() {
    let guard = Budget { guards: 1, ..NONE };
    let lagging = walked(vec![guard, NONE], true);
    let ordered = Walked { orders: vec![1, 0], ..walked(vec![NONE, NONE], false) };
    let faults = [
        (GroupFault::Unheard, walked(vec![guard, NONE], false), "group"),
        (GroupFault::ListLeft, walked(vec![NONE, NONE], false), "list"),
        (GroupFault::BackUnseen, walked(vec![guard, NONE], false), "settles"),
        (GroupFault::NoFreshRead, lagging, "group"),
        (GroupFault::Unordered, ordered, "order"),
    ];
    for (fault, walked, by) in faults {
        let walked = Walked { settle_every: if by == "settles" { 1 } else { 1_000_000 }, ..walked };
        let Some((broken, path)) = found(&format!("{fault:?}"), &walked, Some(fault)).broken else {
            panic!("{fault:?} is not noticed")
        };
        assert_eq!(broken.invariant, by, "{fault:?}: {broken:?}\n{}", path.join("\n"));
    }
}

//! What is said of going back: whether it is one write, and how short what it leads to is.

use teal_plan::Snapshot;
use teal_plan::record::{Cause, Phase};
use teal_plan::settings::Until;
use teal_plan::snapshot::Standing;

use crate::fixture::*;
use crate::report::of;

#[test]
fn rule_6_going_back_is_available_only_to_what_can_carry_everything() {
    let mut retired = kept();
    retired.record.previous = None;
    let mut returning = reached("canary", 10, LONG_AGO);
    let cause = Cause::TooFewEndpoints { detail: String::new() };
    returning.record.phase = Phase::Returning { cause, since: NOW };
    let with = |s: &Snapshot, serving: u32| {
        let mut s = s.clone();
        s.record.baseline = vec![3];
        s.world.blue.serving = vec![serving];
        s
    };
    let with_new_service = |serving: u32| {
        let mut s = kept();
        s.record.baseline = vec![3, 0];
        (s.world.blue.serving, s.world.green.serving) = (vec![serving, 0], vec![3, 3]);
        s
    };
    let grown = |s: &Snapshot| {
        let mut s = with(s, 3);
        s.world.green.serving = vec![12];
        s
    };
    let step = reached("canary", 10, LONG_AGO);
    for (name, s, answer, said) in vec![
        ("live is whole", with(&step, 3), (true, "CandidateUnderTest"), "ready to take all"),
        ("live is short", with(&step, 2), (false, "NotReady"), "has 2 ready endpoints and needs 3"),
        ("live is gone", with(&step, 0), (false, "NotReady"), "no ready endpoint"),
        ("while it becomes live", with(&promoting(), 2), (false, "NotReady"), "needs 3"),
        ("kept and whole", with(&kept(), 3), (true, "PreviousReady"), "is kept and ready"),
        ("kept and short", with(&kept(), 1), (false, "NotReady"), "going back works"),
        ("kept, and a Service is new", with_new_service(3), (true, "PreviousReady"), "is kept and ready"),
        ("kept and short, and a Service is new", with_new_service(1), (false, "NotReady"), "needs 3+0"),
        (
            "kept, and what is live grew",
            grown(&kept()),
            (false, "NotReady"),
            "has 3 ready endpoints and needs 12",
        ),
        (
            "what becomes live grew",
            grown(&promoting()),
            (false, "NotReady"),
            "has 3 ready endpoints and needs 12",
        ),
        (
            "a candidate with few requests grew",
            grown(&step),
            (true, "CandidateUnderTest"),
            "ready to take all",
        ),
        ("retired", retired, (false, "Retired"), "no previous release"),
        ("on the way back", returning, (false, "NotReady"), "nothing to go back to"),
    ] {
        let report = of(&s);
        let seen = report.conditions.iter().find(|c| c.kind == "RollbackAvailable").unwrap();
        assert_eq!((seen.status, seen.reason.as_str()), answer, "{name}");
        assert!(seen.message.contains(said), "{name}: {}", seen.message);
    }
}

#[test]
fn rule_6_going_back_to_too_few_goes_ahead_and_says_so() {
    let mut s = kept();
    s.record.baseline = vec![3];
    s.world.blue.serving = vec![1];
    s.settings.guards = vec![guard("payments", Until::Retired)];
    s.checks = vec![standing("payments", Standing::Fail)];
    let begun = of(&s);
    assert_eq!(begun.phase, "RollingBack");
    assert!(
        begun.message.contains("r1-01010101 (blue) has only 1 of 3 ready endpoints"),
        "{}",
        begun.message
    );
    s.record = committed(&s).0;
    let under_way = of(&s);
    assert!(under_way.message.contains("has only 1 of 3 ready endpoints"), "{}", under_way.message);
    s.world.blue.serving = vec![3];
    assert!(!of(&s).message.contains("only"), "{}", of(&s).message);
}

/// What one color became to bear all requests is asked of the other for the words alone: going back is the same, and as soon.
#[test]
fn rule_6_going_back_to_what_has_not_grown_along_goes_ahead_as_ever_and_says_so() {
    let guarded = |mut s: Snapshot| {
        s.record.baseline = vec![3];
        s.settings.guards = vec![guard("payments", Until::Retired)];
        s.checks = vec![standing("payments", Standing::Fail)];
        s
    };
    for s in [kept(), promoting()].map(guarded) {
        let mut grown = s.clone();
        grown.world.green.serving = vec![12];
        let (was, is) = (committed(&s).0, committed(&grown).0);
        assert_eq!(was, is);
        assert!(of(&grown).message.contains("has only 3 of 12 ready endpoints"), "{}", of(&grown).message);
        (grown.record, grown.world.live_service.epoch) = (is, u64::MAX);
        let mut same = grown.clone();
        same.world.green.serving = vec![3];
        assert_eq!(effects(&grown), effects(&same));
    }
}

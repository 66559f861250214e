//! When to look again, and what waits for that.

use std::time::Duration;

use teal_plan::{Decision, Effect, Phase, Time};

use super::Next;
use crate::error::Class;

/// How long to wait after failures in a row. A conflict means that the cache is a moment behind.
pub(super) fn pause(failures: u32, class: Class) -> Duration {
    let (first, most) = match class {
        Class::Conflict => (Duration::from_millis(20), Duration::from_secs(5)),
        Class::Transient => (Duration::from_millis(250), Duration::from_secs(15)),
        Class::Denied | Class::Invalid | Class::Bug => (Duration::from_secs(2), Duration::from_secs(30)),
    };
    first.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(most)
}

/// When that time has come.
pub(super) fn until(wake_at: Option<Time>, now: Time) -> Next {
    wake_at.map_or(Next::Change, |at| {
        let millis = u64::try_from((at - now).0.max(1)).unwrap_or(1);
        Next::After(Duration::from_millis(millis))
    })
}

/// What comes first of both.
pub(super) fn earlier(one: Next, other: Next) -> Next {
    match (one, other) {
        (Next::Urgent, _) | (_, Next::Urgent) => Next::Urgent,
        (Next::After(one), Next::After(other)) => Next::After(one.min(other)),
        (Next::After(after), Next::Change) | (Next::Change, Next::After(after)) => Next::After(after),
        (Next::Change, Next::Change) => Next::Change,
    }
}

/// Whether what is kept up is left to the next look. It must not hold up the way back, and what was seen before a commit,
/// or before routes were left, says nothing of what must be kept up after it.
pub(super) fn is_errand(decision: &Decision, phase: &Phase, at_once: bool) -> bool {
    match decision {
        Decision::Commit(_) => true,
        Decision::Act(effects) if effects.contains(&Effect::LeaveRoutes) => true,
        Decision::Act(_) | Decision::Rest => at_once && matches!(phase, Phase::Returning { .. }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        assert_eq!(pause(1, Class::Conflict), Duration::from_millis(20));
        assert_eq!(pause(2, Class::Transient), Duration::from_millis(500));
        assert_eq!(pause(40, Class::Transient), Duration::from_secs(15));
        assert!(
            pause(3, Class::Invalid) >= Duration::from_secs(6),
            "at most ten requests a minute while bad"
        );
    }

    #[test]
    fn what_is_kept_up_comes_after_the_way_back_and_never_after_the_routes_were_left() {
        let act = |effect| Decision::Act(vec![effect]);
        let rest = Phase::Rest { outcome: teal_plan::record::Outcome::Promoted };
        let (check, detail) = ("errors".into(), String::new());
        let cause = teal_plan::record::Cause::Check { check, detail };
        let back = Phase::Returning { cause, since: Time(0) };
        for (what, decision, phase, at_once, expected) in [
            ("nothing to do", Decision::Rest, &rest, false, false),
            ("nothing but to wait on the way back", Decision::Rest, &back, false, false),
            ("on the way back", act(Effect::LowerWeight(0)), &back, true, true),
            ("the same, and nothing was to be written", act(Effect::LowerWeight(0)), &back, false, false),
            ("routes are left", act(Effect::LeaveRoutes), &rest, true, true),
            ("the same without success", act(Effect::LeaveRoutes), &rest, false, true),
            ("what is written again and again", act(Effect::Finalizer(true)), &rest, true, false),
        ] {
            assert_eq!(is_errand(&decision, phase, at_once), expected, "{what}");
        }
    }

    #[test]
    fn a_wake_in_the_past_is_now() {
        assert_eq!(until(Some(Time(5)), Time(9)), Next::After(Duration::from_millis(1)));
        assert_eq!(until(None, Time(9)), Next::Change);
        let second = Duration::from_secs(1);
        assert_eq!(earlier(Next::Change, Next::After(second)), Next::After(second));
        assert_eq!(earlier(Next::After(second), Next::After(second * 2)), Next::After(second));
    }
}

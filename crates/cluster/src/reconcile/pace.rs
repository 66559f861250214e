//! When to look again, and what waits for that.

use std::time::Duration;

use teal_plan::{Decision, Effect, Phase, Plan, Record, Time};

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

/// Takes out of a plan what needs contents, which are out of reach; whether anything is left: the way back and all that leads to
/// live, answers, and what is noted on the way.
pub(super) fn turn_to_live(plan: &mut Plan, record: &Record) -> bool {
    let returns = |phase: &Phase| matches!(phase, Phase::Returning { .. });
    if returns(&record.phase) {
        return true;
    }
    let candidate = record.candidate.map(|candidate| candidate.slot);
    match &mut plan.decision {
        Decision::Commit(commit) => returns(&commit.record.phase) || stays(record, &commit.record),
        Decision::Act(effects) => {
            effects.retain(|effect| match effect {
                Effect::LowerWeight(_) | Effect::CutOff(_) | Effect::Answer { .. } => true,
                Effect::PointLive(slot) => Some(*slot) != candidate,
                _ => false,
            });
            !effects.is_empty()
        }
        Decision::Rest => false,
    }
}

/// Whether all stand where they stood: another epoch, or steps that were edited, are noted before anything else is decided.
fn stays(from: &Record, to: &Record) -> bool {
    let same_place = match (&from.phase, &to.phase) {
        (Phase::Step(from), Phase::Step(to)) => {
            from.step == to.step && from.weight == to.weight && from.reached == to.reached
        }
        (from, to) => from == to,
    };
    let places = |record: &Record| {
        (record.live, record.candidate, record.previous, record.vacate_after, record.leaving)
    };
    same_place && places(from) == places(to)
}

#[cfg(test)]
mod tests {
    use teal_plan::record::Release;
    use teal_plan::{Color, Commit, ContentHash, Revision, Slot};

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
        let cause = teal_plan::record::Cause::Check { check, detail, job: None };
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
    fn without_contents_what_leads_to_live_is_done_and_the_way_forward_waits() {
        let slot = |color, counter| Slot { color, revision: Revision { counter, hash: counter } };
        let (live, candidate) = (slot(Color::Blue, 1), slot(Color::Green, 2));
        let release = |slot| Release {
            slot,
            hash: ContentHash { version: 1, digest: [0; 32] },
            since: Time(0),
            attempt: 1,
        };
        let record =
            Record { live: Some(release(live)), candidate: Some(release(candidate)), ..Record::default() };
        let of = |decision| Plan { decision, wake_at: None, why: Vec::new(), measure: Vec::new() };
        let left = |effects: &[Effect]| {
            let mut plan = of(Decision::Act(effects.to_vec()));
            let any = turn_to_live(&mut plan, &record);
            let Decision::Act(left) = plan.decision else { panic!("{:?}", plan.decision) };
            assert_eq!(any, !left.is_empty());
            left
        };
        let back = [Effect::LowerWeight(0), Effect::PointLive(live)];
        assert_eq!(left(&back), back);
        let apply = Effect::ApplyRelease { slot: candidate, active: false };
        assert_eq!(left(&[apply.clone(), Effect::LowerWeight(0)]), [Effect::LowerWeight(0)], "a correction");
        let vacate = Effect::Vacate { color: Color::Green, except: None };
        let forward =
            [apply, vacate, Effect::RaiseWeight(10), Effect::PointLive(candidate), Effect::EnterRoutes];
        assert_eq!(left(&forward), []);
        let commits = |to: Record| {
            let commit = Commit { record: to, notices: Vec::new() };
            turn_to_live(&mut of(Decision::Commit(Box::new(commit))), &record)
        };
        assert!(commits(Record { epoch: 9, ..record.clone() }), "noted before anything else");
        assert!(!commits(Record { live: record.candidate, ..record.clone() }));
        assert!(!commits(Record { phase: Phase::Promoting { deadline: Time(0) }, ..record.clone() }));
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

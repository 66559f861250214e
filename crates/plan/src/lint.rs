//! Invariants that every plan is held against before it is carried out: a cheap wire that trips on a planner's bug.

use crate::decide::{enough, forestalls, needed, serves};
use crate::outcome::{Decision, Effect, Plan};
use crate::record::{Phase, Release};
use crate::snapshot::{Form, Objects, Snapshot};
use crate::words::{Color, Revision, Slot};

/// What a plan would break.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The invariant's id, as in the design.
    pub invariant: &'static str,
    /// What the plan would do.
    pub detail: String,
}

/// Holds a plan against the snapshot it came from. Empty for every plan that may be carried out.
pub fn lint(s: &Snapshot, plan: &Plan) -> Vec<Violation> {
    let mut violations = Vec::new();
    match &plan.decision {
        Decision::Rest => {}
        Decision::Commit(commit) => {
            if commit.record.epoch <= s.record.epoch {
                violations.push(Violation {
                    invariant: "I4",
                    detail: format!("epoch {} would not grow", s.record.epoch),
                });
            }
        }
        Decision::Act(effects) => {
            for effect in effects {
                violations.extend(effect_violation(s, effect));
            }
        }
    }
    violations
}

fn effect_violation(s: &Snapshot, effect: &Effect) -> Option<Violation> {
    let broken = |invariant, detail: String| Some(Violation { invariant, detail });
    if forestalls(s, effect) {
        return broken("group", format!("{effect:?} before all members of the group may have it"));
    }
    match effect {
        Effect::RaiseWeight(weight) => {
            let (Phase::Step(_) | Phase::Promoting { .. }) = &s.record.phase else {
                return broken("I5", format!("a raise to {weight} outside a step"));
            };
            let Some(candidate) = s.record.candidate else {
                return broken("I2", "a raise without candidate".into());
            };
            let serving = &s.world.color(candidate.slot.color).serving;
            if !enough(serving, &needed(*weight, &s.record.baseline, serving.len())) {
                return broken("I2", format!("a raise to {weight} with {serving:?} endpoints"));
            }
            match &s.record.phase {
                Phase::Step(place) if *weight > place.weight => {
                    broken("I14", format!("{weight} is above the step"))
                }
                _ => None,
            }
        }
        Effect::Vacate { color, except } => vacate_violation(s, *color, *except),
        Effect::RunJobs(slot) => jobs_violation(s, *slot),
        Effect::RunStepJobs(slot) => step_jobs_violation(s, *slot),
        Effect::PointLive(slot) => live_violation(s, *slot),
        Effect::Overlap(slot) => overlap_violation(s, *slot),
        Effect::PointCandidate(slot) => candidate_violation(s, *slot),
        Effect::LeaveRoutes if s.world.routes.beside.any => {
            broken("rule 3", "routes would be left while a preview or a mirror leads to the candidate".into())
        }
        Effect::Finalizer(_)
        | Effect::EndStepJobs
        | Effect::RecordRevision(_)
        | Effect::ApplyRelease { .. }
        | Effect::EnterRoutes
        | Effect::LowerWeight(_)
        | Effect::CutOff(_)
        | Effect::LeaveRoutes
        | Effect::Answer { .. } => None,
    }
}

/// Forward it is turned only while no proxy routes to it.
fn candidate_violation(s: &Snapshot, slot: Slot) -> Option<Violation> {
    let forward = s.record.candidate.is_some_and(|candidate| candidate.slot == slot);
    let turned = s.world.candidate_service.points == Some(slot);
    // Once the live role is there, both are the same pods, and another hand's turn is undone at once.
    let home = matches!(s.record.phase, Phase::Returning { .. } | Phase::Rest { .. })
        || s.world.live_service.points == Some(slot);
    (forward && !turned && !home && s.world.routes.beside.any).then(|| Violation {
        invariant: "rule 2",
        detail: format!("the candidate role would go to {slot:?} while a preview or a mirror leads to it"),
    })
}

/// What they do may be more than the former release could stand.
fn jobs_violation(s: &Snapshot, slot: Slot) -> Option<Violation> {
    let rests = matches!(s.record.phase, Phase::Rest { .. });
    let live = s.record.live.is_some_and(|live| live.slot == slot);
    let alone = s.record.previous.is_none() && s.world.color(slot.color.other()).objects == Objects::Absent;
    (!rests || !live || !alone).then(|| Violation {
        invariant: "jobs",
        detail: format!("Jobs of {slot:?} would run beside another release"),
    })
}

/// They try what is under test, at the weight of its step.
fn step_jobs_violation(s: &Snapshot, slot: Slot) -> Option<Violation> {
    let reached = matches!(&s.record.phase, Phase::Step(place) if place.reached.is_some());
    let candidate = s.record.candidate.is_some_and(|candidate| candidate.slot == slot);
    (!reached || !candidate).then(|| Violation {
        invariant: "jobs",
        detail: format!("Jobs of a step would run for {slot:?} outside of it"),
    })
}

fn live_violation(s: &Snapshot, slot: Slot) -> Option<Violation> {
    let forward = s.record.live.is_none_or(|live| live.slot != slot);
    let shared = s.world.overlap.is_some_and(|overlap| overlap.selected);
    let replaces = s.world.live_service.points.is_some_and(|points| points != slot) || shared;
    if forward && replaces && !serves(&s.world.color(slot.color).serving) {
        let detail = format!("the live role would go to {slot:?}, which doesn't serve");
        return Some(Violation { invariant: "I2", detail });
    }
    let tried = s.record.candidate.is_some_and(|candidate| candidate.slot == slot);
    let early = s.world.overlap.is_some_and(|overlap| overlap.ends().is_none_or(|until| s.now < until));
    (tried && early).then(|| Violation {
        invariant: "overlap",
        detail: format!("the live role would go to {slot:?} without having selected both revisions"),
    })
}

/// Both revisions are behind the live role only on the way forward, and at most where the candidate has the rest already.
fn overlap_violation(s: &Snapshot, slot: Slot) -> Option<Violation> {
    let broken = |invariant, detail: String| Some(Violation { invariant, detail });
    let last = match &s.record.phase {
        Phase::Promoting { .. } => s.world.routes.form == Form::Entered(100),
        Phase::Step(place) => !s.settings.routed && place.weight == 100,
        _ => return broken("I5", "both revisions behind the live role outside of a rollout".into()),
    };
    if !last || s.record.candidate.is_none_or(|candidate| candidate.slot != slot) {
        return broken("I14", "both revisions behind the live role before the last step".into());
    }
    let serves = serves(&s.world.color(slot.color).serving);
    if serves {
        None
    } else {
        broken("I2", format!("the live role would reach {slot:?}, which doesn't serve"))
    }
}

fn vacate_violation(s: &Snapshot, color: Color, except: Option<Revision>) -> Option<Violation> {
    let whole = except.is_none();
    let taken = |release: &Release| release.slot.color == color && Some(release.slot.revision) != except;
    let live = s.record.live.as_ref().is_some_and(taken);
    let kept = s.record.previous.as_ref().is_some_and(taken);
    let installing = matches!(s.record.phase, Phase::Installing { .. });
    let shared = s.world.overlap.is_some_and(|overlap| overlap.selected);
    let carries = s.world.live_service.points.map_or(shared, |points| points.color == color) && whole;
    let weighted =
        whole && matches!(s.world.routes.form, Form::Entered(1..) | Form::Mixed { highest: 1.., .. });
    let awaited = s.settings.connections.is_some() && s.record.leaving.is_some_and(|leaving| !leaving.over);
    if awaited && whole && matches!(s.record.phase, Phase::Rest { .. }) {
        let detail = format!("{color} would be cleared while its open connections are awaited");
        return Some(Violation { invariant: "I15", detail });
    }
    let beside =
        s.world.routes.beside.any && s.world.candidate_service.points.is_some_and(|slot| slot.color == color);
    ((live && !installing) || kept || carries || weighted || (beside && whole)).then(|| Violation {
        invariant: "I3",
        detail: format!("{color} would be cleared while it serves or is kept"),
    })
}

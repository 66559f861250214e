//! What would be done, as clauses for people: for a Rollout from which hands are kept off.

use super::sentences;
use crate::outcome::{Commit, Decision, Effect};
use crate::record::Phase;

/// What a decision would do.
pub(super) fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Rest => "nothing would be done now anyway".to_owned(),
        Decision::Commit(commit) => format!("else it would decide: {}", transition(commit)),
        Decision::Act(effects) => {
            let all: Vec<String> = effects.iter().map(effect).collect();
            format!("else it would {}", all.join(", "))
        }
    }
}

/// A transition, as its Event says it, or by the phase that it leads to.
fn transition(commit: &Commit) -> String {
    if let Some(notice) = commit.notices.first() {
        return sentences::notice(notice).1;
    }
    match &commit.record.phase {
        Phase::Step(place) => format!("step {} ({} %)", place.step, place.weight),
        Phase::Promoting { .. } => "the candidate becomes live".to_owned(),
        Phase::Returning { cause, .. } => {
            format!("traffic goes back to live, because {}", sentences::cause(cause))
        }
        Phase::Installing { .. } => "the first release is installed".to_owned(),
        Phase::New | Phase::Rest { .. } => "the rollout rests".to_owned(),
    }
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Finalizer(true) => "set its finalizer".to_owned(),
        Effect::Finalizer(false) => "remove its finalizer".to_owned(),
        Effect::RecordRevision(revision) => format!("keep the content of {revision}"),
        Effect::ApplyRelease { slot, .. } => format!("apply {} in {}", slot.revision, slot.color),
        Effect::RunJobs(slot) => format!("run the Jobs of {} that come after retirement", slot.revision),
        Effect::PointLive(slot) => format!("point the live Services at {} ({})", slot.revision, slot.color),
        Effect::Overlap(slot) => {
            format!("let the live Services select {} ({}) beside live", slot.revision, slot.color)
        }
        Effect::PointCandidate(slot) => {
            format!("point the candidate's Services at {} ({})", slot.revision, slot.color)
        }
        Effect::EnterRoutes => "name the candidate in the routes at 0 %".to_owned(),
        Effect::RaiseWeight(weight) => format!("raise the candidate to {weight} %"),
        Effect::LowerWeight(weight) => format!("lower the candidate to {weight} %"),
        Effect::CutOff(_) => "take the candidate's weight away".to_owned(),
        Effect::LeaveRoutes => "give the routes back to their owner".to_owned(),
        Effect::Vacate { color, except: None } => format!("clear {color}"),
        Effect::Vacate { color, except: Some(revision) } => {
            format!("take out of {color} what is not of {revision}")
        }
        Effect::Answer { decision, .. } => format!("answer Decision {decision}"),
    }
}

//! What a person can do now, as commands to copy.

use kube::ResourceExt;
use teal_api::conditions::Phase;
use teal_api::names::ROLLOUTS;
use teal_api::rollout::{LiveStatus, Mode};
use teal_api::verbs::{self, Person};
use teal_api::{Action, DecisionSpec, Rollout, RolloutStatus};

use crate::standing::{goes_with_its_namespace, is_other_wanted, is_promotion_held, paused_by, phase};

/// A command and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// To be typed.
    pub command: String,
    /// What it does.
    pub does: String,
}

/// All that can be done now. Answers carry the question's nonce, so a copied command can't answer another question.
pub fn commands(rollout: &Rollout) -> Vec<Suggestion> {
    let Some(status) = &rollout.status else { return Vec::new() };
    if goes_with_its_namespace(status) {
        // No Decision can be made in it any more.
        return Vec::new();
    }
    if rollout.spec.mode == Some(Mode::HandsOff) {
        // No decision would be taken.
        return mode(rollout).into_iter().collect();
    }
    let mut all: Vec<Suggestion> = ORDER
        .into_iter()
        .filter(|action| fits(*action, status, rollout))
        .filter_map(|action| suggestion(action, rollout))
        .collect();
    all.extend(mode(rollout));
    all
}

const ORDER: [Action; 8] = [
    Action::Approve,
    Action::Reject,
    Action::Rollback,
    Action::Retry,
    Action::Skip,
    Action::Resume,
    Action::Pause,
    Action::Retire,
];

/// Whether it makes sense where the rollout is. What it is about is left to the builder of decisions.
fn fits(action: Action, status: &RolloutStatus, rollout: &Rollout) -> bool {
    use Phase::{
        Blocked, Checking, Complete, Installing, Preparing, Promoting, RolledBack, Shifting, Waiting,
    };
    let phase = phase(status);
    let paused = rollout.spec.mode == Some(Mode::Paused) || paused_by(rollout).is_some();
    let starting = phase == Some(Complete) && is_other_wanted(status);
    let under_way =
        starting || matches!(phase, Some(Preparing | Shifting | Checking | Waiting | Promoting | Blocked));
    let at_step = matches!(phase, Some(Checking | Waiting));
    let held = (phase == Some(Waiting) && status.gate.is_none()) || is_promotion_held(status);
    let job_failed = matches!(phase, Some(Preparing | Installing)) && names_a_failed_job(status);
    match action {
        Action::Approve | Action::Reject => status.gate.is_some(),
        // It is on its way already.
        Action::Rollback => phase != Some(Phase::RollingBack),
        Action::Skip => at_step && status.step.as_ref().is_some_and(|step| step.reached_at.is_some()),
        Action::Retry => phase == Some(RolledBack) || held || job_failed || verbs::job_failed(status),
        Action::Resume => paused_by(rollout).is_some(),
        Action::Pause => under_way && !paused,
        Action::Retire => true,
    }
}

/// Jobs have no field of their own in status, so what counts is what the message says of one that failed. Where none has, a retry
/// is refused or only begins the wait anew.
fn names_a_failed_job(status: &RolloutStatus) -> bool {
    status.message.as_ref().is_some_and(|message| message.contains("Retry runs it again"))
}

fn suggestion(action: Action, rollout: &Rollout) -> Option<Suggestion> {
    // The builder wants a reason where the person will have to give one.
    let person = Person { reason: Some("…".into()), ..Person::default() };
    let spec = verbs::decision(action, rollout, &person).ok()?.spec;
    let does = does(action, &spec, rollout.status.as_ref());
    Some(Suggestion { command: command(action, rollout, &spec), does })
}

fn command(action: Action, rollout: &Rollout, spec: &DecisionSpec) -> String {
    let mut words = format!("kubectl teal {} {}{}", action.verb(), rollout.name_any(), namespace(rollout));
    let nonce = spec.nonce.as_ref().map(|nonce| ("nonce", nonce));
    let revision = spec.revision.as_ref().filter(|_| nonce.is_none()).map(|revision| ("revision", revision));
    let step = spec.step.as_ref().filter(|_| nonce.is_none()).map(|step| ("step", step));
    for (flag, value) in [revision, step, nonce].into_iter().flatten() {
        words = format!("{words} --{flag} {value}");
    }
    if matches!(action, Action::Reject | Action::Skip) {
        words.push_str(" --reason '…'");
    }
    words
}

fn namespace(rollout: &Rollout) -> String {
    rollout.namespace().map_or_else(String::new, |namespace| format!(" -n {namespace}"))
}

fn does(action: Action, spec: &DecisionSpec, status: Option<&RolloutStatus>) -> String {
    let revision = spec.revision.as_deref().unwrap_or("it");
    let step = spec.step.as_deref().unwrap_or("this");
    let is_it = |live: &LiveStatus| Some(&live.revision) == spec.revision.as_ref();
    match action {
        Action::Approve => format!("{revision} goes on from step {step}"),
        Action::Reject => format!("{revision} is sent back"),
        Action::Rollback => format!("{revision} loses all traffic at once"),
        Action::Retry if status.and_then(|status| status.live.as_ref()).is_some_and(is_it) => {
            format!("the Jobs of {revision} that did not end well run again")
        }
        Action::Retry => format!("{revision} is tried again"),
        Action::Skip => format!("step {step} ends without its gates"),
        Action::Resume => "things move forward again".to_owned(),
        Action::Pause => "nothing moves forward".to_owned(),
        Action::Retire => format!("{revision} is removed now"),
    }
}

/// The way out of a mode that the spec sets.
fn mode(rollout: &Rollout) -> Option<Suggestion> {
    let mode = match rollout.spec.mode? {
        Mode::Active => return None,
        Mode::Paused => "Paused",
        Mode::HandsOff => "HandsOff",
    };
    let target = format!("{ROLLOUTS} {}{}", rollout.name_any(), namespace(rollout));
    Some(Suggestion {
        command: format!(r#"kubectl patch {target} --type merge -p '{{"spec":{{"mode":"Active"}}}}'"#),
        does: format!("spec.mode is {mode}: Teal is at work again (change it in Git, too)"),
    })
}

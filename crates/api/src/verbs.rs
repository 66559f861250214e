//! The human verbs: a Decision made from what a Rollout shows. All front ends use these, so that a vote carries the
//! question it answers, whoever asked it.

use kube::ResourceExt;
use sha2::{Digest, Sha256};

use crate::conditions::{ConditionType, Phase, Reason};
use crate::decision::{Action, DecidedBy, Decision, DecisionSpec, RolloutReference};
use crate::names::label;
use crate::rollout::{CandidateStatus, Rollout, RolloutStatus};

/// Who decides, why, and by which front end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// User name as the API server knows it.
    pub user: String,
    /// The group whose vote it is.
    pub group: Option<String>,
    /// Why. Needed for Reject and Skip.
    pub reason: Option<String>,
    /// `cli`, `web`, `slack` or `api`.
    pub via: Option<String>,
}

/// Why a verb can't be used now. The first word of each is the Rollout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerbError {
    /// Nobody is asked.
    #[error("{rollout} asks nobody now, so there is nothing to {verb}; it {state}")]
    NoQuestion {
        /// Namespace and name.
        rollout: String,
        /// The verb.
        verb: String,
        /// Where the rollout is.
        state: String,
    },
    /// Nothing is under way.
    #[error("{rollout} has no rollout under way, so there is nothing to {verb}; it {state}")]
    NothingUnderWay {
        /// Namespace and name.
        rollout: String,
        /// The verb.
        verb: String,
        /// Where the rollout is.
        state: String,
    },
    /// No color to go back to.
    #[error(
        "{rollout} has no former color to go back to; it {state}. To release an older version, set spec.release to it"
    )]
    NothingToGoBackTo {
        /// Namespace and name.
        rollout: String,
        /// Where the rollout is.
        state: String,
    },
    /// No revision was rejected.
    #[error("{rollout} has no rejected revision to try again; it {state}")]
    NothingToRetry {
        /// Namespace and name.
        rollout: String,
        /// Where the rollout is.
        state: String,
    },
    /// No color is kept.
    #[error("{rollout} keeps no color that could be retired; it {state}")]
    NothingToRetire {
        /// Namespace and name.
        rollout: String,
        /// Where the rollout is.
        state: String,
    },
    /// A reason is needed.
    #[error("{rollout}: {verb} needs a reason, which others will ask for: add --reason")]
    NoReason {
        /// Namespace and name.
        rollout: String,
        /// The verb.
        verb: String,
    },
    /// The operator has not seen the Rollout yet.
    #[error("{rollout} has no status yet: see whether the operator runs and looks after it ({label})")]
    NotSeen {
        /// Namespace and name.
        rollout: String,
        /// The label that says which operator looks after it, with its value, or that there is none.
        label: String,
    },
}

/// What a decision is about.
#[derive(Default)]
struct Subject {
    revision: Option<String>,
    step: Option<String>,
    nonce: Option<String>,
    evidence: Option<String>,
}

/// The Decision by which a person does this to a Rollout as it is now, ready to be created in its namespace.
///
/// The names of votes are made from question, verb and person, and those of Skip, Retry, Retire and Resume from the
/// state they were made for: doing the same twice is a conflict and not two decisions. Rollback and Pause get a new name
/// each time, because making things safer must never fail over a name.
pub fn decision(action: Action, rollout: &Rollout, person: &Person) -> Result<Decision, VerbError> {
    if matches!(action, Action::Reject | Action::Skip) && person.reason.is_none() {
        return Err(VerbError::NoReason { rollout: full_name(rollout), verb: action.verb() });
    }
    let subject = subject(action, rollout)?;
    let name = fixed_name(action, rollout, &subject, person);
    let mut decision =
        Decision::new(name.as_deref().unwrap_or_default(), spec(action, rollout, subject, person));
    if name.is_none() {
        decision.metadata.name = None;
        decision.metadata.generate_name = Some(format!("{}-{}-", rollout.name_any(), action.verb()));
    }
    decision.metadata.namespace = rollout.namespace();
    decision.metadata.labels = Some(labels(rollout));
    Ok(decision)
}

/// The same act, made for the `time`th time. What the operator refused counts for nothing, so it may be done again once
/// whatever was in the way is mended; but the name of the first is taken.
pub fn again(decision: &Decision, time: u32) -> Decision {
    let mut again = decision.clone();
    if time > 1 {
        again.metadata.name = decision.metadata.name.as_ref().map(|name| format!("{name}-{time}"));
    }
    again
}

fn spec(action: Action, rollout: &Rollout, subject: Subject, person: &Person) -> DecisionSpec {
    DecisionSpec {
        rollout: RolloutReference { name: rollout.name_any(), uid: rollout.uid() },
        action,
        revision: subject.revision,
        step: subject.step,
        nonce: subject.nonce,
        decided_by: DecidedBy { user: person.user.clone(), group: person.group.clone() },
        via: person.via.clone(),
        reason: person.reason.clone(),
        evidence: subject.evidence,
    }
}

/// The Rollout, and the operator that looks after it.
fn labels(rollout: &Rollout) -> std::collections::BTreeMap<String, String> {
    let instance = rollout.labels().get(label::INSTANCE).cloned();
    [
        (label::ROLLOUT, Some(rollout.name_any())),
        (label::ROLLOUT_UID, rollout.uid()),
        (label::INSTANCE, instance),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect()
}

/// Which operator looks after it.
fn whose(rollout: &Rollout) -> String {
    match rollout.labels().get(label::INSTANCE) {
        Some(value) => format!("label {}={value}", label::INSTANCE),
        None => format!("no label {}", label::INSTANCE),
    }
}

/// What the action is about, from status, or why there is nothing.
fn subject(action: Action, rollout: &Rollout) -> Result<Subject, VerbError> {
    let seen = rollout.status.as_ref();
    if matches!(action, Action::Pause | Action::Resume) {
        return Ok(Subject::default());
    }
    let status =
        seen.ok_or_else(|| VerbError::NotSeen { rollout: full_name(rollout), label: whose(rollout) })?;
    match action {
        Action::Approve | Action::Reject => question(action, rollout, status),
        Action::Skip => step(rollout, status),
        Action::Rollback => of(taken_back(status), || VerbError::NothingToGoBackTo {
            rollout: full_name(rollout),
            state: state(status),
        }),
        Action::Retry => of(retried(status), || VerbError::NothingToRetry {
            rollout: full_name(rollout),
            state: state(status),
        }),
        Action::Retire => of(kept(status), || VerbError::NothingToRetire {
            rollout: full_name(rollout),
            state: state(status),
        }),
        Action::Pause | Action::Resume => Ok(Subject::default()),
    }
}

fn of(revision: Option<String>, error: impl FnOnce() -> VerbError) -> Result<Subject, VerbError> {
    let revision = revision.ok_or_else(error)?;
    Ok(Subject { revision: Some(revision), ..Subject::default() })
}

fn question(action: Action, rollout: &Rollout, status: &RolloutStatus) -> Result<Subject, VerbError> {
    match (&status.gate, &status.candidate) {
        (Some(gate), Some(candidate)) => Ok(Subject {
            revision: Some(candidate.revision.clone()),
            step: Some(gate.step.clone()),
            nonce: Some(gate.nonce.clone()),
            evidence: gate.evidence.clone(),
        }),
        _ => Err(VerbError::NoQuestion {
            rollout: full_name(rollout),
            verb: action.verb(),
            state: state(status),
        }),
    }
}

fn step(rollout: &Rollout, status: &RolloutStatus) -> Result<Subject, VerbError> {
    match (&status.step, &status.candidate) {
        (Some(step), Some(candidate)) => Ok(Subject {
            revision: Some(candidate.revision.clone()),
            step: Some(step.name.clone()),
            ..Subject::default()
        }),
        _ => Err(VerbError::NothingUnderWay {
            rollout: full_name(rollout),
            verb: Action::Skip.verb(),
            state: state(status),
        }),
    }
}

/// The revision that a rollback takes traffic from: the candidate's while there is one that was not taken back yet, else
/// live's while the color before it is kept.
fn taken_back(status: &RolloutStatus) -> Option<String> {
    let running = status.candidate.as_ref().filter(|candidate| !is_rejected(status, candidate));
    let promoted = status.previous.as_ref().and(status.live.as_ref()).map(|live| live.revision.clone());
    running.map(|candidate| candidate.revision.clone()).or(promoted)
}

/// The revision that a retry tries again: a candidate that was sent back, is held by a failed check or a deadline, or is
/// brought up, as its failed Jobs then run again; else a first release that is, live where a Job failed after retirement, or the
/// one that was rejected last.
fn retried(status: &RolloutStatus) -> Option<String> {
    let is_at = |phase: Phase| status.phase.as_deref() == Some(phase.as_str());
    let tried = |candidate: &&CandidateStatus| {
        is_rejected(status, candidate) || is_held(status) || is_at(Phase::Preparing)
    };
    let candidate = status.candidate.as_ref().filter(tried).map(|candidate| candidate.revision.clone());
    let first = status.live.as_ref().filter(|_| is_at(Phase::Installing)).map(|live| live.revision.clone());
    let failed = status.live.as_ref().filter(|_| job_failed(status) && !is_at(Phase::RolledBack));
    let failed = failed.map(|live| live.revision.clone());
    candidate.or(first).or(failed).or_else(|| status.rejected.first().cloned())
}

/// A Job of live that runs after retirement did not end well.
pub fn job_failed(status: &RolloutStatus) -> bool {
    status.condition(ConditionType::JobFailed).is_some_and(|condition| condition.status == "True")
}

/// Under way, and a person must act although nobody was asked.
fn is_held(status: &RolloutStatus) -> bool {
    let stalled =
        status.condition(ConditionType::Stalled).is_some_and(|condition| condition.status == "True");
    let under_way = status.step.is_some() || status.phase.as_deref() == Some(Phase::Promoting.as_str());
    stalled && under_way && status.gate.is_none()
}

/// The revision of the color that no longer serves: the former live one, or a candidate that stays to be looked at; else the one whose
/// connections are awaited.
fn kept(status: &RolloutStatus) -> Option<String> {
    let inspected = status.candidate.as_ref().filter(|candidate| is_rejected(status, candidate));
    let previous = status.previous.as_ref().map(|previous| previous.revision.clone());
    let draining = status.draining.as_ref().and_then(|draining| draining.revision.clone());
    previous.or_else(|| inspected.map(|candidate| candidate.revision.clone())).or(draining)
}

/// It was sent back and only stays to be looked at. A retried revision stays in the list of rejected ones until it is promoted,
/// so it counts whether anything is under way.
fn is_rejected(status: &RolloutStatus, candidate: &CandidateStatus) -> bool {
    is_at_rest(status) && status.rejected.contains(&candidate.revision)
}

/// Nothing is under way, also where a later revision can't start because something is in its way or somebody paused. A pause has
/// one word for both, so there it counts what going back would mean.
fn is_at_rest(status: &RolloutStatus) -> bool {
    let resting = [Phase::RolledBack, Phase::Complete, Phase::Blocked];
    let nothing_kept = status
        .condition(ConditionType::RollbackAvailable)
        .is_some_and(|condition| condition.reason == Reason::Retired.as_str());
    nothing_kept || resting.iter().any(|phase| status.phase.as_deref() == Some(phase.as_str()))
}

/// The name, where the same act must not be done twice.
fn fixed_name(action: Action, rollout: &Rollout, subject: &Subject, person: &Person) -> Option<String> {
    let occasion = match action {
        Action::Rollback | Action::Pause => return None,
        Action::Approve | Action::Reject => subject.nonce.clone()?,
        Action::Skip | Action::Retry | Action::Retire | Action::Resume => state_mark(rollout, subject)?,
    };
    let uid = rollout.uid().unwrap_or_default();
    let short: String = occasion.chars().filter(char::is_ascii_alphanumeric).take(4).collect();
    // The whole occasion goes into the hash: four characters are for eyes, not for telling questions apart.
    let mark = hash(&[&uid, &occasion, &person.user, person.group.as_deref().unwrap_or_default()]);
    Some(format!("{}-{}-{}-{}", rollout.name_any(), action.verb(), short.to_lowercase(), &mark[..10]))
}

/// A mark of the state that was looked at.
fn state_mark(rollout: &Rollout, subject: &Subject) -> Option<String> {
    let version = rollout.resource_version()?;
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(hash(&[&version, &part(&subject.revision), &part(&subject.step)]))
}

/// Hex of a hash over the parts; a separator that none of them can have keeps them apart.
fn hash(parts: &[&str]) -> String {
    format!("{:x}", Sha256::digest(parts.join("\0").as_bytes()))
}

fn full_name(rollout: &Rollout) -> String {
    match rollout.namespace() {
        Some(namespace) => format!("{namespace}/{}", rollout.name_any()),
        None => rollout.name_any(),
    }
}

/// Where the rollout is, as the end of a sentence.
fn state(status: &RolloutStatus) -> String {
    let phase =
        status.phase.as_deref().map_or_else(|| "has no phase yet".to_owned(), |phase| format!("is {phase}"));
    match status.message.as_deref() {
        Some(message) => format!("{phase} ({message})"),
        None => phase,
    }
}

#[cfg(test)]
mod tests;

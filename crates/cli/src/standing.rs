//! Where a Rollout stands, in the few words that a script or a wait must tell apart.
//!
//! Conditions decide and the phase only refines: phases are an open list, and one that is not known means that work is
//! in progress.

use kube::ResourceExt;
use teal_api::conditions::{ConditionType, Phase, Reason};
use teal_api::rollout::Mode;
use teal_api::{Rollout, RolloutStatus};

use crate::exit::Exit;

/// Where a Rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The operator has not seen this generation.
    NotSeen,
    /// The machine is at work.
    UnderWay,
    /// A person must say how it goes on.
    Asked,
    /// The release was taken back.
    Back,
    /// Nothing goes on before the spec or something around it changes.
    Stalled,
    /// The release has all traffic; the color before it is still kept.
    Kept,
    /// The release has all traffic and nothing is left to do.
    Done,
    /// The release has all traffic, and a person must say how it goes on: a check failed since, or somebody paused.
    Held {
        /// Whether the color before it is still there.
        kept: bool,
    },
}

impl Standing {
    /// The exit code of `status` without `--wait`.
    pub const fn exit(self) -> Exit {
        match self {
            Self::NotSeen | Self::UnderWay => Exit::UnderWay,
            Self::Asked | Self::Held { .. } => Exit::Asked,
            Self::Back | Self::Stalled => Exit::Back,
            Self::Kept | Self::Done => Exit::Done,
        }
    }
}

/// What `status --wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Goal {
    /// Until the release has all traffic, or will not get it.
    Promoted,
    /// Until a person is asked, or the end comes without that.
    Decision,
    /// Until the release has all traffic and the former color is removed, or it will not get it.
    Done,
}

impl Goal {
    /// How the wait ends, if it does.
    pub const fn outcome(self, standing: Standing) -> Option<Exit> {
        match (self, standing) {
            (_, Standing::NotSeen | Standing::UnderWay) => None,
            (_, Standing::Back | Standing::Stalled) => Some(Exit::Back),
            (_, Standing::Done) | (Self::Done, Standing::Held { kept: false }) => Some(Exit::Done),
            (Self::Promoted | Self::Decision, Standing::Kept) => Some(Exit::Done),
            (Self::Promoted, Standing::Held { .. }) => Some(Exit::Done),
            (Self::Done, Standing::Kept | Standing::Held { kept: true }) => None,
            (Self::Decision, Standing::Asked | Standing::Held { .. }) => Some(Exit::Asked),
            (Self::Promoted | Self::Done, Standing::Asked) => None,
        }
    }
}

/// Where this Rollout stands.
pub fn standing(rollout: &Rollout) -> Standing {
    let Some(status) = seen(rollout) else { return Standing::NotSeen };
    if is_true(status, ConditionType::Promoted) {
        if is_watch_held(status) || paused_by(rollout).is_some() {
            return Standing::Held { kept: status.previous.is_some() };
        }
        let is_there = status.previous.is_some() || status.draining.is_some();
        return if is_there { Standing::Kept } else { Standing::Done };
    }
    // Before Stalled: a check or deadline that holds is stalled for tools, but what it needs is a person's word.
    let phase = phase(status);
    if is_true(status, ConditionType::AwaitingDecision)
        || matches!(phase, Some(Phase::Waiting | Phase::Paused))
        || is_promotion_held(status)
    {
        return Standing::Asked;
    }
    let reason = status.condition(ConditionType::Promoted).map(|condition| condition.reason.as_str());
    if phase == Some(Phase::RolledBack) || reason == Some(Reason::RolledBack.as_str()) {
        return Standing::Back;
    }
    if is_true(status, ConditionType::Stalled) { Standing::Stalled } else { Standing::UnderWay }
}

/// The status, if it speaks of the newest generation.
fn seen(rollout: &Rollout) -> Option<&RolloutStatus> {
    rollout.status.as_ref().filter(|_| !is_late(rollout))
}

/// Whether the operator has yet to see the newest spec.
pub fn is_late(rollout: &Rollout) -> bool {
    let seen = rollout.status.as_ref().and_then(|status| status.observed_generation).unwrap_or_default();
    seen < rollout.metadata.generation.unwrap_or_default()
}

/// The phase, if it is one that is known here.
pub fn phase(status: &RolloutStatus) -> Option<Phase> {
    Phase::known(status.phase.as_deref()?)
}

/// Whether the condition is there and True.
pub fn is_true(status: &RolloutStatus, kind: ConditionType) -> bool {
    status.condition(kind).is_some_and(|condition| condition.status == "True")
}

/// The namespace is being deleted, and the Rollout with it.
pub fn goes_with_its_namespace(status: &RolloutStatus) -> bool {
    let accepted = status.condition(ConditionType::Accepted);
    accepted.is_some_and(|accepted| accepted.reason == Reason::NamespaceTerminating.as_str())
}

/// The deadline passed in the middle of promotion, and the spec says to wait for a person.
pub fn is_promotion_held(status: &RolloutStatus) -> bool {
    phase(status) == Some(Phase::Promoting) && is_stalled_by(status, &[Reason::DeadlineExceeded])
}

/// A check that goes on after promotion waits for a person's word, and the former color with it.
pub fn is_watch_held(status: &RolloutStatus) -> bool {
    phase(status) == Some(Phase::Complete)
        && is_stalled_by(status, &[Reason::CheckFailed, Reason::ChecksBlind])
}

/// The release that the spec asks for is not the one that serves.
pub fn is_other_wanted(status: &RolloutStatus) -> bool {
    status.condition(ConditionType::Promoted).is_some_and(|promoted| promoted.status == "False")
}

/// Who paused it, where a `resume` ends that and not the spec. No condition has a word for it at rest, so the planner's record
/// counts as far as its form is known here, and else what is waited for.
pub fn paused_by(rollout: &Rollout) -> Option<String> {
    let status = rollout.status.as_ref()?;
    let pause = status.commit.as_ref().and_then(|record| record.get("paused"));
    let said = |kind: &str, who: &str| pause?.get(kind)?.get(who)?.as_str();
    if let Some(user) = said("Decision", "user") {
        return Some(format!("a Decision of {user}"));
    }
    if let Some(manager) = said("ForeignHand", "manager") {
        return Some(format!("{manager}, whose change towards live was kept"));
    }
    let by_spec = rollout.spec.mode == Some(Mode::Paused) || pause.is_some_and(|pause| pause == "Spec");
    let waits = phase(status) == Some(Phase::Paused) || status.waiting_for.as_deref() == Some("resume");
    (waits && !by_spec).then(|| "a person".to_owned())
}

fn is_stalled_by(status: &RolloutStatus, reasons: &[Reason]) -> bool {
    status.condition(ConditionType::Stalled).is_some_and(|stalled| {
        stalled.status == "True" && reasons.iter().any(|reason| reason.as_str() == stalled.reason)
    })
}

/// Namespace and name.
pub fn full_name(rollout: &Rollout) -> String {
    match rollout.namespace() {
        Some(namespace) => format!("{namespace}/{}", rollout.name_any()),
        None => rollout.name_any(),
    }
}

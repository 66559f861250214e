//! What was decided and committed. Lives in `status.commit`, changes only by compare-and-set, can be rebuilt when lost.

use serde::{Deserialize, Serialize};

use crate::pact::Pact;
use crate::words::{ContentHash, Revision, Slot, Span, Time};

/// The planner's memory.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Counts the commits; every write carries it, and objects refuse a lower one.
    pub epoch: u64,
    /// The highest revision counter that was used.
    pub counter: u32,
    /// Where the machine is.
    pub phase: Phase,
    /// What was last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Wanted>,
    /// The release that should get all traffic that isn't the candidate's. Going back is committed by changing this first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Release>,
    /// The release under test, or the one that was sent back and is kept to be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Release>,
    /// The old release after promotion, until it is retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Release>,
    /// Until when `previous`, or a candidate that was sent back, is left untouched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<Time>,
    /// After a promotion in which callers changed over all at once: the last step's checks go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
    /// The lengths that deadlines and keep times of this record were made with: an edit of theirs moves those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lengths: Option<Lengths>,
    /// From when objects in the slot that neither serves nor is kept may be deleted: the last traffic plus the drain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vacate_after: Option<Time>,
    /// What leaves that slot, where its open connections are awaited. None once another release is brought up there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Leaving>,
    /// Live's serving endpoints per traffic Service when the rollout started: the measure of enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baseline: Vec<u32>,
    /// The sizes of live's workloads then, where several autoscalers share a Service: by them it is split among those of both colors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<(String, u32)>,
    /// Approvals per step, pinned when the rollout started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<(String, u32)>,
    /// The Jobs of the revision that was brought up last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Jobs>,
    /// Jobs that run once the release is live and the former one is gone: of the revision that was brought up last, and of live
    /// while they have not all ended. Which are due is what the rest of the record says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<Jobs>,
    /// The epoch under which the present attempt was started: what carries a lower one was written before it.
    #[serde(default)]
    pub started: u64,
    /// Set while somebody has paused this Rollout other than by its spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// Since when something is in the way of starting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_since: Option<Time>,
    /// Revisions that were sent back, newest first, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Revision>,
    /// When what is wanted was last sent back: whoever asked before that for another try meant an earlier one. None once another
    /// has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_back: Option<Time>,
    /// Decisions that took effect, newest first, at most twenty and those without an answer: the proof when their status could not
    /// be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumed: Vec<Consumed>,
    /// How long people were waited for in the attempt under way; none where none is, or where an earlier version began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<Waited>,
    /// Ended attempts, newest first, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Attempt>,
    /// What the latest attempt agreed with others of its group; none where it went alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Pact>,
}

/// Where the machine is. Only what a phase needs lives in it; the rest is observed anew.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all_fields = "camelCase")]
pub enum Phase {
    /// Nothing is known yet, or the record was lost.
    #[default]
    New,
    /// The first release is brought up; nothing served before.
    Installing {
        /// When it should be done.
        deadline: Time,
    },
    /// Nothing is under way.
    Rest {
        /// How the last attempt ended.
        outcome: Outcome,
    },
    /// The candidate is brought to a step's weight, or is at it and its gates are waited for.
    Step(StepRecord),
    /// The candidate has all traffic by weight and becomes live.
    Promoting {
        /// When it should be done.
        deadline: Time,
    },
    /// Traffic goes back to live, whatever is in the way.
    Returning {
        /// Why.
        cause: Cause,
        /// Since when.
        since: Time,
    },
}

/// The place in the steps.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    /// The step's name.
    pub step: String,
    /// The weight it had when it was committed.
    pub weight: u8,
    /// When it should be reached.
    pub deadline: Time,
    /// When its weight was observed and had time to reach the proxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<Time>,
    /// Since when a weight that had been reached is gone: once it is back, it is held and judged from its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Time>,
    /// Open while a person is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// What a person must decide on although nobody was asked: it stays until they do, even if the numbers come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Jobs of the step that may be made, or were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<StepJob>,
    /// A digest of the step's gates when it was committed: an edit asks an open question anew.
    #[serde(default)]
    pub terms: u32,
}

/// A Job that is a gate of a step.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepJob {
    /// How it is known in its step.
    pub name: String,
    /// What became of it.
    pub state: JobState,
    /// The epoch with which it became due. It is part of its object's name, so that no try is taken for another one.
    pub after: u64,
    /// A digest of what it does; none where an earlier version recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<u32>,
    /// When it was first seen: from then on it may run for its timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// How a Job that is a gate ended, where it did not end well.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum JobEnd {
    /// It failed.
    Failed,
    /// It ran for longer than its timeout.
    Late {
        /// That timeout.
        timeout: Span,
    },
    /// It is gone before it was seen to end.
    Gone,
    /// It could not be made in time.
    Unmade,
}

/// A release that had traffic and has none any more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leaving {
    /// Which; none where the record of it was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Nobody waits for its connections any more: all have ended, their time is over, or a person said so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

/// The checks of a step that go on after promotion.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watch {
    /// The step's name.
    pub step: String,
    /// Until when at least.
    pub until: Time,
    /// What a person must decide on before the old release may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
}

/// A check, or a Job, that holds a step until a person decides.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Which.
    pub check: String,
    /// It had no usable answer (else it failed).
    pub blind: bool,
    /// What was seen.
    pub detail: String,
    /// Set where it is no check but a Job, by the name of its object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobEnd>,
}

/// How long things may take, or stay.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lengths {
    /// `spec.progressDeadline`.
    pub progress_deadline: Span,
    /// `spec.keep.previous`.
    pub keep_previous: Span,
    /// `spec.keep.failed`.
    pub keep_failed: Span,
}

impl Phase {
    /// Whether a release is between two others: a rollout goes forward or back.
    pub const fn is_under_way(&self) -> bool {
        match self {
            Self::Step(_) | Self::Promoting { .. } | Self::Returning { .. } => true,
            Self::New | Self::Installing { .. } | Self::Rest { .. } => false,
        }
    }
}

impl Held {
    /// What a person must decide on; none where the cause is no check.
    pub fn of(cause: Cause) -> Option<Self> {
        match cause {
            Cause::Blind { check, detail } => Some(Self { check, blind: true, detail, job: None }),
            Cause::Check { check, detail, job } => Some(Self { check, blind: false, detail, job }),
            _ => None,
        }
    }
}

/// A question to people.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// 128 random bits in hex; new at each opening.
    pub nonce: String,
    /// Hash of what the status showed when it was opened, put in as that is written. None: an earlier version opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// When it was opened.
    pub opened: Time,
    /// Distinct persons that must approve.
    pub needed: u32,
    /// Who approved.
    pub votes: Vec<Vote>,
}

impl Gate {
    /// Distinct persons who approved.
    pub fn have(&self) -> u32 {
        u32::try_from(self.votes.len()).unwrap_or(u32::MAX)
    }

    /// Whether it asks for more approvals than it has.
    pub fn is_open(&self) -> bool {
        self.have() < self.needed
    }
}

impl StepRecord {
    /// Whether a person is asked. A question that is answered stays while the step does, as where others are waited for.
    pub fn asks(&self) -> bool {
        self.gate.as_ref().is_some_and(Gate::is_open)
    }
}

/// One approval.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vote {
    /// The Decision's name.
    pub decision: String,
    /// Who.
    pub user: String,
    /// By which way, as claimed.
    pub via: String,
    /// When it was counted.
    pub at: Time,
}

/// A release in a slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Color and revision.
    #[serde(flatten)]
    pub slot: Slot,
    /// Its content.
    pub hash: ContentHash,
    /// Since when it has this role.
    pub since: Time,
    /// Which try of this content it is, from 1.
    pub attempt: u32,
}

/// Jobs of a revision, each of which runs once.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Jobs {
    /// Whose.
    pub revision: Revision,
    /// One by one.
    pub each: Vec<Job>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its name, without the color.
    pub name: String,
    /// What became of it.
    pub state: JobState,
    /// One with a lower epoch is of an earlier try.
    pub after: u64,
}

/// What became of a Job.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum JobState {
    /// It may be made, and none was seen yet.
    Due,
    /// It was seen, so none is made any more.
    Begun,
    /// It ended well.
    Done,
}

/// What was asked for and what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    /// The content.
    pub hash: ContentHash,
    /// The revision it was given.
    pub revision: Revision,
    /// Sent back: not tried again until `Retry` or another content in between.
    pub rejected: bool,
    /// How often it was tried.
    pub attempts: u32,
}

/// A pause that is not in the spec.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Pause {
    /// By `spec.mode` (Paused or HandsOff), in the middle of a rollout: committed so that the clock starts anew when it ends.
    Spec,
    /// By a Decision.
    Decision {
        /// Who.
        user: String,
    },
    /// Another hand moved traffic towards live; that is kept.
    ForeignHand {
        /// The field manager.
        manager: String,
    },
}

/// How the last attempt ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// Live is what is wanted.
    Promoted,
    /// The candidate was sent back.
    RolledBack(Cause),
    /// The spec came back to live's content.
    Cancelled,
    /// Another content took the candidate's place.
    Superseded,
    /// The record was lost and made anew from what serves.
    Rebuilt,
}

/// Why traffic goes back to live.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// A person decided it.
    Decision {
        /// Who.
        user: String,
        /// Approve refused (Reject) or Rollback.
        rejected: bool,
        /// What they said.
        reason: String,
    },
    /// A gate's check failed.
    Check {
        /// Which.
        check: String,
        /// What was seen.
        detail: String,
        /// Set where it is no check but a Job, by the name of its object. Not a cause of its own, because a version that doesn't
        /// know that could not read the record at all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobEnd>,
    },
    /// A check had no usable answer for its limit and says to go back then.
    Blind {
        /// Which.
        check: String,
        /// Why there was none.
        #[serde(default)]
        detail: String,
    },
    /// A guard failed.
    Guard {
        /// Which.
        check: String,
        /// What was seen.
        detail: String,
    },
    /// Fewer endpoints served than the weight needs.
    TooFewEndpoints {
        /// What is known of its pods.
        detail: String,
    },
    /// A wait of the machine took too long.
    Deadline {
        /// What was waited for.
        waiting_for: String,
    },
    /// Another writer kept changing the routes.
    ForeignWriter {
        /// The field manager.
        manager: String,
    },
    /// Another hand pointed the live role back at the previous release, as the runbook says for when the operator is down.
    ForeignHand,
    /// The spec asks for live's content again.
    Cancelled,
    /// The spec asks for other content.
    Superseded,
    /// The Rollout is being deleted.
    Deleted,
}

impl Cause {
    /// Whether the content counts as rejected afterwards. Superseding, cancelling and deleting say nothing of it.
    pub const fn rejects(&self) -> bool {
        match self {
            Self::Decision { .. }
            | Self::Check { .. }
            | Self::Blind { .. }
            | Self::Guard { .. }
            | Self::TooFewEndpoints { .. }
            | Self::Deadline { .. }
            | Self::ForeignWriter { .. }
            | Self::ForeignHand => true,
            Self::Cancelled | Self::Superseded | Self::Deleted => false,
        }
    }
}

/// A Decision that took effect.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumed {
    /// The Decision's name.
    pub decision: String,
    /// Its uid.
    pub uid: String,
    /// Whether it was counted as a vote (else it was done).
    pub vote: bool,
}

/// Time in which people were waited for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waited {
    /// What is over of it.
    pub total: Span,
    /// Since when they are waited for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// An ended attempt.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The revision that was tried.
    pub revision: Revision,
    /// Which try.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// When it started.
    pub started: Time,
    /// When it ended.
    pub finished: Time,
    /// For how much of that time people were waited for; none where it isn't known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<Span>,
    /// Decisions that took part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<String>,
}

impl Record {
    /// The releases that have a slot: at most one a color.
    pub fn releases(&self) -> impl Iterator<Item = Release> {
        [self.live, self.candidate, self.previous].into_iter().flatten()
    }

    /// Whether a slot has the release under test.
    pub fn is_tried(&self, slot: Slot) -> bool {
        matches!(self.phase, Phase::Step(_) | Phase::Promoting { .. })
            && self.candidate.is_some_and(|candidate| candidate.slot == slot)
    }

    /// The candidate's share that was committed: what the routes should say once everything is done.
    pub const fn intended_weight(&self) -> u8 {
        match &self.phase {
            Phase::Step(step) => step.weight,
            Phase::New
            | Phase::Installing { .. }
            | Phase::Rest { .. }
            | Phase::Promoting { .. }
            | Phase::Returning { .. } => 0,
        }
    }
}

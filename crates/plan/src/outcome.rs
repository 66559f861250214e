//! What a plan may say.

use crate::record::{JobEnd, Phase, Record};
use crate::settings::Halt;
use crate::snapshot::Obstacle;
use crate::words::{Color, Revision, Slot, Span, Time};

/// The answer of the planner.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Plan {
    /// What to do now.
    pub decision: Decision,
    /// When to look again if nothing changes before.
    pub wake_at: Option<Time>,
    /// Why, most important first: conditions, events, CLI and page all render these.
    pub why: Vec<Why>,
    /// Checks that should be measured now.
    pub measure: Vec<String>,
}

/// Either one transition to commit, or effects of what is committed; never both.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Decision {
    /// Write this record by compare-and-set.
    Commit(Box<Commit>),
    /// Bring these about; they are independent of each other and idempotent.
    Act(Vec<Effect>),
    /// Nothing.
    Rest,
}

/// A transition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Commit {
    /// The record with its new epoch.
    pub record: Record,
    /// Events to tell, once it is durable.
    pub notices: Vec<Notice>,
}

/// What is told as an Event, once per transition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "each is named by its event reason")]
pub enum Notice {
    Installed { revision: Revision },
    Started { revision: Revision, attempt: u32 },
    StepReached { revision: Revision, step: String, weight: u8 },
    Promoted { revision: Revision },
    RolledBack { revision: Revision, cause: crate::record::Cause },
    Retired { revision: Revision },
    Cancelled { revision: Revision },
    Superseded { revision: Revision },
    Paused { by: String },
    Resumed,
    Rebuilt { revision: Revision },
}

/// One idempotent write, or a group of writes that belong together. Each carries the record's epoch and is refused by
/// an object that carries a higher one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Effect {
    /// Set or remove the finalizer.
    Finalizer(bool),
    /// Keep the revision's objects as a ControllerRevision.
    RecordRevision(Revision),
    /// Apply all objects of the revision in this color, as live or not (what is live only is at rest in the other).
    ApplyRelease {
        /// Which.
        slot: Slot,
        /// Whether this color does work by itself.
        active: bool,
    },
    /// Make what is due of the Jobs of live that run after the former release was retired.
    RunJobs(Slot),
    /// Make what is due of the Jobs that are gates of the step under way, for the candidate in this slot.
    RunStepJobs(Slot),
    /// End the Jobs of steps that are over.
    EndStepJobs,
    /// Point `<service>` of every traffic Service at a slot; makes the Services where they are missing.
    PointLive(Slot),
    /// Let `<service>` select pods of live and of this slot, for the traffic Services that have to pass through that.
    Overlap(Slot),
    /// Point `<service>-candidate` of every traffic Service at a slot.
    PointCandidate(Slot),
    /// Name the candidate role at weight 0 in every managed route, with what belongs to it (DestinationRule copies).
    EnterRoutes,
    /// Raise the candidate's weight, and bring what stands beside to what is asked for; where the weight is there already, that
    /// alone: precondition resourceVersion, fresh reads of routes and endpoints.
    RaiseWeight(u8),
    /// Lower the candidate's weight. To 0, with all that stands beside out: past errors, guarded by the route's shape alone. To more than 0: with
    /// resourceVersion, because from a stale reading it would be a raise.
    LowerWeight(u8),
    /// Take the candidate's weight to 0 because its role selects other pods than this slot's. Reads the role afresh first and
    /// does nothing if it selects them after all: a lagging cache must not send requests back in the middle of a promotion.
    CutOff(Slot),
    /// Take the candidate role out again: the owner's bytes.
    LeaveRoutes,
    /// Delete what is in a color, but for one revision.
    Vacate {
        /// Where.
        color: Color,
        /// What stays.
        except: Option<Revision>,
    },
    /// Write a Decision's outcome.
    Answer {
        /// The Decision's name.
        decision: String,
        /// What became of it.
        ruling: Ruling,
    },
}

impl Plan {
    /// Whether it brings the candidate of the record nearer to callers.
    pub fn goes_forward(&self, record: &Record) -> bool {
        let Decision::Act(effects) = &self.decision else { return false };
        let candidate = record.candidate.map(|candidate| candidate.slot);
        effects.iter().any(|effect| match effect {
            Effect::EnterRoutes | Effect::RaiseWeight(_) | Effect::Overlap(_) => true,
            Effect::PointLive(slot) => Some(*slot) == candidate,
            _ => false,
        })
    }
}

impl Effect {
    /// Whether it brings the candidate of what is under way nearer to callers.
    pub fn is_forward(&self, record: &Record) -> bool {
        let under_way = matches!(record.phase, Phase::Step(_) | Phase::Promoting { .. });
        match self {
            Self::RaiseWeight(_) | Self::Overlap(_) => true,
            Self::PointLive(slot) => {
                record.candidate.filter(|_| under_way).is_some_and(|candidate| candidate.slot == *slot)
            }
            _ => false,
        }
    }

    /// Whether managed routes are written.
    pub const fn writes_routes(&self) -> bool {
        match self {
            Self::EnterRoutes
            | Self::RaiseWeight(_)
            | Self::LowerWeight(_)
            | Self::CutOff(_)
            | Self::LeaveRoutes => true,
            Self::Finalizer(_)
            | Self::RecordRevision(_)
            | Self::ApplyRelease { .. }
            | Self::RunJobs(_)
            | Self::RunStepJobs(_)
            | Self::EndStepJobs
            | Self::PointLive(_)
            | Self::Overlap(_)
            | Self::PointCandidate(_)
            | Self::Vacate { .. }
            | Self::Answer { .. } => false,
        }
    }
}

/// What became of a Decision.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ruling {
    /// It is a vote that counts.
    Counted,
    /// It was carried out.
    Done,
    /// It counts and is committed, but what it asks for has to wait, or is less than one might think.
    Noted {
        /// What it waits for, or doesn't do.
        message: String,
    },
    /// The person had approved already.
    AlreadyCounted,
    /// It can't be followed.
    Refused {
        /// Why and what to do.
        message: String,
    },
    /// It is for something that is no more.
    Superseded {
        /// Why and what to do.
        message: String,
    },
}

/// A Job that is a gate and has not ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Tested {
    /// How it is known in its step.
    pub name: String,
    /// The name of its object, once that is given.
    pub object: Option<String>,
    /// Why it doesn't get on, as far as that is known.
    pub trouble: Option<String>,
}

/// A reason, as data.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Why {
    /// The spec says so.
    HandsOff {
        /// What would be done now if it didn't.
        would: Box<Decision>,
    },
    /// Caches are older than the last write.
    CatchingUp,
    /// Something is in the way.
    Obstacle {
        /// The reason.
        reason: String,
        /// The sentence.
        message: String,
    },
    /// Workloads start.
    Starting {
        /// Which.
        slot: Slot,
        /// What is wrong, if anything is known.
        trouble: Option<String>,
    },
    /// A slot is cleared first.
    Clearing(Color),
    /// What is in the slot has been going for long and stays.
    Stays {
        /// The sentence that names it.
        message: String,
    },
    /// Proxies are given time.
    Propagating {
        /// Until when.
        until: Time,
    },
    /// Endpoints of the candidate's Services are not all of its pods.
    Settling {
        /// Which pods they should be.
        slot: Slot,
    },
    /// The weight is on its way.
    Shifting {
        /// Where to.
        weight: u8,
    },
    /// Fewer endpoints serve than the weight needs.
    TooFewEndpoints {
        /// Which color.
        slot: Slot,
        /// Needed per traffic Service.
        needed: Vec<u32>,
        /// Seen per traffic Service.
        serving: Vec<u32>,
    },
    /// Time at the step.
    Holding {
        /// The step.
        step: String,
        /// Until when.
        until: Time,
    },
    /// Pods of the candidate are not as old yet as the step asks.
    Ripening {
        /// The step.
        step: String,
        /// How old they must be.
        age: Span,
        /// The youngest; none where no pod is ready.
        youngest: Option<String>,
        /// It got ready after the step was reached, as one that restarted.
        late: bool,
    },
    /// Jobs that are gates have not ended.
    Testing {
        /// Which.
        jobs: Vec<Tested>,
    },
    /// A Job that is a gate did not end well, and the spec says to wait for a person.
    HeldByJob {
        /// The name of its object.
        job: String,
        /// How it ended.
        end: JobEnd,
    },
    /// The spec is changed again and again, and people would be asked of what is no more by the time they answer.
    Unsettled {
        /// When it will have been still for long enough.
        until: Time,
    },
    /// Metrics have not answered yet whether checks can be answered at all.
    Probing {
        /// Which.
        checks: Vec<String>,
    },
    /// Checks have not enough evidence.
    Checking {
        /// Which.
        checks: Vec<String>,
    },
    /// A guard is blind, so the old release stays: until the guard sees again, or a person decides.
    Unseen {
        /// Which.
        check: String,
        /// Why there is no usable answer.
        detail: String,
    },
    /// A check failed or is blind and the spec says to wait for a person.
    HeldByCheck {
        /// Which.
        check: String,
        /// It has no usable answer (else it failed).
        blind: bool,
        /// What was seen.
        detail: String,
        /// It went on after promotion, where no step is left to retry or skip.
        promoted: bool,
    },
    /// A deadline passed and the spec says to wait for a person.
    HeldByDeadline {
        /// What was waited for.
        waiting_for: String,
    },
    /// The first release doesn't serve although its deadline passed.
    InstallLate,
    /// A person is asked.
    Asking {
        /// The step.
        step: String,
        /// Approvals so far.
        have: u32,
        /// Approvals needed.
        needed: u32,
    },
    /// Something beside mode and people keeps it from moving forward, or a rollout from starting.
    Halted(Halt),
    /// Nothing moves forward.
    Paused {
        /// Who or what paused it.
        by: String,
    },
    /// Routes were written by another hand.
    ForeignWriter {
        /// The field manager.
        manager: String,
    },
    /// Live Services select both revisions before they are turned.
    Overlapping {
        /// For how long.
        lasts: Span,
        /// Until when; none until it is observed.
        until: Option<Time>,
    },
    /// The candidate becomes live.
    Promoting,
    /// Traffic goes back.
    Returning,
    /// Going back can't wait for more: some serve at live, though fewer than all of the traffic needs.
    ReturnShort {
        /// The slot that should serve.
        slot: Slot,
        /// Needed per traffic Service.
        needed: Vec<u32>,
        /// Seen per traffic Service.
        serving: Vec<u32>,
    },
    /// Going back has to wait: nothing serves at live.
    ReturnBlocked {
        /// The slot that should serve.
        slot: Slot,
    },
    /// Callers that jumped at promotion are watched, and the old color stays for them.
    Watching {
        /// The step whose checks go on.
        step: String,
        /// Until when at least.
        until: Time,
    },
    /// The old color stays.
    Keeping {
        /// Until when.
        until: Time,
    },
    /// Jobs that come after retirement are to run again, and what is left of their earlier try is not gone yet.
    Going {
        /// Whose.
        slot: Slot,
        /// Which, without their color.
        jobs: Vec<String>,
    },
    /// Work that would go with a color has not ended: Jobs of a release that never served, or what CronJobs began while they were live.
    Finishing {
        /// Whose.
        color: Color,
        /// Which.
        jobs: Vec<String>,
        /// When they are deleted all the same.
        until: Time,
    },
    /// Connections to a color without traffic are open, or nobody knows whether any is.
    Draining {
        /// Whose.
        color: Color,
        /// Which, where it is known.
        revision: Option<Revision>,
        /// How many were open when that was last told; none where metrics have not said it.
        open: Option<String>,
        /// When it goes all the same.
        until: Time,
    },
    /// Jobs that come after retirement run.
    Running {
        /// Whose.
        slot: Slot,
        /// Which, without their color.
        jobs: Vec<String>,
    },
    /// Who of the group begins besides is waited for.
    Gathering {
        /// The group.
        group: String,
        /// Until when.
        until: Time,
    },
    /// Others of the group are not as far.
    Together {
        /// The group.
        group: String,
        /// Whom it waits for, by name, with what is known of why.
        members: Vec<(String, String)>,
        /// A person has to act on each of them.
        people: bool,
    },
    /// Others of the group had begun without this one.
    Late {
        /// The group.
        group: String,
        /// Who.
        members: Vec<String>,
    },
    /// What is wanted was sent back before.
    Rejected {
        /// Which.
        revision: Revision,
    },
    /// All is as wanted.
    AtRest,
}

impl From<&Obstacle> for Why {
    fn from(obstacle: &Obstacle) -> Self {
        Self::Obstacle { reason: obstacle.reason.clone(), message: obstacle.message.clone() }
    }
}

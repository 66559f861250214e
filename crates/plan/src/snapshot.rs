//! What is seen of the world, made by `cluster::observe` and by the explorer. Every field is read by some rule.

use crate::record::{Pause, Record};
use crate::settings::{Mode, Settings};
use crate::words::{Color, ContentHash, Revision, Slot, Span, Time};

/// Everything a decision may look at.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Snapshot {
    /// The present.
    pub now: Time,
    /// Since when whoever looks has looked at this Rollout without a break: its own first look, where it is new.
    pub watched_since: Time,
    /// 128 random bits in hex, used if a gate is opened.
    pub nonce: String,
    /// What is asked for.
    pub settings: Settings,
    /// What was committed.
    pub record: Record,
    /// Whether the Rollout is being deleted.
    pub deleting: bool,
    /// What is seen in the cluster.
    pub world: World,
    /// Decisions on this Rollout that have no outcome yet, oldest first.
    pub decisions: Vec<DecisionSeen>,
    /// The standing of checks for the present revision and step, by name.
    pub checks: Vec<(String, CheckSeen)>,
}

/// What is seen in the cluster.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct World {
    /// Some cache is older than the last write: nothing may be planned on it.
    pub stale: bool,
    /// The namespace is going away, or the mesh's kinds are gone: deletion must not be held up.
    pub abandoned: bool,
    /// The finalizer is set.
    pub finalizer: bool,
    /// Since when the admission policies that prove who decides have been installed; none where they aren't.
    pub policies: Option<Time>,
    /// The blue slot.
    pub blue: ColorSeen,
    /// The green slot.
    pub green: ColorSeen,
    /// Live's workloads that autoscalers size together behind a traffic Service, by kind and name, with their ready pods.
    pub sizes: Vec<(String, u32)>,
    /// Where `<service>` points, over all traffic Services.
    pub live_service: ServiceSeen,
    /// Where `<service>-candidate` points, over all traffic Services.
    pub candidate_service: ServiceSeen,
    /// What is seen of traffic Services that have to select both revisions before they are turned; none where all of them are
    /// turned at once.
    pub overlap: Option<Overlap>,
    /// The managed routes, over all VirtualServices.
    pub routes: RoutesSeen,
    /// Revisions whose objects are kept as ControllerRevisions for this very Rollout include the candidate's, or live's where there
    /// is no candidate.
    pub recorded: bool,
    /// Jobs of releases that are there.
    pub jobs: Vec<JobSeen>,
    /// What is seen of each Job that the record has of the step under way, whether it is there or not.
    pub step_jobs: Vec<StepJobSeen>,
    /// Jobs of steps that run although their step is over, by the names of their objects.
    pub left_step_jobs: Vec<String>,
    /// What is in the way, most important first.
    pub obstacles: Vec<Obstacle>,
    /// What serves although nothing is recorded of it.
    pub found: Found,
    /// The highest epoch on any object of this Rollout.
    pub highest_epoch: u64,
    /// The highest revision counter on any object of this Rollout.
    pub highest_counter: u32,
    /// What is seen of its group; none where it has none, and had none when the attempt began.
    pub group: Option<GroupSeen>,
}

/// What is seen of a group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct GroupSeen {
    /// This Rollout's own name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its place in the order of writes within a step.
    pub order: i32,
    /// The other members, by name: of the spec's group, and of the one that the attempt under way was begun with.
    pub siblings: Vec<Sibling>,
}

/// Another member of the group. What is seen of it may be old: promises in its record stay true.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sibling {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its place in the order of writes within a step.
    pub order: i32,
    /// What it has committed.
    pub record: Record,
    /// What its spec lets the operator do.
    pub mode: Mode,
    /// It is being deleted.
    pub deleting: bool,
    /// What its status says that it waits for.
    pub waiting_for: Option<String>,
}

impl World {
    /// The slot of that color.
    pub const fn color(&self, color: Color) -> &ColorSeen {
        match color {
            Color::Blue => &self.blue,
            Color::Green => &self.green,
        }
    }
}

/// What is seen of one color.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ColorSeen {
    /// Objects in the slot.
    pub objects: Objects,
    /// Serving and not terminating endpoints per traffic Service, in the order of the spec. Counted by pod, whichever Service they stand in.
    pub serving: Vec<u32>,
    /// Every workload of the revision has all its replicas available.
    pub available: bool,
    /// Although it isn't live, something of it works by itself: it is there, and is not yet held at rest.
    pub works: bool,
    /// Why it will not become available by itself (an image that can't be had, a crash loop); where nothing is to stay in it, what
    /// stays all the same: for messages.
    pub trouble: Option<String>,
    /// Since when fewer endpoints than the present weight needs have served.
    pub short_since: Option<Time>,
    /// Jobs that a CronJob of it has begun and of which a pod works.
    pub ticks: Vec<String>,
    /// Of its ready pods, other than those of Jobs, the one that has been ready for the shortest time; none where none is ready, or
    /// where no step asks.
    pub youngest: Option<Youngest>,
}

/// The pod that got ready last.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Youngest {
    /// Its name.
    pub pod: String,
    /// Since when it has been ready.
    pub since: Time,
}

/// A Job of a release.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct JobSeen {
    /// Its name, without the color.
    pub name: String,
    /// Whose it is.
    pub revision: Revision,
    /// The epoch under which it was made.
    pub epoch: u64,
    /// Whether it ended well; none while it runs.
    pub ended: Option<bool>,
    /// Whether it is being deleted.
    pub going: bool,
    /// Whether a pod of it works: one that can't start, or isn't there, has done nothing by halves.
    pub works: bool,
}

/// A Job that is a gate of the step under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StepJobSeen {
    /// How it is known in its step.
    pub name: String,
    /// Of which try it is: the epoch with which it became due.
    pub after: u64,
    /// The name of its object, for people.
    pub object: String,
    /// Its object is there.
    pub there: bool,
    /// Since when it has not been there, at every look of this process: a cache may lag behind the record.
    pub missing_since: Option<Time>,
    /// Since when each try to make it was refused, or had no answer, as far as this process knows.
    pub refused_since: Option<Time>,
    /// Whether it ended well; none while it runs, or isn't there.
    pub ended: Option<bool>,
    /// Why it doesn't get on, as far as its pods say.
    pub trouble: Option<String>,
}

/// Objects in a slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Objects {
    /// None, and no pods.
    Absent,
    /// Some object or pod of a release is there and is not of the revision asked about, or is going away.
    Leftover,
    /// All objects of one revision; `in_sync` when each is as it should be for the color's present role.
    Present {
        /// The slot's content.
        slot: Slot,
        /// Nothing differs from what should be there.
        in_sync: bool,
    },
}

/// Where a role points, over all traffic Services.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ServiceSeen {
    /// What all of them select; none while they differ, are missing or select something else.
    pub points: Option<Slot>,
    /// Every endpoint belongs to pods of that revision.
    pub settled: bool,
    /// Since when both have been so. Counted anew whenever the objects were written, even if they say the same as before:
    /// between two looks they may have said something else.
    pub since: Time,
    /// Since when they have selected what they do. What else is written on them, and which pods come and go, is nothing to that.
    pub turned: Time,
    /// The lowest epoch that they carry.
    pub epoch: u64,
    /// Some of them selects what is no release of this Rollout, and not only pods of a first one answer there: whoever points it
    /// elsewhere takes that away from its callers.
    pub selects_others: bool,
}

/// Traffic Services whose callers learn of other pods late, over all of those: in a promotion they select pods of both
/// revisions for a time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Overlap {
    /// For how long.
    pub lasts: Span,
    /// All of them select pods of both revisions.
    pub selected: bool,
    /// Since when that has been so and every address has belonged to one of the two, the candidate's among them. Counted anew
    /// whenever the objects were written.
    pub since: Option<Time>,
}

/// The managed routes, over all VirtualServices.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RoutesSeen {
    /// What they say.
    pub form: Form,
    /// Since when they have been seen so; counted anew whenever they were written.
    pub since: Time,
    /// The lowest epoch that they carry.
    pub epoch: u64,
    /// Set when another writer wrote them last.
    pub foreign: Option<Foreign>,
    /// What stands beside the weights.
    pub beside: Beside,
}

/// Routes for people who ask for the candidate, and mirrors that send it copies. They are no share of the traffic, and stand while the
/// candidate's role selects it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Beside {
    /// Some are there.
    pub any: bool,
    /// They are as the spec asks for them now; where it asks for none, there are none.
    pub fits: bool,
}

impl Beside {
    /// None are there, and none are asked for.
    pub const NONE: Self = Self { any: false, fits: true };
}

/// What managed routes say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// There are none to manage.
    Unrouted,
    /// Byte for byte as their owner wrote them: all to the live role, or also to the candidate's while that selects the same.
    Owner,
    /// All name the candidate role with this weight.
    Entered(u8),
    /// They differ from each other.
    Mixed {
        /// The highest candidate weight among them.
        highest: u8,
        /// Some are in their owner's form, or can't be managed as they stand: they must pass through weight 0 before any raise.
        owner: bool,
    },
    /// Some can't be read or are missing (an obstacle says which), and none can be made out to name the candidate.
    Broken,
}

/// Another writer of the routes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Foreign {
    /// Its field manager.
    pub manager: String,
    /// It wrote the object before the rollout began.
    pub before: bool,
    /// It gave the candidate more than Teal was seen to have given.
    pub raised: bool,
    /// It left the candidate less than Teal was seen to have given.
    pub lowered: bool,
    /// How often what others wrote was corrected in the last minute.
    pub recent: u32,
}

/// Something in the way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Obstacle {
    /// A reason of the condition `Accepted`, or the type of a condition of its own.
    pub reason: String,
    /// One sentence that names object, field and remedy.
    pub message: String,
    /// What it stops.
    pub stops: Stops,
}

/// The reason of the obstacle that ends everything: the namespace is being deleted.
pub const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

/// What an obstacle stops.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stops {
    /// Nothing: it is said, no more.
    Nothing,
    /// A rollout from starting, and the weight from being raised; a first install goes on.
    Rollout,
    /// Everything, also a first install.
    Everything,
}

/// What serves although nothing is recorded of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Found {
    /// No role Service has an endpoint and no release is there.
    Nothing,
    /// The live role selects a release of this Rollout.
    Release {
        /// Its color and revision.
        slot: Slot,
        /// Its content, as its objects say.
        hash: ContentHash,
    },
    /// The live role selects something that isn't this Rollout's; an obstacle says how to consent.
    Foreign,
}

/// A human act.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DecisionSeen {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// When it was made.
    pub made: Time,
    /// Whether it names this very Rollout: no uid, or the right one.
    pub same_rollout: bool,
    /// What is wanted.
    pub action: Action,
    /// What it is decided on, as text.
    pub revision: Option<String>,
    /// The step it is for.
    pub step: Option<String>,
    /// The question it answers.
    pub nonce: Option<String>,
    /// Hash of what was shown, where it is given.
    pub evidence: Option<String>,
    /// Who.
    pub user: String,
    /// By which way, as claimed.
    pub via: String,
    /// Why.
    pub reason: String,
}

/// What a person wants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the words of the API, described there")]
pub enum Action {
    Approve,
    Reject,
    Rollback,
    Pause,
    Resume,
    Skip,
    Retry,
    Retire,
}

/// The standing of a check.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CheckSeen {
    /// Its verdict so far.
    pub standing: Standing,
    /// The step of which that is said, and since when its evidence counts; none where it is of the whole attempt, as a guard's.
    pub place: Option<(String, Time)>,
    /// What was seen, for people: value and limit.
    pub detail: String,
    /// Why its last answer could not be used; none where it could.
    pub trouble: Option<Trouble>,
    /// Whether there was a good answer since it began to be asked: the process that asks may be new, and so may the question.
    pub good: bool,
    /// Whether its last answer could be read: a number, or that there is none.
    pub answered: bool,
}

/// Why an answer of metrics can't be used.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Trouble {
    /// One word, which is the reason of the condition `MetricsBlind`.
    pub reason: String,
    /// One sentence that names check, field and remedy.
    pub message: String,
}

/// A check's verdict so far in this step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// Not enough evidence yet.
    Pending,
    /// Enough good samples.
    Pass,
    /// Enough bad samples.
    Fail,
    /// No usable answer for longer than the check's limit.
    Blind,
}

impl Overlap {
    /// When it has lasted long enough; none until it is observed.
    pub fn ends(&self) -> Option<Time> {
        self.since.map(|since| since + self.lasts)
    }
}

impl Form {
    /// The highest weight that the candidate role has in any route.
    pub const fn highest(&self) -> u8 {
        match self {
            Self::Entered(weight) | Self::Mixed { highest: weight, .. } => *weight,
            Self::Unrouted | Self::Owner | Self::Broken => 0,
        }
    }
}

impl Snapshot {
    /// The standing of a check; without any sample it is pending.
    pub fn standing(&self, check: &str) -> Standing {
        self.check(check).map_or(Standing::Pending, |seen| seen.standing)
    }

    /// What is seen of a check.
    pub fn check(&self, check: &str) -> Option<&CheckSeen> {
        self.checks.iter().find(|(name, _)| name == check).map(|(_, seen)| seen)
    }

    /// The first obstacle that stops at least this much.
    pub fn stopped(&self, least: Stops) -> Option<&Obstacle> {
        self.world.obstacles.iter().find(|obstacle| obstacle.stops >= least)
    }

    /// What says that the namespace is being deleted.
    pub fn ends(&self) -> Option<&Obstacle> {
        self.world.obstacles.iter().find(|obstacle| obstacle.reason == NAMESPACE_TERMINATING)
    }

    /// Whether nothing may move forward.
    pub fn paused(&self) -> bool {
        self.settings.halt.is_some() || is_paused(self.settings.mode, &self.record)
    }

    /// How long something seen since `since` has been so.
    pub fn age(&self, since: Time) -> Span {
        self.now - since
    }
}

/// Of a pause by the spec the spec itself says whether it lasts; the record only has it for the clock.
pub(crate) fn is_paused(mode: Mode, record: &Record) -> bool {
    mode == Mode::Paused || record.paused.as_ref().is_some_and(|pause| *pause != Pause::Spec)
}

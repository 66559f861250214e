//! Faults sown on purpose: each takes one protection away, and an invariant must notice.

/// One protection less.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// Objects accept a lower epoch than they carry.
    NoEpochFence,
    /// Writes carry no resourceVersion.
    NoResourceVersion,
    /// Commits are not compared before they are set.
    NoCompareAndSet,
    /// Going back doesn't stamp what it finds at home already.
    NoStamp,
    /// Proxies are given no time.
    NoPropagation,
    /// The last traffic isn't waited out before pods are deleted.
    NoDrain,
    /// Pods are counted as serving before they do.
    ReadyAtOnce,
    /// Endpoints are not read again before a raise.
    NoFreshRead,
    /// Deletes carry no uid and resourceVersion.
    DeleteByName,
    /// Going back sets weights alone and leaves the roles where they are.
    BackByWeightsAlone,
    /// What takes all weight from the candidate leaves the previews that lead to it.
    PreviewStays,
    /// Whatever is written, a mirror to the candidate stays.
    MirrorStays,
    /// Promotion leaves the routes before the live role was turned.
    LeaveBeforeTurning,
    /// A raise goes straight to 100.
    Overshoot,
    /// A step is left out.
    SkipStep,
    /// What the first VirtualService says is taken for all of them.
    OneForAll,
    /// Without a mesh the live role is turned with the first step.
    SwitchEarly,
    /// A check that has said nothing yet counts as passed.
    SilencePasses,
    /// A check that has no answer any more counts as passed.
    BlindPasses,
    /// That a person must decide is not committed.
    HoldForgets,
    /// An approval of any question counts for the open one.
    AnyNonce,
    /// Going back doesn't ask whether live serves.
    BackToTheDead,
    /// Nothing is ever late.
    NoDeadline,
    /// Callers that jump at promotion are not watched.
    JumpUnwatched,
    /// The live role is turned in one write although its callers learn of other pods late.
    OverlapSkipped,
    /// The overlap ends with its being written.
    OverlapCutShort,
    /// Both revisions are selected from the first step on.
    OverlapEarly,
    /// Going back passes through an overlap, too.
    BackThroughOverlap,
    /// What can't be managed counts as if it named no candidate.
    UnmanagedIsNothing,
    /// A Rollout that is deleted lets go of its finalizer at once.
    LetGoAtOnce,
    /// A raise gives the candidate its weight and leaves live's as it is.
    LiveUnweighed,
    /// What is kept counts as kept long enough.
    KeepCutShort,
    /// That hands are off isn't seen.
    HandsOn,
    /// A pause by the spec isn't seen.
    PauseUnheard,
    /// A Job is made together with the commit that says that it may be.
    JobUnrecorded,
    /// That a Job was there is not committed.
    JobForgotten,
    /// Workloads don't wait for the Jobs before them.
    WorkloadsAtOnce,
    /// A Job that is a gate is made together with the commit that says that it may be.
    TestUnrecorded,
    /// That a Job that is a gate was there once isn't asked of the record.
    TestRunAgain,
    /// A Job that is a gate and has not ended counts as one that ended well.
    TestUnended,
    /// Open connections count as none.
    OpenIsNone,
    /// A weight that another hand gave before Teal counts as Teal's.
    RaiseAdopted,
    /// A plan that waits doesn't say until when.
    Sleeps,
    /// A plan that waits looks again a tick late.
    Oversleeps,
}

impl Fault {
    /// All of them, each with the trouble in which it shows and the invariants of which one must notice it.
    ///
    /// Planning on caches older than the last own write is not among them: it was sown, and no invariant noticed it,
    /// because epochs, resourceVersions and fresh reads each catch what it does. It only costs writes that are refused.
    pub const ALL: [(Self, &'static str, &'static [&'static str]); 44] = [
        (Self::NoEpochFence, "late writes and going back", &["I4", "I5", "I3"]),
        (Self::NoResourceVersion, "superseded", &["I3", "I5", "I14"]),
        (Self::NoCompareAndSet, "the record lags", &["I4"]),
        (Self::NoStamp, "late writes and going back", &["I5"]),
        (Self::NoPropagation, "late writes and going back", &["share"]),
        (Self::NoDrain, "late writes and going back", &["I15"]),
        (Self::ReadyAtOnce, "late writes and going back", &["I2"]),
        (Self::NoFreshRead, "pods lag", &["I2"]),
        (Self::DeleteByName, "superseded", &["I3", "I15"]),
        (Self::PreviewStays, "a preview", &["settles"]),
        (Self::MirrorStays, "a mirror", &["settles"]),
        (Self::BackByWeightsAlone, "late writes and going back", &["I5", "I3", "settles", "share"]),
        (Self::LeaveBeforeTurning, "late writes and going back", &["share", "settles"]),
        (Self::Overshoot, "late writes and going back", &["I14"]),
        (Self::SkipStep, "late writes and going back", &["I8"]),
        (Self::OneForAll, "two VirtualServices", &["I8", "share", "settles"]),
        (Self::SwitchEarly, "no mesh", &["I14", "I2", "I5", "settles"]),
        (Self::SilencePasses, "a check", &["checks"]),
        (Self::BlindPasses, "a check", &["checks"]),
        (Self::HoldForgets, "a check that holds", &["checks", "settles"]),
        (Self::AnyNonce, "a retry", &["I6"]),
        (Self::BackToTheDead, "live stops serving", &["I2"]),
        (Self::NoDeadline, "a deadline", &["settles"]),
        (Self::JumpUnwatched, "callers jump", &["I3"]),
        (Self::OverlapSkipped, "no mesh, an overlap", &["overlap"]),
        (Self::OverlapCutShort, "no mesh, an overlap", &["overlap"]),
        (Self::OverlapEarly, "an overlap", &["I14"]),
        (Self::BackThroughOverlap, "an overlap", &["I5"]),
        (Self::UnmanagedIsNothing, "foreign hands", &["settles", "I15"]),
        (Self::LetGoAtOnce, "deleted, also without a status", &["gone"]),
        (Self::LiveUnweighed, "late writes and going back", &["I1"]),
        (Self::KeepCutShort, "late writes and going back", &["I3"]),
        (Self::HandsOn, "the spec's mode changes", &["mode"]),
        (Self::PauseUnheard, "the spec's mode changes", &["mode"]),
        (Self::JobUnrecorded, "Jobs", &["jobs"]),
        (Self::JobForgotten, "Jobs", &["settles"]),
        (Self::WorkloadsAtOnce, "Jobs", &["jobs"]),
        (Self::TestUnrecorded, "a step's Job", &["jobs"]),
        (Self::TestRunAgain, "a step's Job", &["jobs"]),
        (Self::TestUnended, "a step's Job", &["checks"]),
        (Self::OpenIsNone, "open connections", &["I15"]),
        (Self::RaiseAdopted, "an export is applied in a pause", &["I8"]),
        (Self::Sleeps, "late writes and going back", &["wakes"]),
        (Self::Oversleeps, "a deadline", &["wakes"]),
    ];
}

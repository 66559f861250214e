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
    /// Planning goes on with caches older than the last own write.
    PlanOnStaleCaches,
    /// Going back sets weights alone and leaves the roles where they are.
    BackByWeightsAlone,
    /// Promotion leaves the routes before the live role was turned.
    LeaveBeforeTurning,
    /// A raise goes straight to 100.
    Overshoot,
    /// A step is left out.
    SkipStep,
}

impl Fault {
    /// All of them, each with the invariants of which one must notice it.
    pub const ALL: [(Self, &'static [&'static str]); 14] = [
        (Self::NoEpochFence, &["I4", "I5", "I3"]),
        (Self::NoResourceVersion, &["I5", "I2", "I14", "share"]),
        (Self::NoCompareAndSet, &["I4", "I8", "I5", "I3"]),
        (Self::NoStamp, &["I5"]),
        (Self::NoPropagation, &["share", "I15", "I2"]),
        (Self::NoDrain, &["I15"]),
        (Self::ReadyAtOnce, &["I2"]),
        (Self::NoFreshRead, &["I2"]),
        (Self::DeleteByName, &["I3", "I15"]),
        (Self::PlanOnStaleCaches, &["I3", "I5", "I2", "I14", "share", "I15"]),
        (Self::BackByWeightsAlone, &["I5", "I3", "settles", "share"]),
        (Self::LeaveBeforeTurning, &["share", "settles"]),
        (Self::Overshoot, &["I14"]),
        (Self::SkipStep, &["I8"]),
    ];
}

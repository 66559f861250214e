//! The history checker: what etcd kept of a test, held against the invariants of the design.
//!
//! After an end-to-end test every version of every object is read from etcd ([`teal_testbed::history::read`]) and
//! replayed in the one order in which it happened. It is an oracle of its own: of Teal's code it uses the names, the
//! form of the record in `status.commit` and the defaults of a spec, never its reading of routes, shares or endpoints.
//!
//! **Who wrote** a version is told by `metadata.managedFields`. A deletion carries no writer: it counts as Teal's unless
//! the test says by [`Meddling`] that it made it itself.
//!
//! **When** it was written is not in etcd. The API server's stamps (`managedFields`, `creationTimestamp`) and the
//! renewals of Leases bound it from both sides, to about three seconds where something is written all the time. A
//! deadline counts as broken only if it was for certain; what the stamps don't tell is counted as not decidable.
//!
//! | | is judged by | is not judged |
//! |---|---|---|
//! | I1 | every version of a managed route with a second destination | versions that another writer made |
//! | I2 | each write of Teal that aims more of a revision: `EndpointSlices` at that moment and a few seconds before, for Services also ready pods, against the size in the record | first installs; writes of others; effects of an older commit |
//! | I3 | deletion, replacement and scaling to 0 of objects whose revision the record calls live or kept, or at which traffic is aimed; the deadline in the record | what the owner may change at once (autoscalers, budgets, sizes); Jobs; deletions of a Rollout or namespace |
//! | I4 | the epoch annotations along each object, the epoch of the record, and that no object carries one that was not committed | versions that another writer made |
//! | I5 | from the commit of going back on: writes of Teal that aim more of that revision; when all is aimed at live | in-flight effects of the last second; a weight that goes to the live role before that is turned; the bound where the API was disturbed or live didn't serve; what two plain writes took at that time |
//! | I8 | transitions of the record | after edits of the steps, after a lost record |
//! | I9 | the spans that the test says are quiet, each once, and each version in them | versions that another writer made |
//! | I11 | differences between versions that Teal wrote, and the owner's spec after a rollout | restoring where the owner wrote meanwhile |
//! | I12 | the namespace of each version that Teal wrote | deletions |
//! | I14 | writes of Teal that aim more of the candidate, against the step in the record; the hold before the next step | effects of an older commit; steps that were skipped |
//! | I15 | deletion of a revision's objects, and of pods whose workload goes, against the version that took its last share; the deadline in the record | pods that go by themselves; what a Rollout with `onDelete: DeleteAll` takes along |

mod aims;
mod back;
mod clock;
mod drain;
mod enough;
mod epochs;
mod foreign;
mod gauge;
mod json;
mod kept;
mod overlap;
mod pace;
mod quiet;
mod replay;
mod rollout;
mod routes;
mod steps;
mod sums;
mod tally;
mod tenancy;
mod world;
mod writer;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::time::Duration;

use teal_api::names;
use teal_testbed::history::{Key, Version};
use teal_traffic::Mesh;

pub use tally::{Count, Invariant, Summary, Violation};

/// What is said where there is no history to hold, so that nobody takes that for a pass.
pub const NOT_CHECKED: &str = "history: NOT CHECKED: the etcd of this cluster can't be read";

/// What is known about a test besides its history.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a color stays after its last share, as the operator was configured.
    pub drain: Duration,
    /// Within which all traffic must be aimed at live after going back was committed.
    pub return_within: Duration,
    /// Whether API server and operator were left alone. Where a test disturbs them, the bound on going back is not held.
    pub healthy: bool,
    /// Spans in which nothing happened, so that nothing may have been written.
    pub quiet: Vec<Quiet>,
    /// Where Teal is installed: its Leases lie there.
    pub install_namespace: String,
    /// What the names of Teal's field managers begin with.
    pub teal_managers: String,
    /// Names of the mesh.
    pub mesh: Mesh,
    /// What the test did itself and the history can't tell from Teal's doing.
    pub meddling: Vec<Meddling>,
    /// How long writes of somebody else took meanwhile. Going back is two of them, one after the other: its bound is longer by as
    /// much where an API server that has too little of a processor answers everybody late.
    pub plain_writes: Vec<PlainWrite>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(30),
            return_within: Duration::from_secs(1),
            healthy: true,
            quiet: Vec::new(),
            install_namespace: "teal-system".into(),
            teal_managers: names::manager::PREFIX.into(),
            mesh: Mesh::default(),
            meddling: Vec::new(),
            plain_writes: Vec::new(),
        }
    }
}

/// A span in which Teal had nothing to do, or was told to do nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    /// The namespace that was quiet; nothing if all were.
    pub namespace: Option<String>,
    /// In which revisions.
    pub revisions: RangeInclusive<u64>,
    /// Resources that may be written all the same, in the plural.
    pub but: Vec<String>,
}

/// Writes and deletions of an object by the test itself.
#[derive(Debug, Clone)]
pub struct Meddling {
    /// Which object.
    pub object: Key,
    /// In which revisions.
    pub revisions: RangeInclusive<u64>,
}

/// A write of somebody who did nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainWrite {
    /// When it was sent, in milliseconds since the Unix epoch.
    pub begun: i64,
    /// Until it was answered.
    pub took: Duration,
}

/// Every version of every object, in the order in which they happened.
#[derive(Debug, Clone, Default)]
pub struct History {
    versions: Vec<Version>,
}

impl History {
    /// Puts the versions in order.
    pub fn new(mut versions: Vec<Version>) -> Self {
        versions.sort_by_key(|version| version.revision);
        Self { versions }
    }

    /// The versions, oldest first.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The newest revision; 0 where there is none.
    pub fn newest(&self) -> u64 {
        self.versions.last().map_or(0, |version| version.revision)
    }
}

/// Holds the whole history against the invariants.
pub fn check(history: &History, options: &Options) -> Summary {
    replay::run(history, options)
}

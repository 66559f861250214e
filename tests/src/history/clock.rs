//! When a version was written: etcd doesn't say, so it is bounded by the stamps around it.

use teal_testbed::history::Version;

use super::json::{list, millis, text};

/// What a stamp may be too early: it has whole seconds, and the write follows it.
const LAG_MS: i64 = 3_000;

/// The time of a version, in milliseconds since the Unix epoch, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Moment {
    /// Not before this.
    pub(super) earliest: Option<i64>,
    /// Not after this.
    pub(super) latest: Option<i64>,
}

impl Moment {
    /// How long after `start` this was, at most.
    pub(super) fn at_most_after(self, start: Self) -> Option<i64> {
        Some(self.latest? - start.earliest?)
    }

    /// How long after `start` this was, at least.
    pub(super) fn at_least_after(self, start: Self) -> Option<i64> {
        Some(self.earliest? - start.latest?)
    }
}

/// The time of each version. Not before: any stamp up to it. Not after: a stamp that is new with it or with a later
/// one, since the order of writes is one for all objects.
pub(super) fn moments(versions: &[Version]) -> Vec<Moment> {
    let mut moments = Vec::with_capacity(versions.len());
    let mut fresh = Vec::with_capacity(versions.len());
    let mut newest: Option<i64> = None;
    for version in versions {
        let stamp = server_stamp(version);
        // An old stamp says nothing about now: only one that is newer than all before was just made.
        fresh.push(stamp.filter(|stamp| newest.is_none_or(|newest| *stamp > newest)));
        newest = newest.max(stamp).max(renewal(version));
        moments.push(Moment { earliest: newest, latest: None });
    }
    let mut latest: Option<i64> = None;
    for (moment, stamp) in moments.iter_mut().zip(&fresh).rev() {
        let bound = stamp.map(|stamp| stamp + LAG_MS);
        latest = match (latest, bound) {
            (Some(latest), Some(bound)) => Some(latest.min(bound)),
            (latest, bound) => latest.or(bound),
        };
        moment.latest = latest;
    }
    moments
}

/// The newest stamp that the API server put on the object. `deletionTimestamp` lies in the future.
fn server_stamp(version: &Version) -> Option<i64> {
    let value = version.value.as_ref()?;
    let entries = list(value, "/metadata/managedFields").iter().filter_map(|entry| text(entry, "/time"));
    entries.chain(text(value, "/metadata/creationTimestamp")).filter_map(millis).max()
}

/// The renewal of a Lease: by the clock of its holder, which is this machine's, and finer than a second.
fn renewal(version: &Version) -> Option<i64> {
    if version.key.resource != "leases" {
        return None;
    }
    millis(text(version.value.as_ref()?, "/spec/renewTime")?)
}

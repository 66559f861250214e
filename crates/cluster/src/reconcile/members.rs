//! Whom a member of a group wakes.

use std::cmp::Reverse;

use teal_plan::snapshot::Sibling;

use crate::observe::Seen;
use crate::stores::Pokes;

/// Those who go back with it, before all others, and in the reverse of the order in which they went forward. None waits for
/// another: that would leave requests with what failed.
pub(super) fn wake(pokes: &Pokes, seen: &Seen) {
    let (Some(pact), Some(group)) = (&seen.snapshot.record.group, &seen.snapshot.world.group) else { return };
    let goes = |other: &&Sibling| pact.members.iter().any(|member| member.uid == other.uid);
    let mut others: Vec<&Sibling> = group.siblings.iter().filter(goes).collect();
    others.sort_by_key(|other| Reverse(other.order));
    others.iter().for_each(|other| pokes.urgent(&seen.names.namespace, &other.name));
}

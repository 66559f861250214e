//! What is known of the room for a release.

use teal_plan::{ContentHash, Span, Time};
use teal_release::Shortage;

/// What a look at quotas and nodes found, for one content.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) hash: ContentHash,
    pub(crate) at: Time,
    /// What is missing.
    pub(crate) shortage: Option<Shortage>,
}

impl Room {
    /// Time between looks while nothing may start, and how long it is told that pods will wait for nodes.
    const AGAIN: Span = Span::seconds(30);

    /// Whether it was looked so lately that it still holds.
    pub(crate) fn is_fresh(&self, now: Time) -> bool {
        now < self.again()
    }

    /// When it doesn't hold any more.
    pub(crate) fn again(&self) -> Time {
        self.at + Self::AGAIN
    }

    /// Whether nothing is started for it.
    pub(crate) const fn stops(&self) -> bool {
        matches!(self.shortage, Some(Shortage::Quota(_)))
    }
}

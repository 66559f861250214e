//! What became of writes whose answer doesn't say it.

use super::Reconciler;
use crate::error::{Class, Error};
use crate::kinds;
use crate::memory::Memory;

impl Reconciler {
    /// Looks up what became of writes without an answer; whether the Rollout was among them.
    pub(super) async fn settle(&self, memory: &mut Memory) -> Result<bool, Error> {
        let mut rollout = false;
        while let Some((kind, id)) = memory.unsure.last().cloned() {
            self.tools.settle(kind, &id).await?;
            memory.unsure.pop();
            rollout |= kind == kinds::ROLLOUT;
        }
        Ok(rollout)
    }
}

/// Whether the Rollout must be read anew after a write of its status. A conflict says as little as no answer: the one that was
/// faster may have been this write's own first try, and one that is gone is not in a cache whose watch missed that.
pub(super) fn must_look_up(error: &Error) -> bool {
    error.is_unsure() || error.class() == Class::Conflict
}

//! What became of writes whose answer doesn't say it.

use teal_plan::snapshot::Stops;

use super::{Reconciler, now};
use crate::error::{Class, Error};
use crate::execute::Done;
use crate::kinds::{self, Known};
use crate::memory::Memory;
use crate::met::remember;

/// What is told of writes whose outcome can't be looked up.
const LOOK_UP: &str = "LookUp";
/// Kinds on whose state traffic hangs.
const DECISIVE: [Known; 3] = [kinds::ROLLOUT, kinds::VIRTUAL_SERVICE, kinds::SERVICE];

impl Reconciler {
    /// Looks up what became of writes without an answer; whether the Rollout was among them. Of what traffic hangs on nothing is
    /// planned before that is known; what else can't be looked up is left to the watch, as after a restart, because the way
    /// back must not wait for it.
    pub(super) async fn settle(&self, memory: &mut Memory) -> Result<bool, Error> {
        let mut rollout = false;
        while let Some((kind, id)) = memory.unsure.last().cloned() {
            let result = self.tools.settle(kind, &id).await.map(|()| false);
            if let Err(error) = &result {
                if DECISIVE.contains(&kind) {
                    return result;
                }
                self.watching.failed(error.class().as_str());
                tracing::warn!(%error, class = error.class().as_str(), "what became of a write can't be looked up");
            }
            memory.unsure.pop();
            remember(memory, vec![Done::of(LOOK_UP, result)], Stops::Nothing, now());
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

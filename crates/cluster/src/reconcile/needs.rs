//! What is asked of the API server beside what is watched: whether there is room, and why pods are not made.

use std::time::Duration;

use teal_plan::{Decision, Phase, Plan};

use super::pace::until;
use super::{Next, Reconciler, now};
use crate::error::{Class, Error};
use crate::memory::{Memory, Room};
use crate::observe::Seen;
use crate::{refusals, room};

impl Reconciler {
    /// Before anything is created, quotas and nodes are compared with what is needed. While a quota is short it is looked at
    /// again from time to time.
    pub(super) async fn room(
        &self,
        seen: &Seen,
        plan: &Plan,
        memory: &mut Memory,
    ) -> Result<Option<Next>, Error> {
        let (now, hash) = (seen.snapshot.now, seen.snapshot.settings.wanted);
        let looked = memory.room.as_ref().filter(|room| Some(room.hash) == hash);
        let known = looked.filter(|room| room.is_fresh(now));
        let blocked = looked.is_some_and(Room::stops);
        let (Some(hash), Some(need), None) = (hash, &seen.need, known) else { return Ok(None) };
        if !starts(&seen.snapshot.record.phase, plan) && !blocked {
            return Ok(None);
        }
        let shortage = room::look(&self.tools.access, &self.nodes, &seen.names.namespace, need).await?;
        let changed = shortage.is_some() || blocked;
        memory.room = Some(Room { hash, at: now, shortage });
        Ok(changed.then_some(Next::After(Duration::ZERO)))
    }

    /// Asks why pods are not made, where some have been lacking for a while: when to look again for it. Only what is told depends
    /// on the answer, so it comes after what is done, and a failure fails nothing.
    pub(super) async fn refusals(&self, seen: &Seen, memory: &mut Memory) -> Next {
        let names = &seen.names;
        let views = self.tools.stores.objects_of(&names.namespace, &names.name);
        let lack = views.iter().filter(|view| view.lacks_pods && !view.derived);
        memory.refusals.note(lack.map(AsRef::as_ref), seen.snapshot.now);
        let mut news = false;
        for uid in memory.refusals.due(seen.snapshot.now) {
            let ask = refusals::ask(&self.tools.access, &names.namespace, &uid);
            let answer = tokio::time::timeout(ASKED_FOR, ask).await;
            memory.refusals.asks(&uid, now());
            match answer {
                // Whatever else is to be done for the Rollout waits meanwhile.
                Err(_) => {
                    self.watching.failed(Class::Transient.as_str());
                    tracing::warn!(within = ?ASKED_FOR, "why pods are not made is not answered in time");
                    break;
                }
                Ok(Ok(says)) => {
                    // Only one is told.
                    let enough = says.is_some();
                    news |= memory.refusals.answered(&uid, says);
                    if enough {
                        break;
                    }
                }
                Ok(Err(error)) => {
                    let class = error.class().as_str();
                    self.watching.failed(class);
                    tracing::warn!(%error, class, "why pods are not made can't be asked");
                    break;
                }
            }
        }
        if news { Next::After(Duration::ZERO) } else { until(memory.refusals.next(), now()) }
    }
}

/// How long an answer may take about pods that are not made.
const ASKED_FOR: Duration = Duration::from_millis(500);

/// Whether a plan begins something for which objects will be created.
fn starts(phase: &Phase, plan: &Plan) -> bool {
    let Decision::Commit(commit) = &plan.decision else { return false };
    match phase {
        Phase::New => matches!(commit.record.phase, Phase::Installing { .. }),
        Phase::Rest { .. } => matches!(commit.record.phase, Phase::Step(_)),
        Phase::Installing { .. } | Phase::Step(_) | Phase::Promoting { .. } | Phase::Returning { .. } => {
            false
        }
    }
}

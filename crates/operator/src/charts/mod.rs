//! Charts between looks: each is fetched and rendered by a task of its own, and what came of it waits for the next look. Nothing of a
//! look waits for Helm or for a server of charts.

mod cluster;
mod once;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use kube::Client;
use teal_chart::{ChartError, Settings};
use teal_cluster::{ChartSeen, Charting, Poker, Wanted};
use tokio::task::AbortHandle;

use once::Outcome;

/// Before the first of the further tries, which come after twice as long each.
const AGAIN: Duration = Duration::from_secs(5);
/// The longest of these pauses.
const LONGEST: Duration = Duration::from_mins(5);

/// Renders charts for the operator.
pub struct Renderer(Arc<Inner>);

struct Inner {
    charts: teal_chart::Charts,
    client: Client,
    poker: OnceLock<Poker>,
    known: Mutex<HashMap<String, Known>>,
}

/// What is known of one Rollout, by its uid.
struct Known {
    wanted: Wanted,
    seen: ChartSeen,
    task: AbortHandle,
}

impl Renderer {
    /// Makes the folders of charts anew.
    pub fn new(settings: Settings, client: Client) -> Result<Self, ChartError> {
        let charts = teal_chart::Charts::new(settings)?;
        Ok(Self(Arc::new(Inner { charts, client, poker: OnceLock::new(), known: Mutex::default() })))
    }
}

impl Charting for Renderer {
    fn listen(&self, poker: Poker) {
        // There is one cluster to tell.
        drop(self.0.poker.set(poker));
    }

    fn rendered(&self, wanted: Wanted) -> ChartSeen {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&wanted.uid).filter(|known| known.wanted == wanted) {
            return known.seen.clone();
        }
        let task = tokio::spawn(Arc::clone(&self.0).run(wanted.clone())).abort_handle();
        let before = known.insert(wanted.uid.clone(), Known { wanted, seen: ChartSeen::Pending, task });
        // What nobody wants any more takes nobody's turn.
        if let Some(before) = before {
            before.task.abort();
        }
        ChartSeen::Pending
    }

    fn forget(&self, uid: &str) {
        let gone = self.0.known.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        if let Some(gone) = gone {
            gone.task.abort();
        }
    }
}

impl Drop for Renderer {
    fn drop(&mut self) {
        let known = std::mem::take(&mut *self.0.known.lock().unwrap_or_else(PoisonError::into_inner));
        known.values().for_each(|known| known.task.abort());
    }
}

impl Inner {
    /// Until it is rendered, or can't be.
    async fn run(self: Arc<Self>, wanted: Wanted) {
        let mut pause = AGAIN;
        loop {
            let outcome = once::render(&self.charts, &self.client, &wanted).await;
            let again = matches!(outcome, Outcome::Later(..));
            if !self.settle(&wanted, told(&wanted, outcome)) || !again {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Takes note of what came of it; not where something else is wanted by now.
    fn settle(&self, wanted: &Wanted, seen: ChartSeen) -> bool {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = all.get_mut(&wanted.uid).filter(|known| known.wanted == *wanted) else {
            return false;
        };
        known.seen = seen;
        drop(all);
        if let Some(poker) = self.poker.get() {
            poker.poke(&wanted.namespace, &wanted.name);
        }
        true
    }
}

/// In the log, and for the conditions.
fn told(wanted: &Wanted, outcome: Outcome) -> ChartSeen {
    let rollout = format!("{}/{}", wanted.namespace, wanted.name);
    match outcome {
        Outcome::Ready(body, varying) => {
            if varying.is_empty() {
                tracing::info!(rollout, "a chart was rendered");
            } else {
                let objects = varying.join(", ");
                tracing::warn!(
                    rollout,
                    objects,
                    "a chart comes out otherwise each time: what came first is kept"
                );
            }
            ChartSeen::Ready(Arc::new(body))
        }
        Outcome::Never(problems) => {
            let first = problems.first().map_or("", |(_, problem)| problem.as_str());
            tracing::warn!(rollout, problem = first, "a chart can't be used");
            ChartSeen::Refused(problems)
        }
        Outcome::Later(problem) => {
            tracing::warn!(rollout, problem, "a chart can't be had now");
            ChartSeen::Refused(vec![("ChartUnavailable", problem)])
        }
    }
}

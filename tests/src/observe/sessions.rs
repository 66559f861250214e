//! Long-lived sessions that are there before anything moves.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use teal_load::{SessionReport, SessionTarget, Sessions};
use tokio::task::JoinHandle;

use super::journal::Journal;
use super::observer::Observer;
use crate::error::Result;

/// Opens a set of sessions after every move of traffic, which is before the next one, and ends those of a color when it
/// retires. A move is another weight or another selector of a role: where `web` turns at 0/100 no share changes, but whoever
/// is connected may be cut. What can't be opened is a finding, not an error: it is told with the reports.
pub struct SessionKeeper {
    sessions: Arc<Sessions>,
    refused: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

/// What traffic looks like to a session: how often it was moved, and who is on the way out.
#[derive(PartialEq, Eq)]
struct Place {
    moves: usize,
    retired: BTreeSet<String>,
}

impl Place {
    fn of(journal: &Journal) -> Self {
        Self { moves: journal.moves, retired: retired_colors(journal) }
    }
}

/// Colors of which pods end while no traffic is given to them. A pod that ends while its revision has a share retires
/// nothing: its sessions are cut.
fn retired_colors(journal: &Journal) -> BTreeSet<String> {
    let ending =
        journal.pods.values().filter(|pod| pod.ending.is_some() && journal.share(&pod.revision) == 0);
    ending.map(|pod| pod.color.clone()).collect()
}

impl SessionKeeper {
    /// Opens the first set and goes on until it is asked for the reports.
    pub async fn start(observer: Arc<Observer>, target: SessionTarget) -> Result<Self> {
        let sessions = Arc::new(Sessions::new());
        sessions.open(&target, "before the first move").await?;
        let refused = Arc::default();
        let keeper = keep(observer, target, sessions.clone(), Arc::clone(&refused));
        Ok(Self { sessions, refused, task: tokio::spawn(keeper) })
    }

    /// Sessions that were cut so far.
    pub fn cut(&self) -> Vec<SessionReport> {
        self.sessions.cut_connections()
    }

    /// All sessions so far.
    pub fn reports(&self) -> Vec<SessionReport> {
        self.sessions.reports()
    }

    /// Sessions that could not be opened so far, in words.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens no more. The open ones end with the keeper.
    pub fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for SessionKeeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(
    observer: Arc<Observer>,
    target: SessionTarget,
    sessions: Arc<Sessions>,
    refused: Arc<Mutex<Vec<String>>>,
) {
    let mut changed = observer.changes();
    let mut place = observer.look(Place::of);
    while changed.changed().await.is_ok() {
        let now = observer.look(Place::of);
        for color in now.retired.difference(&place.retired) {
            sessions.retire_color(color, Instant::now());
            // As players do who have finished: a color would otherwise wait for its sessions' limit.
            let versions: BTreeSet<String> = of_color(&sessions, color);
            versions.iter().for_each(|version| sessions.leave_version(version));
        }
        if now.moves != place.moves {
            let label = format!("after move {}", now.moves);
            if let Err(error) = sessions.open(&target, &label).await {
                refused.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
            }
        }
        place = now;
    }
}

fn of_color(sessions: &Sessions, color: &str) -> BTreeSet<String> {
    let reports = sessions.reports().into_iter().filter(|report| report.color == color);
    reports.map(|report| report.version).collect()
}

//! A journal that is kept while others wait for what it says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::event::Event;
use super::feed::{Feed, Kind};
use super::journal::Journal;
use crate::error::{Error, Result};

/// Who is told each event, with the time it was seen.
pub type Subscriber = Arc<dyn Fn(Instant, &Event) + Send + Sync>;

/// Follows the objects of one namespace and keeps the journal of one Rollout.
pub struct Observer {
    journal: Arc<Mutex<Journal>>,
    changed: watch::Receiver<u64>,
    task: JoinHandle<()>,
    _feed: Feed,
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Observer {
    /// Starts to follow these kinds.
    pub fn start(
        client: &Client,
        namespace: &str,
        name: &str,
        kinds: &[Kind],
        subscriber: Option<Subscriber>,
    ) -> Self {
        let (out, mut seen) = mpsc::unbounded_channel();
        let feed = Feed::start(client, namespace, kinds, &out);
        let journal = Arc::new(Mutex::new(Journal::new(name)));
        let (tell, changed) = watch::channel(0);
        let kept = journal.clone();
        let task = tokio::spawn(async move {
            while let Some(version) = seen.recv().await {
                let events = lock(&kept).take(&version);
                for event in &events {
                    subscriber.iter().for_each(|subscriber| subscriber(version.at, event));
                }
                tell.send_modify(|count| *count += 1);
            }
        });
        Self { journal, changed, task, _feed: feed }
    }

    /// Looks into the journal.
    pub fn look<T>(&self, look: impl FnOnce(&Journal) -> T) -> T {
        look(&lock(&self.journal))
    }

    /// Becomes another number with each version.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }

    /// Waits until the journal has something, looking at each version once.
    pub async fn until<T>(
        &self,
        what: &str,
        within: Duration,
        mut find: impl FnMut(&Journal) -> Option<T>,
    ) -> Result<T> {
        let mut changed = self.changed.clone();
        let found = async {
            loop {
                changed.mark_unchanged();
                if let Some(found) = self.look(&mut find) {
                    return Some(found);
                }
                changed.changed().await.ok()?;
            }
        };
        match tokio::time::timeout(within, found).await {
            Ok(Some(found)) => Ok(found),
            _ => Err(self.late(what, within)),
        }
    }

    /// The error of having waited in vain.
    pub fn late(&self, what: &str, within: Duration) -> Error {
        Error::Late { what: what.to_owned(), seconds: within.as_secs(), state: self.look(Journal::state) }
    }
}

fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    // A reader that died has changed nothing.
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

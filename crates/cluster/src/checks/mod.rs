//! Asking metrics for checks, outside of every look: a slow source holds up nothing but its own answers. What is asked
//! follows from plans; what is known goes into the next snapshot.

mod ask;
mod standing;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use teal_api::Rollout;
use teal_api::rollout::status::CheckStatus;
use teal_judge::{Outcome, Problem, ProblemKind, Sample};
use teal_measure::{Answer, Measurer, Request, next_aligned};
use teal_plan::snapshot::CheckSeen;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::observe::Seen;
use crate::reconcile::now;
use crate::stores::{ObjectId, Pokes};

use ask::{Ask, asks};
use standing::States;

/// One check of one Rollout.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
struct Key {
    rollout: String,
    check: String,
}

/// What is asked for one Rollout.
struct Asked {
    id: ObjectId,
    asks: BTreeMap<String, Ask>,
    /// States by check; each knows the place that it is for.
    states: BTreeMap<String, States>,
}

/// The questions of all Rollouts.
pub(crate) struct Checks {
    measurer: Arc<Measurer>,
    pokes: Pokes,
    asked: Mutex<HashMap<String, Asked>>,
    changed: Notify,
}

impl Checks {
    pub(crate) fn new(measurer: Arc<Measurer>, pokes: Pokes) -> Self {
        Self { measurer, pokes, asked: Mutex::default(), changed: Notify::new() }
    }

    /// Takes note of what a plan wants measured; what it no longer wants is forgotten.
    pub(crate) fn ask(&self, id: &ObjectId, rollout: &Rollout, seen: &Seen, names: &[String]) {
        let uid = &seen.names.uid;
        let mut all = self.lock();
        if names.is_empty() {
            all.remove(uid);
            return;
        }
        let asks = asks(rollout, seen, names);
        let entry = all.entry(uid.clone()).or_insert_with(|| Asked {
            id: id.clone(),
            asks: BTreeMap::new(),
            states: BTreeMap::new(),
        });
        if entry.asks == asks {
            return;
        }
        entry.states.retain(|name, _| asks.contains_key(name));
        for (name, ask) in &asks {
            match entry.states.get_mut(name) {
                Some(states) => states.follow(ask),
                None => {
                    entry.states.insert(name.clone(), States::begin(ask));
                }
            }
        }
        entry.asks = asks;
        drop(all);
        self.changed.notify_one();
    }

    /// Forgets a Rollout that is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// What is known of the checks of a Rollout.
    pub(crate) fn standing(&self, uid: &str) -> Vec<(String, CheckSeen)> {
        let all = self.lock();
        let Some(asked) = all.get(uid) else { return Vec::new() };
        let seen = |(name, ask): (&String, &Ask)| Some((name.clone(), asked.states.get(name)?.seen(ask)));
        asked.asks.iter().filter_map(seen).collect()
    }

    /// The same for people.
    pub(crate) fn statuses(&self, uid: &str) -> Vec<CheckStatus> {
        let all = self.lock();
        let Some(asked) = all.get(uid) else { return Vec::new() };
        let status = |(name, ask): (&String, &Ask)| Some(asked.states.get(name)?.status(name, ask));
        asked.asks.iter().filter_map(status).collect()
    }

    /// Asks until told to stop. Checks of one interval ask at the same instants, so that those who ask the same share
    /// an answer.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let at = self.next();
            let wait = async {
                match at {
                    Some(at) => tokio::time::sleep(until(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => {}
                () = self.changed.notified() => continue,
                () = stop.cancelled() => return,
            }
            if let Some(at) = at {
                let checks = Arc::clone(&self);
                tokio::spawn(async move { checks.measure(at).await });
            }
            // The instant is over; the next one lies after it.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn next(&self) -> Option<u64> {
        let now = millis(now().0);
        let all = self.lock();
        all.values().flat_map(|asked| asked.asks.values()).map(|ask| next_aligned(now, ask.interval_ms)).min()
    }

    async fn measure(&self, at: u64) {
        let (requests, refused) = self.due(at);
        for (key, problem) in refused {
            self.fold(Answer { key, sample: Sample { at_ms: at, outcome: Outcome::Error(problem) } });
        }
        // Answered one by one: a fast source need not wait for a slow one.
        let each = requests.into_iter().map(|request| async {
            for answer in self.measurer.measure(vec![request]).await {
                self.fold(answer);
            }
        });
        futures::future::join_all(each).await;
    }

    fn due(&self, at: u64) -> (Vec<Request<Key>>, Vec<(Key, Problem)>) {
        let (mut requests, mut refused) = (Vec::new(), Vec::new());
        for (uid, asked) in &*self.lock() {
            for (name, ask) in asked.asks.iter().filter(|(_, ask)| at.is_multiple_of(ask.interval_ms.max(1)))
            {
                let key = Key { rollout: uid.clone(), check: name.clone() };
                match &ask.query {
                    Ok(query) => requests.push(Request {
                        key,
                        tenant: asked.id.namespace.clone(),
                        source: ask.source.clone(),
                        query: query.clone(),
                        at_ms: at,
                    }),
                    Err(problem) => refused.push((key, Problem::new(ProblemKind::QueryInvalid, problem))),
                }
            }
        }
        (requests, refused)
    }

    fn fold(&self, answer: Answer<Key>) {
        let mut all = self.lock();
        let Some(asked) = all.get_mut(&answer.key.rollout) else { return };
        let (Some(ask), Some(states)) =
            (asked.asks.get(&answer.key.check), asked.states.get_mut(&answer.key.check))
        else {
            return;
        };
        if states.fold(ask, answer.sample, now()) {
            self.pokes.one(&asked.id.namespace, &asked.id.name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}

fn until(at: u64) -> Duration {
    Duration::from_millis(at.saturating_sub(millis(now().0)))
}

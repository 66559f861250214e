//! Asking metrics for checks, outside of every look: a slow source holds up nothing but its own answers. What is asked
//! follows from plans; what is known goes into the next snapshot.

mod ask;
mod standing;
#[cfg(test)]
#[path = "../../../measure/tests/support/mod.rs"]
mod support;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use teal_api::defaults::FilledCheck;
use teal_api::rollout::status::CheckStatus;
use teal_cluster::{Measuring, Poker, Questions};
use teal_judge::{Outcome, Problem, ProblemKind, Sample};
use teal_measure::{Answer, Measurer, Request, check_query, next_aligned};
use teal_plan::snapshot::CheckSeen;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use ask::Ask;
use standing::{Open, States, now};

/// One question of one check of one Rollout.
#[derive(Clone, Debug)]
struct Key {
    rollout: String,
    check: String,
    /// Which beginning of its states: what answers an earlier question, however late, is nobody's.
    begun: u64,
    /// Goes with the question, however that ends.
    _open: Open,
}

/// What is asked for one Rollout.
struct Asked {
    namespace: String,
    name: String,
    asks: BTreeMap<String, Ask>,
    /// States by check; each knows the place that it is for.
    states: BTreeMap<String, States>,
    /// When its probes may be sent at once again: whoever edits queries all the time asks no oftener than others.
    probes_from: u64,
}

/// The least time between two times that probes of one Rollout are sent at once.
const PROBE_PAUSE_MS: u64 = 1_000;

/// What lies longer back is not asked any more, as after the machine slept or its clock was set: nobody looked then, and so many
/// instants at once would be a burst. Answers are waited for as long.
const LATEST_MS: u64 = 30_000;

/// The questions of all Rollouts.
pub struct Checks {
    measurer: Arc<Measurer>,
    poker: Poker,
    asked: Mutex<HashMap<String, Asked>>,
    /// Uids with probes that were not sent yet, and when they may be.
    fresh: Mutex<BTreeMap<String, u64>>,
    changed: Notify,
}

impl Checks {
    /// Asks by this measurer, and asks for a look by this poker when a verdict changed.
    pub fn new(measurer: Arc<Measurer>, poker: Poker) -> Self {
        Self { measurer, poker, asked: Mutex::default(), fresh: Mutex::default(), changed: Notify::new() }
    }

    /// Asks until told to stop. Checks of one interval ask at the same instants, so that those who ask the same share
    /// an answer.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        // No instant up to here is asked about any more. One that passes while others are asked is late and not lost.
        let mut since = millis(now().0);
        loop {
            let present = millis(now().0);
            self.send_fresh(present);
            since = caught_up(since, present);
            let next = self.next(since);
            if let Some(at) = next.filter(|at| *at <= present) {
                since = at;
                self.send(at, self.due(at));
                continue;
            }
            let alarm = next.into_iter().chain(self.fresh().values().copied()).min();
            let wait = async {
                match alarm {
                    Some(at) => tokio::time::sleep(until(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => {}
                () = self.changed.notified() => {
                    let now = millis(now().0);
                    since = since.max(next.map_or(now, |at| now.min(at.saturating_sub(1))));
                }
                () = stop.cancelled() => return,
            }
        }
    }

    /// Sends the probes whose time has come.
    fn send_fresh(self: &Arc<Self>, now: u64) {
        let due: BTreeSet<String> = {
            let mut fresh = self.fresh();
            let due = fresh.iter().filter(|(_, at)| **at <= now).map(|(uid, _)| uid.clone()).collect();
            fresh.retain(|_, at| *at > now);
            due
        };
        if !due.is_empty() {
            let at = latest_shared(now);
            self.send(at, self.probes(&due, at));
        }
    }

    fn fresh(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first instant after `since` at which somebody asks.
    fn next(&self, since: u64) -> Option<u64> {
        let all = self.lock();
        let intervals = all.values().flat_map(|asked| {
            asked.asks.iter().filter_map(|(name, ask)| asked.states.get(name)?.interval_ms(ask))
        });
        intervals.map(|interval| next_aligned(since, interval)).min()
    }

    /// Asks, and takes the answers when they come: nothing waits for them.
    fn send(self: &Arc<Self>, at: u64, due: Due) {
        let checks = Arc::clone(self);
        tokio::spawn(async move { checks.measure(at, due).await });
    }

    async fn measure(&self, at: u64, due: Due) {
        for (key, problem) in due.refused {
            self.fold(Answer { key, sample: Sample { at_ms: at, outcome: Outcome::Error(problem) } });
        }
        // Answered one by one: a fast source need not wait for a slow one.
        let each = due.requests.into_iter().map(|request| async {
            for answer in self.measurer.measure(vec![request]).await {
                self.fold(answer);
            }
        });
        futures::future::join_all(each).await;
    }

    /// What has not been asked yet of these Rollouts, and is waited for.
    fn probes(&self, fresh: &BTreeSet<String>, at: u64) -> Due {
        let mut due = Due::default();
        for (uid, asked) in self.lock().iter_mut().filter(|(uid, _)| fresh.contains(*uid)) {
            due.add(uid, asked, at, |states, _| states.is_awaited_probe());
        }
        due
    }

    /// What is asked at an instant.
    fn due(&self, at: u64) -> Due {
        let mut due = Due::default();
        for (uid, asked) in &mut *self.lock() {
            due.add(uid, asked, at, |states, ask| {
                states.interval_ms(ask).is_some_and(|interval| at.is_multiple_of(interval))
            });
        }
        due
    }

    fn fold(&self, answer: Answer<Key>) {
        let mut all = self.lock();
        let Some(asked) = all.get_mut(&answer.key.rollout) else { return };
        let (Some(ask), Some(states)) =
            (asked.asks.get(&answer.key.check), asked.states.get_mut(&answer.key.check))
        else {
            return;
        };
        if states.begun() == answer.key.begun && states.fold(ask, answer.sample, now()) {
            self.poker.poke(&asked.namespace, &asked.name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is asked about one instant.
#[derive(Default)]
struct Due {
    requests: Vec<Request<Key>>,
    /// What can't even be asked, with why.
    refused: Vec<(Key, Problem)>,
}

impl Due {
    /// Adds what is wanted of a Rollout, but for checks whose last question is still open: an answer that came after that to a later
    /// one would be passed over, and with it what it says of a row of failures or passes.
    fn add(&mut self, uid: &str, asked: &mut Asked, at_ms: u64, wanted: impl Fn(&States, &Ask) -> bool) {
        for (name, ask) in &asked.asks {
            let states = asked.states.get_mut(name).filter(|states| wanted(states, ask));
            let Some((begun, open)) = states.and_then(|states| Some((states.begun(), states.open()?))) else {
                continue;
            };
            let key = Key { rollout: uid.to_owned(), check: name.clone(), begun, _open: open };
            match &ask.query {
                Ok(query) => self.requests.push(Request {
                    key,
                    tenant: asked.namespace.clone(),
                    source: ask.source.clone(),
                    query: query.clone(),
                    at_ms,
                }),
                Err(problem) => self.refused.push((key, Problem::new(ProblemKind::QueryInvalid, problem))),
            }
        }
    }
}

impl Measuring for Checks {
    fn ask(&self, questions: Questions) {
        let mut all = self.lock();
        if questions.checks.is_empty() {
            all.remove(&questions.uid);
            return;
        }
        let asks: BTreeMap<String, Ask> = questions
            .checks
            .iter()
            .map(|question| (question.check.name.clone(), Ask::of(question, &questions)))
            .collect();
        let Questions { uid, namespace, name, .. } = questions;
        let entry = all.entry(uid.clone()).or_insert_with(|| Asked {
            namespace,
            name,
            asks: BTreeMap::new(),
            states: BTreeMap::new(),
            probes_from: 0,
        });
        if entry.asks == asks {
            return;
        }
        entry.states.retain(|name, _| asks.contains_key(name));
        for (name, ask) in &asks {
            // Answers to a question that was edited say nothing about the new one.
            let same = entry.asks.get(name).is_some_and(|before| ask.is_as(before));
            match entry.states.get_mut(name).filter(|_| same) {
                Some(states) => states.follow(ask),
                None => {
                    entry.states.insert(name.clone(), States::begin(ask));
                }
            }
        }
        entry.asks = asks;
        if entry.states.values().any(States::is_awaited_probe) {
            self.fresh().entry(uid).or_insert_with(|| {
                let at = entry.probes_from.max(millis(now().0));
                entry.probes_from = at + PROBE_PAUSE_MS;
                at
            });
        }
        drop(all);
        self.changed.notify_one();
    }

    fn standing(&self, uid: &str) -> Vec<(String, CheckSeen)> {
        let all = self.lock();
        let Some(asked) = all.get(uid) else { return Vec::new() };
        let seen =
            |(name, ask): (&String, &Ask)| Some((name.clone(), asked.states.get(name)?.seen(name, ask)));
        asked.asks.iter().filter_map(seen).collect()
    }

    fn statuses(&self, uid: &str) -> Vec<CheckStatus> {
        let all = self.lock();
        let Some(asked) = all.get(uid) else { return Vec::new() };
        let status = |(name, ask): (&String, &Ask)| asked.states.get(name)?.status(name, ask);
        asked.asks.iter().filter_map(status).collect()
    }

    fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn problem(&self, check: &FilledCheck) -> Option<(&'static str, String)> {
        let field = trouble::of(&check.name);
        if let Err(error) = check_query(&check.query) {
            return Some(("QueryInvalid", format!("{field}.query: {error}: correct it")));
        }
        let sources = self.measurer.sources();
        if sources.get(&check.source).is_some() {
            return None;
        }
        let known: Vec<&str> = sources.names().collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!(
            "{field}.source: {} is not in the operator's configuration (it has: {known}): correct the name, or add \
             the source there",
            check.source
        );
        Some(("SourceNotFound", message))
    }
}

/// From when on instants are asked about.
fn caught_up(since: u64, present: u64) -> u64 {
    since.clamp(present.saturating_sub(LATEST_MS), present)
}

/// The last whole second: an instant that is over, so that whoever asks the same now shares the answer, and nobody waits for it.
const fn latest_shared(now: u64) -> u64 {
    now - now % 1_000
}

fn millis(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}

fn until(at: u64) -> Duration {
    Duration::from_millis(at.saturating_sub(millis(now().0)))
}

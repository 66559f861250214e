//! Asking for many Rollouts at a time.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures::future::join_all;
use teal_judge::{Outcome, Problem, ProblemKind, Sample, format_duration};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::{Source, Sources};

/// A question of one check.
#[derive(Debug, Clone)]
pub struct Request<K> {
    /// Whatever the asker knows the question by; comes back with the answer.
    pub key: K,
    /// Who asks, for fairness: the namespace.
    pub tenant: String,
    /// The source's name.
    pub source: String,
    /// The query, its placeholders filled.
    pub query: String,
    /// The instant in question; see [`crate::aligned`].
    pub at_ms: u64,
}

/// What came of a [`Request`].
#[derive(Debug, Clone)]
pub struct Answer<K> {
    /// The request's key.
    pub key: K,
    /// The outcome, with the instant that was asked about.
    pub sample: Sample,
}

/// How much is asked at a time.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Open questions to one source. A dead source then holds up nobody but its own askers.
    pub per_source: usize,
    /// Open questions of one tenant, so that one with hundreds of checks doesn't crowd out the rest.
    pub per_tenant: usize,
    /// Longest wait for a turn.
    pub longest_wait: Duration,
    /// Questions whose answers are remembered for others who ask the same.
    pub remembered: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { per_source: 16, per_tenant: 4, longest_wait: Duration::from_secs(30), remembered: 4096 }
    }
}

/// How far behind the newest instant a remembered answer may lie, in milliseconds. Checks that share
/// an instant ask within moments of each other.
const REMEMBERED_FOR_MS: u64 = 120_000;

/// There was no turn in time.
struct NoTurn;

/// The instant comes first, so that the oldest questions stand in front.
type Question = (u64, String, String);

/// Asks sources for checks: concurrently within bounds, and each question once, whoever asks it.
#[derive(Debug)]
pub struct Measurer {
    sources: Sources,
    bounds: Bounds,
    turns: BTreeMap<String, Semaphore>,
    tenants: Mutex<HashMap<String, Weak<Semaphore>>>,
    outcomes: Mutex<BTreeMap<Question, Arc<OnceCell<Outcome>>>>,
}

impl Measurer {
    /// A measurer of these sources.
    pub fn new(sources: Sources, bounds: Bounds) -> Self {
        let turns = |name: &str| (name.to_owned(), Semaphore::new(bounds.per_source.max(1)));
        Self {
            turns: sources.names().map(turns).collect(),
            sources,
            bounds,
            tenants: Mutex::default(),
            outcomes: Mutex::default(),
        }
    }

    /// Answers every request of a batch, in its order. Never fails: what can't be answered is an
    /// [`Outcome::Error`], after a bounded time.
    pub async fn measure<K>(&self, requests: Vec<Request<K>>) -> Vec<Answer<K>> {
        let answers = requests.into_iter().map(async |Request { key, tenant, source, query, at_ms }| {
            let outcome = self.outcome(&tenant, (at_ms, source, query)).await;
            Answer { key, sample: Sample { at_ms, outcome } }
        });
        join_all(answers).await
    }

    /// The sources that are asked.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    async fn outcome(&self, tenant: &str, question: Question) -> Outcome {
        let (at_ms, source, query) = &question;
        let (Some(found), Some(turns)) = (self.sources.get(source), self.turns.get(source)) else {
            return Outcome::Error(self.unknown(source));
        };
        let found = match found {
            Ok(found) => found,
            Err(problem) => return Outcome::Error(problem.clone()),
        };
        let cell = self.cell(question.clone());
        if let Some(known) = cell.get() {
            return known.clone();
        }
        let ends = Instant::now() + self.bounds.longest_wait;
        // Each waits in its own tenant's line, and none of them in another's.
        let share = self.share(tenant);
        let Ok(_share) = timeout_at(ends, share.acquire()).await else {
            return crowded(found, self.bounds.longest_wait);
        };
        // Who comes first asks; if that one is cancelled or gets no turn, the next one does. That there was no turn is no
        // answer to the question, so it isn't kept for others.
        match cell.get_or_try_init(|| ask(found, turns, ends, query, *at_ms)).await {
            Ok(outcome) => outcome.clone(),
            Err(NoTurn) => crowded(found, self.bounds.longest_wait),
        }
    }

    fn cell(&self, question: Question) -> Arc<OnceCell<Outcome>> {
        let mut outcomes = locked(&self.outcomes);
        let cell = Arc::clone(outcomes.entry(question).or_default());
        let newest = outcomes.last_key_value().map_or(0, |((at_ms, ..), _)| *at_ms);
        while let Some(oldest) = outcomes.first_entry() {
            let is_old = oldest.key().0.saturating_add(REMEMBERED_FOR_MS) < newest;
            let is_surplus = outcomes.len() > self.bounds.remembered;
            if !is_old && !is_surplus {
                break;
            }
            outcomes.pop_first();
        }
        cell
    }

    /// The tenant's share. Kept only as long as somebody holds it: tenants come and go.
    fn share(&self, tenant: &str) -> Arc<Semaphore> {
        let mut tenants = locked(&self.tenants);
        if let Some(share) = tenants.get(tenant).and_then(Weak::upgrade) {
            return share;
        }
        tenants.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.bounds.per_tenant.max(1)));
        tenants.insert(tenant.to_owned(), Arc::downgrade(&share));
        share
    }

    fn unknown(&self, source: &str) -> Problem {
        let known: Vec<_> = self.sources.names().collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Problem::new(
            ProblemKind::SourceUnknown,
            format!("source {source} is not in the operator's configuration; known: {known}"),
        )
    }
}

async fn ask(
    source: &Source,
    turns: &Semaphore,
    ends: Instant,
    query: &str,
    at_ms: u64,
) -> Result<Outcome, NoTurn> {
    let _turn = timeout_at(ends, turns.acquire()).await.map_err(|_| NoTurn)?;
    Ok(source.query(query, at_ms).await)
}

fn crowded(source: &Source, longest_wait: Duration) -> Outcome {
    let waited = format_duration(u64::try_from(longest_wait.as_millis()).unwrap_or(u64::MAX));
    let name = source.name();
    let said = format!("no turn at source {name} within {waited}: too much is asked");
    Outcome::Error(Problem::new(ProblemKind::Timeout, said))
}

/// Nothing is done under these locks that can panic halfway, so a poisoned one is still whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

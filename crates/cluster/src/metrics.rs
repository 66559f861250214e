//! Figures about the work, for the operator's `/metrics`. Kept here as plain numbers; how they are shown is not known here.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use teal_api::rollout::CheckStatus;
use teal_plan::report::Report;
use teal_plan::{Phase, Time};

use crate::observe::Seen;
use crate::stores::{ObjectId, RolloutView};

/// A number that only grows.
#[derive(Clone, Default, Debug)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where one Rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutFigures {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The phase, as in its status.
    pub phase: &'static str,
    /// The step under way.
    pub step: Option<String>,
    /// Percent of requests that the candidate gets, as observed.
    pub weight: u8,
    /// Why a person must act although nobody was asked: the reason of the condition `Stalled` while it is True.
    pub stalled: Option<String>,
    /// Since when a person is asked, in milliseconds since 1970.
    pub asked_since_ms: Option<i64>,
    /// What each check says, as in its status.
    pub verdicts: Vec<(String, String)>,
}

/// Upper bounds of the buckets of looks, in seconds.
pub const LOOK_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// How long looks took.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    /// Looks per bucket, the last one for all above.
    pub buckets: [u64; LOOK_BUCKETS.len() + 1],
    /// Seconds of all.
    pub seconds: f64,
}

impl Looks {
    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = LOOK_BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(LOOK_BUCKETS.len());
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.seconds += seconds;
    }
}

/// All figures at one moment.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Rollouts that were looked at.
    pub rollouts: Vec<RolloutFigures>,
    /// Rollouts that can't be read.
    pub unreadable: u64,
    /// Requests by verb and kind.
    pub requests: BTreeMap<(&'static str, String), u64>,
    /// How long looks took, without what followed from them.
    pub looks: Looks,
    /// The same with all that followed: reads, the commit or the writes.
    pub reconciles: Looks,
    /// Events that were told.
    pub events: u64,
    /// Failed looks by class.
    pub failures: BTreeMap<&'static str, u64>,
    /// Whether this process leads.
    pub leads: bool,
}

#[derive(Default)]
struct State {
    rollouts: HashMap<ObjectId, RolloutFigures>,
    unreadable: HashMap<ObjectId, u64>,
    looks: Looks,
    reconciles: Looks,
    failures: BTreeMap<&'static str, u64>,
}

/// Gathers figures.
#[derive(Default)]
pub(crate) struct Watching(Mutex<State>);

impl Watching {
    pub(crate) fn looked(&self, figures: RolloutFigures, took: Duration) {
        let id = ObjectId::new(&figures.namespace, &figures.name);
        let mut state = self.lock();
        state.unreadable.remove(&id);
        state.rollouts.insert(id, figures);
        state.looks.add(took);
    }

    /// A look ended, with all that followed from it, well or not.
    pub(crate) fn reconciled(&self, took: Duration) {
        self.lock().reconciles.add(took);
    }

    /// Whether this version is news.
    pub(crate) fn unreadable(&self, id: &ObjectId, version: u64) -> bool {
        self.lock().unreadable.insert(id.clone(), version).is_none_or(|known| known < version)
    }

    /// What was written about it is no news.
    pub(crate) fn told_unreadable(&self, id: &ObjectId, version: u64) {
        self.lock().unreadable.insert(id.clone(), version);
    }

    pub(crate) fn failed(&self, class: &'static str) {
        *self.lock().failures.entry(class).or_default() += 1;
    }

    /// Of whom there are figures.
    pub(crate) fn known(&self) -> Vec<ObjectId> {
        let state = self.lock();
        state.rollouts.keys().chain(state.unreadable.keys()).cloned().collect()
    }

    pub(crate) fn forget(&self, id: &ObjectId) {
        let mut state = self.lock();
        state.rollouts.remove(id);
        state.unreadable.remove(id);
    }

    /// What Rollouts were like is old; what was told of unreadable ones stays told.
    pub(crate) fn clear(&self) {
        self.lock().rollouts.clear();
    }

    pub(crate) fn read(&self) -> Figures {
        let state = self.lock();
        let mut rollouts: Vec<RolloutFigures> = state.rollouts.values().cloned().collect();
        rollouts.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        Figures {
            rollouts,
            unreadable: u64::try_from(state.unreadable.len()).unwrap_or(u64::MAX),
            looks: state.looks.clone(),
            reconciles: state.reconciles.clone(),
            failures: state.failures.clone(),
            ..Figures::default()
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In the words of status: whoever reads both must not have to translate.
pub(crate) fn figures(
    view: &RolloutView,
    seen: &Seen,
    report: &Report,
    checks: &[CheckStatus],
) -> RolloutFigures {
    let (step, asked) = match &seen.snapshot.record.phase {
        Phase::Step(place) => {
            let open = place.gate.as_ref().filter(|gate| gate.is_open());
            (Some(place.step.clone()), open.map(|gate| gate.opened))
        }
        Phase::New
        | Phase::Installing { .. }
        | Phase::Rest { .. }
        | Phase::Promoting { .. }
        | Phase::Returning { .. } => (None, None),
    };
    let stalled = report.conditions.iter().find(|condition| condition.kind == "Stalled" && condition.status);
    RolloutFigures {
        namespace: view.id.namespace.clone(),
        name: view.id.name.clone(),
        phase: report.phase,
        step,
        weight: report.candidate_weight,
        stalled: stalled.map(|condition| condition.reason.clone()),
        asked_since_ms: asked.map(|Time(at)| at),
        verdicts: checks.iter().map(|check| (check.name.clone(), check.verdict.clone())).collect(),
    }
}

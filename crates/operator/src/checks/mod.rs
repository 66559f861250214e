//! Asking metrics for checks, outside of every look: a slow source holds up nothing but its own answers. What is asked
//! follows from plans; what is known goes into the next snapshot.

mod ask;
mod standing;
mod trouble;

use std::collections::{BTreeMap, HashMap};
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
use standing::{States, now};

/// One check of one Rollout.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
struct Key {
    rollout: String,
    check: String,
}

/// What is asked for one Rollout.
struct Asked {
    namespace: String,
    name: String,
    asks: BTreeMap<String, Ask>,
    /// States by check; each knows the place that it is for.
    states: BTreeMap<String, States>,
}

/// An instant that is asked about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Instant {
    at: u64,
    /// For probes that were not sent yet, or else for everything whose interval it is.
    probes: bool,
}

/// The questions of all Rollouts.
pub struct Checks {
    measurer: Arc<Measurer>,
    poker: Poker,
    asked: Mutex<HashMap<String, Asked>>,
    changed: Notify,
}

impl Checks {
    /// Asks by this measurer, and asks for a look by this poker when a verdict changed.
    pub fn new(measurer: Arc<Measurer>, poker: Poker) -> Self {
        Self { measurer, poker, asked: Mutex::default(), changed: Notify::new() }
    }

    /// Asks until told to stop. Checks of one interval ask at the same instants, so that those who ask the same share
    /// an answer.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let at = self.next();
            let wait = async {
                match at {
                    Some(Instant { at, .. }) => tokio::time::sleep(until(at)).await,
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

    fn next(&self) -> Option<Instant> {
        let now = millis(now().0);
        let all = self.lock();
        let at = |asked: &Asked, name: &String, ask: &Ask| {
            let probes = asked.states.get(name).is_some_and(States::wants_probe);
            Instant {
                at: if probes { latest_shared(now) } else { next_aligned(now, ask.interval_ms) },
                probes,
            }
        };
        all.values().flat_map(|asked| asked.asks.iter().map(|(name, ask)| at(asked, name, ask))).min()
    }

    async fn measure(&self, instant: Instant) {
        let (requests, refused) = self.due(instant);
        let at = instant.at;
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

    fn due(&self, Instant { at, probes }: Instant) -> (Vec<Request<Key>>, Vec<(Key, Problem)>) {
        let (mut requests, mut refused) = (Vec::new(), Vec::new());
        for (uid, asked) in &mut *self.lock() {
            for (name, ask) in &asked.asks {
                let Some(states) = asked.states.get_mut(name) else { continue };
                if states.wants_probe() != probes || !(probes || at.is_multiple_of(ask.interval_ms.max(1))) {
                    continue;
                }
                states.sent();
                let key = Key { rollout: uid.clone(), check: name.clone() };
                match &ask.query {
                    Ok(query) => requests.push(Request {
                        key,
                        tenant: asked.namespace.clone(),
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
            self.poker.poke(&asked.namespace, &asked.name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
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
        let entry = all.entry(uid).or_insert_with(|| Asked {
            namespace,
            name,
            asks: BTreeMap::new(),
            states: BTreeMap::new(),
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
        let field = format!("spec.checks[{}]", check.name);
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

#[cfg(test)]
mod tests {
    use teal_cluster::{Question, Subject};
    use teal_measure::{Bounds, Sources};
    use teal_plan::snapshot::Standing;

    use super::*;

    fn questions() -> Questions {
        let spec = serde_json::json!({
            "release": {"manifests": []}, "traffic": {"services": [{"name": "web"}]},
            "checks": [{"name": "errors", "query": "up", "threshold": {"max": "1%"}}],
        });
        let filled = teal_api::defaults::filled(&serde_json::from_value(spec).unwrap()).unwrap();
        let question = Question {
            check: filled.checks[0].clone(),
            min: None,
            max: Some("1%".into()),
            again: false,
            attempt: "r2-00000000#1".into(),
            place: None,
            probe: false,
        };
        let (namespace, name) = ("shop".into(), "web".into());
        Questions { uid: "1".into(), namespace, name, checks: vec![question], subject: Subject::default() }
    }

    fn standing(checks: &Checks) -> Vec<Standing> {
        checks.standing("1").into_iter().map(|(_, seen)| seen.standing).collect()
    }

    #[test]
    fn of_a_rollout_that_is_let_go_nothing_is_asked_and_nothing_known() {
        let measurer = Arc::new(Measurer::new(Sources::default(), Bounds::default()));
        let checks = Checks::new(measurer, Poker::unheard());
        checks.ask(questions());
        assert!(checks.next().is_some());
        let key = Key { rollout: "1".into(), check: "errors".into() };
        let sample = |value| Sample { at_ms: millis(now().0), outcome: Outcome::from_value(value) };
        checks.fold(Answer { key: key.clone(), sample: sample(0.5) });
        assert_eq!(standing(&checks), [Standing::Fail]);

        checks.forget("1");
        assert_eq!((checks.next(), standing(&checks)), (None, vec![]));
        checks.fold(Answer { key, sample: sample(0.5) });
        assert_eq!(standing(&checks), [], "an answer that comes late is nobody's");

        checks.ask(questions());
        assert_eq!(standing(&checks), [Standing::Pending], "what was seen before another led is no evidence");
    }
}

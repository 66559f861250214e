//! Asking metrics for checks, outside of every look: a slow source holds up nothing but its own answers. What is asked
//! follows from plans; what is known goes into the next snapshot.

mod ask;
mod standing;
#[cfg(test)]
#[path = "../../../measure/tests/support/mod.rs"]
mod support;
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

#[cfg(test)]
mod tests {
    use teal_cluster::{Question, Subject};
    use teal_measure::{Bounds, Sources};
    use teal_plan::snapshot::Standing;

    use super::support::{Reply, Stand};
    use super::*;

    pub(super) fn questions() -> Questions {
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

    /// Two checks of a step, whose queries differ.
    fn of_a_step() -> Questions {
        let mut questions = questions();
        let place = Some(("canary".into(), teal_plan::Time(0)));
        questions.checks[0].place = place;
        let mut other = questions.checks[0].clone();
        (other.check.name, other.check.query) = ("latency".into(), "down".into());
        questions.checks.push(other);
        questions
    }

    fn standing(checks: &Checks) -> Vec<Standing> {
        checks.standing("1").into_iter().map(|(_, seen)| seen.standing).collect()
    }

    fn key(checks: &Checks) -> Key {
        let begun = checks.lock()["1"].states["errors"].begun();
        Key { rollout: "1".into(), check: "errors".into(), begun, _open: Open::default() }
    }

    fn checks() -> Checks {
        Checks::new(Arc::new(Measurer::new(Sources::default(), Bounds::default())), Poker::unheard())
    }

    fn probing(query: &str) -> Questions {
        let mut questions = questions();
        questions.checks[0].probe = true;
        questions.checks[0].check.query = query.to_owned();
        questions
    }

    fn answered(checks: &Checks) -> bool {
        checks.standing("1")[0].1.answered
    }

    #[test]
    fn a_probe_is_asked_until_it_is_answered_and_no_longer() {
        let checks = checks();
        checks.ask(probing("up"));
        let fresh: BTreeSet<String> = checks.fresh().keys().cloned().collect();
        let at = latest_shared(millis(now().0));
        assert_eq!(checks.probes(&fresh, at).requests.len(), 1, "at once");
        let bad = Outcome::Error(Problem::new(ProblemKind::Timeout, "no answer"));
        checks.fold(Answer { key: key(&checks), sample: Sample { at_ms: at, outcome: bad } });
        assert!(!answered(&checks) && checks.standing("1")[0].1.trouble.is_some());
        assert!(checks.next(at).is_some_and(|next| next <= at + 15_000));
        let sample = Sample { at_ms: at + 1, outcome: Outcome::NoData };
        checks.fold(Answer { key: key(&checks), sample });
        assert!(answered(&checks) && checks.standing("1")[0].1.trouble.is_none());
        assert_eq!(checks.next(at), None);
    }

    #[test]
    fn an_answer_to_what_was_asked_before_an_edit_is_no_answer() {
        let checks = checks();
        checks.ask(probing("up"));
        let before = key(&checks);
        checks.ask(probing("sum("));
        let at_ms = millis(now().0) + 60_000;
        checks.fold(Answer { key: before, sample: Sample { at_ms, outcome: Outcome::from_value(0.0) } });
        assert!(!answered(&checks));
    }

    #[test]
    fn whoever_edits_queries_all_the_time_asks_no_oftener_than_each_second() {
        let checks = checks();
        let first = millis(now().0);
        for number in 0..200 {
            checks.ask(probing(&format!("up + {number}")));
            let taken = std::mem::take(&mut *checks.fresh());
            let at = taken["1"];
            assert!(at >= first + number * PROBE_PAUSE_MS, "{number}: {at}");
        }
        checks.ask(probing("up"));
        let at = checks.fresh()["1"];
        for number in 0..200 {
            checks.ask(probing(&format!("down + {number}")));
        }
        assert_eq!(checks.fresh()["1"], at, "those that wait take the latest with them");
        std::mem::take(&mut *checks.fresh());
        checks.ask(probing("up"));
        assert_eq!(checks.fresh()["1"], at + PROBE_PAUSE_MS);
    }

    #[test]
    fn a_source_that_was_away_is_asked_again_soon_however_seldom_the_check_is() {
        let checks = checks();
        let mut seldom = probing("up");
        seldom.checks[0].check.interval_ms = 3_600_000;
        checks.ask(seldom);
        assert_eq!(checks.next(1), Some(15_000));
    }

    #[test]
    fn an_instant_that_passed_is_late_and_not_lost() {
        let checks = checks();
        checks.ask(questions());
        assert_eq!(checks.next(29_999), Some(30_000), "whatever time it is by now");
        assert_eq!(checks.due(30_000).requests.len(), 1);
    }

    /// Those that are asked at an instant, by name.
    fn asked_at(checks: &Checks, at: u64) -> (Due, Vec<String>) {
        let due = checks.due(at);
        let names = due.requests.iter().map(|request| request.key.check.clone()).collect();
        (due, names)
    }

    fn each_second(mut questions: Questions) -> Questions {
        questions.checks.iter_mut().for_each(|question| question.check.interval_ms = 1_000);
        questions
    }

    #[test]
    fn a_check_is_asked_again_only_once_it_is_answered_and_others_meanwhile() {
        let checks = checks();
        checks.ask(each_second(of_a_step()));
        let (mut first, names) = asked_at(&checks, 31_000);
        assert_eq!(names, ["errors", "latency"]);
        let slow = first.requests.remove(0);
        for Request { key, at_ms, .. } in first.requests {
            checks.fold(Answer { key, sample: Sample { at_ms, outcome: Outcome::from_value(0.0) } });
        }
        assert_eq!(asked_at(&checks, 32_000).1, ["latency"], "a good answer would overtake the bad one");
        let sample = Sample { at_ms: slow.at_ms, outcome: Outcome::from_value(0.5) };
        checks.fold(Answer { key: slow.key, sample });
        assert_eq!(checks.statuses("1")[0].samples, Some(1), "it counts");
        assert_eq!(asked_at(&checks, 33_000).1, ["errors", "latency"]);
    }

    #[test]
    fn a_question_that_ends_without_an_answer_is_not_open_for_ever() {
        let checks = checks();
        checks.ask(each_second(questions()));
        let (lost, _) = asked_at(&checks, 31_000);
        assert!(asked_at(&checks, 32_000).1.is_empty());
        drop(lost);
        assert_eq!(asked_at(&checks, 33_000).1, ["errors"]);
    }

    #[test]
    fn an_edit_or_another_step_leaves_no_check_waiting_for_what_nobody_asks_any_more() {
        let checks = checks();
        checks.ask(each_second(of_a_step()));
        let (old, _) = asked_at(&checks, 31_000);
        let mut edited = each_second(of_a_step());
        edited.checks[0].check.query = "up == 1".into();
        checks.ask(edited.clone());
        let (new, names) = asked_at(&checks, 32_000);
        assert_eq!(names, ["errors"], "the edited one is another question");
        edited
            .checks
            .iter_mut()
            .for_each(|question| question.place = Some(("full".into(), teal_plan::Time(1))));
        checks.ask(edited);
        assert!(asked_at(&checks, 33_000).1.is_empty(), "both are still open, as a guard's");
        drop(old);
        assert_eq!(asked_at(&checks, 34_000).1, ["latency"]);
        drop(new);
        assert_eq!(asked_at(&checks, 35_000).1, ["errors", "latency"]);
    }

    #[test]
    fn a_probe_that_is_under_way_is_not_sent_a_second_time() {
        let checks = checks();
        checks.ask(probing("up"));
        let fresh: BTreeSet<String> = checks.fresh().keys().cloned().collect();
        let sent = checks.probes(&fresh, 30_000);
        assert_eq!(sent.requests.len(), 1);
        assert!(checks.due(30_000).requests.is_empty() && checks.probes(&fresh, 31_000).requests.is_empty());
        drop(sent);
        assert_eq!(checks.due(45_000).requests.len(), 1);
    }

    #[tokio::test]
    async fn a_slow_source_is_asked_about_one_instant_at_a_time() {
        let slow = Reply { delay: Duration::from_millis(300), ..Reply::value("0") };
        let stand = Stand::start(slow).await;
        let measurer = Measurer::new(stand.sources(&["default"]), Bounds::default());
        let checks = Checks::new(Arc::new(measurer), Poker::unheard());
        checks.ask(each_second(questions()));
        let (first, second) = (checks.due(31_000), checks.due(32_000));
        tokio::join!(checks.measure(31_000, first), checks.measure(32_000, second));
        checks.measure(33_000, checks.due(33_000)).await;
        let times: Vec<String> = stand.asked().iter().map(|asked| asked.form["time"].clone()).collect();
        assert_eq!((times, stand.most_open()), (vec!["31.000".to_owned(), "33.000".to_owned()], 1));
    }

    #[tokio::test]
    async fn all_checks_of_a_step_are_asked_at_once_and_about_one_instant() {
        let slow = Reply { delay: Duration::from_millis(300), ..Reply::value("0") };
        let stand = Stand::start(slow).await;
        let measurer = Measurer::new(stand.sources(&["default"]), Bounds::default());
        let checks = Checks::new(Arc::new(measurer), Poker::unheard());
        checks.ask(of_a_step());
        let due = checks.due(30_000);
        checks.measure(30_000, due).await;
        let asked = stand.asked();
        let mut told: Vec<(&str, &str)> =
            asked.iter().map(|asked| (asked.form["query"].as_str(), asked.form["time"].as_str())).collect();
        told.sort_unstable();
        assert_eq!(told, [("down", "30.000"), ("up", "30.000")]);
        assert_eq!(stand.most_open(), 2, "none waits for another's answer");
    }

    #[test]
    fn after_a_sleep_or_a_turned_clock_only_what_was_due_a_moment_ago_is_asked() {
        let hour = 3_600_000;
        assert_eq!(caught_up(2 * hour - 10_000, 2 * hour), 2 * hour - 10_000, "late and not lost");
        assert_eq!(caught_up(hour, 2 * hour), 2 * hour - LATEST_MS);
        assert_eq!(caught_up(2 * hour, hour), hour, "the clock was set back");
    }

    #[test]
    fn of_a_rollout_that_is_let_go_nothing_is_asked_and_nothing_known() {
        let measurer = Arc::new(Measurer::new(Sources::default(), Bounds::default()));
        let checks = Checks::new(measurer, Poker::unheard());
        checks.ask(questions());
        assert!(checks.next(0).is_some());
        let key = key(&checks);
        let sample = |value| Sample { at_ms: millis(now().0), outcome: Outcome::from_value(value) };
        checks.fold(Answer { key: key.clone(), sample: sample(0.5) });
        assert_eq!(standing(&checks), [Standing::Fail]);

        checks.forget("1");
        assert_eq!((checks.next(0), standing(&checks)), (None, vec![]));
        checks.fold(Answer { key, sample: sample(0.5) });
        assert_eq!(standing(&checks), [], "an answer that comes late is nobody's");

        checks.ask(questions());
        assert_eq!(standing(&checks), [Standing::Pending], "what was seen before another led is no evidence");
    }
}

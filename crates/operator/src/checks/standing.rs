//! The states of one check: for the step under way, and for the whole attempt, as a guard.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use teal_api::rollout::status::CheckStatus;
use teal_judge::{Check, CheckState, Outcome, Sample, Standing, judge_sample};
use teal_plan::snapshot::{CheckSeen, Standing as Planned};
use teal_plan::{Span, Time};

use super::ask::Ask;
use super::trouble::{self, Kind};

/// How often the same question was begun, over all checks.
static BEGUN: AtomicU64 = AtomicU64::new(1);
/// The longest time between two tries of a probe, however seldom the check itself is asked: a release waits for it.
const PROBE_AGAIN_MS: u64 = 15_000;

/// How long a number of open connections stands that only fell a little.
const TOLD_AGAIN: Span = Span::seconds(60);

/// Held by a question as long as it is open: however that ends, answered, given up or lost with its task, it ends for its check too.
pub(super) type Open = Arc<()>;

/// A step's evidence begins when it is reached; a guard's, with the first weight, and lasts through all steps.
pub(super) struct States {
    attempt: String,
    /// A number of its own for each beginning.
    begun: u64,
    open: Weak<()>,
    probe: bool,
    answered: bool,
    guard: CheckState,
    step: Option<((String, Time), CheckState)>,
    since: Time,
    standing: Planned,
    trouble: Option<Kind>,
    /// How many connections were open, as that was last told, and when.
    count: Option<(f64, Time)>,
}

impl States {
    pub(super) fn begin(ask: &Ask) -> Self {
        let now = now();
        // A probe asks about an instant that is over.
        let from = if ask.probe { Time(now.0 - 1_000) } else { now };
        Self {
            attempt: ask.attempt.clone(),
            begun: BEGUN.fetch_add(1, Ordering::Relaxed),
            open: Weak::new(),
            probe: ask.probe,
            answered: false,
            guard: begin(ask, from),
            step: begin_step(ask),
            since: now,
            standing: Planned::Pending,
            trouble: None,
            count: None,
        }
    }

    /// Begins anew what is for another place by now.
    pub(super) fn follow(&mut self, ask: &Ask) {
        if self.attempt != ask.attempt || self.probe != ask.probe {
            *self = Self::begin(ask);
            return;
        }
        if self.step.as_ref().map(|(place, _)| place) != ask.place.as_ref() {
            self.step = begin_step(ask);
            self.standing = self.now(ask);
            self.trouble = None;
            self.since = now();
        }
    }

    pub(super) const fn begun(&self) -> u64 {
        self.begun
    }

    /// Opens a question, unless one is open.
    pub(super) fn open(&mut self) -> Option<Open> {
        if self.open.strong_count() > 0 {
            return None;
        }
        let open = Open::default();
        self.open = Arc::downgrade(&open);
        Some(open)
    }

    /// Whether somebody waits for its first answer.
    pub(super) const fn is_awaited_probe(&self) -> bool {
        self.probe && !self.answered
    }

    /// Milliseconds between its instants. A probe is asked until it is answered, and not seldom.
    pub(super) fn interval_ms(&self, ask: &Ask) -> Option<u64> {
        match (self.probe, self.answered) {
            (true, true) => None,
            (true, false) => Some(ask.interval_ms.clamp(1, PROBE_AGAIN_MS)),
            (false, _) => Some(ask.interval_ms.max(1)),
        }
    }

    /// Takes a sample; whether the standing changed, or whether and why answers can't be used.
    pub(super) fn fold(&mut self, ask: &Ask, sample: Sample, at: Time) -> bool {
        let Some(check) = &ask.judged else { return false };
        if let Some((_, state)) = &mut self.step {
            state.fold(check, sample.clone());
        }
        let proven = self.guard.is_proven();
        let counted = ask.counts && self.count(&sample, at);
        if self.probe {
            return self.fold_probe(check, sample);
        }
        self.answered |= !matches!(sample.outcome, Outcome::Error(_));
        self.guard.fold(check, sample);
        let standing = self.now(ask);
        let trouble = trouble::kind(check, self.state());
        let turned = standing != self.standing;
        if turned {
            self.standing = standing;
            self.since = at;
        }
        let changed = counted || turned || trouble != self.trouble || proven != self.guard.is_proven();
        self.trouble = trouble;
        changed
    }

    /// Takes a number of open connections, and says whether it is told: each one that is wakes every watcher of the Rollout.
    fn count(&mut self, sample: &Sample, at: Time) -> bool {
        let Outcome::Value(open) = sample.outcome else { return false };
        let open = open.get();
        let tells = self.count.is_none_or(|(told, since)| {
            let fewer = open < told && (open * 2.0 <= told || at - since >= TOLD_AGAIN);
            fewer || open > told
        });
        if tells {
            self.count = Some((open, at));
        }
        tells
    }

    /// The first answer ends it, whatever it says.
    fn fold_probe(&mut self, check: &Check, sample: Sample) -> bool {
        if self.answered || !self.guard.is_new(&sample) {
            return false;
        }
        self.answered = !matches!(sample.outcome, Outcome::Error(_));
        self.guard.fold(check, sample);
        let trouble = trouble::kind(check, &self.guard).filter(|_| !self.answered);
        let changed = self.answered || trouble != self.trouble;
        self.trouble = trouble;
        changed
    }

    /// A failed guard stays failed through steps; else the step's own evidence counts, where the check is the step's.
    fn now(&self, ask: &Ask) -> Planned {
        let Some(check) = &ask.judged else { return Planned::Pending };
        if self.guard.standing(check) == Standing::Fail {
            return Planned::Fail;
        }
        match self.state().standing(check) {
            Standing::Pending => Planned::Pending,
            Standing::Pass => Planned::Pass,
            Standing::Fail => Planned::Fail,
            Standing::Blind(_) => Planned::Blind,
        }
    }

    fn state(&self) -> &CheckState {
        self.step.as_ref().map_or(&self.guard, |(_, state)| state)
    }

    /// For the planner. Numbers are told only with a verdict: each other sample would be another snapshot.
    pub(super) fn seen(&self, name: &str, ask: &Ask) -> CheckSeen {
        let sentence = ask.judged.as_ref().map(|check| self.state().sentence(check));
        let trouble = self.trouble.map(|kind| trouble::told(kind, name, self.state()));
        let good = self.guard.is_proven() && !self.probe;
        let place = self.step.as_ref().map(|(place, _)| place.clone());
        let detail = if ask.counts { self.count.map(|(open, _)| open.to_string()) } else { sentence };
        let (standing, detail, answered) = (self.standing, detail.unwrap_or_default(), self.answered);
        CheckSeen { standing, place, detail, trouble, good, answered }
    }

    /// For people. Of a probe only what is wrong: its numbers say nothing of a candidate without requests. Open connections are told
    /// elsewhere.
    pub(super) fn status(&self, name: &str, ask: &Ask) -> Option<CheckStatus> {
        (!ask.counts && (!self.probe || self.trouble.is_some())).then(|| self.told(name, ask))
    }

    fn told(&self, name: &str, ask: &Ask) -> CheckStatus {
        let state = self.state();
        let check = ask.judged.as_ref();
        let last = check.zip(state.last()).map(|(check, last)| judge_sample(check, &last.outcome));
        let verdict = match (self.standing, last) {
            (Planned::Pass, _) => "Pass",
            (Planned::Fail, _) => "Fail",
            (Planned::Blind | Planned::Pending, Some(teal_judge::Verdict::Error)) => "Error",
            (Planned::Blind | Planned::Pending, _) => "Inconclusive",
        };
        CheckStatus {
            name: name.to_owned(),
            verdict: verdict.into(),
            value: check.and_then(|check| state.value_text(check)),
            limit: Some(ask.limit.clone()).filter(|limit| !limit.is_empty()),
            samples: Some(state.samples()),
            since: Some(jiff::Timestamp::from_millisecond(self.since.0).unwrap_or_default()),
            message: check.map(|check| state.sentence(check)),
        }
    }
}

fn begin_step(ask: &Ask) -> Option<((String, Time), CheckState)> {
    let place = ask.place.clone()?;
    let state = begin(ask, place.1);
    Some((place, state))
}

fn begin(ask: &Ask, observed: Time) -> CheckState {
    if ask.again { CheckState::begin_again(millis(observed)) } else { CheckState::begin(millis(observed)) }
}

fn millis(time: Time) -> u64 {
    u64::try_from(time.0).unwrap_or(0)
}

/// The present.
pub(super) fn now() -> Time {
    Time(jiff::Timestamp::now().as_millisecond())
}

#[cfg(test)]
mod tests {
    use teal_judge::{Limit, Problem, ProblemKind, Threshold};

    use super::*;

    fn ask(step: &str, reached: Time) -> Ask {
        Ask {
            judged: Some(Check::new(Threshold::new(None, "1%".parse::<Limit>().ok()).unwrap())),
            text: "x".to_owned(),
            query: Ok("x".to_owned()),
            source: "default".to_owned(),
            interval_ms: 15_000,
            limit: "max 1%".to_owned(),
            again: false,
            attempt: "r2-02020202#1".to_owned(),
            place: Some((step.to_owned(), reached)),
            probe: false,
            counts: false,
        }
    }

    /// One answer, so many seconds after an instant; whether a look is asked for.
    fn answer(states: &mut States, ask: &Ask, from: Time, seconds: i64, value: f64) -> bool {
        let at = Time(from.0 + seconds * 1_000);
        states.fold(ask, Sample { at_ms: millis(at), outcome: Outcome::from_value(value) }, at)
    }

    fn standing(states: &States, ask: &Ask) -> Planned {
        states.seen("errors", ask).standing
    }

    #[test]
    fn good_answers_count_only_once_the_weight_was_there_for_the_delay() {
        // A guard's evidence begins with its state, which reads the clock by itself: later than here.
        let reached = Time(now().0 + 60_000);
        let ask = ask("canary", reached);
        let mut states = States::begin(&ask);
        assert!(answer(&mut states, &ask, reached, 0, 0.0), "the first good one: somebody sees");
        for seconds in [15, 30, 45] {
            assert!(!answer(&mut states, &ask, reached, seconds, 0.0), "{seconds}");
        }
        assert_eq!(standing(&states, &ask), Planned::Pending);
        assert!(answer(&mut states, &ask, reached, 60, 0.0), "the third that is late enough");
        assert_eq!(standing(&states, &ask), Planned::Pass);
    }

    /// Each number that is told is a write of the status.
    #[test]
    fn open_connections_are_told_when_more_are_open_or_half_have_ended_and_else_once_a_minute() {
        let at = now();
        let none = Threshold::new(None, "0".parse::<Limit>().ok()).unwrap();
        let judged = Check { delay_ms: 0, passes: 1, failures: u32::MAX, ..Check::new(none) };
        let ask = Ask { judged: Some(judged), counts: true, place: None, ..ask("", at) };
        let mut states = States::begin(&ask);
        let mut count = |seconds, open: f64| {
            let told = answer(&mut states, &ask, at, seconds, open);
            let seen = states.seen(teal_api::names::DRAIN, &ask);
            assert_eq!(states.status(teal_api::names::DRAIN, &ask), None, "it is no check of a release");
            (told, seen.detail, seen.standing)
        };
        let pending = |told, text: &str| (told, text.to_owned(), Planned::Pending);
        assert_eq!(count(5, 200.0), pending(true, "200"));
        assert_eq!(count(10, 150.0), pending(false, "200"));
        assert_eq!(count(15, 150.0), pending(false, "200"));
        assert_eq!(count(20, 100.0), pending(true, "100"));
        assert_eq!(count(25, 101.0), pending(true, "101"));
        assert_eq!(count(84, 99.0), pending(false, "101"));
        assert_eq!(count(85, 99.0), pending(true, "99"));
        assert_eq!(count(150, 99.0), pending(false, "99"), "the same is no news, however long it lasts");
        assert_eq!(count(155, 0.0), (true, "0".to_owned(), Planned::Pass), "one answer is enough");
    }

    #[test]
    fn without_a_number_no_connection_has_ended() {
        let at = now();
        let none = Threshold::new(None, "0".parse::<Limit>().ok()).unwrap();
        let judged = Check { delay_ms: 0, passes: 1, failures: u32::MAX, ..Check::new(none) };
        let ask = Ask { judged: Some(judged), counts: true, place: None, ..ask("", at) };
        let mut states = States::begin(&ask);
        let at_ms = |seconds: i64| millis(Time(at.0 + seconds * 1_000));
        states.fold(&ask, Sample { at_ms: at_ms(5), outcome: Outcome::NoData }, at);
        let seen = states.seen(teal_api::names::DRAIN, &ask);
        assert_eq!((seen.standing, seen.detail.as_str()), (Planned::Pending, ""));
        assert_eq!(seen.trouble.map(|trouble| trouble.reason).as_deref(), Some("NoData"));
    }

    #[test]
    fn what_a_probe_sees_is_no_evidence() {
        let at = now();
        let probe = Ask { probe: true, place: None, ..ask("canary", at) };
        let mut states = States::begin(&probe);
        assert!(states.is_awaited_probe() && !states.seen("errors", &probe).answered);
        for seconds in 0..3 {
            let turned = answer(&mut states, &probe, at, seconds, 0.5);
            assert_eq!(turned, seconds == 0, "the first answer is waited for, and no other");
        }
        let seen = states.seen("errors", &probe);
        assert_eq!((seen.standing, seen.good, seen.answered), (Planned::Pending, false, true));
        assert_eq!(states.status("errors", &probe), None, "numbers of nobody");
        let first = ask("canary", Time(at.0 + 3_000));
        states.follow(&first);
        assert_eq!(standing(&states, &first), Planned::Pending, "a guard begins with the first weight");
    }

    #[test]
    fn a_probe_tells_what_is_wrong_until_it_is_mended() {
        let at = now();
        let probe = Ask { probe: true, place: None, ..ask("canary", at) };
        let mut states = States::begin(&probe);
        let mut take = |seconds: i64, outcome| {
            let at = Time(at.0 + seconds * 1_000);
            let turned = states.fold(&probe, Sample { at_ms: millis(at), outcome }, at);
            let seen = states.seen("errors", &probe);
            assert_eq!(seen.trouble.is_some(), states.status("errors", &probe).is_some());
            (turned, seen.answered, seen.trouble.map(|trouble| trouble.reason))
        };
        let several = || Outcome::Error(Problem::new(ProblemKind::SeveralSeries, "3 series"));
        assert_eq!(take(0, several()), (true, false, Some("SeveralSeries".to_owned())));
        assert_eq!(take(15, several()), (false, false, Some("SeveralSeries".to_owned())));
        assert_eq!(take(90, Outcome::NoData), (true, true, None), "nobody sent it anything yet");
        assert_eq!(take(95, several()), (false, true, None), "one answer is enough");
    }

    #[test]
    fn what_was_seen_in_one_place_counts_for_no_other() {
        let reached = now();
        let first = ask("canary", reached);
        let later = Time(reached.0 + 600_000);
        for other in [ask("full", later), ask("canary", later)] {
            let mut states = States::begin(&first);
            for seconds in [30, 45, 60] {
                answer(&mut states, &first, reached, seconds, 0.0);
            }
            assert_eq!(standing(&states, &first), Planned::Pass);
            states.follow(&other);
            assert_eq!(standing(&states, &other), Planned::Pending, "{:?}", other.place);
            answer(&mut states, &other, later, 30, 0.0);
            assert_eq!(standing(&states, &other), Planned::Pending, "one is not three");
        }
    }

    #[test]
    fn what_passed_as_a_guard_says_for_which_step_it_did() {
        let reached = now();
        let guard = Ask { place: None, ..ask("half", reached) };
        let mut states = States::begin(&guard);
        for seconds in [31, 46, 61] {
            answer(&mut states, &guard, reached, seconds, 0.0);
        }
        let seen = states.seen("errors", &guard);
        assert_eq!((seen.standing, seen.place), (Planned::Pass, None));
        let half = ask("half", Time(reached.0 + 62_000));
        states.follow(&half);
        let seen = states.seen("errors", &half);
        assert_eq!((seen.standing, seen.place), (Planned::Pending, half.place));
    }

    #[test]
    fn a_guard_that_failed_stays_so_through_steps_and_ends_with_the_attempt() {
        let reached = now();
        let first = ask("canary", reached);
        let mut states = States::begin(&first);
        answer(&mut states, &first, reached, 15, 0.5);
        assert_eq!(standing(&states, &first), Planned::Fail);
        let later = Time(reached.0 + 600_000);
        let second = ask("full", later);
        states.follow(&second);
        for seconds in [30, 45, 60] {
            answer(&mut states, &second, later, seconds, 0.0);
        }
        assert_eq!(standing(&states, &second), Planned::Fail, "nobody may have looked between the two");
        let again = Ask { attempt: "r2-02020202#2".to_owned(), ..second };
        states.follow(&again);
        assert_eq!(standing(&states, &again), Planned::Pending);
    }
}

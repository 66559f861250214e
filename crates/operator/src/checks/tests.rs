//! What is asked when, and what becomes of the answers.

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
        counts: false,
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
    edited.checks.iter_mut().for_each(|question| question.place = Some(("full".into(), teal_plan::Time(1))));
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

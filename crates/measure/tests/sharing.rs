//! Many askers: each question once, within bounds.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up must fail")]

mod support;

use std::time::{Duration, Instant};

use futures::future::join;
use support::{Reply, Stand};
use teal_judge::{Outcome, ProblemKind};
use teal_measure::{Bounds, Measurer, Request, Sources};

fn request(key: usize, tenant: &str, source: &str, query: &str, at_ms: u64) -> Request<usize> {
    let (tenant, source, query) = (tenant.to_owned(), source.to_owned(), query.to_owned());
    Request { key, tenant, source, query, at_ms }
}

#[tokio::test]
async fn each_question_is_asked_once() {
    let stand = Stand::start(Reply { delay: Duration::from_millis(50), ..Reply::value("7") }).await;
    let measurer = Measurer::new(stand.sources(&["default", "other"]), Bounds::default());
    let batch = || {
        let mut batch: Vec<_> =
            (0..100).map(|key| request(key, &format!("t{key}"), "default", "up", 1_000)).collect();
        batch.push(request(100, "t", "default", "up", 2_000));
        batch.push(request(101, "t", "default", "down", 1_000));
        batch.push(request(102, "t", "other", "up", 1_000));
        batch
    };
    // Two at the same time and one afterwards: open questions and answered ones are shared alike.
    let (first, second) = join(measurer.measure(batch()), measurer.measure(batch())).await;
    let third = measurer.measure(batch()).await;
    for answers in [&first, &second, &third] {
        let keys: Vec<_> = answers.iter().map(|answer| answer.key).collect();
        assert_eq!(keys, (0..103).collect::<Vec<_>>(), "in the order of the requests");
        assert!(answers.iter().all(|answer| answer.sample.outcome == Outcome::from_value(7.0)));
        assert_eq!(answers[100].sample.at_ms, 2_000);
    }
    assert_eq!(stand.asked().len(), 4);
}

#[tokio::test]
async fn questions_are_open_side_by_side_within_their_bounds() {
    let stand = Stand::start(Reply { delay: Duration::from_millis(100), ..Reply::value("7") }).await;
    let bounds = Bounds { per_source: 6, per_tenant: 4, ..Bounds::default() };
    let measurer = Measurer::new(stand.sources(&["default"]), bounds);
    let batch = |tenants: &'static [&str]| {
        let ask = move |key: usize| {
            let tenant = tenants[key % tenants.len()];
            request(key, tenant, "default", &format!("up{key}{}", tenants.len()), 1_000)
        };
        (0..24).map(ask).collect::<Vec<_>>()
    };
    measurer.measure(batch(&["one"])).await;
    assert_eq!(stand.most_open(), 4, "one tenant has its share and no more");
    measurer.measure(batch(&["one", "two", "three"])).await;
    assert_eq!(stand.most_open(), 6, "all of them together have what the source bears");
}

#[tokio::test]
async fn a_crowding_tenant_does_not_hold_up_another() {
    let stand = Stand::start(Reply { delay: Duration::from_millis(100), ..Reply::value("7") }).await;
    let measurer = Measurer::new(stand.sources(&["default"]), Bounds::default());
    let crowd = (0..80).map(|key| request(key, "crowd", "default", &format!("up{key}"), 1_000)).collect();
    let begun = Instant::now();
    let alone = async {
        measurer.measure(vec![request(0, "quiet", "default", "down", 1_000)]).await;
        begun.elapsed()
    };
    let (_, waited) = join(measurer.measure(crowd), alone).await;
    // The crowd takes 80 / 4 × 100 ms = 2 s.
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    assert!(begun.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn a_turn_that_never_comes_ends_in_an_error() {
    let stand = Stand::start(Reply { delay: Duration::from_millis(500), ..Reply::value("7") }).await;
    let bounds = Bounds { per_source: 1, longest_wait: Duration::from_millis(50), ..Bounds::default() };
    let measurer = Measurer::new(stand.sources(&["default"]), bounds);
    let batch = (0..3).map(|key| request(key, "t", "default", &format!("up{key}"), 1_000)).collect();
    let answers = measurer.measure(batch).await;
    let crowded = |outcome: &Outcome| {
        matches!(outcome, Outcome::Error(problem)
            if problem.kind == ProblemKind::Timeout && problem.message().contains("no turn at source default"))
    };
    assert_eq!(answers.iter().filter(|answer| crowded(&answer.sample.outcome)).count(), 2);
    assert_eq!(stand.asked().len(), 1);
}

#[tokio::test]
async fn of_a_tenant_that_gets_no_turn_another_who_asks_the_same_knows_nothing() {
    let stand = Stand::start(Reply { delay: Duration::from_millis(300), ..Reply::value("7") }).await;
    let bounds = Bounds { per_tenant: 1, longest_wait: Duration::from_millis(100), ..Bounds::default() };
    let measurer = Measurer::new(stand.sources(&["default"]), bounds);
    let crowd = ["up", "shared"].map(|query| request(0, "crowd", "default", query, 1_000)).to_vec();
    let quiet = async {
        // The crowd asks both at once, so the other one stands in its line by now.
        stand.was_asked(1).await;
        measurer.measure(vec![request(0, "quiet", "default", "shared", 1_000)]).await
    };
    let (crowd, quiet) = join(measurer.measure(crowd), quiet).await;
    let crowded =
        matches!(&crowd[1].sample.outcome, Outcome::Error(problem) if problem.kind == ProblemKind::Timeout);
    assert!(crowded, "{crowd:?}");
    assert_eq!(quiet[0].sample.outcome, Outcome::from_value(7.0));
    let later = measurer.measure(vec![request(0, "crowd", "default", "shared", 1_000)]).await;
    assert_eq!(later[0].sample.outcome, Outcome::from_value(7.0), "what was answered is shared");
    assert_eq!(stand.asked().len(), 2);
}

#[tokio::test]
async fn what_got_no_turn_is_asked_again() {
    let stand = Stand::start(Reply { delay: Duration::from_millis(200), ..Reply::value("7") }).await;
    let bounds = Bounds { per_source: 1, longest_wait: Duration::from_millis(50), ..Bounds::default() };
    let measurer = Measurer::new(stand.sources(&["default"]), bounds);
    let ask = |query: &'static str| measurer.measure(vec![request(0, "t", "default", query, 1_000)]);
    let (_, refused) = join(ask("up"), async {
        stand.was_asked(1).await;
        ask("down").await
    })
    .await;
    assert!(matches!(refused[0].sample.outcome, Outcome::Error(_)), "{refused:?}");
    assert_eq!(ask("down").await[0].sample.outcome, Outcome::from_value(7.0));
}

#[tokio::test]
async fn an_asker_that_goes_away_leaves_the_question_to_the_next() {
    let stand = Stand::start(Reply { delay: Duration::from_millis(200), ..Reply::value("7") }).await;
    let measurer = Measurer::new(stand.sources(&["default"]), Bounds::default());
    let ask = || measurer.measure(vec![request(0, "t", "default", "up", 1_000)]);
    let gone = tokio::time::timeout(Duration::from_millis(50), ask());
    let (gone, stayed) = join(gone, ask()).await;
    assert!(gone.is_err());
    assert_eq!(stayed[0].sample.outcome, Outcome::from_value(7.0));
}

#[tokio::test]
async fn answers_are_remembered_within_bounds() {
    let stand = Stand::start(Reply::value("7")).await;
    let bounds = Bounds { remembered: 2, ..Bounds::default() };
    let measurer = Measurer::new(stand.sources(&["default"]), bounds);
    let ask = async |at_ms| {
        measurer.measure(vec![request(0, "t", "default", "up", at_ms)]).await;
        stand.asked().len()
    };
    assert_eq!(ask(1_000).await, 1);
    assert_eq!(ask(2_000).await, 2);
    assert_eq!(ask(1_000).await, 2, "two are remembered");
    assert_eq!(ask(3_000).await, 3);
    assert_eq!(ask(3_000).await, 3);
    assert_eq!(ask(2_000).await, 3, "the newer ones are kept");
    assert_eq!(ask(1_000).await, 4, "the oldest one was given up");
    assert_eq!(ask(200_000).await, 5);
    assert_eq!(ask(3_000).await, 6, "what is far behind the newest is given up, too");
}

#[tokio::test]
async fn an_unknown_source_is_told_with_the_known_ones() {
    let stand = Stand::start(Reply::value("7")).await;
    let measurer = Measurer::new(stand.sources(&["default", "far"]), Bounds::default());
    let answers = measurer.measure(vec![request(5, "t", "http://evil", "up", 0)]).await;
    let told = format!("{:?}", answers[0].sample.outcome);
    assert!(told.contains("SourceUnknown") && told.contains("known: default, far"), "{told}");
    assert!(stand.asked().is_empty());
    let none = Measurer::new(Sources::default(), Bounds::default());
    let told = format!("{:?}", none.measure(vec![request(0, "t", "default", "up", 0)]).await);
    assert!(told.contains("known: none"), "{told}");
}

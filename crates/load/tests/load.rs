//! The load generator against the application itself.

mod common;

use std::time::{Duration, Instant};

use common::{Gateway, served, shop, until};
use teal_load::{Load, LoadError, LoadOptions, Why};
use tokio::net::TcpListener;

#[tokio::test]
async fn errors_switched_on_are_counted_exactly() {
    let shop = shop("v3", "green", &[("ERRORS", "0.05")]).await;
    let load = Load::start(LoadOptions::new(shop.http(), "shop.example")).unwrap();
    until("2,000 answers", async || load.record().total().requests() >= 2000).await;
    let record = load.stop().await.unwrap();

    let total = record.total();
    assert_eq!(total.failed(), served(shop.http(), 500).await);
    assert_eq!(total.requests() - total.failed(), served(shop.http(), 200).await);
    assert_eq!(total.failed(), total.requests() / 20, "5 % of {}", total.requests());
    assert_eq!(total.failed["v3"], total.failed(), "errors know who gave them");
    let failures = record.failures(record.start(), Instant::now());
    assert_eq!(failures.len() as u64, total.failed());
    assert!(failures.iter().all(|failure| failure.why == Why::Status(500)));
    assert!(failures.iter().any(|failure| failure.keep_alive) && failures.iter().any(|f| !f.keep_alive));
}

#[tokio::test]
async fn shares_of_two_versions_are_counted_exactly() {
    let (one, two) = (shop("v1", "blue", &[]).await, shop("v2", "green", &[]).await);
    let gateway = Gateway::start(vec![one.http(), two.http()]).await;
    // A connection per request: dealt out in turn, the versions get the same number.
    let load = Load::start(LoadOptions::new(gateway.addr, "shop.example").clients(0, 20)).unwrap();
    until("500 answers", async || load.record().total().requests() >= 500).await;
    let record = load.stop().await.unwrap();
    let turns = record.total();
    assert_eq!(turns.failed(), 0, "{:?}", record.failures(record.start(), Instant::now()));
    assert!(turns.answers("v1").abs_diff(turns.answers("v2")) <= 1, "{turns:?}");

    // With kept connections the shares are as they fall, but still what the servers counted.
    let load = Load::start(LoadOptions::new(gateway.addr, "shop.example")).unwrap();
    until("500 answers", async || load.record().total().requests() >= 500).await;
    let record = load.stop().await.unwrap();
    let mixed = record.total();
    assert_eq!(mixed.failed(), 0, "{:?}", record.failures(record.start(), Instant::now()));
    for (version, shop) in [("v1", &one), ("v2", &two)] {
        let counted = turns.answers(version) + mixed.answers(version);
        assert_eq!(counted, served(shop.http(), 200).await, "{version}");
    }
    assert_eq!(record.versions(), ["v1", "v2"]);
    let whole = record.tally(record.start(), Instant::now());
    assert_eq!(whole, mixed, "buckets add up to the total");
}

#[tokio::test]
async fn each_way_to_fail_is_told_apart() {
    let slow = shop("v1", "blue", &[("LATENCY", "60s")]).await;
    let refusing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = refusing.local_addr().unwrap();
    drop(refusing);
    let breaking = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let broken = breaking.local_addr().unwrap();
    let hang_up = tokio::spawn(async move {
        loop {
            drop(breaking.accept().await);
        }
    });
    for (gateway, expected) in [(slow.http(), "Timeout"), (refused, "Connect"), (broken, "Broken")] {
        let timeout = Duration::from_millis(200);
        let options = LoadOptions { timeout, ..LoadOptions::new(gateway, "shop.example").clients(2, 2) };
        let load = Load::start(options).unwrap();
        until(expected, async || load.record().total().failed() >= 4).await;
        let record = load.stop().await.unwrap();
        assert_eq!(record.total().failed(), record.total().requests());
        for failure in record.failures(record.start(), Instant::now()) {
            assert!(format!("{:?}", failure.why).starts_with(expected), "{failure:?}");
            assert_eq!(failure.version, None);
            if expected == "Timeout" {
                assert!(failure.at - failure.sent >= timeout, "{failure:?}");
            }
        }
    }
    hang_up.abort();
}

#[tokio::test]
async fn load_that_is_dropped_stops() {
    let shop = shop("v1", "blue", &[]).await;
    let load = Load::start(LoadOptions::new(shop.http(), "shop.example")).unwrap();
    let record = load.record().clone();
    until("an answer", async || record.total().requests() > 0).await;
    drop(load);
    until("two looks with nothing between", async || {
        let before = record.total().requests();
        tokio::time::sleep(Duration::from_millis(100)).await;
        record.total().requests() == before
    })
    .await;
}

#[tokio::test]
async fn a_host_that_cannot_stand_in_a_header_is_refused() {
    let refused = Load::start(LoadOptions::new(([127, 0, 0, 1], 1).into(), "a\nb"));
    let message = refused.map(drop).unwrap_err();
    assert!(matches!(message, LoadError::Request { field: "host", .. }), "{message}");
}

/// The promise that the demo rests on: a pod that ends under load fails no request, if those who route to it look at its
/// readiness.
#[tokio::test]
async fn a_pod_that_ends_under_load_fails_no_request() {
    let (one, two) = (shop("v1", "blue", &[("DRAIN_DELAY", "500ms")]).await, shop("v2", "green", &[]).await);
    let (ending, staying) = (one.http(), two.http());
    let gateway = Gateway::start(vec![ending, staying]).await;
    let load = Load::start(LoadOptions::new(gateway.addr, "shop.example").rate(1500)).unwrap();
    until("both answer", async || load.record().versions().len() == 2).await;

    let begin = Instant::now();
    let drained = tokio::spawn(one.drain());
    until("not ready", async || {
        reqwest::get(format!("http://{ending}/readyz")).await.is_ok_and(|answer| answer.status() == 503)
    })
    .await;
    // Those who route learn late, as proxies do.
    tokio::time::sleep(Duration::from_millis(150)).await;
    *gateway.backends.lock().unwrap() = vec![staying];
    drained.await.unwrap();
    let end = Instant::now();
    assert!(end - begin < Duration::from_secs(5), "nothing was open, yet it took {:?}", end - begin);
    until("answers after the end", async || {
        load.record().first_answer("v2", end + Duration::from_millis(200), Instant::now()).is_some()
    })
    .await;
    let record = load.stop().await.unwrap();
    assert_eq!(record.total().failed(), 0, "{:?}", record.failures(begin, Instant::now()));
    assert!(record.last_answer("v1", begin, end).unwrap() > begin, "it served while it ended");
    assert_eq!(record.first_answer("v1", end, Instant::now()), None);
}

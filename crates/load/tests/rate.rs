//! A constant rate, in a binary of its own so that no other test competes for the machine.

mod common;

use std::time::{Duration, Instant};

use common::{shop, until};
use teal_load::{Load, LoadOptions};

#[tokio::test]
async fn a_constant_rate_shows_no_failure() {
    let shop = shop("v1", "blue", &[]).await;
    let start = Instant::now();
    let load = Load::start(LoadOptions::new(shop.http(), "shop.example").rate(3000)).unwrap();
    // On a machine busy with other things it may take longer, but never less than 3 s.
    until("9,000 answers", async || load.record().total().requests() >= 9000).await;
    let took = start.elapsed();
    let record = load.stop().await.unwrap();

    assert_eq!(record.total().failed(), 0, "{:?}", record.failures(start, Instant::now()));
    let latency = record.latency("v1").unwrap();
    println!("9,000 requests in {took:?}, {latency:?}");
    assert!(took >= Duration::from_millis(2800), "faster than 3,000 requests/s: {took:?}");
    assert!(latency.p50 <= latency.p99 && latency.p99 <= latency.max);
}

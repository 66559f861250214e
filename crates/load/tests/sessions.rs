//! Sessions against the application itself.

mod common;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use common::{Gateway, shop, until};
use teal_example_app::Shop;
use teal_load::{LoadError, PING_EVERY, Route, SessionTarget, Sessions};

fn target(shop: &Shop) -> SessionTarget {
    let route = |gateway| Some(Route { gateway, host: "shop.example".into() });
    SessionTarget { websocket: route(shop.http()), grpc: route(shop.grpc()), tcp: Some(shop.tcp()) }
}

const QUICK: [(&str, &str); 2] = [("DRAIN_DELAY", "50ms"), ("DRAIN_LIMIT", "600ms")];

#[tokio::test]
async fn sessions_know_where_they_landed_and_stay_open() {
    let shop = shop("v1", "blue", &[]).await;
    let sessions = Sessions::new();
    let opened = sessions.open(&target(&shop), "step 10").await.unwrap();
    assert_eq!(opened.iter().map(|report| report.kind).collect::<HashSet<_>>().len(), 3);
    for report in &opened {
        assert_eq!(
            (&*report.version, &*report.color, &*report.label),
            ("v1", "blue", "step 10"),
            "{report:?}"
        );
    }
    until("three echoes each", async || sessions.reports().iter().all(|report| report.echoes >= 3)).await;
    assert!(opened[0].opened.elapsed() >= 3 * PING_EVERY, "no faster than every {PING_EVERY:?}");
    assert_eq!(sessions.cut_connections(), []);
    let metrics =
        reqwest::get(format!("http://{}/metrics", shop.http())).await.unwrap().text().await.unwrap();
    for kind in ["websocket", "grpc", "tcp"] {
        assert!(metrics.contains(&format!("connections_open{{kind=\"{kind}\"}} 1\n")), "{metrics}");
    }
    let reports = sessions.close().await.unwrap();
    assert!(reports.iter().all(|report| report.left && !report.cut && report.ended.is_none()), "{reports:?}");
}

#[tokio::test]
async fn sessions_that_are_cut_are_noticed_at_once() {
    let shop = shop("v1", "blue", &QUICK).await;
    let sessions = Sessions::new();
    sessions.open(&target(&shop), "before").await.unwrap();
    let begin = Instant::now();
    shop.drain().await;
    until("all cut", async || sessions.cut_connections().len() == 3).await;
    for report in sessions.cut_connections() {
        let (ended, why) = report.ended.clone().unwrap();
        let after = ended - begin;
        assert!(
            after >= Duration::from_millis(600),
            "the pod waits for sessions until its limit: {report:?}"
        );
        assert!(after < Duration::from_millis(1700), "{report:?}");
        assert!(!why.is_empty() && !report.left);
    }
}

#[tokio::test]
async fn the_end_of_a_retired_color_cuts_nothing() {
    let (old, new) = (shop("v1", "blue", &QUICK).await, shop("v2", "green", &[]).await);
    let sessions = Sessions::new();
    sessions.open(&target(&old), "old").await.unwrap();
    sessions.open(&target(&new), "new").await.unwrap();
    sessions.retire_color("blue", Instant::now());
    old.drain().await;
    until("old sessions ended", async || {
        sessions.reports().iter().filter(|report| report.ended.is_some()).count() == 3
    })
    .await;
    assert_eq!(sessions.cut_connections(), []);
    let reports = sessions.close().await.unwrap();
    assert!(reports.iter().all(|report| report.left == (report.version == "v2")), "{reports:?}");
}

#[tokio::test]
async fn a_pod_ends_as_soon_as_its_sessions_have_left() {
    let shop = shop("v1", "blue", &[("DRAIN_DELAY", "50ms"), ("DRAIN_LIMIT", "60s")]).await;
    let sessions = Sessions::new();
    sessions.open(&target(&shop), "before").await.unwrap();
    let begin = Instant::now();
    let drained = tokio::spawn(shop.drain());
    until("echoes while it ends", async || {
        begin.elapsed() > Duration::from_millis(300)
            && sessions.reports().iter().all(|report| report.echoes > 1)
    })
    .await;
    assert!(!drained.is_finished(), "it waits for sessions");
    sessions.leave_version("v1");
    tokio::time::timeout(Duration::from_secs(5), drained).await.expect("ends without them").unwrap();
    assert_eq!(sessions.cut_connections(), []);
    assert!(sessions.close().await.unwrap().iter().all(|report| report.left));
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_cut() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = Some(silent.local_addr().unwrap());
    let serve = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = silent.accept().await.unwrap();
        stream.write_all(b"version=v1 color=blue pod=p\n").await.unwrap();
        let mut ping = [0; 7];
        stream.read_exact(&mut ping).await.unwrap();
        stream.write_all(&ping).await.unwrap();
        // Open, but without a word more.
        std::future::pending::<()>().await;
    });
    let sessions = Sessions::new();
    let opened = sessions.open(&SessionTarget { tcp, ..SessionTarget::default() }, "silent").await.unwrap();
    until("cut", async || sessions.cut_connections().len() == 1).await;
    let why = sessions.cut_connections()[0].ended.clone().unwrap().1;
    assert_eq!((why.as_str(), &*opened[0].version), ("no echo in 2s", "v1"));
    serve.abort();
}

#[tokio::test]
async fn what_cannot_be_opened_is_named() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let sessions = Sessions::new();
    let target = SessionTarget { tcp: Some(nobody), ..SessionTarget::default() };
    let error = sessions.open(&target, "x").await.unwrap_err();
    assert!(
        matches!(error, LoadError::Open { .. }) && error.to_string().contains(&nobody.to_string()),
        "{error}"
    );

    // A gateway leads each kind to another place: the host names the application.
    let shop = shop("v1", "blue", &[]).await;
    let gateway = Gateway::start(vec![shop.http()]).await;
    let route = Route { gateway: gateway.addr, host: "shop.example:80".into() };
    let both = SessionTarget { websocket: Some(route.clone()), grpc: Some(route), tcp: None };
    assert_eq!(sessions.open(&both, "through the gateway").await.unwrap().len(), 2);
    sessions.close().await.unwrap();
}

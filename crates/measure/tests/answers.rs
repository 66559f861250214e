//! What a source may say, and what is made of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up must fail")]

mod support;

use std::time::{Duration, Instant};

use support::{Reply, Stand, config};
use teal_judge::{Number, Outcome, Problem, ProblemKind};
use teal_measure::{LARGEST_ANSWER, Source, SourceConfig};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

const AT_MS: u64 = 1_700_000_000_042;

fn problem(outcome: Outcome) -> Problem {
    match outcome {
        Outcome::Error(problem) => problem,
        other => panic!("expected an error, got {other:?}"),
    }
}

fn value(value: f64) -> Outcome {
    Outcome::Value(Number::new(value).unwrap())
}

#[tokio::test]
async fn numbers_and_their_absence() {
    let scalar = Reply::data(r#"{"resultType":"scalar","result":[1.5,"2"]}"#);
    let warned = r#"{"status":"success","warnings":["slow"],"infos":["x"],"data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"1"]}]}}"#;
    let rows = [
        (Reply::value("0.0012"), value(0.0012)),
        (Reply::value("1e-05"), value(0.00001)),
        (Reply::value("+Inf"), value(f64::INFINITY)),
        (Reply::value("-Inf"), value(f64::NEG_INFINITY)),
        (Reply::value("NaN"), Outcome::NoData),
        (scalar, value(2.0)),
        (Reply::new(200, warned), value(1.0)),
        (Reply::data(r#"{"resultType":"vector","result":[]}"#), Outcome::NoData),
    ];
    for (reply, outcome) in rows {
        let stand = Stand::start(reply.clone()).await;
        assert_eq!(stand.source().query("up", AT_MS).await, outcome, "{reply:?}");
    }
}

#[tokio::test]
async fn answers_that_are_no_number() {
    use ProblemKind::{BadStatus, Denied, Garbled, QueryInvalid, SeveralSeries, Timeout};
    let series = r#"{"metric":{},"value":[1,"1"]}"#;
    let error = |status, kind, text| {
        Reply::new(status, format!(r#"{{"status":"error","errorType":"{kind}","error":"{text}"}}"#))
    };
    let rows = [
        (
            Reply::data(&format!(r#"{{"resultType":"vector","result":[{series},{series},{series}]}}"#)),
            SeveralSeries,
            "3 series",
        ),
        (
            Reply::data(r#"{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}"#),
            QueryInvalid,
            "a histogram",
        ),
        (Reply::data(r#"{"resultType":"matrix","result":[]}"#), QueryInvalid, "rate()"),
        (Reply::data(r#"{"resultType":"string","result":[1,"x"]}"#), QueryInvalid, "a text"),
        (Reply::data(r#"{"resultType":"riddle","result":[]}"#), Garbled, "isn't Prometheus'"),
        (Reply::value("many"), Garbled, "\"many\""),
        (
            error(400, "bad_data", "parse error: unexpected end"),
            QueryInvalid,
            "refuses the query: parse error: unexpected end",
        ),
        (error(422, "execution", "many-to-many matching"), QueryInvalid, "many-to-many"),
        (error(503, "timeout", "query timed out"), Timeout, "gave up"),
        (error(500, "internal", "disk"), BadStatus, "HTTP status 500"),
        (error(200, "bad_data", "odd"), QueryInvalid, "odd"),
        (
            Reply::new(
                200,
                format!(
                    r#"{{"status":"success","isPartial":true,"data":{{"resultType":"vector","result":[{series}]}}}}"#
                ),
            ),
            BadStatus,
            "a part of its data",
        ),
        (Reply::new(400, "<html>secret page"), BadStatus, "HTTP status 400"),
        (Reply::new(401, ""), Denied, "credentials"),
        (Reply::new(403, "{}"), Denied, "credentials"),
        (Reply::new(404, "404 page not found"), BadStatus, "check the source's url"),
        (Reply::new(429, ""), BadStatus, "asked too much"),
        (Reply::new(504, ""), Timeout, "504"),
        (Reply::new(200, "<html>secret page"), Garbled, "isn't JSON"),
        (Reply::new(200, ""), Garbled, "nothing"),
        (Reply::new(200, "[]"), Garbled, "isn't Prometheus'"),
        (Reply::new(200, "[".repeat(100_000)), Garbled, "isn't JSON"),
        (Reply::new(200, r#"{"status":"success"}"#), Garbled, "isn't Prometheus'"),
    ];
    for (reply, kind, text) in rows {
        let shown: String = format!("{reply:?}").chars().take(120).collect();
        let stand = Stand::start(reply).await;
        let problem = problem(stand.source().query("up", AT_MS).await);
        assert_eq!(problem.kind, kind, "{shown}: {problem}");
        assert!(problem.message().contains(text), "{shown}: {problem}");
        assert!(!problem.message().contains("secret page"), "{problem}");
    }
}

#[tokio::test]
async fn the_question_is_asked_as_it_should() {
    let stand = Stand::start(Reply::value("1")).await;
    let source = Source::new("default", &config(&format!("{}/prefix/", stand.url))).unwrap();
    let query = "sum(rate(x{a=\"ü&=+\"}[1m]))";
    assert_eq!(source.query(query, AT_MS).await, value(1.0));
    let asked = stand.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].form["query"], query);
    assert_eq!(asked[0].form["time"], "1700000000.042");
    assert_eq!(asked[0].form["timeout"], "10000ms");
    assert_eq!(asked[0].form["partial_response"], "false");
    assert_eq!(asked[0].form["deny_partial_response"], "1");
    assert!(asked[0].headers.get("authorization").is_none());
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    for (padding, kind) in [(LARGEST_ANSWER, Some(ProblemKind::TooLarge)), (LARGEST_ANSWER / 2, None)] {
        let mut reply = Reply::value("1");
        reply.body.extend(vec![b' '; padding]);
        let stand = Stand::start(reply).await;
        let outcome = stand.source().query("up", AT_MS).await;
        assert_eq!(kind, if let Outcome::Error(problem) = outcome { Some(problem.kind) } else { None });
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [301, 302, 307, 308] {
        let elsewhere = Stand::start(Reply::value("1")).await;
        let mut reply = Reply::new(status, "");
        reply.headers.push(("location", format!("{}/elsewhere", elsewhere.url)));
        let stand = Stand::start(reply).await;
        let problem = problem(stand.source().query("up", AT_MS).await);
        assert_eq!(problem.kind, ProblemKind::BadStatus);
        assert!(problem.message().contains("redirects are not followed"), "{problem}");
        assert!(elsewhere.asked().is_empty());
    }
}

#[tokio::test]
async fn slow_dead_and_broken_sources_end_in_bounded_time() {
    let begun = Instant::now();
    let timeout = Some(jiff::SignedDuration::from_millis(300));
    let ask = async |url: &str| {
        let source = Source::new("default", &SourceConfig { timeout, ..config(url) }).unwrap();
        problem(source.query("up", AT_MS).await)
    };

    let slow = Stand::start(Reply { delay: Duration::from_mins(1), ..Reply::value("1") }).await;
    let told = ask(&slow.url).await;
    assert_eq!(
        (told.kind, told.message()),
        (ProblemKind::Timeout, "source default gave no answer within 300 ms")
    );

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let told = ask(&dead).await;
    assert_eq!(told.kind, ProblemKind::Unreachable);
    assert!(told.message().contains("can't be reached: Connection refused"), "{told}");

    let half = Stand::start_raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
    assert_eq!(ask(&half).await.kind, ProblemKind::Unreachable);
    let noise = Stand::start_raw(b"\x16\x03\x01 not HTTP\r\n\r\n").await;
    assert_eq!(ask(&noise).await.kind, ProblemKind::Unreachable);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

impl Stand {
    /// Something that says these bytes to whoever connects, and hangs up.
    async fn start_raw(bytes: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(bytes).await.unwrap();
            }
        });
        url
    }
}

//! The binary as it runs in a pod: environment in, signals, exit codes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stop the test as tests do"
)]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::Value;
use teal_example_app::queue::{Entry, Handled};
use tokio_tungstenite::tungstenite::Message;

/// A running `shop`, ended with the test.
struct Process {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(mode: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command.arg(mode).env_clear().env("BIND", "127.0.0.1").stderr(Stdio::piped());
    command.envs([("HTTP_PORT", "0"), ("GRPC_PORT", "0"), ("TCP_PORT", "0")]);
    command.envs(environment.iter().copied());
    command
}

impl Process {
    fn start(mode: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = command(mode, environment).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Starts a mode that listens, and reads from its log where.
    fn listening(mode: &str, environment: &[(&str, &str)]) -> (Self, SocketAddr) {
        let mut process = Self::start(mode, environment);
        let mut line = String::new();
        process.log.read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        let http = line["fields"]["http"].as_str().unwrap_or_else(|| panic!("{line}"));
        let http = http.parse().unwrap();
        (process, http)
    }

    fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// The exit code, waited for at most 20 s.
    async fn exit(&mut self) -> Option<i32> {
        let bound = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < bound, "still running");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap()
}

async fn status(url: &str) -> u16 {
    client().get(url).send().await.unwrap().status().as_u16()
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let bound = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < bound, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn it_says_who_answers_and_follows_its_switches() {
    let environment = [("VERSION", "v2"), ("COLOR", "green"), ("POD_NAME", "web-1")];
    let (_process, http) = Process::listening("serve", &environment);
    let answer = client().get(format!("http://{http}/any/path")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-version"]), (200, &"v2".parse().unwrap()));
    assert_eq!(answer.headers()["x-color"], "green");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body, serde_json::json!({"version": "v2", "color": "green", "pod": "web-1"}));

    let switch = |query: &str| client().post(format!("http://{http}/admin/switch?{query}")).send();
    assert_eq!(switch("errors=1&latency=300ms").await.unwrap().status(), 200);
    let begin = Instant::now();
    assert_eq!(status(&format!("http://{http}/")).await, 500);
    assert!(begin.elapsed() >= Duration::from_millis(300));
    let refused = switch("ready=false&errors=2").await.unwrap();
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.text().await.unwrap(), "errors=2: use a share from 0 to 1, such as 0.05\n");
    assert_eq!(status(&format!("http://{http}/readyz")).await, 200, "a refused switch sets nothing");
    assert_eq!(switch("errors=0&latency=0s&ready=false").await.unwrap().status(), 200);
    assert_eq!(status(&format!("http://{http}/readyz")).await, 503);
    assert_eq!(status(&format!("http://{http}/healthz")).await, 200);
    assert_eq!(status(&format!("http://{http}/")).await, 200);

    let metrics = client().get(format!("http://{http}/metrics")).send().await.unwrap().text().await.unwrap();
    for line in [
        "http_requests_total{code=\"200\",version=\"v2\"} 2",
        "http_requests_total{code=\"500\",version=\"v2\"} 1",
        "http_request_duration_seconds_bucket{version=\"v2\",le=\"0.25\"} 2",
        "http_request_duration_seconds_count{version=\"v2\"} 3",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} not in\n{metrics}");
    }
}

#[tokio::test]
async fn it_is_ready_after_its_start_delay() {
    let begin = Instant::now();
    let (_process, http) = Process::listening("serve", &[("START_DELAY", "700ms")]);
    assert_eq!(status(&format!("http://{http}/readyz")).await, 503);
    until("ready", async || status(&format!("http://{http}/readyz")).await == 200).await;
    assert!(begin.elapsed() >= Duration::from_millis(700));
}

#[tokio::test]
async fn it_crashes_when_told_to() {
    let (mut process, http) = Process::listening("serve", &[("CRASH_AFTER_REQUESTS", "2")]);
    for _ in 0..2 {
        assert_eq!(status(&format!("http://{http}/")).await, 200);
    }
    assert!(client().get(format!("http://{http}/")).send().await.is_err(), "no answer from a crash");
    assert_eq!(process.exit().await, Some(134));

    let (mut process, http) = Process::listening("serve", &[]);
    let switch = client().post(format!("http://{http}/admin/switch?crash_after=200ms"));
    assert_eq!(switch.send().await.unwrap().status(), 200);
    assert_eq!(process.exit().await, Some(134));
}

#[tokio::test]
async fn asked_to_end_it_serves_on_and_waits_for_its_sessions() {
    let environment = [("DRAIN_DELAY", "300ms"), ("DRAIN_LIMIT", "60s")];
    let (mut process, http) = Process::listening("serve", &environment);
    let (mut socket, _) = tokio_tungstenite::client_async(
        format!("ws://{http}/ws"),
        tokio::net::TcpStream::connect(http).await.unwrap(),
    )
    .await
    .unwrap();
    process.terminate();
    until("not ready", async || status(&format!("http://{http}/readyz")).await == 503).await;
    let answer = client().get(format!("http://{http}/")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["connection"]), (200, &"close".parse().unwrap()));

    tokio::time::sleep(Duration::from_millis(500)).await;
    futures::SinkExt::send(&mut socket, Message::text("still there?")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still there?"));
    assert_eq!(process.child.try_wait().unwrap(), None, "it waits for the session");
    socket.close(None).await.unwrap();
    assert_eq!(process.exit().await, Some(0));
}

#[tokio::test]
async fn at_its_limit_it_ends_the_sessions_that_are_left() {
    let environment = [("DRAIN_DELAY", "50ms"), ("DRAIN_LIMIT", "300ms")];
    let (mut process, http) = Process::listening("serve", &environment);
    let stream = tokio::net::TcpStream::connect(http).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(format!("ws://{http}/ws"), stream).await.unwrap();
    process.terminate();
    let last = socket.next().await.unwrap().unwrap();
    assert!(matches!(&last, Message::Close(Some(frame)) if frame.reason == "the pod ends"), "{last:?}");
    assert_eq!(process.exit().await, Some(0));
}

async fn log(queue: &str) -> Vec<Entry> {
    client().get(format!("{queue}/log")).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn each_message_and_tick_is_handled_once_and_the_log_says_by_whom() {
    let (mut server, http) = Process::listening("queue", &[]);
    let queue = format!("http://{http}");
    for number in 0..30 {
        let put = client().post(format!("{queue}/put")).body(format!("message {number}"));
        assert_eq!(put.send().await.unwrap().json::<u64>().await.unwrap(), number + 1);
    }
    let worker = |color| {
        let who = [("VERSION", "v1"), ("COLOR", color), ("POD_NAME", color), ("QUEUE_URL", &queue)];
        Process::start("worker", &[who[0], who[1], who[2], who[3], ("POLL_INTERVAL", "10ms")])
    };
    let (mut blue, mut green) = (worker("blue"), worker("green"));
    until("some handled", async || log(&queue).await.len() >= 5).await;
    // A worker that is asked to end finishes the message it has.
    blue.terminate();
    assert_eq!(blue.exit().await, Some(0));
    until("all handled", async || log(&queue).await.len() >= 30).await;
    green.terminate();
    assert_eq!(green.exit().await, Some(0));

    let ran = [("QUEUE_URL", queue.as_str()), ("COLOR", "blue"), ("JOB_NAME", "report-29123456")];
    assert_eq!(Process::start("tick", &ran).exit().await, Some(0));
    let log = log(&queue).await;
    let mut ids: Vec<_> =
        log.iter().filter(|entry| entry.kind == Handled::Message).map(|entry| entry.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=30).collect::<Vec<_>>());
    for color in ["blue", "green"] {
        assert!(log.iter().any(|entry| entry.color == color && entry.pod == color && entry.version == "v1"));
    }
    let ticks: Vec<_> = log.iter().filter(|entry| entry.kind == Handled::Tick).collect();
    assert_eq!(ticks.len(), 1);
    assert_eq!((ticks[0].id, ticks[0].color.as_str()), (29_123_456, "blue"));
    server.terminate();
    assert_eq!(server.exit().await, Some(0));
}

#[tokio::test]
async fn get_prints_the_answer_and_fails_where_there_is_none() {
    let (_process, http) = Process::listening("serve", &[]);
    let get = async |path: &str| -> Output {
        let mut get = command("get", &[]);
        get.arg(format!("http://{http}{path}"));
        tokio::task::spawn_blocking(move || get.output().unwrap()).await.unwrap()
    };
    let answer = get("/healthz").await;
    assert_eq!((answer.status.code(), answer.stdout.as_slice()), (Some(0), b"ok\n".as_slice()));
    let refused = get("/admin/nothing").await;
    assert_eq!(refused.status.code(), Some(0), "any other path is a user's request");
    client().post(format!("http://{http}/admin/switch?ready=false")).send().await.unwrap();
    let refused = get("/readyz").await;
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("/readyz: answered 503"), "{said}");
}

#[test]
fn bad_settings_are_refused_by_name() {
    for (mode, name, value, expected) in [
        ("serve", "ERRORS", "5", "ERRORS=5: use a share from 0 to 1, such as 0.05"),
        ("serve", "HTTP_PORT", "http", "HTTP_PORT=http: use a port number"),
        ("worker", "QUEUE_URL", "", "QUEUE_URL is not set: worker and tick report to the queue there"),
        ("sell", "VERSION", "v1", "unknown mode sell: use serve (default), worker, queue, tick or get URL"),
    ] {
        let output = command(mode, &[(name, value)]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{expected} not in {said}");
    }
}

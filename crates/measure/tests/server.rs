//! The same questions to a real Prometheus. `cargo xtask server` gives the one that beds are made of; by hand, one on the
//! path will do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up must fail")]

mod support;

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use support::config;
use teal_judge::{Outcome, ProblemKind};
use teal_measure::{Source, Variables, render_query};

/// Names the program to be started.
const PROMETHEUS: &str = "TEAL_TEST_PROMETHEUS";
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const AT_MS: u64 = 1_700_000_000_042;

/// A running Prometheus that scrapes itself; it ends with the test.
struct Server {
    child: Child,
    source: Source,
    _directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Server {
    fn start() -> Self {
        let program = std::env::var(PROMETHEUS).unwrap_or_else(|_| "prometheus".to_owned());
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("prometheus.yml");
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let scrape = format!(
            "scrape_configs: [{{job_name: self, scrape_interval: 1s, static_configs: [{{targets: ['{address}']}}]}}]"
        );
        std::fs::write(&file, scrape).unwrap();
        let child = Command::new(&program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} can't be started: {error}"));
        let source = Source::new("default", &config(&format!("http://{address}"))).unwrap();
        Self { child, source, _directory: directory }
    }

    /// Asks again and again until the answer is this number.
    async fn becomes(&self, query: &str, at: impl Fn() -> u64, value: f64) {
        let begun = Instant::now();
        loop {
            let outcome = self.source.query(query, at()).await;
            if outcome == Outcome::from_value(value) {
                return;
            }
            assert!(begun.elapsed() < LONGEST_WAIT, "{query} is still {outcome:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[tokio::test]
#[ignore = "needs a Prometheus"]
async fn a_real_prometheus_is_understood() {
    let server = Server::start();
    server.becomes("vector(1)", || AT_MS, 1.0).await;
    numbers(&server.source).await;
    refusals(&server.source).await;
    placeholders(&server.source).await;
    server.becomes(r#"up{job="self"}"#, now_ms, 1.0).await;
}

async fn numbers(source: &Source) {
    let rows = [
        ("vector(0.25)", Outcome::from_value(0.25)),
        ("1e-9", Outcome::from_value(1e-9)),
        ("time()", Outcome::from_value(1_700_000_000.042)),
        ("vector(1) / 0", Outcome::from_value(f64::INFINITY)),
        ("-1 / 0", Outcome::from_value(f64::NEG_INFINITY)),
        ("vector(0) / 0", Outcome::NoData),
        ("0 / 0", Outcome::NoData),
        ("nothing_of_that_name", Outcome::NoData),
    ];
    for (query, outcome) in rows {
        assert_eq!(source.query(query, AT_MS).await, outcome, "{query}");
    }
}

async fn refusals(source: &Source) {
    use ProblemKind::{QueryInvalid, SeveralSeries};
    let two = r#"(label_replace(vector(1), "a", "1", "", "") or label_replace(vector(1), "a", "2", "", ""))"#;
    let matched_twice = format!("{two} * on() {two}");
    let rows = [
        ("sum(", QueryInvalid, "parse error"),
        ("", QueryInvalid, "refuses the query"),
        (r#"x{c="$(color"}["#, QueryInvalid, "parse error"),
        ("nothing[5m]", QueryInvalid, "range"),
        (r#""text""#, QueryInvalid, "text"),
        (&matched_twice, QueryInvalid, "many-to-many"),
        (two, SeveralSeries, "2 series"),
    ];
    for (query, kind, told) in rows {
        let outcome = source.query(query, AT_MS).await;
        let is_told = |outcome: &Outcome| matches!(outcome, Outcome::Error(problem) if problem.kind == kind && problem.message().contains(told));
        assert!(is_told(&outcome), "{query}: {outcome:?}");
    }
}

/// PromQL itself must take every escape for what it stands for.
async fn placeholders(source: &Source) {
    for value in ["green", "a\"b", "a'b", "a\\b", "a\nb", "a\rb", "\"} or vector(2) #", "ü`"] {
        let variables = Variables { color: Some(value.to_owned()), ..Variables::default() };
        for template in ["absent(x{c=\"$(color)\"})", "absent(x{c='$(color)'})"] {
            let query = render_query(template, &variables).unwrap();
            assert_eq!(source.query(&query, AT_MS).await, Outcome::from_value(1.0), "{query}");
        }
    }
}

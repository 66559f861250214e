//! The program from start to end, as the kubelet sees it, where no API server answers.
#![allow(clippy::expect_used, reason = "helpers of tests fail by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// No test takes so long, or it hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// The kubelet waits for 30 s by default before it kills.
const AT_ONCE: Duration = Duration::from_secs(10);

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// Of a server that nobody is at.
fn kubeconfig(server: SocketAddr) -> PathBuf {
    let path = std::env::temp_dir().join(format!("teal-ends-{}.yaml", std::process::id()));
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: none\n\
         clusters: [{{name: none, cluster: {{server: \"http://{server}\"}}}}]\n\
         contexts: [{{name: none, context: {{cluster: none, user: none}}}}]\nusers: [{{name: none, user: {{}}}}]\n"
    );
    std::fs::write(&path, text).expect("a kubeconfig");
    path
}

/// What came back for a path.
#[derive(Debug)]
struct Answer {
    status: String,
    headers: String,
    body: String,
}

/// The answer, once there is one.
fn get(address: SocketAddr, path: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: teal\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let (status, headers) = head.split_once("\r\n")?;
    Some(Answer { status: status.into(), headers: headers.to_lowercase(), body: body.into() })
}

/// What a scrape of a process finds that knows no Rollout yet and doesn't act.
fn idle_figures_are_served(address: SocketAddr) {
    let scraped = get(address, "/metrics").expect("an answer");
    assert_eq!(scraped.status, "HTTP/1.1 200 OK");
    let kind = "content-type: application/openmetrics-text; version=1.0.0";
    assert!(scraped.headers.contains(kind), "Prometheus reads it by its type: {}", scraped.headers);
    let lines: Vec<&str> = scraped.body.lines().collect();
    for line in [
        "# TYPE teal_leader gauge",
        "teal_leader 0.0",
        "teal_rollouts_unreadable 0.0",
        "teal_events_total 0.0",
        "teal_look_duration_seconds_count 0",
        "teal_reconcile_duration_seconds_count 0",
    ] {
        assert!(lines.contains(&line), "{line} in\n{}", scraped.body);
    }
    assert!(!lines.iter().any(|line| line.starts_with("teal_rollout_")), "of no Rollout: {}", scraped.body);
    assert_eq!(lines.last(), Some(&"# EOF"), "a scrape that was cut off is refused by that");
}

fn until<T>(bound: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + bound;
    while Instant::now() < end {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Ended with the test, however that ends.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn told_to_end_it_ends_at_once_and_well_also_without_an_api_server() {
    let (address, kubeconfig) = (free_address(), kubeconfig(free_address()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_teal"));
    command.args(["operator", "--lease-namespace=teal-system", &format!("--metrics-address={address}")]);
    let child = command.env("KUBECONFIG", &kubeconfig).stdout(Stdio::piped()).spawn().expect("teal");
    let mut program = Program(child);
    let healthy = until(PATIENCE, || get(address, "/healthz"));
    std::fs::remove_file(&kubeconfig).expect("it was there");
    assert_eq!(healthy.expect("an answer").status, "HTTP/1.1 200 OK");
    let ready = get(address, "/readyz").expect("an answer");
    assert_eq!(ready.status, "HTTP/1.1 503 Service Unavailable", "its caches are empty");
    idle_figures_are_served(address);

    let sent = Command::new("kill").args(["-TERM", &program.0.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    let ended = until(AT_ONCE, || program.0.try_wait().expect("a child"));
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    assert!(TcpStream::connect(address).is_err(), "nothing listens any more");
    let mut lines = String::new();
    program.0.stdout.take().expect("its lines").read_to_string(&mut lines).expect("text");
    assert!(lines.lines().any(|line| line.contains("\"message\":\"ends\"")), "{lines}");
}

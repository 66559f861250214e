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

/// The first line of the answer, once there is one.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: teal\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.lines().next().map(str::to_owned)
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
    assert_eq!(healthy.as_deref(), Some("HTTP/1.1 200 OK"));
    let ready = get(address, "/readyz");
    assert_eq!(ready.as_deref(), Some("HTTP/1.1 503 Service Unavailable"), "its caches are empty");

    let sent = Command::new("kill").args(["-TERM", &program.0.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    let ended = until(AT_ONCE, || program.0.try_wait().expect("a child"));
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    assert!(TcpStream::connect(address).is_err(), "nothing listens any more");
    let mut lines = String::new();
    program.0.stdout.take().expect("its lines").read_to_string(&mut lines).expect("text");
    assert!(lines.lines().any(|line| line.contains("\"message\":\"ends\"")), "{lines}");
}

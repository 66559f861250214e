//! The application in this process, and a gateway that deals connections out in turn.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stop the test as tests do"
)]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use teal_example_app::{Settings, Shop};
use tokio::net::{TcpListener, TcpStream};

/// The application on free ports of the loopback address.
pub async fn shop(version: &str, color: &str, more: &[(&str, &str)]) -> Shop {
    let fixed = [("VERSION", version), ("COLOR", color), ("BIND", "127.0.0.1")];
    let ports = [("HTTP_PORT", "0"), ("GRPC_PORT", "0"), ("TCP_PORT", "0")];
    let all: Vec<_> = more.iter().chain(&fixed).chain(&ports).copied().collect();
    let settings =
        Settings::read(|name| all.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
    Shop::start(&settings.unwrap()).await.unwrap()
}

/// How many requests the application says it answered with a code.
pub async fn served(shop: SocketAddr, code: u16) -> u64 {
    let metrics = reqwest::get(format!("http://{shop}/metrics")).await.unwrap().text().await.unwrap();
    let line = format!("http_requests_total{{code=\"{code}\",");
    let line = metrics.lines().find(|candidate| candidate.starts_with(&line)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Waits for a predicate, at most a minute.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let bound = Instant::now() + Duration::from_mins(1);
    while !holds().await {
        assert!(Instant::now() < bound, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A gateway that gives each connection to the next backend in turn.
pub struct Gateway {
    pub addr: SocketAddr,
    pub backends: Arc<Mutex<Vec<SocketAddr>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gateway {
    pub async fn start(backends: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let backends = Arc::new(Mutex::new(backends));
        let shared = backends.clone();
        let task = tokio::spawn(async move {
            for turn in 0.. {
                let (client, _) = listener.accept().await.unwrap();
                let backend = {
                    let backends = shared.lock().unwrap();
                    backends[turn % backends.len()]
                };
                tokio::spawn(forward(client, backend));
            }
        });
        Self { addr, backends, task }
    }
}

async fn forward(mut client: TcpStream, backend: SocketAddr) {
    client.set_nodelay(true).unwrap();
    let Ok(mut server) = TcpStream::connect(backend).await else { return };
    server.set_nodelay(true).unwrap();
    // Ends with the first side that ends, as the other has nothing more to say then.
    drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
}

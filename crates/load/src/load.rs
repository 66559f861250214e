//! All clients together, on a thread of their own so that a caller who computes doesn't slow them down.

use std::net::SocketAddr;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use hyper::Uri;
use hyper::header::HeaderValue;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Destination};
use crate::pacer::Pacer;
use crate::{Failure, LoadError, Record, Why};

/// Pause of a client that couldn't connect, so that a gateway that is down isn't hammered.
const AFTER_REFUSAL: Duration = Duration::from_millis(10);

/// What load to make.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Where requests are sent.
    pub gateway: SocketAddr,
    /// The `Host` header.
    pub host: String,
    /// The path, with query if any.
    pub path: String,
    /// Clients that keep their connection.
    pub keep_alive: usize,
    /// Clients that open a connection for each request.
    pub per_request: usize,
    /// Requests a second over all clients, shared by kind in proportion to their number; without it, as fast as answers come.
    pub rate: Option<u32>,
    /// A request without a complete answer after this time has failed.
    pub timeout: Duration,
    /// What the record's times count from.
    pub start: Instant,
    /// How much of the newest past can be asked for in buckets; counts of the whole run are always kept.
    pub keep: Duration,
}

impl LoadOptions {
    /// 20 clients of either kind, as fast as answers come, 2 s for an answer, the last hour kept.
    pub fn new(gateway: SocketAddr, host: impl Into<String>) -> Self {
        Self {
            gateway,
            host: host.into(),
            path: "/".into(),
            keep_alive: 20,
            per_request: 20,
            rate: None,
            timeout: Duration::from_secs(2),
            start: Instant::now(),
            keep: Duration::from_hours(1),
        }
    }

    /// With a constant rate in requests a second.
    #[must_use]
    pub fn rate(self, rate: u32) -> Self {
        Self { rate: Some(rate), ..self }
    }

    /// With another number of clients of either kind.
    #[must_use]
    pub fn clients(self, keep_alive: usize, per_request: usize) -> Self {
        Self { keep_alive, per_request, ..self }
    }

    /// With another moment that times count from.
    #[must_use]
    pub fn since(self, start: Instant) -> Self {
        Self { start, ..self }
    }

    fn destination(&self) -> Result<Destination, LoadError> {
        let refuse = |field, value: &String, source: hyper::http::Error| LoadError::Request {
            field,
            value: value.clone(),
            source,
        };
        Ok(Destination {
            gateway: self.gateway,
            host: HeaderValue::from_str(&self.host)
                .map_err(|error| refuse("host", &self.host, error.into()))?,
            path: self.path.parse::<Uri>().map_err(|error| refuse("path", &self.path, error.into()))?,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of clients are small")]
    fn pacer(&self, clients: usize) -> Rc<Pacer> {
        let part = clients as f64 / (self.keep_alive + self.per_request).max(1) as f64;
        Rc::new(Pacer::new(self.rate.map(|rate| f64::from(rate) * part)))
    }
}

/// Running load. Dropped, it stops by itself.
#[derive(Debug)]
pub struct Load {
    record: Record,
    stop: CancellationToken,
    ended: oneshot::Receiver<()>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Load {
    /// Starts all clients.
    pub fn start(options: LoadOptions) -> Result<Self, LoadError> {
        let destination = options.destination()?;
        let record = Record::new(options.start, options.keep);
        let stop = CancellationToken::new();
        let (end, ended) = oneshot::channel();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LoadError::Thread)?;
        let (counted, asked) = (record.clone(), stop.clone());
        let work = move || {
            LocalSet::new().block_on(&runtime, run(&options, &destination, &counted, &asked));
            // Nobody may wait for it any more.
            end.send(()).unwrap_or_default();
        };
        thread::Builder::new().name("load".into()).spawn(work).map_err(LoadError::Thread)?;
        Ok(Self { record, stop, ended })
    }

    /// What came back so far.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Sends no more, waits for the answers that are outstanding (at most the timeout), and gives the record.
    pub async fn stop(mut self) -> Result<Record, LoadError> {
        self.stop.cancel();
        (&mut self.ended).await.map_err(|_| LoadError::Died)?;
        Ok(self.record.clone())
    }
}

async fn run(options: &LoadOptions, destination: &Destination, record: &Record, stop: &CancellationToken) {
    let mut clients = JoinSet::new();
    for (keep_alive, count) in [(true, options.keep_alive), (false, options.per_request)] {
        let pacer = options.pacer(count);
        for _ in 0..count {
            let client = Client::new(destination.clone(), keep_alive);
            let one = One { client, keep_alive, timeout: options.timeout, record: record.clone() };
            clients.spawn_local(one.run(pacer.clone(), stop.clone()));
        }
    }
    while clients.join_next().await.is_some() {}
}

/// One client at work.
struct One {
    client: Client,
    keep_alive: bool,
    timeout: Duration,
    record: Record,
}

impl One {
    async fn run(mut self, pacer: Rc<Pacer>, stop: CancellationToken) {
        while stop.run_until_cancelled(pacer.turn()).await.is_some() {
            let refused = self.request().await;
            if refused && stop.run_until_cancelled(tokio::time::sleep(AFTER_REFUSAL)).await.is_none() {
                return;
            }
        }
    }

    /// One request, to its end; whether there was no connection to be had.
    async fn request(&mut self) -> bool {
        let sent = Instant::now();
        let outcome = tokio::time::timeout(self.timeout, self.client.request()).await;
        let at = Instant::now();
        let (version, why) = match outcome {
            Ok(outcome) => (outcome.version, outcome.why),
            Err(_) => (None, Some(Why::Timeout)),
        };
        let version = version.as_ref().and_then(|version| version.to_str().ok());
        let Some(why) = why else {
            self.record.answered(version.unwrap_or_default(), sent, at);
            return false;
        };
        let refused = matches!(why, Why::Connect(_));
        let version = version.map(str::to_owned);
        self.record.failed(Failure { sent, at, version, keep_alive: self.keep_alive, why });
        refused
    }
}

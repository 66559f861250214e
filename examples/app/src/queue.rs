//! A queue in memory with a log of who handled what, so that a story can prove that each message and each tick was handled
//! once. The rules are pure; the routes under them only carry text.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::settings::Identity;
use crate::{AppError, Settings};

/// A message as it is handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Given by the queue, from 1 upwards.
    pub id: u64,
    /// What was put.
    pub body: String,
}

/// What a log entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Handled {
    /// A message was handled; `id` is the message's.
    Message,
    /// A scheduled tick ran; `id` is the scheduled minute since 1970.
    Tick,
}

/// One thing that was done, by whom, and when. A thing done twice has two entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Message or tick.
    pub kind: Handled,
    /// Which one.
    pub id: u64,
    /// Pod that did it.
    pub pod: String,
    /// Its color.
    pub color: String,
    /// Its version.
    pub version: String,
    /// When the queue was told, in milliseconds since 1970.
    pub at_ms: u64,
}

/// Who reports what: the query of `/ack` and `/tick`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Message or minute.
    pub id: u64,
    /// Pod that did it.
    pub pod: String,
    /// Its color.
    pub color: String,
    /// Its version.
    pub version: String,
}

impl Report {
    /// A report of `who` about `id`.
    pub fn by(who: &Identity, id: u64) -> Self {
        let Identity { version, color, pod } = who.clone();
        Self { id, pod, color, version }
    }
}

/// Messages that wait, messages that are out, and what was done.
#[derive(Debug)]
pub struct Queue {
    lease: Duration,
    last_id: u64,
    waiting: VecDeque<Message>,
    out: BTreeMap<u64, (Instant, Message)>,
    log: Vec<Entry>,
}

impl Queue {
    /// An empty queue that hands a message out again when it wasn't acknowledged within `lease`.
    pub fn new(lease: Duration) -> Self {
        Self { lease, last_id: 0, waiting: VecDeque::new(), out: BTreeMap::new(), log: Vec::new() }
    }

    /// Adds a message and gives its number.
    pub fn put(&mut self, body: String) -> u64 {
        self.last_id += 1;
        self.waiting.push_back(Message { id: self.last_id, body });
        self.last_id
    }

    /// Hands out the next message, those whose lease is over first.
    pub fn take(&mut self, now: Instant) -> Option<Message> {
        let lapsed = self.out.iter().find(|(_, (until, _))| *until <= now).map(|(id, _)| *id);
        let again = lapsed.and_then(|id| self.out.remove(&id)).map(|(_, message)| message);
        let message = again.or_else(|| self.waiting.pop_front())?;
        self.out.insert(message.id, (now + self.lease, message.clone()));
        Some(message)
    }

    /// Notes that something was done. Also a second time: the log says what happened, not what should have.
    pub fn report(&mut self, kind: Handled, report: Report, at_ms: u64) {
        if kind == Handled::Message {
            self.out.remove(&report.id);
        }
        let Report { id, pod, color, version } = report;
        self.log.push(Entry { kind, id, pod, color, version, at_ms });
    }

    /// All that was done, oldest first.
    pub fn log(&self) -> &[Entry] {
        &self.log
    }

    /// Messages that nobody has acknowledged yet.
    pub fn open(&self) -> usize {
        self.waiting.len() + self.out.len()
    }
}

type Shared = Arc<Mutex<Queue>>;

fn with<T>(queue: &Shared, act: impl FnOnce(&mut Queue) -> T) -> T {
    act(&mut queue.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The queue's routes.
pub fn router(lease: Duration) -> Router {
    let ack = |State(queue): State<Shared>, Query(report): Query<Report>| async move {
        with(&queue, |queue| queue.report(Handled::Message, report, unix_ms()));
    };
    let tick = |State(queue): State<Shared>, Query(report): Query<Report>| async move {
        with(&queue, |queue| queue.report(Handled::Tick, report, unix_ms()));
    };
    Router::new()
        .route(
            "/put",
            post(|State(queue): State<Shared>, body: String| async move {
                Json(with(&queue, |queue| queue.put(body)))
            }),
        )
        .route("/take", post(take))
        .route("/ack", post(ack))
        .route("/tick", post(tick))
        .route(
            "/log",
            get(
                |State(queue): State<Shared>| async move { Json(with(&queue, |queue| queue.log().to_vec())) },
            ),
        )
        .route(
            "/open",
            get(|State(queue): State<Shared>| async move { Json(with(&queue, |queue| queue.open())) }),
        )
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ready\n" }))
        .with_state(Arc::new(Mutex::new(Queue::new(lease))))
}

async fn take(State(queue): State<Shared>) -> Response {
    match with(&queue, |queue| queue.take(Instant::now())) {
        Some(message) => Json(message).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Serves the queue until `end`.
pub async fn serve(
    settings: &Settings,
    end: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AppError> {
    let addr = settings.addr(settings.http_port);
    let refused = |source| AppError::Listen { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(refused)?;
    let http = listener.local_addr().map_err(refused)?;
    tracing::info!(%http, "queue");
    axum::serve(listener, router(settings.lease)).with_graceful_shutdown(end).await.map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(id: u64) -> Report {
        Report::by(&Identity { version: "v1".into(), color: "blue".into(), pod: "p".into() }, id)
    }

    #[test]
    fn a_message_is_out_until_its_lease_ends() {
        let mut queue = Queue::new(Duration::from_secs(30));
        let start = Instant::now();
        assert_eq!((queue.put("a".into()), queue.put("b".into())), (1, 2));
        let ids = |queue: &mut Queue, at| queue.take(start + Duration::from_secs(at)).map(|m| m.id);
        assert_eq!([ids(&mut queue, 0), ids(&mut queue, 1), ids(&mut queue, 29)], [Some(1), Some(2), None]);
        assert_eq!(ids(&mut queue, 30), Some(1), "nobody acknowledged it");
        queue.report(Handled::Message, report(2), 0);
        assert_eq!((ids(&mut queue, 59), queue.open()), (None, 1));
        assert_eq!(ids(&mut queue, 60), Some(1));
        queue.report(Handled::Message, report(1), 0);
        assert_eq!((ids(&mut queue, 1000), queue.open()), (None, 0));
    }

    #[test]
    fn what_is_done_twice_is_logged_twice() {
        let mut queue = Queue::new(Duration::ZERO);
        queue.put("a".into());
        for at in 0..2 {
            queue.report(Handled::Message, report(1), at);
            queue.report(Handled::Tick, report(1), at);
        }
        assert_eq!(queue.log().iter().filter(|entry| entry.kind == Handled::Message).count(), 2);
        assert_eq!(queue.log().iter().filter(|entry| entry.kind == Handled::Tick).count(), 2);
    }
}

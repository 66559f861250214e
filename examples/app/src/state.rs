//! What all connections of one process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::metrics::{Kind, Metrics};
use crate::settings::{Identity, Settings};
use crate::switches::{Fate, Switches};

/// The switches in force, and since when.
#[derive(Clone, Debug)]
pub(crate) struct Switched {
    pub(crate) switches: Switches,
    since: Instant,
    served: Arc<AtomicU64>,
}

impl Switched {
    fn now(switches: Switches) -> Self {
        Self { switches, since: Instant::now(), served: Arc::default() }
    }

    /// When the process ends itself.
    pub(crate) fn crash_due(&self) -> Option<Instant> {
        let after = self.switches.crash_after;
        (!after.is_zero()).then(|| self.since.checked_add(after)).flatten()
    }
}

/// The application's shared state.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) identity: Identity,
    pub(crate) metrics: Metrics,
    pub(crate) switched: watch::Sender<Switched>,
    /// The end was asked for: no longer ready, but serving.
    pub(crate) draining: CancellationToken,
    /// Idle connections leave now, sessions stay.
    pub(crate) leaving: CancellationToken,
    /// Whatever is open ends now.
    pub(crate) ended: CancellationToken,
    /// A switch wants the process to die.
    pub(crate) crashed: CancellationToken,
    pub(crate) connections: TaskTracker,
    /// The answer to a user's request, rendered once.
    pub(crate) answer: Bytes,
    pub(crate) version_header: HeaderValue,
    pub(crate) color_header: HeaderValue,
    ready_from: Instant,
}

impl App {
    pub(crate) fn new(settings: &Settings) -> Self {
        let identity = settings.identity.clone();
        let answer = serde_json::json!({
            "version": identity.version, "color": identity.color, "pod": identity.pod,
        });
        Self {
            metrics: Metrics::new(&identity.version),
            switched: watch::Sender::new(Switched::now(settings.switches.clone())),
            draining: CancellationToken::new(),
            leaving: CancellationToken::new(),
            ended: CancellationToken::new(),
            crashed: CancellationToken::new(),
            connections: TaskTracker::new(),
            answer: Bytes::from(format!("{answer}\n")),
            version_header: header(&identity.version),
            color_header: header(&identity.color),
            ready_from: Instant::now() + settings.start_delay,
            identity,
        }
    }

    /// Whether new traffic is wanted.
    pub(crate) fn ready(&self) -> bool {
        !self.draining.is_cancelled()
            && Instant::now() >= self.ready_from
            && self.switched.borrow().switches.ready
    }

    /// What becomes of the request that came just now.
    pub(crate) fn next_fate(&self) -> Fate {
        let switched = self.switched.borrow();
        let nth = switched.served.fetch_add(1, Ordering::Relaxed);
        switched.switches.fate(nth, switched.since.elapsed())
    }

    /// Puts other switches in force; their counts and times begin anew.
    pub(crate) fn switch(&self, switches: Switches) {
        self.switched.send_replace(Switched::now(switches));
    }

    /// Counts a connection as open until the answer is dropped; the end of the process waits for it.
    pub(crate) fn open(&self, kind: Kind) -> Open {
        let gauge = self.metrics.open(kind);
        gauge.inc();
        Open { gauge, _token: self.connections.token() }
    }

    /// Cancels `crashed` when the switches say so; never returns before.
    pub(crate) async fn crash_when_due(self: Arc<Self>) {
        let mut changes = self.switched.subscribe();
        loop {
            let due = changes.borrow_and_update().crash_due();
            let wait = due.map_or(Duration::MAX, |due| due.saturating_duration_since(Instant::now()));
            match tokio::time::timeout(wait, changes.changed()).await {
                Ok(_) => {}
                Err(_) => return self.crashed.cancel(),
            }
        }
    }
}

/// One open connection or session.
#[derive(Debug)]
pub(crate) struct Open {
    gauge: Gauge,
    _token: TaskTrackerToken,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

/// A header from text; what can't stand in one is left out.
fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

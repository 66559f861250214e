//! Long-lived sessions that notice when they are cut.

mod connect;
mod log;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt, SinkExt, StreamExt};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::log::SessionReport;

use self::connect::Pipe;
use self::log::Log;
use crate::LoadError;

/// Time between two pings of a session.
pub const PING_EVERY: Duration = Duration::from_millis(200);
/// A session whose ping isn't echoed in this time is cut, as a user would reconnect.
const ECHO_WITHIN: Duration = Duration::from_secs(2);
/// Bound of opening a session with its first echo, and of ending one.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// Which protocol a session speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionKind {
    /// A WebSocket at `/ws`.
    WebSocket,
    /// A bidirectional gRPC stream.
    Grpc,
    /// Lines over raw TCP.
    Tcp,
}

impl fmt::Display for SessionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WebSocket => "WebSocket",
            Self::Grpc => "gRPC",
            Self::Tcp => "TCP",
        })
    }
}

/// An HTTP listener of a gateway, and the host that leads to the application there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Address of the listener.
    pub gateway: SocketAddr,
    /// Host, as `Host` or `:authority`.
    pub host: String,
}

/// Where sessions are opened; kinds without an address aren't.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionTarget {
    /// Where WebSockets go.
    pub websocket: Option<Route>,
    /// Where gRPC goes (HTTP/2 without TLS).
    pub grpc: Option<Route>,
    /// Where raw TCP goes.
    pub tcp: Option<SocketAddr>,
}

/// All sessions of a run. Dropped, they end.
#[derive(Debug)]
pub struct Sessions {
    log: Arc<Log>,
    tasks: TaskTracker,
    leave: CancellationToken,
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.leave.cancel();
    }
}

impl Sessions {
    /// No sessions yet.
    pub fn new() -> Self {
        Self { log: Arc::default(), tasks: TaskTracker::new(), leave: CancellationToken::new() }
    }

    /// Opens one session of each kind that the target has, and gives their reports once each has had its first echo. They go on
    /// pinging on the current runtime. `label` says in reports what they were opened for. If one can't be opened, the others
    /// stay.
    pub async fn open(&self, target: &SessionTarget, label: &str) -> Result<Vec<SessionReport>, LoadError> {
        // Boxed: a handshake's state is large, and callers should not carry it.
        let websocket = target
            .websocket
            .as_ref()
            .map(|route| self.add(label, SessionKind::WebSocket, connect::websocket(route)).boxed());
        let grpc = target
            .grpc
            .as_ref()
            .map(|route| self.add(label, SessionKind::Grpc, connect::grpc(route)).boxed());
        let tcp = target.tcp.map(|addr| self.add(label, SessionKind::Tcp, connect::tcp(addr)).boxed());
        let opened = futures::future::join_all([websocket, grpc, tcp].into_iter().flatten()).await;
        opened.into_iter().collect()
    }

    async fn add(
        &self,
        label: &str,
        kind: SessionKind,
        opening: impl Future<Output = Result<Pipe, LoadError>>,
    ) -> Result<SessionReport, LoadError> {
        let first = async {
            let mut pipe = opening.await?;
            let echoed = echo(&mut pipe, 0).await;
            echoed.map(|()| pipe).map_err(|why| LoadError::Open { kind, to: opened_for(label), why })
        };
        let late =
            |_| LoadError::Open { kind, to: opened_for(label), why: format!("no echo in {OPEN_WITHIN:?}") };
        let pipe = tokio::time::timeout(OPEN_WITHIN, first).await.map_err(late)??;
        let leave = self.leave.child_token();
        let report = self.log.opened(kind, label, &pipe, leave.clone());
        self.tasks.spawn(ping(self.log.clone(), report.id, pipe, leave));
        Ok(report)
    }

    /// Says that a color is retired from a moment on: its sessions that were open by then and end at or after it aren't cut.
    /// Order doesn't matter; sessions opened later aren't meant, as a color comes back.
    pub fn retire_color(&self, color: &str, from: Instant) {
        self.log.retire(color, from);
    }

    /// Ends the open sessions of a version from this side, as users do who have finished; they count as left.
    pub fn leave_version(&self, version: &str) {
        self.log.leave(version);
    }

    /// Sessions that were cut: ended by anything but this side, not exempt by a retirement.
    pub fn cut_connections(&self) -> Vec<SessionReport> {
        self.log.reports().into_iter().filter(|report| report.cut).collect()
    }

    /// All sessions there were.
    pub fn reports(&self) -> Vec<SessionReport> {
        self.log.reports()
    }

    /// Ends all sessions from this side and gives all reports; bounded in time.
    pub async fn close(self) -> Result<Vec<SessionReport>, LoadError> {
        self.leave.cancel();
        self.tasks.close();
        let late = |_| LoadError::Close { open: self.tasks.len(), after: OPEN_WITHIN };
        tokio::time::timeout(OPEN_WITHIN, self.tasks.wait()).await.map_err(late)?;
        Ok(self.log.reports())
    }
}

fn opened_for(label: &str) -> String {
    format!("an open connection for {label:?}")
}

/// Pings until the session ends, from whichever side.
async fn ping(log: Arc<Log>, id: usize, mut pipe: Pipe, leave: CancellationToken) {
    let mut number = 0;
    loop {
        let lasted = tokio::select! {
            () = leave.cancelled() => break,
            lasted = pause(&mut pipe) => lasted,
        };
        number += 1;
        let echoed = match lasted {
            Ok(()) => leave.run_until_cancelled(echo(&mut pipe, number)).await,
            Err(why) => Some(Err(why)),
        };
        match echoed {
            None => break,
            Some(Ok(())) => log.echoed(id),
            Some(Err(why)) => return log.ended(id, &why),
        }
    }
    log.left(id);
    // The other side is told where the protocol can, but not waited for long.
    if tokio::time::timeout(OPEN_WITHIN / 5, pipe.outbox.close()).await.is_err() {
        tracing::debug!(id, "no orderly end");
    }
}

/// Lets time pass while watching for the end, so that a cut is noted when it happens and not at the next ping.
async fn pause(pipe: &mut Pipe) -> Result<(), String> {
    match tokio::time::timeout(PING_EVERY, pipe.inbox.next()).await {
        Err(_) => Ok(()),
        Ok(Some(Ok(text))) => Err(format!("unasked message {text:?}")),
        Ok(Some(Err(why))) => Err(why),
        Ok(None) => Err("closed by the other side".into()),
    }
}

async fn echo(pipe: &mut Pipe, number: u64) -> Result<(), String> {
    let text = format!("ping {number}");
    let exchange = async {
        pipe.outbox.send(text.clone()).await?;
        pipe.inbox.next().await.ok_or("closed by the other side")?
    };
    let answer = tokio::time::timeout(ECHO_WITHIN, exchange).await;
    let answer = answer.map_err(|_| format!("no echo in {ECHO_WITHIN:?}"))??;
    if answer == text { Ok(()) } else { Err(format!("sent {text:?}, got {answer:?}")) }
}

//! Listening, serving, and ending without a failed request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::metrics::Kind;
use crate::state::App;
use crate::{AppError, Settings, session, tls, web};

/// What sessions get to say goodbye once their time is up.
const FAREWELL: Duration = Duration::from_millis(500);

/// The running application.
#[derive(Debug)]
pub struct Shop {
    app: Arc<App>,
    http: SocketAddr,
    grpc: SocketAddr,
    tcp: SocketAddr,
    drain_delay: Duration,
    drain_limit: Duration,
    stop_on_drop: StopOnDrop,
}

/// Ends the listeners when the handle goes, so that no test leaves one behind.
#[derive(Debug)]
struct StopOnDrop(CancellationToken);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Shop {
    /// Opens all ports and serves on the current runtime. Port 0 takes any free one.
    pub async fn start(settings: &Settings) -> Result<Self, AppError> {
        let (http, http_addr) = listen(settings.addr(settings.http_port)).await?;
        let (grpc, grpc_addr) = listen(settings.addr(settings.grpc_port)).await?;
        let (tcp, tcp_addr) = listen(settings.addr(settings.tcp_port)).await?;
        let app = Arc::new(App::new(settings));
        let router = web::router(app.clone());
        if let Some(port) = settings.tls_port {
            let (tls, _) = listen(settings.addr(port)).await?;
            let accepting = accept_tls(app.clone(), tls, tls::acceptor()?, router.clone());
            tokio::spawn(until_end(app.clone(), accepting));
        }
        tokio::spawn(until_end(app.clone(), accept_http(app.clone(), http, router.clone())));
        // One router on both: which port is for what is a matter of how the Service names it.
        tokio::spawn(until_end(app.clone(), accept_http(app.clone(), grpc, router)));
        tokio::spawn(until_end(app.clone(), accept_tcp(app.clone(), tcp)));
        tokio::spawn(until_end(app.clone(), app.clone().crash_when_due()));
        Ok(Self {
            http: http_addr,
            grpc: grpc_addr,
            tcp: tcp_addr,
            drain_delay: settings.drain_delay,
            drain_limit: settings.drain_limit,
            stop_on_drop: StopOnDrop(app.ended.clone()),
            app,
        })
    }

    /// Where HTTP is served.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where gRPC is served.
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Where raw TCP sessions are served.
    pub fn tcp(&self) -> SocketAddr {
        self.tcp
    }

    /// Resolves when a switch wants the process to die; whoever owns the process ends it.
    pub async fn crashed(&self) {
        self.app.crashed.cancelled().await;
    }

    /// Ends without a failed request: not ready at once, yet serving for `DRAIN_DELAY`, as those who route here learn late; then
    /// idle connections are closed, and sessions waited for until `DRAIN_LIMIT` after the start of the end.
    pub async fn drain(self) {
        self.app.draining.cancel();
        tokio::time::sleep(self.drain_delay).await;
        self.app.leaving.cancel();
        self.app.connections.close();
        let left = self.drain_limit.saturating_sub(self.drain_delay);
        if tokio::time::timeout(left, self.app.connections.wait()).await.is_err() {
            tracing::warn!(open = self.app.connections.len(), "connections are still open at the limit");
        }
        drop(self.stop_on_drop);
        if tokio::time::timeout(FAREWELL, self.app.connections.wait()).await.is_err() {
            tracing::warn!(open = self.app.connections.len(), "connections are cut");
        }
    }
}

async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), AppError> {
    let opened = async {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    };
    opened.await.map_err(|source| AppError::Listen { addr, source })
}

async fn until_end(app: Arc<App>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = app.ended.cancelled() => {}
        () = work => {}
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small: waiting to fill a packet only adds latency.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "client left at once");
                }
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept");
                // Out of files, most likely: only time frees some.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn accept_http(app: Arc<App>, listener: TcpListener, router: Router) {
    loop {
        let stream = accept(&listener).await;
        tokio::spawn(serve(app.clone(), stream, router.clone()));
    }
}

async fn accept_tls(app: Arc<App>, listener: TcpListener, tls: TlsAcceptor, router: Router) {
    loop {
        let stream = accept(&listener).await;
        let (app, tls, router) = (app.clone(), tls.clone(), router.clone());
        tokio::spawn(async move {
            match tls.accept(stream).await {
                Ok(stream) => serve(app, stream, router).await,
                Err(error) => tracing::debug!(%error, "no TLS was agreed on"),
            }
        });
    }
}

async fn accept_tcp(app: Arc<App>, listener: TcpListener) {
    loop {
        let stream = accept(&listener).await;
        tokio::spawn(session::echo_tcp(app.clone(), stream));
    }
}

async fn serve<S>(app: Arc<App>, stream: S, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _open = app.open(Kind::http);
    let service = service_fn(|request| respond(app.clone(), router.clone(), request));
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut connection =
        std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = app.leaving.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection.as_mut() => served,
                () = farewell(&app) => Ok(()),
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

/// Time for sessions to end by themselves once everything ends.
async fn farewell(app: &App) {
    app.ended.cancelled().await;
    tokio::time::sleep(FAREWELL / 2).await;
}

async fn respond(
    app: Arc<App>,
    router: Router,
    request: hyper::Request<Incoming>,
) -> Result<Response, std::convert::Infallible> {
    let request: Request = request.map(Body::new);
    let version = request.version();
    let mut response = router.oneshot(request).await?;
    *response.version_mut() = version;
    web::stamp(&app, &mut response);
    Ok(response)
}

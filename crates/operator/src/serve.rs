//! Health, readiness and metrics over HTTP.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use teal_cluster::Probe;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::exposition;

/// Serves until told to stop.
pub(crate) async fn serve(
    address: SocketAddr,
    probe: Probe,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()>, Error> {
    let listener = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
    let routes = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(probe);
    Ok(async move {
        let served = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "probes and metrics are no longer served");
        }
    })
}

async fn ready(State(probe): State<Probe>) -> impl IntoResponse {
    if probe.is_ready() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "caches are not filled yet")
    }
}

async fn metrics(State(probe): State<Probe>) -> impl IntoResponse {
    let text = exposition::text(&probe.figures());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

//! The HTTP side: users' requests, probes, metrics, switches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::session;
use crate::state::App;
use crate::switches::{Fate, Switches};

const X_VERSION: HeaderName = HeaderName::from_static("x-version");
const X_COLOR: HeaderName = HeaderName::from_static("x-color");
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All routes. Every path that isn't taken is a user's request, so that routes by prefix can be tried too.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/admin/switch", get(show).post(switch))
        .route("/ws", get(session::websocket))
        .route(session::GRPC_PATH, post(session::grpc))
        .fallback(answer)
        .with_state(app)
}

/// Says on every answer who gave it, and asks HTTP/1.1 clients to leave once the end was asked for: a client that is told so
/// closes after the answer it has, while one whose idle connection is closed may just be sending.
pub(crate) fn stamp(app: &App, response: &mut Response) {
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let one = response.version() <= Version::HTTP_11;
    let headers = response.headers_mut();
    headers.insert(X_VERSION, app.version_header.clone());
    headers.insert(X_COLOR, app.color_header.clone());
    if one && !upgraded && app.draining.is_cancelled() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

async fn answer(State(app): State<Arc<App>>) -> Response {
    let came = Instant::now();
    let (delay, error) = match app.next_fate() {
        Fate::Answer { delay, error } => (delay, error),
        Fate::Crash => {
            app.crashed.cancel();
            // No answer: the process ends while the client waits.
            std::future::pending::<(Duration, bool)>().await
        }
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    app.metrics.answered(error, came.elapsed());
    let code = if error { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    (code, [(header::CONTENT_TYPE, "application/json")], app.answer.clone()).into_response()
}

async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.ready() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    match app.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn show(State(app): State<Arc<App>>) -> Json<Switches> {
    Json(app.switched.borrow().switches.clone())
}

/// All named switches are set, or none.
async fn switch(State(app): State<Arc<App>>, Query(pairs): Query<Vec<(String, String)>>) -> Response {
    let mut switches = app.switched.borrow().switches.clone();
    for (name, value) in pairs {
        if let Err(error) = switches.set(&name, &value) {
            return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response();
        }
    }
    tracing::info!(?switches, "switched");
    app.switch(switches.clone());
    Json(switches).into_response()
}

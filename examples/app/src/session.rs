//! Long-lived sessions that echo: WebSocket, gRPC stream, raw TCP. Each tells at its start which version it landed on, ends when
//! its client does, and at the latest when the process does.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures::stream::{BoxStream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::metrics::Kind;
use crate::state::App;

/// Path of the gRPC method, a bidirectional stream of [`Note`]; `proto/session.proto` describes it.
pub const GRPC_PATH: &str = "/teal.example.Session/Echo";

/// The one message of the gRPC service.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Note {
    /// Comes back as it was sent.
    #[prost(string, tag = "1")]
    pub text: String,
}

/// `GET /ws`
pub(crate) async fn websocket(State(app): State<Arc<App>>, upgrade: WebSocketUpgrade) -> Response {
    let open = app.open(Kind::websocket);
    upgrade.on_upgrade(move |socket| async move {
        echo_websocket(&app, socket).await;
        drop(open);
    })
}

async fn echo_websocket(app: &App, mut socket: WebSocket) {
    loop {
        let message = tokio::select! {
            () = app.ended.cancelled() => {
                let away = CloseFrame { code: close_code::AWAY, reason: "the pod ends".into() };
                if let Err(error) = socket.send(Message::Close(Some(away))).await {
                    tracing::debug!(%error, "client had left");
                }
                return;
            }
            message = socket.recv() => message,
        };
        // Pings are answered by the library.
        let sent = match message {
            Some(Ok(echo @ (Message::Text(_) | Message::Binary(_)))) => socket.send(echo).await,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// `POST` [`GRPC_PATH`]
pub(crate) async fn grpc(
    State(app): State<Arc<App>>,
    request: axum::extract::Request,
) -> axum::http::Response<tonic::body::Body> {
    let service = tower::service_fn(move |request: Request<Streaming<Note>>| {
        let app = app.clone();
        async move { Ok::<_, Status>(tonic::Response::new(echo_notes(app, request.into_inner()))) }
    });
    tonic::server::Grpc::new(ProstCodec::<Note, Note>::default()).streaming(service, request).await
}

/// The client's end of the stream is a clean end; the process's end is told as a status.
fn echo_notes(app: Arc<App>, notes: Streaming<Note>) -> BoxStream<'static, Result<Note, Status>> {
    let open = app.open(Kind::grpc);
    let ended = app.ended.clone().cancelled_owned();
    let farewell = futures::stream::once(async move {
        drop(open);
        app.ended.is_cancelled().then(|| Err(Status::unavailable("the pod ends")))
    });
    notes.take_until(ended).chain(farewell.filter_map(std::future::ready)).boxed()
}

/// A raw TCP session: one line that says who answers, then an echo.
pub(crate) async fn echo_tcp(app: Arc<App>, mut stream: TcpStream) {
    let _open = app.open(Kind::tcp);
    let who = &app.identity;
    let greeting = format!("version={} color={} pod={}\n", who.version, who.color, who.pod);
    if stream.write_all(greeting.as_bytes()).await.is_err() {
        return;
    }
    let mut buffer = [0; 4096];
    loop {
        let read = tokio::select! {
            () = app.ended.cancelled() => return,
            read = stream.read(&mut buffer) => read,
        };
        match read {
            Ok(length @ 1..) if stream.write_all(&buffer[..length]).await.is_ok() => {}
            _ => return,
        }
    }
}

//! Opening a session of each kind. What comes out is the same for all: texts in, texts out, and who answers.

use std::net::SocketAddr;
use std::pin::Pin;

use futures::channel::mpsc;
use futures::stream::BoxStream;
use futures::{Sink, SinkExt, StreamExt, TryStreamExt, future};
use hyper::Uri;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_util::codec::{Framed, LinesCodec};
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

use super::{Route, SessionKind};
use crate::LoadError;

/// The gRPC method, as `examples/app/proto/session.proto` has it.
const GRPC_PATH: &str = "/teal.example.Session/Echo";

/// The one message of the gRPC service.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Note {
    #[prost(string, tag = "1")]
    text: String,
}

/// An open session.
pub(crate) struct Pipe {
    pub(crate) outbox: Pin<Box<dyn Sink<String, Error = String> + Send>>,
    pub(crate) inbox: BoxStream<'static, Result<String, String>>,
    pub(crate) version: String,
    pub(crate) color: String,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn failed(kind: SessionKind, to: String) -> impl FnOnce(String) -> LoadError {
    move |why| LoadError::Open { kind, to, why }
}

pub(crate) async fn websocket(route: &Route) -> Result<Pipe, LoadError> {
    open_websocket(route)
        .await
        .map_err(failed(SessionKind::WebSocket, format!("{} at {}", route.host, route.gateway)))
}

async fn open_websocket(route: &Route) -> Result<Pipe, String> {
    let uri: Uri = format!("ws://{}/ws", route.host).parse().map_err(text)?;
    let stream = TcpStream::connect(route.gateway).await.map_err(text)?;
    stream.set_nodelay(true).map_err(text)?;
    let request = ClientRequestBuilder::new(uri);
    let (socket, response) = tokio_tungstenite::client_async(request, stream).await.map_err(text)?;
    let header = |name| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (outbox, inbox) = socket.split();
    let outbox = outbox.sink_map_err(text).with(|text: String| future::ok::<_, String>(Message::text(text)));
    let inbox = inbox.map_err(text).try_filter_map(|message| {
        future::ready(match message {
            Message::Text(text) => Ok(Some(text.to_string())),
            Message::Close(frame) => {
                Err(frame.map_or("closed".into(), |frame| format!("closed: {}", frame.reason)))
            }
            _ => Ok(None),
        })
    });
    Ok(Pipe {
        outbox: Box::pin(outbox),
        inbox: inbox.boxed(),
        version: header("x-version"),
        color: header("x-color"),
    })
}

pub(crate) async fn grpc(route: &Route) -> Result<Pipe, LoadError> {
    open_grpc(route).await.map_err(failed(SessionKind::Grpc, format!("{} at {}", route.host, route.gateway)))
}

async fn open_grpc(route: &Route) -> Result<Pipe, String> {
    let origin: Uri = format!("http://{}", route.host).parse().map_err(text)?;
    // The channel puts its own origin over that of a client, so it is the one to be told the host.
    let endpoint = Endpoint::from_shared(format!("http://{}", route.gateway)).map_err(text)?.origin(origin);
    let mut client = Grpc::new(endpoint.connect().await.map_err(text)?);
    client.ready().await.map_err(text)?;
    let (outbox, notes) = mpsc::channel::<Note>(4);
    let codec = ProstCodec::<Note, Note>::default();
    let path = PathAndQuery::from_static(GRPC_PATH);
    let response = client.streaming(Request::new(notes), path, codec).await.map_err(text)?;
    let header = |name| {
        let value = response.metadata().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (version, color) = (header("x-version"), header("x-color"));
    let outbox = outbox.sink_map_err(text).with(|text: String| future::ok::<_, String>(Note { text }));
    let inbox = response.into_inner().map_ok(|note| note.text).map_err(text);
    Ok(Pipe { outbox: Box::pin(outbox), inbox: inbox.boxed(), version, color })
}

pub(crate) async fn tcp(addr: SocketAddr) -> Result<Pipe, LoadError> {
    open_tcp(addr).await.map_err(failed(SessionKind::Tcp, addr.to_string()))
}

async fn open_tcp(addr: SocketAddr) -> Result<Pipe, String> {
    let stream = TcpStream::connect(addr).await.map_err(text)?;
    stream.set_nodelay(true).map_err(text)?;
    // A server that never ends its line must not fill the memory.
    let (outbox, mut inbox) = Framed::new(stream, LinesCodec::new_with_max_length(4096)).split();
    let greeting = inbox.next().await.ok_or("closed before the greeting")?.map_err(text)?;
    let word = |name: &str| {
        let value = greeting.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().to_owned()
    };
    Ok(Pipe {
        outbox: Box::pin(outbox.sink_map_err(text)),
        inbox: inbox.map_err(text).boxed(),
        version: word("version"),
        color: word("color"),
    })
}

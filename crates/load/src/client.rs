//! One client: sends a request, takes in the whole answer, never sends it again.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::Why;

/// The header in which the application names its version.
const X_VERSION: HeaderName = HeaderName::from_static("x-version");

/// Where requests go, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) gateway: SocketAddr,
    pub(crate) host: HeaderValue,
    pub(crate) path: Uri,
}

/// An open connection.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    _driver: AbortOnDropHandle<()>,
}

/// A client, with its connection if it keeps one.
#[derive(Debug)]
pub(crate) struct Client {
    destination: Destination,
    keep_alive: bool,
    connection: Option<Connection>,
}

/// How a request ended: who answered, if known, and why it failed, if it did.
pub(crate) struct Outcome {
    pub(crate) version: Option<HeaderValue>,
    pub(crate) why: Option<Why>,
}

impl Client {
    pub(crate) fn new(destination: Destination, keep_alive: bool) -> Self {
        Self { destination, keep_alive, connection: None }
    }

    /// Sends one request. A client that keeps its connection opens a new one where the last answer ended it, or where this
    /// future was dropped before its end.
    pub(crate) async fn request(&mut self) -> Outcome {
        let mut version = None;
        let why = self.exchange(&mut version).await.err();
        Outcome { version, why }
    }

    async fn exchange(&mut self, version: &mut Option<HeaderValue>) -> Result<(), Why> {
        let mut connection = match self.connection.take().filter(|open| open.sender.is_ready()) {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let response = connection.sender.send_request(self.message()).await.map_err(broken)?;
        *version = response.headers().get(X_VERSION).cloned();
        let status = take_in(response).await?;
        if self.keep_alive && connection.sender.ready().await.is_ok() {
            self.connection = Some(connection);
        }
        if status == StatusCode::OK { Ok(()) } else { Err(Why::Status(status.as_u16())) }
    }

    async fn connect(&self) -> Result<Connection, Why> {
        let refused = |error: std::io::Error| Why::Connect(error.to_string());
        let stream = TcpStream::connect(self.destination.gateway).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        if !self.keep_alive {
            // Closed by reset, after the whole answer: thousands of connections a second would otherwise leave no free port
            // within seconds, as each is held for a minute after a usual close.
            stream.set_zero_linger().map_err(refused)?;
        }
        let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let driver = tokio::spawn(async move {
            // What breaks a connection is seen by the request on it.
            if let Err(error) = driver.await {
                tracing::trace!(%error, "connection ended");
            }
        });
        Ok(Connection { sender, _driver: AbortOnDropHandle::new(driver) })
    }

    fn message(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.destination.path.clone();
        request.headers_mut().insert(HOST, self.destination.host.clone());
        if !self.keep_alive {
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        request
    }
}

/// Reads the answer to its end, as an answer that breaks off is none.
async fn take_in(response: Response<Incoming>) -> Result<StatusCode, Why> {
    let status = response.status();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame.map_err(broken)?;
    }
    Ok(status)
}

#[expect(clippy::needless_pass_by_value, reason = "is given to map_err")]
fn broken(error: hyper::Error) -> Why {
    Why::Broken(error.to_string())
}

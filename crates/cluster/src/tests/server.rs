//! An API server as far as these tests need one: it keeps objects by path, merges, and holds watches open. No network: it is
//! the client's transport.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The server.
#[derive(Clone, Default)]
pub(super) struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    /// Methods and paths, in order.
    requests: Vec<String>,
    /// Nothing is answered but that it isn't there.
    away: bool,
}

impl Server {
    /// Puts an object there.
    pub(super) fn put(&self, path: &str, object: Value) {
        self.change(|state| state.keep(path, object));
    }

    /// From now on it is away.
    pub(super) fn leave(&self) {
        self.change(|state| state.away = true);
    }

    pub(super) fn object(&self, path: &str) -> Option<Value> {
        self.change(|state| state.objects.get(path).cloned())
    }

    /// What was asked but for lists and watches: methods and paths.
    pub(super) fn requests(&self) -> Vec<String> {
        self.change(|state| state.requests.clone())
    }

    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let sent = body.collect().await.expect("a body").to_bytes();
                let sent = serde_json::from_slice(&sent).unwrap_or(Value::Null);
                let query = parts.uri.query().unwrap_or_default().to_owned();
                let path = parts.uri.path().to_owned();
                let method = parts.method.as_str().to_owned();
                Ok::<_, Infallible>(server.change(|state| state.answer(&method, &path, &query, sent)))
            }
        });
        Client::new(service, "shop")
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().expect("a state"))
    }
}

impl State {
    fn keep(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let version = self.version + 1_000;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{version}"));
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn answer(&mut self, method: &str, path: &str, query: &str, sent: Value) -> Answer {
        if self.away {
            return refusal(503, "ServiceUnavailable");
        }
        if query.contains("watch=true") {
            return Response::new(StreamBody::new(futures::stream::pending()).boxed_unsync());
        }
        if method == "GET" && is_list(path) {
            return whole(200, &self.list(path));
        }
        self.requests.push(format!("{method} {path}"));
        let of = path.trim_end_matches("/status");
        match (method, self.objects.get(of).cloned()) {
            ("POST", _) => {
                let name = sent["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                whole(201, &self.keep(&format!("{of}/{name}"), sent))
            }
            (_, None) => refusal(404, "NotFound"),
            ("GET", Some(object)) => whole(200, &object),
            (_, Some(mut object)) => {
                let meant = &sent["metadata"]["resourceVersion"];
                if !meant.is_null() && *meant != object["metadata"]["resourceVersion"] {
                    return refusal(409, "Conflict");
                }
                json_patch::merge(&mut object, &sent);
                whole(200, &self.keep(of, object))
            }
        }
    }

    fn list(&self, path: &str) -> Value {
        let (prefix, plural) = path.rsplit_once('/').unwrap_or_default();
        let kind = format!("/{plural}/");
        let here = self.objects.iter().filter(|(key, _)| key.starts_with(prefix) && key.contains(&kind));
        let items: Vec<&Value> = here.map(|(_, object)| object).collect();
        json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items})
    }
}

/// Whether a path is that of a collection: names come after their plurals.
fn is_list(path: &str) -> bool {
    let mut parts = path.trim_matches('/').split('/');
    let before = if parts.next() == Some("api") { 1 } else { 2 };
    parts.skip(before).count() % 2 == 1
}

fn refusal(code: u16, reason: &str) -> Answer {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code});
    whole(code, &status)
}

fn whole(code: u16, value: &Value) -> Answer {
    let text = Full::new(Bytes::from(value.to_string()));
    Response::builder().status(code).body(text.boxed_unsync()).expect("a response")
}

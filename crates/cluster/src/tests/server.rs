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

use crate::observe::tests::cluster::fields;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The server.
#[derive(Clone, Default)]
pub(crate) struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    /// Methods and paths, in order.
    requests: Vec<String>,
    manners: Vec<(&'static str, &'static str, Manner)>,
    /// Nothing is answered but that it isn't there.
    away: bool,
}

/// How a request is answered that isn't answered as it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manner {
    /// It is not carried out, and has no answer.
    Held,
    /// It is not carried out, and its answer is this one.
    Refused(u16),
    /// The same in these words.
    Told(u16, &'static str),
    /// There is no such path: no API server answers that with a status.
    Unserved,
    /// It is carried out, and its answer is this one.
    Lost(u16),
    /// The same without any answer.
    Unheard,
}

impl Manner {
    /// Whether the request is not carried out.
    const fn is_without_effect(self) -> bool {
        matches!(self, Self::Held | Self::Refused(_) | Self::Told(..) | Self::Unserved)
    }
}

impl Server {
    /// Puts an object there.
    pub(crate) fn put(&self, path: &str, object: Value) {
        self.change(|state| state.keep(path, object));
    }

    /// Takes an object away.
    pub(super) fn remove(&self, path: &str) {
        self.change(|state| state.objects.remove(path));
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

    /// From now on, requests of this method whose paths end so, or that have this parameter after a `?`.
    pub(super) fn answers(&self, method: &'static str, end: &'static str, manner: Manner) {
        self.change(|state| state.manners.push((method, end, manner)));
    }

    /// Answers all as it should again.
    pub(super) fn mend(&self) {
        self.change(|state| state.manners.clear());
    }

    pub(crate) fn client(&self) -> Client {
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
                let (answer, manner) = server.change(|state| {
                    let manner = state.manner(&method, &path, &query);
                    if manner.is_some_and(Manner::is_without_effect) {
                        state.requests.push(format!("{method} {path}"));
                        return (None, manner);
                    }
                    (Some(state.answer(&method, &path, &query, sent)), manner)
                });
                match (answer, manner) {
                    (Some(answer), None) => Ok::<_, Infallible>(answer),
                    (_, Some(Manner::Lost(code) | Manner::Refused(code))) => {
                        Ok(refusal(code, "InternalError"))
                    }
                    (_, Some(Manner::Told(code, words))) => Ok(refusal(code, words)),
                    (_, Some(Manner::Unserved)) => Ok(text(404, "404 page not found\n")),
                    _ => std::future::pending().await,
                }
            }
        });
        Client::new(service, "shop")
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().expect("a state"))
    }
}

impl State {
    /// What stays as it was keeps its version.
    fn keep(&mut self, path: &str, mut object: Value) -> Value {
        if self.objects.get(path) == Some(&object) {
            return object;
        }
        self.version += 1;
        let version = self.version + 1_000;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{version}"));
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn manner(&self, method: &str, path: &str, query: &str) -> Option<Manner> {
        let asks = |end: &str| match end.strip_prefix('?') {
            Some(parameter) => query.split('&').any(|found| found == parameter),
            None => path.ends_with(end),
        };
        let is = |(of, end, _): &&(&str, &str, Manner)| *of == method && asks(end);
        self.manners.iter().find(is).map(|(.., manner)| *manner)
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
            ("POST", _) => self.create(of, sent),
            ("PATCH", None) if is_apply(query) => self.apply(of, query, &sent, None),
            (_, None) => refusal(404, "NotFound"),
            ("GET", Some(object)) => whole(200, &object),
            ("DELETE", Some(object)) => self.delete(of, &object, &sent),
            ("PATCH", Some(object)) if is_apply(query) => self.apply(of, query, &sent, Some(object)),
            (_, Some(object)) => self.change(of, object, sent),
        }
    }

    fn create(&mut self, of: &str, sent: Value) -> Answer {
        let name = sent["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("{of}/{name}");
        if self.objects.contains_key(&path) {
            return refusal(409, "AlreadyExists");
        }
        whole(201, &self.keep(&path, sent))
    }

    /// What no finalizer holds is gone at once.
    fn delete(&mut self, of: &str, object: &Value, options: &Value) -> Answer {
        if !fits(object, &options["preconditions"]) {
            return refusal(409, "Conflict");
        }
        if object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty()) {
            let mut object = object.clone();
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            return whole(200, &self.keep(of, object));
        }
        self.objects.remove(of);
        whole(200, object)
    }

    /// Forced. Whose the fields are is noted, but not taken away from others.
    fn apply(&mut self, of: &str, query: &str, sent: &Value, there: Option<Value>) -> Answer {
        let uid = &sent["metadata"]["uid"];
        if !uid.is_null() && there.as_ref().is_none_or(|there| there["metadata"]["uid"] != *uid) {
            return refusal(409, "Conflict");
        }
        let manager = query.split('&').find_map(|part| part.strip_prefix("fieldManager="));
        let manager = manager.unwrap_or_default().replace("%2F", "/");
        let is_own = |entry: &Value| entry["manager"] == *manager && entry["operation"] == "Apply";
        let mut set = fields(sent);
        // Says which object is meant, and is nobody's.
        set["f:metadata"].as_object_mut().map(|metadata| metadata.remove("f:uid"));
        let own =
            json!({"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": set});
        let entries = there.as_ref().and_then(|there| there["metadata"]["managedFields"].as_array());
        let mut entries: Vec<Value> =
            entries.into_iter().flatten().filter(|entry| !is_own(entry)).cloned().collect();
        entries.push(own);
        let mut object = there.unwrap_or_default();
        json_patch::merge(&mut object, sent);
        object["metadata"]["managedFields"] = json!(entries);
        whole(200, &self.keep(of, object))
    }

    /// By a merge patch, a JSON patch or as a whole.
    fn change(&mut self, of: &str, mut object: Value, sent: Value) -> Answer {
        if !fits(&object, &sent["metadata"]) {
            return refusal(409, "Conflict");
        }
        if sent.is_array() {
            let patch: json_patch::Patch = serde_json::from_value(sent).expect("a patch");
            if json_patch::patch(&mut object, &patch.0).is_err() {
                return refusal(422, "Invalid");
            }
        } else {
            json_patch::merge(&mut object, &sent);
        }
        whole(200, &self.keep(of, object))
    }

    fn list(&self, path: &str) -> Value {
        let (prefix, plural) = path.rsplit_once('/').unwrap_or_default();
        let kind = format!("/{plural}/");
        let here = self.objects.iter().filter(|(key, _)| key.starts_with(prefix) && key.contains(&kind));
        let items: Vec<&Value> = here.map(|(_, object)| object).collect();
        json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items})
    }
}

/// Whether an object is the one and the version that is meant, as far as that is said.
fn fits(object: &Value, meant: &Value) -> bool {
    let same = |name: &str| meant[name].is_null() || meant[name] == object["metadata"][name];
    same("uid") && same("resourceVersion")
}

/// Only an apply may be forced.
fn is_apply(query: &str) -> bool {
    query.split('&').any(|parameter| parameter == "force=true")
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
    text(code, &value.to_string())
}

fn text(code: u16, text: &str) -> Answer {
    let text = Full::new(Bytes::from(text.to_owned()));
    Response::builder().status(code).body(text.boxed_unsync()).expect("a response")
}

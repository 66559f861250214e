//! An API server as far as the command line needs one: objects, a scripted answer to creating, and watches that show
//! what the test pushes. No network: it is the client's transport.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use teal_cli::connect::Cluster;

type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// What the server holds and does.
#[derive(Clone, Default)]
pub struct Server {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Rollouts in namespace shop.
    rollouts: Vec<Value>,
    /// Decisions that were created.
    decisions: Vec<Value>,
    /// What the operator says to a Decision once it is watched.
    ruling: Option<Value>,
    /// What later versions of the Rollout a watch shows.
    later: Vec<Value>,
    /// The code and message by which creating a Decision is refused.
    refusal: Option<(u16, &'static str, String)>,
    /// Whether the kinds of Teal exist.
    without_kinds: bool,
    /// Whether Decisions may be made but not looked at.
    hides_decisions: bool,
    /// What of Rollouts may not be looked at.
    hidden_rollouts: Hidden,
    /// What is kept of revisions.
    kept: Vec<Value>,
    /// Bodies of patches, with their queries.
    patches: Vec<(String, Value)>,
    /// Objects that aren't Teal's, by the path under which their kind is listed.
    others: Vec<(String, Value)>,
    /// Ends of paths that may not be read.
    forbidden: Vec<&'static str>,
    /// Open watches.
    watches: Vec<Sender<Bytes, Infallible>>,
    /// Methods and paths, in order.
    requests: Vec<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Hidden {
    #[default]
    Nothing,
    Watches,
    All,
}

impl Server {
    pub fn with(rollout: Value) -> Self {
        let server = Self::default();
        server.change(|state| state.rollouts.push(rollout));
        server
    }

    pub fn without_kinds() -> Self {
        let server = Self::default();
        server.change(|state| state.without_kinds = true);
        server
    }

    /// The operator answers each Decision so.
    pub fn ruling(self, status: &str, reason: &str, message: &str) -> Self {
        let condition = super::condition("Applied", status, reason, message);
        self.change(|state| state.ruling = Some(json!({"conditions": [condition]})));
        self
    }

    /// Watches of the Rollout show these one after the other.
    pub fn later(self, versions: Vec<Value>) -> Self {
        self.change(|state| state.later = versions);
        self
    }

    pub fn refuses(self, code: u16, reason: &'static str, message: &str) -> Self {
        self.change(|state| state.refusal = Some((code, reason, message.to_owned())));
        self
    }

    /// Decisions may be made but not looked at.
    pub fn hides_decisions(self) -> Self {
        self.change(|state| state.hides_decisions = true);
        self
    }

    /// A further Rollout.
    pub fn beside(self, rollout: Value) -> Self {
        self.change(|state| state.rollouts.push(rollout));
        self
    }

    /// Rollouts may not be looked at, or only not be watched.
    pub fn hides_rollouts(self, all: bool) -> Self {
        self.change(|state| state.hidden_rollouts = if all { Hidden::All } else { Hidden::Watches });
        self
    }

    /// The person has decided before.
    pub fn decided(self, decision: Value) -> Self {
        self.change(|state| state.decisions.push(decision));
        self
    }

    /// This is kept of a revision.
    pub fn keeps(self, revision: Value) -> Self {
        self.change(|state| state.kept.push(revision));
        self
    }

    /// An object that isn't Teal's. Its kind is served, as are those that every cluster has.
    pub fn has(self, plural: &str, object: Value) -> Self {
        let version = object["apiVersion"].as_str().expect("a version");
        let root = if version.contains('/') { "apis" } else { "api" };
        let path = format!("/{root}/{version}/namespaces/shop/{plural}");
        self.change(|state| state.others.push((path, object)));
        self
    }

    /// What ends so may not be read.
    pub fn forbids(self, end: &'static str) -> Self {
        self.change(|state| state.forbidden.push(end));
        self
    }

    /// What was written into Rollouts: queries and operations.
    pub fn patches(&self) -> Vec<(String, Value)> {
        self.change(|state| state.patches.clone())
    }

    pub fn decisions(&self) -> Vec<Value> {
        self.change(|state| state.decisions.clone())
    }

    pub fn requests(&self) -> Vec<String> {
        self.change(|state| state.requests.clone())
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().expect("a state"))
    }

    pub fn cluster(&self) -> Cluster {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let sent = body.collect().await.expect("a body").to_bytes();
                let uri = parts.uri.to_string();
                Ok::<_, Infallible>(server.change(|state| state.answer(parts.method.as_str(), &uri, &sent)))
            }
        });
        Cluster {
            client: Client::new(service, "shop"),
            namespace: "shop".to_owned(),
            patience: Duration::from_secs(5),
        }
    }
}

impl State {
    fn answer(&mut self, method: &str, uri: &str, sent: &Bytes) -> Response<Answer> {
        self.requests.push(format!("{method} {uri}"));
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let path = path.trim_start_matches("http://localhost");
        if path.ends_with("/selfsubjectreviews") {
            let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
                "status": {"userInfo": {"username": "jo@example.com", "groups": ["qa"]}}});
            return whole(201, &review);
        }
        if self.without_kinds {
            return Response::builder().status(404).body(full("404 page not found\n")).expect("a response");
        }
        if let Some(answer) = self.not_teals(method, path) {
            return answer;
        }
        match (method, path, query.contains("watch=true")) {
            (_, path, watch) if path.contains("/rollouts") && self.hides(watch) => {
                refusal(403, "Forbidden", "rollouts.teal.dev is forbidden: User cannot do so", "")
            }
            ("POST", _, _) => self.create(sent),
            ("PATCH", path, _) => self.patch(path, query, sent),
            (_, path, _) if path.ends_with("/controllerrevisions") => list("ControllerRevision", &self.kept),
            (_, path, _) if path.contains("/decisions") && self.hides_decisions => {
                refusal(403, "Forbidden", "decisions.teal.dev is forbidden: User cannot list resource", "")
            }
            (_, path, true) if path.ends_with("/decisions") => {
                let ruled = self.ruling.as_ref().map(|ruling| self.ruled(ruling, query));
                self.watch(ruled.unwrap_or_default())
            }
            (_, _, true) => {
                let later = std::mem::take(&mut self.later);
                self.watch(later)
            }
            (_, path, _) if path.ends_with("/decisions") => list("Decision", &self.selected(query)),
            (_, path, _) if path.ends_with("/rollouts") => {
                let here =
                    self.rollouts.iter().filter(|rollout| is_in(path, rollout) && is_named(query, rollout));
                list("Rollout", &here.cloned().collect::<Vec<Value>>())
            }
            _ => self.one(path),
        }
    }

    /// An answer about objects that aren't Teal's. A kind of which nothing is here exists where every cluster has it.
    fn not_teals(&self, method: &str, path: &str) -> Option<Response<Answer>> {
        if method != "GET" || path.contains("/teal.dev/") || path.contains("controllerrevisions") {
            return None;
        }
        if self.forbidden.iter().any(|end| path.ends_with(end)) {
            return Some(refusal(403, "Forbidden", "User cannot list resource", ""));
        }
        let here: Vec<Value> = self
            .others
            .iter()
            .filter(|(kind, _)| kind == path)
            .map(|(_, object)| without_kind(object))
            .collect();
        let usual =
            ["/api/v1/", "/apis/apps/", "/apis/autoscaling/", "/apis/policy/", "/apis/networking.k8s.io/"];
        let is_usual = usual.iter().any(|root| path.starts_with(root));
        let (kind, name) = path.rsplit_once('/')?;
        let is_list = kind.ends_with("/namespaces/shop");
        if is_list && (is_usual || !here.is_empty()) {
            return Some(list("Object", &here));
        }
        let found = self.others.iter().find(|(of, object)| of == kind && object["metadata"]["name"] == name);
        Some(match found {
            Some((_, object)) => whole(200, object),
            None if is_list => {
                Response::builder().status(404).body(full("404 page not found\n")).expect("a response")
            }
            None => refusal(404, "NotFound", &format!("{name:?} not found"), name),
        })
    }

    fn hides(&self, watch: bool) -> bool {
        self.hidden_rollouts == Hidden::All || (watch && self.hidden_rollouts == Hidden::Watches)
    }

    /// The Decisions with the name that is asked for.
    fn selected(&self, query: &str) -> Vec<Value> {
        self.decisions.iter().filter(|decision| is_named(query, decision)).cloned().collect()
    }

    /// The same, with what the operator said.
    fn ruled(&self, ruling: &Value, query: &str) -> Vec<Value> {
        let with = |mut decision: Value| {
            decision["status"] = ruling.clone();
            decision
        };
        self.selected(query).into_iter().map(with).collect()
    }

    fn create(&mut self, sent: &Bytes) -> Response<Answer> {
        if let Some((code, reason, message)) = &self.refusal {
            return refusal(*code, reason, message, "web");
        }
        let mut decision: Value = serde_json::from_slice(sent).expect("a Decision");
        if decision["metadata"]["name"].is_null() {
            let prefix =
                decision["metadata"]["generateName"].as_str().expect("a name or its beginning").to_owned();
            decision["metadata"]["name"] = json!(format!("{prefix}x1"));
        }
        decision["metadata"]["resourceVersion"] = json!("90");
        if self.decisions.iter().any(|other| other["metadata"]["name"] == decision["metadata"]["name"]) {
            return refusal(409, "AlreadyExists", "it already exists", "web");
        }
        self.decisions.push(decision.clone());
        whole(201, &decision)
    }

    /// Takes note of it, and answers with what is there.
    fn patch(&mut self, path: &str, query: &str, sent: &Bytes) -> Response<Answer> {
        if let Some((code, reason, message)) = &self.refusal {
            return refusal(*code, reason, message, "web");
        }
        let operations: Value = serde_json::from_slice(sent).expect("operations");
        self.patches.push((query.to_owned(), operations));
        self.one(path)
    }

    /// A watch that shows these versions and then stays open.
    fn watch(&mut self, versions: Vec<Value>) -> Response<Answer> {
        let (sender, channel) = Channel::<Bytes, Infallible>::new(64);
        let mut sender = sender;
        for object in versions {
            let kind = if object["deleted"] == true { "DELETED" } else { "MODIFIED" };
            let line = format!("{}\n", json!({"type": kind, "object": object}));
            sender.try_send(http_body::Frame::data(Bytes::from(line))).expect("room");
        }
        self.watches.push(sender);
        Response::new(channel.boxed_unsync())
    }

    fn one(&self, path: &str) -> Response<Answer> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let known = match path {
            path if path.contains("/decisions/") => &self.decisions,
            path if path.contains("/controllerrevisions/") => &self.kept,
            _ => &self.rollouts,
        };
        match known.iter().find(|object| object["metadata"]["name"] == name && is_in(path, object)) {
            Some(object) => whole(200, object),
            None => refusal(404, "NotFound", &format!("rollouts.teal.dev {name:?} not found"), name),
        }
    }
}

/// As it stands in a list.
fn without_kind(object: &Value) -> Value {
    let mut item = object.clone();
    for field in ["apiVersion", "kind"] {
        item.as_object_mut().map(|item| item.remove(field));
    }
    item
}

/// Whether the query asks for this name, or for none.
fn is_named(query: &str, object: &Value) -> bool {
    let name = object["metadata"]["name"].as_str().expect("a name");
    let asked = query.split('&').find(|part| part.starts_with("fieldSelector="));
    asked.is_none_or(|part| part == format!("fieldSelector=metadata.name%3D{name}"))
}

/// Whether the path leads to the object's namespace, or to all.
fn is_in(path: &str, object: &Value) -> bool {
    let namespace = path.split_once("/namespaces/").and_then(|(_, rest)| rest.split('/').next());
    namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace)
}

fn list(kind: &str, items: &[Value]) -> Response<Answer> {
    let list = json!({
        "apiVersion": "teal.dev/v1alpha1", "kind": format!("{kind}List"), "metadata": {"resourceVersion": "100"},
        "items": items,
    });
    whole(200, &list)
}

fn refusal(code: u16, reason: &str, message: &str, name: &str) -> Response<Answer> {
    whole(
        code,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason, "details": {"name": name, "group": "teal.dev", "kind": "rollouts"}, "code": code}),
    )
}

fn whole(code: u16, value: &Value) -> Response<Answer> {
    let text = serde_json::to_vec(value).expect("JSON");
    Response::builder().status(code).body(full(text)).expect("a response")
}

fn full(text: impl Into<Bytes>) -> Answer {
    Full::new(text.into()).boxed_unsync()
}

use std::convert::Infallible;
use std::sync::Mutex;

use bytes::Bytes;
use futures::channel::mpsc;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::access::Access;
use crate::stores::{Pokes, Stores};

const GROUP: &str = "/apis/networking.istio.io";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const KIND: Known = kinds::VIRTUAL_SERVICE;
/// No test takes so long, or it hangs.
const PATIENCE: Duration = Duration::from_secs(20);
const PACE: Pace = Pace { first: Duration::from_millis(2), longest: Duration::from_millis(20), tries: 10 };

/// What an API server says of kinds, and nothing else.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: BTreeMap<String, (u16, Value)>,
    watches: BTreeMap<String, mpsc::UnboundedSender<Bytes>>,
    asked: Vec<String>,
}

impl Server {
    /// From now on.
    fn says(&self, path: &str, code: u16, value: Value) {
        self.change(|state| state.answers.insert(path.to_owned(), (code, value)));
    }

    /// The definition is there, the kind served at this version, and one object of it.
    fn serves(&self, version: &str) {
        self.says(GROUP, 200, json!({"preferredVersion": {"version": version}}));
        self.says(&format!("{GROUP}/{version}"), 200, json!({"resources": [{"name": KIND.plural}]}));
        self.says(
            &objects(version),
            200,
            list(&json!({"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "5"})),
        );
    }

    /// The definition is written again.
    fn edits(&self, generation: i64) {
        let object = json!({"metadata": edition(generation)});
        self.change(|state| {
            let watch = state.watches.get(DEFINITIONS).expect("a watch");
            let line = format!("{{\"type\":\"MODIFIED\",\"object\":{object}}}\n");
            watch.unbounded_send(line.into()).expect("somebody watches");
        });
    }

    /// Watches of this path end, as they do now and then.
    fn hangs_up(&self, path: &str) {
        self.change(|state| state.watches.remove(path).expect("a watch"));
    }

    fn asked(&self, path: &str) -> usize {
        self.change(|state| state.asked.iter().filter(|asked| *asked == path).count())
    }

    fn watched(&self, path: &str) -> bool {
        self.change(|state| state.watches.contains_key(path))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().expect("a state"))
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default());
            let answer = server.change(|state| state.answer(&path, query.contains("watch=true")));
            std::future::ready(Ok::<_, Infallible>(answer))
        });
        Client::new(service, "shop")
    }
}

impl State {
    fn answer(&mut self, path: &str, watch: bool) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        self.asked.push(path.to_owned());
        let (code, value) = self.answers.get(path).cloned().unwrap_or((404, Value::Null));
        if watch && code == 200 {
            let (out, lines) = mpsc::unbounded();
            self.watches.insert(path.to_owned(), out);
            let frames = lines.then(async |line| Full::new(line).frame().await.expect("a frame"));
            return Response::new(StreamBody::new(frames).boxed_unsync());
        }
        let reason = match code {
            403 => "Forbidden",
            404 => "NotFound",
            _ => "ServiceUnavailable",
        };
        let failure = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": reason, "reason": reason, "code": code});
        let value = if code == 200 { value } else { failure };
        let text = Full::new(Bytes::from(value.to_string()));
        Response::builder().status(code).body(text.boxed_unsync()).expect("a response")
    }
}

fn objects(version: &str) -> String {
    format!("{GROUP}/{version}/{}", KIND.plural)
}

fn list(metadata: &Value) -> Value {
    json!({"metadata": {"resourceVersion": "7"}, "items": [{"metadata": metadata}]})
}

fn edition(generation: i64) -> Value {
    json!({"name": definition(KIND), "uid": "d", "generation": generation, "resourceVersion": "9"})
}

/// The stores of one that follows what this server says, whose API group has a definition.
fn follow(server: &Server) -> (Arc<Stores>, JoinSet<()>) {
    server.says(DEFINITIONS, 200, list(&edition(1)));
    let stores = Arc::new(Stores::new());
    let (pokes, _) = Pokes::new();
    let watches = Watches {
        access: Arc::new(Access::new(server.client(), PATIENCE)),
        stores: Arc::clone(&stores),
        pokes,
        namespace: None,
        stop: None,
        instance: String::new(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::new(watches).follow_optional(PACE));
    (stores, tasks)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited too long for {what}"));
}

fn has_web(stores: &Stores) -> bool {
    stores.virtual_services.get("shop", "web").is_some()
}

#[tokio::test]
async fn a_group_that_can_not_be_asked_about_is_not_taken_for_absent() {
    let server = Server::default();
    server.says(GROUP, 503, Value::Null);
    let (stores, _tasks) = follow(&server);
    until("more tries than make a kind absent", || server.asked(GROUP) > 2 * 10).await;
    assert!(!stores.virtual_services.is_ready(), "nothing is planned on what isn't known");
    server.serves("v1");
    until("the route", || has_web(&stores)).await;
    assert_eq!(stores.served(KIND).as_deref(), Some("v1"));
}

#[tokio::test]
async fn a_kind_that_the_server_says_it_has_not_is_absent() {
    let server = Server::default();
    let (stores, _tasks) = follow(&server);
    until("an end", || stores.virtual_services.is_ready()).await;
    assert_eq!((stores.served(KIND), stores.refused(KIND)), (None, false));
    let asked = server.asked(GROUP);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.asked(GROUP), asked, "waiting for it costs no request");
    server.serves("v1");
    server.edits(1);
    until("the route", || has_web(&stores)).await;
}

#[tokio::test]
async fn what_may_not_be_read_is_known_to_be_refused_until_it_may() {
    let server = Server::default();
    server.serves("v1");
    server.says(&objects("v1"), 403, Value::Null);
    let (stores, _tasks) = follow(&server);
    until("a refusal", || stores.refused(KIND)).await;
    assert!(stores.virtual_services.is_ready(), "everything else goes on");
    assert_eq!(stores.served(KIND).as_deref(), Some("v1"), "it is there all the same");
    server.serves("v1");
    until("the route", || has_web(&stores)).await;
    assert!(!stores.refused(KIND));
}

#[tokio::test]
async fn a_version_that_is_served_no_longer_gives_way_to_another() {
    for told in [true, false] {
        let server = Server::default();
        server.serves("v1beta1");
        let (stores, _tasks) = follow(&server);
        let former = objects("v1beta1");
        until("a watch", || server.watched(&former) && has_web(&stores)).await;
        server.serves("v1");
        server.says(&former, 404, Value::Null);
        if told {
            server.edits(2);
        } else {
            server.hangs_up(&former);
        }
        until("the other version", || server.watched(&objects("v1"))).await;
        assert_eq!(stores.served(KIND).as_deref(), Some("v1"), "told of an edit: {told}");
        assert!(has_web(&stores), "it was there all the time");
    }
}

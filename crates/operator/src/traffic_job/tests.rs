//! The Job against a stand-in for the API server on loopback, which keeps one VirtualService and fails as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clap::Parser;
use serde_json::{Value, json};
use teal_traffic::Mesh;

use super::access::Access;
use super::arguments::{Set, Traffic};
use super::error::{Error, Exit};
use super::outcome::Outcome;
use super::{change, look, set};
use crate::arguments::{Arguments, Command};

/// What becomes of a request.
#[derive(Clone)]
enum Manner {
    /// Another hand writes first.
    Raced(fn(&mut Value)),
    /// Refused with this code and sentence.
    Refused(u16, &'static str),
    /// Carried out, and the answer says that something went wrong.
    Lost,
    /// No answer in time, and nothing is done.
    Silent,
}

struct Server {
    object: Value,
    rollouts: Result<Vec<Value>, u16>,
    /// Of the next requests of a kind; none: as it should be.
    reads: VecDeque<Manner>,
    writes: VecDeque<Manner>,
    /// The queries of all writes.
    written: Vec<String>,
    /// Another hand's, after a write was carried out.
    then: Option<fn(&mut Value)>,
}

type Shared = Arc<Mutex<Server>>;

fn touch(object: &mut Value) {
    let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
}

fn status(code: u16, message: &str) -> Response {
    let code = StatusCode::from_u16(code).unwrap();
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code.as_u16()});
    (code, Json(body)).into_response()
}

async fn read(State(shared): State<Shared>) -> Response {
    let manner = shared.lock().unwrap().reads.pop_front();
    match manner {
        Some(Manner::Refused(code, message)) => status(code, message),
        Some(Manner::Silent) => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            status(500, "too late")
        }
        _ => Json(shared.lock().unwrap().object.clone()).into_response(),
    }
}

async fn write(State(shared): State<Shared>, RawQuery(query): RawQuery, body: String) -> Response {
    let manner = {
        let mut server = shared.lock().unwrap();
        server.written.push(query.clone().unwrap_or_default());
        server.writes.pop_front()
    };
    match &manner {
        Some(Manner::Refused(code, message)) => return status(*code, message),
        Some(Manner::Silent) => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return status(500, "too late");
        }
        Some(Manner::Raced(hand)) => {
            let mut server = shared.lock().unwrap();
            hand(&mut server.object);
            touch(&mut server.object);
        }
        Some(Manner::Lost) | None => {}
    }
    let patch: teal_traffic::Patch = serde_json::from_str(&body).unwrap();
    let mut server = shared.lock().unwrap();
    let mut next = server.object.clone();
    if json_patch::patch(&mut next, &patch.0).is_err() {
        return status(422, "the server rejected our request due to an error in our request");
    }
    touch(&mut next);
    if query.is_some_and(|query| query.contains("dryRun=All")) {
        return Json(next).into_response();
    }
    server.object = next.clone();
    if let Some(hand) = server.then.take() {
        hand(&mut server.object);
        touch(&mut server.object);
    }
    if matches!(manner, Some(Manner::Lost)) {
        status(504, "gateway timeout")
    } else {
        Json(next).into_response()
    }
}

async fn rollouts(State(shared): State<Shared>) -> Response {
    match &shared.lock().unwrap().rollouts {
        Ok(items) => {
            let list = json!({"apiVersion": "teal.dev/v1alpha1", "kind": "RolloutList", "metadata": {}, "items": items});
            Json(list).into_response()
        }
        Err(404) => status(404, "the server could not find the requested resource"),
        Err(code) => status(*code, "rollouts.teal.dev is forbidden"),
    }
}

fn virtual_service() -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"},
        "spec": {"hosts": ["web"], "http": [{"name": "primary", "route": [
            {"destination": {"host": "blue"}, "weight": 100}, {"destination": {"host": "green"}, "weight": 0}]}]},
    })
}

struct World {
    shared: Shared,
    access: Access,
}

async fn world() -> World {
    let server = Server {
        object: virtual_service(),
        rollouts: Ok(Vec::new()),
        reads: VecDeque::new(),
        writes: VecDeque::new(),
        written: Vec::new(),
        then: None,
    };
    let shared = Arc::new(Mutex::new(server));
    let router = Router::new()
        .route("/apis/networking.istio.io/v1/namespaces/shop/virtualservices/web", get(read).patch(write))
        .route("/apis/teal.dev/v1alpha1/namespaces/shop/rollouts", get(rollouts))
        .with_state(Arc::clone(&shared));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut config = kube::Config::new(url.parse().unwrap());
    config.default_retry = false;
    let client = kube::Client::try_from(config).unwrap();
    let access = Access::new(client, "shop".into(), "web".into(), Duration::from_millis(300));
    World { shared, access }
}

/// `teal traffic set` with these words behind what is the same each time.
fn asked(more: &[&str]) -> Set {
    let words = ["teal", "traffic", "set", "--namespace=shop", "--virtual-service=web"];
    match Arguments::parse_from(words.iter().chain(more)).command {
        Command::Traffic(Traffic::Set(set)) => set,
        other => panic!("{other:?}"),
    }
}

impl World {
    async fn set(&self, more: &[&str]) -> Result<Outcome, Error> {
        set::set(&self.access, &Mesh::default(), &asked(more)).await
    }

    async fn ends(&self, more: &[&str]) -> (Exit, String) {
        let error = self.set(more).await.unwrap_err();
        (error.exit(), error.to_string())
    }

    fn writes(&self, manners: impl IntoIterator<Item = Manner>) {
        self.shared.lock().unwrap().writes = manners.into_iter().collect();
    }

    fn written(&self) -> Vec<String> {
        self.shared.lock().unwrap().written.clone()
    }

    fn weights(&self) -> [i64; 2] {
        let server = self.shared.lock().unwrap();
        [0, 1].map(|place| server.object["spec"]["http"][0]["route"][place]["weight"].as_i64().unwrap())
    }
}

const TEN: [&str; 2] = ["--weight=blue=90", "--weight=green=10"];

#[tokio::test]
async fn weights_are_written_once_and_told() {
    let world = world().await;
    let outcome = world.set(&TEN).await.unwrap();
    let line = outcome.line(&world.access, &asked(&TEN));
    let expected = json!({
        "virtualService": "shop/web", "changed": true, "dryRun": false, "attempts": 1, "rolloutsSeen": true,
        "resourceVersion": "8",
        "routes": [{"route": "primary", "index": 0,
            "was": [{"host": "blue", "weight": 100}, {"host": "green", "weight": 0}],
            "is": [{"host": "blue", "weight": 90}, {"host": "green", "weight": 10}]}],
    });
    assert_eq!(line, expected);
    assert_eq!(world.weights(), [90, 10]);
    let again = world.set(&TEN).await.unwrap();
    assert!(!again.changed);
    assert_eq!(world.written(), ["&fieldManager=teal-traffic"], "what is so already is not written");
}

#[tokio::test]
async fn a_dry_run_is_sent_as_one() {
    let world = world().await;
    let outcome = world.set(&["blue=0", "green=100", "--dry-run"]).await.unwrap();
    assert!(outcome.changed);
    assert_eq!(outcome.is[0].destinations[1].weight, 100);
    assert!(world.written()[0].contains("dryRun=All"), "{:?}", world.written());
    assert_eq!(world.weights(), [100, 0]);
}

#[tokio::test]
async fn another_writer_is_looked_at_anew() {
    let world = world().await;
    world.writes([
        Manner::Raced(|object| object["metadata"]["labels"] = json!({"team": "shop"})),
        Manner::Raced(|object| object["spec"]["http"][0]["route"][0]["weight"] = json!(99)),
    ]);
    let outcome = world.set(&TEN).await.unwrap();
    assert_eq!((outcome.attempts, world.weights()), (3, [90, 10]));
    assert_eq!(world.shared.lock().unwrap().object["metadata"]["labels"]["team"], "shop");
    assert_eq!(outcome.was[0].destinations[0].weight, 99, "as it was before the write that was carried out");
}

#[tokio::test]
async fn writers_that_never_rest_end_it_after_its_attempts() {
    let world = world().await;
    world.writes(vec![Manner::Raced(|object| object["metadata"]["labels"] = json!({})); 9]);
    let (exit, said) = world.ends(&["blue=90", "green=10", "--attempts=2"]).await;
    assert_eq!(exit, Exit::Busy);
    assert!(said.contains("VirtualService shop/web was written by others at each of 2 attempts"), "{said}");
    assert_eq!((world.written().len(), world.weights()), (2, [100, 0]));
}

/// A Rollout that begins between the look and the write has changed the version, and is seen.
#[tokio::test]
async fn a_rollout_that_comes_between_is_left_alone() {
    let world = world().await;
    world.writes([Manner::Raced(|object| {
        object["metadata"]["annotations"] =
            json!({"saved.teal.dev/uid-1": "{}", "epoch.teal.dev/uid-1": "3"});
    })]);
    let (exit, said) = world.ends(&TEN).await;
    assert_eq!(exit, Exit::Managed, "{said}");
    assert_eq!(world.weights(), [100, 0]);
}

#[tokio::test]
async fn what_a_rollout_manages_is_not_written() {
    let world = world().await;
    world.shared.lock().unwrap().rollouts = Ok(vec![json!({
        "apiVersion": "teal.dev/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "front", "namespace": "shop", "uid": "u"},
        "spec": {"traffic": {"services": [{"name": "web"}], "virtualServices": [{"name": "web"}]}},
    })]);
    let (exit, said) = world.ends(&TEN).await;
    assert_eq!(exit, Exit::Managed);
    assert!(said.contains("Rollout shop/front") && said.contains("by a Decision"), "{said}");
    assert_eq!(world.written(), [""; 0]);
    let Command::Traffic(Traffic::Get(get)) =
        Arguments::parse_from(["teal", "traffic", "get", "--virtualservice", "web"]).command
    else {
        panic!("another command");
    };
    let seen = look(&world.access, &get).await.unwrap();
    assert_eq!(seen["managed"], said);
    assert_eq!(seen["routes"][0]["destinations"][0], json!({"host": "blue", "weight": 100}));
}

#[tokio::test]
async fn without_the_right_to_see_rollouts_or_without_teal_it_goes_by_the_object() {
    for (code, seen) in [(403, false), (404, true)] {
        let world = world().await;
        world.shared.lock().unwrap().rollouts = Err(code);
        let outcome = world.set(&TEN).await.unwrap();
        assert_eq!((outcome.rollouts_seen, world.weights()), (seen, [90, 10]));
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    for manner in [Manner::Lost, Manner::Refused(503, "no leader"), Manner::Silent] {
        let world = world().await;
        world.writes([manner.clone()]);
        let outcome = world.set(&TEN).await.unwrap();
        assert!(outcome.changed);
        assert_eq!((outcome.attempts, world.weights()), (2, [90, 10]));
        assert_eq!(outcome.was[0].destinations[0].weight, 100, "as it was before the write that was lost");
        let written = if matches!(manner, Manner::Lost) { 1 } else { 2 };
        assert_eq!(world.written().len(), written);
    }
}

#[tokio::test]
async fn a_server_without_answers_ends_it_and_says_what_is_known() {
    let world = world().await;
    world.shared.lock().unwrap().reads = vec![Manner::Silent; 3].into();
    let (exit, said) = world.ends(&["blue=90", "green=10", "--attempts=2"]).await;
    assert_eq!(exit, Exit::Failed);
    assert!(said.contains("no answer within 300ms") && said.contains("nothing was changed"), "{said}");
    let world = self::world().await;
    world.writes(vec![Manner::Silent; 2]);
    let (exit, said) = world.ends(&["blue=90", "green=10", "--attempts=1"]).await;
    assert_eq!(exit, Exit::Failed);
    assert!(said.contains("is not known"), "{said}");
}

#[tokio::test]
async fn refusals_have_their_codes_and_their_words() {
    let webhook = "admission webhook \"vet.example.com\" denied the request: no changes on Friday";
    for (code, exit, says) in [
        (403, Exit::Denied, "get and patch"),
        (422, Exit::Denied, "refused the weights"),
        (400, Exit::Denied, "Friday"),
    ] {
        let world = world().await;
        world.writes([Manner::Refused(code, webhook)]);
        let (ended, said) = world.ends(&TEN).await;
        assert_eq!(ended, exit, "{said}");
        assert!(
            said.contains("VirtualService shop/web") && said.contains(webhook) && said.contains(says),
            "{said}"
        );
        assert_eq!(world.written().len(), 1, "it is not tried again");
    }
    for (code, message, exit, says) in [
        (403, "forbidden: no get", Exit::Denied, "refuses to get it"),
        (
            404,
            "virtualservices.networking.istio.io \"web\" not found",
            Exit::Refused,
            "correct --virtual-service",
        ),
    ] {
        let world = world().await;
        world.shared.lock().unwrap().reads = [Manner::Refused(code, message)].into();
        let (ended, said) = world.ends(&TEN).await;
        assert_eq!(ended, exit);
        assert!(said.contains(says), "{said}");
    }
    let world = world().await;
    let (exit, said) = world.ends(&["--weight=blue=90"]).await;
    assert_eq!(exit, Exit::Refused);
    assert!(said.contains("would sum to 90"), "{said}");
}

#[tokio::test]
async fn while_it_stays_another_hand_is_noticed_and_named() {
    let words = ["blue=90", "green=10", "--wait=600ms"];
    let world = world().await;
    change(&world.access, &Mesh::default(), &asked(&words)).await.unwrap();

    let world = self::world().await;
    world.shared.lock().unwrap().then = Some(|object| {
        object["spec"]["http"][0]["route"][0]["weight"] = json!(100);
        object["spec"]["http"][0]["route"][1]["weight"] = json!(0);
        object["metadata"]["managedFields"] =
            json!([{"manager": "argocd", "operation": "Apply", "fieldsV1": {"f:spec": {"f:http": {}}}}]);
    });
    let asked = asked(&words);
    let mut outcome = set::set(&world.access, &Mesh::default(), &asked).await.unwrap();
    let stayed =
        set::stay(&world.access, &Mesh::default(), &asked, &mut outcome, Duration::from_millis(600)).await;
    let error = stayed.unwrap_err();
    assert_eq!(error.exit(), Exit::Overwritten);
    assert!(error.to_string().contains("written by argocd"), "{error}");
    let line = outcome.line(&world.access, &asked);
    assert_eq!((&line["kept"], &line["waited"]), (&json!(false), &json!("600ms")));
    assert_eq!(line["routes"][0]["is"][0]["weight"], 100, "what is now");
}

#[test]
fn the_command_line_is_understood_in_both_forms() {
    let by_flags = asked(&["--route", "primary", "--weight", "blue=90", "--weight", "green+v2=10", "--wait"]);
    let as_words = asked(&["--route=primary", "blue=90", "green+v2=10", "--wait=2s"]);
    assert_eq!(by_flags.wish(), as_words.wish());
    assert_eq!(by_flags.wait, Some(Duration::from_secs(2)));
    assert_eq!((by_flags.wait, by_flags.attempts), (as_words.wait, 8));
    let refused = |words: &[&str]| {
        let before = ["teal", "traffic", "set", "--virtual-service=web"];
        let error = Arguments::try_parse_from(before.iter().chain(words)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    };
    assert!(refused(&[]).contains("--weight"));
    assert!(refused(&["blue"]).contains("write HOST=WEIGHT"));
    assert!(refused(&["blue=101"]).contains("a whole number from 0 to 100"));
    assert!(refused(&["blue=100", "--dry-run", "--wait"]).contains("cannot be used with"));
    assert!(refused(&["blue=100", "--attempts=0"]).contains("1..=100"));
    assert!(Arguments::try_parse_from(["teal", "traffic", "set", "blue=100"]).is_err(), "of what?");
}

/// Whoever copies an example gets a Job that is understood, in the image's words.
#[test]
fn the_examples_are_understood_and_the_page_has_each_exit_code() {
    let page = include_str!("../../../../docs/reference/traffic-job.md");
    for line in super::error::HELP.lines().skip(1) {
        let (code, means) = line.trim().split_once("  ").unwrap();
        assert!(page.contains(&format!("| {code} | {means} |")), "{line}");
    }
    let examples = [
        include_str!("../../../../examples/traffic-job/job.yaml"),
        include_str!("../../../../examples/traffic-job/with-a-test.yaml"),
    ];
    let mut commands = 0;
    for text in examples {
        let job: Value = serde_yaml::from_str(text).unwrap();
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["serviceAccountName"], "traffic-job");
        let containers = [&pod["initContainers"], &pod["containers"]];
        let ours = containers.into_iter().filter_map(Value::as_array).flatten();
        for container in ours.filter(|one| one["image"].as_str().unwrap().starts_with("teal.dev/teal:")) {
            let words = container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
            let parsed = Arguments::try_parse_from(std::iter::once("teal").chain(words)).unwrap();
            assert!(matches!(parsed.command, Command::Traffic(Traffic::Set(_))));
            commands += 1;
        }
    }
    assert_eq!(commands, 3);
}

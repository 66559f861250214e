use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use super::server::{Manner, Server};
use super::{PATH, REQUEST_TIMEOUT, ROUTE, patches, path_of, recall, served};
use crate::checks::{Measuring, Unmeasured};
use crate::cluster::Cluster;
use crate::config::Config;
use crate::execute::{Order, execute};
use crate::kinds;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::{Next, Reconciler, now};
use crate::stores::{ObjectId, PodView, Stores};
use teal_api::names::manager;
use teal_plan::{Color, Effect, Time};

/// What is logged, line by line.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(super) fn all(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A live release, and another image wanted since.
fn released() -> (String, Server, Reconciler) {
    let mut hand = Hand::new();
    hand.install();
    let live = hand.slot(Color::Blue).revision.to_string();
    hand.spec("/release/manifests/0/spec/template/spec/containers/0/image", json!("web:2"));
    let (server, reconciler) = served(hand);
    (live, server, reconciler)
}

async fn look(reconciler: &Reconciler) -> Next {
    reconciler.reconcile(&ObjectId::new("shop", "web")).await
}

/// Until there is nothing to be done at once.
async fn rest(server: &Server, reconciler: &Reconciler) {
    for _ in 0..10 {
        let next = look(reconciler).await;
        if !matches!(next, Next::Urgent | Next::After(Duration::ZERO)) {
            return;
        }
    }
    panic!("it finds no rest: {:#?}", server.requests());
}

/// At rest nothing else would make anyone look, and what stays makes no change.
#[tokio::test]
async fn a_pod_that_is_being_deleted_is_looked_at_when_its_grace_is_over() {
    let mut hand = Hand::new();
    hand.install();
    let (server, reconciler) = served(hand);
    rest(&server, &reconciler).await;
    assert_eq!(look(&reconciler).await, Next::Change);
    let pods = &reconciler.tools.stores.pods;
    let pod = pods.get("shop", "pod-1").expect("a pod");
    let due = Time(now().0 + 200_000);
    pods.offer(PodView { terminating: Some(due), version: pod.version + 1_000, ..(*pod).clone() });
    let Next::After(wait) = look(&reconciler).await else { panic!("nobody looks") };
    assert!((Duration::from_secs(150)..=Duration::from_secs(200)).contains(&wait), "{wait:?}");
}

/// The same look tells of it, so that what is in the way stops the clock at once; and no answer is asked for at every look.
#[tokio::test]
async fn why_pods_are_not_made_is_asked_where_they_have_been_lacking_for_a_while() {
    let mut hand = Hand::new();
    hand.install();
    hand.alter_any(kinds::DEPLOYMENT, "web-blue", |view| {
        (view.uid, view.lacks_pods) = ("blue".to_owned(), true);
    });
    let (server, reconciler) = served(hand);
    let message = "create Pod web-blue-0 in StatefulSet web-blue failed error: pods \"web-blue-0\" is forbidden: \
        exceeded quota: team";
    server.put(
        "/api/v1/namespaces/shop/events/web-blue.1",
        json!({"metadata": {"name": "web-blue.1"}, "reason": "FailedCreate", "message": message,
            "lastTimestamp": "2026-11-27T10:00:00Z"}),
    );
    let asked = || {
        let requests = reconciler.tools.access.requests();
        requests.get(&("list", "Event".to_owned())).copied().unwrap_or(0)
    };
    rest(&server, &reconciler).await;
    let waits = |next: Next, seconds: std::ops::RangeInclusive<u64>| {
        let Next::After(wait) = next else { panic!("nobody looks") };
        assert!(seconds.contains(&wait.as_secs()), "{wait:?}");
    };
    waits(look(&reconciler).await, 3..=5);
    assert_eq!(asked(), 0, "a moment is given");
    let view = reconciler.tools.stores.object("apps", "Deployment", "shop", "web-blue").unwrap();
    let failure = || recall(&reconciler, |memory| memory.refusals.failure(&view).map(str::to_owned));
    assert_eq!(failure(), None);
    let earlier = Time(now().0 - 5_000);
    recall(&reconciler, |memory| {
        memory.refusals.note([], earlier);
        memory.refusals.note([view.as_ref()], earlier);
    });
    rest(&server, &reconciler).await;
    assert_eq!(failure().as_deref(), Some("its pods are refused: exceeded quota: team"));
    waits(look(&reconciler).await, 25..=30);
    assert_eq!(asked(), 1);
}

/// An account that was given its rights before there was this one goes on as before.
#[tokio::test]
async fn who_may_not_read_events_tells_nothing_of_pods_that_are_not_made_and_fails_in_nothing() {
    let mut hand = Hand::new();
    hand.install();
    hand.alter_any(kinds::DEPLOYMENT, "web-blue", |view| view.lacks_pods = true);
    let (server, reconciler) = served(hand);
    server.answers("GET", "/events", Manner::Refused(403));
    rest(&server, &reconciler).await;
    let view = reconciler.tools.stores.object("apps", "Deployment", "shop", "web-blue").unwrap();
    let earlier = Time(now().0 - 5_000);
    recall(&reconciler, |memory| {
        memory.refusals.note([], earlier);
        memory.refusals.note([view.as_ref()], earlier);
    });
    let Next::After(wait) = look(&reconciler).await else { panic!("nobody looks") };
    assert!((25..=30).contains(&wait.as_secs()), "{wait:?}");
    assert_eq!(reconciler.tools.access.requests().get(&("list", "Event".to_owned())), Some(&1));
    recall(&reconciler, |memory| assert_eq!((memory.failures, memory.refusals.failure(&view)), (0, None)));
}

fn owners(server: &Server, service: &str) -> Value {
    server.object(&path_of(service)).unwrap()["metadata"]["ownerReferences"].clone()
}

/// What is logged from here on in this thread.
pub(super) fn logged() -> (Lines, tracing::subscriber::DefaultGuard) {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(lines.clone())
        .finish();
    (lines, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn what_is_logged_in_a_look_stands_in_a_span_with_rollout_revision_and_epoch() {
    let (live, _server, reconciler) = released();
    let (lines, logging) = logged();
    look(&reconciler).await;
    drop(logging);

    let lines = lines.all();
    let committed = lines.iter().find(|line| line["fields"]["message"] == "committed");
    let committed = committed.unwrap_or_else(|| panic!("nothing was committed: {lines:?}"));
    let span = json!({"name": "look", "rollout": "shop/web", "revision": live, "epoch": 1});
    assert_eq!(committed["span"], span);
    assert_eq!(committed["fields"]["epoch"], 2, "the transition's own");
    assert!(
        committed["fields"]["says"].as_str().is_some_and(|says| says.contains("step canary")),
        "{committed}"
    );
}

#[tokio::test]
async fn metrics_have_the_words_of_status() {
    let (_, server, reconciler) = released();
    look(&reconciler).await;
    let written = server.object(PATH).unwrap()["status"].clone();
    look(&reconciler).await;
    let figures = reconciler.watching.read();
    let web = figures.rollouts.first().expect("figures of the Rollout");
    assert_eq!(
        (written["phase"].as_str(), written["step"]["name"].as_str()),
        (Some("Preparing"), Some("canary"))
    );
    assert_eq!((Some(web.phase), web.step.as_deref()), (Some("Preparing"), Some("canary")));
    assert_eq!((web.weight, web.stalled.as_deref()), (0, None));
}

#[tokio::test]
async fn a_deadline_stands_in_status_while_its_time_counts() {
    for (mode, told) in [("Active", true), ("Paused", false), ("HandsOff", false)] {
        let mut hand = Hand::new();
        hand.install();
        hand.start_candidate(10);
        hand.deadline(Time(now().0 + 3_600_000));
        hand.field("mode", json!(mode));
        let (server, reconciler) = served(hand);
        for _ in 0..4 {
            look(&reconciler).await;
        }
        let candidate = server.object(PATH).unwrap()["status"]["candidate"].clone();
        assert_eq!(
            (candidate["color"].as_str(), candidate["deadline"].is_string()),
            (Some("green"), told),
            "{mode}"
        );
    }
}

/// At rest; the spec says that what serves goes with the Rollout, and nothing does yet.
fn unowned() -> Hand {
    let mut hand = Hand::new();
    hand.install();
    hand.field("onDelete", json!("DeleteAll"));
    hand
}

#[tokio::test]
async fn a_service_of_somebody_else_never_goes_with_the_rollout() {
    let mut hand = unowned();
    hand.edit("web", |service| {
        service["metadata"]["labels"] = json!({});
        service["spec"]["selector"] = json!({"app": "theirs"});
    });
    let (server, reconciler) = served(hand);
    rest(&server, &reconciler).await;
    assert_eq!(owners(&server, "web-candidate")[0]["kind"], "Rollout");
    assert_eq!(owners(&server, "web"), Value::Null);
}

/// As an earlier fault of ours left it.
#[tokio::test]
async fn what_was_written_on_a_service_of_somebody_else_is_taken_off() {
    let mut hand = unowned();
    hand.edit("web", |service| {
        let uid = service["metadata"]["labels"]["teal.dev/rollout-uid"].clone();
        service["metadata"]["labels"] = json!({});
        service["spec"]["selector"] = json!({"app": "theirs"});
        service["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "teal.dev/v1alpha1", "kind": "Rollout", "name": "web", "uid": uid}]);
    });
    let (server, reconciler) = served(hand);
    rest(&server, &reconciler).await;
    assert_eq!(owners(&server, "web").as_array().map_or(0, Vec::len), 0);
}

#[tokio::test]
async fn what_can_not_be_kept_up_comes_after_what_was_decided_and_rests_after_its_try() {
    let mut hand = unowned();
    hand.spec("/release/manifests/0/spec/template/spec/containers/0/image", json!("web:2"));
    let (server, reconciler) = served(hand);
    server.answers("PATCH", "/services/web", Manner::Held);
    look(&reconciler).await;
    assert_eq!(patches(&server), [format!("PATCH {PATH}/status")]);

    // While pods are waited for, the live Service is given what its companion must have, too.
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    hand.deadline(Time(now().0 + 3_600_000));
    let (server, reconciler) = served(hand);
    for _ in 0..4 {
        look(&reconciler).await;
    }
    let mut live = server.object(&path_of("web")).unwrap();
    live["spec"]["sessionAffinity"] = json!("ClientIP");
    server.put(&path_of("web"), live);
    reconciler.tools.stores.offer(kinds::SERVICE, &server.object(&path_of("web")).unwrap());
    server.answers("PATCH", "/services/web-candidate", Manner::Held);
    let before = now();
    look(&reconciler).await;
    let (_, again) = recall(&reconciler, |memory| memory.kept).expect("a failure");
    assert!(again > before + REQUEST_TIMEOUT, "the pause comes after the try, which took longer than it");
    assert_eq!(patches(&server).last(), Some(&format!("PATCH {}", path_of("web-candidate"))));
}

#[tokio::test]
async fn what_keeps_the_way_forward_from_going_on_is_told() {
    let mut hand = unowned();
    hand.start_candidate(10);
    hand.deadline(Time(now().0 + 3_600_000));
    let (server, reconciler) = served(hand);
    server.answers("PATCH", "/services/web", Manner::Refused(500));
    rest(&server, &reconciler).await;
    assert!(patches(&server).contains(&format!("PATCH {}", path_of("web"))));
    recall(&reconciler, |memory| {
        memory.failing.insert(("KeepOwners", None), (2, now()));
        memory.kept = None;
    });
    for _ in 0..2 {
        look(&reconciler).await;
        recall(&reconciler, |memory| {
            memory.said = None;
            memory.sightings.since_true("status differs", false, Time(0));
            memory.sightings.since_true("status differs", true, Time(0));
        });
    }
    let status = server.object(PATH).unwrap()["status"].to_string();
    assert!(status.contains("WriteFails") && status.contains("KeepOwners"), "{status}");
}

#[tokio::test]
async fn a_commit_without_a_good_answer_is_read_before_anything_is_planned() {
    for manner in [Manner::Lost(500), Manner::Lost(504), Manner::Unheard, Manner::Lost(409)] {
        let (_, server, reconciler) = released();
        server.answers("PATCH", "/status", manner);
        look(&reconciler).await;
        server.mend();
        let committed = server.object(PATH).unwrap()["status"]["commit"]["epoch"].clone();
        assert_eq!(committed, 2, "{manner:?}: it was carried out");
        assert_eq!(look(&reconciler).await, Next::After(Duration::ZERO), "{manner:?}");
        let seen = [format!("PATCH {PATH}/status"), format!("GET {PATH}")];
        let asked = server.requests();
        assert!(asked.ends_with(&seen), "{manner:?}: nothing of the phase before: {asked:?}");
        look(&reconciler).await;
        assert_eq!(epoch(&reconciler.tools.stores), committed, "{manner:?}");
        let twice = server.requests().iter().filter(|asked| **asked == seen[0]).count();
        assert_eq!(twice, 1, "{manner:?}: it isn't committed again");
    }
}

#[tokio::test]
async fn a_commit_that_fails_again_and_again_is_tried_less_and_less_often() {
    let (_, server, reconciler) = released();
    server.answers("PATCH", "/status", Manner::Refused(500));
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let Next::After(pause) = look(&reconciler).await else { panic!("{:?}", server.requests()) };
        pauses.push(pause.as_millis());
    }
    assert_eq!(pauses, [250, 0, 500, 0, 1_000, 0], "a read, and the next try, follow each failure");
}

/// The schema takes a time that no calendar has. Were it left there, it would be written anew with each look, for ever; and
/// nothing that was decided is lost for its sake.
#[tokio::test]
async fn a_status_with_a_time_that_can_not_be_read_is_written_anew_once() {
    let mut hand = Hand::new();
    hand.install();
    let (server, reconciler) = served(hand);
    let never = "9999-12-31T23:59:59Z";
    for name in ["previous", "candidate"] {
        let mut rollout = server.object(PATH).unwrap();
        rollout["status"][name] = json!({"color": "green", "revision": "r1-00000001", "hash": "v1:00", "attempt": 1,
            "keptUntil": never, "since": never});
        server.put(PATH, rollout);
        let stores = &reconciler.tools.stores;
        stores.offer_rollout(server.object(PATH).unwrap(), "");
        rest(&server, &reconciler).await;
        let status = server.object(PATH).unwrap()["status"].clone();
        assert_eq!((&status[name], &status["commit"]["epoch"]), (&Value::Null, &json!(1)));
        assert_eq!(epoch(stores), 1, "it can be read again");
        recall(&reconciler, |memory| memory.said = None);
    }
    assert_eq!(patches(&server), [format!("PATCH {PATH}/status"), format!("PATCH {PATH}/status")]);
}

fn epoch(stores: &Stores) -> Value {
    let rollout = stores.rollouts.get("shop", "web").unwrap().rollout().unwrap();
    rollout.status.unwrap().commit.unwrap()["epoch"].clone()
}

#[tokio::test]
async fn routes_go_home_also_where_a_request_in_their_owners_name_is_refused() {
    let mut hand = Hand::new();
    hand.install();
    let entered = json!([{"destination": {"host": "web"}, "weight": 100},
        {"destination": {"host": "web-candidate"}, "weight": 0}]);
    hand.route(&entered, manager::TRAFFIC);
    let (rollout, seen) = (hand.rollout(), hand.look(0));
    let (server, reconciler) = served(hand);
    let mut route = server.object(ROUTE).unwrap();
    let uid = &seen.names.uid;
    let owner = json!({"manager": "helm", "operation": "Update", "apiVersion": route["apiVersion"]});
    let saved = json!({"routes": [], "owners": [owner]}).to_string();
    route["metadata"]["annotations"] =
        json!({format!("saved.teal.dev/{uid}"): saved, format!("epoch.teal.dev/{uid}"): "1"});
    route["metadata"]["managedFields"].as_array_mut().unwrap().push(owner);
    server.put(ROUTE, route);
    let tools = &reconciler.tools;
    tools.stores.offer(kinds::VIRTUAL_SERVICE, &server.object(ROUTE).unwrap());
    server.answers("PATCH", "?fieldManager=helm", Manner::Refused(400));
    let order = Order::of(&rollout, &seen);
    let done = execute(tools, &order, &[Effect::LeaveRoutes]).await;
    assert!(matches!(done[0].result, Ok(true)), "{:?}", done[0].result);
    let asked = format!("PATCH {ROUTE}");
    assert_eq!(patches(&server)[..2], [asked.clone(), asked], "first in the owner's name");
    let hosts = server.object(ROUTE).unwrap()["spec"]["http"][0]["route"].to_string();
    assert!(!hosts.contains("web-candidate"), "{hosts}");
}

/// Neither what is kept is read nor anything made; said once, it isn't said again.
#[tokio::test]
async fn that_the_namespace_is_being_deleted_is_said_once_and_nothing_else_is_asked() {
    let (_, server, reconciler) = released();
    reconciler.tools.stores.namespaces.let_go("shop");
    for _ in 0..3 {
        look(&reconciler).await;
    }
    assert_eq!(server.requests(), [format!("PATCH {PATH}/status")]);
    let status = server.object(PATH).unwrap()["status"].clone();
    let accepted = status["conditions"].as_array().unwrap().iter().find(|found| found["type"] == "Accepted");
    let accepted = accepted.unwrap();
    assert_eq!((&accepted["status"], &accepted["reason"]), (&json!("False"), &json!("NamespaceTerminating")));
    let message = accepted["message"].as_str().unwrap();
    for word in ["Namespace shop", "metadata.deletionTimestamp", "make the namespace anew"] {
        assert!(message.contains(word), "{message}");
    }
    assert_eq!(status["phase"], "Blocked");
    assert_eq!(status["commit"]["epoch"], 1, "nothing was decided");
    let stalled = || {
        let figures = reconciler.watching.read();
        figures.rollouts.first().and_then(|web| web.stalled.clone())
    };
    assert_eq!(stalled().as_deref(), Some("NamespaceTerminating"), "figures have the reason of Stalled");
    reconciler.watching.forget(&ObjectId::new("shop", "web"));
    assert_eq!(stalled(), None, "and lose it with the Rollout");
}

/// No status can be written then, so the log is the only place.
#[tokio::test]
async fn an_api_server_that_is_away_is_told_in_the_log_by_kind() {
    let (lines, _logging) = logged();
    let server = Server::default();
    server.leave();
    let stop = CancellationToken::new();
    let measuring = |_| -> Arc<dyn Measuring> { Arc::new(Unmeasured) };
    let cluster = Cluster::start(server.client(), Config::default(), measuring, None, &stop);
    let told = |kind: &str| {
        let of = |line: &Value| {
            let fields = &line["fields"];
            fields["message"] == "a watch begins anew"
                && fields["kind"] == kind
                && fields["error"].as_str().is_some_and(|error| error.contains("ServiceUnavailable"))
        };
        lines.all().iter().any(of)
    };
    let all = async {
        while !["Rollout", "Service", "Pod"].into_iter().all(told) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), all).await.expect("lines in the log");
    stop.cancel();
    cluster.ended().await;
}

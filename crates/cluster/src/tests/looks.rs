use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use super::reconciler;
use super::server::Server;
use crate::checks::{Measuring, Unmeasured};
use crate::cluster::Cluster;
use crate::config::Config;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::Reconciler;
use crate::stores::ObjectId;
use teal_plan::Color;

const PATH: &str = "/apis/teal.dev/v1alpha1/namespaces/shop/rollouts/web";

/// What is logged, line by line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn all(&self) -> Vec<Value> {
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

/// What is logged from here on in this thread.
fn logged() -> (Lines, tracing::subscriber::DefaultGuard) {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(lines.clone())
        .finish();
    (lines, tracing::subscriber::set_default(subscriber))
}

/// A live release, and another image wanted since.
fn released() -> (String, Server, Reconciler) {
    let mut hand = Hand::new();
    hand.install();
    let live = hand.slot(Color::Blue).revision.to_string();
    hand.spec("/release/manifests/0/spec/template/spec/containers/0/image", json!("web:2"));
    let (stores, pokes, rollout) = hand.into_parts();
    let server = Server::default();
    server.put(PATH, rollout);
    stores.offer_rollout(server.object(PATH).unwrap(), "");
    let reconciler = reconciler(&server, stores, pokes, Config::default());
    (live, server, reconciler)
}

async fn look(reconciler: &Reconciler) {
    reconciler.reconcile(&ObjectId::new("shop", "web")).await;
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
    assert_eq!(web.weight, 0);
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

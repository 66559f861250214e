use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::reconciler;
use super::server::Server;
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
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(lines.clone())
        .finish();
    let logging = tracing::subscriber::set_default(subscriber);
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

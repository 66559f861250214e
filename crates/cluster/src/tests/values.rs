//! Values that a chart takes from ConfigMaps: what is asked for them, when, and what goes on where they can't be had.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Manner, Server};
use super::{PATH, recall, served};
use crate::charts::{ChartSeen, Charting, Charts, Discovery, Wanted};
use crate::checks::Poker;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::{Next, Reconciler};
use crate::stores::ObjectId;

const MAP: &str = "/api/v1/namespaces/shop/configmaps/web-values";

/// Takes note of the values that it is to render.
#[derive(Default)]
pub(super) struct Asked(Mutex<Vec<Value>>);

impl Asked {
    pub(super) fn taken(&self) -> Vec<Value> {
        self.0.lock().unwrap().clone()
    }
}

/// Has one that takes note render for this one.
pub(super) fn charting(reconciler: &mut Reconciler) -> Arc<Asked> {
    let asked = Arc::<Asked>::default();
    let charts = Charts(Arc::clone(&asked) as Arc<dyn Charting>);
    let config = crate::config::Config { charts: Some(charts), ..crate::config::Config::default() };
    reconciler.tools.config = Arc::new(config);
    asked
}

impl Charting for Asked {
    fn listen(&self, _: Poker, _: Discovery) {}
    fn rendered(&self, wanted: Wanted) -> ChartSeen {
        self.0.lock().unwrap().push(Value::Object(wanted.chart.values));
        ChartSeen::Pending
    }
    fn forget(&self, _: &str) {}
}

/// A live release of manifests, and a chart wanted since.
fn wanted() -> (Server, Reconciler, Arc<Asked>) {
    let mut hand = Hand::new();
    hand.install();
    hand.keep(teal_plan::Color::Blue, &["web"]);
    hand.spec(
        "/release",
        json!({"chart": {"url": "https://e.com/web.tgz", "version": "1.8.2", "values": {"tag": "2"},
            "valuesFrom": [{"configMap": {"name": "web-values"}}]}}),
    );
    let (server, mut reconciler) = served(hand);
    let asked = charting(&mut reconciler);
    (server, reconciler, asked)
}

fn put(server: &Server, text: &str) {
    server.put(MAP, json!({"metadata": {"name": "web-values"}, "data": {"values.yaml": text}}));
}

async fn look(reconciler: &Reconciler) -> Next {
    reconciler.reconcile(&ObjectId::new("shop", "web")).await
}

fn reads(server: &Server) -> usize {
    server.requests().iter().filter(|request| **request == format!("GET {MAP}")).count()
}

fn accepted(server: &Server) -> Option<(String, String)> {
    let rollout = server.object(PATH)?;
    let conditions = rollout.pointer("/status/conditions")?.as_array()?;
    let accepted = conditions.iter().find(|condition| condition["type"] == "Accepted")?;
    let text = |field: &str| accepted[field].as_str().unwrap_or_default().to_owned();
    Some((text("reason"), text("message")))
}

/// What is at rest asks for nothing: what is read is read once for a spec, and again where the watch shows another version.
#[tokio::test]
async fn values_are_read_once_and_again_only_where_something_changed() {
    let (server, reconciler, asked) = wanted();
    put(&server, "shard: a\n");
    for _ in 0..3 {
        look(&reconciler).await;
    }
    assert_eq!(reads(&server), 1);
    assert_eq!(asked.taken().last(), Some(&json!({"tag": "2", "shard": "a"})));
    put(&server, "shard: b\n");
    // As with a spec that was edited, whatever the watch has shown by then.
    recall(&reconciler, |memory| memory.taken.as_mut().expect("values").generation -= 1);
    look(&reconciler).await;
    assert_eq!(reads(&server), 2);
    assert_eq!(asked.taken().last(), Some(&json!({"tag": "2", "shard": "b"})));
}

#[tokio::test]
async fn where_they_are_missing_nothing_is_rendered_and_that_is_told() {
    let (server, reconciler, asked) = wanted();
    for _ in 0..3 {
        look(&reconciler).await;
    }
    let (reason, message) = accepted(&server).expect("a condition");
    assert_eq!(reason, "ReferenceMissing");
    assert!(message.contains("ConfigMap web-values, which isn't there"), "{message}");
    assert_eq!((asked.taken().len(), reads(&server)), (0, 1));
}

/// Nobody knows then what is wanted: neither what was before nor the chart without them.
#[tokio::test]
async fn where_they_can_not_be_read_now_nothing_is_rendered_and_they_are_read_later() {
    let (server, reconciler, asked) = wanted();
    put(&server, "shard: a\n");
    server.answers("GET", "configmaps/web-values", Manner::Refused(503));
    let Next::After(wait) = look(&reconciler).await else { panic!("nobody looks") };
    assert!(wait <= Duration::from_secs(2), "{wait:?}");
    look(&reconciler).await;
    assert_eq!(reads(&server), 1, "there is a pause between two tries");
    assert!(asked.taken().is_empty());
    server.mend();
    recall(&reconciler, |memory| memory.failing.clear());
    look(&reconciler).await;
    assert_eq!(asked.taken().len(), 1);
}

/// What was read last is what there is, as far as anybody knows, also while a later read fails.
#[tokio::test]
async fn a_read_that_fails_later_takes_nothing_back() {
    let (server, reconciler, asked) = wanted();
    put(&server, "shard: a\n");
    look(&reconciler).await;
    server.answers("GET", "configmaps/web-values", Manner::Refused(503));
    recall(&reconciler, |memory| memory.taken.as_mut().expect("values").generation -= 1);
    look(&reconciler).await;
    assert_eq!(reads(&server), 2);
    assert_eq!(asked.taken(), vec![json!({"tag": "2", "shard": "a"}); 2]);
}

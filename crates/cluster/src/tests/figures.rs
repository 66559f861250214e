use std::sync::Arc;

use serde_json::{Value, json};
use teal_api::defaults::FilledCheck;
use teal_api::rollout::status::CheckStatus;
use teal_plan::snapshot::{CheckSeen, Standing};
use teal_plan::{Span, Time};

use super::server::Server;
use super::{PATH, served};
use crate::checks::{Measuring, Questions};
use crate::config::Config;
use crate::observe::tests::cluster::Hand;
use crate::reconcile::{Reconciler, now};
use crate::stores::ObjectId;

/// The check `errors` passes at the step `canary`, which was reached then.
struct Passes(Time);

impl Measuring for Passes {
    fn ask(&self, _: Questions) {}
    fn standing(&self, _: &str) -> Vec<(String, CheckSeen)> {
        let seen = CheckSeen {
            standing: Standing::Pass,
            place: Some(("canary".into(), self.0)),
            detail: String::new(),
            trouble: None,
            good: true,
            answered: true,
        };
        vec![("errors".into(), seen)]
    }
    fn statuses(&self, _: &str) -> Vec<CheckStatus> {
        let check = json!({"name": "errors", "verdict": "Pass", "value": "0.001", "limit": "max 1%"});
        vec![serde_json::from_value(check).unwrap()]
    }
    fn forget(&self, _: &str) {}
    fn problem(&self, _: &FilledCheck) -> Option<(&'static str, String)> {
        None
    }
}

/// The second revision has its 10 %, its check passes, and nobody was asked yet.
fn at_ten() -> (Server, Reconciler) {
    let reached = now();
    let mut hand = Hand::new();
    hand.field("checks", json!([{"name": "errors", "query": "x", "threshold": {"max": "1%"}}]));
    hand.field(
        "steps",
        json!([{"name": "canary", "weight": 10, "checks": ["errors"], "approval": {}}, {"name": "full", "weight": 100}]),
    );
    hand.install();
    hand.at_step(10, reached);
    let (server, mut reconciler) = served(hand);
    // Nothing is waited for but an answer.
    reconciler.tools.config = Arc::new(Config { propagation: Span(0), ..Config::default() });
    reconciler.checks = Arc::new(Passes(reached));
    (server, reconciler)
}

/// Looks until a person is asked, and once more: what the status says then.
async fn asked(server: &Server, reconciler: &Reconciler) -> Value {
    for _ in 0..10 {
        let gate = server.object(PATH).unwrap()["status"]["gate"].clone();
        reconciler.reconcile(&ObjectId::new("shop", "web")).await;
        if !gate.is_null() {
            return server.object(PATH).unwrap()["status"].clone();
        }
    }
    panic!("nobody is asked: {:#?}", server.object(PATH));
}

#[tokio::test]
async fn metrics_of_a_question_at_ten_percent_have_the_words_of_status() {
    let (server, reconciler) = at_ten();
    let written = asked(&server, &reconciler).await;
    let figures = reconciler.watching.read();
    let web = figures.rollouts.first().expect("figures of the Rollout");
    assert_eq!((written["phase"].as_str(), web.phase), (Some("Waiting"), "Waiting"));
    assert_eq!((written["step"]["name"].as_str(), web.step.as_deref()), (Some("canary"), Some("canary")));
    assert_eq!((written["traffic"]["candidateWeight"].as_u64(), web.weight), (Some(10), 10));
    let opened: jiff::Timestamp = written["gate"]["openedAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(web.asked_since_ms, Some(opened.as_millisecond()));
    let check = &written["checks"][0];
    assert_eq!((check["name"].as_str(), check["verdict"].as_str()), (Some("errors"), Some("Pass")));
    assert_eq!(web.verdicts, [("errors".to_owned(), "Pass".to_owned())]);
    assert_eq!(web.stalled, None);
}

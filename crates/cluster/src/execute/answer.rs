//! The outcome of a Decision.

use futures::future::join_all;
use serde_json::json;
use teal_api::names::{limit, manager};
use teal_plan::Time;
use teal_plan::outcome::Ruling;
use teal_plan::record::Attempt;

use super::{Order, Tools};
use crate::access::Target;
use crate::error::Error;
use crate::kinds;
use crate::status::timestamp;
use crate::stores::{DecisionView, ObjectId};

/// How many go at a time: what had gathered before goes little by little.
const MOST: usize = 20;

pub(super) async fn write(
    tools: &Tools,
    order: &Order<'_>,
    decision: &str,
    ruling: &Ruling,
) -> Result<bool, Error> {
    let id = ObjectId::new(&order.names.namespace, decision);
    give(tools, &id, None, ruling, order.now).await?;
    Ok(true)
}

/// Writes it, bound to a version where one is given.
pub(crate) async fn give(
    tools: &Tools,
    id: &ObjectId,
    version: Option<u64>,
    ruling: &Ruling,
    now: Time,
) -> Result<(), Error> {
    let (status, reason, message) = match ruling {
        Ruling::Counted => ("True", "Counted", "the vote counts"),
        Ruling::Done => ("True", "Done", "it was carried out"),
        Ruling::Noted { message } => ("True", "Done", message.as_str()),
        Ruling::AlreadyCounted => (
            "False",
            "AlreadyCounted",
            "spec.decidedBy.user has approved this question already: another person must approve too",
        ),
        Ruling::Refused { message } => ("False", "Refused", message.as_str()),
        Ruling::Superseded { message } => ("False", "Superseded", message.as_str()),
    };
    let mut patch = json!({"status": {"conditions": [{
        "type": "Applied",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(now),
    }]}});
    if let Some(version) = version {
        patch["metadata"] = json!({"resourceVersion": version.to_string()});
    }
    let resource = kinds::DECISION.resource();
    let target = Target { resource: &resource, namespace: &id.namespace, name: &id.name };
    let answer = tools.access.merge(target, manager::STATUS, true, &patch).await?;
    tools.stores.offer(kinds::DECISION, &answer);
    Ok(())
}

/// Decisions go with the history that they belong to. Nothing depends on it, so failing is no failure.
pub(super) async fn prune(tools: &Tools, order: &Order<'_>) {
    let Some(since) = kept_since(&order.record.history) else { return };
    let all = tools.stores.decisions.group(&order.names.namespace, &order.names.name);
    let past = all.iter().filter(|view| is_past(view, since)).take(MOST);
    join_all(past.map(|view| remove(tools, view))).await;
}

async fn remove(tools: &Tools, view: &DecisionView) {
    let resource = kinds::DECISION.resource();
    let target = Target { resource: &resource, namespace: &view.id.namespace, name: &view.id.name };
    match tools.access.delete(target, &view.uid, &view.version.to_string()).await {
        Ok(()) => tools.stores.decisions.forget(&view.id),
        Err(error) => tracing::debug!(%error, "an old Decision stays"),
    }
}

/// When the oldest try in the history began; nothing while the history has all that there ever were.
fn kept_since(history: &[Attempt]) -> Option<Time> {
    let oldest = history.iter().map(|attempt| attempt.started).min();
    oldest.filter(|_| history.len() >= limit::HISTORY)
}

/// Answered, and made for a try that is in the history no more.
fn is_past(view: &DecisionView, since: Time) -> bool {
    let made: Option<jiff::Timestamp> = view.created.parse().ok();
    view.is_answered() && made.is_some_and(|made| made < timestamp(since))
}

#[cfg(test)]
mod tests {
    use teal_plan::ContentHash;
    use teal_plan::record::Outcome;

    use super::*;

    fn decision(created: &str, answered: bool) -> DecisionView {
        let conditions = json!([{"type": "Applied", "status": "True", "reason": "Counted", "message": "",
            "lastTransitionTime": created}]);
        let conditions = if answered { conditions } else { json!([]) };
        DecisionView::of(json!({
            "apiVersion": "teal.dev/v1alpha1", "kind": "Decision",
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "1", "resourceVersion": "1",
                "creationTimestamp": created},
            "spec": {"rollout": {"name": "web"}, "action": "Pause", "decidedBy": {"user": "ann"}},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    #[test]
    fn a_decision_goes_with_the_try_that_it_was_made_for() {
        let attempt = |counter: u32| Attempt {
            revision: ContentHash { version: 1, digest: [1; 32] }.revision(counter),
            attempt: 1,
            outcome: Outcome::Promoted,
            started: Time(i64::from(counter) * 60_000),
            finished: Time(i64::from(counter) * 60_000 + 30_000),
            waited: None,
            decisions: Vec::new(),
        };
        let mut history: Vec<Attempt> = (2..11).rev().map(attempt).collect();
        assert_eq!(kept_since(&history), None, "all that there were are kept");
        history.insert(0, attempt(11));
        let since = kept_since(&history).unwrap();
        assert_eq!(since, Time(120_000));
        assert!(is_past(&decision("1970-01-01T00:01:59Z", true), since));
        assert!(!is_past(&decision("1970-01-01T00:01:59Z", false), since), "nobody has answered it");
        assert!(!is_past(&decision("1970-01-01T00:02:00Z", true), since), "it is of the oldest that is kept");
    }
}

//! Decisions for a Rollout that isn't there: they get an answer too, for whoever made one waits for it.
//!
//! Nothing is decided about a Rollout here, so the planner has no part in it. It is answered only after a while, because
//! one `kubectl apply` makes both in any order, and only after a fresh read, because a Rollout that another operator looks
//! after is in no cache here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use teal_api::names::label;
use teal_plan::outcome::Ruling;
use teal_plan::{Span, Time};

use crate::access::Target;
use crate::error::Error;
use crate::execute::{Tools, answer};
use crate::kinds;
use crate::reconcile::{Next, now};
use crate::stores::{DecisionView, ObjectId, Stores};

/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Answers the Decisions for this Rollout, which is in no cache, once they have waited for it.
pub(crate) async fn look(tools: &Tools, rollout: &ObjectId) -> Next {
    let (due, wait) = due(waiting(tools, rollout), tools.config.decision_grace, now());
    if due.is_empty() {
        return wait.map_or(Next::Change, Next::After);
    }
    match tell(tools, rollout, &due).await {
        Ok(()) => wait.map_or(Next::Change, Next::After),
        Err(error) => {
            tracing::warn!(%rollout, %error, "a Decision for a Rollout that is not there can't be answered");
            Next::After(AGAIN)
        }
    }
}

/// Whose look answers Decisions although there is no such Rollout, each once: whoever begins to lead looks at these too.
pub(crate) fn all(stores: &Stores) -> BTreeSet<ObjectId> {
    let open = stores.decisions.all().into_iter().filter(|view| !view.is_answered());
    let rollouts = open.map(|view| ObjectId::new(&view.id.namespace, &view.decision.spec.rollout.name));
    rollouts.filter(|id| stores.rollouts.get(&id.namespace, &id.name).is_none()).collect()
}

/// Those without an outcome that this operator answers for.
fn waiting(tools: &Tools, rollout: &ObjectId) -> Vec<Arc<DecisionView>> {
    if tools.stores.namespaces.goes(&rollout.namespace) == Some(true) {
        return Vec::new();
    }
    let mut views = tools.stores.decisions.group(&rollout.namespace, &rollout.name);
    views.retain(|view| !view.is_answered() && is_of(view, &tools.config.instance));
    views
}

fn is_of(view: &DecisionView, instance: &str) -> bool {
    let labels = view.decision.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(label::INSTANCE)).map_or("", String::as_str) == instance
}

/// Those that have waited long enough, and how long the next one still does. An age that can't be read is old enough, and no
/// clock that is behind the server's makes anyone wait for more than the whole time.
fn due(views: Vec<Arc<DecisionView>>, grace: Span, now: Time) -> (Vec<Arc<DecisionView>>, Option<Duration>) {
    let left = |view: &DecisionView| {
        let made = view.created.parse::<jiff::Timestamp>().ok()?;
        let left = ((Time(made.as_millisecond()) + grace) - now).min(grace);
        u64::try_from(left.0).ok().filter(|left| *left > 0).map(Duration::from_millis)
    };
    let wait = views.iter().filter_map(|view| left(view)).min();
    (views.into_iter().filter(|view| left(view).is_none()).collect(), wait)
}

/// One read for all of them, and a write for each.
async fn tell(tools: &Tools, rollout: &ObjectId, due: &[Arc<DecisionView>]) -> Result<(), Error> {
    let resource = kinds::ROLLOUT.resource();
    let target = Target { resource: &resource, namespace: &rollout.namespace, name: &rollout.name };
    if tools.access.get(target).await?.is_some() {
        return Ok(());
    }
    let ruling = Ruling::Refused { message: no_such(rollout) };
    for view in due {
        answer::give(tools, &view.id, Some(view.version), &ruling, now()).await?;
    }
    Ok(())
}

fn no_such(rollout: &ObjectId) -> String {
    format!(
        "spec.rollout.name is {}, and there is no such Rollout in namespace {}: correct the name, or create the Rollout, and \
         decide anew",
        rollout.name, rollout.namespace
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decision(name: &str, created: &str, instance: Option<&str>) -> Arc<DecisionView> {
        let labels = instance.map(|value| json!({label::INSTANCE: value}));
        let value = json!({
            "apiVersion": "teal.dev/v1alpha1", "kind": "Decision",
            "metadata": {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "7", "labels": labels,
                "creationTimestamp": created},
            "spec": {"rollout": {"name": "wbe"}, "action": "Pause", "decidedBy": {"user": "ann"}},
        });
        Arc::new(DecisionView::of(value).unwrap())
    }

    fn at(text: &str) -> Time {
        Time(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn one_that_was_just_made_waits_for_its_rollout_and_an_old_one_is_due() {
        let views = vec![
            decision("old", "2026-01-02T03:04:00Z", None),
            decision("new", "2026-01-02T03:04:40Z", None),
            decision("newest", "2026-01-02T03:05:00Z", None),
        ];
        let (due, wait) = due(views, Span::seconds(30), at("2026-01-02T03:05:00Z"));
        assert_eq!(due.iter().map(|view| view.id.name.as_str()).collect::<Vec<_>>(), ["old"]);
        assert_eq!(wait, Some(Duration::from_secs(10)), "until the next one is due");
    }

    #[test]
    fn no_clock_makes_one_wait_longer_than_the_whole_time() {
        let views = vec![decision("ahead", "2026-01-02T04:00:00Z", None)];
        let (due, wait) = due(views, Span::seconds(30), at("2026-01-02T03:00:00Z"));
        assert!(due.is_empty());
        assert_eq!(wait, Some(Duration::from_secs(30)));
    }

    #[test]
    fn those_of_another_operator_are_left_to_it() {
        let own = decision("own", "2026-01-02T03:04:00Z", None);
        let other = decision("other", "2026-01-02T03:04:00Z", Some("blue-team"));
        assert!(is_of(&own, "") && !is_of(&own, "blue-team"));
        assert!(is_of(&other, "blue-team") && !is_of(&other, ""));
    }

    #[test]
    fn only_open_decisions_without_a_rollout_are_looked_for() {
        let stores = Stores::new();
        for name in ["one", "two"] {
            let value =
                serde_json::to_value(&*decision(name, "2026-01-02T03:04:00Z", None).decision).unwrap();
            stores.offer(kinds::DECISION, &value);
        }
        let mut answered =
            serde_json::to_value(&*decision("three", "2026-01-02T03:04:00Z", None).decision).unwrap();
        answered["spec"]["rollout"]["name"] = json!("gone");
        answered["status"] = json!({"conditions": [{"type": "Applied", "status": "False", "reason": "Refused",
            "message": "", "lastTransitionTime": "2026-01-02T03:04:00Z"}]});
        stores.offer(kinds::DECISION, &answered);
        assert_eq!(all(&stores), BTreeSet::from([ObjectId::new("shop", "wbe")]), "both by one look");
        let rollout = json!({"apiVersion": "teal.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"namespace": "shop", "name": "wbe", "uid": "u", "resourceVersion": "8"}});
        stores.offer_rollout(rollout, "");
        assert!(all(&stores).is_empty());
    }

    #[test]
    fn the_answer_names_field_name_and_remedy() {
        let said = no_such(&ObjectId::new("shop", "wbe"));
        for part in ["spec.rollout.name", "wbe", "no such Rollout", "namespace shop", "correct the name"] {
            assert!(said.contains(part), "{said}");
        }
    }
}

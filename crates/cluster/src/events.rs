//! Events: told once per transition, after it is durable, and never waited for.
//!
//! Their names follow from the Rollout, the epoch of the transition and what is told, so that telling one again, after a
//! crash or by another process, changes nothing; and that a record that was lost, whose epochs begin anew, doesn't hide
//! its news behind an older Event. They are not aggregated: each transition is news.

use std::sync::Arc;

use k8s_openapi::api::events::v1::Event as Kind;
use kube::core::ApiResource;
use serde_json::{Value, json};
use teal_api::Rollout;
use teal_api::names::{API_VERSION, REPORTING_CONTROLLER, manager};
use teal_plan::{Notice, Time, report};
use tokio::sync::mpsc;

use crate::access::{Access, Target};
use crate::metrics::Counter;
use crate::status::timestamp;

/// Where Events are told.
#[derive(Clone)]
pub(crate) struct Events {
    out: mpsc::Sender<Value>,
    identity: String,
}

/// Events that wait to be written. More than this are dropped: they are news, not records.
const WAITING: usize = 1024;

impl Events {
    /// The teller, and the writer, which runs until the last teller is gone.
    pub(crate) fn start(
        access: Arc<Access>,
        identity: String,
        written: Counter,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let (out, mut waiting) = mpsc::channel(WAITING);
        let run = async move {
            let resource = ApiResource::erase::<Kind>(&());
            while let Some(event) = waiting.recv().await {
                let text = |pointer: &str| crate::json::text(&event, pointer).to_owned();
                let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
                let target = Target { resource: &resource, namespace: &namespace, name: &name };
                match access.create(target, manager::EVENTS, &event).await {
                    Ok(_) => written.add(),
                    Err(error) => tracing::debug!(%error, "an Event was not written"),
                }
            }
        };
        (Self { out, identity }, run)
    }

    /// Tells the notice with this place among those of one transition.
    pub(crate) fn tell(&self, rollout: &Rollout, epoch: u64, index: usize, notice: &Notice, now: Time) {
        let event = event(rollout, &self.identity, epoch, index, notice, now);
        if self.out.try_send(event).is_err() {
            tracing::debug!("an Event was dropped");
        }
    }
}

fn event(rollout: &Rollout, identity: &str, epoch: u64, index: usize, notice: &Notice, now: Time) -> Value {
    let metadata = &rollout.metadata;
    let uid = metadata.uid.clone().unwrap_or_default();
    let name = metadata.name.clone().unwrap_or_default();
    let mark: String = uid.chars().take(8).collect();
    let (reason, note) = report::notice(notice);
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{name}.{mark}-{epoch}-{index}-{}", reason.to_lowercase()),
            "namespace": metadata.namespace,
        },
        "eventTime": format!("{:.6}", timestamp(now)),
        "reportingController": REPORTING_CONTROLLER,
        "reportingInstance": identity,
        "action": reason,
        "reason": reason,
        "type": if report::warns(notice) { "Warning" } else { "Normal" },
        "note": report::bounded(note, report::LONGEST),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": "Rollout",
            "namespace": metadata.namespace,
            "name": name,
            "uid": uid,
            "resourceVersion": metadata.resource_version,
        },
    })
}

#[cfg(test)]
mod tests {
    use teal_plan::record::Cause;

    use super::*;

    fn rollout() -> Rollout {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "751c6a30-b344"},
            "spec": {"release": {"manifests": []}, "traffic": {"services": []}},
        }))
        .unwrap()
    }

    #[test]
    fn telling_again_has_the_same_name() {
        let rollout = rollout();
        let notice = Notice::Resumed;
        let told = |now| event(&rollout, "a", 7, 0, &notice, Time(now));
        assert_eq!(told(1)["metadata"], told(2)["metadata"]);
        assert_eq!(told(1)["metadata"]["name"], "web.751c6a30-7-0-resumed");
        let other = Notice::Paused { by: "ann".into() };
        let other = event(&rollout, "a", 7, 0, &other, Time(1));
        assert_ne!(other["metadata"], told(1)["metadata"], "other news of the same epoch");
        assert_eq!(told(1)["eventTime"], "1970-01-01T00:00:00.001000Z");
    }

    /// The API server counts bytes and refuses what has more; nobody would hear of it.
    #[test]
    fn a_note_has_no_more_bytes_than_the_server_takes() {
        let cause = Cause::Decision { user: "ann".into(), rejected: true, reason: "가".repeat(1000) };
        let notice = Notice::RolledBack { revision: teal_release::hash(&json!({})).revision(2), cause };
        let event = event(&rollout(), "a", 7, 0, &notice, Time(1));
        let note = event["note"].as_str().unwrap();
        assert!(note.contains("ann") && note.ends_with("가 …"), "{note}");
        assert!((1000..=1024).contains(&note.len()), "{}", note.len());
    }
}

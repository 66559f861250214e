//! Events: told once per transition, after it is durable, and never waited for.

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use teal_api::Rollout;
use teal_plan::{Notice, report};
use tokio::sync::mpsc;

use crate::metrics::Counter;

/// Where Events are told.
#[derive(Clone)]
pub(crate) struct Events {
    out: mpsc::Sender<(k8s_openapi::api::core::v1::ObjectReference, Event)>,
}

/// Events that wait to be written. More than this are dropped: they are news, not records.
const WAITING: usize = 1024;

impl Events {
    /// The writer runs until the last teller is gone.
    pub(crate) fn start(
        client: Client,
        identity: &str,
        written: Counter,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let (out, mut waiting) = mpsc::channel(WAITING);
        let reporter =
            Reporter { controller: "teal.dev/operator".into(), instance: Some(identity.to_owned()) };
        let recorder = Recorder::new(client, reporter);
        let run = async move {
            while let Some((about, event)) = waiting.recv().await {
                written.add();
                if let Err(error) = recorder.publish(&event, &about).await {
                    tracing::debug!(%error, "an Event could not be written");
                }
            }
        };
        (Self { out }, run)
    }

    pub(crate) fn tell(&self, rollout: &Rollout, notice: &Notice) {
        let (reason, note) = report::notice(notice);
        let type_ = if report::warns(notice) { EventType::Warning } else { EventType::Normal };
        let event = Event {
            type_,
            reason: reason.into(),
            note: Some(teal_api::names::shortened(&note, 1000)),
            action: reason.into(),
            secondary: None,
        };
        if self.out.try_send((rollout.object_ref(&()), event)).is_err() {
            tracing::debug!(reason, "an Event was dropped");
        }
    }
}

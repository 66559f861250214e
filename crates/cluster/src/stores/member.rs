//! What other members of its group read of a Rollout, taken out of it as it comes: its release is none of their business, and may be
//! large.

use serde::Deserialize;
use serde_json::Value;
use teal_api::rollout as api;
use teal_plan::Record;

/// A Rollout as other members of its group see it.
#[derive(Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) deleting: bool,
    pub(crate) mode: api::Mode,
    pub(crate) waiting_for: Option<String>,
    pub(crate) record: Record,
    group: Option<api::Group>,
    /// Names and weights.
    steps: Vec<(String, u32)>,
}

#[derive(Deserialize)]
struct Read {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    uid: String,
    deletion_timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Spec {
    group: Option<api::Group>,
    #[serde(default)]
    mode: api::Mode,
    steps: Option<Vec<Step>>,
    traffic: Traffic,
}

#[derive(Deserialize)]
struct Step {
    name: String,
    weight: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Traffic {
    virtual_services: Option<Vec<Value>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    waiting_for: Option<String>,
    #[serde(default)]
    commit: Value,
}

impl Member {
    /// Nothing of one that can't be read.
    pub(super) fn of(rollout: &Value) -> Option<Self> {
        let Read { metadata, spec, status } = Read::deserialize(rollout).ok()?;
        let mesh = spec.traffic.virtual_services.as_ref().is_some_and(|list| !list.is_empty());
        let steps = match spec.steps {
            Some(steps) => steps.into_iter().map(|step| (step.name, step.weight)).collect(),
            None => teal_api::defaults::default_steps(mesh),
        };
        Some(Self {
            name: metadata.name,
            uid: metadata.uid,
            deleting: metadata.deletion_timestamp.is_some(),
            mode: spec.mode,
            waiting_for: status.waiting_for,
            record: serde_json::from_value(status.commit).unwrap_or_default(),
            group: spec.group,
            steps,
        })
    }

    /// Whether its spec names the group.
    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.group.as_ref().is_some_and(|own| own.name == group)
    }

    /// Its place in the order.
    pub(crate) fn order(&self) -> i32 {
        self.group.as_ref().and_then(|group| group.order).unwrap_or_default()
    }

    /// Names and weights of its steps.
    pub(crate) fn steps(&self) -> &[(String, u32)] {
        &self.steps
    }
}

//! The line of JSON that a pipeline reads.

use std::time::Duration;

use serde_json::{Value, json};
use teal_traffic::{DirectRefusal, RouteWeights};

use super::access::Access;
use super::arguments::Set;

/// What came of `set`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Whether it wrote, or would have.
    pub(crate) changed: bool,
    /// How often it tried.
    pub(crate) attempts: u32,
    /// Whether it could see the Rollouts.
    pub(crate) rollouts_seen: bool,
    pub(crate) was: Vec<RouteWeights>,
    pub(crate) is: Vec<RouteWeights>,
    pub(crate) resource_version: Option<String>,
    /// Whether the weights lasted for as long as it was to stay.
    pub(crate) kept: Option<bool>,
}

impl Outcome {
    pub(crate) fn line(&self, access: &Access, set: &Set) -> Value {
        let routes = self.was.iter().map(|was| {
            let is = self.is.iter().find(|is| is.index == was.index && is.route == was.route);
            json!({"route": was.route, "index": was.index, "was": was.destinations, "is": is.map(|is| &is.destinations)})
        });
        let mut line = json!({
            "virtualService": access.path(),
            "changed": self.changed,
            "dryRun": set.dry_run,
            "attempts": self.attempts,
            "rolloutsSeen": self.rollouts_seen,
            "resourceVersion": self.resource_version,
            "routes": routes.collect::<Vec<Value>>(),
        });
        if let (Some(kept), Some(fields)) = (self.kept, line.as_object_mut()) {
            fields.insert("kept".into(), json!(kept));
            fields.insert(
                "waited".into(),
                json!(humantime::format_duration(set.wait.unwrap_or(Duration::ZERO)).to_string()),
            );
        }
        line
    }
}

/// What `get` says.
pub(crate) fn looked(
    access: &Access,
    object: &Value,
    rollouts: Option<&[Value]>,
    held: Option<&DirectRefusal>,
    routes: &[RouteWeights],
) -> Value {
    json!({
        "virtualService": access.path(),
        "resourceVersion": version(object),
        "rolloutsSeen": rollouts.is_some(),
        "managed": held.map(ToString::to_string),
        "routes": routes,
    })
}

pub(crate) fn version(object: &Value) -> Option<String> {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(str::to_owned)
}

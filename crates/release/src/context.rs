//! For whom a release is rendered.

use std::collections::BTreeMap;

use teal_plan::{ContentHash, Slot};

use crate::object::ObjectKey;

/// For whom and for which slot a release is rendered.
#[derive(Clone, Debug)]
pub struct Context {
    /// Name of the Rollout.
    pub rollout: String,
    /// Its uid.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Which operator looks after it; empty by default.
    pub instance: String,
    /// Names of `spec.traffic.services`.
    pub services: Vec<String>,
    /// Color and revision.
    pub slot: Slot,
    /// The hash of the release.
    pub hash: ContentHash,
    /// Whether the color is live now. If not, what is live only is held at 0 or suspended.
    pub live: bool,
    /// Sizes that count instead of the manifests' `replicas`, by uncolored key: a candidate is given live's size.
    pub replicas: BTreeMap<ObjectKey, u32>,
}

impl Context {
    /// The name that an object has in this color.
    pub fn colored(&self, name: &str) -> String {
        format!("{name}-{}", self.slot.color)
    }
}

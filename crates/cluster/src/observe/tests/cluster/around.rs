//! What others have written around the routes.

use serde_json::{Value, json};
use teal_api::names::label;

use super::Hand;
use crate::kinds::{self, Known};
use crate::stores::ObjectId;

impl Hand {
    /// An object around the routes, in any namespace.
    pub(in crate::observe::tests) fn around(&mut self, kind: Known, namespace: &str, spec: &Value) {
        self.named_around(kind, namespace, "theirs", spec);
    }

    /// The same as one of several.
    pub(crate) fn named_around(&mut self, kind: Known, namespace: &str, name: &str, spec: &Value) {
        let version = self.next();
        self.stores.offer_around(
            kind,
            &json!({
                "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{version}"),
                    "resourceVersion": version.to_string()},
                "spec": spec,
            }),
        );
    }

    /// A DestinationRule goes.
    pub(crate) fn take_rule(&mut self, name: &str) {
        self.stores.destination_rules.forget(&ObjectId::new("shop", name));
    }

    /// Teal's copy of the rule around the routes.
    pub(crate) fn copied_rule(&mut self, spec: &Value) {
        let version = self.next();
        self.stores.offer_around(
            kinds::DESTINATION_RULE,
            &json!({
                "metadata": {"name": "theirs-candidate", "namespace": "shop", "uid": "copy",
                    "resourceVersion": version.to_string(),
                    // As a backup brings it back.
                    "labels": {label::ROLLOUT: "web", label::ROLLOUT_UID: "a former one's", "team": "edge"},
                    "annotations": {teal_traffic::COPIED_FROM: "shop/theirs"}},
                "spec": spec,
            }),
        );
    }
}

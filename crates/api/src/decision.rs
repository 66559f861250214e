//! The kind `Decision`: one human act, as an object of its own that can't be changed.
#![allow(
    clippy::doc_markdown,
    reason = "these comments are shown by kubectl explain, where backticks are noise"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::limit;
use crate::schema::{conditions, rules};

/// What was decided, by whom and about what. It can't be changed once it is there.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "teal.dev",
    version = "v1alpha1",
    kind = "Decision",
    namespaced,
    status = "DecisionStatus",
    shortname = "tdec",
    category = "teal",
    derive = "PartialEq",
    doc = "One human act upon a Rollout: an approval, a rollback, a pause. kubectl teal makes them; kubectl create \
           works as well.",
    printcolumn(name = "Rollout", type_ = "string", json_path = ".spec.rollout.name"),
    printcolumn(name = "Action", type_ = "string", json_path = ".spec.action"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".spec.revision"),
    printcolumn(name = "Step", type_ = "string", json_path = ".spec.step"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.decidedBy.user"),
    printcolumn(
        name = "Outcome",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Applied\")].reason",
        description = "What became of it."
    ),
    printcolumn(name = "Via", type_ = "string", json_path = ".spec.via", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("self == oldSelf", "a decision can't be changed: make a new one"),
    (
        "self.action in ['Pause', 'Resume'] || has(self.revision)",
        "say in revision what is decided on: copy it from kubectl get rollouts.teal.dev",
    ),
    (
        "!(self.action in ['Approve', 'Reject']) || (has(self.step) && has(self.nonce))",
        "an answer needs step and nonce of the question: copy both from status.gate of the Rollout",
    ),
    ("self.action != 'Skip' || has(self.step)", "Skip needs in step the name of the step to leave"),
    ("!(self.action in ['Skip', 'Reject']) || has(self.reason)", "say why in reason: others will ask"),
])))]
pub struct DecisionSpec {
    /// The Rollout it is about, in the same namespace.
    pub rollout: RolloutReference,

    /// What is to be done. Approve, Reject: the answer to the question in status.gate. Rollback: traffic goes back to
    /// the color that served before. Pause, Resume: nothing moves forward, or does again; a release that is kept goes in
    /// its time also in a pause. Skip: leave the step without waiting for its gates. Retry: try a rejected revision again, or Jobs that did not end well. Retire: remove the
    /// color that no longer serves now. The right to it is the verb in lower case on rollouts/decision.
    pub action: Action,

    /// The revision it is about, such as r7-3f9c2a1b. Needed for all but Pause and Resume; a decision about another
    /// revision than the one at hand has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub revision: Option<String>,

    /// Name of the step it is about. Needed for Approve, Reject and Skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limit::STEP_NAME))]
    pub step: Option<String>,

    /// Mark of the question that is answered: status.gate.nonce. Needed for Approve and Reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub nonce: Option<String>,

    /// Who decided.
    pub decided_by: DecidedBy,

    /// By which front end: cli, web, slack or api. Claimed, for the record only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub via: Option<String>,

    /// Why. Needed for Reject and Skip; kept in the history for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limit::REASON))]
    pub reason: Option<String>,

    /// Hash of what was shown to who decided, for Approve and Reject: status.gate.evidence of the Rollout. A vote that gives
    /// another one is refused; one that gives none counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 71))]
    pub evidence: Option<String>,
}

/// A Rollout in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutReference {
    /// Name of the Rollout.
    #[schemars(length(min = 1, max = limit::ROLLOUT_NAME))]
    pub name: String,

    /// Uid of the Rollout. If given, a Rollout of the same name made later is not meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub uid: Option<String>,
}

/// A person, and on whose behalf they spoke.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecidedBy {
    /// User name as the API server knows it (kubectl auth whoami). Must be the one who creates this object.
    #[schemars(length(min = 1, max = limit::DNS_SUBDOMAIN))]
    pub user: String,

    /// The group whose vote this is. Must be one of the user's groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limit::DNS_SUBDOMAIN))]
    pub group: Option<String>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// Yes to the question in status.gate.
    Approve,
    /// No to it: traffic goes back to live.
    Reject,
    /// Traffic goes back to the color that served before.
    Rollback,
    /// Nothing moves forward.
    Pause,
    /// Things move forward again.
    Resume,
    /// The step is left without waiting for its gates.
    Skip,
    /// A rejected revision is tried again.
    Retry,
    /// The color that no longer serves is removed now.
    Retire,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Approve,
        Self::Reject,
        Self::Rollback,
        Self::Pause,
        Self::Resume,
        Self::Skip,
        Self::Retry,
        Self::Retire,
    ];

    /// The action as it stands in objects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "Approve",
            Self::Reject => "Reject",
            Self::Rollback => "Rollback",
            Self::Pause => "Pause",
            Self::Resume => "Resume",
            Self::Skip => "Skip",
            Self::Retry => "Retry",
            Self::Retire => "Retire",
        }
    }

    /// The verb by which the right to it is granted on `rollouts/decision`, and its name on the command line.
    pub fn verb(self) -> String {
        self.as_str().to_lowercase()
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DecisionStatus {
    /// One condition, Applied: True with reason Counted or Done; False with Refused, Superseded or
    /// AlreadyCounted, and why. Absent: not seen yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
}

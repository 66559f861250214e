//! `Rollout.status`: written at transitions only, and rebuilt from the cluster when it is lost. Words in it are open
//! lists ([`crate::conditions`]), so they are plain text here; text is cut to its limit by
//! [`crate::names::shortened`], never by the schema, because a status write must not be refused.
#![allow(
    clippy::doc_markdown,
    reason = "these comments are shown by kubectl explain, where backticks are noise"
)]

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::{ATOMIC, MAP, conditions, free_form};

/// What was seen and done. Programs read conditions; the rest is for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    /// The metadata.generation that all of this speaks of. Lower than that: not seen yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Where the rollout is, in one word: Installing, Preparing, Shifting, Checking, Waiting, Paused, Promoting,
    /// Complete, RollingBack, RolledBack, Blocked or HandsOff. The list is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,

    /// Where the rollout is, in one sentence, with what to do where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// What is waited for, in a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,

    /// The release that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveStatus>,

    /// The release that is tried. Absent at rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<CandidateStatus>,

    /// The release that served before, from promotion until it is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousStatus>,

    /// What is removed once its open connections have ended. Only there while they are awaited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draining: Option<DrainingStatus>,

    /// The step that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepStatus>,

    /// Traffic as observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficStatus>,

    /// The question that people are asked. Only there while they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateStatus>,

    /// What the checks said at the last transition or change of a verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = MAP, "x-kubernetes-list-map-keys" = ["name"]))]
    pub checks: Vec<CheckStatus>,

    /// Revisions that were taken back, newest first. The same content is not tried again by itself; Retry does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = ATOMIC))]
    pub rejected: Vec<String>,

    /// The last ten revisions that came to an end, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = ATOMIC))]
    pub history: Vec<HistoryEntry>,

    /// The planner's own record. Not for clients: its form changes from version to version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form")]
    pub commit: Option<Value>,

    /// Ready, Accepted, Available, Promoted, AwaitingDecision, TrafficInSync and RollbackAvailable are always there;
    /// Reconciling, Stalled and warnings only while they are True.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
}

impl RolloutStatus {
    /// The condition of this type.
    pub fn condition(&self, kind: crate::conditions::ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == kind.as_str())
    }
}

/// The release that serves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveStatus {
    /// Its color: blue or green.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,

    /// Its revision id, such as r6-5b1d9e02.
    pub revision: String,

    /// Hash of its content with the version of the recipe in front: v1: and 64 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,

    /// Since when it serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,

    /// What it is, in a few words, such as image web 1.8.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// The release that is tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CandidateStatus {
    /// Its color: blue or green.
    pub color: String,

    /// Its revision id, such as r7-3f9c2a1b.
    pub revision: String,

    /// Hash of its content with the version of the recipe in front: v1: and 64 hex digits.
    pub hash: String,

    /// How often this revision is tried by now, from 1.
    pub attempt: u32,

    /// Since when it is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,

    /// When what the machine waits for now must have happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,

    /// What it is, in a few words, such as image web 1.8.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// The release that served before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PreviousStatus {
    /// Its color: blue or green.
    pub color: String,

    /// Its revision id, such as r6-5b1d9e02.
    pub revision: String,

    /// Until when it stays as it is. Later it is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<Timestamp>,
}

/// The release that has no traffic any more, but open connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DrainingStatus {
    /// Its color: blue or green.
    pub color: String,

    /// Its revision id, such as r6-5b1d9e02. Absent where the record of it was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,

    /// How many connections were open when that was last told: at once when more are open or half of them have ended, else
    /// once a minute. Absent while metrics give no number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<String>,

    /// When it is removed, whatever is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The step that is under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StepStatus {
    /// Name of the step.
    pub name: String,

    /// Its place among the steps, from 1.
    pub index: u32,

    /// How many steps there are.
    pub count: u32,

    /// The weight that is wanted.
    pub weight: u32,

    /// When that weight was observed. Absent: it was not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached_at: Option<Timestamp>,
}

/// Traffic as observed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficStatus {
    /// Percent of requests that reach the candidate; the highest of all routes while they differ.
    pub candidate_weight: u32,

    /// When this was last found to be so at a transition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,

    /// Each managed route.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = ATOMIC))]
    pub routes: Vec<RouteStatus>,
}

/// One managed route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteStatus {
    /// Kind of the object that has it, such as VirtualService.
    pub kind: String,

    /// Namespace of that object.
    pub namespace: String,

    /// Name of that object.
    pub name: String,

    /// Name of the http route in it. Absent: the route has none. Of a tls or tcp route: its first match, written as in
    /// spec.traffic.virtualServices[].routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,

    /// Percent of requests that it gives to the candidate.
    pub candidate_weight: u32,
}

/// The question that people are asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GateStatus {
    /// The step that it belongs to.
    pub step: String,

    /// The question's own mark, new at each opening, after each edit of the step and each retry. An answer must carry
    /// it, so that it can't be taken for the answer to another question.
    pub nonce: String,

    /// Hash of what this status showed when the question was opened: both releases, the step, and the verdict, value and limit
    /// of each check. It stays for as long as the question does. A vote may carry it, and is refused where it carries another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,

    /// Since when they are asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,

    /// Whose approval is needed, and how much of it is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = ATOMIC))]
    pub needs: Vec<ApprovalNeed>,

    /// The votes that count so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = ATOMIC))]
    pub votes: Vec<Vote>,
}

/// Approvals that are needed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalNeed {
    /// How many different persons.
    pub count: u32,

    /// How many of them have approved.
    pub have: u32,
}

/// A vote that counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Vote {
    /// Name of the Decision.
    pub decision: String,

    /// Who gave it.
    pub user: String,

    /// By which front end, as it claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,

    /// When it was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// What one check says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct CheckStatus {
    /// Name of the check.
    pub name: String,

    /// Pass, Fail, Inconclusive or Error. The list is open.
    pub verdict: String,

    /// The number it was found by, as text in base units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,

    /// What is allowed, such as max 1%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,

    /// How many samples of this step counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,

    /// Since when it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,

    /// What there is to say about it, such as the error of the metrics source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A revision that came to an end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HistoryEntry {
    /// Its revision id.
    pub revision: String,

    /// Which attempt it was, from 1.
    pub attempt: u32,

    /// Promoted, RolledBack, Superseded or Cancelled. The list is open.
    pub outcome: String,

    /// Why, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,

    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,

    /// For how many seconds of that a person was waited for: a question was open, somebody had paused, or a check or deadline
    /// held the rollout until somebody decides. Absent: not known, as for what an earlier version of Teal began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_seconds: Option<u32>,

    /// The rest of it in seconds: starting, moving traffic, holding, checking, going back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_seconds: Option<u32>,

    /// Names of the Decisions that counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = ATOMIC))]
    pub decisions: Vec<String>,
}

//! `spec.steps`: weights and the gates that end them. A new kind of gate is a new optional field.
#![allow(
    clippy::doc_markdown,
    reason = "these comments are shown by kubectl explain, where backticks are noise"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duration::{DurationText, at_least_a_second};
use crate::names::limit;
use crate::schema::{MAP, SET, dns_label, free_form, rules};

/// A weight for the candidate and the gates that end the step. All gates must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "!has(self.mirror) || self.weight < 100",
    "at weight 100 every request reaches the candidate already, so there is nothing to copy: take mirror out of this step",
)])))]
pub struct Step {
    /// Name of the step, at most 32 characters, such as canary.
    #[schemars(
        length(min = 1, max = limit::STEP_NAME),
        extend("x-kubernetes-validations" = dns_label())
    )]
    pub name: String,

    /// Percent of requests that go to the candidate, 0 to 100. 0 is a step before any traffic, for testing at the
    /// Service with -candidate behind its name. Without virtualServices 100 switches the Services, and the gates of
    /// that step run after it.
    #[schemars(range(min = 0, max = 100))]
    pub weight: u32,

    /// What else the candidate gets during the step: copies of requests. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,

    /// Gate: how long the weight stays, counted from when it was observed. Such as 90s, 10m or 1h30m. Default: no
    /// time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<DurationText>,

    /// Gate: how long every pod of the candidate that is ready must have been ready without a break. A pod that comes later, or
    /// restarts, starts anew. Such as 2m, for a process that is slow while it is young: it compiles, or fills its caches. At
    /// weight 0 no request waits for that. Pods of Jobs don't count. Default: no age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_pod_age: Option<DurationText>,

    /// Gate: names of the checks that must pass. Default: all of spec.checks, or none at weight 0, where there is no
    /// traffic to measure. An empty list: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = limit::CHECKS),
        inner(length(min = 1, max = limit::DNS_LABEL)),
        extend("x-kubernetes-list-type" = SET)
    )]
    pub checks: Option<Vec<String>>,

    /// Gate: Jobs that must end well, up to 8, such as a smoke test or a load generator. Each is made once for each attempt, when the
    /// step's weight was observed, and never again by a restart; Retry runs all of the step's anew. One that fails, is gone
    /// before it was seen to end, or takes longer than its timeout counts as a failed check: see onFailure. They carry the labels
    /// of the color and go with it, so logs can be read until then. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = limit::STEP_JOBS),
        extend("x-kubernetes-list-type" = MAP, "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub jobs: Option<Vec<StepJob>>,

    /// Gate: people who must agree, by a Decision. Default: nobody is asked. Write approval: {count: 1}; a bare
    /// approval: with nothing behind it is dropped without a word. A rollout under way keeps the approvals that it
    /// started with: taking one out counts from the next revision, and Skip goes on without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// Copies of requests for the candidate, whose answers are thrown away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mirror {
    /// How many of a hundred requests of each managed http route are sent to the candidate once more, 1 to 100. Callers get the
    /// answers of whom the weights choose, so at weight 0 all are live's. Everything that a request does is done twice, also what it
    /// writes: mirror what only reads, or what may be repeated. The copies bear -shadow behind the name of their host.
    #[schemars(range(min = 1, max = 100))]
    pub percent: u32,
}

/// A Job that is a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepJob {
    /// Name, at most 32 characters, such as smoke. The Job's own begins with the step's name and this one; status.message says it.
    #[schemars(
        length(min = 1, max = limit::STEP_NAME),
        extend("x-kubernetes-validations" = dns_label())
    )]
    pub name: String,

    /// A JobSpec (batch/v1) as written, with template.spec.restartPolicy Never or OnFailure. Placeholders in command, args and
    /// values of env: $(color), $(revision), $(service), $(candidateService), $(namespace), $(rollout); the Services are the
    /// first of traffic.services. A failed pod is replaced as backoffLimit says, 6 times if it says nothing: 0 is a test that
    /// has one try. An edit while the step is under way makes another Job of it, which runs, and people are asked anew.
    #[schemars(schema_with = "free_form")]
    pub spec: Value,

    /// How long it may run from when it was seen. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = at_least_a_second()))]
    pub timeout: Option<DurationText>,
}

/// Who must agree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// How many different persons must approve, 1 to 20. One Reject takes the release back. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limit::APPROVALS))]
    pub count: Option<u32>,
}

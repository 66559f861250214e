//! `spec.checks` and `spec.guards`: what is asked of metrics and what is allowed.
#![allow(
    clippy::doc_markdown,
    reason = "these comments are shown by kubectl explain, where backticks are noise"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{DurationText, at_least_a_second};
use crate::names::limit;
use crate::schema::{dns_label, rules, source, word};
use crate::threshold::Limit;

/// A question to metrics with its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("has(self.query)", "say in query what is measured: PromQL that gives one number"),
    ("has(self.threshold)", "say in threshold what is allowed: give min, max or both"),
])))]
pub struct Check {
    /// Name of the check, at most 63 characters, such as errors.
    #[schemars(
        length(min = 1, max = limit::DNS_LABEL),
        extend("x-kubernetes-validations" = dns_label())
    )]
    pub name: String,

    /// What is measured: PromQL that gives one number; several series are an error. Placeholders: $(color),
    /// $(liveColor), $(revision), $(role), $(service), $(candidateService), $(namespace), $(rollout). Example:
    /// (sum(rate(requests_total{teal_dev_revision="$(revision)",code=~"5.."}[1m])) or vector(0)) /
    /// sum(rate(requests_total{teal_dev_revision="$(revision)"}[1m])). Prometheus has the label
    /// teal_dev_revision where it is told to keep the labels of pods. Without requests this ratio is no number, and doesn't pass.
    /// A color comes again with the next revision, so a query by color alone may still see the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = limit::QUERY),
        extend("x-kubernetes-validations" = rules(&[(
            "self.matches('^([^$]|[$]+[^$(]|[$]+[(](color|liveColor|revision|role|service|candidateService|namespace\
             |rollout)[)])*[$]*$')",
            "the query has a placeholder that does not exist: use $(color), $(liveColor), $(revision), $(role), \
             $(service), $(candidateService), $(namespace) or $(rollout)",
        )]))
    )]
    pub query: Option<String>,

    /// Which metrics source is asked: a name that the operator's configuration has, never a URL. Default: default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = limit::DNS_LABEL),
        extend("x-kubernetes-validations" = source())
    )]
    pub source: Option<String>,

    /// What is allowed: min, max or both. A value equal to a limit passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,

    /// Time between two questions, at least 1s; none is asked before the last one is answered. Default: 15s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = at_least_a_second()))]
    pub interval: Option<DurationText>,

    /// How long after its weight was observed the first sample of a step counts, so that the numbers speak of that
    /// weight. Default: 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<DurationText>,

    /// Good samples in a row, within one step, before the check passes. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub passes: Option<u32>,

    /// Bad samples before the check fails, with no good one between them: an answer that can't be used is none.
    /// Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub failures: Option<u32>,

    /// What an empty answer or NaN means. Wait: nothing is known yet. Zero: the value is 0, for a counter that is absent until
    /// the first error; with a max alone the sample is then good, so never use it for a ratio, which is empty without requests:
    /// write (… or vector(0)) around the errors instead. Fail: the sample is bad, once delay is over. Default: Wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word::<NoData>")]
    pub no_data: Option<NoData>,

    /// How long there may be no usable answer before onBlind is done. Default: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blind_limit: Option<DurationText>,

    /// What happens when there was no usable answer for blindLimit. Hold: a person is waited for. Rollback: traffic
    /// goes back to live. Nothing is ever promoted without an answer. Default: Hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word::<OnBlind>")]
    pub on_blind: Option<OnBlind>,
}

/// Limits of a check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "has(self.min) || has(self.max)",
    "give min, max or both",
)])))]
pub struct Threshold {
    /// The least that is allowed: a whole number, a quoted decimal such as "0.99", or a number with a unit (99%,
    /// 250ms). Base units are seconds and ratios: 99% is 0.99, 250ms is 0.25.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Limit>,

    /// The most that is allowed: a whole number, a quoted decimal such as "0.01", or a number with a unit (1%,
    /// 250ms). Base units are seconds and ratios: 1% is 0.01, 250ms is 0.25.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Limit>,
}

/// A check that is asked the whole time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guard {
    /// Name of the check.
    #[schemars(length(min = 1, max = limit::DNS_LABEL))]
    pub check: String,

    /// How long it is asked. Promoted: until the release is live. Retired: until the former color is removed, so
    /// that it can still go back by itself. Default: Retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word::<GuardUntil>")]
    pub until: Option<GuardUntil>,
}

/// What an empty answer means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NoData {
    /// Nothing is known yet.
    #[default]
    Wait,
    /// The value is 0.
    Zero,
    /// The sample is bad.
    Fail,
}

/// What happens when a check has no usable answer for too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnBlind {
    /// A person is waited for.
    #[default]
    Hold,
    /// Traffic goes back to live.
    Rollback,
}

/// How long a guard is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GuardUntil {
    /// Until the release is live.
    Promoted,
    /// Until the former color is removed.
    #[default]
    Retired,
}

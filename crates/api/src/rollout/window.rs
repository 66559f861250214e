//! `spec.windows`: times in which nothing moves forward.
#![allow(
    clippy::doc_markdown,
    reason = "these comments are shown by kubectl explain, where backticks are noise"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{DurationText, at_least_a_second};
use crate::names::limit;
use crate::schema::{rules, word};

/// A time, once or again and again, in which nothing moves forward: no rollout starts and no weight is raised. Guards and going
/// back work in it as ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// What it does. Deny: nothing moves forward in it.
    #[schemars(schema_with = "word::<WindowEffect>")]
    pub effect: WindowEffect,

    /// When it begins, as in a crontab: minute, hour, day of the month, month, day of the week. Example: 0 18 * * FRI.
    #[schemars(
        length(min = 9, max = limit::SCHEDULE),
        extend("x-kubernetes-validations" = rules(&[(
            "self.matches('^ *[^ ]+( +[^ ]+){4} *$')",
            "write five fields as in a crontab (minute, hour, day of the month, month, day of the week), such as 0 18 * * FRI",
        )]))
    )]
    pub schedule: String,

    /// How long it lasts, at least 1s. Windows that touch are one. Example: 62h.
    #[schemars(extend("x-kubernetes-validations" = at_least_a_second()))]
    pub duration: DurationText,

    /// Where the clock hangs by which it begins: a name of the IANA time zone database, such as Asia/Seoul. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limit::DNS_LABEL))]
    pub time_zone: Option<String>,
}

/// What a window does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WindowEffect {
    /// Nothing moves forward in it.
    #[default]
    Deny,
}

//! `spec.traffic.preview`: who is led to the candidate because they ask for it.
#![allow(
    clippy::doc_markdown,
    reason = "these comments are shown by kubectl explain, where backticks are noise"
)]

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::limit;
use crate::schema::{MAP, rules};

/// What a request must bear, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "has(self.headers) && self.headers.size() > 0 || has(self.cookies) && self.cookies.size() > 0 || \
     has(self.sourceLabels) && self.sourceLabels.size() > 0",
    "say what a request must bear, by headers, cookies or sourceLabels: without any of them everybody would be led to the candidate",
)])))]
pub struct Preview {
    /// Headers, up to 8, each with exactly this value. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = limit::PREVIEW_HEADERS),
        extend("x-kubernetes-list-type" = MAP, "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub headers: Option<Vec<PreviewHeader>>,

    /// Cookies, up to 2, each with exactly this value. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = limit::PREVIEW_COOKIES),
        extend("x-kubernetes-list-type" = MAP, "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub cookies: Option<Vec<PreviewCookie>>,

    /// Labels of the pod that calls, up to 8. Of a caller outside the mesh nothing is known, so it has none. Default: any caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = limit::PREVIEW_HEADERS))]
    pub source_labels: Option<BTreeMap<String, String>>,
}

/// One header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewHeader {
    /// Name of the header in lower case, such as x-teal-preview.
    #[schemars(
        length(min = 1, max = limit::DNS_LABEL),
        extend("x-kubernetes-validations" = rules(&[
            (
                "self.matches('^[-_a-z0-9]+$')",
                "write a header's name as Istio wants it: lower case letters, digits, dashes and underscores",
            ),
            (
                "!(self in ['uri', 'scheme', 'method', 'authority', 'cookie'])",
                "Istio doesn't read this name as a header: choose another one, and name a cookie in cookies",
            ),
        ]))
    )]
    pub name: String,

    /// Its value, exactly.
    #[schemars(
        length(min = 1, max = limit::PREVIEW_VALUE),
        extend("x-kubernetes-validations" = rules(&[(
            "self.matches('^[!-~]([ -~]*[!-~])?$')",
            "write letters, digits and signs of ASCII, with no space before or behind",
        )]))
    )]
    pub value: String,
}

/// One cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewCookie {
    /// Name of the cookie, such as preview.
    #[schemars(
        length(min = 1, max = limit::DNS_LABEL),
        extend("x-kubernetes-validations" = rules(&[(
            "self.matches('^[-_.a-zA-Z0-9]+$')",
            "write a cookie's name: letters, digits, dashes, underscores and dots",
        )]))
    )]
    pub name: String,

    /// Its value, exactly.
    #[schemars(
        length(min = 1, max = limit::PREVIEW_VALUE),
        extend("x-kubernetes-validations" = rules(&[(
            "self.matches('^[!-~]+$') && !self.matches('[;,\"]')",
            "write what a cookie's value may have: letters, digits and signs of ASCII, but no space, comma, semicolon or quote",
        )]))
    )]
    pub value: String,
}

/// What a request must bear, in words: `header x-teal-preview: true and cookie preview=1`.
impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.iter().flatten().map(|one| format!("header {}: {}", one.name, one.value));
        let cookies = self.cookies.iter().flatten().map(|one| format!("cookie {}={}", one.name, one.value));
        let labels = self.source_labels.iter().flatten();
        let labels = labels.map(|(name, value)| format!("label {name}={value} on its pod"));
        let all: Vec<String> = headers.chain(cookies).chain(labels).collect();
        f.write_str(&all.join(" and "))
    }
}

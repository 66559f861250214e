//! What is wrong with a release, in words that say how to mend it.

use std::fmt;

use serde::Serialize;

/// The reason for the condition `Accepted`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub enum RefusalReason {
    /// A manifest is wrong in itself.
    ReleaseInvalid,
    /// A kind that can't be part of a release.
    UnsupportedKind,
    /// A traffic Service that the release doesn't have, or that selects nothing of it.
    ServiceNotFound,
    /// A traffic Service whose pods can't be changed under its callers.
    ServiceUnsupported,
}

impl RefusalReason {
    /// As it stands in conditions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReleaseInvalid => "ReleaseInvalid",
            Self::UnsupportedKind => "UnsupportedKind",
            Self::ServiceNotFound => "ServiceNotFound",
            Self::ServiceUnsupported => "ServiceUnsupported",
        }
    }
}

/// One thing that must change before the release can be rolled out. Shown as
/// `Deployment web: spec.… is wrong: do this`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, thiserror::Error)]
#[error("{object}: {field} {problem}: {remedy}")]
pub struct Refusal {
    /// Reason for the condition.
    pub reason: RefusalReason,
    /// The object, as `Deployment web`.
    pub object: String,
    /// The field, as a path.
    pub field: String,
    /// What is wrong with it, so that it reads on from the field.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Refusal {
    pub(crate) fn invalid(
        object: &impl fmt::Display,
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            reason: RefusalReason::ReleaseInvalid,
            object: object.to_string(),
            field: field.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    pub(crate) fn with_reason(mut self, reason: RefusalReason) -> Self {
        self.reason = reason;
        self
    }
}

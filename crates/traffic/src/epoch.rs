//! The epoch on shared objects: who wrote last, and that nobody older writes over it (rule 5, invariant I4).

use serde_json::Value;

use crate::object::{annotation, map};

/// Prefix of the annotations that hold an epoch; the Rollout's uid follows, since several may share one object.
pub const EPOCH_PREFIX: &str = "epoch.teal.dev/";

/// The largest number that counts as an epoch. A status commit a microsecond would reach it in 285 years, so a larger
/// one is forged, and believing it would leave no number to go on with. It is also what JSON numbers hold exactly.
pub const EPOCH_LIMIT: i64 = (1 << 53) - 1;

/// The field manager under which Teal writes, unless a [`Stamp`] says otherwise.
pub const FIELD_MANAGER: &str = "teal";

/// Who writes, and at which epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Uid of the Rollout.
    pub rollout: String,
    /// Its epoch as claimed.
    pub epoch: i64,
    /// Field manager of the requests.
    pub manager: String,
}

impl Stamp {
    /// A stamp of the Rollout with this uid.
    pub fn new(rollout: impl Into<String>, epoch: i64) -> Self {
        Self { rollout: rollout.into(), epoch, manager: FIELD_MANAGER.into() }
    }

    /// Key of its annotation.
    pub fn annotation(&self) -> String {
        format!("{EPOCH_PREFIX}{}", self.rollout)
    }
}

/// The epoch of a Rollout on an object. Missing and malformed read as 0, so that a forged one locks nobody out.
pub fn epoch_of(object: &Value, rollout: &str) -> i64 {
    annotation(object, &format!("{EPOCH_PREFIX}{rollout}")).map_or(0, parse)
}

/// The epoch to claim: one more than the highest on any of the `objects` and in `status`.
pub fn claim<'a>(objects: impl IntoIterator<Item = &'a Value>, rollout: &str, status: i64) -> i64 {
    let highest = objects.into_iter().map(|object| epoch_of(object, rollout)).fold(status, i64::max);
    highest.clamp(0, EPOCH_LIMIT - 1) + 1
}

/// Whether an object has annotations at all: where not, one can't be added without risking those of others.
pub(crate) fn has_annotations(object: &Value) -> bool {
    map(object, "/metadata/annotations").is_some()
}

fn parse(text: &str) -> i64 {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|epoch| digits && *epoch <= EPOCH_LIMIT).unwrap_or(0)
}

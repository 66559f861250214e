//! The epoch on shared objects: who wrote last, and that nobody older writes over it (rule 5, invariant I4).

use serde_json::Value;

use crate::object::{annotation, map};

/// Prefix of the annotations that hold an epoch; the Rollout's uid follows, since several may share one object.
pub const EPOCH_PREFIX: &str = "epoch.teal.dev/";

/// The largest number that counts as an epoch: what JSON numbers hold exactly. A status commit a microsecond would reach
/// it in 285 years.
pub const EPOCH_LIMIT: i64 = (1 << 53) - 1;

/// How far above a record an epoch is still believed. Nobody's record lags behind its objects by a million commits, be it
/// from a backup; and whoever forges epochs step by step needs billions of steps to come near [`EPOCH_LIMIT`], beyond
/// which there would be no number left to go on with.
pub const EPOCH_LEAD: i64 = 1_000_000;

/// The same where there is no record: half of the numbers, so that as many are left.
const WITHOUT_RECORD: i64 = 1 << 52;

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
    pub fn new(rollout: impl Into<String>, epoch: i64, manager: impl Into<String>) -> Self {
        Self { rollout: rollout.into(), epoch, manager: manager.into() }
    }

    /// Key of its annotation.
    pub fn annotation(&self) -> String {
        format!("{EPOCH_PREFIX}{}", self.rollout)
    }

    /// What an object's epoch means to this writer.
    pub(crate) fn sees(&self, object: &Value) -> i64 {
        believed(epoch_of(object, &self.rollout), Some(self.epoch))
    }
}

/// The epoch of a Rollout on an object, as it is written. Missing and malformed read as 0.
pub fn epoch_of(object: &Value, rollout: &str) -> i64 {
    annotation(object, &format!("{EPOCH_PREFIX}{rollout}")).map_or(0, read_epoch)
}

/// The number in an annotation; what is none, or larger than [`EPOCH_LIMIT`], reads as 0.
pub fn read_epoch(text: &str) -> i64 {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|epoch| digits && *epoch <= EPOCH_LIMIT).unwrap_or(0)
}

/// What an epoch that was found means to whoever has this record; 0 where Teal never wrote it. Whoever follows every number
/// could be led to where none is left, and locked out.
pub fn believed(found: i64, record: Option<i64>) -> i64 {
    let most = record.map_or(WITHOUT_RECORD, |own| own.saturating_add(EPOCH_LEAD));
    if found <= most { found } else { 0 }
}

/// Whether an object has annotations at all: where not, one can't be added without risking those of others.
pub(crate) fn has_annotations(object: &Value) -> bool {
    map(object, "/metadata/annotations").is_some()
}

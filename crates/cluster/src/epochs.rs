//! What epochs on objects mean to the record of a Rollout.

use teal_plan::{Phase, Record};

/// The epoch that was found, or 0 where Teal never wrote it.
pub(crate) fn believed(found: u64, record: &Record) -> u64 {
    let number = |epoch: u64| i64::try_from(epoch).unwrap_or(i64::MAX);
    let known = (!matches!(record.phase, Phase::New)).then(|| number(record.epoch));
    u64::try_from(teal_traffic::believed(number(found), known)).unwrap_or(0)
}

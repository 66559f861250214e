//! The defaults of a spec, in code and nowhere else: a default in the schema would be written into stored objects,
//! and changing it would start rollouts. [`filled`] reads a spec into numbers with every default in place.

mod fill;
mod filled;

pub use fill::{default_steps, filled, salvaged};
pub use filled::{
    Filled, FilledApproval, FilledCheck, FilledDrain, FilledGroup, FilledGuard, FilledJob, FilledStep,
    FilledVirtualService, FilledWindow, SpecError,
};

/// Milliseconds of a minute.
const MINUTE: u64 = 60_000;

/// The default steps with a mesh.
pub const STEPS: [DefaultStep; 2] = [
    DefaultStep { name: "canary", weight: 10, hold_ms: 10 * MINUTE },
    DefaultStep { name: "full", weight: 100, hold_ms: 5 * MINUTE },
];
/// The default step without a mesh: the Services are switched at once.
pub const STEPS_WITHOUT_MESH: [DefaultStep; 1] = [DefaultStep { name: "switch", weight: 100, hold_ms: 0 }];
/// `keep.previous`.
pub const KEEP_PREVIOUS_MS: u64 = 60 * MINUTE;
/// `keep.failed`.
pub const KEEP_FAILED_MS: u64 = 10 * MINUTE;
/// `progressDeadline`.
pub const PROGRESS_DEADLINE_MS: u64 = 10 * MINUTE;
/// `approval.count`.
pub const APPROVAL_COUNT: u32 = 1;
/// `steps[].jobs[].timeout`.
pub const JOB_TIMEOUT_MS: u64 = 10 * MINUTE;
/// `traffic.drain.timeout`.
pub const DRAIN_TIMEOUT_MS: u64 = 30 * MINUTE;
/// Time between two questions for open connections.
pub const DRAIN_INTERVAL_MS: u64 = 5_000;
/// `windows[].timeZone`.
pub const TIME_ZONE: &str = "UTC";
/// `checks[].source`.
pub const SOURCE: &str = "default";
/// `checks[].interval`.
pub const INTERVAL_MS: u64 = 15_000;
/// `checks[].delay`.
pub const DELAY_MS: u64 = 30_000;
/// `checks[].passes`.
pub const PASSES: u32 = 3;
/// `checks[].failures`.
pub const FAILURES: u32 = 1;
/// `checks[].blindLimit`.
pub const BLIND_LIMIT_MS: u64 = 5 * MINUTE;
/// The least that `interval`, `progressDeadline` and `timeout` may be.
pub const LEAST_MS: u64 = 1_000;

/// One of the default steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultStep {
    /// Name of the step.
    pub name: &'static str,
    /// Percent of requests.
    pub weight: u32,
    /// How long it lasts at least.
    pub hold_ms: u64,
}

#[cfg(test)]
mod tests;

//! A spec with everything in place, and why it could not be made.

use std::fmt;

use jiff::Timestamp;

use crate::duration::DurationError;
use crate::rollout::{GuardUntil, Mode, NoData, OnBlind, OnDelete, OnFailure, Preview, Readiness, Route};
use crate::threshold::LimitError;
use crate::window::{Schedule, ScheduleError};

/// A spec, without its release, with every default in place, durations in milliseconds and limits in base units.
#[derive(Clone, Debug, PartialEq)]
pub struct Filled {
    /// Names of the traffic Services.
    pub services: Vec<String>,
    /// The `VirtualServices`; none: plain blue-green.
    pub virtual_services: Vec<FilledVirtualService>,
    /// Which open connections are awaited; nothing: none are.
    pub drain: Option<Box<FilledDrain>>,
    /// Who is led to the candidate because they ask for it.
    pub preview: Option<Box<Preview>>,
    /// The steps in order; the last has weight 100.
    pub steps: Vec<FilledStep>,
    /// The checks.
    pub checks: Vec<FilledCheck>,
    /// The guards.
    pub guards: Vec<FilledGuard>,
    /// How long the candidate may take to become ready, and each wait of the machine.
    pub progress_deadline_ms: u64,
    /// How long the former live color stays.
    pub keep_previous_ms: u64,
    /// How long a candidate that was taken back stays.
    pub keep_failed_ms: u64,
    /// What happens when a check or deadline fails.
    pub on_failure: OnFailure,
    /// How much Teal does.
    pub mode: Mode,
    /// What deleting the Rollout does.
    pub on_delete: OnDelete,
    /// What Ready waits for.
    pub readiness: Readiness,
    /// With whom it moves; nothing: alone.
    pub group: Option<FilledGroup>,
    /// Times in which nothing moves forward.
    pub windows: Vec<FilledWindow>,
    /// Before this no rollout starts.
    pub start_at: Option<Timestamp>,
}

/// A time in which nothing moves forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledWindow {
    /// When it begins: five fields of a crontab.
    pub schedule: String,
    /// How long it lasts.
    pub duration: String,
    /// The same.
    pub duration_ms: u64,
    /// Where the clock hangs.
    pub time_zone: String,
}

impl FilledWindow {
    /// By which one finds out when it begins and ends.
    pub fn read(&self) -> Result<Schedule, ScheduleError> {
        Schedule::new(&self.schedule, self.duration_ms, &self.time_zone)
    }
}

impl fmt::Display for FilledWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) for {}", self.schedule, self.time_zone, self.duration)
    }
}

impl Filled {
    /// Whether weights between 0 and 100 can be had.
    pub fn has_mesh(&self) -> bool {
        !self.virtual_services.is_empty()
    }

    /// The check of this name, or what is asked of open connections.
    pub fn check(&self, name: &str) -> Option<&FilledCheck> {
        self.asked().find(|check| check.name == name)
    }

    /// Everything that metrics may be asked.
    pub fn asked(&self) -> impl Iterator<Item = &FilledCheck> {
        self.checks.iter().chain(self.drain.iter().map(|drain| &drain.connections))
    }

    /// Whether nothing but readiness and time is judged: a condition says so.
    pub fn judged_by_time_only(&self) -> bool {
        self.guards.is_empty()
            && self
                .steps
                .iter()
                .all(|step| step.checks.is_empty() && step.jobs.is_empty() && step.approval.is_none())
    }
}

/// With which other Rollouts one moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledGroup {
    /// The group's name.
    pub name: String,
    /// The place in the order of writes within a step.
    pub order: i32,
}

/// One `VirtualService`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledVirtualService {
    /// Its name.
    pub name: String,
    /// Its managed routes; nothing: every http route that leads to one of the Services.
    pub routes: Option<Vec<Route>>,
}

/// Which open connections are awaited.
#[derive(Clone, Debug, PartialEq)]
pub struct FilledDrain {
    /// How long at most.
    pub timeout_ms: u64,
    /// How many are open, as a check that passes once it is 0.
    pub connections: FilledCheck,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledStep {
    /// Its name.
    pub name: String,
    /// Percent of requests, 0 to 100.
    pub weight: u32,
    /// Percent of requests that are copied to the candidate; none where none are.
    pub mirror: Option<u8>,
    /// How long the weight stays at least.
    pub hold_ms: u64,
    /// How long every ready pod of the candidate must have been ready.
    pub min_pod_age_ms: u64,
    /// Names of the checks that must pass.
    pub checks: Vec<String>,
    /// Who must agree.
    pub approval: Option<FilledApproval>,
    /// Jobs that must end well. What they are stands in the spec.
    pub jobs: Vec<FilledJob>,
}

/// A Job that is a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledJob {
    /// Its name in the step.
    pub name: String,
    /// How long it may run.
    pub timeout_ms: u64,
    /// A digest (FNV-1a) of its spec, by which an edit shows.
    pub digest: u32,
}

/// Who must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilledApproval {
    /// How many different persons.
    pub count: u32,
}

/// One check.
#[derive(Clone, Debug, PartialEq)]
pub struct FilledCheck {
    /// Its name.
    pub name: String,
    /// The query with its placeholders.
    pub query: String,
    /// Name of the metrics source.
    pub source: String,
    /// The least allowed, in base units.
    pub min: Option<f64>,
    /// The most allowed, in base units.
    pub max: Option<f64>,
    /// The limits as they were written, such as `max 1%`.
    pub limit: String,
    /// Time between questions.
    pub interval_ms: u64,
    /// Time after the weight was observed before samples count.
    pub delay_ms: u64,
    /// Good samples in a row for Pass.
    pub passes: u32,
    /// Bad samples in a row for Fail.
    pub failures: u32,
    /// What no data means.
    pub no_data: NoData,
    /// How long there may be no usable answer.
    pub blind_limit_ms: u64,
    /// What happens then.
    pub on_blind: OnBlind,
}

/// One guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledGuard {
    /// Name of its check.
    pub check: String,
    /// How long it is asked.
    pub until: GuardUntil,
}

/// Why a spec can't be used. The server refuses nearly all of these when they are written; they are found again here
/// because objects outlive the rules they were admitted by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A duration can't be read.
    #[error("{field}: {source}")]
    Duration {
        /// Where it stands.
        field: String,
        /// What is wrong with it.
        source: DurationError,
    },
    /// A duration is too short.
    #[error("{field}: {text} is too short: write at least 1s")]
    TooShort {
        /// Where it stands.
        field: String,
        /// What was written.
        text: String,
    },
    /// The time to start is none.
    #[error(
        "spec.startAt: {text} can't be used as a time: write one like 2026-12-01T02:00:00+09:00, or take it out and set spec.mode to Paused"
    )]
    StartAt {
        /// What was written.
        text: String,
    },
    /// When a window begins can't be read.
    #[error("{field}: {source}")]
    Schedule {
        /// Where it stands.
        field: String,
        /// What is wrong with it.
        source: ScheduleError,
    },
    /// A limit can't be read.
    #[error("{field}: {source}")]
    Limit {
        /// Where it stands.
        field: String,
        /// What is wrong with it.
        source: LimitError,
    },
    /// Nothing can lie inside the limits.
    #[error("{field}: min {min} is above max {max}, so no value passes: swap them or take one out")]
    NothingPasses {
        /// Where they stand.
        field: String,
        /// The least.
        min: String,
        /// The most.
        max: String,
    },
    /// Something that must be there is missing.
    #[error("{field} is missing: {remedy}")]
    Missing {
        /// Where it should stand.
        field: String,
        /// What to write.
        remedy: &'static str,
    },
    /// A name of a check that is not defined.
    #[error(
        "{field} names the check {check:?}, which spec.checks does not have: define it there or take it out"
    )]
    UnknownCheck {
        /// Where the name stands.
        field: String,
        /// The name.
        check: String,
    },
    /// A Job that can't be a gate.
    #[error("{field} {problem}: {remedy}")]
    Job {
        /// Where it stands.
        field: String,
        /// What is wrong.
        problem: &'static str,
        /// What to write.
        remedy: &'static str,
    },
    /// The weights of the steps don't lead to 100.
    #[error("spec.steps: {problem}")]
    Weights {
        /// What is wrong, and what to do.
        problem: String,
    },
}

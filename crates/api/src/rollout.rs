//! The kind `Rollout`: what a release is made of, how traffic moves to it, and what gates each step.

pub mod check;
mod preview;
pub mod release;
pub mod spec;
pub mod status;
pub mod step;
pub mod traffic;

pub use check::{Check, Guard, GuardUntil, NoData, OnBlind, Threshold};
pub use preview::{Preview, PreviewCookie, PreviewHeader};
pub use release::{Chart, Manifest, Release, ReleaseError};
pub use spec::{Group, Keep, Mode, OnDelete, OnFailure, Readiness, Rollout, RolloutSpec};
pub use status::{
    ApprovalNeed, CandidateStatus, CheckStatus, DrainingStatus, GateStatus, HistoryEntry, LiveStatus,
    PreviousStatus, RolloutStatus, RouteStatus, StepStatus, TrafficStatus, Vote,
};
pub use step::{Approval, Step, StepJob};
pub use traffic::{Drain, Route, TcpRoute, TlsRoute, Traffic, TrafficService, VirtualServiceReference};

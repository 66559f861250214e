//! The kind `Rollout`: what a release is made of, how traffic moves to it, and what gates each step.

mod chart;
pub mod check;
mod preview;
pub mod release;
pub mod spec;
pub mod status;
pub mod step;
pub mod traffic;
mod window;

pub use chart::{Chart, VALUES_KEY, ValuesFrom, ValuesObject};
pub use check::{Check, Guard, GuardUntil, NoData, OnBlind, Threshold};
pub use preview::{Preview, PreviewCookie, PreviewHeader};
pub use release::{Manifest, Release, ReleaseError};
pub use spec::{Group, Keep, Mode, OnDelete, OnFailure, Readiness, Rollout, RolloutSpec};
pub use status::{
    ApprovalNeed, CandidateStatus, CheckStatus, DrainingStatus, GateStatus, HistoryEntry, LiveStatus,
    PreviousStatus, RolloutStatus, RouteStatus, StepStatus, TrafficStatus, Vote,
};
pub use step::{Approval, Mirror, Step, StepJob};
pub use traffic::{Drain, Route, TcpRoute, TlsRoute, Traffic, TrafficService, VirtualServiceReference};
pub use window::{Window, WindowEffect};

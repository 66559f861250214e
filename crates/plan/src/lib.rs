//! The decision: what to do next with a Rollout.
//!
//! ```text
//! cluster::observe() ──► Snapshot ──► plan() ──► Plan ──► either one commit of the Record (compare-and-set)
//!                                                   └───► or idempotent effects of the committed Record
//! ```
//!
//! [`plan`] is pure: the time and the random nonce are arguments, nothing is read or written, nothing waits. The
//! same function runs in the operator, in the explorer that walks every interleaving, and in previews.
//!
//! | room | holds |
//! |---|---|
//! | [`words`] | colors, revisions, instants: the nouns |
//! | [`settings`] | what the user asked for, with defaults filled in |
//! | [`pact`] | what members of a group agreed on and promised each other |
//! | [`record`] | what was decided and committed; lives in `status.commit` |
//! | [`snapshot`] | what is seen of the world |
//! | [`outcome`] | what a plan may say: effects, commits, reasons |
//! | `decide` | the rules, a file per phase |
//! | [`report`] | the reasons as sentences and conditions |
//! | [`lint`] | invariants that every plan is held against before it is carried out |

pub mod lint;
pub mod outcome;
pub mod pact;
pub mod record;
pub mod report;
pub mod settings;
pub mod snapshot;
pub mod words;

mod decide;

pub use decide::{CONNECTIONS, evidence, needed, plan, probes, unanswered};
pub use outcome::{Commit, Decision, Effect, Notice, Plan, Why};
pub use record::{Phase, Record};
pub use settings::{Settings, former_weight};
pub use snapshot::Snapshot;
pub use words::{Color, ContentHash, Revision, Slot, Span, Time};

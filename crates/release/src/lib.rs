//! From manifests to the objects of one color. Pure: no client, no clock, no I/O; objects are JSON as the server
//! returns it, so nothing of a manifest is lost or defaulted on the way.
//!
//! ```text
//! spec.release ──► hash() ──► revision        (what starts a rollout)
//!      │
//!      ├─────────► render(context) ──► Rendered ──► requirements() ──► shortage()
//!      │               │ or refusals: object, field, remedy
//!      └─────────► store() / from_store()     (what live is repaired from)
//! ```
//!
//! | room | holds |
//! |---|---|
//! | `content` | canonical JSON, the versioned hash, and the digest of an object |
//! | [`fate`] | what becomes of each kind |
//! | `read`, `check`, `check_release` | reading manifests; what is wrong with one, and between several |
//! | `render` | names, references, selectors, labels of a color |
//! | `visit` | where objects refer to others: one walk for reading and rewriting |
//! | `step_job` | Jobs that are gates of a step |
//! | `size` | replicas, and what rests while its color isn't live |
//! | `grace` | how long pods are given to end |
//! | `roles`, `jobs`, `workload`, `findings` | what a rendering tells besides its objects |
//! | `shelter` | what both colors share and holds for pods by their labels |
//! | `in_place` | what reaches live without a rollout; holding autoscalers |
//! | `quantity`, `need`, `room` | what a color needs and whether there is room |
//! | `keep` | what is kept of a revision |
//! | [`adopt`] | from what runs already to manifests, and who would write it back |
//! | [`chart`] | what Helm renders of a chart, for one color and between both |
//!
//! How an inner Service is reached: it exists once per color (`api-blue`), and every container of a color has the
//! variable `TEAL_COLOR` first in its environment, so that `http://api-$(TEAL_COLOR)` in `env` or `args` leads to the
//! own color. Manifests are not a template language: no placeholder is replaced in them.

pub mod adopt;
pub mod chart;
pub mod fate;
pub mod names;

mod check;
mod check_release;
mod content;
mod context;
mod findings;
mod grace;
mod in_place;
mod jobs;
mod keep;
mod need;
mod object;
mod quantity;
mod read;
mod refusal;
mod render;
mod roles;
mod room;
mod selector;
mod shelter;
mod size;
mod step_job;
mod taint;
mod visit;
mod workload;

pub use content::{fingerprint, hash};
pub use context::{Context, Naming};
pub use fate::{Fate, fate_of, is_in_place};
pub use findings::{Finding, FindingKind};
pub use in_place::{hold_min_replicas, restore_min_replicas, with_in_place_of};
pub use jobs::{JobRun, ReleaseJob};
pub use keep::{KeepError, Kept, from_store, store};
pub use need::{Amounts, PodGroup, PodNeed, Resources, requirements};
pub use object::{Object, ObjectKey};
pub use quantity::{NoQuantity, Quantity};
pub use refusal::{Refusal, RefusalReason};
pub use render::{Rendered, refusals, render, sized_by};
pub use roles::RoleService;
pub use room::{NodeRoom, ResourceQuotaView, Shortage, shortage};
pub use shelter::{LetGo, holds_for_pods, lets_go};
pub use step_job::StepJob;
pub use taint::{Taint, Toleration};
pub use workload::Workload;

//! Charts: fetched, checked and rendered by Helm as a child process. Knows no cluster.
//!
//! ```text
//! Source ──► Charts::fetch() ──► Chart        helm pull, digest, archive checked and packed anew
//!                                  │
//! Request ──► Charts::render() ◄───┘          helm template, twice; cached by content
//!                 │
//!                 └──► Rendered: texts for teal_release::chart::Rendering::read()
//! ```
//!
//! | room | holds |
//! |---|---|
//! | [`source`] | where a chart is, and what of it may become an argument of Helm |
//! | [`archive`] | what an archive must be before Helm sees it |
//! | `charts` | fetching and rendering, with what is kept of both |
//! | `helm`, `complaint` | the calls of Helm, and what it means when it fails |
//! | `child` | a child process within its limits |
//! | `cache` | renderings by content |
//! | `guard` | what Helm may reach while it fetches |
//! | `turns`, `rests` | who may run Helm next, and places that didn't answer a moment ago |
//! | `hidden` | secret values taken out of messages |
//!
//! Helm is given arguments and never a shell line; no plugins, no configuration, no cluster and no environment but what is made
//! for the call; a home of its own that goes with it; a limit of time, memory, processor time, output and size of files.
//!
//! # How the operator uses it
//!
//! Fetching and rendering are slow work outside of the pass, as measuring is: a look asks for what its spec wants, a task of the
//! operator makes it for both colors, and it comes back as a fact. A [`ChartError`] becomes `Accepted=False` with reason `ReleaseInvalid`
//! where it is lasting ([`ChartError::is_lasting`]), and else `ChartUnavailable`, and is tried again; nothing of what runs is touched.
//! The objects of the first rendering are kept with the revision, and live is repaired from them and never from a later rendering
//! (`docs/decisions/0030`). The program and its folder come from the operator's configuration (`--helm`, `--charts-folder`).

pub mod archive;
pub mod source;

mod cache;
mod charts;
mod child;
mod complaint;
mod confine;
mod error;
mod guard;
mod helm;
mod hidden;
mod rests;
mod turns;

pub use charts::{Capabilities, Chart, Charts, Limits, Rendered, Request, Settings};
pub use error::ChartError;
pub use hidden::texts_of;
pub use source::{Place, Source};
pub use turns::Turn;

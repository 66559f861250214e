//! What can go wrong, a variant per failed operation.

use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can fail around a story.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bed, or a wait in it.
    #[error(transparent)]
    Bed(#[from] teal_testbed::Error),
    /// Load or sessions.
    #[error(transparent)]
    Load(#[from] teal_load::LoadError),
    /// A request to the API server.
    #[error("{action}: {source}")]
    Api {
        /// What was asked for.
        action: String,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// A request over HTTP.
    #[error("GET {url}: {source}")]
    Http {
        /// Where to.
        url: String,
        /// Why it failed.
        source: reqwest::Error,
    },
    /// A file of the checkout can't be used.
    #[error("{path}: {why}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A program ended with an error.
    #[error("{program} failed ({status}): {output}")]
    Program {
        /// The program with its arguments.
        program: String,
        /// How it ended.
        status: String,
        /// What it wrote.
        output: String,
    },
    /// A verb that the Rollout doesn't allow now.
    #[error(transparent)]
    Verb(#[from] teal_api::verbs::VerbError),
    /// Something did not come about in time.
    #[error("{what} not seen within {seconds} s; {state}")]
    Late {
        /// What was waited for.
        what: String,
        /// The bound.
        seconds: u64,
        /// Where things were by then.
        state: String,
    },
    /// What was seen is not what must be.
    #[error("{0}")]
    Unmet(String),
    /// A cluster of one's own lacks something.
    #[error("{0}")]
    Cluster(String),
    /// The terminal or a runtime can't be used.
    #[error("{action}: {source}")]
    Local {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Error {
    /// A failed request to the API server.
    pub fn api(action: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let action = action.into();
        move |source| Self::Api { action, source: Box::new(source) }
    }
}

/// Fails with these words unless the condition holds.
pub fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Unmet(otherwise())) }
}

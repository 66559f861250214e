//! What can go wrong, a variant per failed operation.

use std::path::PathBuf;
use std::time::Duration;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can fail in the bed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory operation failed.
    #[error("{action} {path}: {source}")]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("start {program}: {source}; is it installed and on PATH?")]
    Spawn {
        /// The program.
        program: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A program ended with an error.
    #[error("{program} failed ({status}): {output}")]
    Program {
        /// The program with its arguments.
        program: String,
        /// Its exit status.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// A list of parts, a setting or an archive is not as it has to be.
    #[error("{what}: {why}")]
    Invalid {
        /// The object or file.
        what: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// Programs the machine lacks.
    #[error("this machine lacks {programs}; as root: apt-get install {packages}")]
    Missing {
        /// The programs.
        programs: String,
        /// The Debian packages that hold them.
        packages: String,
    },
    /// Go is missing, or too old and fetches no newer one.
    #[error(
        "this machine has {found}, and the parts of a bed are built by Go {wanted}: install it from https://go.dev/dl, and have its folder \
         bin on PATH (sudo takes PATH along where README.md's command line starts it)"
    )]
    NoGo {
        /// What was found.
        found: String,
        /// The version wanted.
        wanted: String,
    },
    /// The bed needs rights it does not have.
    #[error(
        "a bed makes namespaces, mounts and cgroups, so it needs root: README.md has the command line by which sudo finds cargo"
    )]
    NotRoot,
    /// `Bed::start` was called outside the namespaces.
    #[error(
        "no bed can be started here: call teal_testbed::enter() first thing in main, before any thread is started"
    )]
    NotInside,
    /// The namespaces could not be made or entered.
    #[error("{action}: {source}")]
    Enter {
        /// The step that failed.
        action: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Something did not become true in time.
    #[error("{what} not seen within {}: {last}", seconds(.within))]
    Timeout {
        /// What was awaited.
        what: String,
        /// The bound.
        within: Duration,
        /// The last thing seen.
        last: String,
    },
    /// A part of the bed ended by itself.
    #[error("{part} ended by itself ({status}); the end of its log:\n{log}")]
    Died {
        /// The part.
        part: String,
        /// Its exit status.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// A key or certificate could not be made.
    #[error("make certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The API server refused a request.
    #[error("{action}: {source}")]
    Api {
        /// What was asked.
        action: String,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// An HTTP request failed.
    #[error("request {url}: {source}")]
    Http {
        /// The address.
        url: String,
        /// Why it failed.
        source: reqwest::Error,
    },
    /// The kubeconfig of a cluster can't be used.
    #[error("use kubeconfig {path}: {why}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

fn seconds(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Gives an I/O error the name of the file it is about.
pub(crate) trait At<T> {
    /// Says what was tried on which path.
    fn at(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|source| Error::File { action, path: path.into(), source })
    }
}

/// An error about something that is not as it has to be.
pub(crate) fn invalid(what: impl Into<String>, why: impl Into<String>) -> Error {
    Error::Invalid { what: what.into(), why: why.into() }
}

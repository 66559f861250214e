//! What can go wrong while a task runs.

use std::path::PathBuf;

/// An operation of a task that failed. The message leaves out the source: `chain::render` adds it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `cargo metadata` gave no answer.
    #[error("reading the workspace with `cargo metadata` failed")]
    Metadata(#[source] cargo_metadata::Error),
    /// A file or folder could not be read.
    #[error("reading {} failed", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file or folder could not be written.
    #[error("writing {} failed", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A table does not have the form that its head describes.
    #[error("{} has not the form that its head describes", path.display())]
    Table {
        /// The table's file.
        path: PathBuf,
        /// Where it departs from the form.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A source file is not Rust.
    #[error("{} can't be split into Rust tokens: {reason}", path.display())]
    Lex {
        /// The file.
        path: PathBuf,
        /// The lexer's own words.
        reason: String,
    },
    /// A program could not be started.
    #[error("starting `{command}` failed")]
    Start {
        /// The command line.
        command: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A program ended with a failure.
    #[error("`{command}` ended with {status}")]
    Ended {
        /// The command line.
        command: String,
        /// Its exit status in words.
        status: String,
    },
    /// A cluster of its own needs rights that this process hasn't.
    #[error(
        "`cargo xtask {verb}` needs root, because a cluster makes namespaces, mounts and control groups; nothing was built \
         yet. With sudo:\n\n  {command}\n{lacks}{other}"
    )]
    NotRoot {
        /// The verb.
        verb: String,
        /// The command line that works.
        command: String,
        /// What else will be installed, if anything.
        lacks: String,
        /// What can be done without root.
        other: &'static str,
    },
    /// The parts of a cluster can't be built.
    #[error(
        "Go is not on the path, by which the parts of a cluster are built; nothing was built yet. README.md names the version: install \
         it from https://go.dev/dl and have its folder bin on PATH"
    )]
    NoGo,
    /// Stories are to be told on a cluster whose gateway is not known.
    #[error(
        "the step `stories` sends requests to the cluster of --kubeconfig, but its ingress gateway is not named: add \
         --gateway URL (that of the pods labelled istio=ingress, such as http://192.0.2.10), or choose other steps, such as \
         --only server"
    )]
    NoGateway,
    /// Something a verb needs isn't in this checkout.
    #[error("{what} is not there yet: {remedy}")]
    Missing {
        /// What is missing.
        what: String,
        /// What to do instead.
        remedy: String,
    },
}

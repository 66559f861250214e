//! What can go wrong outside of serving a request.

use std::net::SocketAddr;

/// A failed operation of the application.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A setting from the environment or a switch can't be used.
    #[error("{name}={value}: {why}")]
    Setting {
        /// Variable or switch.
        name: String,
        /// What it was set to.
        value: String,
        /// What would be accepted.
        why: String,
    },
    /// A setting that the mode needs is absent.
    #[error("{name} is not set: {why}")]
    Missing {
        /// Variable.
        name: &'static str,
        /// What it is needed for.
        why: &'static str,
    },
    /// A switch that doesn't exist.
    #[error("there is no switch {name}; there are {known}")]
    UnknownSwitch {
        /// The name asked for.
        name: String,
        /// All names, comma separated.
        known: String,
    },
    /// A port can't be listened on.
    #[error("can't listen on {addr}: {source}")]
    Listen {
        /// Address asked for.
        addr: SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// No certificate can be made.
    #[error("can't make a certificate: {0}")]
    Certificate(#[source] rcgen::Error),
    /// TLS can't be spoken.
    #[error("can't speak TLS: {0}")]
    Tls(#[source] rustls::Error),
    /// An HTTP request of a client mode got no answer.
    #[error("{verb} {url}: {source}")]
    Request {
        /// `GET` or `POST`.
        verb: &'static str,
        /// Where to.
        url: String,
        /// What the client saw.
        source: reqwest::Error,
    },
    /// An HTTP request of a client mode got an answer that isn't a success.
    #[error("{verb} {url}: answered {status}")]
    Answer {
        /// `GET` or `POST`.
        verb: &'static str,
        /// Where to.
        url: String,
        /// The status of the answer.
        status: u16,
    },
    /// The HTTP client can't be built.
    #[error("can't build the HTTP client: {0}")]
    Client(reqwest::Error),
    /// Signals can't be listened for.
    #[error("can't listen for signals: {0}")]
    Signal(std::io::Error),
    /// Standard output can't be written to.
    #[error("can't write to standard output: {0}")]
    Output(std::io::Error),
    /// The command line names no known mode.
    #[error("unknown mode {0}: use serve (default), worker, queue, tick or get URL")]
    Mode(String),
}

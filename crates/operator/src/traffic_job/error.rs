//! How `teal traffic` ends. Pipelines rely on these numbers, so they only ever get more.

use std::process::ExitCode;
use std::time::Duration;

use teal_traffic::DirectRefusal;

use crate::connect::ConnectError;

/// The exit codes, in the words of `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done, or everything was so already
  1  something failed, such as an API server that doesn't answer; the reason is on standard error
  2  the command line was not understood
  3  refused: the VirtualService, a route or a destination is not there, or the weights don't fit; nothing was changed
  4  a Rollout manages the VirtualService: use a Decision; nothing was changed
  5  others wrote the VirtualService at each attempt; nothing was changed
  6  the account may not do it, or a webhook or policy refused it; nothing was changed
  7  the weights were written, and another hand changed them before --wait was over";

/// The numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Failed = 1,
    Refused = 3,
    Managed = 4,
    Busy = 5,
    Denied = 6,
    Overwritten = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why it didn't end well. `object` is the VirtualService as `VirtualService shop/web`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("it can't begin: {source}")]
    Runtime { source: std::io::Error },
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Refused(#[from] DirectRefusal),
    #[error("{object} is not there: correct --virtual-service or --namespace")]
    Missing { object: String },
    #[error(
        "{object}: the cluster serves no VirtualServices of networking.istio.io ({said}): install Istio's definitions"
    )]
    Unserved { object: String, said: String },
    #[error(
        "{object}: the API server refuses to {verb} it for this account: {said}: allow get and patch of it, unless a webhook or \
         policy is named here"
    )]
    Denied { object: String, verb: &'static str, said: String },
    #[error("{object}: the API server refused the weights: {said}")]
    Vetoed { object: String, said: String },
    #[error(
        "{object} was written by others at each of {attempts} attempts ({said}): run it again when they are quiet, or raise \
         --attempts"
    )]
    Busy { object: String, attempts: u32, said: String },
    #[error("{object}: the API server gave no usable answer in {attempts} attempts ({said}); {known}")]
    Silent { object: String, attempts: u32, said: String, known: &'static str },
    #[error(
        "{object}: another hand changed the weights of http routes within {} of the write ({who}): keep it from doing so, \
         such as by leaving the weights out of what is applied from Git", humantime::format_duration(*wait)
    )]
    Overwritten { object: String, wait: Duration, who: String },
}

impl Error {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Runtime { .. } | Self::Connect(_) | Self::Silent { .. } => Exit::Failed,
            Self::Refused(refusal) if refusal.is_held() => Exit::Managed,
            Self::Refused(_) | Self::Missing { .. } | Self::Unserved { .. } => Exit::Refused,
            Self::Busy { .. } => Exit::Busy,
            Self::Denied { .. } | Self::Vetoed { .. } => Exit::Denied,
            Self::Overwritten { .. } => Exit::Overwritten,
        }
    }
}

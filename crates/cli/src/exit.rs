//! What the program ends with. Scripts rely on these numbers, so they only ever get more.

/// The exit codes, in the words of `--help`.
pub const HELP: &str = "\
Exit codes:
  0  done: promoted (the former color may be kept), or the decision took effect or, with --timeout 0s, was made
  1  something failed; the reason is on standard error
  2  the command line was not understood
  3  a person is waited for: approval, pause, or a check or deadline that holds
  4  the release was rolled back or rejected, or is stalled until a person mends it
  5  --timeout passed before the outcome was known
  6  under way (status without --wait)
  7  the decision was not taken: nobody asks, it is stale or unsure, or it was refused";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// What was asked for is the case.
    Done = 0,
    /// Something failed.
    Failed = 1,
    /// The command line was not understood.
    Usage = 2,
    /// A person is waited for.
    Asked = 3,
    /// Rolled back, rejected or stalled.
    Back = 4,
    /// The outcome is not known in time.
    TimedOut = 5,
    /// Under way.
    UnderWay = 6,
    /// The decision was not taken.
    NotTaken = 7,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

//! Telling a person what is being built and for how long.

use std::io::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::Result;

/// How often a long build says that it is still going on.
const INTERVAL: Duration = Duration::from_secs(10);

/// Takes one line per step of building the parts.
pub trait Progress: Send {
    /// One line for a person.
    fn step(&mut self, line: &str);
}

/// Writes each line to standard error, so that standard output stays the program's own.
#[derive(Debug, Default)]
pub struct Terminal;

impl Progress for Terminal {
    fn step(&mut self, line: &str) {
        // A closed standard error is no reason to stop a build.
        writeln!(std::io::stderr(), "{line}").ok();
    }
}

/// Says nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&mut self, _line: &str) {}
}

impl Progress for Vec<String> {
    fn step(&mut self, line: &str) {
        self.push(line.to_owned());
    }
}

/// Runs `work` and says every few seconds that it still runs, then how long it took.
pub(super) fn while_working<T: Send>(
    what: &str,
    progress: &mut dyn Progress,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let begun = Instant::now();
    progress.step(&format!("{what} …"));
    let result = std::thread::scope(|scope| {
        let (done, ended) = mpsc::channel();
        scope.spawn(move || done.send(work()).ok());
        loop {
            match ended.recv_timeout(INTERVAL) {
                Ok(result) => return Some(result),
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    progress.step(&format!("{what} … {} s", begun.elapsed().as_secs()));
                }
            }
        }
    });
    let result =
        result.unwrap_or_else(|| Err(crate::error::invalid(what, "the build ended without a result")));
    let outcome = if result.is_ok() { "done" } else { "FAILED" };
    progress.step(&format!("{what} {outcome} after {:.1} s", begun.elapsed().as_secs_f64()));
    result
}

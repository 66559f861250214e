//! How fast the machine is at this time, beside one that keeps the promises.
//!
//! Machines differ, and a virtual one is slower at times by what its neighbors do: half as fast has been seen. A promise in
//! seconds would then judge the machine. Starting one of the bed's own programs, many times over, follows that closely (a
//! control plane alone took 6.4 to 6.6 times as long in each of four starts between 2.9 s and 3.4 s); hashing does not.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use teal_testbed::parts::Parts;
use teal_testbed::{Error, Result};

/// The two cores of the machine on which the promises were made start the program so often ...
const EACH: usize = 5;
const CORES: usize = 2;
/// ... within this time.
const USUALLY: Duration = Duration::from_millis(500);
/// The best of so many counts, so that what disturbs one of them gives nobody more time.
const ROUNDS: usize = 3;
/// No machine gets more time than this many times as much.
const SLOWEST: f64 = 3.0;

/// How many times as long as usual the machine needs; 1 where it is as fast or faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace(f64);

impl Pace {
    pub(super) const USUAL: Self = Self(1.0);

    /// Of a machine that needs this long.
    pub(super) fn of(took: Duration) -> Self {
        Self((took.as_secs_f64() / USUALLY.as_secs_f64()).clamp(1.0, SLOWEST))
    }

    /// Starts programs and looks how long that takes.
    ///
    /// # Errors
    ///
    /// Where the program can't be started.
    pub(super) fn measure() -> Result<Self> {
        let program = Parts::find(&["kubernetes"])?.file("kubernetes", "kube-apiserver")?;
        let rounds = (0..ROUNDS).map(|_| round(&program));
        let took = rounds.collect::<Result<Vec<_>>>()?;
        Ok(Self::of(took.into_iter().min().unwrap_or(USUALLY)))
    }

    pub(super) const fn or_slower(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }

    pub(super) fn scale(self, promised: Duration) -> Duration {
        promised.mul_f64(self.0)
    }
}

/// What follows a promise where the machine is slower, and nothing where it isn't.
impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::USUAL {
            return Ok(());
        }
        write!(f, ", here {:.1} times as much: programs start that much slower", self.0)
    }
}

fn round(program: &Path) -> Result<Duration> {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let cores: Vec<_> =
            (0..CORES).map(|_| scope.spawn(|| (0..EACH).try_for_each(|_| start(program)))).collect();
        cores.into_iter().try_for_each(|core| core.join().unwrap_or(Ok(())))
    })?;
    Ok(begun.elapsed())
}

fn start(program: &Path) -> Result<()> {
    let failed =
        |source| Error::Enter { action: "start a program of the bed to see how fast the machine is", source };
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().map(drop).map_err(failed)
}

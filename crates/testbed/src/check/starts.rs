//! How long a bed takes until it is usable.

use std::process::{Command, Stdio};
use std::time::Duration;

use teal_testbed::{Bed, Config, Enter, Error, Result, enter_with};

use crate::{print, runtime};

/// What is promised for a cluster with Istio, and for a control plane alone, on a machine with two cores.
pub(super) const WITH_ISTIO: Promise =
    Promise { what: "a cluster with Istio", within: Duration::from_secs(10) };
const ALONE: Promise = Promise { what: "a control plane alone", within: Duration::from_secs(4) };

/// Machines differ, and some are busy: only a bed that takes this many times as long as promised is a fault.
const TOLERANCE: u32 = 3;

/// Within which time something is usable.
pub(super) struct Promise {
    what: &'static str,
    within: Duration,
}

impl Promise {
    /// Says how long a bed took, for the summary of `cargo xtask test`, and refuses one that took far too long.
    pub(super) fn hold(&self, bed: &Bed) -> Result<()> {
        let took = bed.timings().iter().map(|(_, after)| *after).max().unwrap_or_default();
        print(&self.line(took));
        self.judge(took)
    }

    fn line(&self, took: Duration) -> String {
        let (took, within) = (took.as_secs_f64(), self.within.as_secs());
        format!("count: bed: {} is usable after {took:.1} s (promised: under {within} s)", self.what)
    }

    fn judge(&self, took: Duration) -> Result<()> {
        let most = self.within * TOLERANCE;
        if took <= most {
            return Ok(());
        }
        let (took, most) = (took.as_secs_f64(), most.as_secs());
        let why = format!("{} took {took:.1} s until it was usable, more than {most} s", self.what);
        Err(Error::Invalid { what: "check".into(), why })
    }
}

/// Starts a control plane alone by this program, in a process of its own: a process enters one bed.
pub(super) fn control_plane() -> Result<()> {
    let failed = |source| Error::Enter { action: "start a control plane alone", source };
    let program = std::env::current_exe().map_err(failed)?;
    let status = Command::new(program).arg("check-control-plane").stdin(Stdio::null()).status();
    let status = status.map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    let why = format!("a control plane alone did not start as it should ({status})");
    Err(Error::Invalid { what: "check".into(), why })
}

/// That process.
pub(crate) fn control_plane_inside() -> Result<()> {
    let config = Config::control_plane();
    enter_with(&Enter { parts: config.parts(), reachable_from_outside: false })?;
    runtime()?.block_on(async {
        let bed = Bed::start(config).await?;
        let held = ALONE.hold(&bed);
        bed.stop().await?;
        held
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_said_with_what_is_promised_and_only_one_that_is_far_too_slow_is_refused() {
        let line = ALONE.line(Duration::from_millis(3_240));
        assert_eq!(line, "count: bed: a control plane alone is usable after 3.2 s (promised: under 4 s)");
        assert!(ALONE.judge(Duration::from_secs(12)).is_ok(), "a busy machine");
        let refused = ALONE.judge(Duration::from_millis(12_100)).unwrap_err().to_string();
        assert!(refused.contains("12.1 s") && refused.contains("more than 12 s"), "{refused}");
    }
}

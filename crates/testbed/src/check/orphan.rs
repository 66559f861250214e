//! A bed hangs on a program that starts it, as on `cargo xtask test`, and that one alone is killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use teal_testbed::{Error, Result, leashed};

use super::remains::Traces;
use super::{failed, send, stop};
use crate::print;

/// How the bed comes to its end.
pub(super) const HOW: &str = "kill -9 of the one alone that started the program";

/// Begins the line by which the starter says the number of what it started.
const STARTED: &str = "started as ";

/// What `teal-bed up` says once the bed is usable.
const UP: &str = "export KUBECONFIG=";

/// Starts the starter, kills it once the bed is up, and looks for remains.
pub(super) fn check() -> Result<()> {
    let (mut starter, outside) = start()?;
    let traces = Traces::of(outside);
    stop(&mut starter, "KILL")?;
    let gone = traces.and_then(|traces| traces.assert_gone(HOW));
    if gone.is_err() {
        // Whoever finds it wanting doesn't leave it up.
        send("KILL", outside)?;
    }
    gone
}

fn start() -> Result<(Child, u32)> {
    let program = std::env::current_exe().map_err(failed("find this program"))?;
    let mut command = leashed("TERM", program);
    command.arg("check-starter").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut starter = command.spawn().map_err(failed("start the starter"))?;
    let output = starter.stdout.take().map(BufReader::new);
    let mut lines = output.into_iter().flat_map(BufRead::lines).map_while(std::io::Result::ok);
    let outside = lines.find_map(|line| line.strip_prefix(STARTED)?.parse().ok());
    if let Some(outside) = outside.filter(|_| lines.any(|line| line.starts_with(UP))) {
        return Ok((starter, outside));
    }
    let status = starter.wait().map_err(failed("wait for the starter"))?;
    let why = format!("the bed that a starter started ended before it was up ({status})");
    Err(Error::Invalid { what: "check".into(), why })
}

/// The starter: it can do nothing about its end.
pub(crate) fn starter() -> Result<()> {
    let program = std::env::current_exe().map_err(failed("find this program"))?;
    let mut command = leashed("TERM", program);
    let mut bed = command.arg("up").stdin(Stdio::null()).spawn().map_err(failed("start a bed"))?;
    print(&format!("{STARTED}{}", bed.id()));
    bed.wait().map(drop).map_err(failed("wait for the bed"))
}

//! `teal-bed check`: does a bed do all it promises, and does it leave nothing behind?

mod remains;
mod smoke;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use teal_testbed::{Bed, Config, Enter, Error, Result, enter_with};

use crate::{print, runtime, say};
use remains::Traces;

/// The line that the inner half prints when all of its checks have passed.
const PASSED: &str = "all checks inside passed";

/// Starts the inner half, kills the program outside, and looks for remains.
pub(crate) fn check() -> Result<()> {
    for (signal, how) in [("KILL", "kill -9 of the program"), ("INT", "an interrupt"), ("TERM", "a termination")] {
        let mut bed = start()?;
        let traces = Traces::of(bed.id())?;
        stop(&mut bed, signal)?;
        traces.assert_gone(how)?;
        say(&format!("ok  nothing left after {how}"));
    }
    print("teal-bed check: passed");
    Ok(())
}

fn start() -> Result<Child> {
    let program = std::env::current_exe().map_err(failed("find this program"))?;
    let child = Command::new(program).arg("check-inside").stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(failed("start the inner half"))?;
    let lines = child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(|line| line.ok());
    if lines.inspect(|line| say(line)).any(|line| line == PASSED) {
        return Ok(child);
    }
    let status = child.wait().map_err(failed("wait for the inner half"))?;
    Err(Error::Invalid { what: "check".into(), why: format!("the inner half ended before all passed ({status})") })
}

fn stop(child: &mut Child, signal: &str) -> Result<()> {
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    sent.map_err(failed("send a signal"))?;
    child.wait().map(drop).map_err(failed("wait for the program to end"))
}

/// Inside: the bed with everything, then the checks, then waiting to be killed.
pub(crate) fn inside() -> Result<()> {
    let config = Config { audit: true, history: true, ..Config::default() };
    enter_with(&Enter { parts: config.parts(), reachable_from_outside: true })?;
    runtime()?.block_on(async {
        let bed = Bed::start(config).await?;
        bed.timings().iter().for_each(|(part, after)| say(&format!("{:>7.3} s  {part}", after.as_secs_f64())));
        smoke::run(&bed).await?;
        print(PASSED);
        tokio::signal::ctrl_c().await.map_err(failed("wait for the end"))?;
        bed.stop().await
    })
}

fn failed(action: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Enter { action, source }
}

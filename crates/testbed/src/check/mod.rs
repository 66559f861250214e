//! `teal-bed check`: does a bed do all it promises, and does it leave nothing behind?

mod orphan;
mod outside;
mod pace;
mod remains;
mod smoke;
mod starts;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use teal_testbed::{Bed, Config, Enter, Error, Result, enter_with, leashed};

use crate::{print, runtime, say};
pub(crate) use orphan::starter;
use outside::WaysIn;
use remains::Traces;
use starts::Starts;
pub(crate) use starts::control_plane_inside;

/// Asks the inner half to start two beds, one after the other.
const TWICE: &str = "TEAL_BED_CHECK_TWICE";

/// Starts a control plane alone, then the inner half, reaches its bed from outside, kills the program there or the one that it
/// hangs on, and looks for remains.
pub(crate) fn check() -> Result<()> {
    starts::control_plane()?;
    let ends = [("KILL", "kill -9 of the program"), ("INT", "an interrupt"), ("TERM", "a termination")];
    for (index, (signal, how)) in ends.into_iter().enumerate() {
        let (mut bed, ways_in) = start(index == 0)?;
        if let Err(error) = ways_in.go() {
            stop(&mut bed, signal)?;
            return Err(error);
        }
        say("ok  from outside kubectl, the gateway and Prometheus are reached as --keep says");
        let traces = Traces::of(bed.id())?;
        stop(&mut bed, signal)?;
        traces.assert_gone(how)?;
        say(&format!("ok  nothing left after {how}"));
    }
    orphan::check()?;
    say(&format!("ok  nothing left after {}", orphan::HOW));
    print(&format!(
        "count: bed: nothing left running, mounted or listening after {}, {}",
        ends.map(|(_, how)| how).join(", "),
        orphan::HOW
    ));
    print("teal-bed check: passed");
    Ok(())
}

fn start(twice: bool) -> Result<(Child, WaysIn)> {
    let program = std::env::current_exe().map_err(failed("find this program"))?;
    let mut command = leashed("TERM", program);
    command.arg("check-inside").stdin(Stdio::null()).stdout(Stdio::piped());
    if twice {
        command.env(TWICE, "1");
    }
    let mut child = command.spawn().map_err(failed("start the inner half"))?;
    let mut lines = child
        .stdout
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
        .map_while(std::io::Result::ok)
        .inspect(|line| say(line));
    if let Some(ways_in) = lines.find_map(|line| WaysIn::read(&line)) {
        return Ok((child, ways_in));
    }
    let status = child.wait().map_err(failed("wait for the inner half"))?;
    Err(Error::Invalid {
        what: "check".into(),
        why: format!("the inner half ended before all passed ({status})"),
    })
}

fn stop(child: &mut Child, signal: &str) -> Result<()> {
    send(signal, child.id())?;
    child.wait().map(drop).map_err(failed("wait for the program to end"))
}

fn send(signal: &str, pid: u32) -> Result<()> {
    let sent = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
    sent.map(drop).map_err(failed("send a signal"))
}

/// Inside: the bed with everything, then the checks, then waiting to be killed.
pub(crate) fn inside() -> Result<()> {
    let config = Config { audit: true, history: true, ..Config::default() };
    enter_with(&Enter { parts: config.parts(), reachable_from_outside: true })?;
    runtime()?.block_on(async {
        let twice = std::env::var_os(TWICE).is_some();
        let mut starts = Starts::of(starts::WITH_ISTIO);
        if twice {
            // A bed that was stopped must leave the namespaces as it found them.
            let first = Bed::start(config.clone()).await?;
            starts.note(&first);
            smoke::run(&first).await?;
            first.stop().await?;
            say("ok  the first bed is stopped");
        }
        let mut bed = Bed::start(config.clone()).await?;
        starts.note(&bed);
        while twice && starts.asks_for_another() {
            bed.stop().await?;
            bed = Bed::start(config.clone()).await?;
            starts.note(&bed);
        }
        bed.timings()
            .iter()
            .for_each(|(part, after)| say(&format!("{:>7.3} s  {part}", after.as_secs_f64())));
        if twice {
            starts.hold()?;
        }
        smoke::run(&bed).await?;
        print(&WaysIn::of(&bed)?.line()?);
        tokio::signal::ctrl_c().await.map_err(failed("wait for the end"))?;
        bed.stop().await
    })
}

fn failed(action: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Enter { action, source }
}

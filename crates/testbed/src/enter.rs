//! Getting into the namespaces, and leaving nothing behind whatever happens.
//!
//! The program is run again in four roles; the picture is in the crate's documentation.

use std::ffi::OsString;
use std::io::{PipeWriter, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

use crate::bed::Config;
use crate::error::{At, Error, Result};
use crate::leash::leashed;
use crate::parts::{Parts, Terminal};
use crate::{cgroup, namespaces, relay};

const ROLE: &str = "TEAL_BED_ROLE";
const RUN: &str = "TEAL_BED_RUN";
const KEEP_FILES: &str = "TEAL_BED_KEEP_FILES";

/// How the bed is entered.
#[derive(Debug, Clone, Default)]
pub struct Enter {
    /// The parts to have ready: inside, no registry can be reached. See [`crate::Config::parts`].
    pub parts: Vec<&'static str>,
    /// Open ports on the machine's own loopback address through which a browser or
    /// kubectl outside reaches the bed.
    pub reachable_from_outside: bool,
}

/// Runs the rest of the program inside fresh network, process and mount namespaces, with
/// the parts ready that this kind of bed needs.
///
/// Call it first thing in `main`, before a runtime or thread is started. It returns
/// inside only. Outside it waits for the inner program and exits with its code.
pub fn enter(config: &Config) -> Result<()> {
    enter_with(&Enter { parts: config.parts(), ..Enter::default() })
}

/// As [`enter`], with choices.
pub fn enter_with(options: &Enter) -> Result<()> {
    match std::env::var(ROLE).as_deref() {
        Ok("inside") => Ok(()),
        Ok("init") => std::process::exit(init()?),
        Ok("watch") => {
            watch();
            std::process::exit(0)
        }
        _ => std::process::exit(outside(options)?),
    }
}

/// Whether this process runs inside the namespaces.
pub fn is_inside() -> bool {
    std::env::var(ROLE).is_ok_and(|role| role == "inside")
}

/// The folder of this run, on the machine's own file system.
pub fn run_folder() -> Result<PathBuf> {
    std::env::var_os(RUN).map(PathBuf::from).filter(|_| is_inside()).ok_or(Error::NotInside)
}

/// The name of this run, also of its control groups.
pub(crate) fn run_name(run: &Path) -> String {
    run.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Refuses where no bed can be made. To be asked before minutes are spent on what goes into one; entering asks it too.
pub fn may_enter() -> Result<()> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err(Error::NotRoot) }
}

/// Outside: starts the watcher and the namespaces, then waits.
fn outside(options: &Enter) -> Result<i32> {
    may_enter()?;
    Parts::provide(&options.parts, &mut Terminal)?;
    let base = std::env::temp_dir();
    sweep(&base);
    let run = base.join(format!("{}{}", cgroup::PREFIX, std::process::id()));
    std::fs::create_dir_all(&run).at("make", &run)?;
    let (mut watcher, life) = start_watcher(&run)?;
    let relays = if options.reachable_from_outside { relay::listen_outside(&run)? } else { String::new() };
    let status = start_namespaces(&run, &relays).and_then(wait_for_inner);
    // The watcher sees the end of the pipe and cleans up; we wait so that nothing is
    // left when the command returns.
    drop(life);
    watcher.wait().map_err(entering("wait for the watcher"))?;
    Ok(exit_code(status?))
}

fn start_watcher(run: &Path) -> Result<(Child, PipeWriter)> {
    let (reader, writer) = std::io::pipe().map_err(entering("make a pipe"))?;
    let watcher = myself("watch", run)?
        .stdin(reader)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Of its own, so that Ctrl-C or a kill of our whole group doesn't reach it.
        .process_group(0)
        .spawn()
        .map_err(entering("start the watcher"))?;
    Ok((watcher, writer))
}

fn start_namespaces(run: &Path, relays: &str) -> Result<Child> {
    let program = std::env::current_exe().map_err(entering("find this program"))?;
    // The leash ends unshare when we die, unshare ends its child, and that child is
    // process 1, whose end is the end of everything inside.
    leashed("KILL", "unshare")
        .args(["--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"])
        .arg(program)
        .args(arguments())
        .env(ROLE, "init")
        .env(RUN, run)
        .env(relay::VARIABLE, relays)
        .spawn()
        .map_err(|source| Error::Spawn { program: "setpriv … unshare".into(), source })
}

fn myself(role: &str, run: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().map_err(entering("find this program"))?);
    command.args(arguments()).env(ROLE, role).env(RUN, run);
    Ok(command)
}

fn arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(1)
}

fn wait_for_inner(mut unshare: Child) -> Result<ExitStatus> {
    let watched = SignalsInfo::<WithOrigin>::new([SIGCHLD, SIGINT, SIGTERM]);
    let mut signals = watched.map_err(entering("watch for signals"))?;
    loop {
        if let Some(status) = unshare.try_wait().map_err(entering("wait for the inner program"))? {
            return Ok(status);
        }
        for origin in signals.wait() {
            match origin.signal {
                SIGTERM => unshare.kill().map_err(entering("end the inner program"))?,
                SIGINT if !is_for_all(origin.cause) => interrupt_inner(unshare.id()),
                _ => {}
            }
        }
    }
}

/// Whether the inner program has it already: at Ctrl-C the kernel sends it to all whom the terminal is for. Somebody's kill is for us.
const fn is_for_all(cause: Cause) -> bool {
    matches!(cause, Cause::Kernel)
}

fn interrupt_inner(unshare: u32) {
    let inner = children(unshare).first().and_then(|init| children(*init).first().copied());
    if let Some(pid) = inner.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
        // It may have ended meanwhile, which is what was asked for.
        kill_process(pid, Signal::INT).ok();
    }
}

/// The processes that a process started and that still run.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let lists = tasks.into_iter().flatten().flatten().map(|task| task.path().join("children"));
    let text: Vec<String> = lists.filter_map(|list| std::fs::read_to_string(list).ok()).collect();
    text.iter().flat_map(|list| list.split_whitespace()).filter_map(|one| one.parse().ok()).collect()
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Watcher: waits for the end of the program outside, however it came, then cleans up.
fn watch() {
    let mut nothing = Vec::new();
    std::io::stdin().read_to_end(&mut nothing).ok();
    let Some(run) = std::env::var_os(RUN).map(PathBuf::from) else { return };
    cgroup::remove(&run_name(&run), Duration::from_secs(10));
    if std::env::var_os(KEEP_FILES).is_none() {
        std::fs::remove_dir_all(&run).ok();
    }
}

/// Removes what earlier runs left whose watcher was killed too.
fn sweep(base: &Path) {
    let folders = std::fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path());
    let names = folders.map(|folder| run_name(&folder)).chain(cgroup::names());
    for name in names.filter(|name| is_abandoned(name)) {
        cgroup::remove(&name, Duration::from_secs(1));
        if std::env::var_os(KEEP_FILES).is_none() {
            std::fs::remove_dir_all(base.join(name)).ok();
        }
    }
}

fn is_abandoned(name: &str) -> bool {
    let pid = name.strip_prefix(cgroup::PREFIX).and_then(|pid| pid.parse::<u32>().ok());
    pid.is_some_and(|pid| pid == std::process::id() || !Path::new(&format!("/proc/{pid}")).exists())
}

/// Process 1: prepares the namespaces, starts the inner program and reaps.
fn init() -> Result<i32> {
    namespaces::prepare()?;
    let run = std::env::var_os(RUN).map(PathBuf::from).ok_or(Error::NotInside)?;
    let inner = myself("inside", &run)?.spawn().map_err(entering("start the inner program"))?;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get().cast_unsigned() == inner.id() => {
                return Ok(code_of(status));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::Enter { action: "wait for processes", source: error.into() }),
        }
    }
}

fn code_of(status: WaitStatus) -> i32 {
    status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or(0))
}

fn entering(action: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Enter { action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_runs_of_dead_processes_are_abandoned() {
        assert!(!is_abandoned("teal-bed-1"), "process 1 lives");
        assert!(is_abandoned("teal-bed-4000000000"), "no process has this number");
        assert!(!is_abandoned("teal-bed-x"));
        assert!(!is_abandoned("other-4000000000"));
    }

    #[test]
    fn outside_there_is_no_run_folder() {
        assert!(matches!(run_folder(), Err(Error::NotInside)));
    }

    #[test]
    fn an_interrupt_that_somebody_sent_us_is_handed_on_whatever_our_input_is() {
        let mut signals = SignalsInfo::<WithOrigin>::new([SIGINT]).unwrap();
        kill_process(rustix::process::getpid(), Signal::INT).unwrap();
        let origin = signals.wait().next().unwrap();
        assert_eq!(origin.signal, SIGINT);
        assert!(!is_for_all(origin.cause), "{origin:?}");
        assert!(is_for_all(Cause::Kernel), "Ctrl-C");
    }

    #[test]
    fn a_started_process_is_among_the_children() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(children(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

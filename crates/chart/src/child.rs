//! A child process within its limits.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, prlimit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::confine;

/// What is kept of a child's complaints.
const MOST_COMPLAINTS: usize = 64 << 10;

/// What a child may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Until it is ended. It may compute for twice as long, on several cores.
    pub(crate) time: Duration,
    /// Bytes of data.
    pub(crate) memory: u64,
    /// Bytes of addresses. Newer kernels don't count as data what is mapped over addresses reserved before, as Go does it.
    pub(crate) addresses: u64,
    /// Bytes that it may print.
    pub(crate) output: u64,
    /// Bytes of each file that it may write.
    pub(crate) file: u64,
}

/// A program to be run.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// All that its environment has.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) folder: PathBuf,
    pub(crate) input: Vec<u8>,
    /// The ports that it may reach.
    pub(crate) ports: Vec<u16>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: Vec<u8>,
    pub(crate) complaints: String,
}

/// Why it did not come to its end.
#[derive(Debug)]
pub(crate) enum Unended {
    Start(io::Error),
    TooLong,
    TooMuchOutput,
}

/// Runs a program to its end, or ends it and all that it has started.
///
/// The limits of memory and files are set right after the start, since a call between fork and exec would need unsafe code; until
/// then it has hardly begun.
pub(crate) async fn run(call: Call, bounds: Bounds) -> Result<Ended, Unended> {
    let mut command = Command::new(&call.program);
    command
        .args(&call.arguments)
        .env_clear()
        .envs(call.environment.iter().cloned())
        .current_dir(&call.folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that all of it can be ended.
    command.process_group(0).kill_on_drop(true);
    let mut child = confine::spawn(&mut command, &call.ports).map_err(Unended::Start)?;
    let _group = Group::limited(&child, bounds).map_err(Unended::Start)?;
    tokio::time::timeout(bounds.time, finish(&mut child, call.input, bounds.output))
        .await
        .map_err(|_| Unended::TooLong)?
}

async fn finish(child: &mut Child, input: Vec<u8>, most: u64) -> Result<Ended, Unended> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // Whoever doesn't read its input says so by its status.
            stdin.write_all(&input).await.ok();
        }
        Ok(())
    };
    let printed = async {
        let printed = read(stdout, most + 1).await?;
        if printed.len() as u64 > most { Err(Unended::TooMuchOutput) } else { Ok(printed) }
    };
    let complained = both_ends(stderr, MOST_COMPLAINTS / 2);
    let ((), output, complaints) = tokio::try_join!(feed, printed, complained)?;
    let status = child.wait().await.map_err(Unended::Start)?;
    Ok(Ended { status, output, complaints: String::from_utf8_lossy(&complaints).into_owned() })
}

async fn read(from: Option<impl AsyncRead + Unpin>, most: u64) -> Result<Vec<u8>, Unended> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(most).read_to_end(&mut bytes).await.map_err(Unended::Start)?;
    }
    Ok(bytes)
}

/// The beginning and the end of what comes, and in between as much as nobody needs.
async fn both_ends(from: Option<impl AsyncRead + Unpin>, each: usize) -> Result<Vec<u8>, Unended> {
    let Some(mut from) = from else { return Ok(Vec::new()) };
    let mut begin = read(Some(&mut from), each as u64).await?;
    let mut end = Vec::new();
    let mut chunk = vec![0; 8 << 10];
    loop {
        let count = from.read(&mut chunk).await.map_err(Unended::Start)?;
        if count == 0 {
            break;
        }
        end.extend_from_slice(chunk.get(..count).unwrap_or_default());
        end.drain(..end.len().saturating_sub(each));
    }
    begin.append(&mut end);
    Ok(begin)
}

/// A child and what it starts. All of it is ended when this is dropped; whoever ended before isn't there to be ended.
struct Group(Pid);

impl Group {
    fn limited(child: &Child, bounds: Bounds) -> io::Result<Self> {
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        // Without a number, limits would be this process's own.
        let group = Self(pid.ok_or_else(|| io::Error::other("it has no number"))?);
        // For a child whose starter is gone, which nobody else would end.
        let seconds = bounds.time.as_secs().saturating_mul(2).max(1);
        for (resource, most) in [
            (Resource::Data, bounds.memory),
            (Resource::As, bounds.addresses),
            (Resource::Fsize, bounds.file),
            (Resource::Cpu, seconds),
            (Resource::Core, 0),
        ] {
            // What this process may not exceed, its child may not be allowed.
            let most = getrlimit(resource).maximum.map_or(most, |own| own.min(most));
            prlimit(Some(group.0), resource, Rlimit { current: Some(most), maximum: Some(most) })?;
        }
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        kill_process_group(self.0, Signal::KILL).ok();
    }
}

/// A path as an argument.
pub(crate) fn argument(option: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(path);
    argument
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const SMALL: Bounds = Bounds {
        time: Duration::from_secs(20),
        memory: 64 << 20,
        addresses: 128 << 20,
        output: 1000,
        file: 1000,
    };

    fn shell(script: &str, folder: &Path) -> Call {
        Call {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("GIVEN", "yes".into())],
            folder: folder.to_owned(),
            input: b"fed".to_vec(),
            ports: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_child_is_given_its_input_and_no_environment_but_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let script = "cat; echo; echo $GIVEN $CARGO_MANIFEST_DIR $HOME; pwd; echo bad >&2; exit 3";
        let ended = run(shell(script, folder.path()), SMALL).await.unwrap();
        let output = String::from_utf8(ended.output).unwrap();
        assert_eq!(output, format!("fed\nyes\n{}\n", folder.path().canonicalize().unwrap().display()));
        assert_eq!((ended.status.code(), ended.complaints.as_str()), (Some(3), "bad\n"));
    }

    /// Also what it has started itself, and what holds its output open.
    #[tokio::test]
    async fn what_takes_too_long_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        let bounds = Bounds { time: Duration::from_millis(300), ..SMALL };
        let outcome = run(shell("sleep 60 & echo $! >pid; wait", folder.path()), bounds).await;
        assert!(matches!(outcome, Err(Unended::TooLong)), "{outcome:?}");
        assert!(begun.elapsed() < Duration::from_secs(10));
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        let is_there = || {
            let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            status.is_ok_and(|status| !status.contains(") Z "))
        };
        while is_there() {
            assert!(begun.elapsed() < Duration::from_secs(10), "its own child lives on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_child_can_neither_print_nor_write_nor_take_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let outcome = run(shell("exec cat /dev/zero", folder.path()), SMALL).await;
        assert!(matches!(outcome, Err(Unended::TooMuchOutput)), "{outcome:?}");
        let script = "read fed; head -c 5000 /dev/zero >file; wc -c <file";
        let ended = run(shell(script, folder.path()), SMALL).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.output).trim(), "1000", "{ended:?}");
        let much = u64::MAX >> 1;
        for bounds in [Bounds { addresses: much, ..SMALL }, Bounds { memory: much, ..SMALL }] {
            let script = "read fed; x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo done";
            let ended = run(shell(script, folder.path()), bounds).await.unwrap();
            assert!(!ended.status.success() && ended.output.is_empty(), "{bounds:?}: {ended:?}");
        }
        let script = "(echo begin; yes bad | head -c 1000000; echo end) >&2; echo done";
        let ended = run(shell(script, folder.path()), SMALL).await.unwrap();
        assert_eq!((ended.output.as_slice(), ended.complaints.len()), (&b"done\n"[..], 64 << 10));
        assert!(ended.complaints.starts_with("begin\n") && ended.complaints.ends_with("end\n"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let call = Call { program: "/surely/none".into(), ..shell("", folder.path()) };
        assert!(matches!(run(call, SMALL).await, Err(Unended::Start(_))));
    }
}

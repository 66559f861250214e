//! Running one step: its output goes to a log, a sign of life to the terminal.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::counts::Counts;
use super::steps::Listener;
use crate::command::{leashed, words};
use crate::error::Error;

/// How often a run whose output is not a terminal says that it is still at it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// How often the line on a terminal is drawn anew.
const REDRAW: Duration = Duration::from_millis(200);

/// Runs a command, appends what it writes to the log, and adds up its counts. Returns whether
/// it succeeded and, where somebody listens to its standard output, whether they heard what they count on.
pub(super) fn run(
    step: &str,
    command: &Command,
    listener: Option<Listener>,
    log: &mut File,
    counts: &mut Counts,
) -> Result<bool, Error> {
    let line = words(command);
    let failed = |source| Error::Start { command: line.clone(), source };
    let mut command = leashed(command);
    let lines = attach(&mut command, listener.is_some()).map_err(failed)?;
    let mut child = command.stdin(Stdio::null()).spawn().map_err(failed)?;
    // The command keeps its ends of the pipes open as long as it is there; without this no end of output is seen.
    drop(command);

    let mut report = |line: &str| {
        counts.read(line);
        writeln!(log, "{line}").map_err(failed)
    };
    report(&format!("$ {line}"))?;
    let output = follow(step, &lines, &mut report)?;
    let ended = child.wait().map_err(failed)?.success();
    match listener.filter(|_| ended).map_or(Ok(()), |listener| listener(&output)) {
        Ok(()) => Ok(ended),
        Err(why) => report(&format!("standard output is not what programs count on: {why}")).map(|()| false),
    }
}

/// A line that a command wrote, and whether on a standard output that is read apart.
struct Written {
    line: String,
    apart: bool,
}

/// Reads what a command will write. One pipe for both streams keeps their lines in order; a standard output that others read
/// has one of its own.
fn attach(command: &mut Command, apart: bool) -> std::io::Result<mpsc::Receiver<Written>> {
    let (sender, receiver) = mpsc::channel();
    let (reader, writer) = std::io::pipe()?;
    if apart {
        let (reader, writer) = std::io::pipe()?;
        command.stdout(writer);
        read(reader, true, sender.clone());
    } else {
        command.stdout(writer.try_clone()?);
    }
    command.stderr(writer);
    read(reader, false, sender);
    Ok(receiver)
}

/// Reads lines in a thread of its own, so that signs of life don't wait for output.
fn read(reader: std::io::PipeReader, apart: bool, sender: mpsc::Sender<Written>) {
    std::thread::spawn(move || {
        for bytes in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&bytes).trim_end_matches('\r').to_owned();
            if sender.send(Written { line, apart }).is_err() {
                break;
            }
        }
    });
}

/// Reports all lines to their end, with signs of life. Returns those that were read apart.
fn follow(
    step: &str,
    lines: &mpsc::Receiver<Written>,
    mut report: impl FnMut(&str) -> Result<(), Error>,
) -> Result<Vec<String>, Error> {
    let mut progress = Progress::start(step);
    let mut output = Vec::new();
    loop {
        match lines.recv_timeout(progress.rest()) {
            Ok(Written { line, apart }) => {
                report(&line)?;
                output.extend(apart.then(|| line.clone()));
                progress.saw(line);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        progress.show();
    }
    progress.clear();
    Ok(output)
}

/// The last lines of a log.
pub(super) fn tail(log: &Path, lines: usize) -> Result<Vec<String>, Error> {
    let bytes = std::fs::read(log).map_err(|source| Error::Read { path: log.to_path_buf(), source })?;
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    Ok(all.iter().skip(all.len().saturating_sub(lines)).map(|line| (*line).to_owned()).collect())
}

/// What a person sees while a step runs.
struct Progress<'a> {
    step: &'a str,
    started: Instant,
    shown: Instant,
    last: String,
    terminal: bool,
}

impl<'a> Progress<'a> {
    fn start(step: &'a str) -> Self {
        let now = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        Self { step, started: now, shown: now, last: String::new(), terminal }
    }

    fn saw(&mut self, line: String) {
        if !line.trim().is_empty() {
            self.last = line;
        }
    }

    fn every(&self) -> Duration {
        if self.terminal { REDRAW } else { SIGN_OF_LIFE }
    }

    fn rest(&self) -> Duration {
        self.every().saturating_sub(self.shown.elapsed())
    }

    fn show(&mut self) {
        if self.shown.elapsed() < self.every() {
            return;
        }
        self.shown = Instant::now();
        let seconds = self.started.elapsed().as_secs();
        let last: String = self.last.trim().chars().filter(|sign| !sign.is_control()).take(80).collect();
        if self.terminal {
            eprint!("\r\x1b[2K  … {} {seconds} s  {last}", self.step);
        } else {
            eprintln!("  … {} {seconds} s  {last}", self.step);
        }
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[2K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Listener, run, tail};
    use std::process::Command;

    fn shell(script: &str, listener: Option<Listener>) -> (bool, Counts, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step.log");
        let mut log = std::fs::File::create(&path).unwrap();
        let mut counts = Counts::default();
        let mut command = Command::new("sh");
        let passed = run("step", command.args(["-c", script]), listener, &mut log, &mut counts).unwrap();
        (passed, counts, tail(&path, 2).unwrap())
    }

    #[test]
    fn both_streams_reach_log_and_counts() {
        let (passed, counts, log) = shell("echo 'count: a: 1'; echo 'count: b: 2' >&2", None);
        assert!(passed);
        assert_eq!(counts.notes, ["a: 1", "b: 2"]);
        assert_eq!(log, ["count: a: 1", "count: b: 2"]);
    }

    #[test]
    fn a_failure_is_a_failure_and_bytes_that_are_no_text_are_kept_readable() {
        let (passed, _, log) = shell("printf '\\377x\\n'; exit 3", None);
        assert!(!passed);
        assert_eq!(log.last().unwrap(), "\u{fffd}x");
    }

    #[test]
    fn who_listens_to_standard_output_hears_nothing_else_and_may_refuse_it() {
        let wants_a: Listener = |lines| if lines == ["a"] { Ok(()) } else { Err(format!("{lines:?}")) };
        let (passed, counts, _) = shell("echo a; echo 'count: b: 2' >&2", Some(wants_a));
        assert!(passed);
        assert_eq!(counts.notes, ["b: 2"], "both streams count all the same");
        let (passed, _, log) = shell("echo b", Some(wants_a));
        assert!(!passed);
        assert!(log[0] == "b" && log[1].contains(r#"["b"]"#), "{log:?}");
    }

    #[test]
    fn a_program_that_failed_is_blamed_for_nothing_that_it_wrote() {
        let never: Listener = |_| Err("never".to_owned());
        let (passed, _, log) = shell("echo c; exit 1", Some(never));
        assert!(!passed && log.last().unwrap() == "c", "{log:?}");
    }
}

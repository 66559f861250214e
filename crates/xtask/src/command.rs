//! Starting other programs.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};

use crate::error::Error;

/// The command line as a person would type it.
pub fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// What the shell of a leash does: whoever ended before the leash was on can't end anything by it any more.
const WHILE_HELD: &str = r#"[ "$PPID" = "$0" ] && exec "$@""#;

/// The same call on a leash. Where this task ends, be it by `kill -9` of it alone, the kernel terminates the program, and whatever
/// that one became: cargo becomes what it runs, and what makes a bed takes it down at that.
///
/// To be started by the main thread: the kernel takes the end of the thread that starts for the end of the task.
pub fn leashed(command: &Command) -> Command {
    held_by(std::process::id(), command)
}

fn held_by(holder: u32, command: &Command) -> Command {
    let mut leashed = Command::new("setpriv");
    leashed.args(["--pdeathsig", "TERM", "sh", "-c", WHILE_HELD]).arg(holder.to_string());
    leashed.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => leashed.env(name, value),
            None => leashed.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        leashed.current_dir(folder);
    }
    leashed
}

/// Becomes the program, so that whoever holds the number of this task's process holds that program's. Returns only where that
/// failed.
pub fn turn_into(command: &mut Command) -> Error {
    let source = command.exec();
    Error::Start { command: words(command), source }
}

/// Runs a program with this terminal and waits for its end.
pub fn status(command: &Command) -> Result<ExitStatus, Error> {
    leashed(command).status().map_err(|source| Error::Start { command: words(command), source })
}

/// Runs a program with this terminal; an end in failure is an error.
pub fn succeed(command: &Command) -> Result<(), Error> {
    let status = status(command)?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Ended { command: words(command), status: status.to_string() })
}

/// The cargo that started this task, or the one on the path.
///
/// What cargo told this task about its own package is not passed on: build scripts of dependencies look at it, and would run
/// again, with everything that is built on them, for each checkout and each way of starting.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_about_this_package) {
            command.env_remove(name);
        }
    }
    let given = std::env::var_os(RUNNER).is_some();
    if let Some(leash) = arguments.first().filter(|_| !given).and_then(|verb| runner(verb)) {
        command.env(RUNNER, leash);
    }
    command
}

/// How a verb of cargo starts what it built. It doesn't become the tests that it runs, so they are on a leash to it; it starts them
/// by its main thread. It does become what it runs otherwise, whose parent is then whoever called this task: a shell, which may end
/// before.
fn runner(verb: &str) -> Option<&'static str> {
    (verb == "test").then_some("setpriv --pdeathsig TERM")
}

/// Names to cargo the program by which it starts what it built.
const RUNNER: &str = "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER";

/// Whether cargo sets a variable for the package that it runs.
fn is_about_this_package(name: &str) -> bool {
    name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_")
}

/// The target of everything that runs on a cluster: its code links statically, so that an image needs no library.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A cargo call on optimised, static programs. Images, demo and bench all build this way, so that what they share is built once.
pub fn optimised(verb: &str) -> Command {
    let mut command = cargo(&[verb, "--release", "--target", TARGET]);
    // Naming a target keeps these flags from build scripts and macros, which can't be static.
    command.env("RUSTFLAGS", "-C target-feature=+crt-static");
    command
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use super::{RUNNER, TARGET, cargo, held_by, leashed, runner, turn_into};

    /// Names a program to the copy of this one that turns into it.
    const TURN_INTO: &str = "XTASK_TEST_TURN_INTO";

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_ends_with_whoever_started_it() {
        // To the kernel a thread is a parent, and this one ends as nobody can prepare for.
        let starter = std::thread::spawn(|| {
            let mut child = leashed(&shell("echo up; exec sleep 20")).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "up\n");
            child
        });
        let status = starter.join().unwrap().wait().unwrap();
        assert_eq!(status.signal(), Some(15), "it ended by itself: {status}");
    }

    #[test]
    fn a_program_whose_starter_is_gone_already_does_not_begin() {
        let nobody = 4_000_000_000;
        let output = held_by(nobody, &shell("echo up")).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    }

    #[test]
    fn on_a_leash_a_program_is_called_as_without() {
        let mut plain = shell(r#"echo "$A/$HOME/$PWD/$1"; exit 3"#);
        plain.args(["zero", "a word"]).env("A", "a").env_remove("HOME").current_dir("/usr");
        let (leashed, plain) = (leashed(&plain).output().unwrap(), plain.output().unwrap());
        assert_eq!(String::from_utf8_lossy(&plain.stdout), "a///usr/a word\n");
        assert_eq!(leashed, plain);
    }

    #[test]
    fn whoever_turns_into_a_program_keeps_its_number() {
        let here = std::env::var_os(TURN_INTO).is_none();
        assert!(here, "{}", turn_into(&mut shell("echo number $$")));
        let mut copy = Command::new(std::env::current_exe().unwrap());
        copy.args([
            "--exact",
            "command::tests::whoever_turns_into_a_program_keeps_its_number",
            "--nocapture",
        ]);
        let copy = copy.env(TURN_INTO, "1").stdout(Stdio::piped()).spawn().unwrap();
        let number = copy.id();
        let said = copy.wait_with_output().unwrap().stdout;
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.ends_with(&format!("number {number}\n")), "{said}");
    }

    #[test]
    fn tests_end_with_the_cargo_that_runs_them() {
        assert_eq!(runner("test"), Some("setpriv --pdeathsig TERM"));
        assert_eq!(runner("run"), None, "a demo lives on without the shell that began it");
        assert!(RUNNER.contains(&TARGET.to_uppercase().replace('-', "_")));
    }

    #[test]
    fn a_cargo_that_is_started_hears_nothing_of_this_package() {
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "cargo tells its tests");
        let command = cargo(&["build"]);
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).collect();
        assert!(removed.iter().any(|(name, _)| *name == "CARGO_MANIFEST_DIR"));
        assert!(removed.iter().any(|(name, _)| *name == "CARGO_PKG_NAME"));
        assert!(!removed.iter().any(|(name, _)| *name == "CARGO_TARGET_DIR" || *name == "PATH"));
    }
}

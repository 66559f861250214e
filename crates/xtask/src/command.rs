//! Starting other programs.

use std::process::{Command, ExitStatus};

use crate::error::Error;

/// The command line as a person would type it.
pub fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs a program with this terminal and waits for its end.
pub fn status(command: &mut Command) -> Result<ExitStatus, Error> {
    command.status().map_err(|source| Error::Start { command: words(command), source })
}

/// Runs a program with this terminal; an end in failure is an error.
pub fn succeed(command: &mut Command) -> Result<(), Error> {
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
    command
}

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
    use super::cargo;

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

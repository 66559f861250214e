//! `kubectl teal` as people have it: the program on the path, where kubectl finds it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use teal_testbed::leashed;

use super::{checkout, images};
use crate::error::{Error, Result};

/// The package, and its program.
const PACKAGE: &str = "teal-cli";
const PROGRAM: &str = "kubectl-teal";

/// What it ended with and what it wrote.
#[derive(Clone, Debug)]
pub struct Said {
    /// The exit code; nothing if a signal ended it.
    pub code: Option<i32>,
    /// Standard output, and standard error after it.
    pub text: String,
}

/// Builds it beside the program that runs, outside of a bed, where registries can be reached.
pub fn build() -> Result<()> {
    if images::are_given() {
        return there(&folder());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = leashed("TERM", cargo);
    command.args(["build", "--quiet", "--package", PACKAGE, "--bin", PROGRAM]).current_dir(checkout());
    let status = command.stdout(Stdio::null()).status();
    let status = status.map_err(|source| Error::Local { action: "start cargo build", source })?;
    if !status.success() {
        let output = "see what it wrote above".into();
        return Err(Error::Program { program: "cargo build".into(), status: status.to_string(), output });
    }
    there(&folder())
}

fn there(folder: &Path) -> Result<()> {
    let path = folder.join(PROGRAM);
    if path.is_file() {
        return Ok(());
    }
    Err(Error::File { path, why: format!("no such program: make it with cargo build -p {PACKAGE}") })
}

/// Where it lies: the folder of the profile in which all of this is built.
pub fn folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let profile = program.ancestors().find(|folder| folder.join("deps").is_dir());
    profile.unwrap_or(Path::new("target/debug")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_said_with_the_way_to_make_it() {
        let refused = there(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(refused.contains("/nowhere/kubectl-teal") && refused.contains("-p teal-cli"), "{refused}");
    }

    #[test]
    fn it_is_looked_for_beside_what_runs() {
        assert!(folder().join("deps").is_dir(), "{}", folder().display());
    }
}

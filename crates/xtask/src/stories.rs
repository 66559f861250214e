//! `demo` and `bench`: programs of the `teal-tests` package, started with the caller's arguments.

use std::ffi::OsString;

use crate::command;
use crate::error::Error;
use crate::workspace::Workspace;

/// The package with everything that needs a cluster.
pub const PACKAGE: &str = "teal-tests";

/// Builds one of the package's programs and turns into it, so that whoever kills this task by its number kills the program that
/// answers for the bed. Returns only where that failed.
pub fn run(workspace: &Workspace, program: &str, arguments: &[OsString]) -> Result<(), Error> {
    if !workspace.has_binary(PACKAGE, program) {
        return Err(Error::Missing {
            what: format!("`cargo xtask {program}`"),
            remedy: format!("{PACKAGE} has no binary `{program}` in this checkout; see CHANGELOG.md"),
        });
    }
    let mut cargo = command::optimised("run");
    Err(command::turn_into(cargo.args(["--package", PACKAGE, "--bin", program, "--"]).args(arguments)))
}

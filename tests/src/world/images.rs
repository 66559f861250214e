//! The images that a world needs, as archives of `cargo xtask image`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use teal_testbed::leashed;

use super::checkout;
use crate::error::{Error, Result};

/// A folder with archives that are there already, so that nothing is built.
const GIVEN: &str = "TEAL_IMAGES";

/// Programs whose archives are needed: the operator, and the application of the examples.
pub const PROGRAMS: [&str; 2] = ["teal", "shop"];

/// Whether what is needed is there already, so that nothing is built.
pub fn are_given() -> bool {
    std::env::var_os(GIVEN).is_some()
}

/// The archive of a program.
pub fn archive(program: &str) -> PathBuf {
    folder().join(format!("{program}.tar"))
}

/// Builds the images of these programs, outside of a bed, where registries can be reached. They are for a bed alone, so whoever
/// can't make one hears it before anything is built.
pub fn build(programs: &[&str]) -> Result<()> {
    teal_testbed::may_enter()?;
    if are_given() {
        return programs.iter().try_for_each(|program| there(&archive(program)));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = leashed("TERM", cargo);
    command.args(["xtask", "image", "--output"]).arg(folder()).args(programs).current_dir(checkout());
    // Ours are for a target of its own; xtask and its macros can't be built with them.
    command.env_remove("RUSTFLAGS");
    // What is printed for machines must stay alone on our output.
    let output = command.stdout(Stdio::null()).status();
    let status = output.map_err(|source| Error::Local { action: "start cargo xtask image", source })?;
    if status.success() {
        return Ok(());
    }
    let output = "see what it wrote above".into();
    Err(Error::Program { program: "cargo xtask image".into(), status: status.to_string(), output })
}

fn there(archive: &Path) -> Result<()> {
    if archive.is_file() {
        return Ok(());
    }
    let why = format!("no such archive: make it with cargo xtask image, or unset {GIVEN}");
    Err(Error::File { path: archive.to_owned(), why })
}

/// Beside the program that runs, which lies in the build folder's profile.
fn folder() -> PathBuf {
    if let Some(given) = std::env::var_os(GIVEN) {
        return given.into();
    }
    let program = std::env::current_exe().unwrap_or_default();
    let profile = program.ancestors().find(|folder| folder.join("deps").is_dir());
    profile.and_then(Path::parent).unwrap_or(Path::new("target")).join("images")
}

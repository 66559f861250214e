//! Writes the generated files, or compares them with what is committed (`--check`).
//!
//! To add a generator, add a line to the table in `generators`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "speaks to the person at the terminal")]

mod generators;
mod reference;

use std::process::ExitCode;

use generators::{GENERATORS, GenerateError};
use xtask::chain;
use xtask::generate::{difference, write};
use xtask::workspace::Workspace;

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    match Workspace::load().map_err(GenerateError::from).and_then(|workspace| run(&workspace, check)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", chain::render(&error));
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every file is as it should be.
fn run(workspace: &Workspace, check: bool) -> Result<bool, GenerateError> {
    let mut differing = 0;
    for (what, generator) in GENERATORS {
        let files = generator(workspace)?;
        for file in &files {
            if !check {
                if write(workspace.root(), file)? {
                    println!("wrote {}", file.path.display());
                }
            } else if let Some(diff) = difference(workspace.root(), file)? {
                println!("{diff}");
                differing += 1;
            }
        }
        println!("count: {what}: {} files", files.len());
    }
    if differing > 0 {
        println!("{differing} generated files are not what is committed; run `cargo xtask generate`");
    }
    Ok(differing == 0)
}

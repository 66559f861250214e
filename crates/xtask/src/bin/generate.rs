//! Writes the generated files, or compares them with what is committed (`--check`).
//!
//! To add a generator, add a line to `GENERATORS`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "speaks to the person at the terminal")]

use std::process::ExitCode;
use xtask::chain;
use xtask::error::Error;
use xtask::generate::{Generated, difference, write};
use xtask::rooms;
use xtask::workspace::Workspace;

/// A line of the table: what it makes, and how.
type Generator = (&'static str, fn(&Workspace) -> Result<Vec<Generated>, Error>);

const GENERATORS: &[Generator] = &[("lint settings of pure rooms", lint_settings)];

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    match Workspace::load().and_then(|workspace| run(&workspace, check)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", chain::render(&error));
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every file is as it should be.
fn run(workspace: &Workspace, check: bool) -> Result<bool, Error> {
    let mut differing = 0;
    for (what, generator) in GENERATORS {
        let files = generator(workspace)?;
        for file in &files {
            if check {
                let diff = difference(workspace.root(), file)?;
                diff.iter().for_each(|diff| println!("{diff}"));
                differing += usize::from(diff.is_some());
            } else if write(workspace.root(), file)? {
                println!("wrote {}", file.path.display());
            }
        }
        println!("count: {what}: {} files", files.len());
    }
    if differing > 0 {
        println!("{differing} generated files are not what is committed; run `cargo xtask generate`");
    }
    Ok(differing == 0)
}

fn lint_settings(workspace: &Workspace) -> Result<Vec<Generated>, Error> {
    let table = rooms::table::Table::load(workspace.root())?;
    let path = workspace.root().join("clippy.toml");
    let settings = std::fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
    let folders = table.pure_rooms().filter_map(|room| rooms::folder(workspace, room));
    let files = folders.map(|folder| {
        let inside = folder.strip_prefix(workspace.root()).unwrap_or(folder);
        Generated::new(inside.join("clippy.toml"), rooms::render_clippy(&settings, &table))
    });
    Ok(files.collect())
}

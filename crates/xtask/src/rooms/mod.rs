//! `cargo xtask rooms`: who may import whom.
//!
//! ```text
//! rooms.toml ─┐
//! cargo metadata ─► imports ─┐
//! sources ─► scan, size ─────┼─► Report (sentences; nothing was changed)
//! clippy.toml ─► clippy ─────┤
//! traffic rules, tests ─► rules ─┘
//! ```

mod clippy;
mod files;
mod imports;
mod rules;
mod scan;
pub mod table;

pub use clippy::render as render_clippy;

#[cfg(test)]
mod imports_tests;
#[cfg(test)]
mod scan_tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::workspace::Workspace;
use table::{Room, Table};

/// What a look at all rooms found.
#[derive(Debug)]
pub struct Report {
    /// How many rooms and imports were looked at.
    pub looked_at: String,
    /// Files that are longer than they should be, but not refused: length and path.
    pub long_files: Vec<(usize, PathBuf)>,
    /// One sentence for each thing that is refused.
    pub violations: Vec<String>,
}

/// Looks at imports, sources, lint settings and file lengths of the whole workspace.
pub fn look(workspace: &Workspace) -> Result<Report, Error> {
    let table = Table::load(workspace.root())?;
    let mut violations = imports::check(&table, workspace.packages());
    for room in table.pure_rooms() {
        violations.extend(scan_room(workspace, &table, room)?);
        violations.extend(clippy::differs(workspace, &table, room)?);
    }
    let lengths = files::lengths(workspace.root())?;
    let (long_files, refused) = files::judge(&table.limits, lengths);
    violations.extend(refused);
    let imports: usize = workspace.packages().iter().map(|package| package.dependencies.len()).sum();
    let (rules, untried) = rules::check(workspace.root())?;
    violations.extend(untried);
    let looked_at = format!("{} rooms, {imports} imports, {rules}", table.rooms.len());
    Ok(Report { looked_at, long_files, violations })
}

/// The folder of a room's package, if the package exists.
pub fn folder<'a>(workspace: &'a Workspace, room: &Room) -> Option<&'a Path> {
    let package = workspace.packages().iter().find(|package| package.name.as_str() == room.package)?;
    package.manifest_path.parent().map(cargo_metadata::camino::Utf8Path::as_std_path)
}

fn scan_room(workspace: &Workspace, table: &Table, room: &Room) -> Result<Vec<String>, Error> {
    let Some(folder) = folder(workspace, room) else { return Ok(Vec::new()) };
    let mut scans = Vec::new();
    for path in files::sources(&folder.join("src"))? {
        let text =
            std::fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let name = path.strip_prefix(workspace.root()).unwrap_or(&path).display().to_string();
        let scanned = scan::scan(&room.package, &name, &text, &table.pure)
            .map_err(|error| Error::Lex { path: path.clone(), reason: error.to_string() })?;
        scans.push((path, scanned));
    }
    let tests: BTreeSet<PathBuf> = scans.iter().flat_map(|(path, scan)| test_files(path, scan)).collect();
    let shipped = scans.into_iter().filter(|(path, _)| !tests.iter().any(|test| path.starts_with(test)));
    Ok(shipped.flat_map(|(_, scan)| scan.violations).collect())
}

/// Where the test modules that a file declares lie: `name.rs` and the folder `name`.
fn test_files(path: &Path, scanned: &scan::Scanned) -> Vec<PathBuf> {
    let stem = path.file_stem().unwrap_or_default();
    let is_root = ["lib", "main", "mod"].iter().any(|root| stem == *root);
    let folder = if is_root { path.with_file_name("") } else { path.with_extension("") };
    let modules = scanned.test_modules.iter();
    modules.flat_map(|name| [folder.join(format!("{name}.rs")), folder.join(name)]).collect()
}

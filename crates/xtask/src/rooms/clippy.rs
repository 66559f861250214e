//! The `clippy.toml` of a pure room, made from the table.

use super::table::{Forbidden, Room, Table};
use crate::error::Error;
use crate::workspace::Workspace;

/// Lint settings of a pure room: the workspace's own, then what the table forbids. A package's
/// `clippy.toml` replaces the workspace's, so its lines must be repeated.
pub fn render(workspace_settings: &str, table: &Table) -> String {
    let mut text = String::from(
        "# Made from the root's clippy.toml and [[pure]] in crates/xtask/rooms.toml by `cargo xtask generate`.\n",
    );
    text.push_str(workspace_settings.trim_end());
    text.push('\n');
    list(&mut text, "disallowed-methods", table, |rule| &rule.methods);
    list(&mut text, "disallowed-types", table, |rule| &rule.types);
    text
}

fn list(text: &mut String, key: &str, table: &Table, paths: impl Fn(&Forbidden) -> &[String]) {
    let rows = table.pure.iter().flat_map(|rule| paths(rule).iter().map(move |path| (path, &rule.reason)));
    let rows: Vec<String> = rows
        // A path of a crate that isn't linked is no mistake here.
        .map(|(path, reason)| {
            format!("  {{ path = \"{path}\", reason = \"{reason}\", allow-invalid = true }},\n")
        })
        .collect();
    text.extend([key, " = [\n", &rows.concat(), "]\n"]);
}

/// A sentence if the committed settings of a pure room aren't those of the table.
pub(super) fn differs(workspace: &Workspace, table: &Table, room: &Room) -> Result<Option<String>, Error> {
    let Some(folder) = super::folder(workspace, room) else { return Ok(None) };
    let path = workspace.root().join("clippy.toml");
    let settings = std::fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
    let committed = std::fs::read_to_string(folder.join("clippy.toml")).unwrap_or_default();
    let same = committed == render(&settings, table);
    Ok((!same).then(|| {
        format!(
            "{}: its clippy.toml isn't what {} says; run `cargo xtask generate`",
            room.package,
            super::table::PATH
        )
    }))
}

//! The generators.

use std::path::Path;

use serde_json::Value;

use crate::reference;
use xtask::error::Error;
use xtask::generate::Generated;
use xtask::rooms;
use xtask::workspace::Workspace;

/// A line of the table: what it makes, and how.
pub(crate) type Generator = (&'static str, fn(&Workspace) -> Result<Vec<Generated>, GenerateError>);

/// The table. Each generator returns whole files; writing and comparing is not its matter.
pub(crate) const GENERATORS: &[Generator] = &[
    ("lint settings of pure rooms", lint_settings),
    ("definitions of the kinds, for kubectl and for the chart", definitions),
    ("reference of the fields", fields),
];

/// Where the definitions lie: for plain `kubectl apply`, and where a template of the chart reads them (in Helm's own
/// folder `crds` they could be neither labelled, nor left out, nor upgraded).
const DEFINITION_FOLDERS: [&str; 2] = ["crds", "charts/teal/files/crds"];

/// Why a file can't be generated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GenerateError {
    /// Something outside this program.
    #[error(transparent)]
    Task(#[from] Error),
    /// The types make no definition.
    #[error("the API's types make no definition")]
    Definition(#[from] teal_api::crd::CrdError),
    /// A definition is no YAML.
    #[error("{name} is no YAML")]
    Yaml {
        /// The definition's file.
        name: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_yaml::Error,
    },
}

fn lint_settings(workspace: &Workspace) -> Result<Vec<Generated>, GenerateError> {
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

fn definitions(_: &Workspace) -> Result<Vec<Generated>, GenerateError> {
    let files = teal_api::crd::generate()?;
    let copies = files.iter().flat_map(|file| {
        DEFINITION_FOLDERS.map(|folder| Generated::new(Path::new(folder).join(file.name), &*file.text))
    });
    Ok(copies.collect())
}

fn fields(_: &Workspace) -> Result<Vec<Generated>, GenerateError> {
    let files = teal_api::crd::generate()?;
    let pages = files.iter().map(|file| {
        let definition: Value = serde_yaml::from_str(&file.text)
            .map_err(|source| GenerateError::Yaml { name: file.name, source })?;
        let page = reference::page(&definition);
        Ok(Generated::new(Path::new("docs/reference").join(page.name), page.text))
    });
    pages.collect()
}

//! The table of rooms, `crates/xtask/rooms.toml`, as data.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Error;

/// Where the table lies, from the root of the checkout.
pub const PATH: &str = "crates/xtask/rooms.toml";

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// How long files may be.
    pub limits: Limits,
    /// One row per package of the workspace.
    #[serde(rename = "room", default)]
    pub rooms: Vec<Room>,
    /// What no pure room may touch.
    #[serde(default)]
    pub pure: Vec<Forbidden>,
}

/// Lengths of source files in lines.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Longer files are listed.
    pub lines_aim: usize,
    /// Longer files are refused.
    pub lines_hard: usize,
}

/// What sort of room a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Decides; no input or output of any sort.
    Pure,
    /// May act, and reaches users.
    Shipped,
    /// Proves, demonstrates or builds; never reaches users.
    Dev,
}

/// One package and the walls around it. The head of the table says what each key means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// Name of the package.
    pub package: String,
    /// Why its wall stands where it does.
    pub reason: String,
    /// What sort of room it is.
    pub kind: Kind,
    /// Rooms it may import.
    #[serde(default)]
    pub workspace: Vec<String>,
    /// Crates from outside it may import; `None`: any that `never` does not name.
    pub outside: Option<Vec<String>>,
    /// Crates from outside it may not import, tests included.
    #[serde(default)]
    pub never: Vec<String>,
    /// Further rooms its tests may import.
    #[serde(default)]
    pub dev_workspace: Vec<String>,
    /// Features of outside crates that stay off.
    #[serde(default)]
    pub features_never: BTreeMap<String, Vec<String>>,
}

/// Something no pure room may touch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forbidden {
    /// Part of a path in the source.
    pub path: String,
    /// Why, and what to do instead.
    pub reason: String,
    /// Functions for clippy's `disallowed-methods`.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Types for clippy's `disallowed-types`.
    #[serde(default)]
    pub types: Vec<String>,
}

impl Table {
    /// Reads the table of a checkout.
    pub fn load(root: &Path) -> Result<Self, Error> {
        let path = root.join(PATH);
        let text =
            std::fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        toml::from_str(&text).map_err(|source| Error::Table { path, source: Box::new(source) })
    }

    /// The row of a package.
    pub fn room(&self, package: &str) -> Option<&Room> {
        self.rooms.iter().find(|room| room.package == package)
    }

    /// The rows of the pure rooms.
    pub fn pure_rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter().filter(|room| room.kind == Kind::Pure)
    }
}

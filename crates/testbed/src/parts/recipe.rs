//! The table of parts, `tests/bed/parts.toml`: which versions, and from where.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{At, Result, invalid};

/// One part of the bed and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Recipe {
    /// Its name, also the name of the folder in the cache.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it comes from.
    #[serde(flatten)]
    pub source: Source,
    /// Programs that must be on the machine for this part to work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Needed>,
}

/// Where a part comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "source", rename_all = "lowercase")]
pub enum Source {
    /// Built from a Go module kept beside the table.
    Go(GoSource),
    /// Taken out of a Python wheel.
    Wheel(WheelSource),
    /// Taken out of Debian packages.
    Debian(DebianSource),
}

/// A build from the Go module registry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct GoSource {
    /// The folder beside the table that holds `go.mod` and `go.sum`.
    pub module: String,
    /// Packages to build; none if only files are copied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Flags for the linker.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ldflags: String,
    /// Further names of the binary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// Files to take out of modules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copy: Vec<ModuleFile>,
}

/// A file of a Go module.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct ModuleFile {
    /// The module.
    pub module: String,
    /// The file in it.
    pub path: String,
    /// Its name in the part.
    pub to: String,
}

/// A file of a Python wheel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct WheelSource {
    /// The package in the Python registry.
    pub package: String,
    /// The file in the wheel; its last name is its name in the part.
    pub file: String,
    /// Digests of the wheels that are accepted, one per architecture.
    pub sha256: Vec<String>,
}

/// Files of Debian packages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct DebianSource {
    /// The packages.
    pub debian: Vec<String>,
    /// The files wanted.
    pub files: Vec<PackageFile>,
}

/// A file of an unpacked package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct PackageFile {
    /// The file, relative to the root.
    pub path: String,
    /// Its name in the part.
    pub to: String,
}

/// A program that the machine must have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Needed {
    /// Its name on PATH, or its absolute path.
    pub program: String,
    /// The Debian package that holds it.
    pub package: String,
}

/// The table and the folder it lies in.
#[derive(Debug, Clone)]
pub struct Recipes {
    folder: PathBuf,
    uses: Vec<Needed>,
    parts: Vec<Recipe>,
}

#[derive(Deserialize)]
struct Table {
    #[serde(default)]
    uses: Vec<Needed>,
    part: Vec<Recipe>,
}

impl Recipes {
    /// Reads the table of this checkout.
    pub fn of_checkout() -> Result<Self> {
        Self::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bed"))
    }

    /// Reads the table in a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("parts.toml");
        let text = std::fs::read_to_string(&path).at("read", &path)?;
        let table: Table =
            toml::from_str(&text).map_err(|error| invalid(path.display().to_string(), error.to_string()))?;
        let folder = folder.canonicalize().at("find", folder)?;
        Ok(Self { folder, uses: table.uses, parts: table.part })
    }

    /// The folder with the table and the Go modules.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Programs that must be on the machine whatever a bed is made of.
    pub fn uses(&self) -> &[Needed] {
        &self.uses
    }

    /// All parts, in the order of the table.
    pub fn parts(&self) -> &[Recipe] {
        &self.parts
    }

    /// One part by name.
    pub fn get(&self, name: &str) -> Result<&Recipe> {
        let found = self.parts.iter().find(|part| part.name == name);
        found.ok_or_else(|| invalid(format!("part {name}"), "tests/bed/parts.toml has no entry of this name"))
    }

    /// The name of a part's folder in the cache: it changes with everything
    /// that could change the part.
    pub fn key(&self, recipe: &Recipe) -> Result<String> {
        let mut hash = Sha256::new();
        let entry = serde_json::to_vec(recipe).map_err(|error| invalid(&recipe.name, error.to_string()))?;
        absorb(&mut hash, "entry", &entry);
        if let Source::Go(go) = &recipe.source {
            let module = self.folder.join(&go.module);
            for file in sources(&module)? {
                let content = std::fs::read(&file).at("read", &file)?;
                let name = file.strip_prefix(&module).unwrap_or(&file);
                absorb(&mut hash, &name.to_string_lossy(), &content);
            }
        }
        let digest = hash.finalize();
        let short = hex::encode(&digest[..6]);
        Ok(format!("{}-{}-{short}", recipe.name, recipe.version))
    }
}

/// Lengths go in too, so that no two sets of files give the same stream.
fn absorb(hash: &mut Sha256, name: &str, content: &[u8]) {
    hash.update(name.len().to_le_bytes());
    hash.update(name);
    hash.update(content.len().to_le_bytes());
    hash.update(content);
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).at("list", folder)? {
        let path = entry.at("list", folder)?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "go" || kind == "mod" || kind == "sum") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(folder: &Path, entry: &str) -> Recipes {
        std::fs::write(folder.join("parts.toml"), entry).unwrap();
        Recipes::read(folder).unwrap()
    }

    #[test]
    fn the_table_of_the_checkout_is_complete() {
        let recipes = Recipes::of_checkout().unwrap();
        for recipe in recipes.parts() {
            let key = recipes.key(recipe).unwrap();
            assert!(key.starts_with(&format!("{}-{}-", recipe.name, recipe.version)));
            if let Source::Go(go) = &recipe.source {
                let module = recipes.folder().join(&go.module);
                assert!(module.join("go.mod").is_file(), "{} has no go.mod", recipe.name);
            }
        }
        for name in crate::bed::ALL_PARTS {
            recipes.get(name).unwrap();
        }
    }

    #[test]
    fn a_change_of_a_source_file_changes_the_key() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("m")).unwrap();
        let main = folder.path().join("m/main.go");
        std::fs::write(&main, "package main").unwrap();
        let entry = "[[part]]\nname='a'\nversion='1'\nsource='go'\nmodule='m'\npackages=['.']\n";
        let recipes = table(folder.path(), entry);
        let before = recipes.key(recipes.get("a").unwrap()).unwrap();
        std::fs::write(&main, "package main // other").unwrap();
        assert_ne!(before, recipes.key(recipes.get("a").unwrap()).unwrap());
    }

    #[test]
    fn a_change_of_the_entry_changes_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let entry = "[[part]]\nname='a'\nversion='1'\nsource='wheel'\npackage='p'\nfile='f'\nsha256=['X']\n";
        let one = table(folder.path(), entry);
        let before = one.key(one.get("a").unwrap()).unwrap();
        let other = table(folder.path(), &entry.replace('X', "Y"));
        assert_ne!(before, other.key(other.get("a").unwrap()).unwrap());
    }

    #[test]
    fn an_unknown_part_is_named() {
        let recipes = Recipes::of_checkout().unwrap();
        assert!(recipes.get("nosuch").unwrap_err().to_string().contains("part nosuch"));
    }
}

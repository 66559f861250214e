//! Generated files: written, or compared with what is committed.
//!
//! The generators themselves are a table in `src/bin/generate.rs`, a program of its own because
//! they link the API types.

use similar::TextDiff;
use std::path::{Path, PathBuf};

use crate::command;
use crate::error::Error;

/// A file that a generator makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Where it lies, from the root of the checkout.
    pub path: PathBuf,
    /// All of its text.
    pub text: String,
}

impl Generated {
    /// A file at this path with this text.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// Builds and runs the program with the generators.
pub fn delegate(check: bool) -> Result<(), Error> {
    let mut cargo = command::cargo(&["run", "--quiet", "--package", "xtask"]);
    cargo.args(["--features", "generate", "--bin", "xtask-generate", "--"]);
    command::succeed(cargo.args(check.then_some("--check")))
}

/// A diff from what is committed to what would be generated, if they differ.
pub fn difference(root: &Path, file: &Generated) -> Result<Option<String>, Error> {
    let path = root.join(&file.path);
    let committed = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(Error::Read { path, source }),
    };
    if committed == file.text {
        return Ok(None);
    }
    let name = file.path.display();
    let diff = TextDiff::from_lines(&committed, &file.text);
    let text = diff
        .unified_diff()
        .context_radius(2)
        .header(&format!("{name} (committed)"), &format!("{name} (generated)"))
        .to_string();
    Ok(Some(text))
}

/// Writes a generated file; says whether it changed anything.
pub fn write(root: &Path, file: &Generated) -> Result<bool, Error> {
    if difference(root, file)?.is_none() {
        return Ok(false);
    }
    let path = root.join(&file.path);
    let failed = |source| Error::Write { path: path.clone(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(&path, &file.text).map_err(failed)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::{Generated, difference, write};

    #[test]
    fn a_file_that_differs_is_shown_line_by_line_until_it_is_written() {
        let root = tempfile::tempdir().unwrap();
        let old = Generated::new("crds/a.yaml", "one\ntwo\n");
        assert!(difference(root.path(), &old).unwrap().unwrap().contains("+two"));
        assert!(write(root.path(), &old).unwrap());
        assert_eq!(difference(root.path(), &old).unwrap(), None);
        assert!(!write(root.path(), &old).unwrap(), "an equal file is not written again");

        let new = Generated::new("crds/a.yaml", "one\nthree\n");
        let diff = difference(root.path(), &new).unwrap().unwrap();
        assert!(diff.contains("-two\n+three"), "{diff}");
        assert!(diff.contains("crds/a.yaml (committed)"), "{diff}");
    }
}

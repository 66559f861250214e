//! Source files and their lengths.

use std::path::{Path, PathBuf};

use super::table::Limits;
use crate::error::Error;

/// Folders of the checkout that hold sources.
const SOURCE_FOLDERS: [&str; 3] = ["crates", "examples", "tests"];

/// All Rust and Go files below a folder, sorted. A folder that isn't there has none.
pub(super) fn sources(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop().filter(|folder| folder.is_dir()) {
        let unreadable = |source| Error::Read { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "go") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The length in lines of every source file of a checkout.
pub(super) fn lengths(root: &Path) -> Result<Vec<(usize, PathBuf)>, Error> {
    let mut lengths = Vec::new();
    for folder in SOURCE_FOLDERS {
        for path in sources(&root.join(folder))? {
            let text = std::fs::read_to_string(&path)
                .map_err(|source| Error::Read { path: path.clone(), source })?;
            lengths.push((text.lines().count(), path.strip_prefix(root).unwrap_or(&path).to_path_buf()));
        }
    }
    Ok(lengths)
}

/// Files to list, longest first, and a sentence for each file to refuse.
pub(super) fn judge(limits: &Limits, lengths: Vec<(usize, PathBuf)>) -> (Vec<(usize, PathBuf)>, Vec<String>) {
    let mut listed: Vec<_> = lengths.into_iter().filter(|(lines, _)| *lines > limits.lines_aim).collect();
    listed.sort_by(|a, b| b.cmp(a));
    let refused = listed.iter().filter(|(lines, _)| *lines > limits.lines_hard);
    let refused = refused.map(|(lines, path)| {
        format!("{} has {lines} lines, more than {}: split it by topic", path.display(), limits.lines_hard)
    });
    let refused = refused.collect();
    (listed, refused)
}

#[cfg(test)]
mod tests {
    use super::{Limits, judge};

    #[test]
    fn the_aim_lists_and_the_limit_refuses() {
        let limits = Limits { lines_aim: 300, lines_hard: 600 };
        let lengths =
            vec![(300, "a.rs".into()), (301, "b.rs".into()), (600, "c.rs".into()), (601, "d.rs".into())];
        let (listed, refused) = judge(&limits, lengths);
        assert_eq!(listed, [(601, "d.rs".into()), (600, "c.rs".into()), (301, "b.rs".into())]);
        assert_eq!(refused, ["d.rs has 601 lines, more than 600: split it by topic"]);
    }
}

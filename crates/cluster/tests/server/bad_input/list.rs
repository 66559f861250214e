//! The list of cases in `docs/reference/bad-input.md` against the tests that there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Names of tests as the page writes them: `` `file::name` ``.
fn listed(page: &str) -> BTreeSet<String> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter(|word| word.contains("::")).map(str::to_owned).collect()
}

/// The tests of a file, by the word before `::` that the page gives it.
fn there(file: &Path) -> Vec<String> {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let text = std::fs::read_to_string(file).expect("a test file");
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines() {
        is_test |= line.starts_with("#[tokio::test") || line.starts_with("#[test]");
        let name = line.trim_start_matches("async ").strip_prefix("fn ").filter(|_| is_test);
        if let Some((name, _)) = name.and_then(|rest| rest.split_once('(')) {
            names.push(format!("{stem}::{name}"));
            is_test = false;
        }
    }
    names
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn every_case_has_its_test_and_every_test_its_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../../docs/reference/bad-input.md")).expect("the page");
    let listed = listed(&page);
    let folder = root.join("tests/server");
    let cases: BTreeSet<String> =
        files(&folder.join("bad_input")).iter().flat_map(|file| there(file)).collect();
    let others = [folder, root.join("../operator/tests/server")];
    let others = others.iter().flat_map(|folder| files(folder)).flat_map(|file| there(&file));
    let all: BTreeSet<String> = others.chain(cases.clone()).collect();
    let unwritten: Vec<&String> = listed.difference(&all).collect();
    assert!(unwritten.is_empty(), "the page names tests that there are not: {unwritten:?}");
    let own = "list::every_case_has_its_test_and_every_test_its_case";
    let unlisted: Vec<&String> = cases.difference(&listed).filter(|name| *name != own).collect();
    assert!(unlisted.is_empty(), "tests that the page doesn't name: {unlisted:?}");
}

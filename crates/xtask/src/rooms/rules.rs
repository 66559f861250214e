//! Every rule of moving traffic is named by a test, or says why not yet.

use std::collections::BTreeMap;
use std::path::Path;

use super::files;
use crate::error::Error;

/// The rules, one row each.
const PAGE: &str = "docs/traffic-rules.md";

/// Where tests lie.
const FOLDERS: [&str; 2] = ["crates", "tests"];

/// How many rules there are, and a sentence for each one that nothing tries.
pub(super) fn check(root: &Path) -> Result<(String, Vec<String>), Error> {
    let page = read(&root.join(PAGE))?;
    let mut tests = BTreeMap::new();
    for folder in FOLDERS {
        for path in files::sources(&root.join(folder))? {
            count(&read(&path)?, &mut tests);
        }
    }
    Ok(judge(&page, &tests))
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })
}

/// Counts the tests of a file by the rule that their name begins with.
fn count(source: &str, tests: &mut BTreeMap<u32, usize>) {
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        let name = line.trim_start_matches("pub(super) ").trim_start_matches("async ").strip_prefix("fn ");
        match name {
            Some(name) => {
                let number = name.strip_prefix("rule_").and_then(|rest| rest.split('_').next()?.parse().ok());
                if let (true, Some(number)) = (is_test, number) {
                    *tests.entry(number).or_default() += 1;
                }
                is_test = false;
            }
            None => is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test"),
        }
    }
}

fn judge(page: &str, tests: &BTreeMap<u32, usize>) -> (String, Vec<String>) {
    let rows: Vec<(u32, &str)> = page.lines().filter_map(row).collect();
    let mut wrong: Vec<String> = Vec::new();
    for (number, excuse) in &rows {
        match (tests.contains_key(number), excuse.is_empty()) {
            (false, true) => wrong.push(format!(
                "no test is named rule_{number}_…: write one at the lowest level that can see it, or say in {PAGE} why there is none yet"
            )),
            (true, false) => {
                wrong.push(format!("rule {number} has a test by now: take the reason against it out of {PAGE}"));
            }
            (true, true) | (false, false) => {}
        }
    }
    let unknown = tests.keys().filter(|number| !rows.iter().any(|(known, _)| known == *number));
    wrong.extend(
        unknown.map(|number| format!("a test is named after rule {number}, which {PAGE} doesn't have")),
    );
    let later = rows.iter().filter(|(_, excuse)| !excuse.is_empty()).count();
    let all: usize = tests.values().sum();
    (format!("{} traffic rules, {later} not built yet, {all} tests that name one", rows.len()), wrong)
}

/// The number, and why no test names it.
fn row(line: &str) -> Option<(u32, &str)> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let number = cells.next()?.parse().ok()?;
    Some((number, cells.nth(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_OF_THREE: &str =
        "| rule | sentence | why |\n|---|---|---|\n| 1 | one | |\n| 2 | two | |\n| 3 | three | later |\n";

    fn found(source: &str) -> Vec<String> {
        let mut tests = BTreeMap::new();
        count(source, &mut tests);
        judge(PAGE_OF_THREE, &tests).1
    }

    #[test]
    fn each_rule_is_named_by_a_test_or_excused() {
        let one = "#[test]\nfn rule_1_holds() {}\n";
        let two =
            "#[tokio::test(flavor = \"multi_thread\")]\n#[ignore = \"x\"]\nasync fn rule_2_holds() {}\n";
        assert_eq!(found(&format!("{one}{two}")), Vec::<String>::new());
        assert!(found(one)[0].contains("rule_2_"), "{:?}", found(one));
        let helper = format!("{one}fn rule_2_helper() {{}}\n");
        assert_eq!(found(&helper).len(), 1, "what is no test tries nothing");
        assert!(
            found(&format!("{one}{two}#[test]\nfn rule_3_holds() {{}}\n"))[0].contains("take the reason")
        );
        assert!(found(&format!("{one}{two}#[test]\nfn rule_9_holds() {{}}\n"))[0].contains("doesn't have"));
    }
}

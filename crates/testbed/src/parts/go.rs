//! Go, which most parts are built by: looked for before anything is built, since no package installs the version wanted.

use std::fs;
use std::process::Command;

use super::recipe::{Recipe, Recipes, Source};
use super::{find_program, run};
use crate::error::{At, Error, Result};

/// From here on Go fetches a newer version by itself, where it may.
const FETCHES: &str = "1.21";

/// Refuses where Go is missing or too old for one of these.
pub(super) fn look(recipes: &Recipes, unbuilt: &[&Recipe]) -> Result<()> {
    let mut wanted = String::new();
    for recipe in unbuilt {
        let Source::Go(source) = &recipe.source else { continue };
        let path = recipes.folder().join(&source.module).join("go.mod");
        let text = fs::read_to_string(&path).at("read", &path)?;
        let version = text.lines().find_map(|line| line.strip_prefix("go ")).unwrap_or("1").trim();
        if numbers(version) > numbers(&wanted) {
            version.clone_into(&mut wanted);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    // Outside of every module, or it would answer with the version that it fetches for it.
    let ask = || run(Command::new("go").args(["env", "GOVERSION", "GOTOOLCHAIN"]).current_dir("/"));
    let found = find_program("go").map(|_| ask()).transpose()?;
    judge(found.as_deref(), &wanted)
}

/// `found` is what it says of itself: its version, and whether it fetches others.
fn judge(found: Option<&str>, wanted: &str) -> Result<()> {
    let lacking = |found: String| Err(Error::NoGo { found, wanted: wanted.to_owned() });
    let Some(found) = found else { return lacking("no Go".to_owned()) };
    let mut lines = found.lines();
    let version = lines.next().unwrap_or_default().trim();
    let fetches = lines.next().is_none_or(|toolchain| toolchain.trim() != "local");
    let has = numbers(version.trim_start_matches("go"));
    if has >= numbers(wanted) || (fetches && has >= numbers(FETCHES)) {
        return Ok(());
    }
    lacking(format!("only Go {}", version.trim_start_matches("go")))
}

/// `1.26.6` as numbers; what isn't one, such as `rc1`, ends it.
fn numbers(version: &str) -> Vec<u32> {
    version.split(['.', ' ']).map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_that_is_missing_or_too_old_is_told_with_the_version_wanted() {
        for found in
            ["go1.26.6\nauto\n", "go1.27.0\nlocal\n", "go1.21.3\nauto\n", "go1.26.7 X:nocoverage\nlocal\n"]
        {
            assert!(judge(Some(found), "1.26.6").is_ok(), "{found}");
        }
        for (found, told) in [
            (None, "this machine has no Go"),
            (Some("go1.19.8\n"), "only Go 1.19.8"),
            (Some("go1.24.4\nlocal\n"), "only Go 1.24.4"),
        ] {
            let error = judge(found, "1.26.6").unwrap_err().to_string();
            assert!(
                error.contains(told) && error.contains("1.26.6") && error.contains("https://go.dev/dl"),
                "{error}"
            );
        }
    }
}

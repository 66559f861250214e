//! Dependencies by cargo-deny, which is installed into the cache where it is absent.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::steps::Work;
use crate::command::cargo;
use crate::workspace::Workspace;

/// The version that `deny.toml` is written for.
const VERSION: &str = "0.20.2";

/// Names the folder of advisory databases, as `cargo deny fetch` leaves it.
const DATABASE: &str = "TEAL_ADVISORY_DB";

/// What always can be judged: the dependency graph itself.
pub(super) fn bans(_: &Workspace) -> Work {
    Work::Run(check(present(), &["check", "bans", "licenses", "sources"]))
}

/// Advisories change from day to day and lie elsewhere: judged only where a database is given.
pub(super) fn advisories(_: &Workspace) -> Work {
    if std::env::var_os(DATABASE).is_none() {
        return Work::NotChecked(format!(
            "give the folder of a database in {DATABASE}: CONTRIBUTING.md says how"
        ));
    }
    Work::Run(check(present(), &["--offline", "check", "advisories"]))
}

/// A call of the program, after its installation where it is absent: each of the two steps may be the only one that is run.
fn check(present: Option<PathBuf>, arguments: &[&str]) -> Vec<Command> {
    let install = present.is_none().then(install);
    let mut check = Command::new(present.unwrap_or_else(cached));
    check.args(arguments);
    install.into_iter().chain([check]).collect()
}

/// The program of the right version in the cache, or whatever version is on the path.
fn present() -> Option<PathBuf> {
    if cached().is_file() {
        return Some(cached());
    }
    let mut probe = cargo(&["deny", "--version"]);
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success()).then(|| PathBuf::from("cargo-deny"))
}

fn install() -> Command {
    let mut command = cargo(&["install", "--locked", "--version", VERSION, "cargo-deny", "--root"]);
    command.arg(folder());
    command
}

fn cached() -> PathBuf {
    folder().join("bin/cargo-deny")
}

fn folder() -> PathBuf {
    cache().join(format!("tools/cargo-deny-{VERSION}"))
}

/// The cache of this project, outside the checkout.
fn cache() -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default().join(".cache/teal");
    std::env::var_os("TEAL_CACHE").map_or_else(home, PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::command::words;

    #[test]
    fn where_the_program_is_absent_any_step_installs_it_first() {
        let of = |present: Option<&str>| -> Vec<String> {
            check(present.map(PathBuf::from), &["check", "advisories"]).iter().map(words).collect()
        };
        assert_eq!(of(Some("/p/cargo-deny")), ["/p/cargo-deny check advisories"]);
        let absent = of(None);
        assert_eq!(absent.len(), 2, "{absent:?}");
        assert!(absent[0].contains(" install ") && absent[0].contains(VERSION), "{absent:?}");
        assert_eq!(absent[1], format!("{} check advisories", cached().display()));
    }

    #[test]
    fn the_page_names_the_program_where_it_is_installed_and_the_folder_that_is_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let page = std::fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
        assert!(
            page.contains(&format!("~/.cache/teal/tools/cargo-deny-{VERSION}/bin/cargo-deny fetch db\n"))
        );
        assert!(page.contains(&format!("export {DATABASE}=~/")), "the shell knows what ~ is");
        let rules = std::fs::read_to_string(root.join("deny.toml")).unwrap();
        let path = rules.lines().find(|line| line.starts_with("db-path")).unwrap();
        assert!(path.contains(&format!("${{{DATABASE}:-")) && !path.contains('~'), "{path}");
    }
}

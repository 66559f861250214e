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
    let mut commands = Vec::new();
    let present = present();
    if present.is_none() {
        commands.push(install());
    }
    let mut check = Command::new(present.unwrap_or_else(cached));
    check.args(["check", "bans", "licenses", "sources"]);
    commands.push(check);
    Work::Run(commands)
}

/// Advisories change from day to day and lie elsewhere: judged only where a database is given.
pub(super) fn advisories(_: &Workspace) -> Work {
    if std::env::var_os(DATABASE).is_none() {
        return Work::NotChecked(format!("give the folder of a database in {DATABASE}"));
    }
    let mut check = Command::new(present().unwrap_or_else(cached));
    check.args(["--offline", "check", "advisories"]);
    Work::Run(vec![check])
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

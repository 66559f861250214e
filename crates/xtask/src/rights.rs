//! Root and Go, which a cluster of its own needs: asked for before anything is built, since building takes minutes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;

/// What a verb is started with where only sudo leads to root: cargo and Go stay on the path, the user's toolchain is used, and all
/// that is built or fetched is root's own, so that nothing in the user's folders ends up belonging to root.
pub const SUDO: &str =
    r#"sudo -H env "PATH=$PATH" "RUSTUP_HOME=$HOME/.rustup" CARGO_TARGET_DIR=/root/.cache/teal/target"#;

/// The list of what a bed is made of, from the root of the checkout.
const PARTS: &str = "tests/bed/parts.toml";

/// Most parts are built by it.
const GO: &str = "go";

/// Names the cluster to be used in place of one started here.
const KUBECONFIG: &str = "--kubeconfig";

/// Whether this process may do all.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a program that gets these arguments starts a cluster of its own: not to explain itself, and not where it is given one.
pub fn start_a_cluster(arguments: &[OsString]) -> bool {
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let explains = |word: &String| ["-h", "--help", "-V", "--version"].contains(&word.as_str());
    let given = |word: &String| word.split('=').next() == Some(KUBECONFIG);
    !words.iter().any(|word| explains(word) || given(word))
}

/// Refuses, with the command line that works and the packages that it will install.
pub fn refuse(root: &Path, verb: &str, other: &'static str) -> Result<(), Error> {
    let parts = Parts::read(root)?;
    let packages = parts.lacking(is_there).join(" ");
    let mut lacks = if packages.is_empty() {
        String::new()
    } else {
        format!("\nAs root it installs by apt what this machine lacks: {packages}.")
    };
    if !is_there(GO) {
        lacks.push_str("\nGo is not on the path and no package of the version wanted: install it from https://go.dev/dl first.");
    }
    Err(Error::NotRoot { verb: verb.to_owned(), command: format!("{SUDO} cargo xtask {verb}"), lacks, other })
}

/// Refuses where the first cluster can't be made for want of Go. Where parts were built before, those that are still to be built
/// are known only later, and Go is looked for then.
pub fn have_go(root: &Path) -> Result<(), Error> {
    let parts = Parts::read(root)?;
    let names = cache().and_then(|cache| std::fs::read_dir(cache.join("parts")).ok());
    let names = names.into_iter().flatten().flatten().map(|entry| entry.file_name());
    let built: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    if is_there(GO) || parts.any_of_go(&built) { Ok(()) } else { Err(Error::NoGo) }
}

/// Where the testbed keeps what it builds.
fn cache() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("TEAL_CACHE")
        .or_else(|| Some(given("XDG_CACHE_HOME")?.join("teal")))
        .or_else(|| Some(given("HOME")?.join(".cache/teal")))
}

/// What the table of parts says of programs that must be on the machine.
#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    uses: Vec<Needed>,
    part: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    name: String,
    version: String,
    source: String,
    #[serde(default)]
    uses: Vec<Needed>,
}

#[derive(Deserialize)]
struct Needed {
    program: String,
    package: String,
}

impl Parts {
    fn read(root: &Path) -> Result<Self, Error> {
        let path = root.join(PARTS);
        let text =
            std::fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        toml::from_str(&text).map_err(|source| Error::Table { path, source: Box::new(source) })
    }

    /// The packages of programs that aren't there.
    fn lacking(&self, is_there: impl Fn(&str) -> bool) -> Vec<&str> {
        let all = self.uses.iter().chain(self.part.iter().flat_map(|part| &part.uses));
        all.filter(|needed| !is_there(&needed.program)).map(|needed| needed.package.as_str()).collect()
    }

    /// Whether one of these folders is a part that Go has built.
    fn any_of_go(&self, folders: &[String]) -> bool {
        let whole = |folder: &&String| [".unfinished", ".lock"].iter().all(|end| !folder.ends_with(end));
        self.part.iter().filter(|part| part.source == "go").any(|part| {
            let start = format!("{}-{}-", part.name, part.version);
            folders.iter().filter(whole).any(|folder| folder.starts_with(&start))
        })
    }
}

/// Whether a program is on the path, or where only root has it.
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path).chain(system).any(|folder| Path::join(&folder, program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain;

    fn starts(line: &str) -> bool {
        start_a_cluster(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn only_a_cluster_of_its_own_needs_root() {
        for line in ["", "--yes --json", "--apps 100", "life::"] {
            assert!(starts(line), "{line}");
        }
        for line in ["--help", "-h", "--version", "--kubeconfig k --gateway g", "--kubeconfig=k"] {
            assert!(!starts(line), "{line}");
        }
    }

    #[test]
    fn what_is_lacking_is_named_by_its_package() {
        let text = "uses = [{ program = 'ip', package = 'iproute2' }]\n\
            [[part]]\nname = 'a'\nversion = '1'\nsource = 'wheel'\n\
            uses = [{ program = 'pip', package = 'python3-pip' }, { program = 'runc', package = 'runc' }]\n\
            [[part]]\nname = 'b'\nversion = '2'\nsource = 'go'";
        let parts: Parts = toml::from_str(text).unwrap();
        assert_eq!(parts.lacking(|program| program == "runc"), ["iproute2", "python3-pip"]);
        assert!(parts.lacking(|_| true).is_empty());
        for (folder, built) in [("b-2-0123", true), ("b-2-0123.unfinished", false), ("a-1-4567", false)] {
            assert_eq!(parts.any_of_go(&[folder.to_owned()]), built, "{folder}");
        }
    }

    #[test]
    fn the_refusal_says_the_command_line_of_the_readme() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let said = chain::render(&refuse(&root, "demo", "").unwrap_err());
        assert!(said.contains(&format!("\n  {SUDO} cargo xtask demo\n")), "{said}");
        let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
        assert!(readme.contains(&format!("\n{SUDO} cargo xtask demo\n")), "README.md says another line");
    }
}

//! Root, which a cluster of its own needs: asked for before anything is built, since building takes minutes.

use std::ffi::OsString;
use std::path::Path;

use serde::Deserialize;

use crate::error::Error;

/// What a verb is started with where only sudo leads to root: cargo and Go stay on the path, the user's toolchain is used, and all
/// that is built or fetched is root's own, so that nothing in the user's folders ends up belonging to root.
pub const SUDO: &str =
    r#"sudo -H env "PATH=$PATH" "RUSTUP_HOME=$HOME/.rustup" CARGO_TARGET_DIR=/root/.cache/teal/target"#;

/// The list of what a bed is made of, from the root of the checkout.
const PARTS: &str = "tests/bed/parts.toml";

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
    let path = root.join(PARTS);
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    let parts: Parts =
        toml::from_str(&text).map_err(|source| Error::Table { path, source: Box::new(source) })?;
    let packages = parts.lacking(is_there).join(" ");
    let lacks = if packages.is_empty() {
        String::new()
    } else {
        format!("\nAs root it installs by apt what this machine lacks: {packages}.")
    };
    Err(Error::NotRoot { verb: verb.to_owned(), command: format!("{SUDO} cargo xtask {verb}"), lacks, other })
}

/// What the table of parts says of programs that must be on the machine.
#[derive(Deserialize)]
struct Parts {
    part: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    uses: Vec<Needed>,
}

#[derive(Deserialize)]
struct Needed {
    program: String,
    package: String,
}

impl Parts {
    /// The packages of programs that aren't there.
    fn lacking(&self, is_there: impl Fn(&str) -> bool) -> Vec<&str> {
        let all = self.part.iter().flat_map(|part| &part.uses);
        all.filter(|needed| !is_there(&needed.program)).map(|needed| needed.package.as_str()).collect()
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
        let text = "[[part]]\nuses = [{ program = 'pip', package = 'python3-pip' }, { program = 'runc', package = 'runc' }]\n[[part]]";
        let parts: Parts = toml::from_str(text).unwrap();
        assert_eq!(parts.lacking(|program| program == "runc"), ["python3-pip"]);
        assert!(parts.lacking(|_| true).is_empty());
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

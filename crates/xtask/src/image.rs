//! `cargo xtask image`: static binaries, then OCI archives of them.

use std::path::{Path, PathBuf};

use crate::command;
use crate::error::Error;
use crate::workspace::Workspace;

/// A binary that becomes an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// The package it is built from.
    pub package: &'static str,
    /// The program in the image, and the name of the archive.
    pub binary: &'static str,
    /// The image's name without tag. The chart and the examples call it so.
    pub name: &'static str,
}

/// All images of the project.
pub const IMAGES: [Image; 2] = [
    Image { package: "teal-operator", binary: "teal", name: "teal.dev/teal" },
    Image { package: "teal-example-app", binary: "shop", name: "teal.dev/shop" },
];

/// The program whose image has Helm.
pub const OPERATOR: &str = "teal";

/// How the program that packs is told of Helm, before the names of images. Without a path it is the part of the test bed.
pub const HELM: &str = "--helm=";

/// Where the archives go.
#[derive(Debug, clap::Args)]
pub struct Choice {
    /// Folder for the archives [default: images/ in the build folder]
    #[arg(long)]
    pub output: Option<PathBuf>,
    /// A static Helm to put into the operator's image [default: that of the test bed, which is built once]
    #[arg(long, value_name = "PATH")]
    pub helm: Option<PathBuf>,
    /// Make the operator's image without Helm, so that charts can't be switched on
    #[arg(long, conflicts_with = "helm")]
    pub without_helm: bool,
    /// Make these alone [default: all]
    #[arg(value_name = "BINARY", value_parser = names())]
    pub only: Vec<String>,
}

impl Choice {
    fn told_of_helm(&self) -> Option<String> {
        let has_operator = chosen(&self.only).iter().any(|image| image.binary == OPERATOR);
        let path = self.helm.as_ref().map(|helm| helm.display().to_string()).unwrap_or_default();
        (has_operator && !self.without_helm).then(|| format!("{HELM}{path}"))
    }
}

fn names() -> clap::builder::PossibleValuesParser {
    IMAGES.map(|image| image.binary).into()
}

/// The images of these names, or all where no name is given.
pub fn chosen(names: &[String]) -> Vec<Image> {
    let all = IMAGES.into_iter();
    all.filter(|image| names.is_empty() || names.iter().any(|name| name == image.binary)).collect()
}

/// Builds the binaries, then builds and runs the program that packs them.
pub fn all(workspace: &Workspace, choice: &Choice) -> Result<(), Error> {
    let images = chosen(&choice.only);
    present(workspace, &images)?;
    if let Some(helm) = choice.helm.as_ref().filter(|helm| !helm.is_file()) {
        let remedy = "give the path of a static one".to_owned();
        return Err(Error::Missing { what: format!("the Helm {}", helm.display()), remedy });
    }
    build(&images)?;
    let mut cargo = command::cargo(&["run", "--quiet", "--package", "xtask"]);
    cargo.args(["--features", "image", "--bin", "xtask-image", "--"]);
    cargo.arg(workspace.target().join(command::TARGET).join("release"));
    cargo.arg(choice.output.clone().unwrap_or_else(|| workspace.target().join("images")));
    cargo.args(choice.told_of_helm());
    cargo.args(&choice.only);
    command::succeed(&cargo)
}

/// Where the archive of an image lies inside the folder for archives.
pub fn archive(folder: &Path, image: Image) -> PathBuf {
    folder.join(format!("{}.tar", image.binary))
}

fn present(workspace: &Workspace, images: &[Image]) -> Result<(), Error> {
    let missing = images.iter().find(|image| !workspace.has_binary(image.package, image.binary));
    missing.map_or(Ok(()), |image| {
        Err(Error::Missing {
            what: format!("the binary `{}` of {}", image.binary, image.package),
            remedy: "this checkout can't make images; CHANGELOG.md says what works".to_owned(),
        })
    })
}

/// Each by itself: built together, one would get the other's features of what they share.
fn build(images: &[Image]) -> Result<(), Error> {
    images.iter().try_for_each(|image| {
        let mut cargo = command::optimised("build");
        command::succeed(cargo.args(["--package", image.package, "--bin", image.binary]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(helm: Option<&str>, without_helm: bool, only: &[&str]) -> Option<String> {
        let only = only.iter().map(ToString::to_string).collect();
        Choice { output: None, helm: helm.map(PathBuf::from), without_helm, only }.told_of_helm()
    }

    #[test]
    fn the_operators_image_has_helm_unless_somebody_wants_none() {
        assert_eq!(told(None, false, &[]).as_deref(), Some("--helm="));
        assert_eq!(told(None, false, &["teal"]).as_deref(), Some("--helm="));
        assert_eq!(told(Some("/w/helm"), false, &["shop", "teal"]).as_deref(), Some("--helm=/w/helm"));
        assert_eq!((told(None, true, &[]), told(None, false, &["shop"])), (None, None));
    }
}

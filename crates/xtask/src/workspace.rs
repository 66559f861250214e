//! The checkout as cargo sees it.

use cargo_metadata::{Metadata, MetadataCommand, Package, TargetKind};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The workspace's packages and folders.
#[derive(Debug)]
pub struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    /// Asks cargo about the workspace that this task was started from.
    ///
    /// Checkouts can share a build folder; what cargo says as it starts a program is of this one, what it said at build time may
    /// be of another, and that one gone.
    pub fn load() -> Result<Self, Error> {
        let at_start = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let folder = at_start.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = folder.join("Cargo.toml");
        let metadata =
            MetadataCommand::new().manifest_path(manifest).no_deps().exec().map_err(Error::Metadata)?;
        Ok(Self { metadata })
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Where this run's logs go: beside the build, so that `cargo clean` takes them along.
    pub fn logs(&self) -> PathBuf {
        self.metadata.target_directory.as_std_path().join("xtask-logs")
    }

    /// Where cargo puts what it builds.
    pub fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// All packages of the workspace.
    pub fn packages(&self) -> &[Package] {
        &self.metadata.packages
    }

    /// Whether a package has a binary of this name.
    pub fn has_binary(&self, package: &str, binary: &str) -> bool {
        self.targets(package, &TargetKind::Bin).any(|name| name == binary)
    }

    /// Whether a package has any test file of its own, beside the tests inside its sources.
    pub fn has_test_files(&self, package: &str) -> bool {
        self.targets(package, &TargetKind::Test).next().is_some()
    }

    fn targets<'a>(&'a self, package: &'a str, kind: &'a TargetKind) -> impl Iterator<Item = &'a str> {
        self.metadata
            .packages
            .iter()
            .filter(move |known| known.name.as_str() == package)
            .flat_map(|known| &known.targets)
            .filter(move |target| target.kind.contains(kind))
            .map(|target| target.name.as_str())
    }
}

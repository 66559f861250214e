//! Packs static binaries into OCI archives and prints a line for each: path, size, digest, name.
//! Started by `cargo xtask image` with the folder of the binaries, the folder for the archives, Helm if
//! the operator's image is to have it, and the names of the images if not all are wanted.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "speaks to the person at the terminal")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use teal_testbed::image::{Image, ImageFile, check_layout, write_archive};
use teal_testbed::parts::{Parts, Terminal};
use xtask::image::{HELM, OPERATOR, archive, chosen};

/// All images carry the version of the workspace.
const TAG: &str = env!("CARGO_PKG_VERSION");

/// Why an image can't be made.
#[derive(Debug, thiserror::Error)]
enum ImageError {
    /// Called by hand.
    #[error("start this as `cargo xtask image`")]
    Arguments,
    /// The test bed's can't be had.
    #[error(
        "Helm can't be built for the operator's image: give one by --helm PATH, or make it --without-helm"
    )]
    Helm(#[source] teal_testbed::Error),
    /// The archive was not written, or is not as it should be.
    #[error("the archive {} was not made", path.display())]
    Archive {
        path: PathBuf,
        #[source]
        source: teal_testbed::Error,
    },
    /// The archive or its folder can't be used.
    #[error("{} can't be used", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", xtask::chain::render(&error));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), ImageError> {
    let mut arguments = std::env::args().skip(1);
    let (Some(binaries), Some(archives)) = (arguments.next(), arguments.next()) else {
        return Err(ImageError::Arguments);
    };
    let (binaries, archives) = (PathBuf::from(binaries), PathBuf::from(archives));
    std::fs::create_dir_all(&archives)
        .map_err(|source| ImageError::File { path: archives.clone(), source })?;
    let names: Vec<String> = arguments.collect();
    let (helm, names) = match names.split_first() {
        Some((first, names)) if first.starts_with(HELM) => (first.strip_prefix(HELM), names),
        _ => (None, names.as_slice()),
    };
    let helm = helm.map(helm_at).transpose()?;
    for image in chosen(names) {
        let path = archive(&archives, image);
        let helm = helm.as_deref().filter(|_| image.binary == OPERATOR);
        pack(&format!("{}:{TAG}", image.name), &binaries.join(image.binary), helm, &path)?;
    }
    Ok(())
}

/// That of the bed, which is static as ours are, where none is named.
fn helm_at(path: &str) -> Result<PathBuf, ImageError> {
    if !path.is_empty() {
        return Ok(path.into());
    }
    let parts = Parts::make(&["helm"], &mut Terminal).map_err(ImageError::Helm)?;
    parts.file("helm", "helm").map_err(ImageError::Helm)
}

fn pack(name: &str, binary: &Path, helm: Option<&Path>, path: &Path) -> Result<(), ImageError> {
    let failed = |source| ImageError::Archive { path: path.to_path_buf(), source };
    let program = binary.file_name().unwrap_or_default().to_string_lossy();
    let mut image = Image::of_binary(name, binary, &format!("/{program}"));
    // A layer of its own, which stays the same from one version of ours to the next.
    let helm = helm.map(|from| ImageFile { from: from.to_owned(), to: "/helm".to_owned(), mode: 0o755 });
    image.layers.splice(..0, helm.map(|helm| vec![helm]));
    write_archive(&image, path).map_err(failed)?;
    check_layout(path).map_err(failed)?;
    let unusable = |source| ImageError::File { path: path.to_path_buf(), source };
    let size = std::fs::metadata(path).map_err(unusable)?.len();
    let digest = digest(path).map_err(unusable)?;
    println!("{}  {size} bytes  {digest}  {name}", path.display());
    Ok(())
}

/// The digest of the image's manifest, by which clusters name it.
fn digest(path: &Path) -> std::io::Result<String> {
    let mut archive = tar::Archive::new(std::fs::File::open(path)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.as_ref() == Path::new("index.json") {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            let index: serde_json::Value = serde_json::from_str(&text)?;
            return Ok(index["manifests"][0]["digest"].as_str().unwrap_or_default().to_owned());
        }
    }
    Err(std::io::Error::other("no index.json in the archive"))
}

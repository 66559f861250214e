//! Writes the definitions into the folder given, `crds` by default: what `cargo xtask generate` does for them.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "crds".to_owned()));
    for file in teal_api::crd::generate()? {
        std::fs::write(folder.join(file.name), file.text)?;
    }
    Ok(())
}

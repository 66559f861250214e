//! How a part gets from its source into an empty folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::recipe::{DebianSource, GoSource, Recipe, Recipes, Source, WheelSource};
use crate::error::{At, Error, Result, invalid};

/// Builds or fetches a part into `into`, an existing empty folder.
pub(super) fn build(recipes: &Recipes, recipe: &Recipe, into: &Path) -> Result<()> {
    match &recipe.source {
        Source::Go(source) => go(&recipes.folder().join(&source.module), source, into),
        Source::Wheel(source) => wheel(source, &recipe.version, into),
        Source::Debian(source) => debian(source, into),
    }
}

fn go(module: &Path, source: &GoSource, into: &Path) -> Result<()> {
    if !source.packages.is_empty() {
        run(go_command(module)
            .args(["build", "-trimpath", "-ldflags"])
            .arg(format!("-s -w {}", source.ldflags))
            .arg("-o")
            .arg(format!("{}/", into.display()))
            .args(&source.packages))?;
    }
    for name in &source.links {
        let link = into.join(name);
        std::os::unix::fs::symlink(&source.module, &link).at("link", link)?;
    }
    for file in &source.copy {
        run(go_command(module).args(["mod", "download", &file.module]))?;
        let folder = run(go_command(module).args(["list", "-m", "-f", "{{.Dir}}", &file.module]))?;
        let from = Path::new(folder.trim()).join(&file.path);
        // Written anew, since files in the module cache are read-only.
        let content = fs::read(&from).at("read", &from)?;
        fs::write(into.join(&file.to), content).at("write", into.join(&file.to))?;
    }
    Ok(())
}

fn go_command(module: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(module);
    // Static, so that the parts work in an empty root and on any machine.
    command.env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly -buildvcs=false").env("GOWORK", "off");
    command
}

fn wheel(source: &WheelSource, version: &str, into: &Path) -> Result<()> {
    let scratch = tempfile::tempdir().at("make", "a temporary folder")?;
    let hashes: Vec<String> = source.sha256.iter().map(|digest| format!("--hash=sha256:{digest}")).collect();
    let wanted = scratch.path().join("requirements.txt");
    fs::write(&wanted, format!("{}=={version} {}\n", source.package, hashes.join(" ")))
        .at("write", &wanted)?;
    run(Command::new("pip")
        .args(["download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest"])
        .arg(scratch.path())
        .arg("--requirement")
        .arg(&wanted))?;
    let archive = only_file(scratch.path(), "whl")?;
    let unpacked = scratch.path().join("unpacked");
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&archive).arg(&unpacked))?;
    let name = Path::new(&source.file).file_name().ok_or_else(|| invalid(&source.file, "is no file name"))?;
    take(&unpacked.join(&source.file), &into.join(name))
}

fn debian(source: &DebianSource, into: &Path) -> Result<()> {
    let scratch = tempfile::tempdir().at("make", "a temporary folder")?;
    for package in &source.debian {
        let folder = scratch.path().join(package);
        fs::create_dir(&folder).at("make", &folder)?;
        // The list of packages may never have been read on this machine.
        if download(package, &folder).is_err() {
            run(Command::new("apt-get").args(["update", "-qq"]))?;
            download(package, &folder)?;
        }
        let archive = only_file(&folder, "deb")?;
        run(Command::new("dpkg").arg("-x").arg(archive).arg(scratch.path().join("root")))?;
    }
    for file in &source.files {
        take(&scratch.path().join("root").join(&file.path), &into.join(&file.to))?;
    }
    Ok(())
}

fn download(package: &str, folder: &Path) -> Result<String> {
    // Not installed: that would enable services on a person's machine. Without the sandbox
    // user, since that user can't write into our private folder.
    run(Command::new("apt-get")
        .args(["-o", "APT::Sandbox::User=root", "download", package])
        .current_dir(folder))
}

fn take(from: &Path, to: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::copy(from, to).at("copy", from)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).at("make executable", to)
}

fn only_file(folder: &Path, kind: &str) -> Result<std::path::PathBuf> {
    let entries = fs::read_dir(folder).at("list", folder)?;
    let mut files = entries.flatten().map(|entry| entry.path());
    let found = files.find(|path| path.extension().is_some_and(|extension| extension == kind));
    found.ok_or_else(|| {
        invalid(folder.display().to_string(), format!("no .{kind} file was downloaded into it"))
    })
}

/// Runs a program to its end and gives what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = format!("{command:?}");
    let output = command.stdin(std::process::Stdio::null()).output().map_err(|source| Error::Spawn {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(Error::Program {
        program,
        status: output.status.to_string(),
        output: tail(&String::from_utf8_lossy(&text)),
    })
}

/// The last lines of a text, which is where programs say why they failed.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

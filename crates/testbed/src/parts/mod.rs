//! The programs a bed is made of: built or fetched once into a cache outside the
//! checkout, then used from there.
//!
//! A part lies in `<cache>/parts/<name>-<version>-<hash>/`. It is made in a folder
//! beside it that is renamed when complete, under a file lock, so that an interrupted
//! build leaves nothing that looks finished and two processes don't build the same.

mod build;
mod go;
mod progress;
mod recipe;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) use build::{run, tail};
pub use progress::{Progress, Silent, Terminal};
pub use recipe::{
    DebianSource, GoSource, ModuleFile, Needed, PackageFile, Recipe, Recipes, Source, WheelSource,
};

use crate::error::{At, Error, Result, invalid};

/// Where the parts of a bed lie.
#[derive(Debug, Clone)]
pub struct Parts {
    folders: BTreeMap<String, PathBuf>,
}

impl Parts {
    /// Makes sure that the named parts are in the cache and that the machine has what they use.
    pub fn provide(names: &[&str], progress: &mut dyn Progress) -> Result<Self> {
        let recipes = Recipes::of_checkout()?;
        Self::provide_from(&recipes, &cache_folder()?, names, progress)
    }

    /// As [`Parts::provide`], with the table and the cache given.
    pub fn provide_from(
        recipes: &Recipes,
        cache: &Path,
        names: &[&str],
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        install_missing(recipes.uses().iter())?;
        Self::made_from(recipes, cache, names, progress)
    }

    /// Makes sure that the named parts are in the cache, for use outside of a bed: of the machine only what they are made with is asked.
    pub fn make(names: &[&str], progress: &mut dyn Progress) -> Result<Self> {
        Self::made_from(&Recipes::of_checkout()?, &cache_folder()?, names, progress)
    }

    fn made_from(
        recipes: &Recipes,
        cache: &Path,
        names: &[&str],
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let wanted = names.iter().map(|name| recipes.get(name)).collect::<Result<Vec<_>>>()?;
        install_missing(wanted.iter().flat_map(|part| &part.uses))?;
        go::look(recipes, &unbuilt(recipes, cache, &wanted)?)?;
        let mut folders = BTreeMap::new();
        for (index, recipe) in wanted.iter().enumerate() {
            let place = format!("part {} of {}", index + 1, wanted.len());
            let folder = provide_one(recipes, recipe, cache, &place, progress)?;
            folders.insert(recipe.name.clone(), folder);
        }
        Ok(Self { folders })
    }

    /// Finds the named parts in the cache, where [`Parts::provide`] has put them.
    pub fn find(names: &[&str]) -> Result<Self> {
        let recipes = Recipes::of_checkout()?;
        let parts = cache_folder()?.join("parts");
        let mut folders = BTreeMap::new();
        for name in names {
            let folder = parts.join(recipes.key(recipes.get(name)?)?);
            if !folder.is_dir() {
                return Err(invalid(
                    format!("part {name}"),
                    "is not in the cache: name it when entering the bed",
                ));
            }
            folders.insert((*name).to_owned(), folder);
        }
        Ok(Self { folders })
    }

    /// A file of a part.
    pub fn file(&self, part: &str, name: &str) -> Result<PathBuf> {
        let folder = self.folders.get(part);
        let folder =
            folder.ok_or_else(|| invalid(format!("part {part}"), "was not asked for at the start"))?;
        Ok(folder.join(name))
    }

    /// The folder of each part by name.
    pub fn folders(&self) -> &BTreeMap<String, PathBuf> {
        &self.folders
    }
}

/// The folder that everything built once is kept in: `$TEAL_CACHE`, `$XDG_CACHE_HOME/teal`
/// or `~/.cache/teal`.
pub fn cache_folder() -> Result<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = given("TEAL_CACHE")
        .or_else(|| Some(given("XDG_CACHE_HOME")?.join("teal")))
        .or_else(|| Some(given("HOME")?.join(".cache/teal")));
    folder.ok_or_else(|| invalid("cache", "none of TEAL_CACHE, XDG_CACHE_HOME and HOME is set"))
}

/// Those that aren't in the cache yet.
fn unbuilt<'r>(recipes: &Recipes, cache: &Path, wanted: &[&'r Recipe]) -> Result<Vec<&'r Recipe>> {
    let mut unbuilt = Vec::new();
    for recipe in wanted {
        if !cache.join("parts").join(recipes.key(recipe)?).is_dir() {
            unbuilt.push(*recipe);
        }
    }
    Ok(unbuilt)
}

fn provide_one(
    recipes: &Recipes,
    recipe: &Recipe,
    cache: &Path,
    place: &str,
    progress: &mut dyn Progress,
) -> Result<PathBuf> {
    let parts = cache.join("parts");
    let key = recipes.key(recipe)?;
    let finished = parts.join(&key);
    if finished.is_dir() {
        return Ok(finished);
    }
    fs::create_dir_all(&parts).at("make", &parts)?;
    let lock_path = parts.join(format!("{key}.lock"));
    let lock = File::create(&lock_path).at("make", &lock_path)?;
    let what = format!("{place}: {} {}", recipe.name, recipe.version);
    if lock.try_lock().is_err() {
        progress.step(&format!("{what}: another process is at it, waiting"));
        lock.lock().at("lock", &lock_path)?;
    }
    if !finished.is_dir() {
        let unfinished = parts.join(format!("{key}.unfinished"));
        make(recipes, recipe, &unfinished, &what, progress)?;
        fs::rename(&unfinished, &finished).at("rename", &unfinished)?;
    }
    fs::remove_file(&lock_path).ok();
    Ok(finished)
}

fn make(
    recipes: &Recipes,
    recipe: &Recipe,
    folder: &Path,
    what: &str,
    progress: &mut dyn Progress,
) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).at("remove", folder)?;
    }
    fs::create_dir(folder).at("make", folder)?;
    progress::while_working(what, progress, || build::build(recipes, recipe, folder))
}

/// Installs the Debian packages of programs that are used, or names them if that takes rights we lack.
fn install_missing<'n>(used: impl Iterator<Item = &'n Needed>) -> Result<()> {
    let missing: Vec<&Needed> = used.filter(|one| !is_there(&one.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|one| one.package.as_str()).collect();
    let programs: Vec<&str> = missing.iter().map(|one| one.program.as_str()).collect();
    let lacking = Error::Missing { programs: programs.join(", "), packages: packages.join(" ") };
    if !rustix::process::geteuid().is_root() || !is_there("apt-get") {
        return Err(lacking);
    }
    let install = ["-y", "-qq", "--no-install-recommends", "install"];
    let attempt = || {
        run(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(install).args(&packages))
    };
    if attempt().is_err() {
        run(Command::new("apt-get").args(["update", "-qq"]))?;
        attempt()?;
    }
    Ok(())
}

fn is_there(program: &str) -> bool {
    find_program(program).is_some()
}

/// Finds a program as a shell would, and also in the places that only root has on PATH.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    // Joining an absolute path gives just that path.
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module without dependencies, so that the test needs nothing but the toolchain.
    fn recipes(folder: &Path) -> Recipes {
        let module = folder.join("one");
        fs::create_dir(&module).unwrap();
        fs::write(module.join("go.mod"), "module example.org/one\n\ngo 1.26\n").unwrap();
        fs::write(module.join("main.go"), "package main\n\nfunc main() { println(\"hello\") }\n").unwrap();
        let entry =
            "[[part]]\nname='one'\nversion='1'\nsource='go'\nmodule='one'\npackages=['.']\nlinks=['uno']\n";
        fs::write(folder.join("parts.toml"), entry).unwrap();
        Recipes::read(folder).unwrap()
    }

    #[test]
    fn a_part_is_built_once_and_an_interrupted_build_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let recipes = recipes(folder.path());
        let cache = folder.path().join("cache");
        let key = recipes.key(recipes.get("one").unwrap()).unwrap();
        let rubble = cache.join("parts").join(format!("{key}.unfinished"));
        fs::create_dir_all(rubble.join("half")).unwrap();

        let mut seen = Vec::new();
        let parts = Parts::provide_from(&recipes, &cache, &["one"], &mut seen).unwrap();
        assert!(seen[0].contains("part 1 of 1: one 1"), "{seen:?}");
        assert!(!rubble.exists());
        let output = Command::new(parts.file("one", "uno").unwrap()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr).trim(), "hello");

        let mut again = Vec::new();
        Parts::provide_from(&recipes, &cache, &["one"], &mut again).unwrap();
        assert!(again.is_empty(), "{again:?}");
    }

    #[test]
    fn a_failed_build_leaves_no_part() {
        let folder = tempfile::tempdir().unwrap();
        let recipes = recipes(folder.path());
        fs::write(folder.path().join("one/main.go"), "package main\n\nfunc main() { wrong }\n").unwrap();
        let error =
            Parts::provide_from(&recipes, &folder.path().join("cache"), &["one"], &mut Silent).unwrap_err();
        assert!(error.to_string().contains("undefined: wrong"), "{error}");
        let key = recipes.key(recipes.get("one").unwrap()).unwrap();
        assert!(!folder.path().join("cache/parts").join(key).exists());
    }

    /// On a fresh machine whatever is in neither would be missed when the first cluster is half built.
    #[test]
    fn each_program_that_is_started_by_name_is_in_the_table_or_on_every_debian() {
        // Of coreutils, dash, dpkg, apt, mount and util-linux; Go is looked for by itself.
        let everywhere =
            ["sh", "sleep", "kill", "dpkg", "apt-get", "mount", "umount", "nsenter", "setpriv", "go"];
        let recipes = Recipes::of_checkout().unwrap();
        let used = recipes.parts().iter().flat_map(|part| &part.uses).chain(recipes.uses());
        let used: Vec<&str> = used.map(|needed| needed.program.as_str()).collect();
        let mut started = 0;
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap_or_default();
                for start in ["Command::new(\"", "find_program(\""] {
                    for program in text.split(start).skip(1).filter_map(|rest| rest.split('"').next()) {
                        started += 1;
                        let known = everywhere.contains(&program) || used.contains(&program);
                        assert!(known, "{program}, started by {}, is in no list", path.display());
                    }
                }
            }
        }
        assert!(started > 10, "{started}");
    }

    #[test]
    fn a_missing_program_is_found_missing() {
        assert!(is_there("sh"));
        assert!(!is_there("surely-no-program-of-this-name"));
        assert!(!is_there("/usr/lib/cni/surely-none"));
    }
}

//! VirtualServices as people write them, each with the exact difference that every edit of a rollout's life makes: one file
//! `tests/goldens/<name>.diff` beside each `<name>.yaml`. `TEAL_BLESS=1 cargo test -p teal-traffic goldens` writes them anew.

#![allow(
    clippy::disallowed_methods,
    reason = "the goldens are files, and the environment says whether to write them"
)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use similar::TextDiff;
use teal_traffic::{
    Beside, Patch, Refusal, Saved, beside, enter, leave, lower, mirror_problem, read, set_weight,
};

use crate::golden::{load, told};
use crate::support::{World, apply, stamp};

/// Asks for the files to be written instead of compared.
const BLESS: &str = "TEAL_BLESS";

fn folder() -> PathBuf {
    tests().join("goldens")
}

/// Those with a preview. What istiod is given by the story are the others.
fn previews() -> PathBuf {
    tests().join("previews")
}

/// Those with a mirror.
fn mirrors() -> PathBuf {
    tests().join("mirrors")
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Names of the goldens that have a file of this extension.
fn names(folder: &Path, extension: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = files.filter(|path| path.extension().is_some_and(|own| own == extension));
    of.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The lines in which two texts differ, with two around them.
fn difference(before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(2).to_string()
}

/// The object as a person sees it, but for its version.
fn shown(object: &Value) -> String {
    let mut object = object.clone();
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    serde_yaml::to_string(&object).unwrap()
}

/// The whole life in a `VirtualService`, or why it has none.
fn life(world: &World, owner: &Value) -> String {
    let mut out = String::new();
    if let Err(refusal) = walk(world, owner, &mut out) {
        writeln!(out, "# refused: {}\n{refusal}", refusal.reason()).unwrap();
        untouched(world, owner);
    }
    for finding in told(world, owner) {
        writeln!(out, "# told: {}\n{}", finding.condition.as_str(), finding.message).unwrap();
    }
    out
}

/// Nothing of what Teal refuses to enter is written on the way back, either.
fn untouched(world: &World, owner: &Value) {
    if let Ok(patch) = lower(owner, &world.scope(), &stamp(9)) {
        assert_eq!(patch, None, "{owner}");
    }
    if let Ok(restoration) = leave(owner, &world.scope(), &stamp(9)) {
        assert_eq!(restoration.patch, None, "{owner}");
    }
}

fn walk(world: &World, owner: &Value, out: &mut String) -> Result<(), Refusal> {
    let mut now = owner.clone();
    let mut step = |title: &str, now: &mut Value, patch: Option<Patch>| {
        let before = shown(now);
        if let Some(patch) = patch {
            apply(now, &patch).unwrap();
        }
        writeln!(out, "# {title}\n{}", difference(&before, &shown(now))).unwrap();
    };
    if world.mirror.is_some()
        && let Some(refusal) = mirror_problem(&now, &read(&now, &world.scope())?, &world.scope(), true)
    {
        return Err(refusal);
    }
    let patch = enter(&now, &world.scope(), &stamp(41))?;
    step("enter at 0 %", &mut now, patch);
    let preview = world.preview.is_some().then_some("preview");
    if let Some(what) = world.mirror.map(|_| "mirror").or(preview) {
        let patch = set_weight(&now, &world.scope(), 0, &stamp(41))?;
        step(&format!("0 % with the {what}"), &mut now, patch);
        assert_eq!(beside(&now, &world.scope()), Beside { any: true, fits: true });
    }
    let last = World { mirror: None, ..world.clone() };
    for (percent, epoch) in [(10, 42), (100, 43), (0, 44)] {
        let world = if percent == 100 { &last } else { world };
        let patch = if percent == 0 && (world.preview.is_some() || world.mirror.is_some()) {
            lower(&now, &world.scope(), &stamp(epoch))?
        } else {
            set_weight(&now, &world.scope(), percent, &stamp(epoch))?
        };
        step(&format!("{percent} %"), &mut now, patch);
        let set = read(&now, &world.scope())?;
        assert!(set.routes.iter().all(|route| route.stands_at(percent)), "{now}");
        let again = if percent == 0 {
            lower(&now, &world.scope(), &stamp(epoch))
        } else {
            set_weight(&now, &world.scope(), percent, &stamp(epoch))
        };
        assert_eq!(again?, None, "is there");
    }
    let restoration = leave(&now, &world.scope(), &stamp(45))?;
    assert!(restoration.exact);
    step("leave", &mut now, restoration.patch);
    assert_eq!(now["spec"].to_string(), owner["spec"].to_string(), "the owner's bytes");
    assert_eq!(Saved::of(&now, "uid-1"), None);
    Ok(())
}

#[test]
fn goldens() {
    compare(&folder(), 40);
}

#[test]
fn goldens_of_previews() {
    compare(&previews(), 5);
}

#[test]
fn goldens_of_mirrors() {
    compare(&mirrors(), 5);
}

/// Holds all of a folder, so many at least, against what becomes of them.
fn compare(folder: &Path, least: usize) {
    let bless = std::env::var_os(BLESS).is_some_and(|value| value == "1");
    let owners = names(folder, "yaml");
    assert!(owners.len() >= least, "{} VirtualServices", owners.len());
    let mut wrong = Vec::new();
    for name in &owners {
        let (world, owner) = load(&folder.join(name).with_extension("yaml"));
        let (file, found) = (folder.join(name).with_extension("diff"), life(&world, &owner));
        let known = std::fs::read_to_string(&file).unwrap_or_default();
        if bless {
            std::fs::write(&file, &found).unwrap();
        } else if known != found {
            wrong.push(format!("{name}: what was - and is +\n{}", difference(&known, &found)));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n{} of {} differ; if they should, set {BLESS}=1 and look at what git says",
        wrong.join("\n"),
        wrong.len(),
        owners.len()
    );
    assert_eq!(names(folder, "diff"), owners, "each .diff has its .yaml");
}

/// So that a refusal is not taken for a life, nor the other way round, when all are written anew.
#[test]
fn most_goldens_have_a_whole_life() {
    let all = names(&folder(), "yaml");
    let lives = all.iter().filter(|name| {
        let text = std::fs::read_to_string(folder().join(name).with_extension("diff")).unwrap();
        text.contains("# leave")
    });
    let lives = lives.count();
    assert!(lives >= 40, "{lives} of {}", all.len());
    assert!(all.len() - lives >= 15, "{} refusals", all.len() - lives);
}

//! Imports against the table: what `cargo metadata` says must be what the table allows.

use cargo_metadata::{Dependency, DependencyKind, Package};
use std::collections::BTreeSet;

use super::table::{Kind, PATH, Room, Table};

/// Every import that crosses a wall, as a sentence that names the package, the import and the wall.
pub(super) fn check(table: &Table, packages: &[Package]) -> Vec<String> {
    let members: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut violations = rows_without_package(table, &members);
    for package in packages {
        match table.room(&package.name) {
            Some(room) => {
                violations.extend(unused(room, &package.dependencies));
                violations.extend(package.dependencies.iter().flat_map(|import| {
                    let walls = Walls { table, room, import };
                    if members.contains(import.name.as_str()) { walls.inside() } else { walls.outside() }
                }));
            }
            None => violations.push(format!(
                "{}: no wall stands around it; add a [[room]] to {PATH} with the reason for its wall",
                package.name
            )),
        }
    }
    violations
}

fn rows_without_package(table: &Table, members: &BTreeSet<&str>) -> Vec<String> {
    let stale = table.rooms.iter().filter(|room| !members.contains(room.package.as_str()));
    stale
        .map(|room| format!("{}: {PATH} has a row for it but no such package exists", room.package))
        .collect()
}

/// Permissions that nothing needs: walls stand no wider than the room.
fn unused(room: &Room, imports: &[Dependency]) -> Vec<String> {
    let imported = |name: &String, in_tests: bool| {
        let counts = |import: &&Dependency| (import.kind == DependencyKind::Development) == in_tests;
        imports.iter().filter(counts).any(|import| import.name == *name)
    };
    let of = |key: &'static str, names: &[String], in_tests: bool| -> Vec<String> {
        let unused = names.iter().filter(|name| !imported(name, in_tests));
        let sentence = |name| {
            format!("{}: {key} names {name}, which it doesn't import; take it out of {PATH}", room.package)
        };
        unused.map(sentence).collect()
    };
    [
        of("workspace", &room.workspace, false),
        of("outside", room.outside.as_deref().unwrap_or_default(), false),
        of("dev_workspace", &room.dev_workspace, true),
    ]
    .concat()
}

/// One import of one room, seen before the walls of the table.
struct Walls<'a> {
    table: &'a Table,
    room: &'a Room,
    import: &'a Dependency,
}

impl Walls<'_> {
    fn inside(&self) -> Vec<String> {
        let name = &self.import.name;
        let dev_only = self.table.room(name).is_some_and(|target| target.kind == Kind::Dev);
        if self.in_tests() {
            let allowed = [&self.room.workspace[..], &self.room.dev_workspace[..]].concat();
            return self.unless(allowed.contains(name), || {
                format!("its tests may import {} of the workspace", list(&allowed))
            });
        }
        if dev_only && self.room.kind != Kind::Dev {
            return self.unless(false, || "what ships may not import a dev-only room".to_owned());
        }
        self.unless(self.room.workspace.contains(name), || {
            format!("of the workspace it may import {}", list(&self.room.workspace))
        })
    }

    fn outside(&self) -> Vec<String> {
        let name = &self.import.name;
        let mut violations =
            self.unless(!self.room.never.contains(name), || format!("it may never import {name}"));
        if let Some(allowed) = self.room.outside.as_ref().filter(|_| !self.in_tests()) {
            let known = allowed.contains(name) || self.room.never.contains(name);
            violations.extend(self.unless(known, || format!("from outside it may import {}", list(allowed))));
        }
        if self.import.req == cargo_metadata::semver::VersionReq::STAR {
            violations.extend(self.unless(false, || "a version must be named".to_owned()));
        }
        violations.extend(self.features());
        violations
    }

    fn features(&self) -> Vec<String> {
        let Some(never) = self.room.features_never.get(&self.import.name).filter(|_| !self.in_tests()) else {
            return Vec::new();
        };
        let default = self.import.uses_default_features.then(|| "default".to_owned());
        let on = self.import.features.iter().chain(&default).filter(|feature| never.contains(feature));
        on.flat_map(|feature| self.unless(false, || format!("the feature `{feature}` must stay off")))
            .collect()
    }

    fn in_tests(&self) -> bool {
        self.import.kind == DependencyKind::Development
    }

    fn unless(&self, allowed: bool, wall: impl Fn() -> String) -> Vec<String> {
        let Room { package, reason, .. } = self.room;
        let import = &self.import.name;
        let verb = if self.in_tests() { "imports (in tests)" } else { "imports" };
        if allowed { Vec::new() } else { vec![format!("{package} {verb} {import}: {} ({reason})", wall())] }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

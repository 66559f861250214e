//! Hand-made workspaces, each with one fault: every kind of crossing is refused, and the
//! sentence names the package, the import and the wall.

use cargo_metadata::Package;
use serde_json::{Value, json};

use super::imports::check;
use super::table::Table;

const TABLE: &str = r#"
    limits = { lines_aim = 300, lines_hard = 600 }
    [[room]]
    package = "plan"
    kind = "pure"
    reason = "decides"
    outside = ["serde"]
    never = ["tokio"]
    dev_workspace = ["sim"]
    [[room]]
    package = "cluster"
    kind = "shipped"
    reason = "acts"
    workspace = ["plan", "sim"]
    never = ["reqwest"]
    features_never = { kube = ["default", "ws"] }
    [[room]]
    package = "sim"
    kind = "dev"
    reason = "proves"
    workspace = ["plan"]
"#;

/// An import as `cargo metadata` writes it.
fn import(name: &str) -> Value {
    json!({
        "name": name, "source": "registry+https://example.org/index", "req": "^1", "kind": null, "rename": null,
        "optional": false, "uses_default_features": false, "features": [], "target": null, "registry": null
    })
}

fn with(mut import: Value, key: &str, value: Value) -> Value {
    import[key] = value;
    import
}

fn package(name: &str, imports: &[Value]) -> Package {
    serde_json::from_value(json!({
        "name": name, "version": "0.1.0", "id": format!("path+file:///{name}#0.1.0"), "source": null,
        "description": null, "license": null, "license_file": null, "dependencies": imports,
        "targets": [], "features": {}, "manifest_path": format!("/{name}/Cargo.toml"), "metadata": null,
        "publish": null, "authors": [], "categories": [], "keywords": [], "readme": null, "repository": null,
        "homepage": null, "documentation": null, "edition": "2024", "links": null, "default_run": null,
        "rust_version": null
    }))
    .unwrap()
}

/// The whole workspace with these imports in one of its packages.
fn workspace(name: &str, imports: &[Value]) -> Vec<Package> {
    let names = ["plan", "cluster", "sim"];
    names.map(|known| package(known, if known == name { imports } else { &[] })).into()
}

/// What is refused besides permissions that these small workspaces don't use.
fn refused(name: &str, imports: &[Value]) -> Vec<String> {
    let mut all = check(&toml::from_str::<Table>(TABLE).unwrap(), &workspace(name, imports));
    all.retain(|violation| !violation.contains(UNUSED));
    all
}

const UNUSED: &str = "which it doesn't import";

#[test]
fn what_the_table_allows_passes() {
    assert_eq!(refused("plan", &[import("serde")]), Vec::<String>::new());
    assert_eq!(refused("cluster", &[import("plan"), import("tokio"), import("kube")]), Vec::<String>::new());
    assert_eq!(refused("sim", &[import("plan")]), Vec::<String>::new());
}

#[test]
fn a_pure_room_imports_from_its_list_alone() {
    assert_eq!(
        refused("plan", &[import("rand")]),
        ["plan imports rand: from outside it may import serde (decides)"]
    );
}

#[test]
fn what_is_never_allowed_is_refused_in_tests_too() {
    assert_eq!(
        refused("plan", &[import("tokio")]),
        ["plan imports tokio: it may never import tokio (decides)"]
    );
    assert_eq!(
        refused("plan", &[with(import("tokio"), "kind", json!("dev"))]),
        ["plan imports (in tests) tokio: it may never import tokio (decides)"]
    );
    assert_eq!(
        refused("cluster", &[with(import("reqwest"), "kind", json!("build"))]),
        ["cluster imports reqwest: it may never import reqwest (acts)"]
    );
}

#[test]
fn tests_of_a_pure_room_may_use_further_crates() {
    assert_eq!(refused("plan", &[with(import("proptest"), "kind", json!("dev"))]), Vec::<String>::new());
}

#[test]
fn another_name_hides_nothing() {
    let renamed = with(import("rand"), "rename", json!("serde"));
    assert_eq!(
        refused("plan", &[renamed]),
        ["plan imports rand: from outside it may import serde (decides)"]
    );
}

#[test]
fn an_import_for_one_platform_counts() {
    let windows = with(import("rand"), "target", json!("cfg(windows)"));
    assert_eq!(refused("plan", &[windows]).len(), 1);
}

#[test]
fn rooms_import_the_rooms_of_their_row() {
    assert_eq!(
        refused("plan", &[import("cluster")]),
        ["plan imports cluster: of the workspace it may import nothing (decides)"]
    );
    assert_eq!(
        refused("sim", &[import("cluster")]),
        ["sim imports cluster: of the workspace it may import plan (proves)"]
    );
}

#[test]
fn tests_import_the_rooms_of_their_own_list() {
    assert_eq!(refused("plan", &[with(import("sim"), "kind", json!("dev"))]), Vec::<String>::new());
    assert_eq!(
        refused("plan", &[with(import("cluster"), "kind", json!("dev"))]),
        ["plan imports (in tests) cluster: its tests may import sim of the workspace (decides)"]
    );
}

#[test]
fn what_ships_never_imports_a_dev_room_whatever_its_row_says() {
    assert_eq!(
        refused("cluster", &[import("sim")]),
        ["cluster imports sim: what ships may not import a dev-only room (acts)"]
    );
}

#[test]
fn features_behind_a_wall_stay_off() {
    let import =
        with(with(import("kube"), "features", json!(["ws", "derive"])), "uses_default_features", json!(true));
    assert_eq!(
        refused("cluster", &[import]),
        [
            "cluster imports kube: the feature `ws` must stay off (acts)",
            "cluster imports kube: the feature `default` must stay off (acts)"
        ]
    );
}

#[test]
fn any_version_is_no_version() {
    assert_eq!(
        refused("cluster", &[with(import("kube"), "req", json!("*"))]),
        ["cluster imports kube: a version must be named (acts)"]
    );
}

#[test]
fn a_permission_that_nothing_uses_is_refused() {
    let unused = |imports: &[Value]| {
        let table = toml::from_str::<Table>(TABLE).unwrap();
        let mut all = check(&table, &workspace("plan", imports));
        all.retain(|violation| violation.starts_with("plan: "));
        all
    };
    let take_out = "which it doesn't import; take it out of crates/xtask/rooms.toml";
    assert_eq!(
        unused(&[]),
        [
            format!("plan: outside names serde, {take_out}"),
            format!("plan: dev_workspace names sim, {take_out}")
        ]
    );
    let in_tests = |name: &str| with(import(name), "kind", json!("dev"));
    assert_eq!(unused(&[import("serde"), in_tests("sim")]), Vec::<String>::new());
    assert_eq!(
        unused(&[in_tests("serde"), in_tests("sim")]),
        [format!("plan: outside names serde, {take_out}")],
        "what tests import needs no permission"
    );
}

#[test]
fn every_package_has_a_row_and_every_row_a_package() {
    let table = toml::from_str::<Table>(TABLE).unwrap();
    let packages = [package("plan", &[]), package("cluster", &[]), package("web", &[])];
    let all = check(&table, &packages);
    assert_eq!(
        all.iter().filter(|violation| !violation.contains(UNUSED)).collect::<Vec<_>>(),
        [
            "sim: crates/xtask/rooms.toml has a row for it but no such package exists",
            "web: no wall stands around it; add a [[room]] to crates/xtask/rooms.toml with the reason for its wall"
        ]
    );
}

//! Hand-written `VirtualServices` and what becomes of each: one snapshot per file in `tests/fixtures`.

#![allow(clippy::disallowed_methods, reason = "the fixtures are files")]

use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use teal_traffic::{
    Finding, Listed, Patch, RoleService, RouteSelector, Subset, enter, leave, set_weight, unmanaged_routes,
};

use crate::support::{World, apply, stamp};

pub(crate) fn load(path: &Path) -> (World, Value) {
    let text = std::fs::read_to_string(path).unwrap();
    let documents: Vec<Value> = serde_yaml::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect();
    let names = |key: &str| -> Option<Vec<String>> {
        serde_json::from_value(documents[0].get(key)?.clone()).unwrap()
    };
    let mut world = World::web();
    let services = names("services").unwrap();
    world.services = services
        .iter()
        .map(|name| name.split_once('/').unwrap())
        .map(|(namespace, name)| RoleService::new(namespace, name))
        .collect();
    world.routes =
        documents[0].get("routes").map(|routes| routes.as_array().unwrap().iter().map(selector).collect());
    let held = |name: &String| {
        let (service, name) = name.split_once('/').unwrap();
        Subset { service: service.to_owned(), name: name.to_owned(), problem: None }
    };
    world.subsets = names("subsets").unwrap_or_default().iter().map(held).collect();
    (world, documents[1].clone())
}

/// A name, or `tcp` or `tls` as a Rollout says it.
fn selector(route: &Value) -> RouteSelector {
    let port = |of: &Value| of.get("port").map(|port| u16::try_from(port.as_u64().unwrap()).unwrap());
    if let Some(name) = route.as_str() {
        RouteSelector::named(name)
    } else if let Some(tcp) = route.get("tcp") {
        RouteSelector::Tcp(port(tcp))
    } else {
        let tls = &route["tls"];
        let hosts = tls.get("sniHosts").map(|hosts| serde_json::from_value(hosts.clone()).unwrap());
        RouteSelector::tls(port(tls), hosts.unwrap_or_default())
    }
}

fn lines(out: &mut String, title: &str, patch: &Patch) {
    writeln!(out, "# {title}").unwrap();
    for operation in &patch.0 {
        writeln!(out, "{}", serde_json::to_string(operation).unwrap()).unwrap();
    }
}

fn story(world: &World, owner: &Value) -> String {
    let mut out = String::new();
    let mut now = owner.clone();
    match enter(&now, &world.scope(), &stamp(41)) {
        Err(refusal) => writeln!(out, "# refused: {}\n{refusal}", refusal.reason()).unwrap(),
        Ok(patch) => {
            let patch = patch.unwrap();
            lines(&mut out, "enter", &patch);
            apply(&mut now, &patch).unwrap();
            if let Some(patch) = set_weight(&now, &world.scope(), 10, &stamp(42)).unwrap() {
                lines(&mut out, "10 %", &patch);
                apply(&mut now, &patch).unwrap();
            }
            writeln!(out, "# spec.http at 10 %\n{}", serde_yaml::to_string(&now["spec"]["http"]).unwrap())
                .unwrap();
            if let Some(patch) = set_weight(&now, &world.scope(), 0, &stamp(43)).unwrap() {
                lines(&mut out, "back", &patch);
                apply(&mut now, &patch).unwrap();
            }
            let restoration = leave(&now, &world.scope(), &stamp(44)).unwrap();
            let patch = restoration.patch.unwrap();
            lines(&mut out, "leave", &patch);
            apply(&mut now, &patch).unwrap();
            assert!(restoration.exact);
            assert_eq!(now["spec"].to_string(), owner["spec"].to_string());
        }
    }
    for finding in told(world, owner) {
        writeln!(out, "# {}\n{}", finding.condition.as_str(), finding.message).unwrap();
    }
    out
}

/// What is told of the routes that stay as they are.
pub(crate) fn told(world: &World, owner: &Value) -> Vec<Finding> {
    let listed = Listed {
        namespace: owner["metadata"]["namespace"].as_str().unwrap().into(),
        name: owner["metadata"]["name"].as_str().unwrap().into(),
        routes: world.routes.clone(),
    };
    unmanaged_routes(std::slice::from_ref(owner), &world.services, &[listed], &world.mesh)
}

#[test]
fn golden_virtual_services() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 12);
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (world, owner) = load(&path);
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, story(&world, &owner)));
    }
}

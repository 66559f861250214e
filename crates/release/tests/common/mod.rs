//! Fixtures and contexts for the tests.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of this one")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken fixture fails the test that uses it")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use teal_plan::{Color, Slot};
use teal_release::{Context, Naming, Rendered, hash, render};

/// The manifests of a fixture.
pub fn fixture(name: &str) -> Vec<Value> {
    let text = match name {
        "web" => include_str!("../fixtures/web.yaml"),
        "shop" => include_str!("../fixtures/shop.yaml"),
        "shared" => include_str!("../fixtures/shared.yaml"),
        "stateful" => include_str!("../fixtures/stateful.yaml"),
        other => panic!("there is no fixture {other}"),
    };
    serde_yaml::from_str(text).unwrap()
}

/// The traffic Services of a fixture.
pub fn services(name: &str) -> Vec<String> {
    let entry = if name == "stateful" {
        "game"
    } else if name == "shop" {
        "front"
    } else {
        "web"
    };
    vec![entry.to_owned()]
}

/// A context for manifests.
pub fn context(manifests: &[Value], services: Vec<String>, color: Color) -> Context {
    let hash = hash(&json!({"manifests": manifests}));
    Context {
        rollout: "shop".into(),
        uid: "6f1e0c1a-0000-4000-8000-000000000001".into(),
        namespace: "shop-ns".into(),
        instance: String::new(),
        services,
        slot: Slot { color, revision: hash.revision(7) },
        hash,
        live: false,
        replicas: BTreeMap::new(),
        naming: Naming::Behind,
    }
}

/// A fixture as a candidate.
pub fn candidate(name: &str, color: Color) -> Rendered {
    let manifests = fixture(name);
    render(&manifests, &context(&manifests, services(name), color)).unwrap()
}

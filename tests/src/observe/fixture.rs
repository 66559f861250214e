//! Versions of objects as a watch would tell them, for tests.

use std::time::Instant;

use serde_json::{Value, json};

use super::feed::{Kind, Seen};

pub(crate) fn seen(kind: Kind, object: Value) -> Seen {
    Seen { at: Instant::now(), kind, gone: false, object }
}

fn virtual_service(route: &Value) -> Seen {
    let http = json!([{"name": "pages", "route": route}]);
    seen(
        Kind::VirtualService,
        json!({"metadata": {"name": "web", "resourceVersion": "7"}, "spec": {"http": http}}),
    )
}

pub(crate) fn weights(live: u32, candidate: u32) -> Seen {
    virtual_service(&json!([
        {"destination": {"host": "web"}, "weight": live},
        {"destination": {"host": "web-candidate"}, "weight": candidate},
    ]))
}

pub(crate) fn service(name: &str, revision: &str) -> Seen {
    let selector = json!({"app": "web", "teal.dev/revision": revision});
    seen(Kind::Service, json!({"metadata": {"name": name}, "spec": {"selector": selector}}))
}

/// A whole rollout from `r1` to `r2`, each version of which changes something.
pub(crate) fn promotion() -> Vec<Seen> {
    vec![
        alone(),
        service("web", "r1"),
        service("web-candidate", "r1"),
        weights(100, 0),
        service("web-candidate", "r2"),
        weights(90, 10),
        weights(0, 100),
        service("web", "r2"),
        weights(100, 0),
        alone(),
    ]
}

pub(crate) fn alone() -> Seen {
    virtual_service(&json!([{"destination": {"host": "web"}}]))
}

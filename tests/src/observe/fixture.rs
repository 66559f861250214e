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

pub(crate) fn alone() -> Seen {
    virtual_service(&json!([{"destination": {"host": "web"}}]))
}

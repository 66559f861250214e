//! The whole history of a bed, from etcd: every version of every object, in the one
//! order in which they happened.
//!
//! With [`crate::Config::history`] the API server stores JSON and etcd is never compacted,
//! so a watch from revision 1 gives everything. Nothing is missed between two versions,
//! unlike with a watch of the API server.

use std::collections::VecDeque;

use futures::StreamExt;
use k8s_openapi::ByteString;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, Result, invalid};

/// What every key begins with.
const PREFIX: &str = "/registry/";

/// One version of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its place in the order; what the API server calls the resource version.
    pub revision: u64,
    /// Which object.
    pub key: Key,
    /// What it was, or nothing if it was deleted.
    pub value: Option<Value>,
}

/// Which object a version is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The API group; empty for kinds whose keys don't have it.
    pub group: String,
    /// The resource as etcd names it: in the plural, with a few old exceptions such as `minions`.
    pub resource: String,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// Takes the key apart. Custom and aggregated resources have their group in it, the
    /// built-in kinds don't; group names have a dot, resource names never.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts: VecDeque<&str> = text.strip_prefix(PREFIX)?.split('/').collect();
        let group = if parts.front()?.contains('.') { parts.pop_front()? } else { "" };
        let mut resource = parts.pop_front()?.to_owned();
        if resource == "services" {
            // Services and the old endpoints lie below one folder.
            resource = match parts.pop_front()? {
                "specs" => "services".into(),
                other => other.to_owned(),
            };
        }
        let (namespace, name) = match (parts.pop_front(), parts.pop_front(), parts.pop_front()) {
            (Some(name), None, None) => ("", name),
            (Some(namespace), Some(name), None) => (namespace, name),
            _ => return None,
        };
        let owned = str::to_owned;
        Some(Self { group: owned(group), resource, namespace: owned(namespace), name: owned(name) })
    }
}

/// Reads everything up to now, oldest first.
///
/// Versions that are not JSON (the API server keeps a few records of its own as
/// protobuf) and keys that are no objects are left out.
pub async fn read(etcd: &str) -> Result<Vec<Version>> {
    read_from(etcd, 1).await
}

/// As [`read`], from a revision on.
pub async fn read_from(etcd: &str, revision: u64) -> Result<Vec<Version>> {
    let http = reqwest::Client::new();
    let now = current_revision(&http, etcd).await?;
    let mut versions = Vec::new();
    if now < revision {
        return Ok(versions);
    }
    let url = format!("{etcd}/v3/watch");
    let body = json!({"create_request": {
        "key": encode(PREFIX), "range_end": encode(&end_of(PREFIX)), "start_revision": revision.to_string(),
        // Tells how far the watch is when the newest revisions are of other keys.
        "progress_notify": true, "fragment": true,
    }});
    let answer = http.post(&url).json(&body).send().await.and_then(reqwest::Response::error_for_status);
    let mut stream = answer.map_err(|source| Error::Http { url: url.clone(), source })?.bytes_stream();
    let mut buffer = Vec::new();
    while let Some(chunk) = stream.next().await {
        buffer.extend_from_slice(&chunk.map_err(|source| Error::Http { url: url.clone(), source })?);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            if absorb(&line, now, &mut versions)? {
                return Ok(versions);
            }
        }
    }
    Err(invalid("history", "etcd ended the watch before its newest revision"))
}

/// The newest revision that touched an object's key.
async fn current_revision(http: &reqwest::Client, etcd: &str) -> Result<u64> {
    let url = format!("{etcd}/v3/kv/range");
    // The newest change may be a deletion, which no range shows. So a key of our own is written:
    // its revision is the newest, and the watch is complete when it gets there.
    let marker = format!("{PREFIX}teal-bed-marker");
    let put = format!("{etcd}/v3/kv/put");
    let body = json!({"key": encode(&marker), "value": encode("x")});
    let answer = http.post(&put).json(&body).send().await.and_then(reqwest::Response::error_for_status);
    let answer = answer.map_err(|source| Error::Http { url: put, source })?;
    let text: Value = answer.json().await.map_err(|source| Error::Http { url, source })?;
    let revision = text["header"]["revision"].as_str().and_then(|revision| revision.parse().ok());
    revision.ok_or_else(|| invalid("history", format!("etcd gave no revision: {text}")))
}

#[derive(Deserialize)]
struct Answer {
    result: Option<WatchResult>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct WatchResult {
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    canceled: bool,
    #[serde(default)]
    compact_revision: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    /// Absent for a put, which is the default.
    #[serde(rename = "type", default)]
    kind: String,
    kv: Pair,
}

#[derive(Deserialize)]
struct Pair {
    key: ByteString,
    #[serde(default)]
    value: Option<ByteString>,
    mod_revision: String,
}

/// Takes in one answer. Whether the watch has got to the newest revision.
fn absorb(line: &[u8], newest: u64, versions: &mut Vec<Version>) -> Result<bool> {
    let wrong = |why: String| invalid("history", why);
    let answer: Answer = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
    let Some(result) = answer.result else {
        return Err(wrong(format!("etcd refused: {}", answer.error.unwrap_or_default())));
    };
    if result.canceled {
        let compacted = result.compact_revision.unwrap_or_default();
        return Err(wrong(format!(
            "etcd ended the watch; compacted up to {compacted:?}: start the bed with history"
        )));
    }
    let mut complete = false;
    for event in result.events {
        let revision = event.kv.mod_revision.parse().map_err(|error| wrong(format!("revision: {error}")))?;
        complete |= revision >= newest;
        if revision <= newest {
            versions.extend(version(revision, &event));
        }
    }
    Ok(complete)
}

fn version(revision: u64, event: &Event) -> Option<Version> {
    let key = Key::parse(std::str::from_utf8(&event.kv.key.0).ok()?)?;
    let value = match (event.kind.as_str(), &event.kv.value) {
        ("DELETE", _) => None,
        (_, value) => Some(serde_json::from_slice(&value.as_ref()?.0).ok()?),
    };
    Some(Version { revision, key, value })
}

fn encode(text: &str) -> Value {
    json!(ByteString(text.as_bytes().to_owned()))
}

/// The first key that is not below the prefix.
fn end_of(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    if end.pop() == Some('/') {
        end.push('0');
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str, resource: &str, namespace: &str, name: &str) -> Key {
        let owned = str::to_owned;
        Key { group: owned(group), resource: owned(resource), namespace: owned(namespace), name: owned(name) }
    }

    #[test]
    fn keys_are_taken_apart() {
        for (text, expected) in [
            ("/registry/pods/shop/web-1", Some(key("", "pods", "shop", "web-1"))),
            ("/registry/namespaces/shop", Some(key("", "namespaces", "", "shop"))),
            ("/registry/services/specs/shop/web", Some(key("", "services", "shop", "web"))),
            ("/registry/services/endpoints/shop/web", Some(key("", "endpoints", "shop", "web"))),
            (
                "/registry/networking.istio.io/virtualservices/shop/web",
                Some(key("networking.istio.io", "virtualservices", "shop", "web")),
            ),
            (
                "/registry/apiextensions.k8s.io/customresourcedefinitions/rollouts.teal.dev",
                Some(key("apiextensions.k8s.io", "customresourcedefinitions", "", "rollouts.teal.dev")),
            ),
            ("/registry/health", None),
            ("/other/pods/shop/web", None),
        ] {
            assert_eq!(Key::parse(text), expected, "{text}");
        }
    }

    fn event(kind: &str, key: &str, value: &str, revision: u64) -> Value {
        let mut event = json!({"kv": {"key": encode(key), "mod_revision": revision.to_string()}});
        if kind == "DELETE" {
            event["type"] = json!(kind);
        } else {
            event["kv"]["value"] = encode(value);
        }
        event
    }

    fn answer(events: &[Value]) -> Vec<u8> {
        json!({"result": {"events": events}}).to_string().into_bytes()
    }

    #[test]
    fn puts_and_deletions_become_versions_in_order() {
        let mut versions = Vec::new();
        let line = answer(&[
            event("PUT", "/registry/pods/shop/web", r#"{"kind":"Pod"}"#, 4),
            event("DELETE", "/registry/pods/shop/web", "", 5),
        ]);
        assert!(!absorb(&line, 6, &mut versions).unwrap());
        let pod = key("", "pods", "shop", "web");
        assert_eq!(
            versions[0],
            Version { revision: 4, key: pod.clone(), value: Some(json!({"kind": "Pod"})) }
        );
        assert_eq!(versions[1], Version { revision: 5, key: pod, value: None });
    }

    #[test]
    fn the_watch_is_complete_at_the_newest_revision_and_takes_nothing_after_it() {
        let mut versions = Vec::new();
        let line = answer(&[
            event("PUT", "/registry/teal-bed-marker", "x", 6),
            event("PUT", "/registry/pods/shop/late", "{}", 7),
        ]);
        assert!(absorb(&line, 6, &mut versions).unwrap());
        assert!(versions.is_empty(), "{versions:?}");
    }

    #[test]
    fn records_that_are_not_json_are_left_out() {
        let mut versions = Vec::new();
        absorb(
            &answer(&[event("PUT", "/registry/ranges/serviceips/x", "k8s\0protobuf", 3)]),
            9,
            &mut versions,
        )
        .unwrap();
        assert!(versions.is_empty());
    }

    #[test]
    fn a_compacted_history_is_an_error() {
        let line = br#"{"result":{"canceled":true,"compact_revision":"70"}}"#;
        assert!(absorb(line, 9, &mut Vec::new()).unwrap_err().to_string().contains("70"));
    }

    #[test]
    fn the_range_ends_after_the_prefix() {
        assert_eq!(end_of("/registry/"), "/registry0");
    }
}

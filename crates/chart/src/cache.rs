//! Renderings by content. In memory alone: they may hold the values of Secrets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::charts::{Chart, Rendered, Request};

/// Renderings that are kept.
const MOST: usize = 256;
/// Their bytes.
const MOST_BYTES: usize = 32 << 20;

/// What a rendering follows from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// All that Helm is given. Nulls count: they take a chart's defaults away.
    pub(crate) fn of(chart: &Chart, request: &Request) -> Self {
        let mut hash = Sha256::new();
        // Lengths go in too, so that no two lists of parts give the same stream.
        let mut absorb = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        absorb(&chart.content);
        absorb(&request.release);
        absorb(&request.namespace);
        absorb(if request.upgrade { "upgrade" } else { "install" });
        absorb(&request.capabilities.kube_version);
        request.capabilities.api_versions.iter().for_each(|version| absorb(version));
        absorb("values");
        absorb(&text(&Value::Object(sorted(&request.values))));
        Self(hash.finalize().into())
    }
}

/// In one order, whatever features `serde_json` is built with.
fn sorted(map: &Map<String, Value>) -> Map<String, Value> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    entries.into_iter().map(|(name, value)| (name.clone(), in_order(value))).collect()
}

fn in_order(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(sorted(map)),
        Value::Array(items) => items.iter().map(in_order).collect(),
        other => other.clone(),
    }
}

fn text(value: &Value) -> String {
    value.to_string()
}

/// The renderings that were asked for last.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<VecDeque<(Key, Arc<Rendered>)>>);

impl Cache {
    pub(crate) fn get(&self, key: Key) -> Option<Arc<Rendered>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(other, _)| *other == key)?;
        let found = kept.remove(at)?;
        let rendered = found.1.clone();
        kept.push_back(found);
        Some(rendered)
    }

    pub(crate) fn put(&self, key: Key, rendered: Arc<Rendered>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((key, rendered));
        let size =
            |kept: &VecDeque<(Key, Arc<Rendered>)>| kept.iter().map(|(_, one)| one.size()).sum::<usize>();
        while kept.len() > MOST || (kept.len() > 1 && size(&kept) > MOST_BYTES) {
            kept.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::charts::Capabilities;

    fn request(values: &Value) -> Request {
        Request {
            release: "web-blue".into(),
            namespace: "shop".into(),
            upgrade: false,
            values: values.as_object().unwrap().clone(),
            hidden: BTreeSet::new(),
            capabilities: Capabilities { kube_version: "1.33.0".into(), api_versions: BTreeSet::new() },
        }
    }

    /// One thing changed, with its name.
    type Change = (&'static str, fn(&mut Request));

    fn chart(content: &str) -> Chart {
        Chart::looked_at(content)
    }

    #[test]
    fn whatever_helm_is_given_is_part_of_the_key() {
        let base = request(&json!({"a": 1, "b": {"c": 2, "d": 3}}));
        let key = Key::of(&chart("x"), &base);
        assert_eq!(key, Key::of(&chart("x"), &request(&json!({"b": {"d": 3, "c": 2}, "a": 1}))));
        assert_ne!(key, Key::of(&chart("y"), &base));
        let changes: [Change; 6] = [
            ("release", |r| r.release = "web-green".into()),
            ("namespace", |r| r.namespace = "other".into()),
            ("upgrade", |r| r.upgrade = true),
            ("kube version", |r| r.capabilities.kube_version = "1.34.0".into()),
            ("api versions", |r| r.capabilities.api_versions = BTreeSet::from(["a/v1".into()])),
            ("a null", |r| drop(r.values.insert("e".into(), Value::Null))),
        ];
        for (what, change) in changes {
            let mut changed = base.clone();
            change(&mut changed);
            assert_ne!(key, Key::of(&chart("x"), &changed), "{what}");
        }
        let mut hidden = base.clone();
        hidden.hidden.insert("secret".into());
        assert_eq!(key, Key::of(&chart("x"), &hidden), "Helm isn't given what is hidden");
    }

    #[test]
    fn the_last_ones_are_kept_within_their_size() {
        let cache = Cache::default();
        let keys: Vec<Key> = (0..=u8::MAX)
            .chain(0..9)
            .enumerate()
            .map(|(i, _)| {
                let mut key = [0; 32];
                key[0] = u8::try_from(i / 256).unwrap();
                key[1] = u8::try_from(i % 256).unwrap();
                Key(key)
            })
            .collect();
        for key in &keys {
            cache.put(*key, Arc::new(Rendered::plain("small")));
        }
        assert!(cache.get(keys[0]).is_none());
        assert_eq!(cache.get(keys[100]).map(|r| r.text().to_owned()).as_deref(), Some("small"));
        let large = "x".repeat(MOST_BYTES + 1);
        cache.put(Key([9; 32]), Arc::new(Rendered::plain(&large)));
        assert!(cache.get(keys[100]).is_none(), "one that fills it leaves no room");
        assert!(cache.get(Key([9; 32])).is_some());
    }
}

//! Who wrote a version.

use serde_json::Value;
use teal_api::names::{annotation, manager};

use super::json::{annotations, list, millis, text};

/// Who wrote a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// Teal, for certain.
    Teal,
    /// Somebody else, for certain.
    Other,
    /// It can't be told; so it is for every deletion.
    Unknown,
}

/// Entries may be this much older than the newest stamp and still be of this write.
const LAG_MS: i64 = 2_000;

/// Tells the writer by the field managers: an entry that is new or has a new time is the writer's. A second write within
/// the same second leaves no trace; then it is whoever wrote last, if that is one.
pub(super) fn writer(before: Option<&Value>, after: &Value, earliest: Option<i64>, prefix: &str) -> Writer {
    if before.is_some_and(|before| gives_back(before, after)) {
        return Writer::Teal;
    }
    let old = before.map_or(&[][..], |before| list(before, "/metadata/managedFields"));
    let entries = list(after, "/metadata/managedFields");
    let recent: Vec<&Value> = entries.iter().filter(|entry| is_recent(entry, earliest)).collect();
    // The API server puts no time on the entry of whoever writes by the subresource `scale`.
    let timeless = entries.iter().filter(|entry| text(entry, "/time").is_none());
    let changed = recent.iter().copied().chain(timeless).filter(|entry| is_new(entry, old));
    let changed: Vec<&Value> = changed.collect();
    if !changed.is_empty() {
        return one(&changed, prefix);
    }
    let newest = recent.iter().filter_map(|entry| text(entry, "/time")).max();
    let last: Vec<&Value> = recent.iter().copied().filter(|entry| text(entry, "/time") == newest).collect();
    one(&last, prefix)
}

/// What gives routes back to their owner is sent in the owner's name. Only Teal takes its record away and leaves its epoch.
fn gives_back(before: &Value, after: &Value) -> bool {
    let Some(notes) = annotations(after) else { return false };
    let mut records = annotations(before).into_iter().flat_map(|notes| notes.keys());
    records.any(|name| {
        let rollout = name.strip_prefix(teal_traffic::SAVED_PREFIX);
        rollout.is_some_and(|uid| !notes.contains_key(name) && notes.contains_key(&annotation::epoch(uid)))
    })
}

/// An entry that was put back by hand has an old time.
fn is_recent(entry: &Value, earliest: Option<i64>) -> bool {
    let time = text(entry, "/time").and_then(millis);
    earliest.is_none_or(|earliest| time.is_some_and(|time| time >= earliest - LAG_MS))
}

fn is_new(entry: &Value, old: &[Value]) -> bool {
    const NAMES: [&str; 3] = ["/manager", "/operation", "/subresource"];
    let same = |other: &&Value| NAMES.iter().all(|name| text(entry, name) == text(other, name));
    old.iter().find(same).is_none_or(|other| text(other, "/time") != text(entry, "/time"))
}

fn one(entries: &[&Value], prefix: &str) -> Writer {
    let mut ours =
        entries.iter().filter_map(|entry| text(entry, "/manager")).map(|name| is_teal(name, prefix));
    match ours.next() {
        Some(first) if ours.all(|other| other == first) => {
            if first {
                Writer::Teal
            } else {
                Writer::Other
            }
        }
        _ => Writer::Unknown,
    }
}

/// What a person asked for by way of Teal's front ends is a person's.
fn is_teal(name: &str, prefix: &str) -> bool {
    name.starts_with(prefix) && name != manager::PERSON
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_scales_by_the_subresource_is_known_without_a_time() {
        let release =
            json!({"manager": "teal/release", "operation": "Apply", "time": "2026-01-01T00:00:00Z"});
        let hand = json!({"manager": "kubectl", "operation": "Update", "subresource": "scale"});
        let object = |entries: &Value| json!({"metadata": {"managedFields": entries}});
        let (before, after) = (object(&json!([release])), object(&json!([release, hand])));
        let earliest = millis("2026-01-01T00:00:01Z");
        assert_eq!(writer(Some(&before), &after, earliest, "teal/"), Writer::Other);
        assert_eq!(writer(Some(&after), &after, earliest, "teal/"), Writer::Teal, "it wrote before");
    }
}

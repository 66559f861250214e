//! I11: of what isn't Teal's, Teal changes only weights, the candidate's destination and its own annotations, and in the
//! end the owner's spec is back.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;
use teal_api::names::{GROUP, annotation, candidate_service, finalizer, label};
use teal_testbed::history::Key;

use super::Options;
use super::json::{self, annotations, difference, label as label_of, text};
use super::replay::{Change, Check};
use super::rollout::Rollout;
use super::routes::{Hosts, LISTS, is_preview, is_selected, listed};
use super::tally::{Invariant, Summary};
use super::world::World;
use super::writer::Writer;

/// Prefix of the annotation in which Teal remembers how the owner wrote the routes.
const SAVED: &str = teal_traffic::SAVED_PREFIX;

/// Finalizers by which the garbage collector waits. It takes them away without a trace of who wrote.
const COLLECTOR: [&str; 2] = ["foregroundDeletion", "orphan"];

pub(super) struct Foreign<'h, 'o> {
    options: &'o Options,
    /// The owner's form of each `VirtualService` that Teal has entered.
    owners: HashMap<&'h Key, Owner<'h>>,
    /// What is there and was Teal's in some version: it stays so when another hand takes the labels off, which Teal gives it again.
    own: HashSet<&'h Key>,
}

struct Owner<'h> {
    spec: Option<&'h Value>,
    /// Somebody else wrote it since, or two Rollouts share it: then its owner's form isn't known.
    disturbed: bool,
}

impl<'o> Foreign<'_, 'o> {
    pub(super) fn new(options: &'o Options) -> Self {
        Self { options, owners: HashMap::new(), own: HashSet::new() }
    }
}

impl<'h> Check<'h> for Foreign<'h, '_> {
    fn see(&mut self, change: &Change<'h>, world: &World<'h>, summary: &mut Summary) {
        let Some(after) = change.after else {
            self.owners.remove(change.key);
            self.own.remove(change.key);
            return;
        };
        if change.key.resource == "virtualservices" {
            self.ownership(change, after, summary);
        }
        if change.writer == Writer::Teal {
            let detail = match change.before {
                Some(before) => self.edit(change, world, before, after),
                // What Teal makes is its own, and is marked so.
                None => unmarked(change.key, after).then(|| "is made by Teal without its labels".to_owned()),
            };
            summary.judge(Invariant::I11, change.revision, change.key, detail);
        }
        // Only now: whoever marks what was somebody else's has not made it its own before.
        if is_ours(after) {
            self.own.insert(change.key);
        }
    }
}

impl<'h> Foreign<'h, '_> {
    /// Remembers the owner's spec when Teal enters, and compares when it leaves.
    fn ownership(&mut self, change: &Change<'h>, after: &'h Value, summary: &mut Summary) {
        let Some(before) = change.before else { return };
        let (old, new) = (saved(before), saved(after));
        if change.writer != Writer::Teal {
            let same = before.get("spec") == after.get("spec");
            if let (Some(owner), false) = (self.owners.get_mut(change.key), same) {
                owner.disturbed = true;
            }
            if new.is_empty() {
                self.owners.remove(change.key);
            }
            return;
        }
        if old.is_empty() && !new.is_empty() {
            self.owners.insert(change.key, Owner { spec: before.get("spec"), disturbed: false });
        }
        if new.len() > 1
            && let Some(owner) = self.owners.get_mut(change.key)
        {
            owner.disturbed = true;
        }
        if !old.is_empty() && new.is_empty() {
            match self.owners.remove(change.key) {
                Some(Owner { spec, disturbed: false }) => {
                    let (null, then) = (Value::Null, spec);
                    let path = difference(then.unwrap_or(&null), after.get("spec").unwrap_or(&null));
                    let problem = path.map(|path| format!("its owner's spec is not restored at {path}"));
                    summary.judge(Invariant::I11, change.revision, change.key, problem);
                }
                Some(Owner { .. }) | None => summary.undecided(Invariant::I11),
            }
        }
    }

    /// What Teal changed that isn't its to change.
    fn edit(&self, change: &Change<'_>, world: &World<'_>, before: &Value, after: &Value) -> Option<String> {
        let key = change.key;
        let (before, after) = if key.resource == "virtualservices" {
            let here = world.rollouts.values().filter(|rollout| rollout.namespace == key.namespace);
            let users: Vec<&Rollout<'_>> =
                here.map(AsRef::as_ref).filter(|rollout| listed(rollout, &key.name).is_some()).collect();
            (self.without_ours(before, &key.name, &users), self.without_ours(after, &key.name, &users))
        } else if key.group == GROUP {
            (plain(before), plain(after))
        } else if is_ours(before)
            || self.own.contains(key)
            || is_role(key, world)
            || matches!(key.resource.as_str(), "leases" | "events")
        {
            return None;
        } else {
            return Some("Teal writes an object that isn't its own".to_owned());
        };
        difference(&before, &after).map(|path| format!("Teal changes {path}"))
    }

    /// A `VirtualService` without what Teal may change in it.
    fn without_ours(&self, value: &Value, name: &str, users: &[&Rollout<'_>]) -> Value {
        let mut value = plain(value);
        for list in LISTS {
            let mut routes = value.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
            if let Some(routes) = &mut routes {
                routes.retain(|route| users.iter().all(|user| !user.traffic.previewed) || !is_preview(route));
            }
            for route in routes.into_iter().flatten() {
                for user in users {
                    let selected = listed(user, name).is_some_and(|entry| is_selected(entry, list, route));
                    if selected && user.traffic.mirrored {
                        self.without_mirrors(route, user);
                    }
                    if let (true, Some(entries)) =
                        (selected, route.get_mut("route").and_then(Value::as_array_mut))
                    {
                        self.without_destinations(entries, user);
                    }
                }
            }
        }
        value
    }

    fn without_mirrors(&self, route: &mut Value, user: &Rollout<'_>) {
        let mesh = &self.options.mesh;
        let hosts = Hosts { mesh, namespace: user.namespace };
        let candidate: BTreeSet<String> =
            user.traffic.services.iter().map(|service| hosts.candidate(service)).collect();
        let host =
            |entry: &Value| mesh.expand(text(entry, "/destination/host").unwrap_or_default(), user.namespace);
        let Some(mirrors) = route.get_mut("mirrors").and_then(Value::as_array_mut) else { return };
        mirrors.retain(|entry| !candidate.contains(&host(entry)));
        if let (true, Some(fields)) = (mirrors.is_empty(), route.as_object_mut()) {
            fields.remove("mirrors");
        }
    }

    fn without_destinations(&self, entries: &mut Vec<Value>, user: &Rollout<'_>) {
        let mesh = &self.options.mesh;
        let hosts = Hosts { mesh, namespace: user.namespace };
        let services = &user.traffic.services;
        let live: BTreeSet<String> = services.iter().map(|service| hosts.live(service)).collect();
        let candidate: BTreeSet<String> = services.iter().map(|service| hosts.candidate(service)).collect();
        let host =
            |entry: &Value| mesh.expand(text(entry, "/destination/host").unwrap_or_default(), user.namespace);
        entries.retain(|entry| !candidate.contains(&host(entry)));
        for entry in entries.iter_mut().filter(|entry| live.contains(&host(entry))) {
            if let Some(fields) = entry.as_object_mut() {
                fields.remove("weight");
            }
        }
    }
}

/// The Rollouts whose memory of the owner's routes stands on the object.
fn saved(value: &Value) -> BTreeSet<&str> {
    let keys = annotations(value).into_iter().flat_map(|all| all.keys());
    keys.filter_map(|key| key.strip_prefix(SAVED)).collect()
}

/// An object without what the API server notes, Teal's annotations and finalizer, and status.
fn plain(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
    }
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return value };
    for field in
        ["managedFields", "generation", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        metadata.remove(field);
    }
    if let Some(all) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        all.retain(|key, _| !key.starts_with(annotation::EPOCH_PREFIX) && !key.starts_with(SAVED));
    }
    if let Some(all) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) {
        all.retain(|name| name != finalizer::TRAFFIC && !COLLECTOR.iter().any(|own| name == own));
    }
    for field in ["annotations", "finalizers"] {
        let empty = |value: &Value| *value == serde_json::json!({}) || *value == serde_json::json!([]);
        if metadata.get(field).is_some_and(empty) {
            metadata.remove(field);
        }
    }
    value
}

fn is_ours(value: &Value) -> bool {
    label_of(value, label::ROLLOUT).is_some() || json::label(value, label::ROLLOUT_UID).is_some()
}

/// A role Service, whatever another writer left of its labels.
fn is_role(key: &Key, world: &World<'_>) -> bool {
    let of = |rollout: &Rollout<'_>| {
        rollout.namespace == key.namespace
            && rollout.traffic.services.iter().any(|s| *s == key.name || candidate_service(s) == key.name)
    };
    key.resource == "services" && world.rollouts.values().any(|rollout| of(rollout))
}

fn unmarked(key: &Key, value: &Value) -> bool {
    !matches!(key.resource.as_str(), "leases" | "events") && !is_ours(value)
}

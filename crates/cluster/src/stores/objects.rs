//! What is kept as a whole, without what nobody reads: Services, routes and policies of hosts.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};
use teal_api::names::{annotation, label, manager};
use teal_plan::Slot;

use super::cache::{ObjectId, View};
use super::views::read_epoch;
use crate::json;

/// Texts by name, packed: there are tens of thousands of these.
type Texts = Box<[(Box<str>, Box<str>)]>;

/// An object as JSON text, with what is looked at often taken out of it. Parsed JSON takes ten times the room, and of
/// thousands of objects a look needs three.
#[derive(Clone, Debug)]
pub(crate) struct JsonView {
    id: ObjectId,
    uid: Box<str>,
    version: u64,
    generation: i64,
    /// Teal's own labels.
    labels: Texts,
    /// `spec.selector` of a Service.
    selector: Texts,
    /// The uids of owners, with which the garbage collector takes it along.
    owners: Box<[Box<str>]>,
    /// Epochs by the uid of their Rollout.
    epochs: Box<[(Box<str>, u64)]>,
    /// Annotations of Teal's own that can't be read, with what they hold.
    malformed: Texts,
    /// Hosts that routes lead to, that a rule is for, or that proxies may see.
    hosts: Box<[Box<str>]>,
    /// VirtualServices that this one delegates to.
    delegates: Box<[ObjectId]>,
    /// Size of what was taken out of the annotations, which share one limit.
    stripped: usize,
    /// Of everything whose change matters to somebody.
    mark: u64,
    text: Box<str>,
}

impl JsonView {
    /// Takes the object; `kind` is put in where a list left it out.
    pub(crate) fn of(mut value: Value, api_version: &str, kind: &str) -> Option<Self> {
        let id = json::id(&value)?;
        let fields = value.as_object_mut()?;
        fields.remove("status");
        fields.entry("apiVersion").or_insert_with(|| json!(api_version));
        fields.entry("kind").or_insert_with(|| json!(kind));
        let stripped = last_applied(&value);
        slim(&mut value);
        let own = |name: &str| name.starts_with(label::PREFIX);
        Some(Self {
            id,
            uid: json::text(&value, "/metadata/uid").into(),
            version: json::version(&value),
            generation: value.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default(),
            labels: texts(&value, "/metadata/labels", own),
            selector: texts(&value, "/spec/selector", |_| true),
            owners: owners(&value),
            epochs: epochs(&value),
            malformed: malformed(&value),
            hosts: hosts(&value),
            delegates: teal_traffic::delegates(&value).map(|(of, name)| ObjectId::new(of, name)).collect(),
            stripped,
            mark: mark(&value),
            text: value.to_string().into(),
        })
    }

    /// The object, without its status, and with only that of `managedFields` that says who wrote routes.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Whether any destination may name a subset, said without reading it.
    pub(crate) fn says_subset(&self) -> bool {
        self.text.contains("\"subset\"")
    }

    /// Size of annotations that the object has and [`Self::value`] lacks.
    pub(crate) const fn stripped(&self) -> usize {
        self.stripped
    }

    /// `metadata.generation`: counts changes of the spec.
    pub(crate) fn generation(&self) -> i64 {
        self.generation
    }

    /// One of Teal's labels.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        find(&self.labels, name)
    }

    /// The Rollout whose object it is.
    pub(crate) fn rollout(&self) -> Option<&str> {
        self.label(label::ROLLOUT)
    }

    /// The selector of a Service.
    pub(crate) fn selector(&self) -> impl Iterator<Item = (&str, &str)> {
        self.selector.iter().map(|(name, value)| (&**name, &**value))
    }

    /// What a Service selects, if it is a slot of this Rollout.
    pub(crate) fn points(&self, rollout: &str) -> Option<Slot> {
        points(|name| find(&self.selector, name), rollout)
    }

    /// Whether a Service selects pods of this Rollout, of whatever revision.
    pub(crate) fn selects_both(&self, rollout: &str) -> bool {
        selects_both(|name| find(&self.selector, name), rollout)
    }

    /// Whether the garbage collector takes it along with its owner of this uid.
    pub(crate) fn is_owned_by(&self, uid: &str) -> bool {
        self.owners.iter().any(|owner| **owner == *uid)
    }

    /// The epoch of a Rollout.
    pub(crate) fn epoch(&self, uid: &str) -> u64 {
        self.epochs.iter().find(|(rollout, _)| **rollout == *uid).map_or(0, |(_, epoch)| *epoch)
    }

    /// Annotations of a Rollout that can't be read, with what they hold.
    pub(crate) fn malformed(&self, uid: &str) -> impl Iterator<Item = (&str, &str)> {
        let own = move |name: &str| name.rsplit_once('/').is_some_and(|(_, of)| of == uid);
        self.malformed.iter().filter(move |(name, _)| own(name)).map(|(name, text)| (&**name, &**text))
    }

    /// Whether a route leads to a host of this name, short or full.
    pub(crate) fn leads_to(&self, service: &str) -> bool {
        let is = |host: &str| {
            host.strip_prefix(service).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.hosts.iter().any(|host| is(host))
    }

    /// Whether it delegates to a VirtualService.
    pub(crate) fn delegates_to(&self, id: &ObjectId) -> bool {
        self.delegates.contains(id)
    }

    /// Its namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.id.namespace
    }

    /// Hosts that routes lead to, that a rule is for, or that proxies may see.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|host| &**host)
    }
}

/// The slot that a selector names.
pub(crate) fn points<'a>(selector: impl Fn(&str) -> Option<&'a str>, rollout: &str) -> Option<Slot> {
    if selector(label::ROLLOUT) != Some(rollout) {
        return None;
    }
    Some(Slot {
        color: selector(label::COLOR)?.parse().ok()?,
        revision: selector(label::REVISION)?.parse().ok()?,
    })
}

/// Whether a selector takes pods of a Rollout of whatever revision.
pub(crate) fn selects_both<'a>(selector: impl Fn(&str) -> Option<&'a str>, rollout: &str) -> bool {
    let apart = selector(label::COLOR).or_else(|| selector(label::REVISION));
    selector(label::ROLLOUT) == Some(rollout) && apart.is_none()
}

fn find<'a>(texts: &'a Texts, name: &str) -> Option<&'a str> {
    texts.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
}

fn texts(value: &Value, pointer: &str, wanted: impl Fn(&str) -> bool) -> Texts {
    let entries = value.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    let entries = entries.filter(|(name, _)| wanted(name));
    entries.filter_map(|(name, value)| Some((name.as_str().into(), value.as_str()?.into()))).collect()
}

fn owners(value: &Value) -> Box<[Box<str>]> {
    let owners = value.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().map(|owner| json::text(owner, "/uid").into()).collect()
}

fn epochs(value: &Value) -> Box<[(Box<str>, u64)]> {
    let notes = value.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten();
    let of = |(name, value): (&String, &Value)| {
        let uid = name.strip_prefix(annotation::EPOCH_PREFIX)?;
        Some((uid.into(), value.as_str().map_or(0, read_epoch)))
    };
    notes.filter_map(of).collect()
}

/// Epochs that are none, and records of the owner's weights that are no records.
fn malformed(value: &Value) -> Texts {
    let notes = value.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten();
    let unread = |name: &str, text: &str| {
        if name.starts_with(annotation::EPOCH_PREFIX) {
            return read_epoch(text) == 0 && text != "0";
        }
        let saved = name.strip_prefix(teal_traffic::SAVED_PREFIX);
        saved.is_some_and(|uid| teal_traffic::Saved::of(value, uid).is_none())
    };
    let of = |(name, text): (&String, &Value)| {
        let text = text.as_str().filter(|text| unread(name, text))?;
        Some((name.as_str().into(), text.into()))
    };
    notes.filter_map(of).collect()
}

fn hosts(value: &Value) -> Box<[Box<str>]> {
    let mut found: Vec<Box<str>> = Vec::new();
    // A VirtualService may lead to tens of thousands.
    let mut known = BTreeSet::new();
    for kind in ["http", "tcp", "tls"] {
        let routes = value.pointer(&format!("/spec/{kind}")).and_then(Value::as_array).into_iter().flatten();
        for entry in routes.filter_map(|route| route.get("route")?.as_array()).flatten() {
            let host = json::text(entry, "/destination/host");
            if !host.is_empty() && known.insert(host) {
                found.push(host.into());
            }
        }
    }
    let rule = value.pointer("/spec/host").and_then(Value::as_str);
    let egress = value.pointer("/spec/egress").and_then(Value::as_array).into_iter().flatten();
    let seen = egress.filter_map(|listener| listener.get("hosts")?.as_array()).flatten();
    let seen = seen.filter_map(|entry| Some(entry.as_str()?.split_once('/')?.1));
    found.extend(rule.into_iter().chain(seen).map(Box::from));
    found.into()
}

fn mark(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in ["/spec", "/metadata/labels", "/metadata/annotations", "/metadata/deletionTimestamp"] {
        value.pointer(part).map(ToString::to_string).hash(&mut hasher);
    }
    hasher.finish()
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn last_applied(value: &Value) -> usize {
    let text = value.pointer("/metadata/annotations").and_then(|notes| notes.get(LAST_APPLIED)?.as_str());
    text.map_or(0, |text| LAST_APPLIED.len() + text.len())
}

/// Takes out what is large and not read.
pub(super) fn slim(value: &mut Value) {
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if let Some(entries) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
        entries.iter_mut().for_each(slim_entry);
    }
    if let Some(notes) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        notes.remove(LAST_APPLIED);
    }
}

/// Of the spec: who may have moved traffic is told of.
const TOLD_OF: [&str; 5] = ["f:http", "f:tcp", "f:tls", "f:ports", "f:selector"];

/// Who, when, and whether it was where requests are led to.
fn slim_entry(entry: &mut Value) {
    let written =
        |field: &&str| entry.pointer("/fieldsV1/f:spec").is_some_and(|spec| spec.get(field).is_some());
    let spec: Map<String, Value> =
        TOLD_OF.into_iter().filter(written).map(|field| (field.to_owned(), json!({}))).collect();
    if let Some(fields) = entry.as_object_mut() {
        fields.insert("fieldsV1".into(), if spec.is_empty() { json!({}) } else { json!({"f:spec": spec}) });
    }
}

impl View for JsonView {
    fn id(&self) -> ObjectId {
        self.id.clone()
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn version(&self) -> u64 {
        self.version
    }
    fn group(&self) -> &'static str {
        ""
    }
    fn same(&self, other: &Self) -> bool {
        // What is left out is judged by its size alone.
        self.uid == other.uid && self.mark == other.mark && self.stripped == other.stripped
    }
    /// Services that its hosts name in full, of which the candidate's counts as that of its Service, and VirtualServices that
    /// it delegates to.
    fn refers(&self) -> Vec<ObjectId> {
        let read = |host: &str| {
            let (name, rest) = host.split_once('.')?;
            let (namespace, _) = rest.split_once(".svc.")?;
            let name = name.strip_suffix("-candidate").unwrap_or(name);
            Some(ObjectId::new(namespace, name))
        };
        let all = self.hosts().filter_map(read).chain(self.delegates.iter().cloned());
        all.filter(|id| id.namespace != self.id.namespace).collect()
    }
}

/// The field managers that wrote a list of routes (or the selector, or ports) last and are not Teal's, newest first.
pub(crate) fn strangers<'a>(object: &'a Value, field: &str) -> Vec<(&'a str, &'a str)> {
    let path = format!("/fieldsV1/f:spec/f:{field}");
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let mut found: Vec<(&str, &str)> = entries
        .filter(|entry| entry.pointer(&path).is_some())
        .map(|entry| (json::text(entry, "/manager"), json::text(entry, "/time")))
        .filter(|(name, _)| !name.starts_with(manager::PREFIX))
        .collect();
    found.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_20_of_what_is_watched_only_what_a_look_reads_is_kept() {
        let entry = |manager: &str, fields: Value| json!({"manager": manager, "operation": "Update", "fieldsV1": fields});
        let service = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7",
                "labels": {"teal.dev/rollout": "web", "team": "shop"},
                "ownerReferences": [{"kind": "Rollout", "name": "web", "uid": "uid-1"}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "large", "epoch.teal.dev/uid-1": "9"},
                "managedFields": [
                    entry("owner", json!({"f:spec": {"f:selector": {"f:app": {}}, "f:ports": {"f:port": {}}, "f:type": {}}})),
                    entry("kubelet", json!({"f:status": {"f:conditions": {}}})),
                ]},
            "spec": {"selector": {"app": "web"}}, "status": {"conditions": []}});
        let view = JsonView::of(service, "v1", "Service").expect("a view");
        assert_eq!((view.rollout(), view.epoch("uid-1"), view.epoch("uid-2")), (Some("web"), 9, 0));
        assert!(view.is_owned_by("uid-1") && !view.is_owned_by("uid-2"));
        assert_eq!(view.selector().collect::<Vec<_>>(), [("app", "web")]);
        let kept = view.value();
        assert_eq!(strangers(&kept, "selector"), [("owner", "")], "who wrote the selector");
        assert_eq!(strangers(&kept, "ports"), [("owner", "")]);
        let text = kept.to_string();
        for gone in ["large", "conditions", "f:app", "f:port\"", "f:type"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
    }

    /// Each with each, it would be more than a billion times, and the watch waits for it.
    #[test]
    fn of_very_many_hosts_each_is_kept_once() {
        let to = |number: u32| json!({"destination": {"host": format!("host-{}", number / 2)}});
        let route = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7"},
            "spec": {"http": [{"route": (0..100_000).map(to).collect::<Vec<_>>()}]}});
        let view = JsonView::of(route, "v1", "VirtualService").expect("a view");
        assert_eq!(view.hosts().count(), 50_000);
        assert!(view.leads_to("host-49999"));
    }

    /// Its size alone may keep a rollout from beginning, so whoever takes it out must be noticed.
    #[test]
    fn what_kubectl_keeps_is_a_change_where_it_goes() {
        let of = |annotations: Value| {
            let route = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7",
                "annotations": annotations}, "spec": {"http": []}});
            JsonView::of(route, "v1", "VirtualService").expect("a view")
        };
        let large = || of(json!({"kubectl.kubernetes.io/last-applied-configuration": "large"}));
        assert!(large().same(&large()));
        assert!(!large().same(&of(json!({}))));
    }
}

//! What is kept as a whole, without what nobody reads: Services, routes, policies of hosts, Rollouts and Decisions.

use serde_json::{Map, Value, json};
use teal_api::names::{label, manager};
use teal_api::{Decision, Rollout};

use super::cache::{ObjectId, View};
use crate::json;

/// An object as JSON.
#[derive(Clone, Debug)]
pub(crate) struct JsonView {
    id: ObjectId,
    uid: String,
    version: u64,
    /// The object, without its status, and with only that of `managedFields` that says who wrote routes.
    pub(crate) value: Value,
}

impl JsonView {
    /// Takes the object; `kind` is put in where a list left it out.
    pub(crate) fn of(mut value: Value, api_version: &str, kind: &str) -> Option<Self> {
        let id = json::id(&value)?;
        let fields = value.as_object_mut()?;
        fields.remove("status");
        fields.entry("apiVersion").or_insert_with(|| json!(api_version));
        fields.entry("kind").or_insert_with(|| json!(kind));
        slim(&mut value);
        let (uid, version) = (json::text(&value, "/metadata/uid").to_owned(), json::version(&value));
        Some(Self { id, uid, version, value })
    }

    /// A label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.value.pointer("/metadata/labels")?.get(name)?.as_str()
    }

    /// The Rollout whose object it is.
    pub(crate) fn rollout(&self) -> Option<&str> {
        self.label(label::ROLLOUT)
    }
}

/// Takes out what is large and not read.
fn slim(value: &mut Value) {
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if let Some(entries) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
        entries.iter_mut().for_each(slim_entry);
    }
    if let Some(notes) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        notes.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

/// Who, when, and whether it was the routes.
fn slim_entry(entry: &mut Value) {
    let http = entry.pointer("/fieldsV1/f:spec/f:http").is_some();
    let selector = entry.pointer("/fieldsV1/f:spec/f:selector").is_some();
    let mut spec = Map::new();
    if http {
        spec.insert("f:http".into(), json!({}));
    }
    if selector {
        spec.insert("f:selector".into(), json!({}));
    }
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
        let parts = ["/spec", "/metadata/labels", "/metadata/annotations", "/metadata/deletionTimestamp"];
        self.uid == other.uid
            && parts.iter().all(|part| self.value.pointer(part) == other.value.pointer(part))
    }
}

/// A Rollout, or why it can't be read. One that can't never holds up the others.
#[derive(Clone, Debug)]
pub(crate) struct RolloutView {
    pub(crate) id: ObjectId,
    pub(crate) uid: String,
    pub(crate) version: u64,
    pub(crate) rollout: Result<Box<Rollout>, String>,
    /// Names of its Services and VirtualServices, for looking it up by them.
    pub(crate) services: Vec<String>,
    pub(crate) virtual_services: Vec<String>,
}

impl RolloutView {
    /// Nothing where another operator looks after it.
    pub(crate) fn of(mut value: Value, instance: &str) -> Option<Self> {
        let id = json::id(&value)?;
        let found = value.pointer("/metadata/labels").and_then(|labels| labels.get(label::INSTANCE));
        if found.and_then(Value::as_str).unwrap_or_default() != instance {
            return None;
        }
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        slim(&mut value);
        let (uid, version) = (json::text(&value, "/metadata/uid").to_owned(), json::version(&value));
        let names = |pointer: &str| {
            let items = value.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(|item| Some(item.get("name")?.as_str()?.to_owned())).collect::<Vec<_>>()
        };
        let (services, virtual_services) =
            (names("/spec/traffic/services"), names("/spec/traffic/virtualServices"));
        let rollout = read_rollout(value);
        Some(Self { id, uid, version, rollout, services, virtual_services })
    }
}

/// A status that can't be read is lost, which the planner can mend; a spec that can't be read only its author can.
fn read_rollout(value: Value) -> Result<Box<Rollout>, String> {
    match serde_json::from_value::<Rollout>(value.clone()) {
        Ok(rollout) => Ok(Box::new(rollout)),
        Err(error) => {
            let mut without = value;
            if let Some(fields) = without.as_object_mut() {
                fields.remove("status");
            }
            serde_json::from_value(without).map(Box::new).map_err(|_| error.to_string())
        }
    }
}

impl View for RolloutView {
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
    fn same(&self, _: &Self) -> bool {
        false
    }
}

/// A Decision.
#[derive(Clone, Debug)]
pub(crate) struct DecisionView {
    pub(crate) id: ObjectId,
    pub(crate) uid: String,
    pub(crate) version: u64,
    pub(crate) created: String,
    pub(crate) decision: Box<Decision>,
    rollout: String,
}

impl DecisionView {
    pub(crate) fn of(mut value: Value) -> Option<Self> {
        let id = json::id(&value)?;
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let (uid, version) = (json::text(&value, "/metadata/uid").to_owned(), json::version(&value));
        let created = json::text(&value, "/metadata/creationTimestamp").to_owned();
        let decision: Decision = serde_json::from_value(value).ok()?;
        let rollout = decision.spec.rollout.name.clone();
        Some(Self { id, uid, version, created, decision: Box::new(decision), rollout })
    }

    /// Whether its outcome is written.
    pub(crate) fn is_answered(&self) -> bool {
        self.decision.status.as_ref().is_some_and(|status| !status.conditions.is_empty())
    }
}

impl View for DecisionView {
    fn id(&self) -> ObjectId {
        self.id.clone()
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn version(&self) -> u64 {
        self.version
    }
    fn group(&self) -> &str {
        &self.rollout
    }
    fn same(&self, other: &Self) -> bool {
        self.uid == other.uid && self.decision.status == other.decision.status
    }
}

/// The field managers that wrote `spec.http` (or the selector) last and are not Teal's, newest first.
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

//! Kubernetes objects as JSON, and how they are called.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Group, kind and name: what makes an object one object inside a namespace. Shown as `Deployment web`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ObjectKey {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// Put together from its parts.
    pub fn new(group: &str, kind: &str, name: &str) -> Self {
        Self { group: group.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
    }

    /// A Deployment.
    pub fn deployment(name: &str) -> Self {
        Self::new("apps", "Deployment", name)
    }

    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// One Kubernetes object as JSON, always a map.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Object(pub(crate) Map<String, Value>);

impl Object {
    /// The map of a JSON value; nothing if it is something else.
    pub fn from_value(value: &Value) -> Option<Self> {
        value.as_object().cloned().map(Self)
    }

    /// What makes it one object. Missing parts are empty.
    pub fn key(&self) -> ObjectKey {
        let version = self.text("/apiVersion");
        let group = version.split_once('/').map_or("", |(group, _)| group);
        ObjectKey::new(group, self.text("/kind"), self.text("/metadata/name"))
    }

    /// What stands at a JSON pointer.
    pub fn get(&self, pointer: &str) -> Option<&Value> {
        let (first, rest) = split(pointer)?;
        let value = self.0.get(first)?;
        if rest.is_empty() { Some(value) } else { value.pointer(rest) }
    }

    /// As [`Object::get`], to be changed.
    pub(crate) fn get_mut(&mut self, pointer: &str) -> Option<&mut Value> {
        let (first, rest) = split(pointer)?;
        let value = self.0.get_mut(first)?;
        if rest.is_empty() { Some(value) } else { value.pointer_mut(rest) }
    }

    /// The text at a JSON pointer, empty where there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.get(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The whole as a value.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// A label.
    pub fn label(&self, name: &str) -> Option<&str> {
        entry(self.get("/metadata/labels"), name)
    }

    /// An annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        entry(self.get("/metadata/annotations"), name)
    }

    pub(crate) fn set_label(&mut self, name: &str, value: &str) {
        self.set(&["metadata", "labels"], name, value.into());
    }

    pub(crate) fn set_annotation(&mut self, name: &str, value: &str) {
        self.set(&["metadata", "annotations"], name, value.into());
    }

    /// Writes one field; maps on the way are made where missing.
    pub fn set(&mut self, path: &[&str], name: &str, value: Value) {
        if let Some(map) = path.iter().try_fold(&mut self.0, |map, step| child(map, step)) {
            map.insert(name.to_owned(), value);
        }
    }

    /// Takes one field out.
    pub(crate) fn remove(&mut self, path: &[&str], name: &str) -> Option<Value> {
        let map = path.iter().try_fold(&mut self.0, |map, step| map.get_mut(*step)?.as_object_mut())?;
        map.remove(name)
    }

    /// The pod template, for kinds that have one.
    pub(crate) fn template(&self) -> Option<&Value> {
        self.get(template_pointer(self.text("/kind"))?)
    }

    /// The pod template, to be changed.
    pub(crate) fn template_mut(&mut self) -> Option<&mut Map<String, Value>> {
        let pointer = template_pointer(self.text("/kind"))?;
        self.get_mut(pointer)?.as_object_mut()
    }
}

/// Where a kind has its pod template.
pub(crate) fn template_pointer(kind: &str) -> Option<&'static str> {
    match kind {
        "Deployment" | "StatefulSet" | "Job" => Some("/spec/template"),
        "CronJob" => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

/// The map under a name, made where it is missing.
pub(crate) fn child<'a>(map: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    let slot = map.entry(name.to_owned()).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut()
}

/// The list at a pointer, empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The list at a pointer, to be changed.
pub(crate) fn list_mut<'a>(value: &'a mut Value, pointer: &str) -> &'a mut [Value] {
    value.pointer_mut(pointer).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

fn split(pointer: &str) -> Option<(&str, &str)> {
    let rest = pointer.strip_prefix('/')?;
    Some(rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash)))
}

fn entry<'a>(map: Option<&'a Value>, name: &str) -> Option<&'a str> {
    map?.as_object()?.get(name)?.as_str()
}

//! Small readers for Kubernetes objects held as JSON.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Refusal;

/// Which object something is said about. Shown as `VirtualService shop/web`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectName {
    /// Kind, as written in the object or as expected.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectName {
    /// Reads the name of an object; `kind` is used where the object, coming out of a list, has none.
    pub fn of(object: &Value, kind: &str) -> Result<Self, Refusal> {
        let written = object.get("kind").and_then(Value::as_str).unwrap_or(kind);
        let text = |field: &'static str| {
            object.pointer(&format!("/metadata/{field}")).and_then(Value::as_str).map(str::to_owned)
        };
        match (text("namespace"), text("name")) {
            (Some(namespace), Some(name)) => Ok(Self { kind: written.to_owned(), namespace, name }),
            (namespace, name) => Err(Refusal::Malformed {
                object: Box::new(Self {
                    kind: written.to_owned(),
                    namespace: namespace.unwrap_or_default(),
                    name: name.unwrap_or_default(),
                }),
                field: "metadata".into(),
                expected: "a name and a namespace".into(),
            }),
        }
    }

    pub(crate) fn boxed(&self) -> Box<Self> {
        Box::new(self.clone())
    }

    pub(crate) fn malformed(&self, field: impl Into<String>, expected: &str) -> Refusal {
        Refusal::Malformed { object: self.boxed(), field: field.into(), expected: expected.to_owned() }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// The list at `path`, empty where it is absent or of another type: for readers that must not fail on foreign objects.
pub(crate) fn list<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    object.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text at `path`.
pub(crate) fn text<'a>(object: &'a Value, path: &str) -> Option<&'a str> {
    object.pointer(path).and_then(Value::as_str)
}

/// The map at `path`.
pub(crate) fn map<'a>(object: &'a Value, path: &str) -> Option<&'a Map<String, Value>> {
    object.pointer(path).and_then(Value::as_object)
}

/// One annotation.
pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    map(object, "/metadata/annotations")?.get(key)?.as_str()
}

/// `metadata.namespace`, empty where absent.
pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace").unwrap_or_default()
}

/// `metadata.name`, empty where absent.
pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name").unwrap_or_default()
}

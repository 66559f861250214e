//! Pieces of schema that several types share.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Rules of the API server's expression language with the message that says how to mend.
pub(crate) fn rules(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(rule, message)| json!({"rule": rule, "message": message})).collect()
}

/// Like [`rules`], for rules over a whole object that blame one of its fields.
pub(crate) fn rules_at(triples: &[(&str, &str, &str)]) -> Value {
    triples
        .iter()
        .map(|(field, rule, message)| json!({"fieldPath": field, "rule": rule, "message": message}))
        .collect()
}

/// A list in which every entry may be there once, known by these keys; each may have its own writer.
pub(crate) const MAP: &str = "map";
/// A list of scalars without order or repetition.
pub(crate) const SET: &str = "set";
/// A list that is written as a whole.
pub(crate) const ATOMIC: &str = "atomic";

/// The rule that a name is a DNS label.
pub(crate) fn dns_label() -> Value {
    rules(&[(
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "write a name of lower case letters, digits and dashes, such as canary-2",
    )])
}

/// The rule that a metrics source is one of the operator's.
pub(crate) fn source() -> Value {
    rules(&[(
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "name a metrics source of the operator's configuration, such as default: addresses are set there, not here",
    )])
}

/// The words of an enum without the enum's own description, which would take the place of the field's.
pub(crate) fn word<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    schema.remove("description");
    schema
}

/// Free form: the server keeps what is written as it is.
pub(crate) fn free_form(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// Conditions as all Kubernetes tools read them, described in our words.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": MAP,
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"type": "string", "description": "What the condition is about, such as Ready."},
                "status": {
                    "type": "string",
                    "enum": ["True", "False", "Unknown"],
                    "description": "Whether it holds.",
                },
                "reason": {
                    "type": "string",
                    "description": "Why, in one word for programs. The list is open: treat an unknown word as \
                                    work in progress.",
                },
                "message": {
                    "type": "string",
                    "description": "Why, in one sentence for people, with what to do where something is to be done.",
                },
                "observedGeneration": {
                    "type": "integer",
                    "format": "int64",
                    "description": "The metadata.generation that this was found for.",
                },
                "lastTransitionTime": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When status last changed.",
                },
            },
        },
    })
}

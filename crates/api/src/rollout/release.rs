//! `spec.release`: the one part of a Rollout whose change starts a rollout.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::chart::{Chart, chart_schema};
use crate::names::limit;
use crate::schema::{ATOMIC, rules};

/// `spec.release` as the server returns it. It is never read into typed structs and written back: its hash is taken
/// over the stored JSON, and a field that this version does not know must count too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Release(pub Value);

/// What can't be read in a release. The field is relative to the Rollout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// None of the known members is there.
    #[error(
        "spec.release.manifests is missing: list the objects of the release there, or name a chart in spec.release.chart{}",
        others(.unknown)
    )]
    NoMember {
        /// Members that this version does not know.
        unknown: Vec<String>,
    },
    /// The list is not a list, or has nothing in it.
    #[error("spec.release.manifests is empty: list at least a workload and its Service")]
    NoManifests,
    /// The chart has another shape than it should.
    #[error("spec.release.chart can't be read: {problem}")]
    Chart {
        /// What is wrong with it.
        problem: String,
    },
    /// One entry is no object with `apiVersion`, `kind` and `metadata.name`.
    #[error(
        "spec.release.manifests[{index}] has no {field}: every object needs apiVersion, kind and metadata.name"
    )]
    Incomplete {
        /// Place in the list.
        index: usize,
        /// The missing field.
        field: &'static str,
    },
}

/// Says which members were found instead of the wanted one.
fn others(unknown: &[String]) -> String {
    if unknown.is_empty() {
        String::new()
    } else {
        format!(" (this version does not know spec.release.{})", unknown.join(" and spec.release."))
    }
}

/// One object of a release, borrowed from the stored JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manifest<'a> {
    /// Group and version, such as `apps/v1`.
    pub api_version: &'a str,
    /// Kind, such as `Deployment`.
    pub kind: &'a str,
    /// Name without color.
    pub name: &'a str,
    /// The whole object as written.
    pub object: &'a Map<String, Value>,
}

impl Release {
    /// The chart of the release; nothing where it is made of manifests.
    pub fn chart(&self) -> Option<Result<Chart, ReleaseError>> {
        let chart = self.0.get("chart")?;
        Some(Chart::deserialize(chart).map_err(|error| ReleaseError::Chart { problem: error.to_string() }))
    }

    /// The stored JSON.
    pub fn raw(&self) -> &Value {
        &self.0
    }

    /// The objects of the release with their identity, in the order in which they were written.
    pub fn manifests(&self) -> Result<Vec<Manifest<'_>>, ReleaseError> {
        let Some(member) = self.0.get("manifests") else {
            let unknown = self.0.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
            return Err(ReleaseError::NoMember { unknown });
        };
        match member.as_array() {
            Some(list) if !list.is_empty() => {
                list.iter().enumerate().map(|(index, object)| manifest(index, object)).collect()
            }
            _ => Err(ReleaseError::NoManifests),
        }
    }
}

/// Reads the identity of one object.
fn manifest(index: usize, value: &Value) -> Result<Manifest<'_>, ReleaseError> {
    let text = |pointer: &str, field: &'static str| {
        value.pointer(pointer).and_then(Value::as_str).ok_or(ReleaseError::Incomplete { index, field })
    };
    Ok(Manifest {
        api_version: text("/apiVersion", "apiVersion")?,
        kind: text("/kind", "kind")?,
        name: text("/metadata/name", "metadata.name")?,
        object: value.as_object().ok_or(ReleaseError::Incomplete { index, field: "apiVersion" })?,
    })
}

impl JsonSchema for Release {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Release".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "x-kubernetes-validations": rules(&[
                (
                    "has(self.manifests) || has(self.chart)",
                    "say in manifests what is released: list the Deployment, the Service and all that belongs to them, \
                     or name a Helm chart in chart",
                ),
                (
                    "!(has(self.manifests) && has(self.chart))",
                    "a release is made of manifests or of a chart: take one of the two out",
                ),
            ]),
            "properties": {"manifests": manifests_schema(), "chart": chart_schema()},
        })
    }
}

/// The list of objects. Items are not marked as embedded resources: the server would drop fields of their metadata.
fn manifests_schema() -> Value {
    serde_json::json!({
        "type": "array",
        "description": "The objects of the release, 1 to 64, named without color: Teal adds -blue or -green to what \
            is there once per color and to all references to it. Kinds that are shared by both colors \
            (ServiceAccount, PersistentVolumeClaim, Role, NetworkPolicy and the like) keep their name. No Secrets: \
            refer to them by name.",
        "maxItems": limit::MANIFESTS,
        "x-kubernetes-list-type": ATOMIC,
        "x-kubernetes-validations": rules(&[
            ("self.size() > 0", "list at least one object: a Deployment and its Service, for example"),
            (
                "self.all(m, m.kind != 'Secret')",
                "leave Secrets out: whoever may read this Rollout could read their values; create them beside it and \
                 refer to them by name",
            ),
            (
                "self.all(m, self.exists_one(o, o.apiVersion == m.apiVersion && o.kind == m.kind && \
                 o.metadata.name == m.metadata.name))",
                "two entries have the same apiVersion, kind and name: keep one of them",
            ),
        ]),
        "items": manifest_schema(),
    })
}

/// One object: what identifies it is described and required, the rest is kept as written.
fn manifest_schema() -> Value {
    serde_json::json!({
        "type": "object",
        "description": "One object as it would be given to kubectl apply.",
        "required": ["apiVersion", "kind", "metadata"],
        "x-kubernetes-preserve-unknown-fields": true,
        "properties": {
            "apiVersion": {
                "type": "string",
                "description": "Group and version, such as apps/v1.",
                "minLength": 1,
                "maxLength": 128,
                "x-kubernetes-validations": rules(&[(
                    "self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?$')",
                    "write group and version, such as apps/v1, or v1 for the core group",
                )]),
            },
            "kind": {
                "type": "string",
                "description": "Kind, such as Deployment.",
                "minLength": 1,
                "maxLength": limit::DNS_LABEL,
            },
            "metadata": {
                "type": "object",
                "description": "Name, labels and annotations. The annotation teal.dev/fate (Own, Shared or LiveOnly) \
                    says how the object relates to colors where its kind alone does not say it right. On a Job, \
                    teal.dev/run: before, which is also what it means without, has it run once per revision, before the \
                    workloads of its color start; with after-retire it runs once the revision is live and the former one is \
                    gone. A Retry runs it again only if it did not end well. It goes with its \
                    color: ttlSecondsAfterFinished is left out. On a traffic Service, teal.dev/switch (Overlap or AtOnce) \
                    says how it is turned to another revision, and teal.dev/overlap, like 90s, for how long it selects \
                    both.",
                "required": ["name"],
                "x-kubernetes-preserve-unknown-fields": true,
                "x-kubernetes-validations": rules(&[(
                    "!has(self.__namespace__)",
                    "take metadata.namespace out: all objects of a release are in the Rollout's namespace",
                )]),
                "properties": {
                    "name": {
                        "type": "string",
                        "description": "Name without color.",
                        "minLength": 1,
                        "maxLength": limit::DNS_SUBDOMAIN,
                        "x-kubernetes-validations": rules(&[(
                            "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
                            "write an object's name: lower case letters, digits, dashes and dots",
                        )]),
                    },
                    "namespace": {
                        "type": "string",
                        "description": "Refused: all objects of a release are in the Rollout's namespace.",
                        "maxLength": limit::DNS_LABEL,
                    },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn identity_is_read_and_nothing_is_lost() {
        let stored = json!({"manifests": [
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "madeUp": {"x": [1, 2.5, null]}},
        ]});
        let release: Release = serde_json::from_value(stored.clone()).expect("any JSON is taken");
        let manifests = release.manifests().expect("complete");
        assert_eq!(
            (manifests[0].api_version, manifests[0].kind, manifests[0].name),
            ("v1", "Service", "web")
        );
        assert_eq!(serde_json::to_value(&release).expect("JSON"), stored);
    }

    #[test]
    fn what_is_missing_is_named() {
        let message = |stored: Value| Release(stored).manifests().expect_err("incomplete").to_string();
        assert!(message(json!({"workloads": []})).contains("does not know spec.release.workloads"));
        assert!(message(json!({})).contains("spec.release.manifests is missing"));
        assert!(message(json!({"manifests": []})).contains("at least"));
        assert!(
            message(json!({"manifests": [{"apiVersion": "v1", "kind": "Service"}]}))
                .contains("spec.release.manifests[0] has no metadata.name")
        );
        assert!(message(json!({"manifests": ["x"]})).contains("manifests[0] has no apiVersion"));
    }
}
